//! Decides a batch in memory: states in, writes out. Runs inside the store's transaction, does no
//! I/O; may run again from the start when the transaction meets a concurrent change.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bus::Origin;
use chrono::{DateTime, Utc};
use contracts::{Flux, Referentiel};
use store::{FailureRow, InputKind, InputRow, Loaded, OutboxRow, RowContext, StateWrite, Writes};
use uuid::Uuid;

use super::{
    item::{Bad, Item, Ready, Settle},
    sortie::{announce, announce_closed, ask_row, effect_id, follow_task, input_row, outbox_row},
    stored::{Stored, parse_state},
};
use crate::api::{AskKind, Context, Decision, Effect, Etape, Input, Outgoing, Service};

/// A state while its batch is decided.
struct Slot<S: Service> {
    expected: Option<i64>,
    version: i64,
    vus: BTreeMap<String, u64>,
    state: Option<S::State>,
    dirty: bool,
}

/// What became of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Decided, state and effects written.
    Done,
    /// Decided: nothing to do.
    Ignored(&'static str),
    /// Received before.
    Duplicate,
    /// A later snapshot of its subject is known.
    Superseded,
    /// Kept as a failure.
    Failed,
}

impl Outcome {
    /// Label of `relais_messages_total`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Done => "fait",
            Self::Ignored(_) => "ignore",
            Self::Duplicate => "doublon",
            Self::Superseded => "depasse",
            Self::Failed => "panne",
        }
    }
}

/// What decisions share.
pub(crate) struct Shared<'a, S: Service> {
    pub now: DateTime<Utc>,
    pub config: &'a S::Config,
    pub referentiel: &'a Referentiel,
    /// Trace context of what is published; `None` passes the cause's on.
    pub traceparent: Option<String>,
}

/// An input that a decision gave to another state of the service.
pub(super) struct Told<S: Service> {
    /// What the store would keep of it.
    pub row: InputRow,
    /// It.
    pub event: S::Event,
}

/// What a batch decided so far.
pub(super) struct Folder<'a, S: Service> {
    shared: &'a Shared<'a, S>,
    slots: HashMap<String, Slot<S>>,
    corrupt: HashMap<String, String>,
    writes: Writes,
    wakes: BTreeMap<(String, String), Option<InputRow>>,
    /// What was told, and is neither decided nor written yet.
    pub(super) told: VecDeque<Told<S>>,
}

impl<'a, S: Service> Folder<'a, S> {
    pub(super) fn new(shared: &'a Shared<'a, S>) -> Self {
        Self {
            shared,
            slots: HashMap::new(),
            corrupt: HashMap::new(),
            writes: Writes::default(),
            wakes: BTreeMap::new(),
            told: VecDeque::new(),
        }
    }

    pub(super) fn load(&mut self, states: Vec<store::StateRow>) {
        for row in states {
            match parse_state::<S>(&row.body) {
                Ok(stored) => {
                    let slot = Slot {
                        expected: Some(row.version),
                        version: row.version,
                        vus: stored.vus,
                        state: Some(stored.s),
                        dirty: false,
                    };
                    self.slots.insert(row.key, slot);
                }
                Err(reason) => {
                    self.corrupt.insert(row.key, reason);
                }
            }
        }
    }

