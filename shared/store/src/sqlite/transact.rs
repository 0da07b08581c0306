//! One batch, one transaction.
//!
//! Order of the writes: what is consumed and cancelled goes first, so that a wake-up armed again
//! by the batch that consumes it, or an ask made by the batch that cancels its kind, stays.

use std::collections::HashSet;

use sqlx::{Connection, Row, SqliteConnection};

use super::{failures, params};
use crate::{
    AskRow, Fold, InputRow, Loaded, Mark, OutboxRow, StateRow, StateWrite, StoreError, Writes, rows,
};

pub(super) async fn run(
    conn: &mut SqliteConnection,
    marks: &[Mark],
    keys: &[String],
    fold: &mut Fold<'_>,
) -> Result<(), StoreError> {
    // dropped on any error below, which rolls back
    let mut tx = conn.begin_with("begin immediate").await?;
    let loaded = Loaded { fresh: mark(&mut tx, marks).await?, states: load(&mut tx, keys).await? };
    write(&mut tx, fold(loaded)).await?;
    Ok(tx.commit().await?)
}

async fn mark(conn: &mut SqliteConnection, marks: &[Mark]) -> Result<Vec<bool>, StoreError> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let inserted = sqlx::query(
        "insert into inbox (jour, source, id)
         select value ->> 0, value ->> 1, value ->> 2 from json_each(?1) where true
         on conflict do nothing
         returning jour, source, id",
    )
    .bind(params::marks(marks)?)
    .fetch_all(conn)
    .await?;
    let mut new = HashSet::with_capacity(inserted.len());
    for row in inserted {
        let day = row.try_get::<String, _>(0)?.parse().map_err(StoreError::fatal_source)?;
        new.insert(Mark { day, source: row.try_get(1)?, id: row.try_get(2)? });
    }
    Ok(rows::fresh(marks, new))
}

async fn load(conn: &mut SqliteConnection, keys: &[String]) -> Result<Vec<StateRow>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(
        "select key, version, body from state where key in (select value from json_each(?1))",
    )
    .bind(params::array(keys)?)
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(StateRow { key: row.try_get(0)?, version: row.try_get(1)?, body: row.try_get(2)? })
    })
    .collect()
}

async fn write(conn: &mut SqliteConnection, writes: Writes) -> Result<(), StoreError> {
    consume_inputs(conn, &writes).await?;
    consume_answers(conn, &writes).await?;
    cancel(conn, &writes).await?;
    save_states(conn, &writes.states).await?;
    add_outbox(conn, &writes.outbox).await?;
    add_asks(conn, &writes.asks).await?;
    put_inputs(conn, writes.inputs).await?;
    failures::close(conn, &writes.close_failures).await?;
    failures::keep(conn, writes.failures).await
}

async fn consume_inputs(conn: &mut SqliteConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.done_inputs.is_empty() {
        return Ok(());
    }
    let done = rows::once(&writes.done_inputs);
    let deleted = sqlx::query(
        "delete from input where seq in (
             select i.seq from json_each(?1) d
             cross join input i on i.id = d.value ->> 0 and i.lease = d.value ->> 1)",
    )
    .bind(params::settled(&done)?)
    .execute(conn)
    .await?;
    all(deleted.rows_affected(), done.len())
}

async fn consume_answers(conn: &mut SqliteConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.done_answers.is_empty() {
        return Ok(());
    }
    let done = rows::once(&writes.done_answers);
    let deleted = sqlx::query(
        "delete from ask where seq in (
             select a.seq from json_each(?1) d
             cross join ask a on a.id = d.value ->> 0 and a.lease = d.value ->> 1
             where a.answer is not null)",
    )
    .bind(params::settled(&done)?)
    .execute(conn)
    .await?;
    all(deleted.rows_affected(), done.len())
}

async fn cancel(conn: &mut SqliteConnection, writes: &Writes) -> Result<(), StoreError> {
    if !writes.cancel_wakes.is_empty() {
        sqlx::query(
            "delete from input where seq in (
                 select i.seq from json_each(?1) c
                 cross join input i on i.key = c.value ->> 0 and i.name = c.value ->> 1
                 where i.kind = 'wake')",
        )
        .bind(params::array(&writes.cancel_wakes)?)
        .execute(&mut *conn)
        .await?;
    }
    if !writes.cancel_asks.is_empty() {
        sqlx::query(
            "delete from ask where seq in (
                 select a.seq from json_each(?1) c
                 cross join ask a on a.key = c.value ->> 0 and a.kind = c.value ->> 1
                 where a.answer is null)",
        )
        .bind(params::array(&writes.cancel_asks)?)
        .execute(conn)
        .await?;
    }
    Ok(())
}

