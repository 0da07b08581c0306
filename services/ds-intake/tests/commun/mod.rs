//! A démarche, its simulator, and just enough of an engine to run the service's decisions and
//! calls: one input at a time, faults retried at once.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{Message as _, Referentiel, messages};
use ds_intake::{
    Answer, Ask, Client, Config, DsIntake, Event, Message, State,
    simulator::{self, Champs, Depot, Options, Simulateur},
};
use kernel::{Clock, Fault, Tasks, VirtualDriver};
use service::{Attempt, Context, Decision, Effect, Input, Meta, Outgoing, Service};
use uuid::Uuid;

/// First instant of every test: a Monday morning.
pub(crate) fn debut() -> DateTime<Utc> {
    "2026-03-02T08:00:00Z".parse().expect("instant")
}

pub(crate) fn referentiel() -> Referentiel {
    let lieux = "id,nom,adresse,commune,departement,intercommunalite,finess,rpps_rang,cpam,cdom,contact_courriel,latitude,longitude,source\n\
ambert,Centre de santé d'Ambert,,Ambert,63,,639990019,,631,63,,,,test\n\
arlanc,Maison de santé,,Arlanc,63,,,,631,63,,,,test\n\
lapalisse,Maison de santé,,Lapalisse,03,,039990015,,031,03,,,,test\n";
    let agences = "code,nom,canal,courriel,source\n";
    Referentiel::parse(lieux, agences, agences).expect("register")
}

/// A form without a fault.
pub(crate) fn champs() -> Champs {
    let day = NaiveDate::from_ymd_opt(2026, 3, 23).expect("day");
    Champs {
        rpps: "99790000014".to_owned(),
        telephone: "06 00 00 00 00".to_owned(),
        courriel: String::new(),
        mode_exercice: "Libéral installé".to_owned(),
        departement: "63".to_owned(),
        cdom: "63 - Puy-de-Dôme".to_owned(),
        lieux: vec!["ambert".to_owned()],
        creneaux: vec![(day, "Matin".to_owned()), (day, "Après-midi".to_owned())],
        remplacement: Some(true),
    }
}

pub(crate) fn depot(numero: u64, champs: Champs) -> Depot {
    Depot::exemple(numero, champs)
}

/// The service at work.
pub(crate) struct Banc {
    pub(crate) sim: Simulateur,
    pub(crate) config: Config,
    pub(crate) publies: Vec<Outgoing>,
    pub(crate) ignores: Vec<&'static str>,
    pub(crate) pannes: Vec<(String, &'static str)>,
    pub(crate) etats: BTreeMap<String, State>,
    pub(crate) appels: Vec<&'static str>,
    /// Numbers that were deposited, and dossiers that a CDOM brought back.
    pub(crate) vus: BTreeSet<u64>,
    pub(crate) rouverts: BTreeSet<u64>,
    reveils: BTreeMap<(String, String), DateTime<Utc>>,
    file: VecDeque<(String, Input<DsIntake>)>,
    asks: VecDeque<(String, Ask, Uuid)>,
    referentiel: Referentiel,
    client: Client,
    clock: Clock,
    driver: VirtualDriver,
    minuterie: Option<kernel::Timer>,
    tasks: Tasks,
    n: u64,
}

impl Banc {
    pub(crate) async fn new() -> Self {
        Self::avec(Options::default(), |_| {}).await
    }

