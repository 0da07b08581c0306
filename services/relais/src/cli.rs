//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    operations::{
        cli::{FailuresCommande, RdvCommande, TasksCommande},
        indemnites::cli::IndemniteCommande,
    },
    rpps::cli::RppsCommande,
};

/// Relais : porte la candidature d'un médecin volontaire à travers toutes les agences du
/// programme « Un médecin près de chez vous ».
#[derive(Debug, Parser)]
#[command(name = "relais", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Ce qu'il faut faire.
    #[command(subcommand)]
    pub commande: Commande,
}

/// Ce que `relais` sait faire.
#[derive(Debug, Subcommand)]
pub(crate) enum Commande {
    /// Joue tout le programme avec des médecins fictifs et des agences simulées.
    Demo(DemoArgs),
    /// Fait tourner des services pour de bon.
    Run(RunArgs),
    /// Fait tourner les agences simulées, seules.
    Simulators(SimulatorsArgs),
    /// Crée, vérifie ou exporte la topologie RabbitMQ.
    #[command(subcommand)]
    Topology(TopologyCommande),
    /// Examine le courtier, les bases, l'horloge, le référentiel et les certificats ; code 1 s'il y
    /// a une erreur.
    Doctor(DoctorArgs),
    /// Compare, condense ou invente des extractions de l'Annuaire Santé.
    #[command(subcommand)]
    Rpps(RppsCommande),
    /// Compare les réglages de `ds-intake` au formulaire de la démarche, ou aide à les écrire.
    #[command(subcommand)]
    Ds(DsCommande),
    /// Suit les états mensuels, refait leurs documents, reprend les paiements, corrige une ligne.
    #[command(subcommand)]
    Indemnite(IndemniteCommande),
    /// Donne l'accès à RDV Service Public, et fait relire les lieux.
    #[command(subcommand)]
    Rdv(RdvCommande),
    /// Traite les pannes : ce que les services n'ont pas su faire seuls.
    #[command(subcommand)]
    Failures(FailuresCommande),
    /// Traite les tâches : ce qui attend une personne.
    #[command(subcommand)]
    Tasks(TasksCommande),
}

/// Options de `relais demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Nombre de médecins fictifs (1 à 100 000).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub medecins: u32,
    /// Graine : la même donne le même résultat.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Dossier des documents produits ; remplacé s'il vient d'une démonstration.
    #[arg(long, default_value = "relais-demo", value_name = "DOSSIER")]
    pub out: PathBuf,
    /// Dernière ligne de la sortie standard : un objet JSON.
    #[arg(long)]
    pub json: bool,
    /// Joue sur RabbitMQ (files préfixées par « demo. ») au lieu du transport embarqué.
    #[arg(long, value_name = "URL")]
    pub amqp: Option<String>,
    /// Joue sur PostgreSQL (un schéma par service) au lieu de SQLite.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Ce que les services écrivent dans leur journal (syntaxe de `tracing`), sur la sortie d'erreur.
    #[arg(long, default_value = "off", value_name = "FILTRE")]
    pub journal: String,
}

/// Options de `relais run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Fichier de configuration TOML ; les variables RELAIS__… le complètent.
    #[arg(long, value_name = "FICHIER")]
    pub config: Option<PathBuf>,
    /// Services à faire tourner, séparés par des virgules ; tous par défaut.
    #[arg(long, value_delimiter = ',', value_name = "SERVICES")]
    pub services: Vec<String>,
}

/// Options de `relais simulators`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SimulatorsArgs {
    /// Premier port ; les agences prennent les suivants.
    #[arg(long, default_value_t = 7100)]
    pub port: u16,
    /// RabbitMQ où les CDOM et les CPAM simulés lisent leurs files ; sans lui, ils ne tournent pas.
    #[arg(long, value_name = "URL")]
    pub amqp: Option<String>,
    /// Préfixe des files et des échanges.
    #[arg(long, default_value = "", value_name = "PRÉFIXE")]
    pub amqp_prefix: String,
    /// Nombre de médecins fictifs qui déposent.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub medecins: u32,
    /// Graine.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Les agences tombent en panne de temps en temps.
    #[arg(long)]
    pub pannes: bool,
    /// Où joindre chaque service, pour que l'opérateur simulé close les tâches ; les adresses de
    /// `relais run` par défaut.
    #[arg(long, value_name = "SERVICE=URL", value_delimiter = ',')]
    pub services: Vec<String>,
    /// Jeton d'opérateur des services.
    #[arg(
        long,
        env = "RELAIS_OPERATOR_TOKEN",
        value_name = "JETON",
        hide_env_values = true,
        default_value = "operateur-fictif",
        hide_default_value = true
    )]
    pub operator_token: String,
    /// Horloge accélérée : « <début réel RFC 3339>/<époque RFC 3339>/<facteur> ».
    #[arg(long, value_name = "HORLOGE")]
    pub clock: Option<String>,
    /// Fichier où chaque message vu par l'opérateur simulé est écrit, un CloudEvent par ligne.
    #[arg(long, value_name = "FICHIER")]
    pub messages: Option<PathBuf>,
}

