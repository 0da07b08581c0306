//! One service in memory, with the frame's semantics: inbox, sequence filter, one atomic commit per
//! input, outbox, asks that are attempted until they are answered, wake-ups, failures. A crash
//! loses what was not committed, nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use bus::Origin;
use chrono::{DateTime, Utc};
use contracts::{Flux, Incoming, Referentiel};
use kernel::{Fault, derive_id};
use service::{Context, Decision, Input, Meta, OperatorAction, Service};
use uuid::Uuid;

use crate::milieu::{Courrier, Milieu, Qui, Tic};

mod appels;
mod ecrire;

use self::ecrire::court;

/// The agencies of a service, as its client would see them.
pub(crate) trait Repond<S: Service> {
    /// Answers an ask; its effect outside happens at most once, however often it is asked.
    fn repondre(&mut self, ask: &S::Ask, id: Uuid, m: &mut Milieu) -> Result<S::Answer, Fault>;
}

/// A service.
pub(crate) struct Moteur<S: Service> {
    qui: Qui,
    config: S::Config,
    registre: Rc<Referentiel>,
    pub(crate) debout: bool,
    inbox: BTreeSet<(String, String)>,
    etats: BTreeMap<String, Case<S>>,
    entrees: BTreeMap<Uuid, Entree<S>>,
    reveils: BTreeMap<(String, String), DateTime<Utc>>,
    demandes: BTreeMap<Uuid, Demande<S>>,
    boite: BTreeMap<Uuid, Rc<Courrier>>,
    pannes: BTreeMap<Uuid, Panne<S>>,
}

struct Case<S: Service> {
    version: u64,
    vus: BTreeMap<String, u64>,
    etat: S::State,
}

struct Entree<S: Service> {
    key: String,
    event: S::Event,
}

struct Demande<S: Service> {
    key: String,
    ask: S::Ask,
    due: DateTime<Utc>,
    since: DateTime<Utc>,
    attempts: u32,
    answer: Option<S::Answer>,
}

/// An input that could not be handled.
struct Panne<S: Service> {
    code: String,
    quoi: Rate<S>,
}

enum Rate<S: Service> {
    Entrant { key: String, cause: String, input: Box<Input<S>> },
    Demande(Uuid, Box<Demande<S>>),
}

/// What one input writes, all or nothing.
struct Ecritures<S: Service> {
    etat: Option<(String, Case<S>)>,
    entrees: Vec<(Uuid, Entree<S>)>,
    reveils: Vec<(String, Option<DateTime<Utc>>)>,
    demandes: Vec<(Uuid, Demande<S>)>,
    annulees: Vec<&'static str>,
    boite: Vec<(Uuid, Courrier)>,
    panne: Option<(Uuid, Panne<S>)>,
}

impl<S: Service> Ecritures<S> {
    fn none() -> Self {
        Self {
            etat: None,
            entrees: Vec::new(),
            reveils: Vec::new(),
            demandes: Vec::new(),
            annulees: Vec::new(),
            boite: Vec::new(),
            panne: None,
        }
    }
}

/// What becomes of the process around one input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Commis,
    MortAvant,
    MortApres,
}

impl<S: Service> Moteur<S> {
    pub(crate) fn new(qui: Qui, config: S::Config, registre: &Rc<Referentiel>) -> Self {
        Self {
            qui,
            config,
            registre: Rc::clone(registre),
            debout: false,
            inbox: BTreeSet::new(),
            etats: BTreeMap::new(),
            entrees: BTreeMap::new(),
            reveils: BTreeMap::new(),
            demandes: BTreeMap::new(),
            boite: BTreeMap::new(),
            pannes: BTreeMap::new(),
        }
    }

