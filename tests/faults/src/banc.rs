//! The bench: one service (in this process, or as children) over a broker and a database, its
//! inputs, and what came out, on one accelerated clock.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bus::{
    Confirmation, Identity, Publication, QueueSpec, RabbitBus, RabbitOptions, SharedTransport,
    Transport,
};
use chrono::TimeDelta;
use contracts::{
    Flux, Incoming, Message, Referentiel,
    messages::{CandidatureIncomplete, PanneClose, PanneOuverte},
};
use harness::{Processus, Serveurs};
use kernel::{Acceleration, Clock, Secret, Tasks};
use service::{Host, Operators, Running, Service, config::LinksConfig};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{
    SharedStore, Store,
    postgres::{PostgresStore, drop_schema},
};
use tempfile::TempDir;

use crate::{Agence, Attendu, Entree, Gestion, Recolte, Reglages, Victime};

/// Business seconds per real second: backoffs and polls are short, a lease is five real seconds.
pub const FACTEUR: u32 = 20;
/// Longest wait for what must come.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// Operators' token.
pub const JETON: &str = "operateur-des-essais";

/// Everything one test runs on.
pub struct Banc {
    /// Where it runs.
    pub serveurs: Serveurs,
    /// Begins the names of its exchanges and queues.
    pub prefixe: String,
    /// What came out.
    pub recolte: Recolte,
    /// Whom the service calls.
    pub agence: Agence,
    /// The broker, as an operator.
    pub gestion: Gestion,
    /// Publishes as another service.
    pub bus: Arc<RabbitBus>,
    /// Stops with the bench.
    pub tasks: Tasks,
    schema: String,
    acceleration: Mutex<Acceleration>,
    entrees: Mutex<Vec<Entree>>,
    dossier: TempDir,
}

/// A replica in this process.
pub struct Replique {
    /// The service.
    pub running: Running,
    transport: SharedTransport,
}

impl Replique {
    /// Stops it well.
    ///
    /// # Panics
    /// When something does not end.
    pub async fn arreter(self) {
        assert!(self.running.stop(Duration::from_secs(20)).await, "everything ends");
        self.transport.close().await;
    }
}

