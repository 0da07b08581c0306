//! How the suite opens tables in memory.

use std::sync::Arc;

use store::{SharedStore, memory::MemoryStore};

/// Two handles on the same tables, as two replicas would hold them.
pub(crate) fn open_two() -> [SharedStore; 2] {
    let one = MemoryStore::default();
    let other = one.other();
    [Arc::new(one), Arc::new(other)]
}
