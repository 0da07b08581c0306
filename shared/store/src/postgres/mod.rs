//! The store in one PostgreSQL database, or in one schema of it: native types, one statement per
//! table and batch, any number of replicas.

mod asks;
mod claims;
mod failures;
mod operations;
mod partitions;
mod reads;
mod setup;
mod transact;
mod writes;

use std::{sync::LazyLock, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgPool, Postgres, migrate::Migrator, pool::PoolConnection};
use uuid::Uuid;

pub use setup::{create_database_if_missing, drop_schema, inspect};

use crate::{
    AnswerRow, AskRow, Decide, FailureFilter, FailureGroup, FailureHead, FailureRow, InputRow,
    JournalEntry, Leased, Mark, NextDue, OutboxRow, StateRow, Stats, Store, StoreError, TaskRow,
};

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    crate::migrations::embedded(&[
        (1, "initial", include_str!("../../migrations/postgres/0001_initial.sql")),
        (2, "etape", include_str!("../../migrations/postgres/0002_etape.sql")),
        (3, "journal", include_str!("../../migrations/postgres/0003_journal.sql")),
        (4, "tache", include_str!("../../migrations/postgres/0004_tache.sql")),
        (5, "throughput", include_str!("../../migrations/postgres/0005_throughput.sql")),
        (6, "plans", include_str!("../../migrations/postgres/0006_plans.sql")),
        (7, "outbox", include_str!("../../migrations/postgres/0007_outbox.sql")),
        (8, "marques", include_str!("../../migrations/postgres/0008_marques.sql")),
    ])
});

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Connects. With a schema, creates it if it does not exist and keeps every table in it;
    /// without, tables are where the user's `search_path` says. Tables are made by
    /// [`Store::migrate`].
    ///
    /// # Errors
    /// [`StoreError::Away`] when the server does not answer; [`StoreError::Fatal`] when the URL or
    /// the schema's name is wrong, the database does not exist, or the user may not create the
    /// schema.
    pub async fn connect(url: &str, schema: Option<&str>) -> Result<Self, StoreError> {
        Ok(Self { pool: setup::pool(url, schema).await? })
    }

    async fn conn(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.pool.acquire().await?)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn migrate(&self) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        Ok(MIGRATIONS.run_direct(None, &mut *conn, false).await?)
    }

    async fn batch(
        &self,
        marks: &[Mark],
        keys: &[String],
        decide: &mut Decide<'_>,
    ) -> Result<(), StoreError> {
        transact::run(&mut *self.conn().await?, marks, keys, decide).await
    }

    async fn state(&self, key: &str) -> Result<Option<StateRow>, StoreError> {
        reads::state(&mut *self.conn().await?, key).await
    }

    async fn claim_inputs(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<InputRow>>, StoreError> {
        claims::inputs(&mut *self.conn().await?, now, until, max).await
    }

    async fn add_inputs(&self, inputs: Vec<InputRow>) -> Result<(), StoreError> {
        transact::add_inputs(&mut *self.conn().await?, inputs).await
    }

    async fn claim_answers(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<AnswerRow>>, StoreError> {
        claims::answers(&mut *self.conn().await?, now, until, max).await
    }

    async fn claim_outbox(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<OutboxRow>>, StoreError> {
        claims::outbox(&mut *self.conn().await?, now, until, max).await
    }

    async fn outbox_done(&self, rows: &[(Uuid, i64)]) -> Result<(), StoreError> {
        claims::outbox_done(&mut *self.conn().await?, rows).await
    }

    async fn outbox_later(
        &self,
        rows: &[(Uuid, i64)],
        at: DateTime<Utc>,
        failures: Vec<FailureRow>,
        outbox: Vec<OutboxRow>,
    ) -> Result<(), StoreError> {
        claims::outbox_later(&mut *self.conn().await?, rows, at, failures, &outbox).await
    }

    async fn claim_asks(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        paused: &[String],
        max: usize,
    ) -> Result<Vec<Leased<AskRow>>, StoreError> {
        claims::asks(&mut *self.conn().await?, now, until, paused, max).await
    }

    async fn ask_answered(
        &self,
        id: Uuid,
        lease: i64,
        answer: &str,
        until: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        asks::answered(&mut *self.conn().await?, (id, lease), answer, until).await
    }

    async fn ask_later(
        &self,
        id: Uuid,
        lease: i64,
        at: DateTime<Utc>,
        error: &str,
        attempted: bool,
    ) -> Result<bool, StoreError> {
        asks::later(&mut *self.conn().await?, (id, lease), at, error, attempted).await
    }

    async fn ask_failed(
        &self,
        id: Uuid,
        lease: i64,
        failure: FailureRow,
        outbox: Vec<OutboxRow>,
    ) -> Result<bool, StoreError> {
        asks::failed(&mut *self.conn().await?, (id, lease), failure, &outbox).await
    }

    async fn next_due(&self, paused: &[String]) -> Result<NextDue, StoreError> {
        reads::next_due(&mut *self.conn().await?, paused).await
    }

    async fn failures(&self, open_only: bool, max: usize) -> Result<Vec<FailureRow>, StoreError> {
        failures::list(&mut *self.conn().await?, open_only, max).await
    }

    async fn failure_heads(
        &self,
        filter: &FailureFilter,
        max: usize,
    ) -> Result<Vec<FailureHead>, StoreError> {
        failures::heads(&mut *self.conn().await?, filter, max).await
    }

    async fn failure_groups(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureGroup>, StoreError> {
        failures::groups(&mut *self.conn().await?, filter).await
    }

    async fn journal(
        &self,
        before: Option<i64>,
        max: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        operations::journal(&mut *self.conn().await?, before, max).await
    }

    async fn tasks(&self, max: usize) -> Result<Vec<TaskRow>, StoreError> {
        operations::tasks(&mut *self.conn().await?, max).await
    }

    async fn failure(&self, id: Uuid) -> Result<Option<FailureRow>, StoreError> {
        failures::one(&mut *self.conn().await?, id).await
    }

    async fn credential(&self, name: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        reads::credential(&mut *self.conn().await?, name).await
    }

    async fn put_credential(
        &self,
        name: &str,
        expected: Option<i64>,
        value: &[u8],
    ) -> Result<bool, StoreError> {
        asks::put_credential(&mut *self.conn().await?, name, expected, value).await
    }

    async fn take_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut conn = self.conn().await?;
        asks::take_budget(&mut conn, agency, now, (window, limit), false).await
    }

    async fn spend_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        asks::take_budget(&mut conn, agency, now, (window, limit), true).await.map(drop)
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        reads::stats(&mut *self.conn().await?).await
    }

    async fn purge_inbox(&self, before: NaiveDate) -> Result<(), StoreError> {
        partitions::purge(&mut *self.conn().await?, before).await
    }

    async fn prepare_inbox(&self, from: NaiveDate, until: NaiveDate) -> Result<(), StoreError> {
        partitions::prepare(&mut *self.conn().await?, from, until).await
    }

    async fn ready(&self, limit: Duration) -> bool {
        let read = async {
            let mut conn = self.conn().await?;
            sqlx::query("select 1 from state limit 1").fetch_optional(&mut *conn).await?;
            Ok::<_, StoreError>(())
        };
        matches!(tokio::time::timeout(limit, read).await, Ok(Ok(())))
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
