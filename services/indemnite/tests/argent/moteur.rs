//! A tiny interpreter of effects: inbox, sequence filter, Tells in a drawn order, wake-ups.

use std::collections::{BTreeMap, BTreeSet};

use bus::Origin;
use chrono::{DateTime, Utc};
use contracts::Referentiel;
use indemnite::{Ask, Config, Event, Incoming, Indemnite, State};
use kernel::Draw;
use service::{Context, Decision, Effect, Input, Meta, Outgoing, Service};

/// The service, without its frame.
pub(crate) struct Moteur {
    pub(crate) now: DateTime<Utc>,
    pub(crate) states: BTreeMap<String, State>,
    pub(crate) published: Vec<Outgoing>,
    pub(crate) mails: Vec<(String, Ask)>,
    pub(crate) refusals: Vec<&'static str>,
    seed: u64,
    config: Config,
    referentiel: Referentiel,
    tells: Vec<(String, Event)>,
    wakes: BTreeMap<(String, String), DateTime<Utc>>,
    inbox: BTreeSet<String>,
    sequences: BTreeMap<String, u64>,
    inputs: u64,
}

impl Moteur {
    pub(crate) fn new(
        seed: u64,
        now: DateTime<Utc>,
        config: Config,
        register: Referentiel,
    ) -> Self {
        Self {
            now,
            states: BTreeMap::new(),
            published: Vec::new(),
            mails: Vec::new(),
            refusals: Vec::new(),
            seed,
            config,
            referentiel: register,
            tells: Vec::new(),
            wakes: BTreeMap::new(),
            inbox: BTreeSet::new(),
            sequences: BTreeMap::new(),
            inputs: 0,
        }
    }

    /// A delivery, as the frame takes it: known ids and older snapshots never reach a decision.
    pub(crate) fn deliver(
        &mut self,
        id: &str,
        subject: &str,
        sequence: Option<u64>,
        message: Incoming,
        origin: Origin,
    ) {
        if !self.inbox.insert(id.to_owned()) {
            return;
        }
        if sequence.is_some_and(|n| self.sequences.get(subject).is_some_and(|known| *known >= n)) {
            return;
        }
        let meta = Meta {
            id: id.to_owned(),
            source: "test".to_owned(),
            time: self.now,
            subject: Some(subject.to_owned()),
            sequence,
        };
        let key = Indemnite::key(&message);
        let taken = self.decide(&key, Input::Message { message, origin, meta });
        // The frame remembers a sequence with the state that it led to, not when it is ignored.
        if let (Some(sequence), true) = (sequence, taken) {
            self.sequences.insert(subject.to_owned(), sequence);
        }
        self.drain();
    }

    /// An input from outside.
    pub(crate) fn observe(&mut self, key: &str, event: Event) {
        self.decide(key, Input::Event(event));
        self.drain();
    }

    /// Lets every wake-up due until `to` happen, in order.
    pub(crate) fn advance(&mut self, to: DateTime<Utc>) {
        while let Some((key, at)) = self.next_wake().filter(|(_, at)| *at <= to) {
            self.now = self.now.max(at);
            self.wakes.remove(&key);
            self.decide(&key.0, Input::Wake { reason: key.1 });
            self.drain();
        }
        self.now = self.now.max(to);
    }

    fn next_wake(&self) -> Option<((String, String), DateTime<Utc>)> {
        let first = self.wakes.iter().min_by_key(|(key, at)| (**at, (*key).clone()));
        first.map(|(key, at)| (key.clone(), *at))
    }

    fn drain(&mut self) {
        while !self.tells.is_empty() {
            let draw = Draw::of(self.seed, &["tell", &self.inputs.to_string()]);
            let index = usize::try_from(draw.below(self.tells.len() as u64)).expect("small");
            let (key, event) = self.tells.remove(index);
            self.decide(&key, Input::Event(event));
        }
    }

    fn decide(&mut self, key: &str, input: Input<Indemnite>) -> bool {
        self.inputs += 1;
        let cause = self.inputs.to_string();
        let cx = Context {
            now: self.now,
            config: &self.config,
            referentiel: &self.referentiel,
            key,
            cause: &cause,
        };
        let (state, effects) = match Indemnite::decide(self.states.get(key), input, &cx) {
            Ok(Decision::Next { state, effects }) => (state, effects),
            Ok(Decision::Ignore(_)) => return false,
            Err(refusal) => {
                assert!(
                    ["correction-hors-bornes", "ligne-rejetee"].contains(&refusal.code),
                    "{refusal} on {key}"
                );
                self.refusals.push(refusal.code);
                return false;
            }
        };
        // What is stored is what comes back from the store.
        let stored = serde_json::to_string(&state).expect("states encode");
        let read: State = serde_json::from_str(&stored).expect("states decode");
        assert_eq!(read, state);
        self.states.insert(key.to_owned(), read);
        for effect in effects {
            match effect {
                Effect::Publish(outgoing) => self.published.push(outgoing),
                Effect::Ask(ask) => self.mails.push((key.to_owned(), ask)),
                Effect::CancelAsks(_) => {}
                Effect::Tell { key, event } => self.tells.push((key, event)),
                Effect::WakeAt { at, reason } => {
                    self.wakes.insert((key.to_owned(), reason), at);
                }
                Effect::CancelWake(reason) => {
                    self.wakes.remove(&(key.to_owned(), reason));
                }
            }
        }
        true
    }
}
