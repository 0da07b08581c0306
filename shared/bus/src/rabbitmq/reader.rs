//! The service's end of a consumer: what was delivered, in batches.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::{BusError, Consumer, Delivery};

/// A tag is (generation of the channel, the broker's delivery tag).
pub(super) const TAG_BITS: u32 = 40;

/// What the actor tells the service.
pub(super) enum Signal {
    Deliveries(Vec<Delivery>),
    Lost,
    Back,
}

/// What the service tells the actor.
pub(super) enum Command {
    Ack(Vec<u64>),
    Release(Vec<u64>),
    Reopen,
}

/// The service's end.
pub(super) struct RabbitConsumer {
    signals: mpsc::UnboundedReceiver<Signal>,
    commands: mpsc::UnboundedSender<Command>,
    generation: Arc<AtomicU64>,
    connected: bool,
    /// Delivered, and not taken yet.
    waiting: VecDeque<Delivery>,
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        loop {
            let present = self.generation.load(Ordering::Acquire);
            self.waiting.retain(|delivery| delivery.tag >> TAG_BITS == present);
            let signal = if self.waiting.is_empty() {
                self.signals.recv().await.ok_or(BusError::Closed)?
            } else if self.waiting.len() < max
                && let Ok(signal) = self.signals.try_recv()
            {
                signal
            } else {
                let taken = self.waiting.len().min(max);
                return Ok(self.waiting.drain(..taken).collect());
            };
            match signal {
                // What was taken before is void with its connection.
                Signal::Lost => {
                    self.waiting.clear();
                    self.connected = false;
                    // An actor that is gone shows at the next call.
                    let _ = self.commands.send(Command::Reopen);
                    return Ok(Vec::new());
                }
                Signal::Back => {
                    self.connected = true;
                    return Ok(Vec::new());
                }
                Signal::Deliveries(deliveries) => self.waiting.extend(deliveries),
            }
        }
    }

    async fn ack(&mut self, tags: &[u64]) -> Result<(), BusError> {
        self.commands.send(Command::Ack(tags.to_vec())).map_err(|_| BusError::Closed)
    }

    async fn release(&mut self, tags: &[u64]) -> Result<(), BusError> {
        self.commands.send(Command::Release(tags.to_vec())).map_err(|_| BusError::Closed)
    }

    fn connected(&self) -> bool {
        self.connected
    }
}

impl RabbitConsumer {
    /// The end of a consumer whose channel is open.
    pub(super) fn new(
        signals: mpsc::UnboundedReceiver<Signal>,
        commands: mpsc::UnboundedSender<Command>,
        generation: Arc<AtomicU64>,
    ) -> Self {
        Self { signals, commands, generation, connected: true, waiting: VecDeque::new() }
    }
}
