//! Claims by lease, and the outbox's settlements. Each claim is one statement, hence one
//! transaction; a claim that finds nothing writes nothing.
//!
//! `limit ?3 + 0` rather than `limit ?3`: the planner of a SQLite with STAT4, as the bundled one is,
//! looks at a bare limit, and the statement is prepared again each time that it is bound.

use chrono::{DateTime, Utc};
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{lot::Lot, params};
use crate::{
    AnswerRow, AskRow, FailureRow, InputRow, Leased, OutboxRow, RowContext, StoreError, rows,
};

pub(super) async fn inputs(
    conn: &mut SqliteConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    max: usize,
) -> Result<Vec<Leased<InputRow>>, StoreError> {
    let claimed = sqlx::query(
        "update input set lease = max(lease, seq << 20) + 1, lease_until = ?2
         where seq in (
             select seq from input
             where due_at <= ?1 and (lease_until is null or lease_until <= ?1)
             order by due_at, seq limit ?3 + 0)
         returning due_at, seq, lease, id, key, kind, name, body, cause, traceparent,
                   correlation_id",
    )
    .bind(now.timestamp_micros())
    .bind(until.timestamp_micros())
    .bind(limit(max))
    .fetch_all(conn)
    .await?;
    in_order(&claimed, |row| {
        Ok(InputRow {
            id: uuid(row, "id")?,
            key: row.try_get("key")?,
            kind: rows::kind_of(row.try_get("kind")?)?,
            name: row.try_get("name")?,
            due_at: instant(row, "due_at")?,
            body: row.try_get("body")?,
            cause: row.try_get("cause")?,
            context: context(row)?,
        })
    })
}

pub(super) async fn outbox(
    conn: &mut SqliteConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    max: usize,
) -> Result<Vec<Leased<OutboxRow>>, StoreError> {
    let claimed = sqlx::query(
        "update outbox set lease = max(lease, seq << 20) + 1, lease_until = ?2
         where seq in (
             select seq from outbox
             where due_at <= ?1 and (lease_until is null or lease_until <= ?1)
             order by due_at, seq limit ?3 + 0)
         returning due_at, seq, lease, id, exchange, routing_key, mandatory, head, data",
    )
    .bind(now.timestamp_micros())
    .bind(until.timestamp_micros())
    .bind(limit(max))
    .fetch_all(conn)
    .await?;
    in_order(&claimed, |row| {
        Ok(OutboxRow {
            id: uuid(row, "id")?,
            exchange: row.try_get("exchange")?,
            routing_key: row.try_get("routing_key")?,
            mandatory: row.try_get("mandatory")?,
            envelope: rows::envelope(row.try_get("head")?, row.try_get("data")?)?,
        })
    })
}

pub(super) async fn asks(
    conn: &mut SqliteConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    paused: &[String],
    max: usize,
) -> Result<Vec<Leased<AskRow>>, StoreError> {
    // a lease that is still there was never settled: what it covered is in doubt
    let claimed = sqlx::query(
        "update ask set lease = max(lease, seq << 20) + 1, lease_until = ?2,
                        ambiguous = ambiguous or lease_until is not null
         where seq in (
             select seq from ask
             where answer is null and due_at <= ?1 and (lease_until is null or lease_until <= ?1)
               and agency not in (select value from json_each(?4))
             order by due_at, seq limit ?3 + 0)
         returning due_at, seq, lease, id, key, kind, agency, body, created_at, attempts,
                   ambiguous, last_error, cause, traceparent, correlation_id",
    )
    .bind(now.timestamp_micros())
    .bind(until.timestamp_micros())
    .bind(limit(max))
    .bind(params::array(paused)?)
    .fetch_all(conn)
    .await?;
    in_order(&claimed, ask)
}

pub(super) async fn answers(
    conn: &mut SqliteConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    max: usize,
) -> Result<Vec<Leased<AnswerRow>>, StoreError> {
    let claimed = sqlx::query(
        "update ask set lease = max(lease, seq << 20) + 1, lease_until = ?2
         where seq in (
             select seq from ask
             where answer is not null and (lease_until is null or lease_until <= ?1)
             order by due_at, seq limit ?3 + 0)
         returning due_at, seq, lease, id, key, kind, agency, body, created_at, attempts,
                   ambiguous, last_error, cause, traceparent, correlation_id, answer",
    )
    .bind(now.timestamp_micros())
    .bind(until.timestamp_micros())
    .bind(limit(max))
    .fetch_all(conn)
    .await?;
    in_order(&claimed, |row| Ok(AnswerRow { ask: ask(row)?, answer: row.try_get("answer")? }))
}

pub(super) async fn outbox_done(
    conn: &mut SqliteConnection,
    rows: &[(Uuid, i64)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "delete from outbox where seq in (
             select o.seq from json_each(?1) d
             cross join outbox o on o.id = d.value ->> 0 and o.lease = d.value ->> 1)",
    )
    .bind(params::settled(rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn outbox_later(
    conn: &mut SqliteConnection,
    rows: &[(Uuid, i64)],
    at: DateTime<Utc>,
    failures: Vec<FailureRow>,
    outbox: &[OutboxRow],
) -> Result<(), StoreError> {
    let mut tx = conn.begin_with("begin immediate").await?;
    let ours = sqlx::query(
        "update outbox set due_at = ?2, lease = lease + 1, lease_until = null
         where seq in (
             select o.seq from json_each(?1) d
             cross join outbox o on o.id = d.value ->> 0 and o.lease = d.value ->> 1)",
    )
    .bind(params::settled(rows)?)
    .bind(at.timestamp_micros())
    .execute(&mut *tx)
    .await?;
    if ours.rows_affected() > 0 {
        Lot::failures(failures, outbox)?.write(&mut tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Rows come back from an update in no particular order.
fn in_order<T>(
    claimed: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Vec<Leased<T>>, StoreError> {
    let mut leased = Vec::with_capacity(claimed.len());
    for row in claimed {
        let order: (i64, i64) = (row.try_get("due_at")?, row.try_get("seq")?);
        leased.push((order, Leased { lease: row.try_get("lease")?, row: read(row)? }));
    }
    leased.sort_by_key(|(order, _)| *order);
    Ok(leased.into_iter().map(|(_, leased)| leased).collect())
}

fn ask(row: &SqliteRow) -> Result<AskRow, StoreError> {
    Ok(AskRow {
        id: uuid(row, "id")?,
        key: row.try_get("key")?,
        kind: row.try_get("kind")?,
        agency: row.try_get("agency")?,
        body: row.try_get("body")?,
        due_at: instant(row, "due_at")?,
        created_at: instant(row, "created_at")?,
        attempts: row.try_get("attempts")?,
        ambiguous: row.try_get("ambiguous")?,
        last_error: row.try_get("last_error")?,
        cause: row.try_get("cause")?,
        context: context(row)?,
    })
}

fn context(row: &SqliteRow) -> Result<RowContext, StoreError> {
    Ok(RowContext {
        traceparent: row.try_get("traceparent")?,
        correlation_id: row.try_get("correlation_id")?,
    })
}

pub(super) fn uuid(row: &SqliteRow, column: &str) -> Result<Uuid, StoreError> {
    row.try_get::<&str, _>(column)?.parse().map_err(StoreError::fatal_source)
}

pub(super) fn instant(row: &SqliteRow, column: &str) -> Result<DateTime<Utc>, StoreError> {
    rows::instant(row.try_get(column)?)
}

pub(super) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
