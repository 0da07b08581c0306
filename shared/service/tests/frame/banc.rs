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
    CodeCdom, DossierId, Envelope, Flux, Message, Referentiel, incoming,
    messages::{
        CandidatureRefusee, CandidatureRetiree, PanneClose, PanneOuverte, RibDemande, TacheFaite,
        TacheOuverte,
    },
    valeurs::Demande,
};
use kernel::{Clock, Fault, VirtualDriver};
use serde::{Deserialize, Serialize};
use service::{
    AskKind, Attempt, Context, Decision, Equipment, Etape, Host, Input, OperatorAction, Operators,
    Refusal, Repeat, Running, Service, config::LinksConfig,
};
use store::{SharedStore, sqlite::SqliteStore};
use uuid::Uuid;

/// The token that operators share.
pub(crate) const JETON: &str = "jeton-des-essais";
/// The token of `a.martin`.
pub(crate) const JETON_MARTIN: &str = "jeton-de-a-martin";

/// Counts withdrawals of a dossier; each is confirmed to an agency, then published as a refusal.
pub(crate) struct Compteur {
    agence: Arc<Mutex<Agence>>,
}

/// A request to a CPAM.
fn demander(etat: Etat, cx: &Context<'_, Compteur>) -> Decision<Compteur> {
    let engagement = cx.id("engagement").simple().to_string().parse().expect("32 digits");
    let demande = Demande { id: cx.id("demande"), rang: 1 };
    let agence = "cpam.631".parse().expect("an agency");
    Decision::next(etat).request(&agence, &RibDemande { demande, engagement })
}

#[derive(Default)]
pub(crate) struct Agence {
    pub(crate) appels: Vec<(Uuid, Attempt)>,
    pub(crate) pannes: Vec<Fault>,
}

thread_local! {
    static AGENCE: std::cell::RefCell<Option<Arc<Mutex<Agence>>>> = const { std::cell::RefCell::new(None) };
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Etat {
    pub(crate) retraits: u32,
    pub(crate) confirmes: u32,
    pub(crate) reveils: u32,
    pub(crate) texte: String,
}

incoming! {
    /// What it reads.
    pub(crate) enum Recu { CandidatureRetiree, ComplementDemande }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Evenement {
    Note,
    Demarrer,
    Fermer {
        tache: Uuid,
        par: String,
    },
    /// Tells the next state of « suite/n » until 0.
    Suivre(u32),
    /// Keeps a text.
    Garder(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Confirmer(u32);

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
    /// The states that a start concerns.
    type Config = Vec<String>;
    type State = Etat;
    type Message = Recu;
    type Event = Evenement;
    type Ask = Confirmer;
    type Answer = bool;

    fn new(_: &Vec<String>, _: &Equipment) -> Result<Self, String> {
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
                "tache" => Ok(Decision::next(etat).publish(&TacheOuverte {
                    tache: cx.id("tache"),
                    gabarit: "compter".to_owned(),
                    service: Self::NAME.to_owned(),
                    cle: cx.key.to_owned(),
                    objet: "dossier/1".to_owned(),
                    champs: BTreeMap::from([("a-copier".to_owned(), "valeur".to_owned())]),
                })),
                "chaine" => Ok(Decision::next(etat).tell("suite/5", Evenement::Suivre(5))),
                "long" => {
                    etat.retraits += 1;
                    let told =
                        |d: Decision<Self>, n| d.tell(format!("branche/{n}"), Evenement::Note);
                    let decision = Decision::next(etat).tell("suite/30", Evenement::Suivre(30));
                    Ok((0..400).fold(decision, told))
                }
                "mauvais" => {
                    etat.retraits += 1;
                    let garder = |text: &str| Evenement::Garder(text.to_owned());
                    Ok(Decision::next(etat)
                        .tell("suite/bon", garder("avant"))
                        .tell("suite/panique", garder("panique"))
                        .tell("suite/bon", garder("après")))
                }
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
            Input::Event(Evenement::Demarrer) if cx.key.starts_with("requete/") => {
                Ok(demander(etat, cx))
            }
            Input::Event(Evenement::Demarrer) => {
                etat.reveils += 1;
                let par = format!("départ {}", etat.reveils);
                Ok(Decision::next(etat).publish(&TacheFaite { tache: Uuid::nil(), faite_par: par }))
            }
            Input::Event(Evenement::Suivre(reste)) => {
                etat.reveils += 1;
                let decision = Decision::next(etat);
                Ok(match reste.checked_sub(1) {
                    Some(n) => decision.tell(format!("suite/{n}"), Evenement::Suivre(n)),
                    None => decision,
                })
            }
            Input::Event(Evenement::Garder(text)) => {
                assert!(text != "panique", "asked to");
                etat.texte.push_str(&text);
                Ok(Decision::next(etat))
            }
            Input::Event(Evenement::Fermer { tache, par }) => {
                Ok(Decision::next(etat).publish(&TacheFaite { tache, faite_par: par }))
            }
        }
    }

    fn boot(config: &Vec<String>) -> Vec<(String, Evenement)> {
        config.iter().map(|key| (key.clone(), Evenement::Demarrer)).collect()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Evenement), String> {
        let tache =
            action.champs.get("tache").and_then(|t| t.parse().ok()).ok_or("quelle tâche ?")?;
        Ok((action.cle.clone(), Evenement::Fermer { tache, par: action.par.clone() }))
    }

    fn etape(etat: &Etat) -> Option<Etape> {
        Some(if etat.confirmes < etat.retraits {
            Etape::Attente("a-confirmer")
        } else {
            Etape::Acquise("confirme")
        })
    }

    async fn ask(&self, _: &Confirmer, id: Uuid, attempt: Attempt) -> Result<bool, Fault> {
        let mut agence = self.agence.lock().expect("lock");
        agence.appels.push((id, attempt));
        if agence.pannes.is_empty() { Ok(true) } else { Err(agence.pannes.remove(0)) }
    }
}

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