impl Banc {
    /// Opens it: queues, schema, agency, collection.
    ///
    /// # Panics
    /// When a server does not answer.
    pub async fn monter(serveurs: &Serveurs, nom: &str) -> Self {
        agency::install_crypto_provider();
        let unique = format!("{:08x}", uuid::Uuid::new_v4().as_fields().0);
        let (prefixe, schema) = (format!("fautes-{nom}-{unique}."), format!("fautes_{unique}"));
        let now = Clock::system().now();
        let acceleration = Acceleration { started_at: now, epoch: now, factor: FACTEUR };
        let tasks = Tasks::new();
        let base = PostgresStore::connect(serveurs.base.expose(), Some(&schema));
        let base = base.await.expect("the database");
        base.migrate().await.expect("migrations");
        base.close().await;
        let bus = connecter(&serveurs.amqp, "essai", &prefixe).await;
        let own = QueueSpec::service(Victime::NAME, <Victime as Service>::Message::bindings());
        bus.declare(&own).await.expect("the service's queue");
        let recolte = Recolte::default();
        recolter(&bus, recolte.clone(), &tasks).await;
        Self {
            serveurs: serveurs.clone(),
            prefixe,
            recolte,
            agence: Agence::ouvrir(&tasks).await,
            gestion: Gestion::new(&serveurs.gestion),
            bus,
            tasks,
            schema,
            acceleration: Mutex::new(acceleration),
            entrees: Mutex::default(),
            dossier: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Business time.
    pub fn clock(&self) -> Clock {
        Clock::accelerated(*self.acceleration.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is started from now on lives this much later: every lease has run out.
    pub fn avancer(&self, business: TimeDelta) {
        self.acceleration.lock().unwrap_or_else(PoisonError::into_inner).epoch += business;
    }

    /// The service's queue on the broker.
    pub fn file(&self) -> String {
        format!("{}{}", self.prefixe, Victime::NAME)
    }

    /// An exchange on the broker.
    pub fn echange(&self, flux: Flux) -> String {
        format!("{}{}", self.prefixe, flux.exchange())
    }

    /// Starts a replica in this process.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn replique(&self) -> Replique {
        let transport = self.transport(&self.serveurs.amqp).await;
        self.replique_par(transport).await
    }

    /// The service's transport over this URL.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn transport(&self, url: &Secret) -> Arc<RabbitBus> {
        connecter(url, Victime::NAME, &self.prefixe).await
    }

    /// Starts a replica on this transport.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn replique_par(&self, transport: SharedTransport) -> Replique {
        let base = PostgresStore::connect(&self.base_nommee(), Some(&self.schema)).await;
        let store: SharedStore = Arc::new(base.expect("the database"));
        let host = Host {
            clock: self.clock(),
            store,
            transport: Arc::clone(&transport),
            referentiel: Arc::new(Referentiel::demo()),
            listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"),
            links: LinksConfig::default(),
            smtp: None,
            operators: Operators::shared(Secret::new(JETON)),
            data_dir: self.dossier.path().to_owned(),
            engine: service::EngineConfig::default(),
        };
        let reglages = Reglages { agence_url: self.agence.url().to_owned() };
        let running = service::start::<Victime>(reglages, host).await.expect("starts");
        Replique { running, transport }
    }

    /// Starts a replica as a process, with these settings besides.
    pub fn enfant(&self, program: &Path, env: &[(&'static str, String)]) -> Processus {
        let clock = *self.acceleration.lock().unwrap_or_else(PoisonError::into_inner);
        let base = self.base_nommee();
        let mark = if base.contains('?') { '&' } else { '?' };
        let mut all = vec![
            ("RELAIS__LISTEN", "127.0.0.1:0".to_owned()),
            ("RELAIS__DATABASE_URL", format!("{base}{mark}options[search_path]={}", self.schema)),
            ("RELAIS__AMQP_URL", self.serveurs.amqp.expose().to_owned()),
            ("RELAIS__AMQP_PREFIX", self.prefixe.clone()),
            ("RELAIS__AMQP_DECLARE", "true".to_owned()),
            ("RELAIS__AMQP_IDENTITY_HEADER", "true".to_owned()),
            ("RELAIS__DATA_DIR", self.dossier.path().display().to_string()),
            ("RELAIS__TELEMETRY__FORMAT", "texte".to_owned()),
            ("RELAIS__CLOCK__STARTED_AT", clock.started_at.to_rfc3339()),
            ("RELAIS__CLOCK__EPOCH", clock.epoch.to_rfc3339()),
            ("RELAIS__CLOCK__FACTOR", clock.factor.to_string()),
            ("RELAIS__VICTIME__AGENCE_URL", self.agence.url().to_owned()),
        ];
        all.extend_from_slice(env);
        Processus::lancer(program, &[], &all, &self.dossier.path().join("journal"))
    }

    /// Publishes inputs, each until the broker has it.
    pub async fn publier(&self, entrees: &[Entree]) {
        self.entrees.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(entrees);
        let messages = entrees.iter().map(Entree::publication).collect();
        self.publier_tels(messages).await;
    }

    /// Inputs whose effect has not come yet.
    pub fn en_cours(&self) -> usize {
        let entrees = self.entrees.lock().unwrap_or_else(PoisonError::into_inner);
        let effets = entrees.iter().filter(|e| e.attendu == Attendu::Effet);
        effets.count().saturating_sub(self.recolte.arrives())
    }

    /// Publishes messages, each until the broker has it.
    pub async fn publier_tels(&self, messages: Vec<Publication>) {
        let mut rest = messages;
        while !rest.is_empty() {
            let sent = self.bus.publish(rest.clone()).await;
            let kept = rest.into_iter().zip(sent);
            rest = kept.filter(|(_, c)| *c != Confirmation::Confirmed).map(|(m, _)| m).collect();
        }
    }

    /// Waits until every input has led to what it must, and nothing waits anywhere; then nothing
    /// may be lost, doubled or unexpected.
    pub async fn verifier(&self) -> Result<(), String> {
        let entrees = self.entrees.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = |of: fn(&Attendu) -> bool| entrees.iter().filter(|e| of(&e.attendu)).count();
        let effets = count(|a| *a == Attendu::Effet);
        let pannes = count(|a| matches!(a, Attendu::Panne(_)));
        let (mut moved, mut before) = (Instant::now(), None);
        loop {
            let reste = self.reste().await;
            let arrives = self.recolte.arrives();
            let ouvertes = self.pannes().await.len();
            let annonces = self.recolte.annoncees();
            if reste == 0 && arrives >= effets && ouvertes >= pannes && annonces >= pannes {
                break;
            }
            // However much there is: what counts is that it goes on.
            let now = Some((reste, arrives, ouvertes, annonces));
            moved = if now == before { moved } else { Instant::now() };
            before = now;
            if moved.elapsed() > PATIENCE {
                return Err(format!(
                    "not settled: {arrives} effects of {effets}, {ouvertes} failures of {pannes} \
                     ({annonces} announced), {reste} rows or messages wait\n{}",
                    self.recolte.ecarts(&entrees).join("\n")
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut ecarts = self.recolte.ecarts(&entrees);
        let sum = "select coalesce(sum((body->'s'->>'compte')::bigint), 0)::bigint from state";
        let compte = self.nombre(sum).await;
        if usize::try_from(compte) != Ok(effets) {
            ecarts.push(format!("the states count {compte} effects, not {effets}"));
        }
        let mut codes: Vec<_> = entrees
            .iter()
            .filter_map(|e| match e.attendu {
                Attendu::Panne(code) => Some(code.to_owned()),
                Attendu::Effet | Attendu::Rien => None,
            })
            .collect();
        codes.sort_unstable();
        let found = self.pannes().await;
        if found != codes {
            ecarts.push(format!("failures {found:?} instead of {codes:?}"));
        }
        if ecarts.is_empty() { Ok(()) } else { Err(ecarts.join("\n")) }
    }

    /// Rows that wait in the store, and messages ready in the service's queue.
    pub async fn reste(&self) -> i64 {
        let rows = "select (select count(*) from outbox) + (select count(*) from ask)
                         + (select count(*) from input)";
        self.nombre(rows).await + i64::from(self.en_file(Victime::NAME).await)
    }

    /// Messages ready in a queue.
    ///
    /// # Panics
    /// When the queue does not exist.
    pub async fn en_file(&self, queue: &str) -> u32 {
        self.bus.waiting(&QueueSpec::service(queue, Vec::new())).await.expect("the queue")
    }

    /// Codes of the open failures, in order.
    pub async fn pannes(&self) -> Vec<String> {
        let mut conn = self.sql().await;
        let codes = sqlx::query_scalar("select code from failure where outcome is null order by 1")
            .fetch_all(&mut conn)
            .await
            .expect("reads");
        conn.close().await.expect("closes");
        codes
    }

    /// One number out of the service's tables.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn nombre(&self, sql: &'static str) -> i64 {
        let mut conn = self.sql().await;
        let n = sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut conn).await.expect("reads");
        conn.close().await.expect("closes");
        n
    }

    /// Runs a statement on the service's tables, as an operator.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn executer(&self, sql: &str) {
        let mut conn = self.sql().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("runs");
        conn.close().await.expect("closes");
    }

    /// A connection to the service's tables; waits for the server.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn sql(&self) -> PgConnection {
        let started = Instant::now();
        loop {
            let open = async {
                let mut conn = PgConnection::connect(self.serveurs.base.expose()).await?;
                let path = format!("set search_path to {}", self.schema);
                sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut conn).await?;
                Ok::<_, sqlx::Error>(conn)
            };
            match open.await {
                Ok(conn) => return conn,
                Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The name of the service's connections in `pg_stat_activity`.
    pub fn application(&self) -> &str {
        &self.schema
    }

    fn base_nommee(&self) -> String {
        let base = self.serveurs.base.expose();
        let mark = if base.contains('?') { '&' } else { '?' };
        format!("{base}{mark}application_name={}", self.schema)
    }

    /// Leaves nothing on the servers.
    pub async fn demonter(self) {
        self.tasks.stop(Duration::from_secs(5)).await;
        let own = QueueSpec::service(Victime::NAME, Vec::new());
        if let Err(error) = self.bus.erase(&[own, recolte_queue()]).await {
            eprintln!("queues {}* may remain: {error:?}", self.prefixe);
        }
        self.bus.close().await;
        if let Err(error) = drop_schema(self.serveurs.base.expose(), &self.schema).await {
            eprintln!("schema {} may remain: {error}", self.schema);
        }
    }
}

async fn connecter(url: &Secret, name: &str, prefix: &str) -> Arc<RabbitBus> {
    let identity = Identity::Service(name.to_owned());
    let options = RabbitOptions::demo(url.clone(), identity, Clock::system(), prefix);
    RabbitBus::connect(options).await.expect("the broker")
}

fn recolte_queue() -> QueueSpec {
    let types = [CandidatureIncomplete::TYPE, PanneOuverte::TYPE, PanneClose::TYPE];
    let bindings = types.iter().map(|t| (Flux::Evenements, (*t).to_owned())).collect();
    QueueSpec::service("recolte", bindings)
}

async fn recolter(bus: &RabbitBus, recolte: Recolte, tasks: &Tasks) {
    let mut consumer = bus.consume(&recolte_queue(), 500).await.expect("a consumer");
    tasks.spawn_until_stopped(async move {
        while let Ok(batch) = consumer.next_batch(500).await {
            let tags: Vec<_> = batch.iter().map(|d| d.tag).collect();
            for delivery in &batch {
                recolte.noter(delivery);
            }
            // A lost acknowledgement is another delivery, under the same id.
            let _ = consumer.ack(&tags).await;
        }
    });
}
