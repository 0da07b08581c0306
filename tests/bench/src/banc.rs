//! The rig: queues on the broker and schemas in the database under names of their own, filled,
//! watched, and gone at the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bus::{Identity, QueueSpec, RabbitBus, RabbitOptions, SharedTransport, Transport};
use contracts::{Flux, Incoming, Referentiel};
use futures_util::future::join_all;
use kernel::{Clock, Secret};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions},
    types::FieldTable,
};
use service::{EngineConfig, Host, Running, Service, config::LinksConfig};
use sqlx::{Connection as _, PgConnection};
use store::{SharedStore, postgres::PostgresStore};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{
    Erreur, cli,
    compteur::{Compteur, Recu},
    messages::{self, CLE_EFFET, CLE_ENTREE},
    processeur::Processeur,
};

/// Longest wait for a round.
const PATIENCE: Duration = Duration::from_mins(5);
/// Messages published together when a queue is filled.
const LOT: u64 = 1_000;
/// Longest wait for a connection to close.
const FERMETURE: Duration = Duration::from_secs(5);
/// The queue of what the service publishes.
pub(crate) const EFFETS: &str = "effets";

/// Where the messages of a schema go.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    /// Its name.
    pub nom: String,
    /// How many dossiers take turns.
    pub dossiers: u64,
    /// Distance between two dossiers' numbers.
    pub ecart: u64,
    /// Messages decided in it so far.
    pub decides: Arc<AtomicU64>,
}

/// The rig.
pub(crate) struct Banc {
    /// The broker.
    pub amqp: Secret,
    /// The database.
    pub base: Secret,
    /// Begins every name.
    pub prefixe: String,
    /// Processor time.
    pub processeur: Processeur,
    connexion: Connection,
    controle: Channel,
    declarant: Arc<RabbitBus>,
    numero: AtomicU64,
}

impl Banc {
    /// Declares the queues.
    pub(crate) async fn ouvrir() -> Result<Self, Erreur> {
        let amqp = cli::url("AMQP_URL").ok_or("AMQP_URL is not set")?;
        let base = cli::url("DATABASE_URL").ok_or("DATABASE_URL is not set")?;
        let run = uuid::Uuid::new_v4().as_fields().0;
        let prefixe = format!("bench-{run:08x}.");
        let identity = Identity::Service("banc".to_owned());
        let options = RabbitOptions::demo(amqp.clone(), identity, Clock::system(), &prefixe);
        let declarant = RabbitBus::connect(options).await?;
        for queue in queues() {
            declarant.declare(&queue).await?;
        }
        let connexion = connecter(&amqp).await?;
        let controle = connexion.create_channel().await?;
        let processeur = Processeur::new(base.clone()).await;
        let numero = AtomicU64::new(0);
        Ok(Self { amqp, base, prefixe, processeur, connexion, controle, declarant, numero })
    }

    /// A schema whose tables are made and empty.
    pub(crate) async fn schema(
        &self,
        suffixe: &str,
        dossiers: u64,
        ecart: u64,
    ) -> Result<Schema, Erreur> {
        let nom = format!("{}{suffixe}", self.prefixe.replace(['.', '-'], "_"));
        let schema = Schema { nom, dossiers, ecart, decides: Arc::default() };
        self.store(&schema).await?.close().await;
        Ok(schema)
    }

    /// A store on a schema, as one replica has it.
    pub(crate) async fn store(&self, schema: &Schema) -> Result<SharedStore, Erreur> {
        ouvrir(&self.base, &schema.nom).await
    }

    /// How a replica connects.
    fn options(&self) -> RabbitOptions {
        let identity = Identity::Service(Compteur::NAME.to_owned());
        RabbitOptions::demo(self.amqp.clone(), identity, Clock::system(), &self.prefixe)
    }

