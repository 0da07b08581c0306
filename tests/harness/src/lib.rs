//! What the crates of tests share: where the servers are, and binaries of the workspace as processes
//! that never outlive their owner.

mod processus;
mod serveurs;

use std::time::{Duration, Instant};

pub use processus::{Processus, binaire};
pub use serveurs::{Prives, Serveurs, tls, variable};

/// Waits for a condition; false when it does not come in time.
pub async fn attendre(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}
