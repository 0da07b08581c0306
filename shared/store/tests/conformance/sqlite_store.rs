//! What only SQLite does, and how the suite opens it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use store::{SharedStore, Store, StoreError, sqlite::SqliteStore};

/// One file in a folder of its own, deleted with it.
pub(crate) struct Database {
    folder: tempfile::TempDir,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let database = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let store = database.open().await;
        store.migrate().await.expect("migrations apply");
        store.close().await;
        database
    }

    pub(crate) async fn open_two(&self) -> [SharedStore; 2] {
        [Arc::new(self.open().await), Arc::new(self.open().await)]
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).await.expect("the file opens")
    }

    async fn raw(&self, sql: &'static str) -> Vec<i64> {
        let options = SqliteConnectOptions::new().filename(self.path());
        let mut conn = SqliteConnection::connect_with(&options).await.expect("connects");
        let rows = sqlx::query_scalar(sql).fetch_all(&mut conn).await.expect("runs");
        conn.close().await.expect("closes");
        rows
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = Database::create().await;
    database
        .raw(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9999, 'later', 1, x'00', 0)",
        )
        .await;
    let refused = database.open().await.migrate().await;
    assert!(matches!(refused, Err(StoreError::Fatal(_))), "{refused:?}");
}

#[tokio::test]
async fn the_file_of_nowhere_is_refused() {
    let refused = SqliteStore::open(Path::new("/nulle/part/store.db")).await;
    assert!(matches!(refused, Err(StoreError::Fatal(_))));
}

#[tokio::test]
async fn a_store_locked_by_somebody_else_is_away() {
    let database = Database::create().await;
    let store = database.open().await;
    let options = SqliteConnectOptions::new().filename(database.path());
    let mut other = SqliteConnection::connect_with(&options).await.expect("connects");
    sqlx::query("begin immediate").execute(&mut other).await.expect("locks");
    let writes = || store::Writes {
        inputs: vec![crate::fixtures::event("k", 1)],
        ..store::Writes::default()
    };
    let refused = store.transact(&[], &[], &mut |_| writes()).await;
    assert!(matches!(refused, Err(StoreError::Away(_))), "{refused:?}");
    assert!(store.ready(std::time::Duration::from_secs(1)).await, "reads go on");
    sqlx::query("rollback").execute(&mut other).await.expect("unlocks");
    store.transact(&[], &[], &mut |_| writes()).await.expect("works again");
}

#[tokio::test]
async fn what_was_committed_survives_closing() {
    let database = Database::create().await;
    let store = database.open().await;
    let inputs = vec![crate::fixtures::event("k", 1)];
    store.add_inputs(inputs).await.expect("adds");
    store.close().await;
    assert_eq!(database.raw("select count(*) from input").await, [1]);
}

#[tokio::test]
async fn the_journal_is_append_only() {
    let database = Database::create().await;
    database.raw("insert into journal (at, par, action, objet) values (0, 'a', 'b', 'c')").await;
    let options = SqliteConnectOptions::new().filename(database.path());
    let mut conn = SqliteConnection::connect_with(&options).await.expect("connects");
    for sql in ["update journal set par = 'x'", "delete from journal"] {
        let error = sqlx::query(sql).execute(&mut conn).await.expect_err("refused");
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(database.raw("select count(*) from journal where par = 'a'").await, [1]);
}

/// A value longer than a page of the file, in a column of bytes.
#[cfg(feature = "search")]
#[tokio::test]
async fn a_word_is_found_wherever_it_is_and_nowhere_else() {
    let database = Database::create().await;
    let store = database.open().await;
    let long = format!("{}le-mot{}", "x".repeat(4_090), "x".repeat(9_000));
    assert!(store.put_credential("coffre", None, long.as_bytes()).await.expect("put"));
    let found = store::sqlite::search(&database.path(), "le-mot").await.expect("read");
    assert!(matches!(&found[..], [column] if column.starts_with("credential.")), "{found:?}");
    let other = store::sqlite::search(&database.path(), "autre-mot").await.expect("read");
    assert_eq!(other, [] as [String; 0]);
    store.close().await;
}
