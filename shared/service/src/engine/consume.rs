//! Takes messages from the service's queue, and what the broker gave up on from its `.morts`.

use std::time::Duration;

use bus::{BusError, Consumer, Delivery, QueueSpec};
use contracts::Incoming;
use futures_util::{StreamExt, stream::FuturesUnordered};
use kernel::{Busy, failpoint};

use super::{Engine, chain, item::Item};
use crate::api::Service;

/// Batches in flight, of one queue.
const BATCHES: usize = 2;

/// A batch whose work is over.
struct Handled {
    tags: Vec<u64>,
    /// Everything is settled in the store; false when the service stopped before.
    committed: bool,
    /// Virtual time stands still until the batch is acknowledged.
    _held: Vec<Busy>,
}

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
        self.transport.consume(queue, self.settings.prefetch()).await.ok()
    }

    pub(super) async fn consume_loop(&self, queue: QueueSpec, first: Option<Box<dyn Consumer>>) {
        let mut bound = first;
        while !self.tasks.is_stopping() {
            let consumer = match bound.take() {
                Some(consumer) => Ok(consumer),
                None => self.transport.consume(&queue, self.settings.prefetch()).await,
            };
            match consumer {
                Ok(mut consumer) => {
                    self.metrics.consumer_up(&queue.name, true);
                    self.drain(&queue.name, consumer.as_mut()).await;
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

    /// Batches follow each other: while one commits, the next is received and decoded.
    async fn drain(&self, queue: &str, consumer: &mut dyn Consumer) {
        let mut works = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = self.tasks.stopping() => break,
                Some(handled) = works.next() => self.settle(consumer, handled).await,
                batch = consumer.next_batch(self.settings.batch()), if works.len() < BATCHES => {
                    match batch {
                        Ok(deliveries) if deliveries.is_empty() => {
                            self.metrics.consumer_up(queue, consumer.connected());
                        }
                        Ok(deliveries) => works.push(self.handle(deliveries)),
                        Err(BusError::Closed) => break,
                        Err(error) => {
                            tracing::warn!(service = S::NAME, error = %chain(&error),
                                "consumer lost");
                            break;
                        }
                    }
                }
            }
        }
        while let Some(handled) = works.next().await {
            self.settle(consumer, handled).await;
        }
    }

    async fn handle(&self, deliveries: Vec<Delivery>) -> Handled {
        failpoint("message-received");
        let now = self.clock.now();
        let tags = deliveries.iter().map(|d| d.tag).collect();
        let held = deliveries.iter().map(|d| d.busy.clone()).collect();
        let items = deliveries.into_iter().map(|d| Item::from_delivery(d, now)).collect();
        let committed = self.process(items).await;
        failpoint("message-committed");
        Handled { tags, committed, _held: held }
    }

    async fn settle(&self, consumer: &mut dyn Consumer, handled: Handled) {
        let settled = if handled.committed {
            consumer.ack(&handled.tags).await
        } else {
            consumer.release(&handled.tags).await
        };
        failpoint("message-ack-asked");
        if let Err(error) = settled {
            tracing::warn!(service = S::NAME, error = %chain(&error),
                "not acknowledged: the broker delivers again, the inbox knows");
        }
    }
}
