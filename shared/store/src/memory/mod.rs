//! A store in memory, for simulations: the same semantics as the two databases, which one
//! conformance suite checks, without I/O and without waiting. [`Tables`] is the store itself, for
//! who runs it by hand; [`MemoryStore`] is a handle on it, for who wants a [`Store`](crate::Store).

mod handle;
mod operations;
mod table;
mod write;

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

pub use self::handle::MemoryStore;
use self::table::Table;
use crate::{
    AnswerRow, AskRow, Etape, FailureRow, Found, InputRow, JournalRow, Leased, Loaded, Mark,
    NextDue, OutboxRow, StateRow, Stats, Step, StoreError, TaskRow, Writes, budgets::Budgets, rows,
};

/// An ask, and its answer once it is there.
#[derive(Clone)]
struct Asked {
    ask: AskRow,
    answer: Option<String>,
}

/// Everything that one service keeps.
#[derive(Default)]
pub struct Tables {
    inbox: HashSet<Mark>,
    states: BTreeMap<String, StateRow>,
    etapes: BTreeMap<String, Etape>,
    inputs: Table<InputRow>,
    wakes: HashMap<(String, String), Uuid>,
    asks: Table<Asked>,
    outbox: Table<OutboxRow>,
    failures: Vec<FailureRow>,
    tasks: Vec<TaskRow>,
    journal: Vec<JournalRow>,
    credentials: HashMap<String, (i64, Vec<u8>)>,
    budgets: Budgets,
}

impl Tables {
    /// A batch that reads nothing more; see [`Store::transact`](crate::Store::transact).
    ///
    /// # Errors
    /// Those of [`Tables::batch`].
    pub fn transact(
        &mut self,
        marks: &[Mark],
        keys: &[String],
        fold: impl FnOnce(Loaded) -> Writes,
    ) -> Result<(), StoreError> {
        let mut fold = Some(fold);
        self.batch(marks, keys, |found| match (found, fold.take()) {
            (Found::Begun(loaded), Some(fold)) => Step::Write(Box::new(fold(loaded))),
            (Found::Begun(_) | Found::More(_), _) => unreachable!("one step"),
        })
    }

    /// One batch; see [`Store::batch`](crate::Store::batch).
    ///
    /// # Errors
    /// [`StoreError::Conflict`], or [`StoreError::Data`] for a NUL; nothing was changed.
    pub fn batch(
        &mut self,
        marks: &[Mark],
        keys: &[String],
        mut decide: impl FnMut(Found) -> Step,
    ) -> Result<(), StoreError> {
        let texts = marks.iter().flat_map(|m| [m.source.as_str(), m.id.as_str()]);
        write::storable(texts.chain(keys.iter().map(String::as_str)))?;
        let fresh = rows::fresh(marks, |_, mark| !self.inbox.contains(mark));
        let mut found = Found::Begun(Loaded { fresh, states: self.existing(keys) });
        let writes = loop {
            match decide(found) {
                Step::Read(keys) => {
                    write::storable(keys.iter().map(String::as_str))?;
                    found = Found::More(self.existing(&keys));
                }
                Step::Write(writes) => break *writes,
            }
        };
        self.check(&writes)?;
        self.inbox.extend(marks.iter().cloned());
        self.apply(writes);
        Ok(())
    }

    fn existing(&self, keys: &[String]) -> Vec<StateRow> {
        let once: HashSet<&String> = keys.iter().collect();
        once.into_iter().filter_map(|key| self.states.get(key).cloned()).collect()
    }

    /// One state.
    pub fn state(&self, key: &str) -> Option<&StateRow> {
        self.states.get(key)
    }

    /// Every state.
    pub fn states(&self) -> impl Iterator<Item = &StateRow> {
        self.states.values()
    }

