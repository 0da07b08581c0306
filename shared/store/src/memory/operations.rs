//! What operators see: failures, the journal, open tasks.

use std::{cmp::Reverse, collections::BTreeMap};

use uuid::Uuid;

use super::Tables;
use crate::{FailureFilter, FailureGroup, FailureHead, FailureRow, JournalEntry, TaskRow};

impl Tables {
    /// Failures, newest first.
    pub fn failures(&self, open_only: bool, max: usize) -> Vec<FailureRow> {
        let listed = self.failures.iter().rev().filter(|f| !open_only || f.outcome.is_none());
        let mut listed: Vec<_> = listed.cloned().collect();
        listed.sort_by_key(|failure| Reverse(failure.first_seen));
        listed.truncate(max);
        listed
    }

    /// One failure.
    pub fn failure(&self, id: Uuid) -> Option<&FailureRow> {
        self.failures.iter().find(|failure| failure.id == id)
    }

    /// Failures of a filter, the first seen first.
    fn filtered(&self, filter: &FailureFilter) -> Vec<&FailureRow> {
        let wanted = |failure: &FailureRow| {
            (!filter.open_only || failure.outcome.is_none())
                && filter.code.as_ref().is_none_or(|code| *code == failure.code)
                && filter.kind.as_ref().is_none_or(|kind| *kind == failure.kind)
                && filter.since.is_none_or(|since| failure.first_seen >= since)
        };
        let mut placed: Vec<_> =
            self.failures.iter().enumerate().map(|(seq, f)| ((f.first_seen, seq), f)).collect();
        placed.sort_by_key(|(place, _)| *place);
        if let Some(after) = filter.after {
            let last = placed.iter().position(|(_, failure)| failure.id == after);
            // Nothing follows one that does not exist.
            placed.drain(..last.map_or(placed.len(), |place| place + 1));
        }
        placed.into_iter().map(|(_, failure)| failure).filter(|f| wanted(f)).collect()
    }

    /// Failures without their bodies, the first seen first.
    pub fn failure_heads(&self, filter: &FailureFilter, max: usize) -> Vec<FailureHead> {
        let head = |failure: &FailureRow| FailureHead {
            id: failure.id,
            key: failure.key.clone(),
            origin: failure.origin.clone(),
            kind: failure.kind.clone(),
            code: failure.code.clone(),
            reason: failure.reason.clone(),
            first_seen: failure.first_seen,
            attempts: failure.attempts,
            outcome: failure.outcome.clone(),
            body_bytes: i64::try_from(failure.body.len()).unwrap_or(i64::MAX),
        };
        self.filtered(filter).into_iter().take(max).map(head).collect()
    }

    /// Failures counted by code and kind, the most numerous first.
    pub fn failure_groups(&self, filter: &FailureFilter) -> Vec<FailureGroup> {
        let mut groups = BTreeMap::<(&str, &str), FailureGroup>::new();
        for failure in self.filtered(filter) {
            let group = groups.entry((&failure.code, &failure.kind)).or_insert(FailureGroup {
                code: failure.code.clone(),
                kind: failure.kind.clone(),
                count: 0,
                oldest: failure.first_seen,
                newest: failure.first_seen,
            });
            group.count += 1;
            group.newest = failure.first_seen;
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| Reverse(group.count));
        groups
    }

    /// The journal, newest first, before a place of it when one is given.
    pub fn journal(&self, before: Option<i64>, max: usize) -> Vec<JournalEntry> {
        let rows = (1_i64..).zip(&self.journal).collect::<Vec<_>>().into_iter().rev();
        let earlier = rows.filter(|(seq, _)| before.is_none_or(|before| *seq < before));
        earlier.take(max).map(|(seq, row)| JournalEntry { seq, row: row.clone() }).collect()
    }

    /// Open tasks, the oldest first.
    pub fn tasks(&self, max: usize) -> Vec<TaskRow> {
        let mut tasks = self.tasks.clone();
        tasks.sort_by_key(|task| task.opened_at);
        tasks.truncate(max);
        tasks
    }
}
