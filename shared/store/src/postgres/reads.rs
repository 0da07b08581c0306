//! Reads outside any batch.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use crate::{NextDue, StateRow, Stats, StoreError};

pub(super) async fn state(
    conn: &mut PgConnection,
    key: &str,
) -> Result<Option<StateRow>, StoreError> {
    let row = sqlx::query("select key, version, body::text from state where key = $1")
        .bind(key)
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(StateRow { key: row.try_get(0)?, version: row.try_get(1)?, body: row.try_get(2)? })
    })
    .transpose()
}

pub(super) async fn credential(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let row = sqlx::query("select version, value from credential where name = $1")
        .bind(name)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Each part is the first entry of an index, past the few rows in flight.
pub(super) async fn next_due(
    conn: &mut PgConnection,
    paused: &[String],
) -> Result<NextDue, StoreError> {
    let row = sqlx::query(
        // what is leased is little: it is read by the one index that says so
        "select
           (select due_at from input where lease_until is null order by due_at, seq limit 1),
           (select min(lease_until) from input where lease_until is not null),
           (select due_at from ask where answer is not null and lease_until is null
            order by due_at, seq limit 1),
           leased.answers,
           (select due_at from ask where answer is null and lease_until is null
              and agency <> all($1)
            order by due_at, seq limit 1),
           leased.asks,
           (select due_at from outbox order by due_at, seq limit 1)
         from (select min(lease_until) filter (where answer is not null) as answers,
                      min(lease_until) filter (where answer is null and agency <> all($1)) as asks
               from ask where lease_until is not null) leased",
    )
    .bind(paused)
    .fetch_one(conn)
    .await?;
    let earliest = |columns: std::ops::Range<usize>| -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut first: Option<DateTime<Utc>> = None;
        for column in columns {
            let at: Option<DateTime<Utc>> = row.try_get(column)?;
            first = first.into_iter().chain(at).min();
        }
        Ok(first)
    };
    Ok(NextDue {
        inputs: earliest(0..2)?,
        answers: earliest(2..4)?,
        asks: earliest(4..6)?,
        outbox: earliest(6..7)?,
    })
}

pub(super) async fn stats(conn: &mut PgConnection) -> Result<Stats, StoreError> {
    let outbox =
        sqlx::query("select count(*), min(written_at) from outbox").fetch_one(&mut *conn).await?;
    let asks = sqlx::query(
        "select agency, count(*), min(created_at) from ask where answer is null
         group by agency order by agency",
    );
    let failures = sqlx::query(
        "select code, count(*) from failure where outcome is null group by code order by code",
    );
    let etapes = sqlx::query(
        "select etape, count(*), min(etape_depuis) from state where etape is not null
         group by etape order by etape",
    );
    let mut stats =
        Stats { outbox: outbox.try_get(0)?, outbox_oldest: outbox.try_get(1)?, ..Stats::default() };
    for row in asks.fetch_all(&mut *conn).await? {
        stats.asks.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    }
    for row in failures.fetch_all(&mut *conn).await? {
        stats.failures.push((row.try_get(0)?, row.try_get(1)?));
    }
    for row in etapes.fetch_all(conn).await? {
        stats.etapes.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    }
    Ok(stats)
}