async fn save_states(conn: &mut SqliteConnection, states: &[StateWrite]) -> Result<(), StoreError> {
    let (created, changed) = rows::by_expectation(states);
    if !created.is_empty() {
        let saved = sqlx::query(
            "insert into state (key, version, body, updated_at, etape, etape_depuis)
             select value ->> 0, value ->> 1, value ->> 2,
                    cast(unixepoch('subsec') * 1000000 as integer), value ->> 3, value ->> 4
             from json_each(?1) where true
             on conflict do nothing",
        )
        .bind(params::created(&created)?)
        .execute(&mut *conn)
        .await?;
        all(saved.rows_affected(), created.len())?;
    }
    if !changed.is_empty() {
        let saved = sqlx::query(
            "update state set version = n.value ->> 1, body = n.value ->> 2,
                    updated_at = cast(unixepoch('subsec') * 1000000 as integer),
                    etape = n.value ->> 4,
                    etape_depuis = case when state.etape = n.value ->> 4
                                             and n.value ->> 5 is not null
                                        then coalesce(state.etape_depuis, n.value ->> 5)
                                        else n.value ->> 5 end
             from json_each(?1) n
             where state.key = n.value ->> 0 and state.version = n.value ->> 3",
        )
        .bind(params::changed(&changed)?)
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

pub(super) async fn add_outbox(
    conn: &mut SqliteConnection,
    outbox: &[OutboxRow],
) -> Result<(), StoreError> {
    if outbox.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into outbox (id, exchange, routing_key, mandatory, head, data, written_at, due_at)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
                coalesce(cast(value ->> 5 as blob), unhex(value ->> 6)), value ->> 7, value ->> 7
         from json_each(?1) where true
         on conflict do nothing",
    )
    .bind(params::outbox(outbox)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn add_asks(conn: &mut SqliteConnection, asks: &[AskRow]) -> Result<(), StoreError> {
    if asks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into ask (id, key, kind, agency, body, due_at, created_at, attempts, ambiguous,
                          last_error, cause, traceparent, correlation_id)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11,
                value ->> 12
         from json_each(?1) where true
         on conflict do nothing",
    )
    .bind(params::asks(asks)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn put_inputs(conn: &mut SqliteConnection, inputs: Vec<InputRow>) -> Result<(), StoreError> {
    let inputs = rows::Inputs::new(inputs);
    if !inputs.wakes.is_empty() {
        // lease + 1: a claim of what is replaced settles nothing any more
        sqlx::query(
            "insert into input (id, key, kind, name, due_at, body, cause, traceparent,
                                correlation_id)
             select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                    value ->> 6, value ->> 7, value ->> 8
             from json_each(?1) where true
             on conflict (key, name) where kind = 'wake' do update set
                 id = excluded.id, due_at = excluded.due_at, body = excluded.body,
                 cause = excluded.cause, traceparent = excluded.traceparent,
                 correlation_id = excluded.correlation_id,
                 lease = input.lease + 1, lease_until = null",
        )
        .bind(params::inputs(&inputs.wakes)?)
        .execute(&mut *conn)
        .await?;
    }
    if !inputs.others.is_empty() {
        sqlx::query(
            "insert into input (id, key, kind, name, due_at, body, cause, traceparent,
                                correlation_id)
             select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                    value ->> 6, value ->> 7, value ->> 8
             from json_each(?1) where true
             on conflict do nothing",
        )
        .bind(params::inputs(&inputs.others)?)
        .execute(conn)
        .await?;
    }
    Ok(())
}

pub(super) async fn add_inputs(
    conn: &mut SqliteConnection,
    inputs: Vec<InputRow>,
) -> Result<(), StoreError> {
    let mut tx = conn.begin_with("begin immediate").await?;
    put_inputs(&mut tx, inputs).await?;
    Ok(tx.commit().await?)
}
