//! The engine: takes inputs in batches, decides them in one transaction each, and keeps the loops
//! that follow from it (inputs, asks, relay) awake.

mod asks;
#[cfg(feature = "banc")]
pub mod banc;
mod bells;
mod consume;
mod envois;
mod fold;
mod follow;
mod inputs;
mod item;
mod refus;
mod relay;
mod replay;
mod sortie;
mod stored;

use std::{
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU8},
    time::{Duration, Instant},
};

use bus::SharedTransport;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::Referentiel;
use kernel::{Clock, Tasks};
use store::{SharedStore, Step, StoreError};
use tokio::sync::Mutex;

use self::{
    bells::{ANSWERS, Entree, Follows, Sooner},
    consume::queues,
    envois::{Embarked, Envois},
    fold::{Outcome, Shared},
    follow::Batch,
    item::Item,
    refus::Refus,
};
use crate::{api::Service, config::EngineConfig, metrics::Metrics, telemetry};

pub(crate) use self::{
    bells::{Bells, Ears, INPUTS, bells},
    envois::Envoi,
    item::context,
    sortie::{discarded, empreinte, replay_row},
    stored::read_state,
};

/// How long a claim lasts, in real time, before somebody else may take the row.
const LEASE: Duration = Duration::from_mins(5);
/// The same for messages to publish, which takes seconds; what it covers and nobody settled is
/// published again, under the same id.
const OUTBOX_LEASE: Duration = Duration::from_mins(1);
/// The same for an answer that was just stored and is about to be decided.
const ANSWER_LEASE: Duration = Duration::from_mins(1);
/// The same on an accelerated clock, on which only demonstrations and tests run: five real minutes
/// would be months of business time, and what a killed process held would miss its whole story.
const LEASE_ACCELERATED: Duration = Duration::from_secs(5);
/// How often the store is looked at when nothing woke a loop: rows left by a crash of a replica.
const POLL: Duration = Duration::from_secs(1);
/// Days ahead for which the inbox is made ready.
const AHEAD_DAYS: i64 = 7;

/// What the loops of one service share.
pub(crate) struct Engine<S: Service> {
    pub service: S,
    pub config: S::Config,
    pub referentiel: Arc<Referentiel>,
    pub clock: Clock,
    pub store: SharedStore,
    pub transport: SharedTransport,
    pub metrics: Metrics,
    pub tasks: Tasks,
    pub bells: Bells,
    /// When the store was last seen away, for readiness.
    pub store_away: RwLock<Option<Instant>>,
    /// What the loop of inputs should claim when it is woken: [`INPUTS`], [`ANSWERS`].
    claim: AtomicU8,
    sooner_inputs: Sooner,
    sooner_asks: Sooner,
    /// Held by the batch that is being decided.
    turn: Mutex<()>,
    /// Rows of the outbox on their way to the relay.
    envois: Envois,
    /// What the broker refuses at the moment.
    refus: Refus,
    settings: EngineConfig,
}

/// What an engine is made of.
pub(crate) struct Parts<S: Service> {
    pub service: S,
    pub config: S::Config,
    pub referentiel: Arc<Referentiel>,
    pub clock: Clock,
    pub store: SharedStore,
    pub transport: SharedTransport,
    pub metrics: Metrics,
    pub tasks: Tasks,
    pub bells: Bells,
    pub settings: EngineConfig,
}

impl<S: Service> Engine<S> {
    pub(crate) fn new(parts: Parts<S>) -> Self {
        Self {
            service: parts.service,
            config: parts.config,
            referentiel: parts.referentiel,
            clock: parts.clock,
            store: parts.store,
            transport: parts.transport,
            metrics: parts.metrics,
            tasks: parts.tasks,
            bells: parts.bells,
            store_away: RwLock::new(None),
            claim: AtomicU8::new(INPUTS | ANSWERS),
            sooner_inputs: Sooner::default(),
            sooner_asks: Sooner::default(),
            turn: Mutex::new(()),
            envois: Envois::new(),
            refus: Refus::default(),
            settings: parts.settings,
        }
    }

