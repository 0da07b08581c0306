//! A small service on the in-process transport and SQLite, in virtual time, and what watches it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Consumer, MemoryBus, Publication, QueueSpec, Transport};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    DossierId, Envelope, Flux, Message, Referentiel,
    messages::{
        CandidatureRefusee, CandidatureRetiree, PanneClose, PanneOuverte, TacheFaite, TacheOuverte,
    },
};
use kernel::{Clock, VirtualDriver};
use service::{Host, Operators, Running, config::LinksConfig};
use store::{SharedStore, sqlite::SqliteStore};

use crate::compteur::{AGENCE, Agence, Compteur, Etat};

/// The token that operators share.
pub(crate) const JETON: &str = "jeton-des-essais";
/// The token of `a.martin`.
pub(crate) const JETON_MARTIN: &str = "jeton-de-a-martin";

pub(crate) struct Banc {
    pub(crate) bus: Arc<MemoryBus>,
    pub(crate) clock: Clock,
    pub(crate) driver: VirtualDriver,
    pub(crate) store: SharedStore,
    pub(crate) agence: Arc<Mutex<Agence>>,
    pub(crate) running: Running,
    pub(crate) temoin: Box<dyn Consumer>,
    dir: tempfile::TempDir,
}

pub(crate) fn debut() -> DateTime<Utc> {
    "2026-01-05T08:00:00Z".parse().expect("instant")
}

pub(crate) async fn banc() -> Banc {
    demarre(Vec::new()).await
}

/// The same, with states that a start concerns.
pub(crate) async fn demarre(amorces: Vec<String>) -> Banc {
    let dir = tempfile::tempdir().expect("tempdir");
    let (clock, driver) = Clock::virtual_at(debut());
    let bus = MemoryBus::new(clock.clone());
    let agence = Arc::new(Mutex::new(Agence::default()));
    let types = [
        CandidatureRefusee::TYPE,
        PanneOuverte::TYPE,
        PanneClose::TYPE,
        TacheOuverte::TYPE,
        TacheFaite::TYPE,
    ];
    let bindings = types.iter().map(|t| (Flux::Evenements, (*t).to_owned())).collect();
    let spec = QueueSpec { name: "temoin".to_owned(), bindings };
    let temoin = bus.consume(&spec, 100).await.expect("consume");
    let (store, running) = lancer(dir.path(), &clock, &bus, &agence, amorces).await;
    Banc { bus, clock, driver, store, agence, running, temoin, dir }
}

