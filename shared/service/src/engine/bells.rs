//! How the loops of a service wake each other: bells that keep virtual time still until the loop
//! has looked, and timers.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use kernel::Busy;
use store::{AnswerRow, Leased, OutboxRow};
use tokio::sync::mpsc;

use super::{Engine, envois::Envoi};
use crate::api::Service;

/// Inputs may be due.
pub(crate) const INPUTS: u8 = 1;
/// Answers may be there that nobody holds.
pub(super) const ANSWERS: u8 = 2;

/// What wakes the loop of inputs.
pub(crate) struct Entree {
    /// Keeps virtual time still until the loop has dealt with it.
    pub busy: Busy,
    /// An answer that was just stored, leased to this process.
    pub answer: Option<Box<Leased<AnswerRow>>>,
}

impl From<Busy> for Entree {
    /// The store must be looked at.
    fn from(busy: Busy) -> Self {
        Self { busy, answer: None }
    }
}

/// Wakes the loops; what is sent keeps virtual time still until the loop has looked.
#[derive(Clone)]
pub(crate) struct Bells {
    pub inputs: mpsc::UnboundedSender<Entree>,
    pub asks: mpsc::UnboundedSender<Busy>,
    pub relay: mpsc::UnboundedSender<Envoi>,
}

/// The listening ends of [`Bells`].
pub(crate) struct Ears {
    pub inputs: mpsc::UnboundedReceiver<Entree>,
    pub asks: mpsc::UnboundedReceiver<Busy>,
    pub relay: mpsc::UnboundedReceiver<Envoi>,
}

/// A pair of each.
pub(crate) fn bells() -> (Bells, Ears) {
    let (inputs, inputs_rx) = mpsc::unbounded_channel();
    let (asks, asks_rx) = mpsc::unbounded_channel();
    let (relay, relay_rx) = mpsc::unbounded_channel();
    let ears = Ears { inputs: inputs_rx, asks: asks_rx, relay: relay_rx };
    (Bells { inputs, asks, relay }, ears)
}

/// The earliest instant at which something written since the store was last looked at is due: what
/// a loop that was only rung waits for, without asking the store again.
#[derive(Debug)]
pub(crate) struct Sooner(AtomicI64);

impl Default for Sooner {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Sooner {
    pub(super) fn note(&self, due: DateTime<Utc>) {
        self.0.fetch_min(due.timestamp_micros(), Ordering::AcqRel);
    }

    /// The earliest of `known` and what was noted.
    pub(super) fn take(&self, known: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let noted = self.0.swap(i64::MAX, Ordering::AcqRel);
        known.into_iter().chain(DateTime::from_timestamp_micros(noted)).min()
    }
}

/// What woke a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A bell.
    Rung,
    /// The instant that it waited for.
    Due,
}

/// What a batch leaves for the other loops.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Follows {
    /// Inputs were written: what to claim of them at once.
    inputs: Option<u8>,
    /// When the first of the others is due.
    later: Option<DateTime<Utc>>,
    asks: bool,
    outbox: bool,
}

impl Follows {
    pub(super) fn of(writes: &store::Writes, now: DateTime<Utc>) -> Self {
        let dues = || writes.inputs.iter().map(|input| input.due_at);
        let now_due = dues().any(|due| due <= now);
        Self {
            inputs: (!writes.inputs.is_empty()).then_some(if now_due { INPUTS } else { 0 }),
            later: dues().filter(|due| *due > now).min(),
            asks: !writes.asks.is_empty(),
            outbox: !writes.outbox.is_empty(),
        }
    }
}

impl<S: Service> Engine<S> {
    pub(super) fn ring(&self, follows: Follows, rows: Vec<Leased<OutboxRow>>) {
        // A loop is gone only at shutdown: what waits in the store is taken at the next start.
        if let Some(due) = follows.later {
            self.sooner_inputs.note(due);
        }
        if let Some(claim) = follows.inputs {
            self.ring_inputs(claim);
        }
        if follows.asks {
            let _ = self.bells.asks.send(self.clock.busy());
        }
        if follows.outbox {
            let _ = self.bells.relay.send(Envoi { busy: self.clock.busy(), rows });
        }
    }

    /// Wakes the loop of inputs: what it should claim now, besides looking at what is due next.
    pub(crate) fn ring_inputs(&self, claim: u8) {
        self.claim.fetch_or(claim, Ordering::AcqRel);
        let _ = self.bells.inputs.send(self.clock.busy().into());
    }

    /// Waits for a bell or for `due`; `None` when stopping. What is returned keeps time still.
    pub(crate) async fn wait<T: From<Busy>>(
        &self,
        ear: &mut mpsc::UnboundedReceiver<T>,
        due: Option<DateTime<Utc>>,
        held: Vec<Busy>,
    ) -> Option<(Vec<T>, Woken)> {
        let timer = due.map(|at| self.clock.timer(at));
        drop(held);
        let alarm = async {
            match timer {
                Some(timer) => timer.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.tasks.stopping() => None,
            rung = ear.recv() => {
                let mut held = vec![rung?];
                while let Ok(more) = ear.try_recv() {
                    held.push(more);
                }
                Some((held, Woken::Rung))
            }
            busy = alarm => Some((vec![T::from(busy)], Woken::Due)),
        }
    }
}
