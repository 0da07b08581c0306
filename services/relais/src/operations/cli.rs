//! The command line of what an operator does.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;

/// Ce que `relais failures` sait faire.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FailuresCommande {
    /// Compte les pannes ouvertes, groupées par service, code et genre ; les énumère avec --detail.
    List(ListArgs),
    /// Montre une panne, sans son corps.
    Show(ShowArgs),
    /// Rejoue une panne, ou toutes celles d'un code : une éclaireuse d'abord, les autres ensuite.
    Replay(ReplayArgs),
    /// Écarte une panne, ou toutes celles d'un code, avec un motif.
    Discard(DiscardArgs),
    /// Montre ce que les opérateurs ont fait, le plus récent d'abord.
    Journal(JournalArgs),
}

/// Ce que `relais tasks` sait faire.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TasksCommande {
    /// Énumère les tâches ouvertes, la plus ancienne d'abord.
    List(TaskListArgs),
    /// Montre une tâche, avec tout ce qu'il faut recopier.
    Show(TaskShowArgs),
    /// Clôt une tâche avec ce que la personne a trouvé ou décidé.
    Close(TaskCloseArgs),
}

/// Où sont les services, et qui agit.
#[derive(Clone, Debug, Args)]
pub(crate) struct Acces {
    /// Services à interroger : URL, NOM=URL, ou NOM d'un service connu ; plusieurs séparés par des
    /// virgules. Par défaut ceux de la table « services » de la configuration, sinon ceux de
    /// « relais run » sur cette machine.
    #[arg(long = "service", value_delimiter = ',', value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Fichier de configuration TOML ; les variables RELAIS__… le complètent.
    #[arg(long, value_name = "FICHIER")]
    pub config: Option<PathBuf>,
    /// Jeton d'opérateur ; celui de la configuration par défaut.
    #[arg(long, env = "RELAIS_OPERATOR_TOKEN", hide_env_values = true, value_name = "JETON")]
    pub operator_token: Option<String>,
    /// Fichier qui contient le jeton d'opérateur, et rien d'autre.
    #[arg(long, value_name = "FICHIER")]
    pub operator_token_file: Option<PathBuf>,
    /// Qui agit, quand le jeton est partagé.
    #[arg(long, value_name = "NOM")]
    pub par: Option<String>,
    /// Écrit du JSON sur la sortie standard.
    #[arg(long)]
    pub json: bool,
}

/// Quelles pannes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Choix {
    /// De ce code.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// De ce genre : type de message ou genre de demande.
    #[arg(long, value_name = "GENRE")]
    pub kind: Option<String>,
    /// Vues depuis : une date (2026-10-01), un instant (RFC 3339) ou une durée (90m, 24h, 7j).
    #[arg(long, value_name = "QUAND")]
    pub since: Option<String>,
}

/// Options de `relais failures list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub choix: Choix,
    /// Une ligne par panne, la plus ancienne d'abord.
    #[arg(long)]
    pub detail: bool,
    /// Les pannes closes aussi.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais failures show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// La panne.
    #[arg(value_name = "ID")]
    pub id: Uuid,
    /// Montre aussi le corps, qui peut contenir des données personnelles : l'accès est journalisé.
    #[arg(long)]
    pub corps: bool,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais failures replay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    /// La panne ; sans elle, toutes celles que --code désigne.
    #[arg(value_name = "ID", required_unless_present = "code", conflicts_with_all = ["code", "kind", "since"])]
    pub id: Option<Uuid>,
    #[command(flatten)]
    pub choix: Choix,
    /// Cadence des rejeux après l'éclaireuse : N/s ou N/min.
    #[arg(long, default_value = "5/s", value_name = "CADENCE", value_parser = super::lire_cadence)]
    pub rate: std::time::Duration,
    /// Combien de secondes une demande rejouée par l'éclaireuse est observée avant les autres.
    #[arg(long, default_value_t = 10, value_name = "SECONDES")]
    pub observation: u64,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais failures discard`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DiscardArgs {
    /// La panne ; sans elle, toutes celles que --code désigne.
    #[arg(value_name = "ID", required_unless_present = "code", conflicts_with_all = ["code", "kind", "since"])]
    pub id: Option<Uuid>,
    #[command(flatten)]
    pub choix: Choix,
    /// Pourquoi ; journalisé.
    #[arg(long, value_name = "MOTIF", value_parser = super::lire_motif)]
    pub motif: String,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais failures journal`.
#[derive(Clone, Debug, Args)]
pub(crate) struct JournalArgs {
    /// Combien de lignes par service.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max: u32,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais tasks list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TaskListArgs {
    /// De ce gabarit.
    #[arg(long, value_name = "GABARIT")]
    pub gabarit: Option<String>,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais tasks show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TaskShowArgs {
    /// La tâche.
    #[arg(value_name = "ID")]
    pub id: Uuid,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais tasks close`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TaskCloseArgs {
    /// La tâche.
    #[arg(value_name = "ID")]
    pub id: Uuid,
    /// Ce que la personne a trouvé ou décidé, plusieurs fois ; le README du service dit quels champs.
    #[arg(long = "champ", value_name = "NOM=VALEUR", value_parser = super::lire_champ)]
    pub champs: Vec<(String, String)>,
    #[command(flatten)]
    pub acces: Acces,
}

/// Ce que `relais rdv` sait faire.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RdvCommande {
    /// Donne à Relais un accès à RDV Service Public : un consentement, une fois, dans un navigateur.
    Login(RdvLoginArgs),
    /// Fait relire les lieux, et renvoyer tout ce que RDV Service Public sait d'eux.
    Reconcile(RdvReconcileArgs),
}

/// Options de `relais rdv login`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RdvLoginArgs {
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais rdv reconcile`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RdvReconcileArgs {
    /// Seulement ces lieux ; tous ceux qui sont prêts par défaut.
    #[arg(long = "lieu", value_delimiter = ',', value_name = "LIEU")]
    pub lieux: Vec<contracts::LieuId>,
    #[command(flatten)]
    pub acces: Acces,
}

/// Options de `relais rpps integrate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RppsIntegrateArgs {
    /// Nom du fichier refusé, tel que le service le dit.
    #[arg(value_name = "FICHIER")]
    pub fichier: String,
    /// Accepte ses écarts : à dire, parce que tout ce qu'il ne montre plus est retiré.
    #[arg(long, required = true)]
    pub force: bool,
    /// Pourquoi, gardé au journal.
    #[arg(long, value_name = "MOTIF", value_parser = super::lire_motif)]
    pub motif: String,
    #[command(flatten)]
    pub acces: Acces,
}
