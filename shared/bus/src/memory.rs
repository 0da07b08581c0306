//! The in-process transport. A publication is confirmed only when every queue bound to its key
//! has had it acknowledged, so the sender's outbox row survives until then; nothing here is
//! durable, nothing needs to be. Identities obey the same rules as on the broker.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use contracts::Agence;
use kernel::{Busy, Clock};
use tokio::sync::{Notify, oneshot};

use crate::{
    BusError, Confirmation, Consumer, Delivery, Origin, Publication, QueueSpec, Rejection,
    SharedTransport, Transport,
    attributes::complete,
    identity::{Identity, judge},
    is_dead_letter_queue,
    routes::Routes,
    spent_deliveries,
};

/// A transport inside one process.
#[derive(Debug)]
pub struct MemoryBus {
    inner: Arc<Inner>,
    identity: Identity,
}

impl MemoryBus {
    /// A transport without any queue, on which the caller speaks for Relais.
    pub fn new(clock: Clock) -> Arc<Self> {
        let inner = Arc::new(Inner { clock, state: Mutex::default() });
        Arc::new(Self { inner, identity: Identity::Service("relais".to_owned()) })
    }

    /// The same transport as one agency sees it: it reads its own queue and publishes answers
    /// under its own keys; any other publication is [`Confirmation::Failed`].
    pub fn agency(&self, agence: Agence) -> SharedTransport {
        Arc::new(Self { inner: Arc::clone(&self.inner), identity: Identity::Agence(agence) })
    }

    /// Creates a queue and its bindings; what exists is kept.
    pub fn declare(&self, queue: &QueueSpec) {
        self.inner.lock().declare(queue);
    }
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    queues: BTreeMap<String, Queue>,
    routes: Routes,
    next_number: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// By number of arrival: what is given back takes its place again.
    ready: BTreeMap<u64, Item>,
    consumers: usize,
    arrived: Arc<Notify>,
}

/// One message in one queue.
#[derive(Debug)]
struct Item {
    message: Arc<Published>,
    settled: Arc<Settlement>,
    /// Held while somebody reads the queue: what waits for a stopped reader is nobody's work.
    busy: Option<Busy>,
}

#[derive(Debug)]
struct Published {
    publication: Publication,
    origin: Origin,
    rejection: Option<Rejection>,
}

/// Resolves the publication when the last queue acknowledges; dropped before, it has failed.
#[derive(Debug)]
struct Settlement {
    remaining: AtomicUsize,
    confirm: Mutex<Option<oneshot::Sender<Confirmation>>>,
}

impl Settlement {
    fn acknowledge(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            let sender = self.confirm.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(sender) = sender {
                // A publisher that went away publishes again: the inbox knows the message.
                let _ = sender.send(Confirmation::Confirmed);
            }
        }
    }
}

impl State {
    fn declare(&mut self, spec: &QueueSpec) {
        self.routes.declare(spec);
        self.queues.entry(spec.name.clone()).or_default();
    }

    /// Puts a message in every queue its key reaches.
    fn enqueue(&mut self, message: Published, clock: &Clock) -> Outcome {
        if self.closed {
            return Outcome::Known(Confirmation::Failed);
        }
        let publication = &message.publication;
        let names = self.routes.route(publication.flux, &publication.routing_key);
        if names.is_empty() {
            return Outcome::Known(if publication.mandatory {
                Confirmation::Returned
            } else {
                Confirmation::Confirmed
            });
        }
        let (sender, receiver) = oneshot::channel();
        let settled = Arc::new(Settlement {
            remaining: AtomicUsize::new(names.len()),
            confirm: Mutex::new(Some(sender)),
        });
        let message = Arc::new(message);
        for name in names.iter() {
            let number = self.next_number;
            self.next_number += 1;
            let Some(queue) = self.queues.get_mut(name) else { continue };
            let busy = (queue.consumers > 0).then(|| clock.busy());
            let item = Item { message: Arc::clone(&message), settled: Arc::clone(&settled), busy };
            queue.ready.insert(number, item);
            queue.arrived.notify_waiters();
        }
        Outcome::Pending(receiver)
    }
}

/// What a publication waits for.
enum Outcome {
    Known(Confirmation),
    Pending(oneshot::Receiver<Confirmation>),
}

