//! Takes messages from the service's queue, and what the broker gave up on from its `.morts`.

use std::time::Duration;

use bus::{BusError, Consumer, QueueSpec};
use contracts::Incoming;
use kernel::failpoint;

use super::{BATCH, Engine, chain, item::Item};
use crate::api::Service;

/// At most two batches are unsettled.
const PREFETCH: u16 = 512;

/// The queues that the service reads: its own, and what the broker dead-lettered after repeated
/// crashes, its own and that of the family of agencies it answers for; those become failures.
pub(crate) fn queues<S: Service>() -> Vec<QueueSpec> {
    let own = QueueSpec::service(S::NAME, S::Message::bindings());
    let morts = own.morts();
    let family = S::FAMILLE.map(QueueSpec::morts_of);
    [own, morts].into_iter().chain(family).collect()
}

impl<S: Service> Engine<S> {
    /// Binds a queue before the service is said to be started, so that nothing published from then
    /// on is missed; a broker that is away is met by the loop.
    pub(super) async fn bind(&self, queue: &QueueSpec) -> Option<Box<dyn Consumer>> {
        self.transport.consume(queue, PREFETCH).await.ok()
    }

    pub(super) async fn consume_loop(&self, queue: QueueSpec, first: Option<Box<dyn Consumer>>) {
        let mut bound = first;
        while !self.tasks.is_stopping() {
            let consumer = match bound.take() {
                Some(consumer) => Ok(consumer),
                None => self.transport.consume(&queue, PREFETCH).await,
            };
            match consumer {
                Ok(mut consumer) => {
                    self.metrics.consumer_up(&queue.name, true);
                    self.drain(consumer.as_mut()).await;
                    self.metrics.consumer_up(&queue.name, false);
                }
                Err(BusError::Closed) => return,
                Err(error) => {
                    tracing::warn!(service = S::NAME, queue = %queue.name,
                        error = %chain(&error), "cannot consume, tried again");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = self.tasks.stopping() => {}
                    }
                }
            }
        }
    }

    async fn drain(&self, consumer: &mut dyn Consumer) {
        loop {
            let batch = tokio::select! {
                biased;
                () = self.tasks.stopping() => return,
                batch = consumer.next_batch(BATCH) => batch,
            };
            let deliveries = match batch {
                Ok(deliveries) => deliveries,
                Err(BusError::Closed) => return,
                Err(error) => {
                    tracing::warn!(service = S::NAME, error = %chain(&error), "consumer lost");
                    return;
                }
            };
            if deliveries.is_empty() {
                continue;
            }
            failpoint("message-received");
            let now = self.clock.now();
            let tags: Vec<u64> = deliveries.iter().map(|d| d.tag).collect();
            let held: Vec<_> = deliveries.iter().map(|d| d.busy.clone()).collect();
            let items = deliveries.into_iter().map(|d| Item::from_delivery(d, now)).collect();
            let committed = self.process(items).await;
            failpoint("message-committed");
            let settled =
                if committed { consumer.ack(&tags).await } else { consumer.release(&tags).await };
            failpoint("message-ack-asked");
            drop(held);
            if let Err(error) = settled {
                tracing::warn!(service = S::NAME, error = %chain(&error),
                    "not acknowledged: the broker delivers again, the inbox knows");
            }
        }
    }
}