    /// Decides `items` in order; with `refused`, keeps each as a failure instead: what the database
    /// refuses.
    pub(super) fn items(
        &mut self,
        items: &[Item<S>],
        loaded: Loaded,
        refused: Option<&Bad>,
    ) -> Vec<Outcome> {
        self.load(loaded.states);
        let mut fresh = loaded.fresh.into_iter();
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            let known = item.mark.is_some() && !fresh.next().unwrap_or(true);
            outcomes.push(match refused {
                _ if known => Outcome::Duplicate,
                None => self.item(item),
                Some(bad) => {
                    self.settle(item);
                    self.fail(item, bad)
                }
            });
        }
        outcomes
    }

    fn settle(&mut self, item: &Item<S>) {
        match item.settle {
            Settle::Nothing => {}
            Settle::Input(id, lease) => self.writes.done_inputs.push((id, lease)),
            Settle::Answer(id, lease) => self.writes.done_answers.push((id, lease)),
        }
    }

    pub(super) fn item(&mut self, item: &Item<S>) -> Outcome {
        self.settle(item);
        let outcome = match &item.body {
            Err(bad) => self.fail(item, bad),
            Ok(Ready::CloseOnly) => Outcome::Done,
            Ok(Ready::Rearm(ask)) => {
                let mut ask = (**ask).clone();
                (ask.due_at, ask.created_at) = (self.shared.now, self.shared.now);
                self.writes.asks.push(ask);
                Outcome::Done
            }
            Ok(Ready::Decide(input)) => self.decide(item, input),
        };
        if let (Some(id), false) = (item.replays, outcome == Outcome::Failed) {
            let issue = if outcome == Outcome::Superseded { "depassee" } else { "rejouee" };
            self.close_failure(id, issue);
        }
        outcome
    }

    fn decide(&mut self, item: &Item<S>, input: &Input<S>) -> Outcome {
        if let Some(reason) = self.corrupt.get(&item.key) {
            let bad = Bad { code: "etat-illisible".to_owned(), reason: reason.clone() };
            return self.fail(item, &bad);
        }
        let slot = self.slots.get(&item.key);
        let seen = snapshot_of(input);
        if let (Some(slot), Some((subject, sequence))) = (slot, &seen)
            && slot.vus.get(subject).is_some_and(|known| known >= sequence)
        {
            return Outcome::Superseded;
        }
        let cx = Context {
            now: self.shared.now,
            config: self.shared.config,
            referentiel: self.shared.referentiel,
            key: &item.key,
            cause: &item.cause,
        };
        let state = slot.and_then(|s| s.state.as_ref());
        let decided = catch_unwind(AssertUnwindSafe(|| S::decide(state, input.clone(), &cx)));
        match decided {
            Ok(Ok(Decision::Next { state, effects })) => {
                self.apply(item, state, effects, seen);
                Outcome::Done
            }
            Ok(Ok(Decision::Ignore(reason))) => {
                self.remember(&item.key, seen);
                Outcome::Ignored(reason)
            }
            Ok(Err(refusal)) => {
                self.fail(item, &Bad { code: refusal.code.to_owned(), reason: refusal.reason })
            }
            Err(_) => {
                let reason = "the decision panicked".to_owned();
                self.fail(item, &Bad { code: "panique".to_owned(), reason })
            }
        }
    }

    /// An ignored snapshot is known too: an older one must not undo what it said.
    fn remember(&mut self, key: &str, seen: Option<(String, u64)>) {
        if let (Some(slot), Some((subject, sequence))) = (self.slots.get_mut(key), seen) {
            slot.vus.insert(subject, sequence);
            slot.version += 1;
            slot.dirty = true;
        }
    }

    fn apply(
        &mut self,
        item: &Item<S>,
        state: S::State,
        effects: Vec<Effect<S>>,
        seen: Option<(String, u64)>,
    ) {
        let mut slot = self.slots.remove(&item.key).unwrap_or_else(|| Slot {
            expected: None,
            version: 0,
            vus: BTreeMap::new(),
            state: None,
            dirty: false,
        });
        slot.version += 1;
        slot.state = Some(state);
        slot.dirty = true;
        if let Some((subject, sequence)) = seen {
            slot.vus.insert(subject, sequence);
        }
        for (index, effect) in effects.into_iter().enumerate() {
            if let Effect::Publish(out) = effect {
                let id = effect_id::<S>(item, "publish", index);
                let sequence = (out.flux == Flux::Evenements).then(|| version_number(slot.version));
                self.publish(id, out, sequence, item);
                // Every message has its own version: two facts of one subject stay in order.
                slot.version += 1;
            } else {
                self.effect(item, index, effect);
            }
        }
        self.slots.insert(item.key.clone(), slot);
    }

    fn effect(&mut self, item: &Item<S>, index: usize, effect: Effect<S>) {
        let now = self.shared.now;
        let key = &item.key;
        match effect {
            Effect::Publish(_) => {}
            Effect::Ask(ask) => {
                let id = effect_id::<S>(item, ask.kind(), index);
                let context = item.context.clone();
                let row = ask_row::<S>(id, key, &ask, now, &item.cause, context);
                self.writes.asks.push(row);
            }
            Effect::CancelAsks(kind) => {
                self.writes.asks.retain(|a| a.key != *key || a.kind != kind);
                self.writes.cancel_asks.push((key.clone(), kind.to_owned()));
            }
            Effect::Tell { key: to, event } => {
                let id = effect_id::<S>(item, &to, index);
                let body = serde_json::to_string(&event).expect("events encode");
                let row = input_row(id, to, InputKind::Event, String::new(), now, body, item);
                self.told.push_back(Told { row, event });
            }
            Effect::WakeAt { at, reason } => {
                let id = effect_id::<S>(item, &reason, index);
                let kind = InputKind::Wake;
                let row = input_row(id, key.clone(), kind, reason.clone(), at, String::new(), item);
                self.wakes.insert((key.clone(), reason), Some(row));
            }
            Effect::CancelWake(reason) => {
                self.wakes.insert((key.clone(), reason), None);
            }
        }
    }

    fn publish(&mut self, id: Uuid, out: Outgoing, sequence: Option<u64>, item: &Item<S>) {
        let context = RowContext {
            traceparent: self
                .shared
                .traceparent
                .clone()
                .or_else(|| item.context.traceparent.clone()),
            correlation_id: out.dossier.clone().or_else(|| item.context.correlation_id.clone()),
        };
        follow_task(&out, self.shared.now, &mut self.writes);
        let cause = item.cause.rsplit(' ').next().map(str::to_owned);
        self.send(outbox_row(S::NAME, id, out, sequence, self.shared.now, context, cause));
    }

    fn fail(&mut self, item: &Item<S>, bad: &Bad) -> Outcome {
        let id = item
            .replays
            .unwrap_or_else(|| kernel::derive_id(&[S::NAME, "panne", &item.key, &item.cause]));
        let failure = FailureRow {
            id,
            key: (!item.key.is_empty()).then(|| item.key.clone()),
            origin: item.keep.origin.to_owned(),
            kind: item.kind.clone(),
            code: bad.code.clone(),
            reason: bad.reason.clone(),
            body: item.keep.body.clone(),
            meta: item.keep.meta.text(),
            first_seen: self.shared.now,
            attempts: 1,
            outcome: None,
        };
        tracing::error!(service = S::NAME, panne = %id, code = %bad.code, kind = %item.kind,
            reason = %bad.reason, "input kept as a failure");
        if item.replays.is_none() {
            let row = announce(S::NAME, &failure, self.shared.now, item.context.clone());
            self.send(row);
        }
        self.writes.failures.push(failure);
        Outcome::Failed
    }

    fn send(&mut self, row: OutboxRow) {
        Arc::make_mut(&mut self.writes.outbox).push(row);
    }

    fn close_failure(&mut self, id: Uuid, issue: &str) {
        self.writes.close_failures.push((id, issue.to_owned()));
        self.send(announce_closed(S::NAME, id, issue, self.shared.now));
    }

    pub(super) fn finish(mut self) -> Writes {
        self.writes.inputs.extend(self.told.into_iter().map(|told| told.row));
        for (key, slot) in self.slots {
            if !slot.dirty {
                continue;
            }
            let etape = slot.state.as_ref().and_then(S::etape).map(|etape| match etape {
                Etape::Attente(nom) => store::Etape { nom, depuis: Some(self.shared.now) },
                Etape::Acquise(nom) => store::Etape { nom, depuis: None },
            });
            let stored = Stored { v: S::STATE_VERSION, vus: slot.vus, s: slot.state };
            self.writes.states.push(StateWrite {
                key,
                expected: slot.expected,
                version: slot.version,
                body: stored.text(),
                etape,
            });
        }
        self.writes.states.sort_by(|a, b| a.key.cmp(&b.key));
        for (wake, row) in self.wakes {
            match row {
                Some(row) => self.writes.inputs.push(row),
                None => self.writes.cancel_wakes.push(wake),
            }
        }
        self.writes
    }
}

/// (« source subject », sequence) of a snapshot published by a service of Relais.
fn snapshot_of<S: Service>(input: &Input<S>) -> Option<(String, u64)> {
    match input {
        Input::Message { origin: Origin::Relais, meta, .. } => {
            let subject = meta.subject.as_deref()?;
            Some((format!("{} {subject}", meta.source), meta.sequence?))
        }
        Input::Message { .. } | Input::Answer { .. } | Input::Wake { .. } | Input::Event(_) => None,
    }
}

fn version_number(version: i64) -> u64 {
    u64::try_from(version).unwrap_or(0)
}
