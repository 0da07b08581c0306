//! Connects, and creates what may be missing: a database, a schema.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Inspection, StoreError};

/// Connections of one service: loops and ops endpoints take turns.
const CONNECTIONS: u32 = 8;
/// How long an operation waits for one of them before the database counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn pool(url: &str, schema: Option<&str>) -> Result<PgPool, StoreError> {
    let mut options = parse(url)?;
    if options.get_application_name().is_none() {
        options = options.application_name("relais");
    }
    options = options.options([
        // a replica that is frozen inside a transaction must not hold its locks for ever
        ("idle_in_transaction_session_timeout", "60s"),
        ("lock_timeout", "30s"),
        // Every statement of the store finds its rows by an index, whatever the statistics say: a
        // plan made while a table was empty is kept, and would read the whole of it ever after.
        // What is due next is read in the order of its index, not gathered and sorted.
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        // the cost of a plan without choice means nothing, and must not have it compiled
        ("jit", "off"),
    ]);
    if let Some(schema) = schema {
        let quoted = quote(schema)?;
        create_schema(&options, schema, &quoted).await?;
        options = options.options([("search_path", quoted)]);
    }
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // a broken connection is found by the statement itself, which is retried
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Creates the database that `url` names, if it does not exist and if the user may.
///
/// # Errors
/// [`StoreError::Away`] when the server does not answer, [`StoreError::Fatal`] when the user may
/// not, or the URL is wrong.
pub async fn create_database_if_missing(url: &str) -> Result<(), StoreError> {
    let options = parse(url)?;
    let name = options.get_database().unwrap_or_else(|| options.get_username()).to_owned();
    match PgConnection::connect_with(&options).await {
        Ok(conn) => return Ok(conn.close().await?),
        // 3D000: the database does not exist
        Err(error) if is(&error, &["3D000"]) => {}
        Err(error) => return Err(error.into()),
    }
    let mut conn = PgConnection::connect_with(&options.database("postgres")).await?;
    let sql = format!("create database {}", quote(&name)?);
    // 42P04, 23505: another one has just created it
    created(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await, &["42P04", "23505"])?;
    Ok(conn.close().await?)
}

/// Drops a schema and everything in it: for stores that are thrown away (demonstrations, tests).
///
/// # Errors
/// [`StoreError::Away`] when the server does not answer, [`StoreError::Fatal`] when the user may
/// not, or a name is wrong.
pub async fn drop_schema(url: &str, schema: &str) -> Result<(), StoreError> {
    let sql = format!("drop schema if exists {} cascade", quote(schema)?);
    let mut conn = PgConnection::connect_with(&parse(url)?).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await?;
    Ok(conn.close().await?)
}

/// Looks at the migrations of a store, and creates nothing.
///
/// # Errors
/// [`StoreError::Away`] when the server does not answer, [`StoreError::Fatal`] when the database
/// does not exist, or a name is wrong.
pub async fn inspect(url: &str, schema: Option<&str>) -> Result<Inspection, StoreError> {
    let mut options = parse(url)?;
    if let Some(schema) = schema {
        options = options.options([("search_path", quote(schema)?)]);
    }
    let mut conn = PgConnection::connect_with(&options).await?;
    let now: DateTime<Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut conn).await?;
    let migrated: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut conn)
        .await?;
    let rows: Vec<(i64, bool)> = if migrated {
        sqlx::query_as("select version, success from _sqlx_migrations order by version")
            .fetch_all(&mut conn)
            .await?
    } else {
        Vec::new()
    };
    conn.close().await?;
    Ok(Inspection { now: Some(now), ..Inspection::new(&super::MIGRATIONS, &rows) })
}

async fn create_schema(
    options: &PgConnectOptions,
    schema: &str,
    quoted: &str,
) -> Result<(), StoreError> {
    let mut conn = PgConnection::connect_with(options).await?;
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_namespace where nspname = $1)")
            .bind(schema)
            .fetch_one(&mut conn)
            .await?;
    if !exists {
        let sql = format!("create schema if not exists {quoted}");
        // 42P06, 23505: another one has just created it
        created(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await, &["42P06", "23505"])?;
    }
    Ok(conn.close().await?)
}

fn created<T>(done: Result<T, sqlx::Error>, meanwhile: &[&str]) -> Result<(), StoreError> {
    match done {
        Ok(_) => Ok(()),
        Err(error) if is(&error, meanwhile) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| codes.contains(&&*code))
}

fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    // the driver's own error may repeat the URL, and with it the password
    url.parse().map_err(|_| StoreError::fatal("the database URL is not valid"))
}

/// A name as an SQL identifier.
fn quote(name: &str) -> Result<String, StoreError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    // 63 bytes: PostgreSQL cuts longer ones silently
    if (1..=63).contains(&name.len()) && name.bytes().all(known) {
        Ok(format!("\"{name}\""))
    } else {
        Err(StoreError::fatal("a name of a database or schema is 1 to 63 letters, digits, _ or -"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_or_refused() {
        assert_eq!(quote("ds-intake").expect("fine"), "\"ds-intake\"");
        for wrong in ["", "a\"b", "a b", "é", &"a".repeat(64)] {
            assert!(quote(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_url_is_not_repeated() {
        let error = parse("postgres://u:secret@[").expect_err("refused");
        assert!(!format!("{error:?}").contains("secret"));
    }
}
