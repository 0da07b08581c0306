//! Calls the agencies: claims asks by lease, each agency behind its limiter and its breaker. The
//! answer is written in the ask's row first, then decided as an input.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use agency::Breaker;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use kernel::{Backoff, Busy, Fault, failpoint};
use store::{AnswerRow, AskRow, FailureRow, Leased, OutboxRow, StoreError};
use tokio::sync::{Semaphore, mpsc::UnboundedReceiver};
use uuid::Uuid;

use super::{
    ANSWER_LEASE, Engine, LEASE,
    bells::{Entree, Woken},
    item::ask_meta,
    sortie::{announce, meta_text},
};
use crate::api::{AskKind, Attempt, Limit, Service};

/// Asks taken from the store at a time.
const CLAIM: usize = 64;

/// What stands before each agency, for the whole process.
#[derive(Default)]
struct Gates {
    gates: Mutex<HashMap<String, Gate>>,
}

struct Gate {
    limit: Limit,
    slots: Arc<Semaphore>,
    breaker: Breaker,
    /// The budget is spent, or the breaker open, until then.
    paused_until: Option<DateTime<Utc>>,
    /// Asks claimed and not settled yet.
    held: usize,
}

impl Gate {
    /// Enough is claimed to fill every slot again: what else is due waits in the store, for a
    /// replica that has room, instead of here until its lease is over.
    fn is_full(&self) -> bool {
        self.held >= 2 * self.limit.in_flight.max(1)
    }
}

impl Gates {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        agency: &str,
        limits: &BTreeMap<&str, Limit>,
        f: impl FnOnce(&mut Gate) -> T,
    ) -> T {
        let mut gates = self.lock();
        let gate = gates.entry(agency.to_owned()).or_insert_with(|| {
            let limit = limits.get(agency).copied().unwrap_or_default();
            Gate {
                limit,
                slots: Arc::new(Semaphore::new(limit.in_flight.max(1))),
                breaker: Breaker::default(),
                paused_until: None,
                held: 0,
            }
        });
        f(gate)
    }

    /// Agencies of which nothing is to be claimed at `now`, and when the first of those that may not
    /// be called may be again; the others are when a call of theirs ends.
    fn paused(&self, now: DateTime<Utc>) -> (Vec<String>, Option<DateTime<Utc>>) {
        let gates = self.lock();
        let until = |gate: &Gate| gate.paused_until.filter(|until| *until > now);
        let paused = gates.iter().filter(|(_, gate)| until(gate).is_some() || gate.is_full());
        let paused = paused.map(|(name, _)| name.clone()).collect();
        (paused, gates.values().filter_map(until).min())
    }

    /// An ask of `agency` was settled; true when nothing of it was claimed meanwhile, for want of
    /// room.
    fn release(&self, agency: &str) -> bool {
        self.lock().get_mut(agency).is_some_and(|gate| {
            let full = gate.is_full();
            gate.held = gate.held.saturating_sub(1);
            full && !gate.is_full()
        })
    }
}

impl<S: Service> Engine<S> {
    pub(super) async fn asks_loop(
        self: &Arc<Self>,
        mut ear: UnboundedReceiver<Busy>,
        mut held: Vec<Busy>,
    ) {
        let gates = Arc::new(Gates::default());
        let limits: Arc<BTreeMap<&'static str, Limit>> =
            Arc::new(S::limits(&self.config).into_iter().collect());
        let calls = self.tasks.child();
        // What is due next in the store, and whether only the store knows.
        let (mut due, mut unknown) = (None, true);
        loop {
            match self.take_asks(&gates, &limits, &calls).await {
                Ok(true) => continue,
                Ok(false) if !unknown => {
                    let (_, reopens) = gates.paused(self.clock.now());
                    due = self.sooner_asks.take(due).into_iter().chain(reopens).min();
                }
                Ok(false) => {
                    self.sooner_asks.take(None);
                    due = self.next_ask(&gates).await;
                }
                Err(error) => due = self.away_now(&error).await,
            }
            match self.wait(&mut ear, self.next_look(due), held).await {
                Some((rung, woken)) => (held, unknown) = (rung, woken == Woken::Due),
                None => break,
            }
        }
        // Calls in flight end by their own time limits; their rows keep what they did.
        calls.stop(std::time::Duration::from_secs(20)).await;
    }