#[async_trait]
impl Transport for MemoryBus {
    async fn publish(&self, messages: Vec<Publication>) -> Vec<Confirmation> {
        let outcomes: Vec<Outcome> = {
            let mut state = self.inner.lock();
            let send = |publication: Publication| {
                if !self.identity.may_publish(&publication) {
                    return Outcome::Known(Confirmation::Failed);
                }
                state.enqueue(published(publication, &self.identity), &self.inner.clock)
            };
            messages.into_iter().map(send).collect()
        };
        let mut confirmations = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            confirmations.push(match outcome {
                Outcome::Known(confirmation) => confirmation,
                Outcome::Pending(receiver) => receiver.await.unwrap_or(Confirmation::Failed),
            });
        }
        confirmations
    }

    async fn consume(
        &self,
        queue: &QueueSpec,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, BusError> {
        self.identity.check_consume(queue)?;
        let mut state = self.inner.lock();
        if state.closed {
            return Err(BusError::Closed);
        }
        state.declare(queue);
        let entry = state.queues.entry(queue.name.clone()).or_default();
        entry.consumers += 1;
        for item in entry.ready.values_mut() {
            item.busy.get_or_insert_with(|| self.inner.clock.busy());
        }
        let arrived = Arc::clone(&entry.arrived);
        drop(state);
        Ok(Box::new(MemoryConsumer {
            inner: Arc::clone(&self.inner),
            queue: queue.name.clone(),
            prefetch: usize::from(prefetch.max(1)),
            unsettled: BTreeMap::new(),
            arrived,
        }))
    }

    async fn ready(&self, _limit: Duration) -> bool {
        !self.inner.lock().closed
    }

    async fn close(&self) {
        let mut dropped = Vec::new();
        let mut state = self.inner.lock();
        state.closed = true;
        for queue in state.queues.values_mut() {
            dropped.push(std::mem::take(&mut queue.ready));
            queue.arrived.notify_waiters();
        }
        drop(state);
        // Their publishers learn outside of the lock that they failed.
        drop(dropped);
    }
}

fn published(mut publication: Publication, identity: &Identity) -> Published {
    let origin = match identity {
        Identity::Service(_) => Origin::Relais,
        Identity::Agence(agence) => Origin::Agence(agence.clone()),
    };
    let (envelope, invalid) = complete(publication.envelope, &publication.routing_key);
    publication.envelope = envelope;
    let source = &publication.envelope.source;
    let judged = judge(publication.flux, &publication.routing_key, source, &origin);
    Published { publication, origin, rejection: invalid.or(judged.err()) }
}

struct MemoryConsumer {
    inner: Arc<Inner>,
    queue: String,
    prefetch: usize,
    unsettled: BTreeMap<u64, Item>,
    arrived: Arc<Notify>,
}

impl MemoryConsumer {
    fn take(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut state = self.inner.lock();
        if state.closed {
            drop(state);
            self.unsettled.clear();
            return Err(BusError::Closed);
        }
        let room = self.prefetch.saturating_sub(self.unsettled.len()).min(max.max(1));
        let mut batch = Vec::new();
        let Some(queue) = state.queues.get_mut(&self.queue) else { return Ok(batch) };
        while batch.len() < room {
            let Some((number, item)) = queue.ready.pop_first() else { break };
            batch.push(self.delivery(number, &item));
            self.unsettled.insert(number, item);
        }
        Ok(batch)
    }

    fn delivery(&self, tag: u64, item: &Item) -> Delivery {
        let Published { publication, origin, rejection } = &*item.message;
        let spent = is_dead_letter_queue(&self.queue).then(spent_deliveries);
        Delivery {
            tag,
            flux: publication.flux,
            routing_key: publication.routing_key.clone(),
            envelope: publication.envelope.clone(),
            origin: origin.clone(),
            rejection: spent.or_else(|| rejection.clone()),
            busy: item.busy.clone().unwrap_or_else(|| self.inner.clock.busy()),
        }
    }

    fn give_back(&mut self, items: Vec<(u64, Item)>) {
        let mut state = self.inner.lock();
        if state.closed {
            drop(state);
            drop(items);
            return;
        }
        if let Some(queue) = state.queues.get_mut(&self.queue) {
            queue.ready.extend(items);
            queue.arrived.notify_waiters();
        }
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let arrived = Arc::clone(&self.arrived);
        loop {
            let notified = arrived.notified();
            tokio::pin!(notified);
            // Registered before looking, so that what arrives in between wakes this consumer.
            notified.as_mut().enable();
            let batch = self.take(max)?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            notified.await;
        }
    }

    async fn ack(&mut self, tags: &[u64]) -> Result<(), BusError> {
        for tag in tags {
            if let Some(item) = self.unsettled.remove(tag) {
                item.settled.acknowledge();
            }
        }
        Ok(())
    }

    async fn release(&mut self, tags: &[u64]) -> Result<(), BusError> {
        let items: Vec<_> =
            tags.iter().filter_map(|tag| self.unsettled.remove(tag).map(|i| (*tag, i))).collect();
        self.give_back(items);
        Ok(())
    }

    fn connected(&self) -> bool {
        true
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.unsettled).into_iter().collect();
        self.give_back(items);
        let mut idle = Vec::new();
        let mut state = self.inner.lock();
        if let Some(queue) = state.queues.get_mut(&self.queue) {
            queue.consumers = queue.consumers.saturating_sub(1);
            if queue.consumers == 0 {
                idle.extend(queue.ready.values_mut().filter_map(|item| item.busy.take()));
            }
        }
        drop(state);
        // Letting go of guards may wake the clock's driver: outside of the lock.
        drop(idle);
    }
}

#[cfg(test)]
mod tests;
