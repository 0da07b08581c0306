//! States as they were last written, so that they need not be parsed again: a version of a key is
//! written once, whoever writes it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use store::StateRow;

use super::stored::{Stored, parse_state};
use crate::api::Service;

/// Bytes of the bodies whose states are remembered; above, all are forgotten.
const LIMIT: usize = 4 << 20;

/// A state that a batch was given or made, and its size as the store keeps it.
pub(super) struct Held<S: Service> {
    pub(super) key: String,
    pub(super) version: i64,
    pub(super) bytes: usize,
    pub(super) stored: Stored<S::State>,
}

/// What is remembered.
pub(super) struct Memo<S: Service>(Mutex<Inside<S>>);

struct Inside<S: Service> {
    held: HashMap<String, Held<S>>,
    bytes: usize,
}

impl<S: Service> Default for Memo<S> {
    fn default() -> Self {
        Self(Mutex::new(Inside { held: HashMap::new(), bytes: 0 }))
    }
}

impl<S: Service> Memo<S> {
    fn lock(&self) -> MutexGuard<'_, Inside<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the state of a row: what is remembered of this version, else what its body says.
    ///
    /// # Errors
    /// Why the body is none.
    pub(super) fn read(&self, row: &StateRow) -> Result<Stored<S::State>, String> {
        let held = {
            let mut inside = self.lock();
            let held = inside.held.remove(&row.key);
            inside.bytes -= held.as_ref().map_or(0, |held| held.bytes);
            held
        };
        match held {
            Some(held) if held.version == row.version => Ok(held.stored),
            Some(_) | None => parse_state::<S>(&row.body),
        }
    }

    /// Remembers what is in the store now.
    pub(super) fn keep(&self, states: Vec<Held<S>>) {
        let mut inside = self.lock();
        for state in states {
            inside.bytes += state.bytes;
            let former = inside.held.insert(state.key.clone(), state);
            inside.bytes -= former.map_or(0, |held| held.bytes);
        }
        if inside.bytes > LIMIT {
            *inside = Inside { held: HashMap::new(), bytes: 0 };
        }
    }
}
