//! What the demo needs of a transport in one process, whatever the transport: every message
//! published, once; and virtual time that waits for what travels through a broker.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use kernel::{Busy, Clock, derive_id};
use uuid::Uuid;

use crate::{
    BusError, Confirmation, Consumer, Delivery, Publication, QueueSpec, SharedTransport, Transport,
    attributes::complete, is_dead_letter_queue, routes::Routes,
};

type Hook = dyn Fn(&Publication) + Send + Sync;

/// Watches the transports of one process; cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    hook: Box<Hook>,
    /// 16 bytes a message: a re-send may come at any time.
    seen: Mutex<HashSet<Uuid>>,
    clock: Option<Clock>,
    ledger: Mutex<Ledger>,
}

/// Who waits for what.
#[derive(Debug, Default)]
struct Ledger {
    routes: Routes,
    queues: BTreeMap<String, Queue>,
}

/// What travels to one queue.
#[derive(Debug, Default)]
struct Queue {
    consumers: usize,
    travelling: BTreeMap<Name, Travelling>,
}

/// (source, id).
type Name = (String, String);

#[derive(Debug, Default)]
struct Travelling {
    copies: usize,
    /// One per copy while somebody reads the queue: what waits for a stopped reader is nobody's
    /// work.
    guards: Vec<Busy>,
}

impl Watch {
    /// Calls `hook` for each message once it is confirmed, once per (source, id). Enough for the
    /// in-process transport, which keeps virtual time by itself.
    pub fn new(hook: impl Fn(&Publication) + Send + Sync + 'static) -> Self {
        Self::with(Box::new(hook), None)
    }

    /// The same, and virtual time stands still from before a message is published until every
    /// queue that this process reads has had it acknowledged. For a real broker.
    pub fn holding_time(clock: Clock, hook: impl Fn(&Publication) + Send + Sync + 'static) -> Self {
        Self::with(Box::new(hook), Some(clock))
    }

    fn with(hook: Box<Hook>, clock: Option<Clock>) -> Self {
        Self(Arc::new(Inner { hook, seen: Mutex::default(), clock, ledger: Mutex::default() }))
    }

    /// The same transport, watched. Every transport of the process, the agencies' included, goes
    /// through the same watch.
    pub fn over(&self, transport: SharedTransport) -> SharedTransport {
        Arc::new(Observed { inner: transport, watch: self.clone() })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_new(&self, name: &Name) -> bool {
        let id = derive_id(&[&name.0, &name.1]);
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }

    /// Holds time for each queue that a message travels to; returns these queues.
    fn depart(&self, message: &Publication, name: &Name) -> Arc<[String]> {
        let Some(clock) = &self.0.clock else { return Arc::default() };
        let mut ledger = self.ledger();
        let names = ledger.routes.route(message.flux, &message.routing_key);
        for queue in names.iter() {
            let queue = ledger.queues.entry(queue.clone()).or_default();
            let is_read = queue.consumers > 0;
            let travelling = queue.travelling.entry(name.clone()).or_default();
            travelling.copies += 1;
            if is_read {
                travelling.guards.push(clock.busy());
            }
        }
        names
    }

    /// One copy of a message has arrived in a queue for good, or never will.
    fn arrive(&self, queue: &str, name: &Name) {
        let mut ledger = self.ledger();
        let Some(queue) = ledger.queues.get_mut(queue) else { return };
        let Some(travelling) = queue.travelling.get_mut(name) else { return };
        travelling.copies -= 1;
        let guard = travelling.guards.pop();
        if travelling.copies == 0 {
            queue.travelling.remove(name);
        }
        drop(ledger);
        // Letting go of a guard may wake the clock's driver: outside of the lock.
        drop(guard);
    }

    /// A dead letter left the queue it was in: every queue whose dead letters go where it is read.
    fn bury(&self, morts: &str, name: &Name) {
        let names: Vec<String> = {
            let ledger = self.ledger();
            let sends = |queue: &str| QueueSpec::service(queue, Vec::new()).morts().name == morts;
            ledger.queues.keys().filter(|queue| sends(queue)).cloned().collect()
        };
        for queue in names {
            self.arrive(&queue, name);
        }
    }

    fn begin_reading(&self, spec: &QueueSpec) {
        let Some(clock) = &self.0.clock else { return };
        let mut ledger = self.ledger();
        ledger.routes.declare(spec);
        let queue = ledger.queues.entry(spec.name.clone()).or_default();
        queue.consumers += 1;
        for travelling in queue.travelling.values_mut() {
            travelling.guards.resize_with(travelling.copies, || clock.busy());
        }
    }

    fn end_reading(&self, queue: &str) {
        let mut idle = Vec::new();
        let mut ledger = self.ledger();
        if let Some(queue) = ledger.queues.get_mut(queue) {
            queue.consumers = queue.consumers.saturating_sub(1);
            if queue.consumers == 0 {
                let waiting = queue.travelling.values_mut();
                idle.extend(waiting.map(|travelling| std::mem::take(&mut travelling.guards)));
            }
        }
        drop(ledger);
        drop(idle);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("clock", &self.0.clock).finish_non_exhaustive()
    }
}

/// A transport under a [`Watch`].
pub struct Observed {
    inner: SharedTransport,
    watch: Watch,
}

#[async_trait]
impl Transport for Observed {
    async fn publish(&self, messages: Vec<Publication>) -> Vec<Confirmation> {
        let names: Vec<Name> = messages.iter().map(name_of).collect();
        let journeys: Vec<Arc<[String]>> =
            messages.iter().zip(&names).map(|(m, name)| self.watch.depart(m, name)).collect();
        let confirmations = self.inner.publish(messages.clone()).await;
        let outcomes = messages.iter().zip(&names).zip(&journeys).zip(&confirmations);
        for (((message, name), queues), confirmation) in outcomes {
            match confirmation {
                Confirmation::Confirmed => {
                    if self.watch.is_new(name) {
                        (self.watch.0.hook)(message);
                    }
                }
                Confirmation::Returned | Confirmation::Failed => {
                    queues.iter().for_each(|queue| self.watch.arrive(queue, name));
                }
            }
        }
        confirmations
    }

