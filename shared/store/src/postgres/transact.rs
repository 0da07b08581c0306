//! One batch, one transaction.
//!
//! Order of the writes: what is consumed and cancelled goes first, so that a wake-up armed again
//! by the batch that consumes it, or an ask made by the batch that cancels its kind, stays. Marks
//! and states are taken in one order by everybody; other rows may still deadlock two replicas,
//! which is a conflict.

use std::collections::HashSet;

use chrono::NaiveDate;
use kernel::failpoint;
use sha2::{Digest, Sha256};
use sqlx::{Acquire, PgConnection, Row};
use uuid::Uuid;

use super::{failures, operations, writes};
use crate::{Decide, Found, InputRow, Loaded, Mark, StateRow, Step, StoreError, Writes, rows};

pub(super) async fn run(
    conn: &mut PgConnection,
    marks: &[Mark],
    keys: &[String],
    decide: &mut Decide<'_>,
) -> Result<(), StoreError> {
    // dropped on any error below, which rolls back
    let mut tx = conn.begin().await?;
    failpoint("batch-begun");
    let loaded = load(&mut tx, marks, keys).await?;
    // one statement marks and loads
    failpoint("batch-marked");
    failpoint("batch-loaded");
    let mut found = Found::Begun(loaded);
    let writes = loop {
        match decide(found) {
            Step::Read(keys) => found = Found::More(read_on(&mut tx, &keys).await?),
            Step::Write(writes) => break *writes,
        }
    };
    write(&mut tx, writes).await?;
    failpoint("batch-written");
    tx.commit().await?;
    failpoint("batch-committed");
    Ok(())
}

/// Marks the inbox and locks what exists, each in one order, in one statement; what does not exist
/// yet is decided by the version check.
async fn load(
    conn: &mut PgConnection,
    marks: &[Mark],
    keys: &[String],
) -> Result<Loaded, StoreError> {
    if marks.is_empty() && keys.is_empty() {
        return Ok(Loaded { fresh: Vec::new(), states: Vec::new() });
    }
    let digests: Vec<_> = marks.iter().map(digest).collect();
    let mut sorted = digests.clone();
    sorted.sort_unstable();
    sorted.dedup();
    // The marks that are new are told one by one only when some are not.
    let found = sqlx::query(
        "with marked as (
             insert into inbox (jour, marque)
             select * from unnest($1::date[], $2::uuid[])
             on conflict do nothing
             returning jour, marque),
         counted as (select count(*) as n from marked),
         locked as (
             select key, version, body::text as body from state where key = any($3)
             order by key for no key update)
         select null::date, null::uuid, null::text, n, null::text from counted
         union all
         select jour, marque, null, null, null from marked, counted where n < $4
         union all
         select null, null, key, version, body from locked",
    )
    .bind(writes::column(&sorted, |mark| mark.0))
    .bind(writes::column(&sorted, |mark| mark.1))
    .bind(keys)
    .bind(i64::try_from(sorted.len()).map_err(StoreError::fatal_source)?)
    .fetch_all(conn)
    .await?;
    let mut some = HashSet::new();
    let (mut inserted, mut states) = (0_i64, Vec::with_capacity(keys.len()));
    for row in found {
        match (row.try_get(0)?, row.try_get(2)?) {
            (Some(day), _) => {
                some.insert((day, row.try_get(1)?));
            }
            (None, Some(key)) => {
                states.push(StateRow { key, version: row.try_get(3)?, body: row.try_get(4)? });
            }
            (None, None) => inserted = row.try_get(3)?,
        }
    }
    let all = usize::try_from(inserted) == Ok(sorted.len());
    let fresh = rows::fresh(marks, |rank, _| all || some.contains(&digests[rank]));
    Ok(Loaded { fresh, states })
}

/// A mark as it is kept: its day, and the beginning of a SHA-256 of its source and id. An index of
/// 16 bytes is a third of one of both texts, and every message is written to it.
fn digest(mark: &Mark) -> (NaiveDate, Uuid) {
    let mut hash = Sha256::new();
    hash.update(format!("{}:", mark.source.len()));
    hash.update(&mark.source);
    hash.update(&mark.id);
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    (mark.day, Uuid::from_bytes(half))
}

/// Locks and reads more states. They come out of the one order, so that nobody waits for them: two
/// replicas that waited for each other would both stand still until the database breaks them up.
async fn read_on(conn: &mut PgConnection, keys: &[String]) -> Result<Vec<StateRow>, StoreError> {
    let found = sqlx::query(
        "select key, version, body::text from state where key = any($1) for no key update nowait",
    )
    .bind(keys)
    .fetch_all(conn)
    .await
    .map_err(StoreError::unless_held)?;
    found
        .into_iter()
        .map(|row| {
            Ok(StateRow { key: row.try_get(0)?, version: row.try_get(1)?, body: row.try_get(2)? })
        })
        .collect()
}

async fn write(conn: &mut PgConnection, writes: Writes) -> Result<(), StoreError> {
    consume(conn, &writes).await?;
    cancel(conn, &writes).await?;
    save(conn, &writes).await?;
    writes::add_asks(conn, &writes.asks).await?;
    writes::put_inputs(conn, writes.inputs).await?;
    failures::close(conn, &writes.close_failures).await?;
    failures::keep(conn, writes.failures).await?;
    operations::open_tasks(conn, writes.open_tasks).await?;
    operations::close_tasks(conn, &writes.close_tasks).await?;
    operations::write_journal(conn, writes.journal).await
}

