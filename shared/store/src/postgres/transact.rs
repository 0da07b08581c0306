//! One batch, one transaction.
//!
//! Order of the writes: what is consumed and cancelled goes first, so that a wake-up armed again
//! by the batch that consumes it, or an ask made by the batch that cancels its kind, stays. Marks
//! and states are taken in one order by everybody; other rows may still deadlock two replicas,
//! which is a conflict.

use std::collections::HashSet;

use kernel::failpoint;
use sqlx::{Acquire, PgConnection, Row};

use super::{failures, operations, writes};
use crate::{Fold, InputRow, Loaded, Mark, StateRow, StateWrite, StoreError, Writes, rows};

pub(super) async fn run(
    conn: &mut PgConnection,
    marks: &[Mark],
    keys: &[String],
    fold: &mut Fold<'_>,
) -> Result<(), StoreError> {
    // dropped on any error below, which rolls back
    let mut tx = conn.begin().await?;
    failpoint("batch-begun");
    let fresh = mark(&mut tx, marks).await?;
    failpoint("batch-marked");
    let states = load(&mut tx, keys).await?;
    failpoint("batch-loaded");
    write(&mut tx, fold(Loaded { fresh, states })).await?;
    failpoint("batch-written");
    tx.commit().await?;
    failpoint("batch-committed");
    Ok(())
}

async fn mark(conn: &mut PgConnection, marks: &[Mark]) -> Result<Vec<bool>, StoreError> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let mut sorted: Vec<&Mark> = marks.iter().collect();
    sorted.sort_by_key(|mark| (mark.day, &mark.source, &mark.id));
    let inserted = sqlx::query(
        "insert into inbox (jour, source, id)
         select * from unnest($1::date[], $2::text[], $3::text[])
         on conflict do nothing
         returning jour, source, id",
    )
    .bind(writes::column(&sorted, |mark| mark.day))
    .bind(writes::column(&sorted, |mark| mark.source.as_str()))
    .bind(writes::column(&sorted, |mark| mark.id.as_str()))
    .fetch_all(conn)
    .await?;
    let mut new = HashSet::with_capacity(inserted.len());
    for row in inserted {
        new.insert(Mark { day: row.try_get(0)?, source: row.try_get(1)?, id: row.try_get(2)? });
    }
    Ok(rows::fresh(marks, new))
}

/// Locks what exists, in key order; what does not exist yet is decided by the version check.
async fn load(conn: &mut PgConnection, keys: &[String]) -> Result<Vec<StateRow>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(
        "select key, version, body::text from state where key = any($1)
         order by key for no key update",
    )
    .bind(keys)
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(StateRow { key: row.try_get(0)?, version: row.try_get(1)?, body: row.try_get(2)? })
    })
    .collect()
}

async fn write(conn: &mut PgConnection, writes: Writes) -> Result<(), StoreError> {
    consume(conn, &writes).await?;
    cancel(conn, &writes).await?;
    save_states(conn, &writes.states).await?;
    writes::add_outbox(conn, &writes.outbox).await?;
    writes::add_asks(conn, &writes.asks).await?;
    writes::put_inputs(conn, writes.inputs).await?;
    failures::close(conn, &writes.close_failures).await?;
    failures::keep(conn, writes.failures).await?;
    operations::open_tasks(conn, writes.open_tasks).await?;
    operations::close_tasks(conn, &writes.close_tasks).await?;
    operations::write_journal(conn, writes.journal).await
}

async fn consume(conn: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    if !writes.done_inputs.is_empty() {
        let done = rows::once(&writes.done_inputs);
        let deleted = sqlx::query(
            "delete from input i using unnest($1::uuid[], $2::bigint[]) d (id, lease)
             where i.id = d.id and i.lease = d.lease",
        )
        .bind(writes::column(&done, |row| row.0))
        .bind(writes::column(&done, |row| row.1))
        .execute(&mut *conn)
        .await?;
        all(deleted.rows_affected(), done.len())?;
    }
    if !writes.done_answers.is_empty() {
        let done = rows::once(&writes.done_answers);
        let deleted = sqlx::query(
            "delete from ask a using unnest($1::uuid[], $2::bigint[]) d (id, lease)
             where a.id = d.id and a.lease = d.lease and a.answer is not null",
        )
        .bind(writes::column(&done, |row| row.0))
        .bind(writes::column(&done, |row| row.1))
        .execute(conn)
        .await?;
        all(deleted.rows_affected(), done.len())?;
    }
    Ok(())
}

async fn cancel(conn: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    if !writes.cancel_wakes.is_empty() {
        sqlx::query(
            "delete from input i using unnest($1::text[], $2::text[]) c (key, name)
             where i.key = c.key and i.name = c.name and i.kind = 'wake'",
        )
        .bind(writes::column(&writes.cancel_wakes, |c| c.0.as_str()))
        .bind(writes::column(&writes.cancel_wakes, |c| c.1.as_str()))
        .execute(&mut *conn)
        .await?;
    }
    if !writes.cancel_asks.is_empty() {
        sqlx::query(
            "delete from ask a using unnest($1::text[], $2::text[]) c (key, kind)
             where a.key = c.key and a.kind = c.kind and a.answer is null",
        )
        .bind(writes::column(&writes.cancel_asks, |c| c.0.as_str()))
        .bind(writes::column(&writes.cancel_asks, |c| c.1.as_str()))
        .execute(conn)
        .await?;
    }
    Ok(())
}

async fn save_states(conn: &mut PgConnection, states: &[StateWrite]) -> Result<(), StoreError> {
    let (created, changed) = rows::by_expectation(states);
    if !created.is_empty() {
        let saved = sqlx::query(
            "insert into state (key, version, body, etape, etape_depuis)
             select key, version, body::jsonb, etape, etape_depuis
             from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
                  n (key, version, body, etape, etape_depuis)
             on conflict do nothing",
        )
        .bind(writes::column(&created, |state| state.key.as_str()))
        .bind(writes::column(&created, |state| state.version))
        .bind(writes::column(&created, |state| state.body.as_str()))
        .bind(writes::column(&created, |state| state.etape.map(|etape| etape.nom)))
        .bind(writes::column(&created, |state| state.etape.and_then(|etape| etape.depuis)))
        .execute(&mut *conn)
        .await?;
        all(saved.rows_affected(), created.len())?;
    }
    if !changed.is_empty() {
        let saved = sqlx::query(
            "update state s set version = n.version, body = n.body::jsonb, updated_at = now(),
                    etape = n.etape,
                    etape_depuis = case when s.etape = n.etape and n.etape_depuis is not null
                                        then coalesce(s.etape_depuis, n.etape_depuis)
                                        else n.etape_depuis end
             from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[],
                         $6::timestamptz[])
                  n (key, version, body, expected, etape, etape_depuis)
             where s.key = n.key and s.version = n.expected",
        )
        .bind(writes::column(&changed, |state| state.0.key.as_str()))
        .bind(writes::column(&changed, |state| state.0.version))
        .bind(writes::column(&changed, |state| state.0.body.as_str()))
        .bind(writes::column(&changed, |state| state.1))
        .bind(writes::column(&changed, |state| state.0.etape.map(|etape| etape.nom)))
        .bind(writes::column(&changed, |state| state.0.etape.and_then(|etape| etape.depuis)))
        .execute(conn)
        .await?;
        all(saved.rows_affected(), changed.len())?;
    }
    Ok(())
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
