//! The bench: what Relais does per second, and what the broker alone does, measured in turn in the
//! same run. See `docs/performance.md` for what the figures mean.

mod banc;
mod chiffres;
mod cli;
mod compteur;
mod croissance;
mod diff;
mod duckdb;
mod empreinte;
mod hop;
mod latence;
mod limite;
mod messages;
mod pipeline;
mod processeur;
mod relais;

use std::process::ExitCode;

use clap::Parser;
use serde_json::{Map, Value};

use crate::{
    banc::Banc,
    chiffres::Resultat,
    cli::{Cli, Mesure},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What went wrong, for whoever runs the bench.
type Erreur = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.mesure != Mesure::Diff && !cli::servers_are_known() {
        let error = cli::run_under_servers();
        eprintln!("tests/servers.sh : {error}");
        return ExitCode::from(69);
    }
    let runtime = match service::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench : {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
async fn run(cli: &Cli) -> Result<(), Erreur> {
    agency::install_crypto_provider();
    let json = if cli.mesure == Mesure::Tout {
        let mut all = Map::new();
        for mesure in Mesure::CHACUNE {
            let resultat = measure(mesure, cli).await?;
            println!("{resultat}");
            all.insert(mesure.nom().to_owned(), resultat.into_json());
        }
        Value::Object(all)
    } else {
        let resultat = measure(cli.mesure, cli).await?;
        println!("{resultat}");
        resultat.into_json()
    };
    if cli.json {
        println!("{json}");
    }
    Ok(())
}

/// One measure, on queues and schemas of its own that are gone afterwards.
async fn measure(mesure: Mesure, cli: &Cli) -> Result<Resultat, Erreur> {
    if mesure == Mesure::Footprint {
        return empreinte::mesurer(cli).await;
    }
    if mesure == Mesure::Pipeline {
        return pipeline::mesurer(cli).await;
    }
    if mesure == Mesure::Diff {
        return diff::mesurer(cli);
    }
    let banc = Banc::ouvrir().await?;
    let resultat = match mesure {
        Mesure::Hop => hop::mesurer(&banc, cli).await,
        Mesure::Latency => latence::mesurer(&banc, cli).await,
        Mesure::Relay => relais::mesurer(&banc, cli).await,
        Mesure::Growth => croissance::mesurer(&banc, cli).await,
        Mesure::Footprint | Mesure::Pipeline | Mesure::Diff | Mesure::Tout => {
            Err("measured elsewhere".into())
        }
    };
    banc.fermer().await?;
    resultat
}
