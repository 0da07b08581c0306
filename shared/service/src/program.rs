//! A service as a program runs it: by its name, without its type. And the `main` of its own binary:
//! config → telemetry → transport → store → the service → drain, in that order, once.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use bus::{QueueSpec, SharedTransport};
use contracts::Incoming;
use futures_util::{FutureExt, future::BoxFuture};
use kernel::Clock;
use tokio::net::TcpListener;

use crate::{
    api::Service,
    backends,
    config::{self, FrameConfig},
    lifecycle::{Host, Running, StartError, runtime, start, stop_signal},
    telemetry,
};

/// Exit code of a wrong use or a wrong configuration (EX_USAGE).
pub const EX_USAGE: u8 = 64;

/// Starts a service whose settings were read.
pub type Launch = Box<dyn FnOnce(Host) -> BoxFuture<'static, Result<Running, StartError>> + Send>;

/// A service, for a program that runs it.
///
/// All that the frame does for a service is compiled where its type is named. A service names it in
/// its own crate, once for every program that runs it:
///
/// ```ignore
/// pub static PROGRAM: Program = Program::of::<CpamCps>();
/// ```
pub struct Program {
    name: &'static str,
    queue: fn() -> QueueSpec,
    configure: fn(&::config::Config) -> Result<(FrameConfig, Launch), String>,
}

impl Program {
    /// The program of `S`.
    #[must_use]
    pub const fn of<S: Service>() -> Self {
        Self { name: S::NAME, queue: queue::<S>, configure: configure::<S> }
    }

    /// The service's name: of its queue, its database, its binary.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its queue, and what it reads.
    #[must_use]
    pub fn queue(&self) -> QueueSpec {
        (self.queue)()
    }

    /// Reads the frame's settings and the service's own table, see [`config::parse`].
    ///
    /// # Errors
    /// Every problem found, one a line.
    pub fn configure(&self, source: &::config::Config) -> Result<(FrameConfig, Launch), String> {
        (self.configure)(source)
    }

    /// The `main` of the service's own binary.
    #[must_use]
    pub fn main(&self) -> ExitCode {
        let file = match arguments(self.name, std::env::args().skip(1)) {
            Ok(Arguments::Run { config }) => config,
            Ok(Arguments::Answered) => return ExitCode::SUCCESS,
            Err(text) => return usage(&text),
        };
        let settings = config::load(file.as_deref()).and_then(|source| self.configure(&source));
        let (frame, launch) = match settings {
            Ok(settings) => settings,
            Err(text) => return usage(&text),
        };
        match runtime() {
            Ok(runtime) => runtime.block_on(serve(self.name, frame, launch)),
            Err(error) => usage(&error.to_string()),
        }
    }
}

fn queue<S: Service>() -> QueueSpec {
    QueueSpec::service(S::NAME, S::Message::bindings())
}

fn configure<S: Service>(source: &::config::Config) -> Result<(FrameConfig, Launch), String> {
    let (frame, own) = config::parse::<S>(source)?;
    Ok((frame, Box::new(move |host| start::<S>(own, host).boxed())))
}

/// What the command line asks for.
enum Arguments {
    /// Run, with this configuration file.
    Run { config: Option<PathBuf> },
    /// Nothing more: help or version was printed.
    Answered,
}

/// Reads the command line.
#[expect(clippy::print_stdout, reason = "help is what was asked for")]
fn arguments(name: &str, mut args: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut file = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--config" => {
                file = Some(PathBuf::from(args.next().ok_or("--config demande un fichier")?));
            }
            "--help" | "-h" => {
                println!(
                    "{name} [--config FICHIER]\n\nConfiguration : fichier TOML, puis variables RELAIS__…"
                );
                return Ok(Arguments::Answered);
            }
            "--version" => {
                println!("{name} {}", env!("CARGO_PKG_VERSION"));
                return Ok(Arguments::Answered);
            }
            other => return Err(format!("argument inconnu : {other} (essayez --help)")),
        }
    }
    Ok(Arguments::Run { config: file })
}

fn usage(text: &str) -> ExitCode {
    for line in text.lines() {
        eprintln!("erreur : {line}");
    }
    ExitCode::from(EX_USAGE)
}

async fn serve(name: &'static str, frame: FrameConfig, launch: Launch) -> ExitCode {
    // The exporter of traces is an HTTPS client like the others.
    agency::install_crypto_provider();
    let telemetry = match telemetry::init(name, &frame.telemetry) {
        Ok(telemetry) => telemetry,
        Err(text) => return usage(&text),
    };
    let grace = Duration::from_secs(frame.grace_s);
    let code = match start_on_servers(name, &frame, launch).await {
        Ok((running, transport)) => {
            stop_signal().await;
            tracing::info!(service = name, "stopping");
            let ended = running.stop(grace).await;
            transport.close().await;
            if ended { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(StartError::Config(text)) => usage(&text),
        Err(error) => {
            tracing::error!(service = name, error = %crate::engine::chain(&error), "cannot start");
            ExitCode::FAILURE
        }
    };
    drop(telemetry);
    code
}

async fn start_on_servers(
    name: &str,
    frame: &FrameConfig,
    launch: Launch,
) -> Result<(Running, SharedTransport), StartError> {
    let clock = frame.clock.map_or_else(Clock::system, Clock::accelerated);
    let Some(url) = &frame.amqp_url else {
        let text =
            "amqp_url est requis : un service seul n'a personne à qui parler (ou : relais run)";
        return Err(StartError::Config(text.to_owned()));
    };
    let transport = backends::rabbit(name, url, frame, &clock).await?;
    let store = backends::store(name, frame).await?;
    let referentiel = Arc::new(backends::referentiel(frame)?);
    let listener = TcpListener::bind(frame.listen).await?;
    let opened = Arc::clone(&transport);
    let host = Host::configured(name, frame, clock, store, opened, referentiel, listener)
        .map_err(StartError::Config)?;
    Ok((launch(host).await?, transport))
}
