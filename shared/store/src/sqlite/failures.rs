//! Failures as they are listed.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::claims;
use crate::{FailureRow, StoreError};

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
