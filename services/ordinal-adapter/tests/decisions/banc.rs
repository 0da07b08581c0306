//! A bench for decisions: what the frame does around `decide`, in memory and without I/O. Every
//! decision is taken twice and every state goes through JSON, as they may in reality.

use std::collections::{BTreeMap, VecDeque};

use bus::Origin;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Agence, Flux, Incoming, Message, Referentiel};
use kernel::paris_date;
use service::{AskKind, Context, Decision, Effect, Input, Meta, OperatorAction, Outgoing, Service};

/// A state, its version and the snapshots it has seen.
struct Fiche<S: Service> {
    etat: S::State,
    version: u64,
    vus: BTreeMap<String, u64>,
}

/// What was published, in order.
#[derive(Clone, Debug)]
pub(crate) struct Publie {
    pub(crate) cle: String,
    pub(crate) sortie: Outgoing,
    pub(crate) sequence: u64,
}

/// An input that was refused, kept for a replay.
struct Panne<S: Service> {
    cle: String,
    entree: Input<S>,
    code: &'static str,
}

/// A service on the bench.
pub(crate) struct Banc<S: Service> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) config: S::Config,
    pub(crate) referentiel: Referentiel,
    pub(crate) publies: Vec<Publie>,
    pub(crate) courriels: Vec<(String, S::Ask)>,
    pub(crate) ignores: Vec<&'static str>,
    fiches: BTreeMap<String, Fiche<S>>,
    reveils: BTreeMap<(String, String), DateTime<Utc>>,
    pannes: Vec<Panne<S>>,
    file: VecDeque<(String, Input<S>)>,
    causes: u32,
}

impl<S: Service> Banc<S> {
    pub(crate) fn new(config: S::Config, referentiel: Referentiel, now: DateTime<Utc>) -> Self {
        Self {
            now,
            config,
            referentiel,
            publies: Vec::new(),
            courriels: Vec::new(),
            ignores: Vec::new(),
            fiches: BTreeMap::new(),
            reveils: BTreeMap::new(),
            pannes: Vec::new(),
            file: VecDeque::new(),
            causes: 0,
        }
    }

    /// A fact of another service, with its sequence.
    pub(crate) fn fait<M: Message>(&mut self, source: &str, sequence: u64, message: &M) {
        let entree = entree::<S, M>(message, Origin::Relais, source, Some(sequence), self.now);
        self.message(&entree);
    }

    /// An answer of an agency.
    pub(crate) fn reponse<M: Message>(&mut self, agence: &Agence, message: &M) {
        let origin = Origin::Agence(agence.clone());
        let entree = entree::<S, M>(message, origin, &agence.source(), None, self.now);
        self.message(&entree);
    }

    fn message(&mut self, entree: &Input<S>) {
        let Input::Message { message, .. } = entree else { unreachable!("a message") };
        self.donner(S::key(message), entree.clone());
    }

    /// An event from outside.
    pub(crate) fn evenement(&mut self, cle: &str, event: S::Event) {
        self.donner(cle.to_owned(), Input::Event(event));
    }

    /// An operator's action.
    pub(crate) fn operateur(&mut self, action: &str, cle: &str, champs: &[(&str, &str)]) {
        let action = OperatorAction {
            action: action.to_owned(),
            cle: cle.to_owned(),
            champs: champs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            par: "operateur".to_owned(),
        };
        let (cle, event) = S::operator(&action).expect("the action is known");
        self.evenement(&cle, event);
    }

    /// Any input, and whatever follows inside the service.
    pub(crate) fn donner(&mut self, cle: String, entree: Input<S>) {
        self.file.push_back((cle, entree));
        while let Some((cle, entree)) = self.file.pop_front() {
            self.decider(cle, entree);
        }
    }

    /// Lets time pass; wake-ups come in order.
    pub(crate) fn avancer(&mut self, days: i64) {
        let until = self.now + TimeDelta::days(days);
        loop {
            let due = self.reveils.iter().map(|(k, at)| (*at, k.clone())).min();
            let Some((at, (cle, reason))) = due.filter(|(at, _)| *at <= until) else { break };
            self.reveils.remove(&(cle.clone(), reason.clone()));
            self.now = self.now.max(at);
            self.donner(cle, Input::Wake { reason });
        }
        self.now = until;
    }

    /// Replays refused inputs until none is left that can be decided.
    pub(crate) fn rejouer(&mut self) {
        loop {
            let before = self.pannes.len();
            for panne in std::mem::take(&mut self.pannes) {
                self.donner(panne.cle, panne.entree);
            }
            if self.pannes.is_empty() || self.pannes.len() == before {
                break;
            }
        }
    }

