//! The command line of `relais indemnite`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use contracts::{CodeCpam, Mois, Rpps};
use uuid::Uuid;

use crate::operations::cli::Acces;

/// Ce que `relais indemnite` sait faire.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum IndemniteCommande {
    /// Énumère les états mensuels : énoncé, payé, rejeté, attendu.
    Etats(EtatsArgs),
    /// Refait les documents d'un mois : états (CSV et PDF) et formulaires des médecins, à l'octet
    /// près ; code 1 si un état n'est plus celui qui a été envoyé.
    Documents(DocumentsArgs),
    /// Reprend ce qu'une CPAM dit avoir payé ou rejeté, ligne par ligne, après tout contrôle.
    Import(ImportArgs),
    /// Corrige une ligne : une nouvelle ligne porte la différence, dans un état suivant.
    Corriger(CorrigerArgs),
    /// Clôt l'état d'une CPAM avant son jour.
    Cloturer(CloturerArgs),
}

/// Quels états.
#[derive(Clone, Debug, Args)]
pub(crate) struct Quels {
    /// Codes des CPAM, séparés par des virgules ; celles du référentiel par défaut.
    #[arg(long, value_delimiter = ',', value_name = "CODES")]
    pub cpam: Vec<CodeCpam>,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais indemnite etats`.
#[derive(Clone, Debug, Args)]
pub(crate) struct EtatsArgs {
    /// Mois, par exemple 2026-03 ; tous par défaut.
    #[arg(long, value_name = "AAAA-MM")]
    pub mois: Option<Mois>,
    #[command(flatten)]
    pub quels: Quels,
}

/// Options de `relais indemnite documents`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DocumentsArgs {
    /// Mois, par exemple 2026-03.
    #[arg(long, value_name = "AAAA-MM")]
    pub mois: Mois,
    /// Dossier à remplir : `etats/` et `formulaires/`.
    #[arg(long, default_value = "relais-indemnite", value_name = "DOSSIER")]
    pub out: PathBuf,
    #[command(flatten)]
    pub quels: Quels,
}

/// Options de `relais indemnite import`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// Le fichier CSV de l'état, où la CPAM a ajouté les colonnes `issue` (payee, rejetee, ou rien),
    /// `paye_le` (aaaa-mm-jj) et `code` (d'un rejet).
    #[arg(value_name = "FICHIER")]
    pub fichier: PathBuf,
    /// Contrôle seulement.
    #[arg(long)]
    pub essai: bool,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais indemnite corriger`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CorrigerArgs {
    /// La ligne.
    #[arg(long, value_name = "ID")]
    pub ligne: Uuid,
    /// Le médecin.
    #[arg(long, value_name = "NUMÉRO")]
    pub rpps: Rpps,
    /// Le mois de la demi-journée.
    #[arg(long, value_name = "AAAA-MM")]
    pub mois: Mois,
    /// Ce qui est ajouté à la ligne, en centimes ; négatif pour reprendre.
    #[arg(long, allow_hyphen_values = true, value_name = "CENTIMES")]
    pub centimes: i64,
    /// Pourquoi : un code (minuscules, chiffres et tirets).
    #[arg(long, value_name = "CODE")]
    pub motif: String,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais indemnite cloturer`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CloturerArgs {
    /// La CPAM.
    #[arg(long, value_name = "CODE")]
    pub cpam: CodeCpam,
    #[command(flatten)]
    pub acces: Acces,
}