    pub(crate) async fn avec(options: Options, adapt: impl FnOnce(&mut Config)) -> Self {
        let (clock, driver) = Clock::virtual_at(debut());
        let tasks = Tasks::new();
        let sim = simulator::start(clock.clone(), &tasks, options).await.expect("simulator");
        let mut config = sim.config();
        config.http.timeout_ms = 2_000;
        adapt(&mut config);
        let client = Client::new(&config, clock.clone()).expect("client");
        let mut banc = Self {
            sim,
            publies: Vec::new(),
            ignores: Vec::new(),
            pannes: Vec::new(),
            etats: BTreeMap::new(),
            appels: Vec::new(),
            vus: BTreeSet::new(),
            rouverts: BTreeSet::new(),
            reveils: BTreeMap::new(),
            file: VecDeque::new(),
            asks: VecDeque::new(),
            referentiel: referentiel(),
            client,
            clock,
            driver,
            minuterie: None,
            tasks,
            n: 0,
            config,
        };
        for (key, event) in DsIntake::boot(&banc.config) {
            banc.file.push_back((key, Input::Event(event)));
        }
        banc
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Decides and calls until nothing is left.
    pub(crate) async fn calmer(&mut self) {
        loop {
            if let Some((key, input)) = self.file.pop_front() {
                self.decider(&key, input);
            } else if let Some((key, ask, id)) = self.asks.pop_front() {
                self.appeler(key, ask, id).await;
            } else {
                return;
            }
        }
    }

    /// Lets `duration` pass, wake-up by wake-up.
    pub(crate) async fn attendre(&mut self, duration: TimeDelta) {
        self.calmer().await;
        let end = self.clock.now() + duration;
        loop {
            let next = self.reveils.iter().min_by_key(|(_, at)| **at);
            let next = next.map(|((key, reason), at)| (key.clone(), reason.clone(), *at));
            match next.filter(|(_, _, at)| *at <= end) {
                Some((key, reason, at)) => {
                    self.avancer(at).await;
                    self.reveils.remove(&(key.clone(), reason.clone()));
                    self.file.push_back((key, Input::Wake { reason }));
                    self.calmer().await;
                }
                None => break,
            }
        }
        self.avancer(end).await;
    }

    async fn avancer(&mut self, to: DateTime<Utc>) {
        while self.clock.now() < to {
            self.minuterie = Some(self.clock.timer(to));
            self.driver.advance(to + TimeDelta::minutes(1)).await.expect("a timer exists");
            drop(self.minuterie.take());
        }
    }

    /// Gives a message of another service.
    pub(crate) async fn recevoir(&mut self, message: Message) {
        self.n += 1;
        let meta = Meta {
            id: self.n.to_string(),
            source: "/relais/test".to_owned(),
            time: self.clock.now(),
            subject: None,
            sequence: None,
        };
        let key = DsIntake::key(&message);
        self.file.push_back((key, Input::Message { message, origin: bus::Origin::Relais, meta }));
        self.calmer().await;
    }

    pub(crate) async fn evenement(&mut self, key: &str, event: Event) {
        self.file.push_back((key.to_owned(), Input::Event(event)));
        self.calmer().await;
    }

    fn decider(&mut self, key: &str, input: Input<DsIntake>) {
        self.n += 1;
        let cause = self.n.to_string();
        let cx = Context {
            now: self.clock.now(),
            config: &self.config,
            referentiel: &self.referentiel,
            key,
            cause: &cause,
        };
        let decision = DsIntake::decide(self.etats.get(key), input, &cx).expect("no refusal");
        let (state, effects) = match decision {
            Decision::Ignore(reason) => return self.ignores.push(reason),
            Decision::Next { state, effects } => (state, effects),
        };
        // What is stored comes back as it was.
        let json = serde_json::to_string(&state).expect("state encodes");
        self.etats.insert(key.to_owned(), serde_json::from_str(&json).expect("state decodes"));
        for effect in effects {
            match effect {
                Effect::Publish(message) => self.publies.push(message),
                Effect::Ask(ask) => {
                    self.n += 1;
                    let id = kernel::derive_id(&["ask", &self.n.to_string()]);
                    self.asks.push_back((key.to_owned(), ask, id));
                }
                Effect::CancelAsks(kind) => {
                    use service::AskKind as _;
                    self.asks.retain(|(k, ask, _)| k != key || ask.kind() != kind);
                }
                Effect::Tell { key, event } => self.file.push_back((key, Input::Event(event))),
                Effect::WakeAt { at, reason } => {
                    self.reveils.insert((key.to_owned(), reason), at);
                }
                Effect::CancelWake(reason) => {
                    self.reveils.remove(&(key.to_owned(), reason));
                }
            }
        }
    }

    async fn appeler(&mut self, key: String, ask: Ask, id: Uuid) {
        use service::AskKind as _;
        let mut attempt = Attempt::First;
        for _ in 0..10 {
            self.appels.push(ask.kind());
            match self.client.ask(&ask, id, attempt).await {
                Ok(answer) => {
                    let json = serde_json::to_string(&answer).expect("answer encodes");
                    let answer: Answer = serde_json::from_str(&json).expect("answer decodes");
                    self.file.push_back((key, Input::Answer { ask, answer, id }));
                    return;
                }
                Err(Fault::Transient { .. }) => attempt = Attempt::AfterAmbiguous,
                Err(fault @ Fault::Permanent { .. }) => {
                    self.pannes.push((key, fault.code()));
                    return;
                }
            }
        }
        self.pannes.push((key, "trop-d-essais"));
    }

    /// Types published, in order, without their version.
    pub(crate) fn types(&self) -> Vec<&'static str> {
        self.publies.iter().map(|m| m.message_type.trim_end_matches(".v1")).collect()
    }

    /// Every message of a type.
    pub(crate) fn tous<M: contracts::Message>(&self) -> Vec<M> {
        let all = self.publies.iter().filter(|m| m.message_type == M::TYPE);
        all.map(|m| serde_json::from_str(&m.body).expect("body decodes")).collect()
    }

    /// The last message of a type.
    pub(crate) fn dernier<M: contracts::Message>(&self) -> M {
        let last = self.publies.iter().rev().find(|m| m.message_type == M::TYPE);
        let body = &last.unwrap_or_else(|| panic!("no {}", M::TYPE)).body;
        serde_json::from_str(body).expect("body decodes")
    }

    /// Says that the doctor is known, or not.
    pub(crate) async fn identifier(&mut self, numero: u64, rpps: &str, trouve: bool, actif: bool) {
        let message = messages::MedecinIdentifie {
            dossier: contracts::DossierId(numero),
            rpps: rpps.parse().expect("rpps"),
            trouve,
            actif,
            profession: None,
            savoir_faire: Vec::new(),
            concordance_identite: None,
        };
        self.recevoir(Message::MedecinIdentifie(message)).await;
    }

    /// An activity of the dossier at `ambert`, in this situation.
    pub(crate) fn activite(
        &self,
        numero: u64,
        situation: messages::Situation,
    ) -> messages::Activite {
        let subject = format!("dossier/{numero}");
        let deposited = self
            .publies
            .iter()
            .find(|m| m.subject == subject && m.message_type == messages::CandidatureDeposee::TYPE);
        let body = &deposited.expect("it was deposited").body;
        let candidature: messages::Candidature = serde_json::from_str(body).expect("decodes");
        let lieu = self.referentiel.lieux().next().expect("a site").lieu.clone();
        messages::Activite {
            engagement: "eng0000001".parse().expect("engagement"),
            dossier: contracts::DossierId(numero),
            medecin: candidature.medecin,
            lieu,
            creneaux_souhaites: candidature.creneaux_souhaites,
            remplacement_autorise: false,
            situation,
            a_compter_du: NaiveDate::from_ymd_opt(2026, 3, 10).expect("day"),
            cause: None,
            interruptions: Vec::new(),
        }
    }
}

impl Drop for Banc {
    fn drop(&mut self) {
        self.tasks.ask_to_stop();
    }
}
