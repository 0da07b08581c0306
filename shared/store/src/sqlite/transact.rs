//! One batch: one statement reads, unless what it reads is known, and one statement writes.
//!
//! Nothing is locked in between: what was read is what the writing statement expects (versions,
//! leases, marks that are still new), or it is a conflict and changes nothing. Within a process the
//! connection is held throughout, so that only another process can be in between.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sqlx::{Row, SqliteConnection};

use super::{
    known::{self, Known},
    lot::Lot,
    params,
};
use crate::{Fold, Loaded, Mark, StateRow, StoreError};

pub(super) async fn run(
    conn: &mut SqliteConnection,
    known: Option<&Mutex<Known>>,
    marks: &[Mark],
    keys: &[String],
    fold: &mut Fold<'_>,
) -> Result<(), StoreError> {
    let remembered = known.and_then(|known| lock(known).load(marks, keys));
    if let (Some(known), Some(loaded)) = (known, remembered) {
        match decide(conn, Some(known), marks, loaded, fold).await {
            Err(StoreError::Conflict) => keys.iter().for_each(|key| lock(known).forget(key)),
            done => return done,
        }
    }
    let loaded = read(conn, marks, keys).await?;
    decide(conn, known, marks, loaded, fold).await
}

async fn decide(
    conn: &mut SqliteConnection,
    known: Option<&Mutex<Known>>,
    marks: &[Mark],
    loaded: Loaded,
    fold: &mut Fold<'_>,
) -> Result<(), StoreError> {
    let new: Vec<&Mark> =
        marks.iter().zip(&loaded.fresh).filter_map(|(mark, new)| new.then_some(mark)).collect();
    let writes = fold(loaded);
    let written = known.map(|_| known::written(&writes));
    Lot::batch(&new, writes)?.write(conn).await?;
    if let (Some(known), Some(written)) = (known, written) {
        lock(known).keep(written);
    }
    Ok(())
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
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
