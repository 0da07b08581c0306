//! A handle on the tables, as a replica would hold it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::Tables;
use crate::{
    AnswerRow, AskRow, Decide, FailureFilter, FailureGroup, FailureHead, FailureRow, InputRow,
    JournalEntry, Leased, Mark, NextDue, OutboxRow, StateRow, Stats, Store, StoreError, TaskRow,
};

/// A handle on tables in memory.
#[derive(Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    closed: AtomicBool,
}

impl MemoryStore {
    /// Another handle on the same tables.
    #[must_use]
    pub fn other(&self) -> Self {
        Self { tables: Arc::clone(&self.tables), closed: AtomicBool::new(false) }
    }

    fn open(&self) -> Result<MutexGuard<'_, Tables>, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Away("the store is closed".into()));
        }
        // A fold that panics has changed nothing.
        Ok(self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn migrate(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    async fn batch(
        &self,
        marks: &[Mark],
        keys: &[String],
        decide: &mut Decide<'_>,
    ) -> Result<(), StoreError> {
        self.open()?.batch(marks, keys, decide)
    }

    async fn state(&self, key: &str) -> Result<Option<StateRow>, StoreError> {
        Ok(self.open()?.state(key).cloned())
    }

    async fn claim_inputs(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<InputRow>>, StoreError> {
        Ok(self.open()?.claim_inputs(now, until, max))
    }

    async fn add_inputs(&self, inputs: Vec<InputRow>) -> Result<(), StoreError> {
        self.open()?.add_inputs(inputs);
        Ok(())
    }

    async fn claim_answers(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<AnswerRow>>, StoreError> {
        Ok(self.open()?.claim_answers(now, until, max))
    }

    async fn claim_outbox(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<OutboxRow>>, StoreError> {
        Ok(self.open()?.claim_outbox(now, until, max))
    }

    async fn outbox_done(&self, rows: &[(Uuid, i64)]) -> Result<(), StoreError> {
        self.open()?.outbox_done(rows);
        Ok(())
    }

    async fn outbox_later(
        &self,
        rows: &[(Uuid, i64)],
        at: DateTime<Utc>,
        failures: Vec<FailureRow>,
        outbox: Vec<OutboxRow>,
    ) -> Result<(), StoreError> {
        self.open()?.outbox_later(rows, at, failures, outbox);
        Ok(())
    }

    async fn claim_asks(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        paused: &[String],
        max: usize,
    ) -> Result<Vec<Leased<AskRow>>, StoreError> {
        Ok(self.open()?.claim_asks(now, until, paused, max))
    }

    async fn ask_answered(
        &self,
        id: Uuid,
        lease: i64,
        answer: &str,
        until: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        Ok(self.open()?.ask_answered(id, lease, answer, until))
    }

    async fn ask_later(
        &self,
        id: Uuid,
        lease: i64,
        at: DateTime<Utc>,
        error: &str,
        attempted: bool,
    ) -> Result<bool, StoreError> {
        Ok(self.open()?.ask_later(id, lease, at, error, attempted))
    }

    async fn ask_failed(
        &self,
        id: Uuid,
        lease: i64,
        failure: FailureRow,
        outbox: Vec<OutboxRow>,
    ) -> Result<bool, StoreError> {
        Ok(self.open()?.ask_failed(id, lease, failure, outbox))
    }

    async fn next_due(&self, paused: &[String]) -> Result<NextDue, StoreError> {
        Ok(self.open()?.next_due(paused))
    }

    async fn failures(&self, open_only: bool, max: usize) -> Result<Vec<FailureRow>, StoreError> {
        Ok(self.open()?.failures(open_only, max))
    }

    async fn failure_heads(
        &self,
        filter: &FailureFilter,
        max: usize,
    ) -> Result<Vec<FailureHead>, StoreError> {
        Ok(self.open()?.failure_heads(filter, max))
    }

    async fn failure_groups(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureGroup>, StoreError> {
        Ok(self.open()?.failure_groups(filter))
    }

    async fn journal(
        &self,
        before: Option<i64>,
        max: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        Ok(self.open()?.journal(before, max))
    }

    async fn tasks(&self, max: usize) -> Result<Vec<TaskRow>, StoreError> {
        Ok(self.open()?.tasks(max))
    }

    async fn failure(&self, id: Uuid) -> Result<Option<FailureRow>, StoreError> {
        Ok(self.open()?.failure(id).cloned())
    }

    async fn credential(&self, name: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        Ok(self.open()?.credentials.get(name).cloned())
    }

    async fn put_credential(
        &self,
        name: &str,
        expected: Option<i64>,
        value: &[u8],
    ) -> Result<bool, StoreError> {
        let mut tables = self.open()?;
        let known = tables.credentials.get(name).map(|(version, _)| *version);
        if known != expected {
            return Ok(false);
        }
        let version = known.unwrap_or(0) + 1;
        tables.credentials.insert(name.to_owned(), (version, value.to_vec()));
        Ok(true)
    }

    async fn take_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.open()?.budgets.take(agency, now, (window, limit), false))
    }

    async fn spend_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<(), StoreError> {
        self.open()?.budgets.take(agency, now, (window, limit), true);
        Ok(())
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        Ok(self.open()?.stats())
    }

    async fn purge_inbox(&self, before: NaiveDate) -> Result<(), StoreError> {
        self.open()?.purge_inbox(before);
        Ok(())
    }

    async fn ready(&self, _limit: Duration) -> bool {
        self.open().is_ok()
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}
