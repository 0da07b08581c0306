//! The frame, on the in-process transport and SQLite, in virtual time: what it promises to every
//! service, each promise caused.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Consumer, MemoryBus, Publication, QueueSpec, Transport};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    CodeCdom, DossierId, Envelope, Flux, Message, Referentiel, incoming,
    messages::{CandidatureRefusee, CandidatureRetiree, PanneClose, PanneOuverte},
};
use kernel::{Clock, Fault, VirtualDriver};
use serde::{Deserialize, Serialize};
use service::{
    AskKind, Attempt, Context, Decision, Equipment, Host, Input, Refusal, Repeat, Running, Service,
    config::LinksConfig,
};
use store::{
    SharedStore,
    sqlite::{SqliteOptions, SqliteStore},
};
use uuid::Uuid;

/// Counts withdrawals of a dossier; each is confirmed to an agency, then published as a refusal.
struct Compteur {
    agence: Arc<Mutex<Agence>>,
}

#[derive(Default)]
struct Agence {
    appels: Vec<(Uuid, Attempt)>,
    pannes: Vec<Fault>,
}

thread_local! {
    static AGENCE: std::cell::RefCell<Option<Arc<Mutex<Agence>>>> = const { std::cell::RefCell::new(None) };
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Etat {
    retraits: u32,
    confirmes: u32,
    reveils: u32,
}

incoming! {
    /// What it reads.
    enum Recu { CandidatureRetiree, ComplementDemande }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Evenement {
    Note,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Confirmer(u32);

impl AskKind for Confirmer {
    fn kind(&self) -> &'static str {
        "confirmer"
    }
    fn agency(&self) -> &'static str {
        "agence"
    }
    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
}

impl Service for Compteur {
    const NAME: &'static str = "compteur";
    type Config = ();
    type State = Etat;
    type Message = Recu;
    type Event = Evenement;
    type Ask = Confirmer;
    type Answer = bool;

    fn new((): &(), _: &Equipment) -> Result<Self, String> {
        let agence = AGENCE.with_borrow(Clone::clone).ok_or("no agency")?;
        Ok(Self { agence })
    }

    fn key(message: &Recu) -> String {
        match message {
            Recu::CandidatureRetiree(m) => format!("dossier/{}", m.dossier),
            Recu::ComplementDemande(m) => format!("dossier/{}", m.dossier),
        }
    }

    fn decide(
        state: Option<&Etat>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        let mut etat = state.cloned().unwrap_or_default();
        match input {
            Input::Message { message: Recu::CandidatureRetiree(m), .. } => match m.cause.as_str() {
                "panique" => panic!("asked to"),
                "ignore" => Ok(Decision::Ignore("asked to")),
                "refus" => Err(Refusal::new("cause-refusee", "asked to")),
                _ => {
                    etat.retraits += 1;
                    let ask = Confirmer(etat.retraits);
                    Ok(Decision::next(etat)
                        .ask(ask)
                        .wake_at(cx.now + TimeDelta::days(3), "relance"))
                }
            },
            Input::Message { message: Recu::ComplementDemande(_), .. } => {
                Ok(Decision::Ignore("complement"))
            }
            Input::Answer { .. } => {
                etat.confirmes += 1;
                let refus = CandidatureRefusee {
                    dossier: DossierId(1),
                    cdom: "63".parse::<CodeCdom>().expect("valid"),
                };
                Ok(Decision::next(etat).publish(&refus))
            }
            Input::Wake { .. } | Input::Event(Evenement::Note) => {
                etat.reveils += 1;
                Ok(Decision::next(etat))
            }
        }
    }

    async fn ask(&self, _: &Confirmer, id: Uuid, attempt: Attempt) -> Result<bool, Fault> {
        let mut agence = self.agence.lock().expect("lock");
        agence.appels.push((id, attempt));
        if agence.pannes.is_empty() { Ok(true) } else { Err(agence.pannes.remove(0)) }
    }
}

struct Banc {
    bus: Arc<MemoryBus>,
    clock: Clock,
    driver: VirtualDriver,
    store: SharedStore,
    agence: Arc<Mutex<Agence>>,
    running: Running,
    temoin: Box<dyn Consumer>,
    _dir: tempfile::TempDir,
}

fn debut() -> DateTime<Utc> {
    "2026-01-05T08:00:00Z".parse().expect("instant")
}

async fn banc() -> Banc {
    let dir = tempfile::tempdir().expect("tempdir");
    let (clock, driver) = Clock::virtual_at(debut());
    let bus = MemoryBus::new(clock.clone());
    let path = dir.path().join("compteur.sqlite");
    let store: SharedStore =
        Arc::new(SqliteStore::open(&path, SqliteOptions { relaxed: true }).await.expect("open"));
    store.migrate().await.expect("migrate");
    let agence = Arc::new(Mutex::new(Agence::default()));
    AGENCE.set(Some(Arc::clone(&agence)));
    let types = [CandidatureRefusee::TYPE, PanneOuverte::TYPE, PanneClose::TYPE];
    let bindings = types.iter().map(|t| (Flux::Evenements, (*t).to_owned())).collect();
    let spec = QueueSpec { name: "temoin".to_owned(), bindings };
    let temoin = bus.consume(&spec, 100).await.expect("consume");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let host = Host {
        clock: clock.clone(),
        store: Arc::clone(&store),
        transport: bus.clone(),
        referentiel: Arc::new(Referentiel::demo()),
        listener,
        links: LinksConfig::default(),
        smtp: None,
        operator_token: Some(kernel::Secret::new("jeton")),
        data_dir: dir.path().to_owned(),
    };
    let running = service::start::<Compteur>((), host).await.expect("start");
    Banc { bus, clock, driver, store, agence, running, temoin, _dir: dir }
}

impl Banc {
    async fn publier(&self, id: &str, sequence: u64, cause: &str) {
        let body =
            CandidatureRetiree { dossier: DossierId(1), rpps: None, cause: cause.to_owned() };
        self.publier_corps(id, sequence, serde_json::to_vec(&body).expect("encodes")).await;
    }

    async fn publier_corps(&self, id: &str, sequence: u64, data: Vec<u8>) {
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
    async fn temoins(&mut self) -> Vec<Envelope> {
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

    async fn etat(&self) -> Etat {
        let row = self.store.state("dossier/1").await.expect("read").expect("exists");
        let body: serde_json::Value = serde_json::from_str(&row.body).expect("JSON");
        serde_json::from_value(body["s"].clone()).expect("a state")
    }

    async fn avancer(&self) -> Option<DateTime<Utc>> {
        self.driver.advance(debut() + TimeDelta::days(60)).await
    }
}

#[tokio::test]
async fn a_message_becomes_an_ask_an_answer_and_a_fact() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    let seen = banc.temoins().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].message_type, CandidatureRefusee::TYPE);
    assert_eq!(seen[0].source, "/relais/compteur");
    assert!(seen[0].sequence.is_some());
    let etat = banc.etat().await;
    assert_eq!((etat.retraits, etat.confirmes, etat.reveils), (1, 1, 0));
    assert!(banc.running.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn duplicates_and_older_snapshots_have_no_second_effect() {
    let mut banc = banc().await;
    banc.publier("m2", 2, "choix").await;
    banc.publier("m2", 2, "choix").await;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    assert_eq!(banc.etat().await.retraits, 1);
    banc.publier("m3", 3, "choix").await;
    banc.temoins().await;
    assert_eq!(banc.etat().await.retraits, 2);
}

#[tokio::test]
async fn an_ignored_snapshot_is_not_undone_by_an_older_one() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    banc.publier("m3", 3, "ignore").await;
    banc.publier("m2", 2, "choix").await;
    banc.temoins().await;
    assert_eq!(banc.etat().await.retraits, 1);
}

#[tokio::test]
async fn bad_input_harms_only_itself_and_is_announced() {
    let mut banc = banc().await;
    banc.publier_corps("b1", 1, b"{not json".to_vec()).await;
    banc.publier("b2", 2, "panique").await;
    banc.publier("b3", 3, "refus").await;
    banc.publier("m4", 4, "choix").await;
    let seen = banc.temoins().await;
    let pannes: Vec<PanneOuverte> = seen
        .iter()
        .filter(|e| e.message_type == PanneOuverte::TYPE)
        .map(|e| serde_json::from_slice(&e.data).expect("decodes"))
        .collect();
    let codes: Vec<_> = pannes.iter().map(|p| p.code.as_str()).collect();
    assert_eq!(codes, ["corps-invalide", "panique", "cause-refusee"]);
    assert_eq!(banc.etat().await.retraits, 1);
    let kept = banc.store.failures(true, 10).await.expect("read");
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().any(|f| f.body == b"{not json"));
}