    /// Gives an ask back to the store, due again at `at`.
    async fn ask_later(
        &self,
        (id, lease): (Uuid, i64),
        at: DateTime<Utc>,
        error: &str,
        attempted: bool,
    ) -> Result<bool, StoreError> {
        let ours = self.store.ask_later(id, lease, at, error, attempted).await?;
        self.sooner_asks.note(at);
        Ok(ours)
    }

    async fn next_ask(&self, gates: &Gates) -> Option<DateTime<Utc>> {
        let (paused, reopens) = gates.paused(self.clock.now());
        match self.store.next_due(&paused).await {
            Ok(next) => [next.asks, reopens].into_iter().flatten().min(),
            Err(error) => self.away_now(&error).await,
        }
    }

    async fn take_asks(
        self: &Arc<Self>,
        gates: &Arc<Gates>,
        limits: &Arc<BTreeMap<&'static str, Limit>>,
        calls: &kernel::Tasks,
    ) -> Result<bool, StoreError> {
        if self.tasks.is_stopping() {
            return Ok(false);
        }
        let now = self.clock.now();
        let (paused, _) = gates.paused(now);
        let until = self.lease_end(LEASE);
        // A call that begins in the first third of its lease ends within it.
        let latest = now + (until - now) / 3;
        let asks = self.store.claim_asks(now, until, &paused, CLAIM).await?;
        let count = asks.len();
        if count > 0 {
            failpoint("ask-claimed");
        }
        for ask in asks {
            let busy = self.clock.busy();
            gates.with(&ask.row.agency, limits, |gate| gate.held += 1);
            let (engine, gates, limits) = (Arc::clone(self), Arc::clone(gates), Arc::clone(limits));
            calls.spawn(async move {
                let agency = ask.row.agency.clone();
                let again =
                    engine.call(&gates, &limits, ask, latest).await.unwrap_or_else(|error| {
                        // The lease runs out and the ask is claimed again, as ambiguous.
                        engine.note_away(&error);
                        true
                    });
                if gates.release(&agency) || again {
                    let _ = engine.bells.asks.send(busy);
                }
            });
        }
        Ok(count == CLAIM)
    }

    /// Makes one call, unless it cannot begin before `latest`: somebody else might hold the ask
    /// before it ends. True when the loop must look again, because something is due at another time.
    async fn call(
        &self,
        gates: &Gates,
        limits: &BTreeMap<&str, Limit>,
        leased: Leased<AskRow>,
        latest: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let Leased { lease, row } = leased;
        let (limit, slots) = gates.with(&row.agency, limits, |g| (g.limit, Arc::clone(&g.slots)));
        let Ok(_slot) = slots.acquire().await else { return Ok(false) };
        let now = self.clock.now();
        let spent = self.store.take_budget(&row.agency, now, limit.window, limit.calls).await?;
        let now = self.clock.now();
        let error = row.last_error.clone().unwrap_or_default();
        if spent.is_none() && now > latest {
            self.ask_later((row.id, lease), now, &error, false).await?;
            return Ok(true);
        }
        // The breaker is asked last: what it allows is called.
        let later =
            spent.or_else(|| gates.with(&row.agency, limits, |g| g.breaker.allow(now)).err());
        if let Some(at) = later {
            gates.with(&row.agency, limits, |g| g.paused_until = Some(at));
            self.ask_later((row.id, lease), at, &error, false).await?;
            return Ok(true);
        }
        failpoint("ask-allowed");
        let started = Instant::now();
        let result = self.attempt(&row).await;
        failpoint("ask-called");
        let outcome = match &result {
            Ok(_) => "ok",
            Err(Fault::Transient { .. }) => "passager",
            Err(Fault::Permanent { .. }) => "definitif",
        };
        self.metrics.ask(&row.agency, outcome, started.elapsed());
        let now = self.clock.now();
        let (state, reopened) = gates.with(&row.agency, limits, |g| {
            let before = g.breaker.state();
            match &result {
                Err(Fault::Transient { retry_after, .. }) => g.breaker.failed(now, *retry_after),
                Ok(_) | Err(Fault::Permanent { .. }) => g.breaker.answered(),
            }
            let state = g.breaker.state();
            (state, state != before)
        });
        self.metrics.breaker(&row.agency, state);
        match result {
            Ok(answer) => {
                // Handed over without a claim; after a stop nobody is left to take it.
                let until = (!self.tasks.is_stopping()).then(|| self.lease_end(ANSWER_LEASE));
                if self.store.ask_answered(row.id, lease, &answer, until).await? {
                    failpoint("ask-answer-stored");
                    self.metrics.success(&row.agency, now);
                    let answer = Box::new(Leased { lease, row: AnswerRow { ask: row, answer } });
                    let busy = self.clock.busy();
                    let _ = self.bells.inputs.send(Entree { busy, answer: Some(answer) });
                }
                Ok(reopened)
            }
            Err(fault) => {
                let until = gates.with(&row.agency, limits, |g| g.breaker.closed_until(now));
                gates.with(&row.agency, limits, |g| g.paused_until = until);
                self.failed(row, lease, &fault).await?;
                Ok(true)
            }
        }
    }

