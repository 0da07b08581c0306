//! What the only connection of a store knows: of the states, what it wrote last is what is there,
//! and need not be read again; the budgets are nobody else's, and need not be written.

use std::collections::HashMap;

use crate::{Loaded, Mark, StateRow, Writes, budgets::Budgets, rows};

/// Bytes of the states that are remembered; above, all are forgotten.
const LIMIT: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Known {
    states: HashMap<String, StateRow>,
    bytes: usize,
    pub(super) budgets: Budgets,
}

impl Known {
    /// A batch's states, when all are known. Its marks are taken for new: the batch that is written
    /// with one that is not is a conflict, and is then read.
    pub(super) fn load(&self, marks: &[Mark], keys: &[String]) -> Option<Loaded> {
        let states = keys.iter().map(|key| self.states.get(key).cloned()).collect::<Option<_>>()?;
        Some(Loaded { fresh: rows::fresh(marks, |_, _| true), states })
    }

    /// Remembers what was written.
    pub(super) fn keep(&mut self, states: Vec<StateRow>) {
        for state in states {
            self.forget(&state.key);
            self.bytes += size(&state);
            self.states.insert(state.key.clone(), state);
        }
        if self.bytes > LIMIT {
            self.states = HashMap::new();
            self.bytes = 0;
        }
    }

    /// Has a state read again.
    pub(super) fn forget(&mut self, key: &str) {
        self.bytes -= self.states.remove(key).as_ref().map_or(0, size);
    }
}

/// The states that a batch writes, as they will be read.
pub(super) fn written(writes: &Writes) -> Vec<StateRow> {
    let row = |state: &crate::StateWrite| StateRow {
        key: state.key.clone(),
        version: state.version,
        body: state.body.clone(),
    };
    writes.states.iter().map(row).collect()
}

fn size(state: &StateRow) -> usize {
    state.key.len() + state.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(key: &str, version: i64, bytes: usize) -> StateRow {
        StateRow { key: key.to_owned(), version, body: "x".repeat(bytes) }
    }

    fn keys(of: &Known, keys: &[&str]) -> Option<Vec<i64>> {
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        Some(of.load(&[], &keys)?.states.iter().map(|state| state.version).collect())
    }

    #[test]
    fn the_last_version_is_known_until_it_is_forgotten() {
        let mut known = Known::default();
        known.keep(vec![state("a", 1, 10), state("b", 1, 10)]);
        known.keep(vec![state("a", 2, 5)]);
        assert_eq!(keys(&known, &["a", "b"]), Some(vec![2, 1]));
        assert_eq!(keys(&known, &["a", "c"]), None, "one is not known");
        known.forget("a");
        assert_eq!(keys(&known, &["a"]), None);
        assert_eq!(known.bytes, "b".len() + 10);
    }

    #[test]
    fn it_is_bounded() {
        let mut known = Known::default();
        known.keep(vec![state("a", 1, LIMIT)]);
        assert_eq!((known.states.len(), known.bytes), (0, 0));
    }
}
