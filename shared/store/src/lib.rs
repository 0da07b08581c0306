//! The store of one service: inbox, inputs, state, outbox, asks, failures, credentials, budgets.
//! Two implementations, [`sqlite`] and [`postgres`], pass one conformance suite.
//!
//! The engine's whole commit is one call, [`Store::transact`]; everything else claims work by
//! *lease* in a short transaction and settles it by (id, lease). A lease is a fencing token: a
//! settlement under an older lease changes nothing.

mod batch;
mod budgets;
mod counts;
mod errors;
mod inspection;
#[cfg(feature = "memory")]
pub mod memory;
mod migrations;
mod operations;
pub mod postgres;
mod rows;
pub mod sqlite;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::Envelope;
use uuid::Uuid;

pub use batch::{Decide, Fold, Found, Loaded, Mark, StateRow, StateWrite, Step, Writes};
pub use counts::{Etape, NextDue, Stats};
pub use errors::StoreError;
pub use inspection::Inspection;
pub use operations::{
    FailureFilter, FailureGroup, FailureHead, FailureRow, JournalEntry, JournalRow, TaskRow,
};

/// What an input row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A wake-up; `name` is its reason, one per (key, reason), replaced.
    Wake,
    /// From another state of the service, or from outside (webhook, answer link, operator).
    Event,
    /// A failure being replayed; `name` is the failure's id.
    Replay,
}

/// An input waiting in the store.
#[derive(Clone, Debug)]
pub struct InputRow {
    /// Its id. The same id inserted twice is one row ([`InputKind::Event`]): ingress is idempotent.
    pub id: Uuid,
    /// The state it concerns.
    pub key: String,
    /// What it is.
    pub kind: InputKind,
    /// The wake-up's reason, the replayed failure's id, or empty.
    pub name: String,
    /// When it is due.
    pub due_at: DateTime<Utc>,
    /// JSON; empty for a wake-up.
    pub body: String,
    /// The id of what caused it, for derived ids; empty when nothing did.
    pub cause: String,
    /// Trace context and dossier, carried along.
    pub context: RowContext,
}

/// What every row carries along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowContext {
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The dossier.
    pub correlation_id: Option<String>,
}

/// A claimed row: settle it under this lease.
#[derive(Clone, Debug)]
pub struct Leased<T> {
    /// The fencing token.
    pub lease: i64,
    /// The row.
    pub row: T,
}

/// A message to publish.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its id, which is the envelope's.
    pub id: Uuid,
    /// The exchange, by its name.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// A message nobody takes must come back.
    pub mandatory: bool,
    /// The message.
    pub envelope: Envelope,
}

/// A call to an agency that waits to be made.
#[derive(Clone, Debug)]
pub struct AskRow {
    /// Its id, stable over attempts.
    pub id: Uuid,
    /// The state that asks.
    pub key: String,
    /// Its kind (low cardinality), for [`Writes::cancel_asks`] and metrics.
    pub kind: String,
    /// The agency it goes to: its limiter, its breaker.
    pub agency: String,
    /// JSON.
    pub body: String,
    /// When it is due.
    pub due_at: DateTime<Utc>,
    /// When it was first asked.
    pub created_at: DateTime<Utc>,
    /// Attempts that ended with a result.
    pub attempts: i32,
    /// The last attempt ended without any result (its lease ran out): it may have had an effect.
    pub ambiguous: bool,
    /// The last error, without any value.
    pub last_error: Option<String>,
    /// The id of what caused it.
    pub cause: String,
    /// Carried along.
    pub context: RowContext,
}

/// An ask whose answer is stored: an input.
#[derive(Clone, Debug)]
pub struct AnswerRow {
    /// The ask.
    pub ask: AskRow,
    /// JSON.
    pub answer: String,
}

/// The store of one service. Every operation is atomic.
#[async_trait]
pub trait Store: Send + Sync {
    /// Creates or upgrades the tables; refuses a newer schema than it knows.
    async fn migrate(&self) -> Result<(), StoreError>;

    /// One batch, one transaction: marks the inbox, loads the states of `keys` in key order, has
    /// `decide` read on as long as it asks for more states, writes what it returns, commits.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a version or a lease is not the expected one, or when somebody
    /// else holds a state that was asked for on the way;
    /// [`StoreError::Data`] when the database refuses a value. In both cases nothing was changed.
    async fn batch(
        &self,
        marks: &[Mark],
        keys: &[String],
        decide: &mut Decide<'_>,
    ) -> Result<(), StoreError>;

    /// [`Store::batch`] for what is decided in one step.
    ///
    /// # Errors
    /// The same.
    async fn transact(
        &self,
        marks: &[Mark],
        keys: &[String],
        fold: &mut Fold<'_>,
    ) -> Result<(), StoreError> {
        self.batch(marks, keys, &mut batch::in_one_step(fold)).await
    }

