//! What a store's migrations are, without changing anything: for `relais doctor`.

use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;

/// What a look at a store found.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The database's clock; SQLite has none of its own.
    pub now: Option<DateTime<Utc>>,
    /// Migrations of the store, in order; those that did not end as well.
    pub applied: Vec<i64>,
    /// Migrations that began and did not end.
    pub broken: Vec<i64>,
    /// Migrations of this program, in order.
    pub known: Vec<i64>,
}

impl Inspection {
    pub(crate) fn new(migrator: &Migrator, rows: &[(i64, bool)]) -> Self {
        Self {
            now: None,
            applied: rows.iter().map(|(version, _)| *version).collect(),
            broken: rows.iter().filter(|(_, done)| !done).map(|(version, _)| *version).collect(),
            known: migrator.iter().map(|migration| migration.version).collect(),
        }
    }

    /// What a newer program did: this one refuses to start.
    pub fn newer(&self) -> Vec<i64> {
        self.applied.iter().filter(|version| !self.known.contains(version)).copied().collect()
    }

    /// What the next start does.
    pub fn pending(&self) -> Vec<i64> {
        self.known.iter().filter(|version| !self.applied.contains(version)).copied().collect()
    }
}
