//! Settles asks; what calls to agencies share: credentials and budgets.
//!
//! `num_nulls(answer) = 1` is `answer is null` without the words of a partial index, which would be
//! read as a whole instead of the one row that is named: see [`super::claims`].

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Acquire, PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

use super::{failures, writes};
use crate::{FailureRow, OutboxRow, StoreError, rows};

pub(super) async fn answered(
    conn: &mut PgConnection,
    (id, lease): (Uuid, i64),
    answer: &str,
    until: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    // no lease: a token that is given back is spent
    let done = sqlx::query(
        "update ask set answer = $3::text::json, lease_until = $4,
                        lease = case when $4::timestamptz is null then 0 else lease end
         where id = $1 and lease = $2 and num_nulls(answer) = 1",
    )
    .bind(id)
    .bind(lease)
    .bind(answer)
    .bind(until)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn later(
    conn: &mut PgConnection,
    (id, lease): (Uuid, i64),
    at: DateTime<Utc>,
    error: &str,
    attempted: bool,
) -> Result<bool, StoreError> {
    // an attempt that was not made says nothing about the one before
    let mut error = error.to_owned();
    rows::without_nul(&mut error);
    let done = sqlx::query(
        "update ask set due_at = $3, last_error = $4, attempts = attempts + $5::boolean::integer,
                        ambiguous = ambiguous and not $5,
                        lease = 0, lease_until = null
         where id = $1 and lease = $2 and num_nulls(answer) = 1",
    )
    .bind(id)
    .bind(lease)
    .bind(at)
    .bind(error)
    .bind(attempted)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn failed(
    conn: &mut PgConnection,
    (id, lease): (Uuid, i64),
    failure: FailureRow,
    outbox: &[OutboxRow],
) -> Result<bool, StoreError> {
    let mut tx = conn.begin().await?;
    let ours =
        sqlx::query("delete from ask where id = $1 and lease = $2 and num_nulls(answer) = 1")
            .bind(id)
            .bind(lease)
            .execute(&mut *tx)
            .await?;
    if ours.rows_affected() == 0 {
        return Ok(false);
    }
    failures::keep(&mut tx, vec![failure]).await?;
    writes::add_outbox(&mut tx, outbox, None).await?;
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn put_credential(
    conn: &mut PgConnection,
    name: &str,
    expected: Option<i64>,
    value: &[u8],
) -> Result<bool, StoreError> {
    let query = match expected {
        None => sqlx::query(
            "insert into credential (name, version, value) values ($1, 1, $2)
             on conflict do nothing",
        )
        .bind(name)
        .bind(value),
        Some(version) => sqlx::query(
            "update credential set version = version + 1, value = $2
             where name = $1 and version = $3",
        )
        .bind(name)
        .bind(value)
        .bind(version),
    };
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// A window begins with the first call after the one before has ended.
pub(super) async fn take_budget(
    conn: &mut PgConnection,
    agency: &str,
    now: DateTime<Utc>,
    (window, limit): (Duration, u32),
    anyway: bool,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let microseconds = rows::window_us(window);
    if limit == 0 {
        return Ok(Some(now + TimeDelta::microseconds(microseconds)));
    }
    let window = PgInterval { months: 0, days: 0, microseconds };
    let taken = sqlx::query(
        "insert into budget as b (agency, started_at, used) values ($1, $2, 1)
         on conflict (agency) do update set
             started_at = case when b.started_at + $3 * (greatest(b.used, $4)::float8 / $4) <= $2
                               then $2 else b.started_at end,
             used = case when b.started_at + $3 * (greatest(b.used, $4)::float8 / $4) <= $2
                         then 1 else b.used + 1 end
         where b.started_at + $3 * (greatest(b.used, $4)::float8 / $4) <= $2
            or b.used < $4 or $5",
    )
    .bind(agency)
    .bind(now)
    .bind(window)
    .bind(i64::from(limit))
    .bind(anyway)
    .execute(&mut *conn)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(None);
    }
    let ends = sqlx::query_scalar(
        "select started_at + $2 * (greatest(used, $3)::float8 / $3) from budget where agency = $1",
    )
    .bind(agency)
    .bind(window)
    .bind(i64::from(limit))
    .fetch_one(conn)
    .await?;
    Ok(Some(ends))
}