/// Ce que `relais topology` sait faire.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TopologyCommande {
    /// Dit ce que `apply` ferait, sans rien changer ; code 2 s'il y a quelque chose à faire, 1 si
    /// seule une personne peut le faire.
    Plan(TopologyArgs),
    /// Crée ce qui manque et corrige ce qui diffère, dans l'ordre sûr.
    Apply(TopologyArgs),
    /// Compare le courtier à ce qu'il devrait être ; code 1 s'il en diffère.
    Verify(TopologyArgs),
    /// Écrit `definitions.json`, avec lequel un courtier démarre tout prêt.
    Export(ExportArgs),
}

/// Options de `relais topology plan`, `apply` et `verify`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TopologyArgs {
    /// API de gestion, avec un administrateur : `http://utilisateur:motdepasse@hote:15672`.
    #[arg(long, env = "AMQP_MGMT_URL", value_name = "URL", hide_env_values = true)]
    pub management: String,
    /// Hôte virtuel ; créé s'il n'existe pas.
    #[arg(long, default_value = "/", value_name = "VHOST")]
    pub vhost: String,
    /// Seule autorité de certification à croire pour une API en `https://` (PEM) ; celles de la
    /// machine par défaut.
    #[arg(long, value_name = "FICHIER")]
    pub ca: Option<PathBuf>,
    /// Certificat à présenter à cette API (PEM).
    #[arg(long, value_name = "FICHIER", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Clé privée de ce certificat (PEM).
    #[arg(long, value_name = "FICHIER", requires = "cert")]
    pub key: Option<PathBuf>,
    /// De quoi la topologie est faite.
    #[command(flatten)]
    pub manifeste: ManifesteArgs,
}

/// Options de `relais topology export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Fichier à écrire.
    #[arg(long, default_value = "definitions.json", value_name = "FICHIER")]
    pub out: PathBuf,
    /// Hôte virtuel.
    #[arg(long, default_value = "/", value_name = "VHOST")]
    pub vhost: String,
    /// Ajoute cet administrateur : un courtier qui démarre avec des utilisateurs n'en crée aucun.
    #[arg(long, value_name = "NOM")]
    pub administrateur: Option<String>,
    /// De quoi la topologie est faite.
    #[command(flatten)]
    pub manifeste: ManifesteArgs,
}

/// De quoi la topologie est faite, et où sont les mots de passe.
#[derive(Clone, Debug, Args)]
pub(crate) struct ManifesteArgs {
    /// Dossier du référentiel ; le référentiel public par défaut.
    #[arg(long, value_name = "DOSSIER")]
    pub referentiel: Option<PathBuf>,
    /// Dossier des mots de passe, un fichier par utilisateur ; ceux qui manquent y sont créés. Sans
    /// lui ni `--kubernetes`, les utilisateurs et leurs droits sont laissés tels quels.
    #[arg(long, value_name = "DOSSIER", conflicts_with = "kubernetes")]
    pub secrets: Option<PathBuf>,
    /// Le même rôle, en un fichier de `Secret` Kubernetes.
    #[arg(long, value_name = "FICHIER")]
    pub kubernetes: Option<PathBuf>,
}

/// Options de `relais doctor`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Fichier de configuration TOML ; les variables RELAIS__… le complètent.
    #[arg(long, value_name = "FICHIER")]
    pub config: Option<PathBuf>,
    /// Services à examiner, séparés par des virgules ; tous par défaut.
    #[arg(long, value_delimiter = ',', value_name = "SERVICES")]
    pub services: Vec<String>,
    /// API de gestion, avec un administrateur ; `amqp_management_url` par défaut.
    #[arg(long, env = "AMQP_MGMT_URL", value_name = "URL", hide_env_values = true)]
    pub management: Option<String>,
    /// Hôte virtuel ; celui de `amqp_url` par défaut.
    #[arg(long, value_name = "VHOST")]
    pub vhost: Option<String>,
    /// Dossier des mots de passe, pour les comparer à ceux du courtier.
    #[arg(long, value_name = "DOSSIER", conflicts_with = "kubernetes")]
    pub secrets: Option<PathBuf>,
    /// Le même rôle, en un fichier de `Secret` Kubernetes.
    #[arg(long, value_name = "FICHIER")]
    pub kubernetes: Option<PathBuf>,
}

/// Ce que `relais ds` sait faire ; rien n’est écrit sur DS.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DsCommande {
    /// Dit ce qui manque au formulaire ou n’est pas du bon type, et quels CDOM n’y sont pas
    /// inscrits ; code 1 s’il y a une erreur.
    Check(DsArgs),
    /// Liste les champs et les annotations de la démarche, et propose une table [ds-intake.champs].
    Schema(DsArgs),
}

/// Options de `relais ds`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DsArgs {
    /// Fichier de configuration TOML ; les variables RELAIS__… le complètent.
    #[arg(long, value_name = "FICHIER")]
    pub config: Option<PathBuf>,
}
