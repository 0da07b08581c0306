//! A table whose rows are claimed by lease.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::Leased;

/// A row and who holds it.
pub(super) struct Held<T> {
    pub(super) row: T,
    pub(super) due: DateTime<Utc>,
    pub(super) lease: i64,
    pub(super) until: Option<DateTime<Utc>>,
}

impl<T> Held<T> {
    fn is_free(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// Gives the row back under a token that nobody has.
    pub(super) fn give_back(&mut self) {
        self.lease += 1;
        self.until = None;
    }
}

/// Rows in order of insertion, found by their id.
pub(super) struct Table<T> {
    rows: BTreeMap<i64, Held<T>>,
    ids: HashMap<Uuid, i64>,
    last: i64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), ids: HashMap::new(), last: 0 }
    }
}

impl<T: Clone> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Held<T>> {
        self.rows.values()
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&Held<T>> {
        self.rows.get(self.ids.get(&id)?)
    }

    pub(super) fn get_mut(&mut self, id: Uuid) -> Option<&mut Held<T>> {
        self.rows.get_mut(self.ids.get(&id)?)
    }

    /// The row held under exactly this lease.
    pub(super) fn held(&mut self, id: Uuid, lease: i64) -> Option<&mut Held<T>> {
        self.get_mut(id).filter(|held| held.lease == lease)
    }

    /// Adds a row, unless its id exists.
    pub(super) fn add(&mut self, id: Uuid, due: DateTime<Utc>, row: T) {
        self.add_leased(id, due, row, None);
    }

    /// The same, born under a lease.
    pub(super) fn add_leased(
        &mut self,
        id: Uuid,
        due: DateTime<Utc>,
        row: T,
        lease: Option<(i64, DateTime<Utc>)>,
    ) {
        if self.ids.contains_key(&id) {
            return;
        }
        self.last += 1;
        self.ids.insert(id, self.last);
        let (lease, until) = lease.map_or((0, None), |(token, until)| (token, Some(until)));
        self.rows.insert(self.last, Held { row, due, lease, until });
    }

    /// Replaces a row in its place, under another id.
    pub(super) fn replace(&mut self, old: Uuid, id: Uuid, due: DateTime<Utc>, row: T) {
        let Some(seq) = self.ids.remove(&old) else { return };
        self.ids.insert(id, seq);
        if let Some(held) = self.rows.get_mut(&seq) {
            (held.row, held.due) = (row, due);
            held.give_back();
        }
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<T> {
        let seq = self.ids.remove(&id)?;
        self.rows.remove(&seq).map(|held| held.row)
    }

    /// Claims what is free and wanted, oldest first; `note` sees each row before its new lease.
    pub(super) fn claim(
        &mut self,
        (now, until): (DateTime<Utc>, DateTime<Utc>),
        max: usize,
        wanted: impl Fn(&Held<T>) -> bool,
        mut note: impl FnMut(&mut Held<T>),
    ) -> Vec<Leased<T>> {
        let free = self.rows.iter().filter(|(_, held)| held.is_free(now) && wanted(held));
        let mut order: Vec<_> = free.map(|(seq, held)| (held.due, *seq)).collect();
        order.sort_unstable();
        order.truncate(max);
        let mut leased = Vec::with_capacity(order.len());
        for (_, seq) in order {
            let Some(held) = self.rows.get_mut(&seq) else { continue };
            note(held);
            // Never a token that a row of the same id had before.
            held.lease = held.lease.max(seq << 20) + 1;
            held.until = Some(until);
            leased.push(Leased { lease: held.lease, row: held.row.clone() });
        }
        leased
    }

    /// The earliest instant at which a wanted row is due, or its lease runs out.
    pub(super) fn next(&self, wanted: impl Fn(&T) -> bool) -> Option<DateTime<Utc>> {
        let wanted = self.rows.values().filter(|held| wanted(&held.row));
        wanted.map(|held| held.until.unwrap_or(held.due)).min()
    }
}