    /// The codes of the inputs that were refused.
    pub(crate) fn pannes(&self) -> Vec<&'static str> {
        self.pannes.iter().map(|p| p.code).collect()
    }

    pub(crate) fn etat(&self, cle: &str) -> Option<&S::State> {
        self.fiches.get(cle).map(|f| &f.etat)
    }

    /// Decides without applying: the outcome as one line.
    pub(crate) fn essai(
        &self,
        cle: &str,
        entree: Input<S>,
        nom: impl Fn(&S::State) -> String,
    ) -> String {
        let state = self.etat(cle);
        match S::decide(state, entree, &self.contexte(cle, "essai")) {
            Err(refusal) => format!("refus {}", refusal.code),
            Ok(Decision::Ignore(reason)) => format!("rien ({reason})"),
            Ok(Decision::Next { state, effects }) => {
                let effets: Vec<String> = effects.iter().map(libelle).collect();
                format!("{} {}", nom(&state), effets.join(" ")).trim().to_owned()
            }
        }
    }

    /// The last message of each subject on one exchange, of the types that `garde` keeps.
    pub(crate) fn derniers(&self, garde: &[&str]) -> BTreeMap<String, String> {
        let kept = self.publies.iter().filter(|p| garde.contains(&p.sortie.message_type));
        let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
        for p in kept {
            let text = format!("{} {}", p.sortie.message_type, p.sortie.body);
            let newer = last.get(&p.sortie.subject).is_none_or(|(n, _)| *n < p.sequence);
            assert!(newer, "two versions of {} are out of order", p.sortie.subject);
            last.insert(p.sortie.subject.clone(), (p.sequence, text));
        }
        last.into_iter().map(|(subject, (_, text))| (subject, text)).collect()
    }

    /// How many messages of a type were published.
    pub(crate) fn compte(&self, message_type: &str) -> usize {
        self.publies.iter().filter(|p| p.sortie.message_type == message_type).count()
    }

    /// The bodies of every message of a type.
    pub(crate) fn corps<M: Message>(&self) -> Vec<M> {
        let of_type = self.publies.iter().filter(|p| p.sortie.message_type == M::TYPE);
        of_type.map(|p| serde_json::from_str(&p.sortie.body).expect("decodes")).collect()
    }

    fn contexte<'a>(&'a self, key: &'a str, cause: &'a str) -> Context<'a, S> {
        Context { now: self.now, config: &self.config, referentiel: &self.referentiel, key, cause }
    }

    fn decider(&mut self, cle: String, entree: Input<S>) {
        self.causes += 1;
        let cause = format!("cause {}", self.causes);
        let seen = instantane(&entree);
        let fiche = self.fiches.get(&cle);
        if let (Some(fiche), Some((subject, sequence))) = (fiche, &seen)
            && fiche.vus.get(subject).is_some_and(|known| known >= sequence)
        {
            self.ignores.push("depasse");
            return;
        }
        let state = fiche.map(|f| &f.etat);
        let cx = self.contexte(&cle, &cause);
        let decision = S::decide(state, entree.clone(), &cx);
        let again = S::decide(state, entree.clone(), &cx);
        assert_eq!(format!("{decision:?}"), format!("{again:?}"), "a replay decides the same");
        match decision {
            Err(refusal) => self.pannes.push(Panne { cle, entree, code: refusal.code }),
            Ok(Decision::Ignore(reason)) => self.ignores.push(reason),
            Ok(Decision::Next { state, effects }) => self.appliquer(cle, &state, effects, seen),
        }
    }

    fn appliquer(
        &mut self,
        cle: String,
        state: &S::State,
        effects: Vec<Effect<S>>,
        seen: Option<(String, u64)>,
    ) {
        let json = serde_json::to_string(state).expect("states encode");
        let etat: S::State = serde_json::from_str(&json).expect("states decode");
        assert_eq!(format!("{etat:?}"), format!("{state:?}"), "a stored state comes back whole");
        let known = self.fiches.remove(&cle);
        let (mut version, mut vus) =
            known.map_or_else(|| (0, BTreeMap::new()), |f| (f.version, f.vus));
        vus.extend(seen);
        version += 1;
        for effect in effects {
            match effect {
                Effect::Publish(sortie) => {
                    self.publies.push(Publie { cle: cle.clone(), sortie, sequence: version });
                    version += 1;
                }
                Effect::Ask(ask) => self.courriels.push((cle.clone(), ask)),
                Effect::CancelAsks(_) => {}
                Effect::Tell { key, event } => self.file.push_back((key, Input::Event(event))),
                Effect::WakeAt { at, reason } => {
                    self.reveils.insert((cle.clone(), reason), at);
                }
                Effect::CancelWake(reason) => {
                    self.reveils.remove(&(cle.clone(), reason));
                }
            }
        }
        self.fiches.insert(cle, Fiche { etat, version, vus });
    }
}

/// A message as the frame hands it to `decide`.
pub(crate) fn entree<S: Service, M: Message>(
    message: &M,
    origin: Origin,
    source: &str,
    sequence: Option<u64>,
    time: DateTime<Utc>,
) -> Input<S> {
    let body = serde_json::to_vec(message).expect("messages encode");
    Input::Message {
        message: S::Message::decode(M::TYPE, &body).expect("the service reads it"),
        origin,
        meta: Meta {
            id: "m".to_owned(),
            source: source.to_owned(),
            time,
            subject: Some(message.subject()),
            sequence,
        },
    }
}

fn instantane<S: Service>(entree: &Input<S>) -> Option<(String, u64)> {
    match entree {
        Input::Message { origin: Origin::Relais, meta, .. } => {
            let subject = meta.subject.as_deref()?;
            Some((format!("{} {subject}", meta.source), meta.sequence?))
        }
        Input::Message { .. } | Input::Answer { .. } | Input::Wake { .. } | Input::Event(_) => None,
    }
}

fn libelle<S: Service>(effect: &Effect<S>) -> String {
    match effect {
        Effect::Publish(out) => {
            let name = out.message_type.trim_end_matches(".v1");
            if out.flux == Flux::Demandes { format!("→{name}") } else { name.to_owned() }
        }
        Effect::Ask(ask) => ask.kind().to_owned(),
        Effect::CancelAsks(kind) => format!("-{kind}"),
        Effect::Tell { key, .. } => {
            format!("dit:{}", key.split('/').next().unwrap_or_default())
        }
        Effect::WakeAt { at, reason } => format!("réveil:{reason}:{}", paris_date(*at)),
        Effect::CancelWake(reason) => format!("-réveil:{reason}"),
    }
}
