//! Many rows in one statement: a parameter is an array, one per column.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};

use crate::{AskRow, InputRow, OutboxRow, StoreError, rows};

/// One column of the rows.
pub(super) fn column<'a, R, T>(rows: &'a [R], read: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(read).collect()
}

pub(super) async fn add_outbox(
    conn: &mut PgConnection,
    outbox: &[OutboxRow],
    lease: Option<(i64, DateTime<Utc>)>,
) -> Result<(), StoreError> {
    if outbox.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "insert into outbox (id, exchange, routing_key, mandatory, head, data, written_at, due_at,
                             lease)
         select id, exchange, routing_key, mandatory, head, data, written_at,
                coalesce($9, written_at), $8
         from unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::bytea[],
                     $7::timestamptz[])
              n (id, exchange, routing_key, mandatory, head, data, written_at)",
    );
    bind_outbox(query, outbox, lease)?.execute(conn).await?;
    Ok(())
}

/// The parameters $1 to $9 of a statement that writes messages to publish.
pub(super) fn bind_outbox<'q>(
    query: Query<'q, Postgres, PgArguments>,
    outbox: &'q [OutboxRow],
    lease: Option<(i64, DateTime<Utc>)>,
) -> Result<Query<'q, Postgres, PgArguments>, StoreError> {
    let heads =
        outbox.iter().map(|row| rows::head(&row.envelope)).collect::<Result<Vec<_>, _>>()?;
    Ok(query
        .bind(column(outbox, |row| row.id))
        .bind(column(outbox, |row| row.exchange.as_str()))
        .bind(column(outbox, |row| row.routing_key.as_str()))
        .bind(column(outbox, |row| row.mandatory))
        .bind(heads)
        .bind(column(outbox, |row| row.envelope.data.as_slice()))
        .bind(column(outbox, |row| row.envelope.time))
        .bind(lease.map_or(0, |(token, _)| token))
        .bind(lease.map(|(_, until)| until)))
}

pub(super) async fn add_asks(conn: &mut PgConnection, asks: &[AskRow]) -> Result<(), StoreError> {
    if asks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into ask (id, key, kind, agency, body, due_at, created_at, attempts, ambiguous,
                          last_error, cause, traceparent, correlation_id)
         select id, key, kind, agency, body::jsonb, due_at, created_at, attempts, ambiguous,
                last_error, cause, traceparent, correlation_id
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],
                     $6::timestamptz[], $7::timestamptz[], $8::integer[], $9::boolean[],
                     $10::text[], $11::text[], $12::text[], $13::text[])
              n (id, key, kind, agency, body, due_at, created_at, attempts, ambiguous,
                 last_error, cause, traceparent, correlation_id)
         on conflict do nothing",
    )
    .bind(column(asks, |row| row.id))
    .bind(column(asks, |row| row.key.as_str()))
    .bind(column(asks, |row| row.kind.as_str()))
    .bind(column(asks, |row| row.agency.as_str()))
    .bind(column(asks, |row| row.body.as_str()))
    .bind(column(asks, |row| row.due_at))
    .bind(column(asks, |row| row.created_at))
    .bind(column(asks, |row| row.attempts))
    .bind(column(asks, |row| row.ambiguous))
    .bind(column(asks, |row| row.last_error.as_deref()))
    .bind(column(asks, |row| row.cause.as_str()))
    .bind(column(asks, |row| row.context.traceparent.as_deref()))
    .bind(column(asks, |row| row.context.correlation_id.as_deref()))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn put_inputs(
    conn: &mut PgConnection,
    inputs: Vec<InputRow>,
) -> Result<(), StoreError> {
    let inputs = rows::Inputs::new(inputs);
    // no lease: a claim of what is replaced settles nothing any more
    let replace = "insert into input (id, key, kind, name, due_at, body, cause, traceparent,
                                      correlation_id)
         select id, key, kind, name, due_at, nullif(body, '')::jsonb, cause, traceparent,
                correlation_id
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
                     $6::text[], $7::text[], $8::text[], $9::text[])
              n (id, key, kind, name, due_at, body, cause, traceparent, correlation_id)
         on conflict (key, name) where kind = 'wake' do update set
             id = excluded.id, due_at = excluded.due_at, body = excluded.body,
             cause = excluded.cause, traceparent = excluded.traceparent,
             correlation_id = excluded.correlation_id, lease = 0, lease_until = null";
    insert_inputs(conn, replace, &inputs.wakes).await?;
    let keep = "insert into input (id, key, kind, name, due_at, body, cause, traceparent,
                                   correlation_id)
         select id, key, kind, name, due_at, nullif(body, '')::jsonb, cause, traceparent,
                correlation_id
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
                     $6::text[], $7::text[], $8::text[], $9::text[])
              n (id, key, kind, name, due_at, body, cause, traceparent, correlation_id)
         on conflict do nothing";
    insert_inputs(conn, keep, &inputs.others).await
}

async fn insert_inputs(
    conn: &mut PgConnection,
    sql: &'static str,
    inputs: &[InputRow],
) -> Result<(), StoreError> {
    if inputs.is_empty() {
        return Ok(());
    }
    sqlx::query(sql)
        .bind(column(inputs, |row| row.id))
        .bind(column(inputs, |row| row.key.as_str()))
        .bind(column(inputs, |row| rows::kind_text(row.kind)))
        .bind(column(inputs, |row| row.name.as_str()))
        .bind(column(inputs, |row| row.due_at))
        .bind(column(inputs, |row| row.body.as_str()))
        .bind(column(inputs, |row| row.cause.as_str()))
        .bind(column(inputs, |row| row.context.traceparent.as_deref()))
        .bind(column(inputs, |row| row.context.correlation_id.as_deref()))
        .execute(conn)
        .await?;
    Ok(())
}
