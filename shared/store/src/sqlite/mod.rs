//! The store in one SQLite file: WAL, one writer connection, one reader connection.
//!
//! Several processes may open the same file: a writer waits for another one up to
//! [`BUSY_TIMEOUT`], then the operation is [`StoreError::Away`]. A store that is thrown away
//! ([`SqliteStore::in_memory`]) is one connection.
//!
//! Each statement is a round trip to the connection's thread, which costs more than most
//! statements: a batch is two ([`transact`]), a claim is one.

mod asks;
mod claims;
mod failures;
mod known;
mod lot;
mod operations;
mod params;
mod reads;
#[cfg(feature = "search")]
mod search;
mod transact;

use std::{path::Path, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{
    Connection, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use uuid::Uuid;

use self::known::Known;
use crate::{
    AnswerRow, AskRow, Decide, FailureFilter, FailureGroup, FailureHead, FailureRow, InputRow,
    Inspection, JournalEntry, Leased, Mark, NextDue, OutboxRow, StateRow, Stats, Store, StoreError,
    TaskRow,
};

/// How long a statement waits for the lock of another process.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    crate::migrations::embedded(&[
        (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
        (2, "etape", include_str!("../../migrations/sqlite/0002_etape.sql")),
        (3, "journal", include_str!("../../migrations/sqlite/0003_journal.sql")),
        (4, "tache", include_str!("../../migrations/sqlite/0004_tache.sql")),
    ])
});

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<Option<SqliteConnection>>,
    /// `None`: reads use the writer's connection.
    reader: Option<Mutex<Option<SqliteConnection>>>,
    /// `None`: somebody else may change what was written.
    known: Option<std::sync::Mutex<Known>>,
}

#[cfg(feature = "search")]
pub use search::search;

type Guard<'a> = MappedMutexGuard<'a, SqliteConnection>;

impl SqliteStore {
    /// Opens the file, and creates it if it does not exist (its folder must). Tables are made by
    /// [`Store::migrate`].
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened or is not a database.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = connect_writer(&connect).await?;
        let connect = connect.pragma("query_only", "on");
        let reader = SqliteConnection::connect_with(&connect).await?;
        let reader = Some(Mutex::new(Some(reader)));
        Ok(Self { writer: Mutex::new(Some(writer)), reader, known: None })
    }

    /// A store that is gone with the process: for demonstrations and tests.
    ///
    /// # Errors
    /// [`StoreError`] when there is no memory for it.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let connect = SqliteConnectOptions::new()
            .filename(":memory:")
            .foreign_keys(false)
            .journal_mode(SqliteJournalMode::Memory);
        let writer = connect_writer(&connect).await?;
        let known = Some(std::sync::Mutex::default());
        Ok(Self { writer: Mutex::new(Some(writer)), reader: None, known })
    }

    async fn writer(&self) -> Result<Guard<'_>, StoreError> {
        opened(self.writer.lock().await)
    }

    async fn reader(&self) -> Result<Guard<'_>, StoreError> {
        opened(self.reader.as_ref().unwrap_or(&self.writer).lock().await)
    }

    async fn budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        limit: (Duration, u32),
        anyway: bool,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        match &self.known {
            Some(known) => Ok(transact::lock(known).budgets.take(agency, now, limit, anyway)),
            None => asks::take_budget(&mut *self.writer().await?, agency, now, limit, anyway).await,
        }
    }
}

async fn connect_writer(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let mut writer = SqliteConnection::connect_with(options).await?;
    sqlx::raw_sql(lot::SQL).execute(&mut writer).await?;
    Ok(writer)
}

