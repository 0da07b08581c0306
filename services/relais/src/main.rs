//! The binary `relais`: the demo, the services, the simulated agencies, the topology, the doctor,
//! what operators do.

mod cli;
mod demo;
mod doctor;
mod ds;
mod etats;
mod operations;
mod plateforme;
mod rpps;
mod run;
mod secrets;
mod simulateurs;
mod topologie;

use std::{io, process::ExitCode};

use clap::{Parser, error::ErrorKind};
use cli::{Cli, Commande};
use tokio::runtime::{Builder, Runtime};

/// A fifth of the demo was the C library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let runtime = match runtime(&cli.commande) {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(executer(cli.commande))
}

/// The demo mostly has one thing to do at a virtual instant, and its databases have threads of
/// their own: one thread for the rest saves changes of thread. Extracts are read, and PDFs made, by
/// threads that know nothing of the runtime; each keeps the memory that it once needed.
fn runtime(commande: &Commande) -> io::Result<Runtime> {
    if matches!(commande, Commande::Demo(_) | Commande::Rpps(_)) {
        Builder::new_current_thread().max_blocking_threads(2).enable_all().build()
    } else {
        Builder::new_multi_thread().enable_all().build()
    }
}

async fn executer(commande: Commande) -> ExitCode {
    match commande {
        Commande::Demo(args) => {
            let telemetry = service::telemetry::TelemetryConfig {
                format: service::telemetry::Format::Texte,
                filtre: args.journal.clone(),
                otlp_url: None,
            };
            let _telemetry = match service::telemetry::init("relais", &telemetry) {
                Ok(telemetry) => telemetry,
                Err(text) => return usage(&text),
            };
            match demo::demo(args).await {
                Ok(code) => code,
                Err(demo::DemoError::Dossier(text)) => usage(&text),
                Err(error) => fail(&error),
            }
        }
        Commande::Run(args) => match run::run(args).await {
            Ok(code) => code,
            Err(service::StartError::Config(text)) => usage(&text),
            Err(error) => fail(&error),
        },
        Commande::Simulators(args) => match simulateurs::simulateurs(args).await {
            Ok(code) => code,
            Err(simulateurs::SimulateursError::Usage(text)) => usage(&text),
            Err(error) => fail(&error),
        },
        Commande::Topology(commande) => match topologie::topologie(commande).await {
            Ok(code) => code,
            Err(topologie::TopologieError::Usage(text)) => usage(&text),
            Err(error) => fail(&error),
        },
        Commande::Doctor(args) => match doctor::doctor(args).await {
            Ok(code) => code,
            Err(service::StartError::Config(text)) => usage(&text),
            Err(error) => fail(&error),
        },
        Commande::Rpps(commande) => match rpps::rpps(commande).await {
            Ok(code) => code,
            Err(rpps::RppsError::Usage(text)) => usage(&text),
            Err(error @ rpps::RppsError::Refus(_)) => fail(&error),
        },
        Commande::Ds(commande) => match ds::ds(commande).await {
            Ok(code) => code,
            Err(ds::DsError::Reglages(text)) => usage(&text),
            Err(error) => fail(&error),
        },
        Commande::Indemnite(commande) => {
            operation(operations::indemnites::indemnite(commande).await)
        }
        Commande::Rdv(commande) => operation(operations::rdv(commande).await),
        Commande::Failures(commande) => operation(operations::failures(commande).await),
        Commande::Tasks(commande) => operation(operations::tasks(commande).await),
    }
}

fn operation(done: Result<ExitCode, operations::OperationError>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(operations::OperationError::Usage(text)) => usage(&text),
        Err(operations::OperationError::Refus(text)) => {
            for line in text.lines() {
                eprintln!("erreur : {line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Help and version are answers; a wrong use is one line and exit code 64.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nothing can be done about a closed standard output.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(service::EX_USAGE);
    }
    // The first paragraph: what is wrong, and with which arguments.
    let text = error.to_string();
    let words: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = words.join(" ");
    usage(&format!("{} (essayez --help)", line.trim_start_matches("error: ")))
}

fn usage(text: &str) -> ExitCode {
    for line in text.lines() {
        eprintln!("erreur : {line}");
    }
    ExitCode::from(service::EX_USAGE)
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(" : ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    eprintln!("erreur : {text}");
    ExitCode::FAILURE
}
