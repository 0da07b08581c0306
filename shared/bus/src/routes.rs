//! Which queues a routing key reaches, remembered by key.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contracts::Flux;

use crate::{QueueSpec, topic_matches};

/// The bindings of every queue known to one process.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    bindings: BTreeMap<String, BTreeSet<(Flux, String)>>,
    /// As many entries as there are keys in use: types of messages, times agencies. Emptied when a
    /// binding is added.
    known: BTreeMap<(Flux, String), Arc<[String]>>,
}

impl Routes {
    /// Adds a queue and its bindings; what exists is kept.
    pub(crate) fn declare(&mut self, spec: &QueueSpec) {
        let bindings = self.bindings.entry(spec.name.clone()).or_default();
        let before = bindings.len();
        bindings.extend(spec.bindings.iter().cloned());
        if bindings.len() != before {
            self.known.clear();
        }
    }

    /// The queues' names, in order.
    pub(crate) fn route(&mut self, flux: Flux, key: &str) -> Arc<[String]> {
        if let Some(known) = self.known.get(&(flux, key.to_owned())) {
            return Arc::clone(known);
        }
        let reached = |bindings: &BTreeSet<(Flux, String)>| {
            bindings.iter().any(|(f, pattern)| *f == flux && topic_matches(pattern, key))
        };
        let queues = self.bindings.iter().filter(|(_, bindings)| reached(bindings));
        let names: Arc<[String]> = queues.map(|(name, _)| name.clone()).collect();
        self.known.insert((flux, key.to_owned()), Arc::clone(&names));
        names
    }
}