/// Looks at the migrations of a file, and creates nothing: one that does not exist has none.
///
/// # Errors
/// [`StoreError`] when the file cannot be read or is not a database.
pub async fn inspect(path: &Path) -> Result<Inspection, StoreError> {
    if !path.exists() {
        return Ok(Inspection::new(&MIGRATIONS, &[]));
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let migrated: bool = sqlx::query_scalar(
        "select exists (select 1 from sqlite_master where name = '_sqlx_migrations')",
    )
    .fetch_one(&mut conn)
    .await?;
    let rows: Vec<(i64, bool)> = if migrated {
        sqlx::query_as("select version, success from _sqlx_migrations order by version")
            .fetch_all(&mut conn)
            .await?
    } else {
        Vec::new()
    };
    conn.close().await?;
    Ok(Inspection::new(&MIGRATIONS, &rows))
}

fn opened(guard: MutexGuard<'_, Option<SqliteConnection>>) -> Result<Guard<'_>, StoreError> {
    MutexGuard::try_map(guard, Option::as_mut).map_err(|_| StoreError::fatal("the store is closed"))
}

#[async_trait]
impl Store for SqliteStore {
    async fn migrate(&self) -> Result<(), StoreError> {
        let mut conn = self.writer().await?;
        Ok(MIGRATIONS.run_direct(None, &mut *conn, false).await?)
    }

    async fn batch(
        &self,
        marks: &[Mark],
        keys: &[String],
        decide: &mut Decide<'_>,
    ) -> Result<(), StoreError> {
        transact::run(&mut *self.writer().await?, self.known.as_ref(), marks, keys, decide).await
    }

    async fn state(&self, key: &str) -> Result<Option<StateRow>, StoreError> {
        reads::state(&mut *self.reader().await?, key).await
    }

    async fn claim_inputs(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<InputRow>>, StoreError> {
        claims::inputs(&mut *self.writer().await?, now, until, max).await
    }

    async fn add_inputs(&self, inputs: Vec<InputRow>) -> Result<(), StoreError> {
        lot::Lot::inputs(inputs)?.write(&mut *self.writer().await?).await
    }

    async fn claim_answers(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<AnswerRow>>, StoreError> {
        claims::answers(&mut *self.writer().await?, now, until, max).await
    }

    async fn claim_outbox(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<Vec<Leased<OutboxRow>>, StoreError> {
        claims::outbox(&mut *self.writer().await?, now, until, max).await
    }

    async fn outbox_done(&self, rows: &[(Uuid, i64)]) -> Result<(), StoreError> {
        claims::outbox_done(&mut *self.writer().await?, rows).await
    }

    async fn outbox_later(
        &self,
        rows: &[(Uuid, i64)],
        at: DateTime<Utc>,
        failures: Vec<FailureRow>,
        outbox: Vec<OutboxRow>,
    ) -> Result<(), StoreError> {
        claims::outbox_later(&mut *self.writer().await?, rows, at, failures, &outbox).await
    }

    async fn claim_asks(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        paused: &[String],
        max: usize,
    ) -> Result<Vec<Leased<AskRow>>, StoreError> {
        claims::asks(&mut *self.writer().await?, now, until, paused, max).await
    }

    async fn ask_answered(
        &self,
        id: Uuid,
        lease: i64,
        answer: &str,
        until: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        asks::answered(&mut *self.writer().await?, (id, lease), answer, until).await
    }

    async fn ask_later(
        &self,
        id: Uuid,
        lease: i64,
        at: DateTime<Utc>,
        error: &str,
        attempted: bool,
    ) -> Result<bool, StoreError> {
        asks::later(&mut *self.writer().await?, (id, lease), at, error, attempted).await
    }

    async fn ask_failed(
        &self,
        id: Uuid,
        lease: i64,
        failure: FailureRow,
        outbox: Vec<OutboxRow>,
    ) -> Result<bool, StoreError> {
        asks::failed(&mut *self.writer().await?, (id, lease), failure, &outbox).await
    }

    async fn next_due(&self, paused: &[String]) -> Result<NextDue, StoreError> {
        reads::next_due(&mut *self.reader().await?, paused).await
    }

    async fn failures(&self, open_only: bool, max: usize) -> Result<Vec<FailureRow>, StoreError> {
        failures::list(&mut *self.reader().await?, open_only, max).await
    }

    async fn failure_heads(
        &self,
        filter: &FailureFilter,
        max: usize,
    ) -> Result<Vec<FailureHead>, StoreError> {
        failures::heads(&mut *self.reader().await?, filter, max).await
    }

    async fn failure_groups(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureGroup>, StoreError> {
        failures::groups(&mut *self.reader().await?, filter).await
    }

    async fn journal(
        &self,
        before: Option<i64>,
        max: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        operations::journal(&mut *self.reader().await?, before, max).await
    }

    async fn tasks(&self, max: usize) -> Result<Vec<TaskRow>, StoreError> {
        operations::tasks(&mut *self.reader().await?, max).await
    }

    async fn failure(&self, id: Uuid) -> Result<Option<FailureRow>, StoreError> {
        failures::one(&mut *self.reader().await?, id).await
    }

    async fn credential(&self, name: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        reads::credential(&mut *self.reader().await?, name).await
    }

    async fn put_credential(
        &self,
        name: &str,
        expected: Option<i64>,
        value: &[u8],
    ) -> Result<bool, StoreError> {
        asks::put_credential(&mut *self.writer().await?, name, expected, value).await
    }

    async fn take_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.budget(agency, now, (window, limit), false).await
    }

    async fn spend_budget(
        &self,
        agency: &str,
        now: DateTime<Utc>,
        window: Duration,
        limit: u32,
    ) -> Result<(), StoreError> {
        self.budget(agency, now, (window, limit), true).await.map(drop)
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        reads::stats(&mut *self.reader().await?).await
    }

    async fn purge_inbox(&self, before: NaiveDate) -> Result<(), StoreError> {
        sqlx::query("delete from inbox where jour < ?1")
            .bind(before.to_string())
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    async fn ready(&self, limit: Duration) -> bool {
        let read = async {
            let mut conn = self.reader().await?;
            sqlx::query("select 1 from state limit 1").fetch_optional(&mut *conn).await?;
            Ok::<_, StoreError>(())
        };
        matches!(tokio::time::timeout(limit, read).await, Ok(Ok(())))
    }

    async fn close(&self) {
        // the reader first: the last connection to close folds the WAL into the file
        for connection in self.reader.iter().chain([&self.writer]) {
            let taken = connection.lock().await.take();
            if let Some(conn) = taken
                && let Err(error) = conn.close().await
            {
                tracing::warn!(%error, "the store did not close cleanly");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_careful() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SqliteStore::open(&folder.path().join("s.db")).await.expect("opens");
        let mut conn = store.writer().await.expect("open");
        let mode: String =
            sqlx::query_scalar("pragma journal_mode").fetch_one(&mut *conn).await.expect("reads");
        assert_eq!(mode, "wal");
        let level: i64 =
            sqlx::query_scalar("pragma synchronous").fetch_one(&mut *conn).await.expect("reads");
        assert_eq!(level, 2, "FULL");
    }
}