    /// Claims inputs that are due, oldest first.
    pub fn claim_inputs(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Vec<Leased<InputRow>> {
        self.inputs.claim((now, until), max, |held| held.due <= now, |_| {})
    }

    /// Adds inputs from outside; an id that exists is kept as it is.
    pub fn add_inputs(&mut self, inputs: Vec<InputRow>) {
        self.put_inputs(inputs);
    }

    /// Claims answered asks.
    pub fn claim_answers(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Vec<Leased<AnswerRow>> {
        let claimed = self.asks.claim((now, until), max, |h| h.row.answer.is_some(), |_| {});
        let answer = |l: Leased<Asked>| {
            let row = AnswerRow { ask: l.row.ask, answer: l.row.answer? };
            Some(Leased { lease: l.lease, row })
        };
        claimed.into_iter().filter_map(answer).collect()
    }

    /// Claims messages to publish, oldest first.
    pub fn claim_outbox(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        max: usize,
    ) -> Vec<Leased<OutboxRow>> {
        self.outbox.claim((now, until), max, |held| held.due <= now, |_| {})
    }

    /// Deletes confirmed messages.
    pub fn outbox_done(&mut self, rows: &[(Uuid, i64)]) {
        for (id, lease) in rows {
            if self.outbox.held(*id, *lease).is_some() {
                self.outbox.remove(*id);
            }
        }
    }

    /// Gives messages back, due again at `at`.
    pub fn outbox_later(
        &mut self,
        rows: &[(Uuid, i64)],
        at: DateTime<Utc>,
        failures: Vec<FailureRow>,
        outbox: Vec<OutboxRow>,
    ) {
        let mut ours = false;
        for (id, lease) in rows {
            if let Some(held) = self.outbox.held(*id, *lease) {
                held.due = at;
                held.give_back();
                ours = true;
            }
        }
        if ours {
            self.keep(failures);
            self.put_outbox(outbox, None);
        }
    }

    /// Claims asks that are due; one whose earlier lease ran out without a result is ambiguous.
    pub fn claim_asks(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        paused: &[String],
        max: usize,
    ) -> Vec<Leased<AskRow>> {
        let claimed = self.asks.claim(
            (now, until),
            max,
            |h| h.row.answer.is_none() && h.due <= now && !paused.contains(&h.row.ask.agency),
            |held| held.row.ask.ambiguous |= held.until.is_some(),
        );
        claimed.into_iter().map(|l| Leased { lease: l.lease, row: l.row.ask }).collect()
    }

    /// Stores an answer; false when the lease is no longer ours or the ask was cancelled.
    pub fn ask_answered(
        &mut self,
        id: Uuid,
        lease: i64,
        answer: &str,
        until: Option<DateTime<Utc>>,
    ) -> bool {
        let Some(held) = self.unanswered(id, lease) else { return false };
        held.row.answer = Some(answer.to_owned());
        match until {
            Some(_) => held.until = until,
            None => held.give_back(),
        }
        true
    }

    /// Notes a failed attempt and when to try again.
    pub fn ask_later(
        &mut self,
        id: Uuid,
        lease: i64,
        at: DateTime<Utc>,
        error: &str,
        attempted: bool,
    ) -> bool {
        let Some(held) = self.unanswered(id, lease) else { return false };
        let ask = &mut held.row.ask;
        ask.last_error = Some(error.to_owned());
        ask.attempts += i32::from(attempted);
        ask.ambiguous &= !attempted;
        (ask.due_at, held.due) = (at, at);
        held.give_back();
        true
    }

    /// Turns an ask into a failure, with the messages that announce it.
    pub fn ask_failed(
        &mut self,
        id: Uuid,
        lease: i64,
        failure: FailureRow,
        outbox: Vec<OutboxRow>,
    ) -> bool {
        if self.unanswered(id, lease).is_none() {
            return false;
        }
        self.asks.remove(id);
        self.keep(vec![failure]);
        self.put_outbox(outbox, None);
        true
    }

    fn unanswered(&mut self, id: Uuid, lease: i64) -> Option<&mut table::Held<Asked>> {
        self.asks.held(id, lease).filter(|held| held.row.answer.is_none())
    }

    /// When each loop has work next.
    pub fn next_due(&self, paused: &[String]) -> NextDue {
        NextDue {
            inputs: self.inputs.next(|_| true),
            answers: self.asks.next(|row| row.answer.is_some()),
            asks: self.asks.next(|r| r.answer.is_none() && !paused.contains(&r.ask.agency)),
            outbox: self.outbox.next(|_| true),
        }
    }

    /// Every ask, answered or not.
    pub fn asks(&self) -> impl Iterator<Item = &AskRow> {
        self.asks.rows().map(|held| &held.row.ask)
    }

    /// How many inputs and answers are due at `now`, claimed or not.
    pub fn inputs_due(&self, now: DateTime<Utc>) -> usize {
        let answers = self.asks.rows().filter(|held| held.row.answer.is_some()).count();
        answers + self.inputs.rows().filter(|held| held.due <= now).count()
    }

    /// Rows that wait: inputs, asks (answered ones too), messages.
    pub fn waiting(&self) -> (usize, usize, usize) {
        (self.inputs.len(), self.asks.len(), self.outbox.len())
    }

    /// Forgets inbox marks older than `before`.
    pub fn purge_inbox(&mut self, before: NaiveDate) {
        self.inbox.retain(|mark| mark.day >= before);
    }

    /// Counts what waits.
    fn stats(&self) -> Stats {
        let mut asks = BTreeMap::<&str, (i64, Option<DateTime<Utc>>)>::new();
        for held in self.asks.rows().filter(|held| held.row.answer.is_none()) {
            let ask = &held.row.ask;
            let (count, oldest) = asks.entry(&ask.agency).or_default();
            *count += 1;
            *oldest = Some(oldest.map_or(ask.created_at, |known| known.min(ask.created_at)));
        }
        let mut failures = BTreeMap::<&str, i64>::new();
        for failure in self.failures.iter().filter(|f| f.outcome.is_none()) {
            *failures.entry(&failure.code).or_default() += 1;
        }
        let mut etapes = BTreeMap::<&str, (i64, Option<DateTime<Utc>>)>::new();
        for etape in self.etapes.values() {
            let (count, oldest) = etapes.entry(etape.nom).or_default();
            *count += 1;
            *oldest = [*oldest, etape.depuis].into_iter().flatten().min();
        }
        Stats {
            outbox: i64::try_from(self.outbox.len()).unwrap_or(i64::MAX),
            outbox_oldest: self.outbox.rows().map(|held| held.row.envelope.time).min(),
            asks: asks.into_iter().map(|(a, (n, oldest))| (a.to_owned(), n, oldest)).collect(),
            failures: failures.into_iter().map(|(code, n)| (code.to_owned(), n)).collect(),
            etapes: etapes.into_iter().map(|(e, (n, oldest))| (e.to_owned(), n, oldest)).collect(),
        }
    }
}
