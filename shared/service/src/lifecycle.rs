//! Starts a service on its host and stops it: ops endpoints → loops → drain, in that order, once.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bus::SharedTransport;
use chrono::{DateTime, Utc};
use contact::{Links, Mailer, MailerSettings};
use contracts::Referentiel;
use kernel::{Clock, Secret, Tasks};
use store::{InputRow, SharedStore, Stats, StoreError};
use tokio::net::TcpListener;

use crate::{
    api::{Equipment, Service},
    config::{EngineConfig, FrameConfig, LinksConfig},
    engine::{Engine, INPUTS, Parts, bells},
    http::{self, Business, Web},
    ingress::{Door, Ingress, event_row},
    metrics::Metrics,
    operators::Operators,
};

/// What a service runs on.
pub struct Host {
    /// Business time.
    pub clock: Clock,
    /// The service's own store, migrated.
    pub store: SharedStore,
    /// The transport, as this service.
    pub transport: SharedTransport,
    /// The register.
    pub referentiel: Arc<Referentiel>,
    /// Where its HTTP routes are served; already bound, so that its address is known.
    pub listener: TcpListener,
    /// Answer links.
    pub links: LinksConfig,
    /// SMTP, when mail can be sent.
    pub smtp: Option<MailerSettings>,
    /// Who may act as an operator.
    pub operators: Operators,
    /// A folder of the service's own.
    pub data_dir: PathBuf,
    /// How its engine works.
    pub engine: EngineConfig,
}

impl Host {
    /// What `frame` says of service `name`, on what was opened for it.
    ///
    /// # Errors
    /// One sentence per problem, for the operator.
    pub fn configured(
        name: &str,
        frame: &FrameConfig,
        clock: Clock,
        store: SharedStore,
        transport: SharedTransport,
        referentiel: Arc<Referentiel>,
        listener: TcpListener,
    ) -> Result<Self, String> {
        Ok(Self {
            clock,
            store,
            transport,
            referentiel,
            listener,
            links: frame.links.clone(),
            smtp: frame.smtp.clone(),
            operators: frame.operators()?,
            data_dir: frame.data_dir.join(name),
            engine: frame.engine,
        })
    }
}

/// A service that runs.
pub struct Running {
    name: &'static str,
    addr: SocketAddr,
    tasks: Tasks,
    store: SharedStore,
}

/// Why a service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its settings make no sense; the text is for the operator.
    #[error("{0}")]
    Config(String),
    /// Its store could not be used.
    #[error("the store could not be used")]
    Store(#[from] StoreError),
    /// The transport could not be used.
    #[error("the transport could not be used")]
    Bus(#[source] bus::BusError),
    /// The broker, as it is, would lose messages; the text is for the operator.
    #[error("{0}")]
    Drift(String),
    /// A socket or folder could not be used.
    #[error("a socket or folder could not be used")]
    Io(#[from] std::io::Error),
}

impl Running {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where its HTTP routes are served.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What its store counts.
    ///
    /// # Errors
    /// [`StoreError`] when the store is away.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        self.store.stats().await
    }

    /// Its store.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// Stops: no new input, what is in flight is committed and acknowledged. Returns false when
    /// something did not end within `grace`.
    pub async fn stop(self, grace: Duration) -> bool {
        let ended = self.tasks.stop(grace).await;
        self.store.close().await;
        ended
    }
}

/// Starts service `S` on `host`.
///
/// # Errors
/// [`StartError`] when its settings make no sense or its store cannot be used.
pub async fn start<S: Service>(config: S::Config, host: Host) -> Result<Running, StartError> {
    let Host {
        clock,
        store,
        transport,
        referentiel,
        listener,
        links,
        smtp,
        operators,
        data_dir,
        engine: settings,
    } = host;
    let addr = listener.local_addr()?;
    std::fs::create_dir_all(&data_dir)?;
    let base_url = links.base_url.unwrap_or_else(|| format!("http://{addr}"));
    // Without a key nobody can have received a link: one that nobody can guess signs none.
    let key = links.key.unwrap_or_else(|| Secret::new(random_key()));
    let links = Links::new(key, base_url, S::NAME);
    let mailer = match smtp {
        Some(settings) => {
            Mailer::new(settings, clock.clone(), links.clone()).map_err(StartError::Config)?
        }
        None => Mailer::absent(),
    };
    let equipment = Equipment {
        clock: clock.clone(),
        referentiel: Arc::clone(&referentiel),
        store: Arc::clone(&store),
        mailer,
        links: links.clone(),
        data_dir,
    };
    let service = S::new(&config, &equipment).map_err(StartError::Config)?;
    boot::<S>(&config, &store, &clock).await?;
    let tasks = Tasks::new();
    let (bells, ears) = bells();
    let (doorbell, mut rung) = tokio::sync::mpsc::unbounded_channel();
    let door = Door::open(Arc::clone(&store), clock.clone(), doorbell.clone(), &tasks);
    let own = S::routes(&config, &Ingress::new(door.clone()));
    let metrics = Metrics::new(S::NAME);
    let web = Web {
        business: Business::of::<S>(),
        referentiel: Arc::clone(&referentiel),
        clock: clock.clone(),
        store: Arc::clone(&store),
        transport: Arc::clone(&transport),
        metrics: metrics.clone(),
        tasks: tasks.clone(),
        links,
        operators,
        door,
        doorbell,
        relay: bells.relay.clone(),
    };
    let engine = Arc::new(Engine::new(Parts {
        service,
        config,
        referentiel,
        clock,
        store: Arc::clone(&store),
        transport,
        metrics,
        tasks: tasks.clone(),
        bells,
        settings,
    }));
    let woken = Arc::clone(&engine);
    tasks.spawn_until_stopped(async move {
        while let Some(busy) = rung.recv().await {
            woken.ring_inputs(INPUTS);
            drop(busy);
        }
    });
    http::serve(S::NAME, listener, http::router(web, own), &tasks);
    engine.start(ears).await;
    tracing::info!(service = S::NAME, %addr, version = env!("CARGO_PKG_VERSION"), "started");
    Ok(Running { name: S::NAME, addr, tasks, store })
}

/// Gives the service its boot events.
async fn boot<S: Service>(
    config: &S::Config,
    store: &SharedStore,
    clock: &Clock,
) -> Result<(), StoreError> {
    let rows = boot_rows::<S>(config, clock.now());
    if rows.is_empty() { Ok(()) } else { store.add_inputs(rows).await }
}

/// The boot events of a start.
pub(crate) fn boot_rows<S: Service>(config: &S::Config, due_at: DateTime<Utc>) -> Vec<InputRow> {
    // Each start is a cause of its own: what it decides has ids that no other start has given.
    let start = due_at.timestamp_micros().to_string();
    let row = |(key, event): (String, S::Event)| {
        let id = kernel::derive_id(&[S::NAME, "boot", &key, &start]);
        event_row::<S>(id, key, &event, due_at)
    };
    S::boot(config).into_iter().map(row).collect()
}

/// The runtime of a service's own process. One thread decides: work is one batch after the other, and
/// a second thread would only be handed it in turn, for a third more processor time
/// (`docs/performance.md`). What blocks has threads of its own, and another replica another core.
///
/// # Errors
/// When the system gives no thread.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Resolves at SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}

/// A key that nobody can guess, for one run.
fn random_key() -> String {
    format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4())
}
