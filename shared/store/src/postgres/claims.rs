//! Claims by lease, and the outbox's settlements. Each claim is one statement, hence one
//! transaction, and one lease; `skip locked` lets replicas claim side by side.
//!
//! A table of things to do is mostly empty when it is analysed. A join planned then reads the whole
//! of it for each row asked for, on the day it is full: rows are named by `id = any(…)`, which is
//! found by its index whatever the statistics say.

use chrono::{DateTime, Utc};
use sqlx::{Acquire, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{failures, writes};
use crate::{
    AnswerRow, AskRow, FailureRow, InputRow, Leased, OutboxRow, RowContext, StoreError, rows,
};

pub(super) async fn inputs(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    max: usize,
) -> Result<Vec<Leased<InputRow>>, StoreError> {
    let claimed = sqlx::query(
        "with due as (
             select id from input
             where due_at <= $1 and (lease_until is null or lease_until <= $1)
             order by due_at, seq limit $3 for update skip locked)
         update input i set lease = (select nextval('lease')), lease_until = $2
         where i.id = any(array(select id from due))
         returning i.due_at, i.seq, i.lease, i.id, i.key, i.kind, i.name,
                   coalesce(i.body::text, '') as body, i.cause, i.traceparent, i.correlation_id",
    )
    .bind(now)
    .bind(until)
    .bind(limit(max))
    .fetch_all(conn)
    .await?;
    in_order(&claimed, |row| {
        Ok(InputRow {
            id: row.try_get("id")?,
            key: row.try_get("key")?,
            kind: rows::kind_of(row.try_get("kind")?)?,
            name: row.try_get("name")?,
            due_at: row.try_get("due_at")?,
            body: row.try_get("body")?,
            cause: row.try_get("cause")?,
            context: context(row)?,
        })
    })
}

/// Not durable before it returns, nor is [`outbox_done`]: after a crash of the database the rows are
/// there again, due, and published once more under the same ids.
pub(super) async fn outbox(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    max: usize,
) -> Result<Vec<Leased<OutboxRow>>, StoreError> {
    let claimed = sqlx::query(
        "with due as (
             select ctid from outbox where due_at <= $1
               and (select set_config('synchronous_commit', 'off', true)) is not null
             order by due_at, seq limit $3 for update skip locked)
         update outbox o set lease = (select nextval('lease')), due_at = $2
         where o.ctid = any(array(select ctid from due))
         returning o.written_at as due_at, o.seq, o.lease, o.id, o.exchange, o.routing_key, o.mandatory,
                   o.head, o.data",
    )
    .bind(now)
    .bind(until)
    .bind(limit(max))
    .fetch_all(conn)
    .await?;
    in_order(&claimed, |row| {
        Ok(OutboxRow {
            id: row.try_get("id")?,
            exchange: row.try_get("exchange")?,
            routing_key: row.try_get("routing_key")?,
            mandatory: row.try_get("mandatory")?,
            envelope: rows::envelope(row.try_get("head")?, row.try_get("data")?)?,
        })
    })
}

pub(super) async fn asks(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    paused: &[String],
    max: usize,
) -> Result<Vec<Leased<AskRow>>, StoreError> {
    // a lease that is still there was never settled: what it covered is in doubt
    let claimed = sqlx::query(
        "with due as (
             select id from ask
             where answer is null and due_at <= $1 and (lease_until is null or lease_until <= $1)
               and agency <> all($4)
             order by due_at, seq limit $3 for update skip locked)
         update ask a set lease = (select nextval('lease')), lease_until = $2,
                          ambiguous = a.ambiguous or a.lease_until is not null
         where a.id = any(array(select id from due))
         returning a.due_at, a.seq, a.lease, a.id, a.key, a.kind, a.agency, a.body::text as body,
                   a.created_at, a.attempts, a.ambiguous, a.last_error, a.cause, a.traceparent,
                   a.correlation_id",
    )
    .bind(now)
    .bind(until)
    .bind(limit(max))
    .bind(paused)
    .fetch_all(conn)
    .await?;
    in_order(&claimed, ask)
}

pub(super) async fn answers(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    max: usize,
) -> Result<Vec<Leased<AnswerRow>>, StoreError> {
    let claimed = sqlx::query(
        "with due as (
             select id from ask
             where answer is not null and (lease_until is null or lease_until <= $1)
             order by due_at, seq limit $3 for update skip locked)
         update ask a set lease = (select nextval('lease')), lease_until = $2
         where a.id = any(array(select id from due))
         returning a.due_at, a.seq, a.lease, a.id, a.key, a.kind, a.agency, a.body::text as body,
                   a.created_at, a.attempts, a.ambiguous, a.last_error, a.cause, a.traceparent,
                   a.correlation_id, a.answer::text as answer",
    )
    .bind(now)
    .bind(until)
    .bind(limit(max))
    .fetch_all(conn)
    .await?;
    in_order(&claimed, |row| Ok(AnswerRow { ask: ask(row)?, answer: row.try_get("answer")? }))
}

pub(super) async fn outbox_done(
    conn: &mut PgConnection,
    rows: &[(Uuid, i64)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let (ids, mut leases): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
    leases.dedup();
    // An id that is there under another of these leases was published by their one holder too.
    sqlx::query(
        "delete from outbox where lease = any($2) and id = any($1)
           and (select set_config('synchronous_commit', 'off', true)) is not null",
    )
    .bind(ids)
    .bind(leases)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

pub(super) async fn outbox_later(
    conn: &mut PgConnection,
    rows: &[(Uuid, i64)],
    at: DateTime<Utc>,
    failures: Vec<FailureRow>,
    outbox: &[OutboxRow],
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    let mut ours = 0;
    for (lease, ids) in rows::by_lease(rows) {
        let sql = "update outbox set due_at = $3, lease = 0 where id = any($1) and lease = $2";
        let given = sqlx::query(sql).bind(ids).bind(lease).bind(at).execute(&mut *tx).await?;
        ours += given.rows_affected();
    }
    if ours > 0 {
        failures::keep(&mut tx, failures).await?;
        writes::add_outbox(&mut tx, outbox, None).await?;
    }
    Ok(tx.commit().await?)
}

/// Rows come back from an update in no particular order.
fn in_order<T>(
    claimed: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T, StoreError>,
) -> Result<Vec<Leased<T>>, StoreError> {
    let mut leased = Vec::with_capacity(claimed.len());
    for row in claimed {
        let order: (DateTime<Utc>, i64) = (row.try_get("due_at")?, row.try_get("seq")?);
        leased.push((order, Leased { lease: row.try_get("lease")?, row: read(row)? }));
    }
    leased.sort_by_key(|(order, _)| *order);
    Ok(leased.into_iter().map(|(_, leased)| leased).collect())
}

fn ask(row: &PgRow) -> Result<AskRow, StoreError> {
    Ok(AskRow {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        kind: row.try_get("kind")?,
        agency: row.try_get("agency")?,
        body: row.try_get("body")?,
        due_at: row.try_get("due_at")?,
        created_at: row.try_get("created_at")?,
        attempts: row.try_get("attempts")?,
        ambiguous: row.try_get("ambiguous")?,
        last_error: row.try_get("last_error")?,
        cause: row.try_get("cause")?,
        context: context(row)?,
    })
}

fn context(row: &PgRow) -> Result<RowContext, StoreError> {
    Ok(RowContext {
        traceparent: row.try_get("traceparent")?,
        correlation_id: row.try_get("correlation_id")?,
    })
}

pub(super) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