    /// Makes a replica ready, down to its connections; [`Replique::lancer`] then starts it.
    pub(crate) async fn replique(
        &self,
        schema: &Schema,
        engine: EngineConfig,
    ) -> Result<Replique, Erreur> {
        let fils = Fils(Some(service::runtime()?));
        let (base, nom, options) = (self.base.clone(), schema.nom.clone(), self.options());
        let made = fils.faire(async move {
            let store = ouvrir(&base, &nom).await?;
            let transport: SharedTransport = RabbitBus::connect(options).await?;
            Ok((store, transport, TcpListener::bind("127.0.0.1:0").await?))
        });
        let (store, transport, listener) = made.await?;
        Ok(Replique { fils, store, transport, listener, engine })
    }

    /// Publishes `n` messages, all confirmed.
    pub(crate) async fn remplir(&self, schema: &Schema, n: u32) -> Result<(), Erreur> {
        let channel = self.connexion.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let first = self.numero.fetch_add(u64::from(n), Ordering::Relaxed);
        let echange = messages::echange(&self.prefixe);
        for lot in (first..first + u64::from(n)).collect::<Vec<_>>().chunks(usize::try_from(LOT)?) {
            let sent = lot.iter().map(async |n| {
                let envelope = messages::entree(&self.prefixe, *n, schema.dossiers, schema.ecart);
                let confirm = channel.basic_publish(
                    echange.as_str().into(),
                    CLE_ENTREE.into(),
                    BasicPublishOptions::default(),
                    &envelope.data,
                    messages::proprietes(&envelope),
                );
                confirm.await?.await
            });
            for confirmation in join_all(sent).await {
                if !confirmation?.is_ack() {
                    return Err("the broker refused a message".into());
                }
            }
        }
        channel.close(200, "OK".into()).await?;
        Ok(())
    }

    /// The next number of a message, for those who publish one by one.
    pub(crate) fn suivant(&self) -> u64 {
        self.numero.fetch_add(1, Ordering::Relaxed)
    }

