//! PostgreSQL only: what the size of the tables must not change. Marks are in daily partitions, and
//! every statement of the hot path finds its rows by an index.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use store::{AskRow, Mark, SharedStore, Writes};

use crate::{
    fixtures::{ask, at, event, id, lease, mark, message, save, wake},
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
    let mut conn = database.raw().await;
    let schema = database.schema();
    // Plans are made while the tables are empty and known to be, and kept: that is the trap.
    work(&a, 0).await;
    for table in HOT {
        let sql = format!("vacuum analyze \"{schema}\".{table}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("analyses");
    }
    work(&a, 1).await;
    for sql in [
        format!(
            "insert into \"{schema}\".state (key, version, body)
             select 'd/' || i, 1, '{{}}'::jsonb from generate_series(1, {ROWS}) i"
        ),
        format!(
            "insert into \"{schema}\".inbox
             select date '{today}', gen_random_uuid() from generate_series(1, {ROWS}) i"
        ),
        format!(
            "insert into \"{schema}\".outbox (id, exchange, routing_key, mandatory, head, data,
                                              written_at, due_at)
             select gen_random_uuid(), 'e', 'k', false, '{{}}', '', now(), timestamptz '2100-01-01'
             from generate_series(1, {ROWS}) i"
        ),
        format!(
            "insert into \"{schema}\".input (id, key, kind, name, due_at, cause)
             select gen_random_uuid(), 'd/' || i, 'wake', 'w', timestamptz '2100-01-01', ''
             from generate_series(1, {ROWS}) i"
        ),
        format!(
            "insert into \"{schema}\".ask (id, key, kind, agency, body, due_at, created_at,
                                           attempts, ambiguous, cause)
             select gen_random_uuid(), 'd/' || i, 'lire', 'ds', '{{}}', timestamptz '2100-01-01',
                    now(), 0, false, ''
             from generate_series(1, {ROWS}) i"
        ),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("fills");
    }
    let before = scans(&mut conn, schema).await;
    work(&a, 2).await;
    // A connection that ends says what it did.
    a.close().await;
    b.close().await;
    let mut after = scans(&mut conn, schema).await;
    for _ in 0..200 {
        if after.index > before.index {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        after = scans(&mut conn, schema).await;
    }
    assert!(after.index > before.index, "the work is counted");
    assert_eq!(after.whole, before.whole, "whole tables read");
    for (index, entries) in &after.entries {
        let read = entries - before.entries[index];
        assert!(read < ROWS, "{read} entries of {index} read: {before:?} {after:?}");
    }
    conn.close().await.expect("closes");
    database.finish([a, b]).await;
}

/// Tables of things to do, which are mostly empty.
const HOT: [&str; 3] = ["outbox", "input", "ask"];
/// Rows that are not concerned.
const ROWS: i64 = 30_000;
/// Rows of one batch.
const LOT: u128 = 20;

/// What a service does all day.
async fn work(store: &SharedStore, turn: u128) {
    let (now, until) = lease(0);
    for run in 0..RUNS {
        let first = 1_000_000 + (turn * RUNS + run) * 10 * LOT;
        let numbers = || first..first + LOT;
        let key = |n| format!("d/{n}");
        let ids = |from: u128| (from..from + LOT).map(id).collect::<Vec<_>>();
        let marks: Vec<_> = numbers().map(|n| mark("s", &n.to_string())).collect();
        let keys: Vec<_> = numbers().map(key).collect();
        let later = at(86_400);
        let mut writes = Some(Writes {
            states: numbers().map(|n| save(&key(n), None, 1)).collect(),
            outbox: numbers().map(message).collect::<Vec<_>>().into(),
            inputs: numbers()
                .flat_map(|n| [event(&key(n), n + LOT), wake(&key(n), "w", n + 2 * LOT, later)])
                .collect(),
            asks: numbers()
                .flat_map(|n| {
                    let waiting =
                        AskRow { due_at: later, ..ask(&key(n), "vain", "ds", n + 4 * LOT) };
                    [ask(&key(n), "lire", "ds", n + 3 * LOT), waiting]
                })
                .collect(),
            ..Writes::default()
        });
        let fold = &mut |_| writes.take().expect("once");
        store.transact(&marks, &keys, fold).await.expect("commits");
        let inputs = store.claim_inputs(now, until, 99).await.expect("claims");
        assert_eq!(inputs.iter().map(|i| i.row.id).collect::<Vec<_>>(), ids(first + LOT));
        for ask in store.claim_asks(now, until, &[], 99).await.expect("claims") {
            let answered = store.ask_answered(ask.row.id, ask.lease, "1", None).await;
            assert!(answered.expect("answers"));
        }
        let answers = store.claim_answers(now, until, 99).await.expect("claims");
        assert_eq!(answers.len() as u128, LOT);
        let mut writes = Some(Writes {
            states: numbers().map(|n| save(&key(n), Some(1), 2)).collect(),
            done_inputs: inputs.iter().map(|input| (input.row.id, input.lease)).collect(),
            done_answers: answers.iter().map(|answer| (answer.row.ask.id, answer.lease)).collect(),
            cancel_wakes: numbers().map(|n| (key(n), "w".to_owned())).collect(),
            cancel_asks: numbers().map(|n| (key(n), "vain".to_owned())).collect(),
            ..Writes::default()
        });
        let fold = &mut |_| writes.take().expect("once");
        store.transact(&[], &keys, fold).await.expect("commits");
        for again in [true, false] {
            let rows = store.claim_outbox(now, until, 99).await.expect("claims");
            assert_eq!(rows.iter().map(|row| row.row.id).collect::<Vec<_>>(), ids(first));
            let leased: Vec<_> = rows.iter().map(|row| (row.row.id, row.lease)).collect();
            if again {
                store.outbox_later(&leased, now, vec![], vec![]).await.expect("gives back");
            } else {
                store.outbox_done(&leased).await.expect("settles");
            }
        }
        store.next_due(&[]).await.expect("reads");
    }
}

/// What was read so far of the hot tables; marks are only ever inserted.
#[derive(Debug)]
struct Scans {
    /// Whole tables.
    whole: i64,
    /// Indexes.
    index: i64,
    /// Entries of each index of the tables of things to do.
    entries: BTreeMap<String, i64>,
}

async fn scans(conn: &mut PgConnection, schema: &str) -> Scans {
    let rows = sqlx::query(
        "select (select coalesce(sum(seq_scan), 0)::bigint from pg_stat_user_tables
                 where schemaname = $1 and (relname = any($2) or relname = 'state')),
                idx_scan, idx_tup_read, indexrelname::text
         from pg_stat_user_indexes where schemaname = $1 and relname = any($2)",
    )
    .bind(schema)
    .bind(HOT)
    .fetch_all(conn)
    .await
    .expect("reads");
    Scans {
        whole: rows[0].get(0),
        index: rows.iter().map(|row| row.get::<i64, _>(1)).sum(),
        entries: rows.iter().map(|row| (row.get(3), row.get(2))).collect(),
    }
}
