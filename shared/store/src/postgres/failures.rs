//! Failures: kept, closed, listed.

use sqlx::{PgConnection, Postgres, QueryBuilder, Row, postgres::PgRow};
use uuid::Uuid;

use super::{claims, writes::column};
use crate::{FailureFilter, FailureGroup, FailureHead, FailureRow, StoreError, rows};

pub(super) async fn keep(
    conn: &mut PgConnection,
    failures: Vec<FailureRow>,
) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    let failures = rows::failures(failures);
    sqlx::query(
        "insert into failure as f (id, key, origin, kind, code, reason, body, meta, first_seen,
                                   attempts, outcome)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],
                              $6::text[], $7::bytea[], $8::text[], $9::timestamptz[],
                              $10::integer[], $11::text[])
         on conflict (id) do update set
             attempts = f.attempts + 1, outcome = null,
             code = excluded.code, reason = excluded.reason, meta = excluded.meta",
    )
    .bind(column(&failures, |row| row.id))
    .bind(column(&failures, |row| row.key.as_deref()))
    .bind(column(&failures, |row| row.origin.as_str()))
    .bind(column(&failures, |row| row.kind.as_str()))
    .bind(column(&failures, |row| row.code.as_str()))
    .bind(column(&failures, |row| row.reason.as_str()))
    .bind(column(&failures, |row| row.body.as_slice()))
    .bind(column(&failures, |row| row.meta.as_str()))
    .bind(column(&failures, |row| row.first_seen))
    .bind(column(&failures, |row| row.attempts))
    .bind(column(&failures, |row| row.outcome.as_deref()))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn close(
    conn: &mut PgConnection,
    closed: &[(Uuid, String)],
) -> Result<(), StoreError> {
    if closed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update failure f set outcome = c.outcome
         from unnest($1::uuid[], $2::text[]) c (id, outcome) where f.id = c.id",
    )
    .bind(column(closed, |row| row.0))
    .bind(column(closed, |row| row.1.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn list(
    conn: &mut PgConnection,
    open_only: bool,
    max: usize,
) -> Result<Vec<FailureRow>, StoreError> {
    let query = if open_only {
        sqlx::query(
            "select id, key, origin, kind, code, reason, body, meta, first_seen, attempts, outcome
             from failure where outcome is null order by first_seen desc, seq desc limit $1",
        )
    } else {
        sqlx::query(
            "select id, key, origin, kind, code, reason, body, meta, first_seen, attempts, outcome
             from failure order by first_seen desc, seq desc limit $1",
        )
    };
    query.bind(claims::limit(max)).fetch_all(conn).await?.iter().map(failure).collect()
}

pub(super) async fn heads(
    conn: &mut PgConnection,
    filter: &FailureFilter,
    max: usize,
) -> Result<Vec<FailureHead>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select id, key, origin, kind, code, reason, first_seen, attempts, outcome,
                octet_length(body)::bigint as body_bytes
         from failure where true",
    );
    filtered(&mut query, filter);
    query.push(" order by first_seen, seq limit ").push_bind(claims::limit(max));
    query.build().fetch_all(conn).await?.iter().map(head).collect()
}

pub(super) async fn groups(
    conn: &mut PgConnection,
    filter: &FailureFilter,
) -> Result<Vec<FailureGroup>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select code, kind, count(*) as count, min(first_seen) as oldest,
                max(first_seen) as newest
         from failure where true",
    );
    filtered(&mut query, filter);
    query.push(" group by code, kind order by count(*) desc, code, kind");
    let group = |row: &PgRow| {
        Ok(FailureGroup {
            code: row.try_get("code")?,
            kind: row.try_get("kind")?,
            count: row.try_get("count")?,
            oldest: row.try_get("oldest")?,
            newest: row.try_get("newest")?,
        })
    };
    query.build().fetch_all(conn).await?.iter().map(group).collect()
}

fn filtered(query: &mut QueryBuilder<Postgres>, filter: &FailureFilter) {
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
        query.push(" and first_seen >= ").push_bind(since);
    }
    if let Some(after) = filter.after {
        query
            .push(" and (first_seen, seq) > (select first_seen, seq from failure where id = ")
            .push_bind(after)
            .push(")");
    }
}

fn head(row: &PgRow) -> Result<FailureHead, StoreError> {
    Ok(FailureHead {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        origin: row.try_get("origin")?,
        kind: row.try_get("kind")?,
        code: row.try_get("code")?,
        reason: row.try_get("reason")?,
        first_seen: row.try_get("first_seen")?,
        attempts: row.try_get("attempts")?,
        outcome: row.try_get("outcome")?,
        body_bytes: row.try_get("body_bytes")?,
    })
}

pub(super) async fn one(
    conn: &mut PgConnection,
    id: Uuid,
) -> Result<Option<FailureRow>, StoreError> {
    let row = sqlx::query(
        "select id, key, origin, kind, code, reason, body, meta, first_seen, attempts, outcome
         from failure where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(failure).transpose()
}

fn failure(row: &PgRow) -> Result<FailureRow, StoreError> {
    Ok(FailureRow {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        origin: row.try_get("origin")?,
        kind: row.try_get("kind")?,
        code: row.try_get("code")?,
        reason: row.try_get("reason")?,
        body: row.try_get("body")?,
        meta: row.try_get("meta")?,
        first_seen: row.try_get("first_seen")?,
        attempts: row.try_get("attempts")?,
        outcome: row.try_get("outcome")?,
    })
}
