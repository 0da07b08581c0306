//! Configuration: defaults, then a TOML file, then the environment (`RELAIS__SECTION__KEY`). Every
//! error at once, exit code 64.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use contact::MailerSettings;
use kernel::{Acceleration, Secret};
use serde::de::DeserializeOwned;

use crate::{api::Service, operators::Operators, telemetry::TelemetryConfig};

/// What the frame itself is configured with, the same for every service.
///
/// ```toml
/// listen = "0.0.0.0:8080"
/// database_url = "postgres://cpam-cps@base/cpam-cps"
/// amqp_url = "amqps://cpam-cps:…@courtier/relais"
/// amqp_ca = "certificats/ca.pem"
/// amqp_cert = "certificats/cpam-cps.pem"
/// amqp_key = "certificats/cpam-cps.key"
/// operator_token = "…"
/// operator_tokens = { "a.martin" = "…" }
/// data_dir = "donnees"
/// referentiel = "referentiel"
///
/// [telemetry]
/// format = "json"
///
/// [engine]
/// batch = 512
///
/// [links]
/// key = "…"
/// base_url = "https://relais.example"
/// ```
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default)]
pub struct FrameConfig {
    /// Where probes, metrics, operator actions, answer links and webhooks are served.
    pub listen: SocketAddr,
    /// PostgreSQL; SQLite under `data_dir` when absent.
    pub database_url: Option<Secret>,
    /// RabbitMQ; in-process when absent (then every service runs in one process).
    pub amqp_url: Option<Secret>,
    /// PEM file of the only authorities trusted for `amqps://` and for the management API; the
    /// machine's when absent.
    pub amqp_ca: Option<PathBuf>,
    /// PEM file of the certificate shown to the broker, its chain included; with `amqp_key`.
    pub amqp_cert: Option<PathBuf>,
    /// PEM file of its private key. The three files are read again at each connection.
    pub amqp_key: Option<PathBuf>,
    /// The broker's management API, e.g. `https://relais-supervision:…@courtier:15671`, of a user
    /// with the tag `monitoring`: the service then refuses to start on limits that lose messages.
    pub amqp_management_url: Option<Secret>,
    /// Prefix of exchanges and queues, e.g. `demo.`; empty in production.
    pub amqp_prefix: String,
    /// Declare exchanges and queues at start, instead of `relais topology apply`.
    pub amqp_declare: bool,
    /// Takes the identity of an agency from a header instead of the broker's user: tests only.
    pub amqp_identity_header: bool,
    /// Files of the service: SQLite, caches.
    pub data_dir: PathBuf,
    /// Folder of `lieux.csv`, `cpam.csv`, `cdom.csv`; the public register when absent.
    pub referentiel: Option<PathBuf>,
    /// Bearer token of operators' actions that several people share.
    pub operator_token: Option<Secret>,
    /// The token of each operator, by name; without any token, actions are refused.
    pub operator_tokens: BTreeMap<String, Secret>,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// Answer links.
    pub links: LinksConfig,
    /// SMTP; asks that send mail wait when absent.
    pub smtp: Option<MailerSettings>,
    /// An accelerated clock: demonstrations and tests only.
    pub clock: Option<Acceleration>,
    /// Limit of a graceful stop, in seconds of real time.
    pub grace_s: u64,
    /// How the engine works.
    pub engine: EngineConfig,
}

impl Default for FrameConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            database_url: None,
            amqp_url: None,
            amqp_ca: None,
            amqp_cert: None,
            amqp_key: None,
            amqp_management_url: None,
            amqp_prefix: String::new(),
            amqp_declare: false,
            amqp_identity_header: false,
            data_dir: PathBuf::from("relais-donnees"),
            referentiel: None,
            operator_token: None,
            operator_tokens: BTreeMap::new(),
            telemetry: TelemetryConfig::default(),
            links: LinksConfig::default(),
            smtp: None,
            clock: None,
            grace_s: 25,
            engine: EngineConfig::default(),
        }
    }
}

impl FrameConfig {
    /// Who may act.
    ///
    /// # Errors
    /// One sentence per problem, for the operator.
    pub fn operators(&self) -> Result<Operators, String> {
        Operators::new(self.operator_token.clone(), self.operator_tokens.clone())
    }
}

/// How the engine works. The defaults are what `docs/performance.md` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Most inputs that one transaction settles, 1 to 1,024. 1 is one commit per message: what the
    /// bench compares batches with.
    pub batch: u16,
}

impl EngineConfig {
    /// The largest batch.
    pub(crate) fn batch(self) -> usize {
        usize::from(self.batch.clamp(1, 1_024))
    }

    /// Deliveries unsettled at a time: at most two batches.
    pub(crate) fn prefetch(self) -> u16 {
        self.batch.clamp(1, 1_024) * 2
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { batch: 512 }
    }
}

/// Answer links.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinksConfig {
    /// Signs them; links cannot be made or followed when absent.
    pub key: Option<Secret>,
    /// What people reach the service at; `http://<listen>` when absent.
    pub base_url: Option<String>,
}

/// Reads the file (when given) and the environment.
///
/// # Errors
/// One sentence per problem, for the operator.
pub fn load(file: Option<&Path>) -> Result<config::Config, String> {
    let mut builder = config::Config::builder();
    if let Some(path) = file {
        builder = builder.add_source(config::File::from(path).format(config::FileFormat::Toml));
    }
    let environment = config::Environment::with_prefix("RELAIS")
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true);
    builder.add_source(environment).build().map_err(|e| format!("configuration : {e}"))
}

/// The frame's part and the service's own table, which is named after it (`cpam-cps`, in the
/// environment `CPAM_CPS`). A table that is absent gives the service's defaults.
///
/// # Errors
/// Every problem found, one a line.
pub fn parse<S: Service>(source: &config::Config) -> Result<(FrameConfig, S::Config), String> {
    let frame = source.clone().try_deserialize::<FrameConfig>().map_err(|e| e.to_string());
    let frame = frame.and_then(|frame| frame.operators().map(|_| frame));
    match (frame, section::<S::Config>(source, S::NAME)) {
        (Ok(frame), Ok(own)) => Ok((frame, own)),
        (Err(a), Err(b)) => Err(format!("{a}\n{b}")),
        (Err(e), Ok(_)) | (Ok(_), Err(e)) => Err(e),
    }
}

/// One table, whatever the case and separators of its name.
fn section<T: DeserializeOwned>(source: &config::Config, name: &str) -> Result<T, String> {
    for key in [name.to_owned(), name.replace('-', "_")] {
        match source.get::<T>(&key) {
            Ok(found) => return Ok(found),
            Err(config::ConfigError::NotFound(_)) => {}
            Err(error) => return Err(format!("[{key}] {error}")),
        }
    }
    let empty = config::Config::default();
    empty.try_deserialize::<T>().map_err(|e| format!("[{name}] {e}"))
}