    async fn consume(
        &self,
        queue: &QueueSpec,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, BusError> {
        let inner = self.inner.consume(queue, prefetch).await?;
        self.watch.begin_reading(queue);
        Ok(Box::new(ObservedConsumer {
            inner,
            watch: self.watch.clone(),
            queue: queue.name.clone(),
            unsettled: BTreeMap::new(),
        }))
    }

    async fn ready(&self, limit: Duration) -> bool {
        self.inner.ready(limit).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

struct ObservedConsumer {
    inner: Box<dyn Consumer>,
    watch: Watch,
    queue: String,
    unsettled: BTreeMap<u64, Name>,
}

impl ObservedConsumer {
    fn note(&mut self, delivery: &Delivery) {
        let name = (delivery.envelope.source.clone(), delivery.envelope.id.clone());
        if is_dead_letter_queue(&self.queue) {
            self.watch.bury(&self.queue, &name);
        }
        self.unsettled.insert(delivery.tag, name);
    }
}

#[async_trait]
impl Consumer for ObservedConsumer {
    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let batch = self.inner.next_batch(max).await?;
        if batch.is_empty() {
            // What was not settled comes again.
            self.unsettled.clear();
        }
        if self.watch.0.clock.is_some() {
            for delivery in &batch {
                self.note(delivery);
            }
        }
        Ok(batch)
    }

    async fn ack(&mut self, tags: &[u64]) -> Result<(), BusError> {
        self.inner.ack(tags).await?;
        for tag in tags {
            if let Some(name) = self.unsettled.remove(tag) {
                self.watch.arrive(&self.queue, &name);
            }
        }
        Ok(())
    }

    async fn release(&mut self, tags: &[u64]) -> Result<(), BusError> {
        for tag in tags {
            self.unsettled.remove(tag);
        }
        self.inner.release(tags).await
    }

    fn connected(&self) -> bool {
        self.inner.connected()
    }
}

impl Drop for ObservedConsumer {
    fn drop(&mut self) {
        self.watch.end_reading(&self.queue);
    }
}

/// The name under which a message will be delivered.
fn name_of(message: &Publication) -> Name {
    let envelope = &message.envelope;
    if envelope.id.is_empty() || envelope.source.is_empty() {
        let (completed, _) = complete(envelope.clone(), &message.routing_key);
        return (completed.source, completed.id);
    }
    (envelope.source.clone(), envelope.id.clone())
}

#[cfg(test)]
mod tests;