async fn consume(conn: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    let inputs = "delete from input where id = any($1) and lease = $2";
    settle(conn, inputs, &writes.done_inputs).await?;
    let asks = "delete from ask where id = any($1) and lease = $2";
    settle(conn, asks, &writes.done_answers).await
}

/// Deletes leased rows; a conflict unless every one was still there under its lease.
async fn settle(
    conn: &mut PgConnection,
    sql: &'static str,
    rows: &[(Uuid, i64)],
) -> Result<(), StoreError> {
    let done = rows::once(rows);
    let mut deleted = 0;
    for (lease, ids) in rows::by_lease(&done) {
        deleted +=
            sqlx::query(sql).bind(ids).bind(lease).execute(&mut *conn).await?.rows_affected();
    }
    all(deleted, done.len())
}

/// `offset 0` has each lookup planned by itself. No condition but that of its index is given to it:
/// the predicate of another one (`answer is null`) would make that one worth reading as a whole.
async fn cancel(conn: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    if !writes.cancel_wakes.is_empty() {
        sqlx::query(
            "delete from input where id = any(array(
                 select i.id from unnest($1::text[], $2::text[]) c (key, name)
                 cross join lateral (select id from input
                     where key = c.key and name = c.name and kind = 'wake' offset 0) i))",
        )
        .bind(writes::column(&writes.cancel_wakes, |c| c.0.as_str()))
        .bind(writes::column(&writes.cancel_wakes, |c| c.1.as_str()))
        .execute(&mut *conn)
        .await?;
    }
    if !writes.cancel_asks.is_empty() {
        sqlx::query(
            "delete from ask where id = any(array(
                 select a.id from unnest($1::text[], $2::text[]) c (key, kind)
                 cross join lateral (select id, answer from ask
                     where key = c.key and kind = c.kind offset 0) a
                 where a.answer is null))",
        )
        .bind(writes::column(&writes.cancel_asks, |c| c.0.as_str()))
        .bind(writes::column(&writes.cancel_asks, |c| c.1.as_str()))
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// States and messages to publish: what nearly every batch writes, in one statement.
async fn save(conn: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.states.is_empty() {
        return writes::add_outbox(conn, &writes.outbox, writes.outbox_lease).await;
    }
    let (created, changed) = rows::by_expectation(&writes.states);
    let query = sqlx::query(
        "with created as (
             insert into state (key, version, body, etape, etape_depuis)
             select key, version, body::jsonb, etape, etape_depuis
             from unnest($10::text[], $11::bigint[], $12::text[], $13::text[],
                         $14::timestamptz[])
                  n (key, version, body, etape, etape_depuis)
             on conflict do nothing
             returning 1),
         changed as (
             update state s set version = n.version, body = n.body::jsonb, updated_at = now(),
                    etape = n.etape,
                    etape_depuis = case when s.etape = n.etape and n.etape_depuis is not null
                                        then coalesce(s.etape_depuis, n.etape_depuis)
                                        else n.etape_depuis end
             from unnest($15::text[], $16::bigint[], $17::text[], $18::bigint[], $19::text[],
                         $20::timestamptz[])
                  n (key, version, body, expected, etape, etape_depuis)
             where s.key = n.key and s.version = n.expected
             returning 1),
         sent as (
             insert into outbox (id, exchange, routing_key, mandatory, head, data, written_at,
                                 due_at, lease)
             select id, exchange, routing_key, mandatory, head, data, written_at,
                    coalesce($9, written_at), $8
             from unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::text[],
                         $6::bytea[], $7::timestamptz[])
                  n (id, exchange, routing_key, mandatory, head, data, written_at))
         select (select count(*) from created), (select count(*) from changed)",
    );
    let saved = writes::bind_outbox(query, &writes.outbox, writes.outbox_lease)?
        .bind(writes::column(&created, |state| state.key.as_str()))
        .bind(writes::column(&created, |state| state.version))
        .bind(writes::column(&created, |state| state.body.as_str()))
        .bind(writes::column(&created, |state| state.etape.map(|etape| etape.nom)))
        .bind(writes::column(&created, |state| state.etape.and_then(|etape| etape.depuis)))
        .bind(writes::column(&changed, |state| state.0.key.as_str()))
        .bind(writes::column(&changed, |state| state.0.version))
        .bind(writes::column(&changed, |state| state.0.body.as_str()))
        .bind(writes::column(&changed, |state| state.1))
        .bind(writes::column(&changed, |state| state.0.etape.map(|etape| etape.nom)))
        .bind(writes::column(&changed, |state| state.0.etape.and_then(|etape| etape.depuis)))
        .fetch_one(conn)
        .await?;
    let (inserted, updated): (i64, i64) = (saved.try_get(0)?, saved.try_get(1)?);
    all(inserted.unsigned_abs(), created.len())?;
    all(updated.unsigned_abs(), changed.len())
}

/// A conflict unless as many rows were moved as expected.
fn all(moved: u64, expected: usize) -> Result<(), StoreError> {
    if usize::try_from(moved) == Ok(expected) { Ok(()) } else { Err(StoreError::Conflict) }
}

pub(super) async fn add_inputs(
    conn: &mut PgConnection,
    inputs: Vec<InputRow>,
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    writes::put_inputs(&mut tx, inputs).await?;
    tx.commit().await?;
    failpoint("input-added");
    Ok(())
}