    /// Reads one state, outside any batch (pages of answer links, operator's view).
    async fn state(&self, key: &str) -> Result<Option<StateRow>, StoreError>;

    /// Claims inputs due at `now`, oldest first; a claimed row is invisible until `until`.
    async fn claim_inputs(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<InputRow>>, StoreError>;

    /// Adds inputs from outside; durable when it returns. An id that exists is kept as it is.
    async fn add_inputs(&self, inputs: Vec<InputRow>) -> Result<(), StoreError>;

    /// Claims answered asks, oldest first.
    async fn claim_answers(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<AnswerRow>>, StoreError>;

    /// Claims messages to publish, oldest first.
    async fn claim_outbox(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<OutboxRow>>, StoreError>;

    /// Deletes confirmed messages, by (id, lease).
    async fn outbox_done(&self, rows: &[(Uuid, i64)]) -> Result<(), StoreError>;

    /// Gives messages back, due again at `at`; `failures` are kept, with the messages that announce
    /// them.
    async fn outbox_later(
        &self,
        rows: &[(Uuid, i64)],
        at: DateTime<Utc>,
        failures: Vec<FailureRow>,
        outbox: Vec<OutboxRow>,
    ) -> Result<(), StoreError>;

    /// Claims asks due at `now` whose agency is not in `paused`, at most `max` in all. A claim of
    /// a row whose earlier lease ran out without a result sets `ambiguous`.
    async fn claim_asks(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        paused: &[String],
        max: usize,
    ) -> Result<Vec<Leased<AskRow>>, StoreError>;

    /// Stores an answer; false when the lease is no longer ours or the ask was cancelled. Until
    /// `until` the lease covers the answer too, for who decides it without claiming it; without
    /// `until` the answer waits to be claimed.
    async fn ask_answered(
        &self,
        id: Uuid,
        lease: i64,
        answer: &str,
        until: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError>;

    /// Notes a failed attempt (counted unless `attempted` is false) and when to try again.
    async fn ask_later(
        &self,
        id: Uuid,
        lease: i64,
        at: DateTime<Utc>,
        error: &str,
        attempted: bool,
    ) -> Result<bool, StoreError>;

    /// Turns an ask into a failure, with the messages that announce it.
    async fn ask_failed(
        &self,
        id: Uuid,
        lease: i64,
        failure: FailureRow,
        outbox: Vec<OutboxRow>,
    ) -> Result<bool, StoreError>;

    /// The earliest instant at which an input, answer, ask (agency not in `paused`) or message is
    /// due or its lease runs out; `None` when there is nothing to wait for.
    async fn next_due(&self, paused: &[String]) -> Result<NextDue, StoreError>;

    /// Failures, newest first: open ones only, or all.
    async fn failures(&self, open_only: bool, max: usize) -> Result<Vec<FailureRow>, StoreError>;

    /// Failures without their bodies, the first seen first.
    async fn failure_heads(
        &self,
        filter: &FailureFilter,
        max: usize,
    ) -> Result<Vec<FailureHead>, StoreError>;

    /// Failures counted by code and kind, the most numerous first.
    async fn failure_groups(&self, filter: &FailureFilter)
    -> Result<Vec<FailureGroup>, StoreError>;

    /// The journal, newest first, before a place of it when one is given.
    async fn journal(
        &self,
        before: Option<i64>,
        max: usize,
    ) -> Result<Vec<JournalEntry>, StoreError>;

    /// Open tasks, the oldest first.
    async fn tasks(&self, max: usize) -> Result<Vec<TaskRow>, StoreError>;

    /// One failure.
    async fn failure(&self, id: Uuid) -> Result<Option<FailureRow>, StoreError>;

    /// Reads a credential (a rotating token, already encrypted by its owner) and its version.
    async fn credential(&self, name: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError>;

    /// Replaces a credential if its version is still `expected` (`None`: if it does not exist).
    async fn put_credential(
        &self,
        name: &str,
        expected: Option<i64>,
        value: &[u8],
    ) -> Result<bool, StoreError>;

    /// Takes one call from the budget of `agency`: at most `limit` per `window`, shared by every
    /// replica; a window with more calls than that lasts as long as they should have taken. Returns
    /// `None` when taken, else the instant at which to ask again.
    async fn take_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// Counts a call that is made whatever is left: the rest of what has begun.
    async fn spend_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<(), StoreError>;

    /// Counts for metrics.
    async fn stats(&self) -> Result<Stats, StoreError>;

    /// Makes room for the inbox marks of the days `from` to `until`, where that must be done ahead.
    async fn prepare_inbox(&self, _from: NaiveDate, _until: NaiveDate) -> Result<(), StoreError> {
        Ok(())
    }

    /// Forgets inbox marks older than `before`.
    async fn purge_inbox(&self, before: NaiveDate) -> Result<(), StoreError>;

    /// Answers within `limit` whether the database works.
    async fn ready(&self, limit: Duration) -> bool;

    /// Closes every connection.
    async fn close(&self);
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;
