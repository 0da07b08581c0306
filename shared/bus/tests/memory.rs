//! The conformance suite on the in-process transport.

use std::sync::Arc;

use async_trait::async_trait;
use bus::{MemoryBus, QueueSpec, SharedTransport, conformance::Ground};
use contracts::Agence;
use kernel::Clock;

struct InProcess(Arc<MemoryBus>);

#[async_trait]
impl Ground for InProcess {
    async fn service(&self, _name: &str) -> SharedTransport {
        Arc::clone(&self.0) as SharedTransport
    }

    async fn agency(&self, agence: Agence) -> SharedTransport {
        self.0.agency(agence)
    }

    async fn leave(&self, _queues: &[QueueSpec]) {}
}

#[tokio::test]
async fn conforms() {
    bus::conformance::suite(|_| async {
        Box::new(InProcess(MemoryBus::new(Clock::system()))) as Box<dyn Ground>
    })
    .await;
}
