//! Consuming one queue. An actor owns the channel: it decodes what arrives, settles what it is
//! told to, and opens the channel again when it is lost, so that nothing of this depends on when
//! the service asks for its next batch.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use kernel::{Tasks, failpoint};
use lapin::{
    Channel,
    message::Delivery as AmqpDelivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{sync::mpsc, time::timeout};
use tracing::{info, warn};

use super::{
    Shared, declare,
    decode::Reading,
    link::{chain, patiently, pauses},
};
use crate::{BusError, Consumer, Delivery, QueueSpec, is_dead_letter_queue};

/// A tag is (generation of the channel, the broker's delivery tag).
const TAG_BITS: u32 = 40;
/// Longest wait for a channel to close; the broker gives back what it held in any case.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// What the actor tells the service.
enum Signal {
    Delivery(Box<Delivery>),
    Lost,
}

/// What the service tells the actor.
enum Command {
    Ack(Vec<u64>),
    Release(Vec<u64>),
}

/// The service's end.
pub(super) struct RabbitConsumer {
    signals: mpsc::UnboundedReceiver<Signal>,
    commands: mpsc::UnboundedSender<Command>,
    generation: Arc<AtomicU64>,
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut batch = Vec::new();
        let mut next = self.signals.recv().await;
        loop {
            match next {
                None if batch.is_empty() => return Err(BusError::Closed),
                None => return Ok(batch),
                // What was taken before is void with its connection.
                Some(Signal::Lost) => return Ok(Vec::new()),
                Some(Signal::Delivery(delivery)) if self.is_present(delivery.tag) => {
                    batch.push(*delivery);
                }
                Some(Signal::Delivery(_)) => {}
            }
            next = if batch.is_empty() {
                self.signals.recv().await
            } else if batch.len() < max {
                match self.signals.try_recv() {
                    Ok(signal) => Some(signal),
                    Err(_) => return Ok(batch),
                }
            } else {
                return Ok(batch);
            };
        }
    }

    async fn ack(&mut self, tags: &[u64]) -> Result<(), BusError> {
        self.commands.send(Command::Ack(tags.to_vec())).map_err(|_| BusError::Closed)
    }

    async fn release(&mut self, tags: &[u64]) -> Result<(), BusError> {
        self.commands.send(Command::Release(tags.to_vec())).map_err(|_| BusError::Closed)
    }
}

impl RabbitConsumer {
    fn is_present(&self, tag: u64) -> bool {
        tag >> TAG_BITS == self.generation.load(Ordering::Acquire)
    }
}

/// Opens the queue once, so that a wrong topology is known at once, then hands it to an actor.
pub(super) async fn consume(
    shared: Arc<Shared>,
    queue: &QueueSpec,
    prefetch: u16,
    tasks: &Tasks,
) -> Result<RabbitConsumer, BusError> {
    let (signals, received) = mpsc::unbounded_channel();
    let (commands, orders) = mpsc::unbounded_channel();
    let generation = Arc::new(AtomicU64::new(1));
    let actor = Actor {
        shared,
        queue: queue.clone(),
        prefetch,
        signals,
        orders,
        generation: Arc::clone(&generation),
        tasks: tasks.clone(),
    };
    let session = actor.open().await?;
    tasks.spawn(actor.run(session));
    Ok(RabbitConsumer { signals: received, commands, generation })
}

struct Actor {
    shared: Arc<Shared>,
    queue: QueueSpec,
    prefetch: u16,
    signals: mpsc::UnboundedSender<Signal>,
    orders: mpsc::UnboundedReceiver<Command>,
    generation: Arc<AtomicU64>,
    tasks: Tasks,
}

/// One channel and what was delivered on it.
struct Session {
    channel: Channel,
    stream: lapin::Consumer,
    unsettled: BTreeSet<u64>,
}

/// Why a session ended.
#[derive(PartialEq, Eq)]
enum End {
    Lost,
    Over,
}

impl Actor {
    async fn run(mut self, first: Session) {
        let mut session = first;
        while self.serve(&mut session).await == End::Lost {
            self.generation.fetch_add(1, Ordering::AcqRel);
            warn!(queue = self.queue.name, "consumer lost");
            if self.signals.send(Signal::Lost).is_err() {
                return;
            }
            match self.reopen().await {
                Some(reopened) => session = reopened,
                None => return,
            }
            info!(queue = self.queue.name, "consumer is back");
        }
        // The broker gives back what was not settled, to whoever reads the queue next.
        let _ = timeout(CLOSE_PATIENCE, session.channel.close(200, "OK".into())).await;
    }