/// Starts the service on the file in `dir`.
async fn lancer(
    dir: &Path,
    clock: &Clock,
    bus: &Arc<MemoryBus>,
    agence: &Arc<Mutex<Agence>>,
    amorces: Vec<String>,
) -> (SharedStore, Running) {
    let path = dir.join("compteur.sqlite");
    let store: SharedStore = Arc::new(SqliteStore::open(&path).await.expect("open"));
    store.migrate().await.expect("migrate");
    AGENCE.set(Some(Arc::clone(agence)));
    let named = BTreeMap::from([("a.martin".to_owned(), kernel::Secret::new(JETON_MARTIN))]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let host = Host {
        clock: clock.clone(),
        store: Arc::clone(&store),
        transport: bus.clone(),
        referentiel: Arc::new(Referentiel::demo()),
        listener,
        links: LinksConfig::default(),
        smtp: None,
        operators: Operators::new(Some(kernel::Secret::new(JETON)), named).expect("tokens"),
        data_dir: dir.to_owned(),
        engine: service::EngineConfig::default(),
    };
    let running = service::start::<Compteur>(amorces, host).await.expect("start");
    (store, running)
}

impl Banc {
    /// Stops the service, and starts it a business minute later.
    pub(crate) async fn redemarrer(self, amorces: Vec<String>) -> Self {
        let Self { bus, clock, driver, store: _, agence, running, temoin, dir } = self;
        assert!(running.stop(Duration::from_secs(5)).await);
        let later = clock.timer(clock.now() + TimeDelta::minutes(1));
        driver.advance(debut() + TimeDelta::days(60)).await.expect("a minute passes");
        drop(later);
        let (store, running) = lancer(dir.path(), &clock, &bus, &agence, amorces).await;
        Self { bus, clock, driver, store, agence, running, temoin, dir }
    }

    pub(crate) async fn publier(&self, id: &str, sequence: u64, cause: &str) {
        let body =
            CandidatureRetiree { dossier: DossierId(1), rpps: None, cause: cause.to_owned() };
        self.publier_corps(id, sequence, serde_json::to_vec(&body).expect("encodes")).await;
    }

    pub(crate) async fn publier_corps(&self, id: &str, sequence: u64, data: Vec<u8>) {
        let envelope = Envelope {
            id: id.to_owned(),
            source: "/relais/ds-intake".to_owned(),
            message_type: CandidatureRetiree::TYPE.to_owned(),
            subject: Some("dossier/1".to_owned()),
            time: self.clock.now(),
            sequence: Some(sequence),
            correlation_id: Some("1".to_owned()),
            causation_id: None,
            traceparent: None,
            data,
        };
        let publication = Publication {
            flux: Flux::Evenements,
            routing_key: CandidatureRetiree::TYPE.to_owned(),
            envelope,
            mandatory: false,
        };
        self.bus.publish(vec![publication]).await;
    }

    /// What was published so far, by type; waits until everything is quiet.
    pub(crate) async fn temoins(&mut self) -> Vec<Envelope> {
        let mut seen = Vec::new();
        loop {
            let batch = tokio::select! {
                biased;
                batch = self.temoin.next_batch(100) => batch.expect("open"),
                () = self.driver.quiet() => return seen,
            };
            let tags: Vec<_> = batch.iter().map(|d| d.tag).collect();
            let held: Vec<_> = batch.iter().map(|d| d.busy.clone()).collect();
            seen.extend(batch.into_iter().map(|d| d.envelope));
            self.temoin.ack(&tags).await.expect("ack");
            drop(held);
        }
    }

    pub(crate) async fn etat(&self) -> Etat {
        self.etat_de("dossier/1").await.expect("exists")
    }

    pub(crate) async fn etat_de(&self, key: &str) -> Option<Etat> {
        let row = self.store.state(key).await.expect("read")?;
        let body: serde_json::Value = serde_json::from_str(&row.body).expect("JSON");
        Some(serde_json::from_value(body["s"].clone()).expect("a state"))
    }

    /// Batches decided so far.
    pub(crate) async fn lots(&self) -> u64 {
        let text = self.metriques().await;
        let count = text.lines().find_map(|l| l.strip_prefix("relais_batch_size_count{"));
        let (_, count) = count.expect("is counted").split_once(' ').expect("a value");
        count.parse().expect("a count")
    }

    pub(crate) fn client(&self) -> agency::HttpClient {
        let settings = agency::HttpSettings {
            base_url: format!("http://{}", self.running.addr()),
            timeout_ms: 5_000,
            max_body_bytes: 1_000_000,
        };
        agency::HttpClient::new(settings).expect("client")
    }

    /// Calls an operators' route: status and body.
    pub(crate) async fn ops(
        &self,
        jeton: &str,
        method: reqwest::Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> (u16, Vec<u8>) {
        let client = self.client();
        let request = client.request(method, path).bearer_auth(jeton);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        match client.send(request).await {
            Ok(response) => (response.status, response.body),
            Err(agency::HttpError::Status { status, body, .. }) => (status, body),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// What an operators' route shows.
    pub(crate) async fn lire(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.ops(JETON_MARTIN, reqwest::Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).expect("JSON")
    }

    pub(crate) async fn metriques(&self) -> String {
        let client = self.client();
        let metrics = client.send(client.request(reqwest::Method::GET, "/metrics"));
        String::from_utf8(metrics.await.expect("answers").body).expect("text")
    }

    pub(crate) async fn avancer(&self) -> Option<DateTime<Utc>> {
        self.driver.advance(debut() + TimeDelta::days(60)).await
    }
}
