//! Settles asks; what calls to agencies share: credentials and budgets.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::lot::Lot;
use crate::{FailureRow, OutboxRow, StoreError, rows};

pub(super) async fn answered(
    conn: &mut SqliteConnection,
    (id, lease): (Uuid, i64),
    answer: &str,
    until: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    // lease + 1: a token that is given back is spent
    let done = sqlx::query(
        "update ask set answer = ?3, lease = lease + (?4 is null), lease_until = ?4
         where id = ?1 and lease = ?2 and answer is null",
    )
    .bind(id.to_string())
    .bind(lease)
    .bind(answer)
    .bind(until.map(|until| until.timestamp_micros()))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn later(
    conn: &mut SqliteConnection,
    (id, lease): (Uuid, i64),
    at: DateTime<Utc>,
    error: &str,
    attempted: bool,
) -> Result<bool, StoreError> {
    // an attempt that was not made says nothing about the one before
    let mut error = error.to_owned();
    rows::without_nul(&mut error);
    let done = sqlx::query(
        "update ask set due_at = ?3, last_error = ?4, attempts = attempts + ?5,
                        ambiguous = ambiguous and not ?5,
                        lease = lease + 1, lease_until = null
         where id = ?1 and lease = ?2 and answer is null",
    )
    .bind(id.to_string())
    .bind(lease)
    .bind(at.timestamp_micros())
    .bind(error)
    .bind(attempted)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn failed(
    conn: &mut SqliteConnection,
    (id, lease): (Uuid, i64),
    failure: FailureRow,
    outbox: &[OutboxRow],
) -> Result<bool, StoreError> {
    let mut tx = conn.begin_with("begin immediate").await?;
    let ours = sqlx::query("delete from ask where id = ?1 and lease = ?2 and answer is null")
        .bind(id.to_string())
        .bind(lease)
        .execute(&mut *tx)
        .await?;
    if ours.rows_affected() == 0 {
        return Ok(false);
    }
    Lot::failures(vec![failure], outbox)?.write(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn put_credential(
    conn: &mut SqliteConnection,
    name: &str,
    expected: Option<i64>,
    value: &[u8],
) -> Result<bool, StoreError> {
    let query = match expected {
        None => sqlx::query(
            "insert into credential (name, version, value) values (?1, 1, ?2)
             on conflict do nothing",
        )
        .bind(name)
        .bind(value),
        Some(version) => sqlx::query(
            "update credential set version = version + 1, value = ?2
             where name = ?1 and version = ?3",
        )
        .bind(name)
        .bind(value)
        .bind(version),
    };
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// A window begins with the first call after the one before has ended. A call that is made `anyway`
/// may be one too many: the window then lasts longer.
pub(super) async fn take_budget(
    conn: &mut SqliteConnection,
    agency: &str,
    now: DateTime<Utc>,
    (window, limit): (Duration, u32),
    anyway: bool,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let window_us = rows::window_us(window);
    if limit == 0 {
        return Ok(Some(now + TimeDelta::microseconds(window_us)));
    }
    let taken = sqlx::query(
        "insert into budget (agency, started_at, used) values (?1, ?2, 1)
         on conflict (agency) do update set
             started_at = iif(started_at + ?3 * max(used, ?4) / ?4 <= ?2, ?2, started_at),
             used = iif(started_at + ?3 * max(used, ?4) / ?4 <= ?2, 1, used + 1)
         where started_at + ?3 * max(used, ?4) / ?4 <= ?2 or used < ?4 or ?5",
    )
    .bind(agency)
    .bind(now.timestamp_micros())
    .bind(window_us)
    .bind(limit)
    .bind(anyway)
    .execute(&mut *conn)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(None);
    }
    let ends = sqlx::query_scalar(
        "select started_at + ?2 * max(used, ?3) / ?3 from budget where agency = ?1",
    )
    .bind(agency)
    .bind(window_us)
    .bind(limit)
    .fetch_one(conn)
    .await?;
    Ok(Some(rows::instant(ends)?))
}