    async fn reopen(&self) -> Option<Session> {
        let mut pauses = pauses();
        loop {
            let attempt = async {
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                self.open().await
            };
            let opened = tokio::select! {
                opened = attempt => opened,
                () = self.tasks.stopping() => return None,
                () = self.signals.closed() => return None,
            };
            match opened {
                Ok(session) => return Some(session),
                Err(error) => {
                    warn!(queue = self.queue.name, error = %chain(&error), "cannot consume");
                }
            }
        }
    }

    async fn open(&self) -> Result<Session, BusError> {
        let channel = self.shared.consuming.channel().await?;
        let prefix = &self.shared.prefix;
        if self.shared.declare {
            declare::exchanges(&channel, prefix, true).await?;
            declare::queue(&channel, prefix, &self.queue).await?;
        }
        let name = format!("{prefix}{}", self.queue.name);
        let qos = channel.basic_qos(self.prefetch.max(1), BasicQosOptions::default());
        patiently(qos).await?;
        let consumed = channel.basic_consume(
            declare::named(&name)?,
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let stream = patiently(consumed).await.map_err(|e| declare::explain(e, "queue", &name))?;
        Ok(Session { channel, stream, unsettled: BTreeSet::new() })
    }

    async fn serve(&mut self, session: &mut Session) -> End {
        loop {
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(session, order).await,
                    None => return End::Over,
                },
                delivered = session.stream.next() => match delivered {
                    Some(Ok(delivery)) => {
                        session.unsettled.insert(delivery.delivery_tag);
                        let read = self.read(delivery);
                        if self.signals.send(Signal::Delivery(Box::new(read))).is_err() {
                            return End::Over;
                        }
                    }
                    Some(Err(_)) | None => return End::Lost,
                },
                () = self.tasks.stopping() => {
                    while let Ok(order) = self.orders.try_recv() {
                        self.obey(session, order).await;
                    }
                    return End::Over;
                }
            }
        }
    }

    fn read(&self, delivery: AmqpDelivery) -> Delivery {
        let reading = Reading {
            prefix: &self.shared.prefix,
            identity_header: self.shared.identity_header,
            dead_letters: is_dead_letter_queue(&self.queue.name),
            now: self.shared.clock.now(),
        };
        let decoded = reading.decode(
            delivery.exchange.as_str(),
            delivery.routing_key.as_str(),
            &delivery.properties,
            delivery.data,
        );
        let generation = self.generation.load(Ordering::Acquire);
        Delivery {
            tag: (generation << TAG_BITS) | delivery.delivery_tag,
            flux: decoded.flux,
            routing_key: decoded.routing_key,
            envelope: decoded.envelope,
            origin: decoded.origin,
            rejection: decoded.rejection,
            busy: self.shared.clock.busy(),
        }
    }

    /// Settles; an error shows on the stream as a lost channel.
    async fn obey(&self, session: &mut Session, order: Command) {
        match order {
            Command::Ack(tags) => {
                let tags = self.take(session, &tags);
                for (tag, multiple) in plan(&session.unsettled, &tags) {
                    let _ = session.channel.basic_ack(tag, BasicAckOptions { multiple }).await;
                }
                failpoint("message-acked");
            }
            Command::Release(tags) => {
                let options = BasicNackOptions { requeue: true, multiple: false };
                for tag in self.take(session, &tags) {
                    let _ = session.channel.basic_nack(tag, options).await;
                }
            }
        }
    }

    /// The broker's tags among `tags` that belong to this session and were not settled yet.
    fn take(&self, session: &mut Session, tags: &[u64]) -> BTreeSet<u64> {
        let generation = self.generation.load(Ordering::Acquire);
        let mine = tags.iter().filter(|tag| *tag >> TAG_BITS == generation);
        mine.map(|tag| tag & ((1 << TAG_BITS) - 1))
            .filter(|tag| session.unsettled.remove(tag))
            .collect()
    }
}

/// Acknowledges in as few frames as possible: one « multiple » up to the last tag below which
/// nothing else is unsettled, then one by one.
fn plan(unsettled: &BTreeSet<u64>, acked: &BTreeSet<u64>) -> Vec<(u64, bool)> {
    let oldest_kept = unsettled.first().copied().unwrap_or(u64::MAX);
    let together = acked.range(..oldest_kept).next_back().copied();
    let alone = acked.range(oldest_kept..).map(|tag| (*tag, false));
    together.map(|tag| (tag, true)).into_iter().chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledges_together_what_it_can() {
        let set = |tags: &[u64]| tags.iter().copied().collect::<BTreeSet<u64>>();
        assert_eq!(plan(&set(&[]), &set(&[1, 2, 3])), vec![(3, true)]);
        assert_eq!(plan(&set(&[2]), &set(&[1, 3, 4])), vec![(1, true), (3, false), (4, false)]);
        assert_eq!(plan(&set(&[1]), &set(&[2])), vec![(2, false)]);
        assert_eq!(plan(&set(&[5]), &set(&[])), vec![]);
    }
}
