//! The command line of `relais rpps`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::operations::cli::RppsIntegrateArgs;

/// Ce que `relais rpps` sait faire.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RppsCommande {
    /// Compare deux extractions des activités : lignes ajoutées, retirées, modifiées.
    Diff(DiffArgs),
    /// Condense une extraction : un petit fichier trié, auquel la suivante se compare seule.
    Digest(DigestArgs),
    /// Écrit deux extractions fictives, de deux jours, dont les différences sont connues.
    Generate(GenerateArgs),
    /// Fait intégrer par rpps-flux un fichier qu'il refuse parce que trop de lignes diffèrent.
    Integrate(RppsIntegrateArgs),
}

/// Options de `relais rpps diff`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// L'extraction la plus ancienne, ou son condensé.
    #[arg(value_name = "ANCIENNE")]
    pub avant: PathBuf,
    /// L'extraction la plus récente.
    #[arg(value_name = "NOUVELLE")]
    pub apres: PathBuf,
    /// Dernière ligne de la sortie standard : un objet JSON.
    #[arg(long)]
    pub json: bool,
    /// Écrit les lignes qui diffèrent, précédées de leur nature : ajout, retrait, ou avant et apres
    /// pour une modification.
    #[arg(long, value_name = "FICHIER")]
    pub out: Option<PathBuf>,
    /// Écrit le condensé de NOUVELLE, pour la comparaison suivante.
    #[arg(long, value_name = "FICHIER")]
    pub digest: Option<PathBuf>,
}

/// Options de `relais rpps digest`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DigestArgs {
    /// L'extraction.
    #[arg(value_name = "EXTRACTION")]
    pub extraction: PathBuf,
    /// Le condensé à écrire.
    #[arg(long, value_name = "FICHIER")]
    pub out: PathBuf,
    /// Dernière ligne de la sortie standard : un objet JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options de `relais rpps generate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Dossier des deux extractions ; celles qui portent les mêmes noms sont remplacées.
    #[arg(long, default_value = "relais-rpps", value_name = "DOSSIER")]
    pub out: PathBuf,
    /// Lignes du premier jour (1 à 9 000 000).
    #[arg(long, default_value_t = 2_200_000, value_parser = clap::value_parser!(u64).range(1..=9_000_000))]
    pub lignes: u64,
    /// Lignes qui diffèrent le second jour : quatre modifications pour trois ajouts et trois
    /// retraits ; au plus deux cinquièmes des lignes.
    #[arg(long, default_value_t = 5_000)]
    pub changements: u64,
    /// Graine : la même donne les mêmes fichiers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Dernière ligne de la sortie standard : un objet JSON.
    #[arg(long)]
    pub json: bool,
}
