//! What the engine decides without I/O, for simulations that run a service by hand: the same items,
//! the same fold, the same rows as the loops, on whatever time and store the caller has.

use bus::{Delivery, Publication, QueueSpec};
use chrono::{DateTime, Utc};
use contracts::Referentiel;
use kernel::Fault;
use store::{
    AnswerRow, AskRow, FailureRow, Found, InputRow, Leased, Mark, OutboxRow, Step, Writes,
};
use uuid::Uuid;

use super::{
    asks::{Suite, after_fault, attempt_of},
    fold::{Outcome, Shared},
    follow::Batch,
    item::{INBOX_DAYS, Item},
    keys_of, marks_of, sortie,
};
use crate::api::{Attempt, Service};

/// Inputs made ready, to be decided in one transaction.
pub struct Lot<S: Service>(Vec<Item<S>>);

/// What became of one input of a [`Lot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The state it concerns; empty when the input could not be understood, or was told.
    pub key: String,
    /// What derived ids hang on: « source id » of a message; empty when it was told.
    pub cause: String,
    /// The message type, the kind of ask or of input.
    pub kind: String,
    /// Label of `relais_messages_total`: `fait`, `ignore`, `doublon`, `depasse`, `panne`.
    pub label: &'static str,
    /// Why it was ignored.
    pub reason: Option<&'static str>,
}

impl<S: Service> Default for Lot<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Service> Lot<S> {
    /// Adds a delivery.
    pub fn delivery(&mut self, delivery: Delivery, now: DateTime<Utc>) {
        self.0.push(Item::from_delivery(delivery, now));
    }

    /// Adds a claimed input; a replay needs the failure that it names.
    pub fn input(&mut self, leased: Leased<InputRow>, failure: Option<FailureRow>) {
        self.0.push(Item::from_input(leased, failure));
    }

    /// Adds a claimed answer.
    pub fn answer(&mut self, leased: Leased<AnswerRow>) {
        self.0.push(Item::from_answer(leased));
    }

    /// The inbox marks.
    pub fn marks(&self) -> Vec<Mark> {
        marks_of(&self.0)
    }

    /// The states concerned, in order.
    pub fn keys(&self) -> Vec<String> {
        keys_of(&self.0)
    }

    /// Has it decided in a transaction of the caller, which `run` makes of a way to decide; with
    /// `follow`, so is what is told to other states. What became of each input, then of what was
    /// told, comes back with what `run` gave.
    pub fn decide<T>(
        &self,
        now: DateTime<Utc>,
        config: &S::Config,
        referentiel: &Referentiel,
        follow: bool,
        run: impl FnOnce(&mut dyn FnMut(Found) -> Step) -> T,
    ) -> (T, Vec<Issue>) {
        let shared = Shared { now, config, referentiel, traceparent: None };
        let mut batch = Batch::new(&self.0, &shared, follow, None);
        let done = run(&mut |found| batch.step(found));
        let issues = batch.ended().map(|(item, outcome)| Issue {
            key: item.map(|item| item.key.clone()).unwrap_or_default(),
            cause: item.map(|item| item.cause.clone()).unwrap_or_default(),
            kind: item.map_or_else(|| "event".to_owned(), |item| item.kind.clone()),
            label: outcome.label(),
            reason: match outcome {
                Outcome::Ignored(reason) => Some(reason),
                Outcome::Done | Outcome::Duplicate | Outcome::Superseded | Outcome::Failed => None,
            },
        });
        let issues = issues.collect();
        (done, issues)
    }
}

/// The queues that a service reads.
pub fn queues<S: Service>() -> Vec<QueueSpec> {
    super::queues::<S>()
}

/// How long the inbox remembers, in days.
pub const fn inbox_days() -> i64 {
    INBOX_DAYS
}

/// Which attempt of an ask this is.
pub fn attempt(row: &AskRow) -> Attempt {
    attempt_of(row)
}

/// What becomes of an ask whose attempt failed.
pub enum AfterFault {
    /// It is tried again at this instant.
    Later(DateTime<Utc>),
    /// It is a failure, with the message that announces it.
    Failed(Box<FailureRow>, Box<OutboxRow>),
}

/// Decides what becomes of an ask whose attempt failed.
pub fn fault<S: Service>(row: &AskRow, fault: &Fault, now: DateTime<Utc>) -> AfterFault {
    match after_fault::<S>(row, fault, now) {
        Suite::Later(at) => AfterFault::Later(at),
        Suite::Failed(failure, announced) => AfterFault::Failed(failure, announced),
    }
}

/// The publication of an outbox row.
pub fn publication(row: &OutboxRow) -> Publication {
    super::relay::publication(row.clone())
}

/// The input that replays a failure.
pub fn replay<S: Service>(failure: Uuid, now: DateTime<Utc>) -> InputRow {
    sortie::replay_row(S::NAME, failure, now)
}

/// What sets a failure aside.
pub fn discard<S: Service>(failure: Uuid, now: DateTime<Utc>) -> Writes {
    sortie::discarded(S::NAME, failure, now)
}

/// The row of an event from outside.
pub fn event<S: Service>(id: Uuid, key: String, event: &S::Event, now: DateTime<Utc>) -> InputRow {
    crate::ingress::event_row::<S>(id, key, event, now)
}

/// The inputs given at a start.
pub fn boot<S: Service>(config: &S::Config, now: DateTime<Utc>) -> Vec<InputRow> {
    crate::lifecycle::boot_rows::<S>(config, now)
}

/// Reads a stored state.
///
/// # Errors
/// A sentence when it does not read.
pub fn state<S: Service>(body: &str) -> Result<S::State, String> {
    super::read_state::<S>(body)
}
