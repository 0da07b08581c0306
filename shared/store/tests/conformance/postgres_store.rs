//! What only PostgreSQL does, and how the suite opens it: `DATABASE_URL` names a database in which
//! the suite may create schemas, one per case.

use std::{
    sync::{Arc, Barrier},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{
    Found, Loaded, SharedStore, Step, Store, StoreError, Writes,
    postgres::{PostgresStore, create_database_if_missing, drop_schema},
};

use crate::fixtures::{
    ask, assert_json, at, commit, event, id, lease, mark, only, put_asks, put_inputs, save, version,
};

/// One schema, dropped at the end of a case that passes.
pub(crate) struct Database {
    url: String,
    schema: String,
}

impl Database {
    /// `None`, and says why, when there is no server to test on and none is required.
    pub(crate) async fn create(case: &str) -> Option<Self> {
        let url = server()?;
        create_database_if_missing(&url).await.expect("the database exists or is created");
        let case: String = case.chars().filter(|c| *c != ':').take(50).collect();
        let database = Self { url, schema: format!("cas_{case}") };
        database.drop_schema().await;
        let store = database.open().await;
        store.migrate().await.expect("migrations apply");
        store.close().await;
        Some(database)
    }

    pub(crate) async fn open_two(&self) -> [SharedStore; 2] {
        [Arc::new(self.open().await), Arc::new(self.open().await)]
    }

    pub(crate) async fn finish(self, handles: [SharedStore; 2]) {
        for handle in handles {
            handle.close().await;
        }
        self.drop_schema().await;
    }

    async fn open(&self) -> PostgresStore {
        PostgresStore::connect(&self.url, Some(&self.schema)).await.expect("connects")
    }

    async fn drop_schema(&self) {
        drop_schema(&self.url, &self.schema).await.expect("drops");
    }

    async fn run(&self, sql: String) {
        let mut conn = self.raw().await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("runs");
        conn.close().await.expect("closes");
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) async fn raw(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("connects")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where servers are"
)]
fn server() -> Option<String> {
    let url = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    let required = std::env::var("RELAIS_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    assert!(url.is_some() || !required, "DATABASE_URL is not set and RELAIS_REQUIRE_SERVERS=1");
    if url.is_none() {
        eprintln!("skipped: DATABASE_URL is not set, no PostgreSQL to test on");
    }
    url
}

macro_rules! database {
    ($case:literal) => {
        match Database::create($case).await {
            Some(database) => database,
            None => return,
        }
    };
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = database!("newer");
    database
        .run(format!(
            "insert into \"{}\"._sqlx_migrations
             (version, description, success, checksum, execution_time)
             values (9999, 'later', true, '', 0)",
            database.schema
        ))
        .await;
    let [a, b] = database.open_two().await;
    let refused = a.migrate().await;
    assert!(matches!(refused, Err(StoreError::Fatal(_))), "{refused:?}");
    database.finish([a, b]).await;
}

#[tokio::test]
async fn schemas_are_apart_and_replicas_migrate_together() {
    let database = database!("apart");
    let other = database!("apart-2");
    let [a, b] = database.open_two().await;
    let [c, d] = other.open_two().await;
    let done = tokio::join!(a.migrate(), b.migrate(), c.migrate(), d.migrate());
    for one in [done.0, done.1, done.2, done.3] {
        one.expect("migrations apply side by side");
    }
    put_inputs(&a, vec![event("k", 1)]).await;
    let (now, until) = lease(0);
    assert!(c.claim_inputs(now, until, 9).await.expect("claims").is_empty());
    assert_eq!(b.claim_inputs(now, until, 9).await.expect("claims").len(), 1);
    database.finish([a, b]).await;
    other.finish([c, d]).await;
}

#[tokio::test]
async fn wrong_names_and_addresses_are_told_apart() {
    let database = database!("wrong");
    let refused = PostgresStore::connect(&database.url, Some("a\"; drop schema public")).await;
    assert!(matches!(refused, Err(StoreError::Fatal(_))));
    let refused = PostgresStore::connect("not a url", None).await;
    assert!(matches!(refused, Err(StoreError::Fatal(_))));
    // port 1 of this machine: nobody listens
    let away = PostgresStore::connect("postgres://u@127.0.0.1:1/x", None).await;
    assert!(matches!(away, Err(StoreError::Away(_))));
    create_database_if_missing(&database.url).await.expect("exists already");
    database.drop_schema().await;
}

#[tokio::test]
async fn a_database_is_created_once() {
    let database = database!("create");
    let name = "relais_cas_create";
    database.run(format!("drop database if exists {name}")).await;
    let (server, options) = database.url.rsplit_once('/').expect("a URL with a database");
    let query = options.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
    let url = format!("{server}/{name}{query}");
    let refused = PostgresStore::connect(&url, None).await;
    assert!(matches!(refused, Err(StoreError::Fatal(_))), "it does not exist");
    let done = tokio::join!(create_database_if_missing(&url), create_database_if_missing(&url));
    done.0.expect("creates");
    done.1.expect("creates, or finds it");
    let store = PostgresStore::connect(&url, None).await.expect("connects without a schema");
    store.migrate().await.expect("migrations apply");
    assert!(store.ready(Duration::from_secs(5)).await);
    store.close().await;
    database.run(format!("drop database {name}")).await;
    database.drop_schema().await;
}

/// Marks of before `0008_marques.sql`, in a partition of their day and in the default one.
#[tokio::test]
async fn what_was_received_before_marks_were_digests_is_still_known() {
    let database = database!("marques");
    let [a, b] = database.open_two().await;
    let known = [mark("/agences/cpam-631", "1"), mark("/relais/é", "abc")];
    let day = at(0).date_naive();
    let next = day.succ_opt().expect("a next day");
    let older = include_str!("../../migrations/postgres/0005_throughput.sql");
    let inbox = older.split_once("create table inbox").expect("it makes the inbox").1;
    let inbox = inbox.split_once("insert into").expect("then it fills it").0;
    let [first, second] = &known;
    let sql = format!(
        "set search_path = \"{}\";
         drop table inbox;
         create table inbox{inbox};
         create table inbox_j20260105 (like inbox including all);
         alter table inbox attach partition inbox_j20260105 for values from ('{day}') to ('{next}');
         alter table outbox alter column head type json using head::json;
         insert into inbox values ('{day}', '{}', '{}'), ('{day}', '{}', '{}'),
                                  ('{next}', '{}', '2');
         {}",
        database.schema,
        first.source,
        first.id,
        second.source,
        second.id,
        first.source,
        include_str!("../../migrations/postgres/0008_marques.sql")
    );
    database.run(sql).await;
    let [one, two] = known;
    let later = store::Mark { day: next, ..mark("/agences/cpam-631", "2") };
    let marks = [mark("/agences/cpam-632", "1"), one, two, later, mark("/agences/cpam-63", "11")];
    a.prepare_inbox(day, next).await.expect("makes partitions");
    b.transact(&marks, &[], &mut |loaded| {
        assert_eq!(loaded.fresh, [true, false, false, false, true]);
        Writes::default()
    })
    .await
    .expect("commits");
    database.finish([a, b]).await;
}

/// What `jsonb` refuses is a data error, and nothing of the batch stays.
#[tokio::test]
async fn an_escaped_nul_in_a_body_is_a_data_error() {
    let database = database!("nul");
    let [a, b] = database.open_two().await;
    for body in [r#"{"a":"\u0000"}"#, "not JSON", r#""\ud800""#] {
        let mut bad = save("bad", None, 1);
        body.clone_into(&mut bad.body);
        let refused = a
            .transact(&[mark("s", "1")], &[], &mut |_| Writes {
                states: vec![save("good", None, 1), bad.clone()],
                ..Writes::default()
            })
            .await;
        assert!(matches!(refused, Err(StoreError::Data(_))), "{body}: {refused:?}");
        assert_eq!(version(&b, "good").await, None);
        let mut input = event("k", 1);
        body.clone_into(&mut input.body);
        let refused = a.add_inputs(vec![input]).await;
        assert!(matches!(refused, Err(StoreError::Data(_))), "{body}: {refused:?}");
    }
    b.transact(&[mark("s", "1")], &[], &mut |loaded| {
        assert_eq!(loaded.fresh, [true]);
        Writes::default()
    })
    .await
    .expect("the mark was rolled back");
    database.finish([a, b]).await;
}

/// What an agency answers is not ours to refuse: the decision sees it first.
#[tokio::test]
async fn an_answer_with_an_escaped_nul_is_kept() {
    let database = database!("answer");
    let [a, b] = database.open_two().await;
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    let (now, until) = lease(0);
    let asked = only(a.claim_asks(now, until, &[], 9).await.expect("claims"));
    let answer = r#"{"b":"\u0000","a":1.0}"#;
    assert!(a.ask_answered(id(1), asked.lease, answer, None).await.expect("stores"));
    let answered = only(b.claim_answers(now, until, 9).await.expect("claims"));
    assert_eq!(answered.row.answer, answer);
    assert_json(&answered.row.ask.body, r#"{"lire":7}"#);
    database.finish([a, b]).await;
}

/// Both have loaded the absence of the key before either writes: one of them must fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_create_the_same_key() {
    let database = database!("creates");
    let [a, b] = database.open_two().await;
    let both = Arc::new(Barrier::new(2));
    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel();
    let tasks = kernel::Tasks::new();
    for (store, n) in [(a.clone(), "1"), (b.clone(), "2")] {
        let (both, sent) = (Arc::clone(&both), sent.clone());
        tasks.spawn(async move { drop(sent.send(create(store, n, both).await)) });
    }
    let results = [received.recv().await.expect("sent"), received.recv().await.expect("sent")];
    let lost = results.iter().filter(|r| matches!(r, Err(StoreError::Conflict))).count();
    let won = results.iter().filter(|r| r.is_ok()).count();
    assert_eq!((won, lost), (1, 1), "{results:?}");
    assert_eq!(version(&a, "k").await, Some(1));
    assert!(tasks.stop(Duration::from_secs(5)).await);
    database.finish([a, b]).await;
}

async fn create(store: SharedStore, n: &str, both: Arc<Barrier>) -> Result<(), StoreError> {
    let keys = ["k".to_owned()];
    let mut fold = |loaded: Loaded| {
        assert!(loaded.states.is_empty());
        // lets the other batch go on while this one waits for it
        tokio::task::block_in_place(|| both.wait());
        Writes { states: vec![save("k", None, 1)], ..Writes::default() }
    };
    store.transact(&[mark("s", n)], &keys, &mut fold).await
}

/// Who waited for the other here would wait for ever.
#[tokio::test]
async fn a_state_that_somebody_holds_is_not_waited_for_on_the_way() {
    let database = database!("held");
    let [a, b] = database.open_two().await;
    let states = vec![save("k1", None, 1), save("k2", None, 1)];
    commit(&a, Writes { states, ..Writes::default() }).await.expect("commits");
    let mut conn = database.raw().await;
    sqlx::query("begin").execute(&mut conn).await.expect("begins");
    let schema = &database.schema;
    sqlx::query(AssertSqlSafe(format!("select 1 from {schema}.state where key = 'k2' for update")))
        .execute(&mut conn)
        .await
        .expect("locks");
    let mut read_on = |found| match found {
        Found::Begun(_) => Step::Read(vec!["k2".to_owned()]),
        Found::More(_) => Step::Write(Box::default()),
    };
    let keys = ["k1".to_owned()];
    let refused = b.batch(&[], &keys, &mut read_on).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    sqlx::query("rollback").execute(&mut conn).await.expect("releases");
    conn.close().await.expect("closes");
    b.batch(&[], &keys, &mut read_on).await.expect("nobody holds it any more");
    database.finish([a, b]).await;
}

#[tokio::test]
async fn lost_connections_are_away_then_back() {
    let database = database!("lost");
    let sign = if database.url.contains('?') { '&' } else { '?' };
    let named = format!("{}{sign}application_name=cas_lost", database.url);
    let store = PostgresStore::connect(&named, Some(&database.schema)).await.expect("connects");
    store.state("k").await.expect("reads");
    let mut conn = database.raw().await;
    let killed = sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where application_name = 'cas_lost'",
    );
    let killed = killed.fetch_all(&mut conn).await.expect("kills").len();
    conn.close().await.expect("closes");
    assert!(killed > 0);
    // each broken connection is noticed once, by the operation that meets it, or before
    for _ in 0..killed {
        if let Err(error) = store.state("k").await {
            assert!(matches!(error, StoreError::Away(_)), "{error:?}");
        }
    }
    store.state("k").await.expect("works again");
    store.close().await;
    database.drop_schema().await;
}

#[tokio::test]
async fn a_lock_of_somebody_else_skips_claims_only() {
    let database = database!("skips");
    let [a, b] = database.open_two().await;
    put_inputs(&a, vec![event("k", 1), event("k", 2)]).await;
    let mut conn = database.raw().await;
    let sql = format!(
        "begin; select 1 from \"{}\".input where id = '{}' for update",
        database.schema,
        id(1)
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("locks");
    let until = at(60);
    let free = b.claim_inputs(at(0), until, 9).await.expect("does not wait");
    assert_eq!(only(free).row.id, id(2));
    conn.close().await.expect("closes");
    database.finish([a, b]).await;
}

#[tokio::test]
async fn the_journal_is_append_only() {
    let database = database!("append");
    let table = format!("\"{}\".journal", database.schema);
    database
        .run(format!("insert into {table} (at, par, action, objet) values (now(), 'a', 'b', 'c')"))
        .await;
    let mut conn = database.raw().await;
    for sql in ["update {} set par = 'x'", "delete from {}", "truncate {}"] {
        let sql = sql.replace("{}", &table);
        let refused = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut conn).await;
        let error = refused.expect_err("refused");
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    conn.close().await.expect("closes");
    database.drop_schema().await;
}