#[tokio::test]
async fn a_transient_fault_is_retried_until_it_passes() {
    let mut banc = banc().await;
    let pannes = (0..3).map(|_| Fault::transient("coupure", "down")).collect();
    banc.agence.lock().expect("lock").pannes = pannes;
    banc.publier("m1", 1, "choix").await;
    for _ in 0..3 {
        banc.temoins().await;
        banc.avancer().await.expect("a retry is due");
    }
    assert_eq!(banc.temoins().await.len(), 1);
    let appels = banc.agence.lock().expect("lock").appels.clone();
    assert_eq!(appels.len(), 4);
    assert_eq!(appels[0].1, Attempt::First);
    assert!(appels[1..].iter().all(|(id, a)| *a == Attempt::AfterClean && *id == appels[0].0));
}

#[tokio::test]
async fn a_permanent_fault_becomes_a_failure_that_an_operator_replays() {
    let mut banc = banc().await;
    banc.agence.lock().expect("lock").pannes = vec![Fault::permanent("refus", "no")];
    banc.publier("m1", 1, "choix").await;
    let seen = banc.temoins().await;
    assert_eq!(seen.len(), 1);
    let panne: PanneOuverte = serde_json::from_slice(&seen[0].data).expect("decodes");
    let url = format!("http://{}/ops/pannes", banc.running.addr());
    let client = agency::HttpClient::new(agency::HttpSettings {
        base_url: url,
        timeout_ms: 5_000,
        max_body_bytes: 1_000_000,
    })
    .expect("client");
    let path = format!("/{}/rejeu", panne.panne);
    let post = |token: &str| client.request(reqwest::Method::POST, &path).bearer_auth(token);
    assert!(client.send(post("autre")).await.is_err(), "a wrong token is refused");
    client.send(post("jeton")).await.expect("accepted");
    let seen = banc.temoins().await;
    let types: Vec<_> = seen.iter().map(|e| e.message_type.as_str()).collect();
    assert!(
        types.contains(&PanneClose::TYPE) && types.contains(&CandidatureRefusee::TYPE),
        "{types:?}"
    );
    assert!(banc.store.failures(true, 10).await.expect("read").is_empty());
    assert!(client.send(post("jeton")).await.is_err(), "a closed failure is not replayed");
}

#[tokio::test]
async fn a_wake_up_fires_once_at_its_instant() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    while banc.etat().await.reveils == 0 {
        banc.avancer().await.expect("the wake-up is due");
        banc.temoins().await;
    }
    assert!(banc.clock.now() >= debut() + TimeDelta::days(3));
    assert!(banc.clock.now() < debut() + TimeDelta::days(3) + TimeDelta::minutes(2));
    assert_eq!(banc.etat().await.reveils, 1);
}

#[tokio::test]
async fn probes_and_metrics_answer() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    let client = agency::HttpClient::new(agency::HttpSettings {
        base_url: format!("http://{}", banc.running.addr()),
        timeout_ms: 5_000,
        max_body_bytes: 1_000_000,
    })
    .expect("client");
    for path in ["/livez", "/readyz", "/version"] {
        client.send(client.request(reqwest::Method::GET, path)).await.expect(path);
    }
    let metrics = client.send(client.request(reqwest::Method::GET, "/metrics")).await.expect("ok");
    let text = String::from_utf8(metrics.body).expect("text");
    for name in
        ["relais_messages_total{outcome=\"fait\"", "relais_outbox_pending", "relais_consumer_up"]
    {
        assert!(text.contains(name), "{name} is missing from {text}");
    }
}
