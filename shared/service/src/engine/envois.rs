//! Rows of the outbox on their way from the commit that wrote them to the relay, without a claim:
//! they are born under a lease of this process. If it dies they are claimed when the lease ends.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use chrono::{DateTime, Utc};
use kernel::{Busy, Tasks};
use store::{Leased, OutboxRow, Writes};

/// Rows that may be on their way at a time; what is committed above that waits in the store.
const PLACES: usize = 4_096;

/// What wakes the relay.
pub(crate) struct Envoi {
    /// Keeps virtual time still until the relay has dealt with it.
    pub busy: Busy,
    /// Rows to publish, leased to this process; none when the store must be looked at.
    pub rows: Vec<Leased<OutboxRow>>,
}

impl From<Busy> for Envoi {
    /// The store must be looked at.
    fn from(busy: Busy) -> Self {
        Self { busy, rows: Vec::new() }
    }
}

/// The rows of one process that are on their way.
#[derive(Debug)]
pub(super) struct Envois {
    /// The fencing token of the next batch: below 0, where no claim's is, at random, for another
    /// process has others.
    token: AtomicI64,
    taken: AtomicUsize,
}

impl Envois {
    pub(super) fn new() -> Self {
        let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
        let token = i64::try_from(high >> 2).map_or(-1, |n| -1 - n);
        Self { token: AtomicI64::new(token), taken: AtomicUsize::new(0) }
    }

    /// Has the outbox rows of a commit born under a lease until `until`, when there is room and
    /// nobody stops; they are published once the commit is known to have succeeded.
    pub(super) fn embark(
        &self,
        writes: &mut Writes,
        until: DateTime<Utc>,
        tasks: &Tasks,
    ) -> Option<Embarked<'_>> {
        let rows = writes.outbox.len();
        let fits = |taken: usize| (taken + rows <= PLACES).then_some(taken + rows);
        if rows == 0 || self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_err()
        {
            return None;
        }
        let lease = self.token.fetch_sub(1, Ordering::Relaxed);
        let embarked = Embarked { envois: self, lease, rows: Arc::clone(&writes.outbox) };
        // Looked at after the places are taken: a relay that stops waits for them, or is not gone.
        if tasks.is_stopping() {
            return None;
        }
        writes.outbox_lease = Some((lease, until));
        Some(embarked)
    }

    /// Rows were settled.
    pub(super) fn give_back(&self, rows: usize) {
        self.taken.fetch_sub(rows, Ordering::AcqRel);
    }

    /// Nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.load(Ordering::Acquire) == 0
    }
}

/// Rows whose commit is not known to have succeeded; their places are given back when it did not.
pub(super) struct Embarked<'a> {
    envois: &'a Envois,
    lease: i64,
    rows: Arc<Vec<OutboxRow>>,
}

impl Embarked<'_> {
    /// The commit has succeeded: whoever takes the rows gives their places back.
    pub(super) fn into_rows(mut self) -> Vec<Leased<OutboxRow>> {
        // The store has let go of them: nothing is copied.
        let rows = Arc::unwrap_or_clone(std::mem::take(&mut self.rows));
        rows.into_iter().map(|row| Leased { lease: self.lease, row }).collect()
    }
}

impl Drop for Embarked<'_> {
    fn drop(&mut self) {
        self.envois.give_back(self.rows.len());
    }
}
