//! The journal of operators and the open tasks.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{claims, writes::column};
use crate::{JournalEntry, JournalRow, StoreError, TaskRow, rows};

pub(super) async fn write_journal(
    conn: &mut PgConnection,
    journal: Vec<JournalRow>,
) -> Result<(), StoreError> {
    if journal.is_empty() {
        return Ok(());
    }
    let journal = rows::journal(journal);
    sqlx::query(
        "insert into journal (at, par, action, objet, motif)
         select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[])",
    )
    .bind(column(&journal, |row| row.at))
    .bind(column(&journal, |row| row.par.as_str()))
    .bind(column(&journal, |row| row.action.as_str()))
    .bind(column(&journal, |row| row.objet.as_str()))
    .bind(column(&journal, |row| row.motif.as_deref()))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn journal(
    conn: &mut PgConnection,
    before: Option<i64>,
    max: usize,
) -> Result<Vec<JournalEntry>, StoreError> {
    let rows = sqlx::query(
        "select seq, at, par, action, objet, motif from journal where seq < $1
         order by seq desc limit $2",
    )
    .bind(before.unwrap_or(i64::MAX))
    .bind(claims::limit(max))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let (at, par, action) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            let entry =
                JournalRow { at, par, action, objet: row.try_get(4)?, motif: row.try_get(5)? };
            Ok(JournalEntry { seq: row.try_get(0)?, row: entry })
        })
        .collect()
}

pub(super) async fn open_tasks(
    conn: &mut PgConnection,
    tasks: Vec<TaskRow>,
) -> Result<(), StoreError> {
    if tasks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into tache (id, gabarit, key, objet, champs, ouverte_le)
         select id, gabarit, key, objet, champs::jsonb, ouverte_le
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],
                     $6::timestamptz[])
              n (id, gabarit, key, objet, champs, ouverte_le)
         on conflict do nothing",
    )
    .bind(column(&tasks, |row| row.id))
    .bind(column(&tasks, |row| row.gabarit.as_str()))
    .bind(column(&tasks, |row| row.key.as_str()))
    .bind(column(&tasks, |row| row.objet.as_str()))
    .bind(column(&tasks, |row| row.champs.as_str()))
    .bind(column(&tasks, |row| row.opened_at))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn close_tasks(
    conn: &mut PgConnection,
    closed: &[Uuid],
) -> Result<(), StoreError> {
    if !closed.is_empty() {
        sqlx::query("delete from tache where id = any($1)").bind(closed).execute(conn).await?;
    }
    Ok(())
}

pub(super) async fn tasks(conn: &mut PgConnection, max: usize) -> Result<Vec<TaskRow>, StoreError> {
    let rows = sqlx::query(
        "select id, gabarit, key, objet, champs::text, ouverte_le from tache
         order by ouverte_le, seq limit $1",
    )
    .bind(claims::limit(max))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TaskRow {
                id: row.try_get(0)?,
                gabarit: row.try_get(1)?,
                key: row.try_get(2)?,
                objet: row.try_get(3)?,
                champs: row.try_get(4)?,
                opened_at: row.try_get(5)?,
            })
        })
        .collect()
}