    async fn attempt(&self, row: &AskRow) -> Result<String, Fault> {
        let ask: S::Ask = serde_json::from_str(&row.body)
            .map_err(|e| Fault::permanent("demande-illisible", e))?;
        let call = AssertUnwindSafe(self.service.ask(&ask, row.id, attempt_of(row))).catch_unwind();
        let answer = call
            .await
            .unwrap_or_else(|_| Err(Fault::transient("panique", "the agency client panicked")))?;
        serde_json::to_string(&answer).map_err(|e| Fault::permanent("reponse-inecrivable", e))
    }

    async fn failed(&self, row: AskRow, lease: i64, fault: &Fault) -> Result<(), StoreError> {
        let now = self.clock.now();
        match after_fault::<S>(&row, fault, now) {
            Suite::Later(at) => {
                tracing::warn!(service = S::NAME, agency = %row.agency, kind = %row.kind,
                    code = fault.code(), attempt = row.attempts + 1, error = %fault.chain(),
                    "call failed, tried again");
                self.ask_later((row.id, lease), at, &fault.chain(), true).await?;
                failpoint("ask-postponed");
            }
            Suite::Failed(failure, announced) => {
                tracing::error!(service = S::NAME, agency = %row.agency, kind = %row.kind,
                    code = fault.code(), error = %fault.chain(),
                    "call failed for good: kept as a failure");
                if self.store.ask_failed(row.id, lease, *failure, vec![*announced]).await? {
                    failpoint("ask-failed");
                    let _ = self.bells.relay.send(self.clock.busy().into());
                }
            }
        }
        Ok(())
    }
}

/// Which attempt of an ask this is.
pub(super) fn attempt_of(row: &AskRow) -> Attempt {
    match (row.ambiguous, row.attempts) {
        (true, _) => Attempt::AfterAmbiguous,
        (false, 0) => Attempt::First,
        (false, _) => Attempt::AfterClean,
    }
}

/// What becomes of an ask whose attempt failed.
pub(super) enum Suite {
    /// It is tried again then.
    Later(DateTime<Utc>),
    /// It is kept as a failure, which this message announces.
    Failed(Box<FailureRow>, Box<OutboxRow>),
}

/// A transient fault is tried again until the ask is too old, anything else is a failure.
pub(super) fn after_fault<S: Service>(row: &AskRow, fault: &Fault, now: DateTime<Utc>) -> Suite {
    let max_age = serde_json::from_str::<S::Ask>(&row.body).map_or(TimeDelta::zero(), |ask| {
        TimeDelta::from_std(ask.max_age()).unwrap_or(TimeDelta::MAX / 4)
    });
    if let Fault::Transient { retry_after, .. } = fault
        && now - row.created_at < max_age
    {
        let failed = u32::try_from(row.attempts).unwrap_or(0) + 1;
        let delay = Backoff::default().delay(failed, &row.id.to_string(), *retry_after);
        return Suite::Later(now + TimeDelta::from_std(delay).unwrap_or(TimeDelta::hours(1)));
    }
    let failure = FailureRow {
        id: kernel::derive_id(&[S::NAME, "panne-demande", &row.id.to_string()]),
        key: Some(row.key.clone()),
        origin: "ask".to_owned(),
        kind: row.kind.clone(),
        code: fault.code().to_owned(),
        reason: fault.chain(),
        body: row.body.clone().into_bytes(),
        meta: meta_text(&ask_meta(row, false)),
        first_seen: now,
        attempts: row.attempts + 1,
        outcome: None,
    };
    let announced = announce(S::NAME, &failure, now, row.context.clone());
    Suite::Failed(Box::new(failure), Box::new(announced))
}
