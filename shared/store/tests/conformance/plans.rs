//! PostgreSQL only: what the size of the tables must not change. Marks are in daily partitions, and
//! every statement of the hot path finds its rows by an index.

use chrono::TimeDelta;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use store::{Mark, SharedStore, Writes};

use crate::{
    fixtures::{at, event, id, lease, mark, message, save},
    postgres_store::Database,
};

/// Times that each statement runs: past the fifth, PostgreSQL may keep one plan for all.
const RUNS: u128 = 8;

async fn marked(store: &SharedStore, marks: &[Mark]) -> Vec<bool> {
    let mut fresh = Vec::new();
    let fold = &mut |loaded: store::Loaded| {
        fresh = loaded.fresh;
        Writes::default()
    };
    store.transact(marks, &[], fold).await.expect("commits");
    fresh
}

async fn partitions(conn: &mut PgConnection, schema: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select tablename::text from pg_tables where schemaname = $1 and tablename like 'inbox%'
         order by tablename",
    )
    .bind(schema)
    .fetch_all(conn)
    .await
    .expect("reads")
}

#[tokio::test]
async fn partitions_deduplicate_and_are_dropped_whole() {
    let Some(database) = Database::create("partitions").await else { return };
    let [a, b] = database.open_two().await;
    let mut conn = database.raw().await;
    let today = at(0).date_naive();
    let (known, late) =
        (mark("s", "1"), Mark { day: today - TimeDelta::days(9), ..mark("s", "2") });
    assert_eq!(
        marked(&a, &[known.clone(), late.clone()]).await,
        [true, true],
        "without partitions"
    );
    // What waits in the default partition moves; both replicas do it at once.
    let until = today + TimeDelta::days(2);
    let made = tokio::join!(a.prepare_inbox(today, until), b.prepare_inbox(today, until));
    made.0.expect("makes partitions");
    made.1.expect("makes partitions");
    assert_eq!(partitions(&mut conn, database.schema()).await.len(), 1 + 1 + 3);
    assert_eq!(marked(&b, &[known.clone(), late.clone()]).await, [false, false], "they are known");
    let fresh = mark("s", "3");
    assert_eq!(marked(&b, &[fresh.clone(), fresh]).await, [true, false]);
    a.purge_inbox(today + TimeDelta::days(1)).await.expect("drops");
    assert_eq!(partitions(&mut conn, database.schema()).await.len(), 1 + 1 + 2);
    assert_eq!(marked(&a, &[known, late]).await, [true, true], "their days are forgotten");
    conn.close().await.expect("closes");
    database.finish([a, b]).await;
}

#[tokio::test]
async fn no_hot_statement_reads_a_whole_table() {
    let Some(database) = Database::create("plans").await else { return };
    let [a, b] = database.open_two().await;
    let today = at(0).date_naive();
    a.prepare_inbox(today, today).await.expect("makes a partition");
    // Plans are made while the tables are empty, and kept: that is the trap.
    work(&a, 0).await;
    let mut conn = database.raw().await;
    let schema = database.schema();
    for sql in [
        format!(
            "insert into \"{schema}\".state (key, version, body)
             select 'd/' || i, 1, '{{}}'::jsonb from generate_series(1, 30000) i"
        ),
        format!(
            "insert into \"{schema}\".inbox
             select date '{today}', 's', 'x' || i from generate_series(1, 30000) i"
        ),
        format!(
            "insert into \"{schema}\".outbox (id, exchange, routing_key, mandatory, head, data,
                                              written_at, due_at)
             select gen_random_uuid(), 'e', 'k', false, '{{}}', '', now(), timestamptz '2100-01-01'
             from generate_series(1, 30000) i"
        ),
        format!(
            "insert into \"{schema}\".input (id, key, kind, name, due_at, cause)
             select gen_random_uuid(), 'd/' || i, 'event', '', timestamptz '2100-01-01', ''
             from generate_series(1, 30000) i"
        ),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("fills");
    }
    let before = scans(&mut conn, schema).await;
    work(&a, 1).await;
    // A connection that ends says what it did.
    a.close().await;
    b.close().await;
    let mut after = scans(&mut conn, schema).await;
    for _ in 0..200 {
        if after.1 > before.1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        after = scans(&mut conn, schema).await;
    }
    assert!(after.1 > before.1, "the work is counted");
    assert_eq!(after.0, before.0, "whole tables read: {after:?}");
    conn.close().await.expect("closes");
    database.finish([a, b]).await;
}

/// What a service does all day.
async fn work(store: &SharedStore, turn: u128) {
    for run in 0..RUNS {
        let n = 1_000_000 + turn * 1_000 + run * 10;
        let (now, until) = lease(0);
        let marks = [mark("s", &n.to_string())];
        let keys = [format!("d/{n}")];
        let mut writes = Some(Writes {
            states: vec![save(&keys[0], None, 1)],
            outbox: vec![message(n)],
            inputs: vec![event(&keys[0], n + 1)],
            ..Writes::default()
        });
        let fold = &mut |_| writes.take().expect("once");
        store.transact(&marks, &keys, fold).await.expect("commits");
        let inputs = store.claim_inputs(now, until, 10).await.expect("claims");
        let done = inputs.iter().map(|input| (input.row.id, input.lease)).collect();
        let mut writes = Some(Writes {
            states: vec![save(&keys[0], Some(1), 2)],
            done_inputs: done,
            ..Writes::default()
        });
        let fold = &mut |_| writes.take().expect("once");
        store.transact(&[], &keys, fold).await.expect("commits");
        let rows = store.claim_outbox(now, until, 10).await.expect("claims");
        assert_eq!(rows.iter().map(|row| row.row.id).collect::<Vec<_>>(), [id(n)]);
        store.outbox_done(&[(rows[0].row.id, rows[0].lease)]).await.expect("settles");
        store.next_due(&[]).await.expect("reads");
    }
}

/// (whole tables read, index scans) of the hot tables so far; marks are only ever inserted.
async fn scans(conn: &mut PgConnection, schema: &str) -> (i64, i64) {
    let row = sqlx::query(
        "select coalesce(sum(seq_scan), 0)::bigint, coalesce(sum(idx_scan), 0)::bigint
         from pg_stat_user_tables where schemaname = $1
           and relname in ('state', 'outbox', 'input', 'ask')",
    )
    .bind(schema)
    .fetch_one(conn)
    .await
    .expect("reads");
    (row.get(0), row.get(1))
}