    /// Whether its queue is bound to this message.
    pub(crate) fn ecoute(flux: Flux, key: &str) -> bool {
        S::Message::bindings().iter().any(|(f, pattern)| {
            let same = |(p, k): (&str, &str)| p == "*" || p == k;
            // The type itself contains dots: the first two words of an agency's key are matched.
            *f == flux
                && match flux {
                    Flux::Evenements => pattern == key,
                    Flux::Demandes | Flux::Reponses => {
                        let (p, k) = (pattern.splitn(3, '.'), key.splitn(3, '.'));
                        p.zip(k).all(same)
                    }
                }
        })
    }

    /// Starts, or starts again: everything is read back from the store.
    pub(crate) fn demarrer(&mut self, m: &mut Milieu) {
        self.debout = true;
        for case in self.etats.values_mut() {
            let stored = serde_json::to_string(&case.etat).expect("states encode");
            case.etat = serde_json::from_str(&stored).expect("states decode");
        }
        for (index, (key, event)) in S::boot(&self.config).into_iter().enumerate() {
            let at = m.now.timestamp_micros().to_string();
            let id = derive_id(&[S::NAME, "boot", &at, &index.to_string()]);
            self.entrees.insert(id, Entree { key, event });
        }
        let qui = self.qui;
        for id in self.entrees.keys() {
            m.plan(m.now, Tic::Entree(qui, *id));
        }
        for ((key, reason), due) in &self.reveils {
            m.plan(*due, Tic::Reveil(qui, key.clone(), reason.clone(), *due));
        }
        for (id, demande) in &self.demandes {
            let tic = if demande.answer.is_some() {
                Tic::Reponse(qui, *id)
            } else {
                Tic::Demande(qui, *id)
            };
            m.plan(demande.due, tic);
        }
        for id in self.boite.keys() {
            m.plan(m.now, Tic::Relais(qui, *id));
        }
    }

    fn tomber(&mut self, m: &mut Milieu) {
        self.debout = false;
        m.compter("arrets");
        let down = m.heures(0, 14);
        let qui = self.qui;
        m.note(|| format!("{qui:?} tombe"));
        m.dans(down, Tic::Retour(qui));
    }

    /// A delivery; `false` when it was not acknowledged and must be delivered again.
    pub(crate) fn livrer(&mut self, c: &Courrier, m: &mut Milieu) -> bool {
        if !self.debout {
            return false;
        }
        let mark = (c.source.clone(), c.id.clone());
        if self.inbox.contains(&mark) {
            m.compter("doublons");
            return true;
        }
        let message = S::Message::decode(&c.message_type, c.body.as_bytes());
        let message = message.expect("what is routed to a service can be decoded");
        let key = S::key(&message);
        let meta = Meta {
            id: c.id.clone(),
            source: c.source.clone(),
            time: c.time,
            subject: Some(c.subject.clone()),
            sequence: c.sequence,
        };
        let input = Input::Message { message, origin: c.origin.clone(), meta };
        let cause = format!("{} {}", c.source, c.id);
        let ecritures = self.decider(&key, &cause, input, m);
        match self.sort(m) {
            Sort::MortAvant => false,
            sort @ (Sort::Commis | Sort::MortApres) => {
                self.inbox.insert(mark);
                self.commettre(&key, ecritures, m);
                if sort == Sort::MortApres {
                    self.tomber(m);
                }
                sort == Sort::Commis
            }
        }
    }

    /// A Tell or an outside event.
    pub(crate) fn entree(&mut self, id: Uuid, m: &mut Milieu) {
        let Some(entree) = self.entrees.get(&id).filter(|_| self.debout) else { return };
        let (key, event) = (entree.key.clone(), entree.event.clone());
        let ecritures = self.decider(&key, &id.to_string(), Input::Event(event), m);
        let sort = self.sort(m);
        if sort != Sort::MortAvant {
            self.entrees.remove(&id);
            self.commettre(&key, ecritures, m);
        }
        if sort == Sort::MortApres {
            self.tomber(m);
        }
    }

