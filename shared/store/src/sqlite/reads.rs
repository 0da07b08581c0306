//! Reads outside any batch, on the reader connection: they see the last commit and never wait for
//! the writer.

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use super::params;
use crate::{NextDue, StateRow, Stats, StoreError, rows};

pub(super) async fn state(
    conn: &mut SqliteConnection,
    key: &str,
) -> Result<Option<StateRow>, StoreError> {
    let row = sqlx::query("select key, version, body from state where key = ?1")
        .bind(key)
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(StateRow { key: row.try_get(0)?, version: row.try_get(1)?, body: row.try_get(2)? })
    })
    .transpose()
}

pub(super) async fn credential(
    conn: &mut SqliteConnection,
    name: &str,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let row = sqlx::query("select version, value from credential where name = ?1")
        .bind(name)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Each part is the first entry of an index, past the few rows in flight.
pub(super) async fn next_due(
    conn: &mut SqliteConnection,
    paused: &[String],
) -> Result<NextDue, StoreError> {
    let row = sqlx::query(
        "select
           (select due_at from input where lease_until is null order by due_at, seq limit 1),
           (select min(lease_until) from input where lease_until is not null),
           (select due_at from ask where answer is not null and lease_until is null
            order by due_at, seq limit 1),
           (select min(lease_until) from ask where answer is not null and lease_until is not null),
           (select due_at from ask where answer is null and lease_until is null
              and agency not in (select value from json_each(?1))
            order by due_at, seq limit 1),
           (select min(lease_until) from ask where answer is null and lease_until is not null
              and agency not in (select value from json_each(?1))),
           (select due_at from outbox where lease_until is null order by due_at, seq limit 1),
           (select min(lease_until) from outbox where lease_until is not null)",
    )
    .bind(params::array(paused)?)
    .fetch_one(conn)
    .await?;
    let earliest = |columns: std::ops::Range<usize>| -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut first: Option<i64> = None;
        for column in columns {
            let at: Option<i64> = row.try_get(column)?;
            first = first.into_iter().chain(at).min();
        }
        first.map(rows::instant).transpose()
    };
    Ok(NextDue {
        inputs: earliest(0..2)?,
        answers: earliest(2..4)?,
        asks: earliest(4..6)?,
        outbox: earliest(6..8)?,
    })
}

pub(super) async fn stats(conn: &mut SqliteConnection) -> Result<Stats, StoreError> {
    let outbox =
        sqlx::query("select count(*), min(written_at) from outbox").fetch_one(&mut *conn).await?;
    let oldest: Option<i64> = outbox.try_get(1)?;
    let mut stats = Stats {
        outbox: outbox.try_get(0)?,
        outbox_oldest: oldest.map(rows::instant).transpose()?,
        ..Stats::default()
    };
    let asks = sqlx::query(
        "select agency, count(*), min(created_at) from ask where answer is null
         group by agency order by agency",
    );
    for row in asks.fetch_all(&mut *conn).await? {
        let oldest: Option<i64> = row.try_get(2)?;
        let oldest = oldest.map(rows::instant).transpose()?;
        stats.asks.push((row.try_get(0)?, row.try_get(1)?, oldest));
    }
    let failures = sqlx::query(
        "select code, count(*) from failure where outcome is null group by code order by code",
    );
    for row in failures.fetch_all(&mut *conn).await? {
        stats.failures.push((row.try_get(0)?, row.try_get(1)?));
    }
    let etapes = sqlx::query(
        "select etape, count(*), min(etape_depuis) from state where etape is not null
         group by etape order by etape",
    );
    for row in etapes.fetch_all(conn).await? {
        let oldest: Option<i64> = row.try_get(2)?;
        let oldest = oldest.map(rows::instant).transpose()?;
        stats.etapes.push((row.try_get(0)?, row.try_get(1)?, oldest));
    }
    Ok(stats)
}
