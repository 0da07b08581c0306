//! Failures as they are listed.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::claims;
use crate::{FailureFilter, FailureGroup, FailureHead, FailureRow, StoreError};

pub(super) async fn list(
    conn: &mut SqliteConnection,
    open_only: bool,
    max: usize,
) -> Result<Vec<FailureRow>, StoreError> {
    let query = if open_only {
        sqlx::query(
            "select id, key, origin, kind, code, reason, body, meta, first_seen, attempts, outcome
             from failure where outcome is null order by first_seen desc, seq desc limit ?1",
        )
    } else {
        sqlx::query(
            "select id, key, origin, kind, code, reason, body, meta, first_seen, attempts, outcome
             from failure order by first_seen desc, seq desc limit ?1",
        )
    };
    query.bind(claims::limit(max)).fetch_all(conn).await?.iter().map(failure).collect()
}

pub(super) async fn heads(
    conn: &mut SqliteConnection,
    filter: &FailureFilter,
    max: usize,
) -> Result<Vec<FailureHead>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "select id, key, origin, kind, code, reason, first_seen, attempts, outcome,
                length(body) as body_bytes
         from failure where true",
    );
    filtered(&mut query, filter);
    query.push(" order by first_seen, seq limit ").push_bind(claims::limit(max));
    query.build().fetch_all(conn).await?.iter().map(head).collect()
}

pub(super) async fn groups(
    conn: &mut SqliteConnection,
    filter: &FailureFilter,
) -> Result<Vec<FailureGroup>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "select code, kind, count(*) as count, min(first_seen) as oldest,
                max(first_seen) as newest
         from failure where true",
    );
    filtered(&mut query, filter);
    query.push(" group by code, kind order by count(*) desc, code, kind");
    let group = |row: &SqliteRow| {
        Ok(FailureGroup {
            code: row.try_get("code")?,
            kind: row.try_get("kind")?,
            count: row.try_get("count")?,
            oldest: claims::instant(row, "oldest")?,
            newest: claims::instant(row, "newest")?,
        })
    };
    query.build().fetch_all(conn).await?.iter().map(group).collect()
}

fn filtered(query: &mut QueryBuilder<Sqlite>, filter: &FailureFilter) {
    if filter.open_only {
        query.push(" and outcome is null");
    }
    if let Some(code) = &filter.code {
        query.push(" and code = ").push_bind(code.clone());
    }
    if let Some(kind) = &filter.kind {
        query.push(" and kind = ").push_bind(kind.clone());
    }
    if let Some(since) = filter.since {
        query.push(" and first_seen >= ").push_bind(since.timestamp_micros());
    }
    if let Some(after) = filter.after {
        query
            .push(" and (first_seen, seq) > (select first_seen, seq from failure where id = ")
            .push_bind(after.to_string())
            .push(")");
    }
}

fn head(row: &SqliteRow) -> Result<FailureHead, StoreError> {
    Ok(FailureHead {
        id: claims::uuid(row, "id")?,
        key: row.try_get("key")?,
        origin: row.try_get("origin")?,
        kind: row.try_get("kind")?,
        code: row.try_get("code")?,
        reason: row.try_get("reason")?,
        first_seen: claims::instant(row, "first_seen")?,
        attempts: row.try_get("attempts")?,
        outcome: row.try_get("outcome")?,
        body_bytes: row.try_get("body_bytes")?,
    })
}

pub(super) async fn one(
    conn: &mut SqliteConnection,
    id: Uuid,
) -> Result<Option<FailureRow>, StoreError> {
    let row = sqlx::query(
        "select id, key, origin, kind, code, reason, body, meta, first_seen, attempts, outcome
         from failure where id = ?1",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(failure).transpose()
}

fn failure(row: &SqliteRow) -> Result<FailureRow, StoreError> {
    Ok(FailureRow {
        id: claims::uuid(row, "id")?,
        key: row.try_get("key")?,
        origin: row.try_get("origin")?,
        kind: row.try_get("kind")?,
        code: row.try_get("code")?,
        reason: row.try_get("reason")?,
        body: row.try_get("body")?,
        meta: row.try_get("meta")?,
        first_seen: claims::instant(row, "first_seen")?,
        attempts: row.try_get("attempts")?,
        outcome: row.try_get("outcome")?,
    })
}