    /// A wake-up, unless it was replaced or cancelled.
    pub(crate) fn reveil(&mut self, key: &str, reason: &str, due: DateTime<Utc>, m: &mut Milieu) {
        let name = (key.to_owned(), reason.to_owned());
        if !self.debout || self.reveils.get(&name) != Some(&due) {
            return;
        }
        let cause = format!("wake {reason} {}", due.timestamp_micros());
        let ecritures = self.decider(key, &cause, Input::Wake { reason: reason.to_owned() }, m);
        let sort = self.sort(m);
        if sort != Sort::MortAvant {
            self.reveils.remove(&name);
            self.commettre(key, ecritures, m);
        }
        if sort == Sort::MortApres {
            self.tomber(m);
        }
    }

    /// Stores what comes from outside; refused while the service is down.
    pub(crate) fn observer(
        &mut self,
        id: Uuid,
        key: String,
        event: S::Event,
        m: &mut Milieu,
    ) -> bool {
        if !self.debout {
            return false;
        }
        self.entrees.entry(id).or_insert(Entree { key, event });
        let delay = m.latence();
        m.dans(delay, Tic::Entree(self.qui, id));
        true
    }

    /// An operator's action.
    pub(crate) fn agir(&mut self, action: &OperatorAction, m: &mut Milieu) -> bool {
        let (key, event) = S::operator(action).expect("the operator knows the actions");
        let id = derive_id(&["operateur", &m.now.to_rfc3339(), &format!("{action:?}")]);
        self.observer(id, key, event, m)
    }

    /// Open failures: their codes.
    pub(crate) fn pannes(&self) -> Vec<String> {
        self.pannes.values().map(|p| p.code.clone()).collect()
    }

    /// What is not finished: inputs, asks and publications.
    pub(crate) fn en_cours(&self) -> usize {
        self.entrees.len() + self.demandes.len() + self.boite.len()
    }

    pub(crate) fn etat(&self, key: &str) -> Option<&S::State> {
        self.etats.get(key).map(|c| &c.etat)
    }

    fn sort(&mut self, m: &mut Milieu) -> Sort {
        if m.malheur(2, "arrêts avant l'enregistrement") {
            self.tomber(m);
            Sort::MortAvant
        } else if m.malheur(2, "arrêts après l'enregistrement") {
            Sort::MortApres
        } else {
            Sort::Commis
        }
    }

    fn decider(&self, key: &str, cause: &str, input: Input<S>, m: &mut Milieu) -> Ecritures<S> {
        let qui = self.qui;
        let case = self.etats.get(key);
        let seen = match &input {
            Input::Message { origin: Origin::Relais, meta, .. } => meta
                .subject
                .as_deref()
                .zip(meta.sequence)
                .map(|(subject, n)| (format!("{} {subject}", meta.source), n)),
            Input::Message { .. } | Input::Answer { .. } | Input::Wake { .. } | Input::Event(_) => {
                None
            }
        };
        if let (Some(case), Some((subject, n))) = (case, &seen)
            && case.vus.get(subject).is_some_and(|known| known >= n)
        {
            m.compter("dépassés");
            return Ecritures::none();
        }
        let cx =
            Context { now: m.now, config: &self.config, referentiel: &self.registre, key, cause };
        match S::decide(case.map(|c| &c.etat), input.clone(), &cx) {
            Ok(Decision::Ignore(reason)) => {
                m.note(|| format!("{qui:?} {key} ignore : {reason}"));
                Ecritures::none()
            }
            Ok(Decision::Next { state, effects }) => {
                m.note(|| format!("{qui:?} {key} <- {}", court(&input)));
                self.ecrire(key, cause, state, effects, seen, m.now)
            }
            Err(refusal) => {
                m.note(|| format!("{qui:?} {key} refuse : {refusal}"));
                let id = derive_id(&[S::NAME, "panne", key, cause]);
                let (key, cause) = (key.to_owned(), cause.to_owned());
                let quoi = Rate::Entrant { key, cause, input: Box::new(input) };
                let panne = Panne { code: refusal.code.to_owned(), quoi };
                Ecritures { panne: Some((id, panne)), ..Ecritures::none() }
            }
        }
    }
}