    /// Binds the queues, then starts every loop.
    pub(crate) async fn start(self: &Arc<Self>, ears: Ears) {
        let Ears { inputs, asks, relay } = ears;
        self.prepare_inbox().await;
        for queue in queues::<S>() {
            let bound = self.bind(&queue).await;
            let engine = Arc::clone(self);
            self.tasks.spawn(async move { engine.consume_loop(queue, bound).await });
        }
        // Virtual time stands still from here on until each loop has looked once.
        let held = || vec![self.clock.busy()];
        let (engine, looks) = (Arc::clone(self), vec![Entree::from(self.clock.busy())]);
        self.tasks.spawn(async move { engine.inputs_loop(inputs, looks).await });
        let (engine, busy) = (Arc::clone(self), held());
        self.tasks.spawn(async move { engine.asks_loop(asks, busy).await });
        let (engine, busy) = (Arc::clone(self), held());
        self.tasks.spawn(async move { engine.relay_loop(relay, busy).await });
        let engine = Arc::clone(self);
        self.tasks.spawn_until_stopped(async move { engine.purge_loop().await });
    }

    /// Decides and commits a batch; returns when every input is settled in the store. One batch
    /// after the other, so that inputs of one key keep their order, and a key is never decided twice
    /// at once in a process.
    ///
    /// Returns false when the service stopped before everything was committed.
    pub(crate) async fn process(&self, items: Vec<Item<S>>) -> bool {
        if items.is_empty() {
            return true;
        }
        self.metrics.batch(items.len());
        let _one_at_a_time = self.turn.lock().await;
        self.run(&items).await
    }

