//! The journal of operators and the open tasks, as they are read.

use sqlx::{Row, SqliteConnection};

use super::claims;
use crate::{JournalEntry, JournalRow, StoreError, TaskRow};

pub(super) async fn journal(
    conn: &mut SqliteConnection,
    before: Option<i64>,
    max: usize,
) -> Result<Vec<JournalEntry>, StoreError> {
    let rows = sqlx::query(
        "select seq, at, par, action, objet, motif from journal where seq < ?1
         order by seq desc limit ?2",
    )
    .bind(before.unwrap_or(i64::MAX))
    .bind(claims::limit(max))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let (at, par, action) = (claims::instant(row, "at")?, row.try_get(2)?, row.try_get(3)?);
            let entry =
                JournalRow { at, par, action, objet: row.try_get(4)?, motif: row.try_get(5)? };
            Ok(JournalEntry { seq: row.try_get(0)?, row: entry })
        })
        .collect()
}

pub(super) async fn tasks(
    conn: &mut SqliteConnection,
    max: usize,
) -> Result<Vec<TaskRow>, StoreError> {
    let rows = sqlx::query(
        "select id, gabarit, key, objet, champs, ouverte_le from tache
         order by ouverte_le, seq limit ?1",
    )
    .bind(claims::limit(max))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TaskRow {
                id: claims::uuid(row, "id")?,
                gabarit: row.try_get(1)?,
                key: row.try_get(2)?,
                objet: row.try_get(3)?,
                champs: row.try_get(4)?,
                opened_at: claims::instant(row, "ouverte_le")?,
            })
        })
        .collect()
}
