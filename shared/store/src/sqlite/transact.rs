//! One batch: one statement reads, one statement writes.
//!
//! Nothing is locked in between: what was read is what the writing statement expects (versions,
//! leases, marks that are still new), or it is a conflict and changes nothing. Within a process the
//! connection is held throughout, so that only another process can be in between.

use std::collections::HashSet;

use sqlx::{Row, SqliteConnection};

use super::{lot::Lot, params};
use crate::{Fold, Loaded, Mark, StateRow, StoreError};

pub(super) async fn run(
    conn: &mut SqliteConnection,
    marks: &[Mark],
    keys: &[String],
    fold: &mut Fold<'_>,
) -> Result<(), StoreError> {
    let loaded = read(conn, marks, keys).await?;
    let new: Vec<&Mark> =
        marks.iter().zip(&loaded.fresh).filter_map(|(mark, new)| new.then_some(mark)).collect();
    Lot::batch(&new, fold(loaded))?.write(conn).await
}

async fn read(
    conn: &mut SqliteConnection,
    marks: &[Mark],
    keys: &[String],
) -> Result<Loaded, StoreError> {
    let mut states = Vec::new();
    let mut known = HashSet::new();
    if !marks.is_empty() || !keys.is_empty() {
        let rows = sqlx::query(
            "select null, key, version, body from state
             where key in (select value from json_each(?1))
             union all
             select m.key, null, null, null from json_each(?2) m
             where exists (select 1 from inbox
                           where jour = m.value ->> 0 and source = m.value ->> 1
                             and id = m.value ->> 2)",
        )
        .bind(params::array(keys)?)
        .bind(params::marks(marks)?)
        .fetch_all(conn)
        .await?;
        for row in rows {
            match row.try_get::<Option<i64>, _>(0)? {
                Some(index) => {
                    known.insert(usize::try_from(index).map_err(StoreError::fatal_source)?);
                }
                None => states.push(StateRow {
                    key: row.try_get(1)?,
                    version: row.try_get(2)?,
                    body: row.try_get(3)?,
                }),
            }
        }
    }
    let mut seen = HashSet::with_capacity(marks.len());
    let fresh = marks
        .iter()
        .enumerate()
        .map(|(index, mark)| !known.contains(&index) && seen.insert(mark))
        .collect();
    Ok(Loaded { fresh, states })
}