    /// Messages that wait in a queue.
    pub(crate) async fn presents(&self, queue: &str) -> Result<u32, Erreur> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = format!("{}{queue}", self.prefixe);
        let queue =
            self.controle.queue_declare(name.as_str().into(), options, FieldTable::default());
        Ok(queue.await?.message_count())
    }

    /// Waits until `n` effects are in their queue; returns when that was.
    pub(crate) async fn attendre_effets(&self, n: u32) -> Result<Instant, Erreur> {
        let started = Instant::now();
        loop {
            let there = self.presents(EFFETS).await?;
            if there >= n {
                return Ok(Instant::now());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("{there} effects of {n} after {PATIENCE:?}").into());
            }
            // The nearer the end, the closer the look: at a few thousand a second, 5 ms are 1 %.
            let pause = if n - there > 5_000 { 50 } else { 5 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Empties a queue.
    pub(crate) async fn vider(&self, queue: &str) -> Result<(), Erreur> {
        let name = format!("{}{queue}", self.prefixe);
        self.controle.queue_purge(name.as_str().into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// Checks what a round left: each message decided once, nothing waiting, nothing failed.
    pub(crate) async fn verifier(&self, schema: &Schema, n: u32) -> Result<(), Erreur> {
        let decides = schema.decides.fetch_add(u64::from(n), Ordering::Relaxed) + u64::from(n);
        let store = self.store(schema).await?;
        let started = Instant::now();
        while store.stats().await?.outbox > 0 {
            if started.elapsed() > Duration::from_secs(20) {
                return Err("rows stay in the outbox".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let failures = store.failures(true, 1).await?;
        store.close().await;
        if let Some(failure) = failures.first() {
            return Err(format!("a message failed: {} {}", failure.code, failure.reason).into());
        }
        let mut conn = PgConnection::connect(self.base.expose()).await?;
        let sql = format!(
            "select coalesce(sum((body #>> '{{s,n}}')::bigint), 0)::bigint from \"{}\".state",
            schema.nom
        );
        let counted: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut conn).await?;
        conn.close().await?;
        if i64::try_from(decides)? != counted {
            return Err(format!("{counted} messages counted, {decides} published").into());
        }
        Ok(())
    }

    /// Deletes the queues and schemas.
    pub(crate) async fn fermer(self) -> Result<(), Erreur> {
        self.declarant.erase(&queues()).await?;
        self.declarant.close().await;
        fermer(&self.connexion).await;
        let mut conn = PgConnection::connect(self.base.expose()).await?;
        let mine = format!("{}%", self.prefixe.replace(['.', '-'], "_"));
        let schemas: Vec<String> =
            sqlx::query_scalar("select nspname::text from pg_namespace where nspname like $1")
                .bind(mine)
                .fetch_all(&mut conn)
                .await?;
        conn.close().await?;
        for schema in schemas {
            store::postgres::drop_schema(self.base.expose(), &schema).await?;
        }
        Ok(())
    }
}

/// The threads of a replica, as its process has them.
struct Fils(Option<Runtime>);

impl Fils {
    /// Does something on them.
    async fn faire<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Erreur>> + Send + 'static,
    ) -> Result<T, Erreur> {
        let runtime = self.0.as_ref().ok_or("no threads left")?;
        runtime.spawn(work).await?
    }
}

impl Drop for Fils {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A replica that has not started.
pub(crate) struct Replique {
    fils: Fils,
    store: SharedStore,
    transport: SharedTransport,
    listener: TcpListener,
    engine: EngineConfig,
}

/// A replica that runs.
pub(crate) struct EnMarche {
    _fils: Fils,
    running: Running,
    transport: SharedTransport,
    _dossier: tempfile::TempDir,
}

impl Replique {
    /// Starts it.
    pub(crate) async fn lancer(self) -> Result<EnMarche, Erreur> {
        let dossier = tempfile::tempdir()?;
        let host = Host {
            clock: Clock::system(),
            store: self.store,
            transport: Arc::clone(&self.transport),
            referentiel: Arc::new(Referentiel::demo()),
            listener: self.listener,
            links: LinksConfig::default(),
            smtp: None,
            operators: service::Operators::default(),
            data_dir: dossier.path().to_owned(),
            engine: self.engine,
        };
        let started = async { Ok(service::start::<Compteur>((), host).await?) };
        let running = self.fils.faire(started).await?;
        Ok(EnMarche { _fils: self.fils, running, transport: self.transport, _dossier: dossier })
    }
}

impl EnMarche {
    /// Stops it: what is in flight is settled.
    pub(crate) async fn arreter(self) -> Result<(), Erreur> {
        let ended = self.running.stop(Duration::from_secs(30)).await;
        self.transport.close().await;
        if ended { Ok(()) } else { Err("a replica did not stop in time".into()) }
    }
}

/// A store on a schema.
async fn ouvrir(base: &Secret, schema: &str) -> Result<SharedStore, Erreur> {
    let store: SharedStore = Arc::new(PostgresStore::connect(base.expose(), Some(schema)).await?);
    store.migrate().await?;
    Ok(store)
}

/// A connection of its own.
pub(crate) async fn connecter(amqp: &Secret) -> Result<Connection, Erreur> {
    Ok(Connection::connect(amqp.expose(), ConnectionProperties::default()).await?)
}

/// Closes a connection. That one of its channels closes by itself meanwhile, as a consumer that was
/// dropped does, is an error for lapin and none for the bench; and lapin may then never say that the
/// connection is closed.
pub(crate) async fn fermer(connexion: &Connection) {
    let _ = tokio::time::timeout(FERMETURE, connexion.close(200, "OK".into())).await;
}

fn queues() -> [QueueSpec; 2] {
    [
        QueueSpec::service(Compteur::NAME, Recu::bindings()),
        QueueSpec::service(EFFETS, vec![(Flux::Evenements, CLE_EFFET.to_owned())]),
    ]
}
