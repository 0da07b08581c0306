//! The command line, and the servers it needs.

use std::{os::unix::process::CommandExt, path::Path, process::Command};

use clap::{Parser, ValueEnum};
use kernel::Secret;

/// Mesure ce que Relais fait par seconde, à côté de ce que RabbitMQ fait seul.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// Ce qu'il faut mesurer.
    #[arg(value_enum)]
    pub mesure: Mesure,
    /// Dernière ligne de la sortie standard : un objet JSON.
    #[arg(long)]
    pub json: bool,
    /// Messages par tour.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub messages: u32,
    /// Tours de chaque série ; les séries alternent et la médiane est retenue.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub tours: u32,
    /// Médecins fictifs de `pipeline`.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub medecins: u32,
    /// Lignes des extractions fictives de `diff`.
    #[arg(long, default_value_t = 2_200_000, value_parser = clap::value_parser!(u64).range(50_000..=9_000_000))]
    pub lignes: u64,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mesure {
    /// Un message entre, un état change, un fait sort : débit de bout en bout.
    Hop,
    /// Dossiers par seconde à travers les six services.
    Pipeline,
    /// De la publication d'un message à celle de son effet.
    Latency,
    /// Messages par seconde de la boîte d'envoi au courtier.
    Relay,
    /// Mémoire, taille et démarrage d'un service.
    Footprint,
    /// Le débit quand la base contient déjà beaucoup.
    Growth,
    /// Deux extractions du RPPS comparées, à côté de `wc -l` et de DuckDB ; sans serveurs.
    Diff,
    /// Tout, l'un après l'autre.
    Tout,
}

impl Mesure {
    /// Every measure.
    pub(crate) const CHACUNE: [Self; 7] = [
        Self::Hop,
        Self::Latency,
        Self::Relay,
        Self::Footprint,
        Self::Growth,
        Self::Pipeline,
        Self::Diff,
    ];

    /// Its name on the command line.
    pub(crate) fn nom(self) -> &'static str {
        match self {
            Self::Hop => "hop",
            Self::Pipeline => "pipeline",
            Self::Latency => "latency",
            Self::Relay => "relay",
            Self::Footprint => "footprint",
            Self::Growth => "growth",
            Self::Diff => "diff",
            Self::Tout => "tout",
        }
    }
}

/// Both servers are named by the environment.
pub(crate) fn servers_are_known() -> bool {
    url("AMQP_URL").is_some() && url("DATABASE_URL").is_some()
}

/// Replaces this process by the same one under private servers, PostgreSQL with its fsync on.
/// Returns only when that cannot be done.
pub(crate) fn run_under_servers() -> std::io::Error {
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers.sh");
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return error,
    };
    let mut command = Command::new(servers);
    command.arg("exec").arg(own).args(std::env::args_os().skip(1)).env("SERVERS_FSYNC", "on");
    command.exec()
}

/// A URL of the environment.
#[expect(clippy::disallowed_methods, reason = "the environment says where the servers are")]
pub(crate) fn url(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret::new)
}