    /// Commits a batch, taken apart as far as needed: first without what it tells, then a concurrent
    /// change runs it again, and a value that the database refuses is bisected down to its input.
    async fn run(&self, items: &[Item<S>]) -> bool {
        let mut todo = vec![Part { items, conflicts: 0, follow: true }];
        while let Some(part) = todo.pop() {
            let alone = part.items.len() == 1;
            match self.commit(&part, None).await {
                Ok(()) => {}
                Err(StoreError::Conflict | StoreError::Data(_)) if part.follow => {
                    todo.push(Part { follow: false, ..part });
                }
                Err(StoreError::Conflict) if part.conflicts < 3 => todo.push(part.again()),
                Err(StoreError::Conflict) if alone => {
                    if part.conflicts >= 6 && part.items[0].is_in_store() {
                        // Replaced, or settled by somebody else; if the row still exists it is
                        // claimed again when its lease runs out. A message is never left so.
                        tracing::debug!(service = S::NAME, "input settled elsewhere");
                    } else {
                        let many = part.conflicts >= 6;
                        todo.push(part.again());
                        if many && !self.pause().await {
                            return false;
                        }
                    }
                }
                Err(StoreError::Data(source)) if alone => {
                    let reason = source.to_string();
                    if self.commit(&part, Some("the database refuses a value")).await.is_err() {
                        tracing::error!(service = S::NAME, %reason, "input not kept, tried again");
                        todo.push(part);
                        if !self.pause().await {
                            return false;
                        }
                    }
                }
                Err(StoreError::Conflict | StoreError::Data(_)) => {
                    // A stack: the first half is run first, so that inputs of one key keep their
                    // order.
                    let (first, second) = part.items.split_at(part.items.len() / 2);
                    todo.extend([second, first].map(|items| Part { items, conflicts: 0, ..part }));
                }
                Err(error @ (StoreError::Away(_) | StoreError::Fatal(_))) => {
                    self.note_away(&error);
                    todo.push(part);
                    if !self.pause().await {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// One transaction. With `refused`, every input is kept as a failure instead of decided.
    async fn commit(&self, part: &Part<'_, S>, refused: Option<&str>) -> Result<(), StoreError> {
        let items = part.items;
        let started = Instant::now();
        let marks = marks_of(items);
        // What is refused needs no state; and its key may be what the database refuses.
        let keys = if refused.is_none() { keys_of(items) } else { Vec::new() };
        let shared = Shared {
            now: self.clock.now(),
            config: &self.config,
            referentiel: &self.referentiel,
            traceparent: telemetry::traceparent(),
        };
        let mut batch = Batch::new(items, &shared, part.follow, refused);
        let mut follows = Follows::default();
        let mut embarked = None;
        self.store
            .batch(&marks, &keys, &mut |found| match batch.step(found) {
                Step::Read(keys) => Step::Read(keys),
                Step::Write(mut writes) => {
                    follows = Follows::of(&writes, shared.now);
                    let until = self.lease_end(OUTBOX_LEASE);
                    embarked = self.envois.embark(&mut writes, until, &self.tasks);
                    Step::Write(writes)
                }
            })
            .await?;
        self.note_back();
        self.ring(follows, embarked.map(Embarked::into_rows).unwrap_or_default());
        self.metrics.processed(started.elapsed());
        batch.ended().for_each(|(of, outcome)| self.count(of, outcome, shared.now));
        Ok(())
    }

    /// Counts what became of an input; of one that was told when it is none of the batch.
    fn count(&self, of: Option<&Item<S>>, outcome: Outcome, now: DateTime<Utc>) {
        self.metrics.outcome(outcome.label());
        if let Outcome::Ignored(reason) = outcome {
            let kind = of.map_or("event", |item| &item.kind);
            tracing::debug!(service = S::NAME, kind, reason, "ignored");
        }
        if let (Some(happened), Outcome::Done) = (of.and_then(|item| item.happened), outcome) {
            self.metrics.critical(now - happened);
        }
    }

    /// When a loop that has nothing left must look again: the next due instant, and on a clock
    /// that runs by itself the poll.
    pub(crate) fn next_look(&self, due: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        if self.clock.is_virtual() {
            return due;
        }
        let poll = self.clock.now() + self.clock.business_duration(POLL);
        Some(due.map_or(poll, |d| d.min(poll)))
    }

    /// The end of a lease taken now for `lease`.
    pub(crate) fn lease_end(&self, lease: Duration) -> DateTime<Utc> {
        let accelerated = self.clock.real_duration(lease).is_some_and(|real| real != lease);
        let lease = if accelerated { LEASE_ACCELERATED } else { lease };
        self.clock.now() + self.clock.business_duration(lease)
    }

    /// Waits a little (real time) before the store is tried again; false when stopping.
    pub(crate) async fn pause(&self) -> bool {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => true,
            () = self.tasks.stopping() => false,
        }
    }

    pub(crate) fn note_away(&self, error: &StoreError) {
        let mut away = self.store_away.write().unwrap_or_else(PoisonError::into_inner);
        if away.is_none() {
            tracing::warn!(service = S::NAME, error = %chain(error), "store away: consumption pauses");
            *away = Some(Instant::now());
        }
    }

    fn note_back(&self) {
        let known = *self.store_away.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() {
            *self.store_away.write().unwrap_or_else(PoisonError::into_inner) = None;
            tracing::info!(service = S::NAME, "store back");
        }
    }

    /// Makes room for the marks of the days to come; those of a day that has none cost more, and are
    /// kept all the same.
    async fn prepare_inbox(&self) {
        let today = self.clock.now().date_naive();
        let (from, until) = (today - TimeDelta::days(1), today + TimeDelta::days(AHEAD_DAYS));
        if let Err(error) = self.store.prepare_inbox(from, until).await {
            self.note_away(&error);
        }
    }

    async fn purge_loop(&self) {
        loop {
            let before = self.clock.now().date_naive() - TimeDelta::days(item::INBOX_DAYS + 1);
            if let Err(error) = self.store.purge_inbox(before).await {
                self.note_away(&error);
            }
            drop(self.clock.sleep(Duration::from_hours(24)).await);
            self.prepare_inbox().await;
        }
    }
}

/// Inputs to commit in one transaction.
struct Part<'a, S: Service> {
    items: &'a [Item<S>],
    /// Times that somebody else was faster.
    conflicts: u32,
    /// What they tell is decided with them.
    follow: bool,
}

impl<S: Service> Part<'_, S> {
    fn again(self) -> Self {
        Self { conflicts: self.conflicts + 1, ..self }
    }
}

/// The inbox marks of a batch.
fn marks_of<S: Service>(items: &[Item<S>]) -> Vec<store::Mark> {
    items.iter().filter_map(|item| item.mark.clone()).collect()
}

/// The states of a batch, in the one order in which every replica locks them.
fn keys_of<S: Service>(items: &[Item<S>]) -> Vec<String> {
    let mut keys: Vec<_> =
        items.iter().filter(|i| !i.key.is_empty()).map(|i| i.key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// An error and its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(": ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    text
}
