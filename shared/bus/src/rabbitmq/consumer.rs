//! Consuming one queue. An actor owns the channel: it decodes what arrives, settles what it is
//! told to, and watches over the channel.
//!
//! Each lost channel counts against every message that was delivered on it, and what was lost too
//! often is dead-lettered. So a lost channel is opened again only once the service asks for more:
//! one that waits for its database must not hold, and lose, messages that it cannot handle. And
//! the pauses between attempts grow until a channel has been of use.
//!
//! A channel that is open and silent may be dead as well: see [`RabbitOptions::silence`].
//!
//! [`RabbitOptions::silence`]: crate::RabbitOptions::silence

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use backon::ExponentialBackoff;
use futures_util::{FutureExt, StreamExt};
use kernel::{Tasks, failpoint};
use lapin::{
    Channel,
    message::Delivery as AmqpDelivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    Shared,
    acks::plan,
    declare,
    decode::Reading,
    link::{LONGEST_PAUSE, chain, dismiss, patiently, pauses},
    reader::{Command, RabbitConsumer, Signal, TAG_BITS},
};
use crate::{BusError, Delivery, QueueSpec, is_dead_letter_queue};

/// Deliveries handed over together.
const TOGETHER: usize = 256;

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
        pauses: pauses(),
        tasks: tasks.clone(),
    };
    let session = actor.open().await?;
    tasks.spawn(actor.run(session));
    Ok(RabbitConsumer::new(received, commands, generation))
}

struct Actor {
    shared: Arc<Shared>,
    queue: QueueSpec,
    prefetch: u16,
    signals: mpsc::UnboundedSender<Signal>,
    orders: mpsc::UnboundedReceiver<Command>,
    generation: Arc<AtomicU64>,
    pauses: ExponentialBackoff,
    tasks: Tasks,
}

/// One channel and what was delivered on it.
struct Session {
    channel: Channel,
    stream: lapin::Consumer,
    unsettled: BTreeSet<u64>,
    opened: Instant,
    /// Something was settled on it.
    was_useful: bool,
    /// When it is checked, unless something is delivered before.
    check_at: Instant,
    /// Messages were ready at the last check, and none was delivered since.
    is_suspect: bool,
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
            if session.was_useful || session.opened.elapsed() > LONGEST_PAUSE {
                self.pauses = pauses();
            }
            // A silent one may still be open: what it held goes back at once.
            dismiss(&session.channel).await;
            if self.signals.send(Signal::Lost).is_err() || !self.is_asked_for_more().await {
                return;
            }
            match self.reopen().await {
                Some(reopened) => session = reopened,
                None => return,
            }
            info!(queue = self.queue.name, "consumer is back");
            if self.signals.send(Signal::Back).is_err() {
                break;
            }
        }
        // The broker gives back what was not settled, to whoever reads the queue next.
        dismiss(&session.channel).await;
    }

    /// Waits until the service can take more; false when it never will. What it settles meanwhile
    /// is void.
    async fn is_asked_for_more(&mut self) -> bool {
        loop {
            let order = tokio::select! {
                order = self.orders.recv() => order,
                () = self.tasks.stopping() => None,
            };
            match order {
                Some(Command::Reopen) => return true,
                Some(Command::Ack(_) | Command::Release(_)) => {}
                None => return false,
            }
        }
    }

    async fn reopen(&mut self) -> Option<Session> {
        loop {
            let pause = self.pauses.next().unwrap_or(LONGEST_PAUSE);
            let attempt = async {
                tokio::time::sleep(pause).await;
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
        let now = Instant::now();
        Ok(Session {
            channel,
            stream,
            unsettled: BTreeSet::new(),
            opened: now,
            was_useful: false,
            check_at: now + self.shared.silence,
            is_suspect: false,
        })
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
                    Some(Ok(delivery)) => match self.hand_over(session, delivery) {
                        None => {}
                        Some(end) => return end,
                    },
                    Some(Err(_)) | None => return End::Lost,
                },
                () = sleep_until(session.check_at) => {
                    if self.is_dead(session).await {
                        return End::Lost;
                    }
                }
                () = self.tasks.stopping() => {
                    while let Ok(order) = self.orders.try_recv() {
                        self.obey(session, order).await;
                    }
                    return End::Over;
                }
            }
        }
    }

    /// Hands over what was delivered, with what else has come meanwhile; says when that is the end.
    fn hand_over(&self, session: &mut Session, first: AmqpDelivery) -> Option<End> {
        session.is_suspect = false;
        session.check_at = Instant::now() + self.shared.silence;
        let mut deliveries = Vec::new();
        let mut next = Some(Some(Ok(first)));
        let end = loop {
            match next {
                Some(Some(Ok(delivery))) => {
                    session.unsettled.insert(delivery.delivery_tag);
                    deliveries.push(self.read(delivery));
                }
                Some(Some(Err(_)) | None) => break Some(End::Lost),
                None => break None,
            }
            if deliveries.len() == TOGETHER {
                break None;
            }
            next = session.stream.next().now_or_never();
        };
        let taken = self.signals.send(Signal::Deliveries(deliveries));
        if taken.is_err() { Some(End::Over) } else { end }
    }

    /// Judges a silent session. One whose service is at work is left alone: its messages are
    /// unsettled, nothing more need come.
    async fn is_dead(&self, session: &mut Session) -> bool {
        session.check_at = Instant::now() + self.shared.silence;
        if !session.unsettled.is_empty() {
            return false;
        }
        let name = format!("{}{}", self.shared.prefix, self.queue.name);
        // On a channel of its own: that of the session may be what is dead.
        let asked =
            async { declare::waiting(&self.shared.consuming.channel().await?, &name).await };
        match asked.await {
            Ok(0) => session.is_suspect = false,
            Ok(ready) if session.is_suspect => {
                warn!(queue = self.queue.name, ready, "messages are ready and none is delivered");
                return true;
            }
            Ok(_) => session.is_suspect = true,
            Err(error) => {
                warn!(queue = self.queue.name, error = %chain(&error), "cannot check the queue");
                return true;
            }
        }
        false
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
                session.was_useful |= !tags.is_empty();
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
            // Asked while an earlier loss was told: it is open.
            Command::Reopen => {}
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
