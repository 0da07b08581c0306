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
use crate::{Decide, Found, Loaded, Mark, StateRow, Step, StoreError, rows};

pub(super) async fn run(
    conn: &mut SqliteConnection,
    known: Option<&Mutex<Known>>,
    marks: &[Mark],
    keys: &[String],
    decide: &mut Decide<'_>,
) -> Result<(), StoreError> {
    let mut batch = Batch { conn, known, marks, read: keys.to_vec() };
    if let Some(loaded) = known.and_then(|known| lock(known).load(marks, keys)) {
        match batch.run(loaded, decide).await {
            Err(StoreError::Conflict) => batch.forget(),
            done => return done,
        }
    }
    batch.read = keys.to_vec();
    let loaded = read(batch.conn, marks, keys).await?;
    let done = batch.run(loaded, decide).await;
    if matches!(done, Err(StoreError::Conflict)) {
        batch.forget();
    }
    done
}

struct Batch<'a> {
    conn: &'a mut SqliteConnection,
    known: Option<&'a Mutex<Known>>,
    marks: &'a [Mark],
    /// The keys of the states that it was given.
    read: Vec<String>,
}

impl Batch<'_> {
    async fn run(&mut self, loaded: Loaded, decide: &mut Decide<'_>) -> Result<(), StoreError> {
        let new = self.marks.iter().zip(&loaded.fresh);
        let new: Vec<&Mark> = new.filter_map(|(mark, new)| new.then_some(mark)).collect();
        let mut found = Found::Begun(loaded);
        let writes = loop {
            match decide(found) {
                Step::Read(keys) => found = Found::More(self.read_on(keys).await?),
                Step::Write(writes) => break *writes,
            }
        };
        let written = self.known.map(|_| known::written(&writes));
        Lot::batch(&new, writes)?.write(self.conn).await?;
        if let (Some(known), Some(written)) = (self.known, written) {
            lock(known).keep(written);
        }
        Ok(())
    }

    async fn read_on(&mut self, keys: Vec<String>) -> Result<Vec<StateRow>, StoreError> {
        let remembered = self.known.and_then(|known| lock(known).load(&[], &keys));
        let states = match remembered {
            Some(loaded) => loaded.states,
            None => read(self.conn, &[], &keys).await?.states,
        };
        self.read.extend(keys);
        Ok(states)
    }

    /// Has the states that it was given read again.
    fn forget(&self) {
        if let Some(known) = self.known {
            self.read.iter().for_each(|key| lock(known).forget(key));
        }
    }
}

pub(super) fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
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
        let found = sqlx::query(
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
        for row in found {
            match row.try_get::<Option<i64>, _>(0)? {
                Some(rank) => {
                    known.insert(usize::try_from(rank).map_err(StoreError::fatal_source)?);
                }
                None => states.push(StateRow {
                    key: row.try_get(1)?,
                    version: row.try_get(2)?,
                    body: row.try_get(3)?,
                }),
            }
        }
    }
    let fresh = rows::fresh(marks, |rank, _| !known.contains(&rank));
    Ok(Loaded { fresh, states })
}
