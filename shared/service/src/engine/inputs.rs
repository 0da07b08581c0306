//! Takes what waits in the store: wake-ups, events, replays and answers.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use kernel::failpoint;
use store::{AnswerRow, InputKind, InputRow, Leased, NextDue, StoreError};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use super::{
    Engine, LEASE,
    bells::{ANSWERS, Entree, INPUTS, Woken},
    item::Item,
};
use crate::api::Service;

/// When something is due.
#[derive(Clone, Copy, Default)]
struct Dues {
    inputs: Option<DateTime<Utc>>,
    answers: Option<DateTime<Utc>>,
}

impl Dues {
    fn first(self) -> Option<DateTime<Utc>> {
        self.inputs.into_iter().chain(self.answers).min()
    }

    /// What to claim at `now`.
    fn reached(self, now: DateTime<Utc>) -> u8 {
        let reached = |due: Option<DateTime<Utc>>| due.is_some_and(|due| due <= now);
        let inputs = if reached(self.inputs) { INPUTS } else { 0 };
        inputs | if reached(self.answers) { ANSWERS } else { 0 }
    }
}

impl<S: Service> Engine<S> {
    pub(super) async fn inputs_loop(
        &self,
        mut ear: UnboundedReceiver<Entree>,
        mut woken_by: Vec<Entree>,
    ) {
        // What is due next in the store, and whether only the store knows.
        let (mut dues, mut unknown) = (Dues::default(), true);
        let mut handed = Vec::new();
        loop {
            handed.extend(woken_by.iter_mut().filter_map(|e| e.answer.take()).map(|a| *a));
            match self.take_inputs(&mut handed).await {
                Ok(true) => continue,
                Ok(false) if !unknown => dues.inputs = self.sooner_inputs.take(dues.inputs),
                Ok(false) => {
                    self.sooner_inputs.take(None);
                    dues = match self.store.next_due(&[]).await {
                        Ok(NextDue { inputs, answers, .. }) => Dues { inputs, answers },
                        Err(error) => self.inputs_away(&error).await,
                    };
                }
                Err(error) => dues = self.inputs_away(&error).await,
            }
            let held = woken_by.into_iter().map(|entree| entree.busy).collect();
            match self.wait(&mut ear, self.next_look(dues.first()), held).await {
                Some((rung, Woken::Rung)) => (woken_by, unknown) = (rung, false),
                Some((rung, Woken::Due)) => {
                    self.claim.fetch_or(dues.reached(self.clock.now()), Ordering::AcqRel);
                    (woken_by, unknown) = (rung, true);
                }
                None => break,
            }
        }
        // Answers of calls that had begun are decided as what is in flight.
        while let Ok(entree) = ear.try_recv() {
            handed.extend(entree.answer.map(|answer| *answer));
        }
        self.process(handed.into_iter().map(Item::from_answer).collect()).await;
    }

    async fn inputs_away(&self, error: &StoreError) -> Dues {
        Dues { inputs: self.away_now(error).await, answers: None }
    }

    /// After a store error: a short real pause, then look again at once.
    pub(super) async fn away_now(&self, error: &StoreError) -> Option<DateTime<Utc>> {
        self.note_away(error);
        self.claim.fetch_or(INPUTS | ANSWERS, Ordering::AcqRel);
        self.pause().await;
        Some(self.clock.now())
    }

    /// Decides one batch: the answers that were handed over, and what there is to claim; false when
    /// nothing more is there.
    async fn take_inputs(&self, handed: &mut Vec<Leased<AnswerRow>>) -> Result<bool, StoreError> {
        if self.tasks.is_stopping() {
            return Ok(false);
        }
        let batch = self.settings.batch();
        let claim = self.claim.swap(0, Ordering::AcqRel);
        let (now, until) = (self.clock.now(), self.lease_end(LEASE));
        let mut inputs = Vec::new();
        if claim & ANSWERS != 0 {
            let answers = self.store.claim_answers(now, until, batch).await?;
            // A full claim may have left some.
            if answers.len() == batch {
                self.claim.fetch_or(ANSWERS, Ordering::AcqRel);
            }
            handed.extend(answers);
        }
        if claim & INPUTS != 0 {
            inputs = self.store.claim_inputs(now, until, batch).await?;
            if !inputs.is_empty() {
                failpoint("inputs-claimed");
            }
        }
        if handed.is_empty() && inputs.is_empty() {
            return Ok(false);
        }
        if inputs.len() == batch {
            self.claim.fetch_or(INPUTS, Ordering::AcqRel);
        }
        let mut claimed = Vec::with_capacity(inputs.len());
        for input in inputs {
            let failure = self.replayed(&input).await?;
            claimed.push(Item::from_input(input, failure));
        }
        if !handed.is_empty() {
            failpoint("answers-taken");
        }
        let items = handed.drain(..).map(Item::from_answer).chain(claimed).collect();
        let committed = self.process(items).await;
        failpoint("inputs-committed");
        Ok(committed && self.claim.load(Ordering::Acquire) != 0)
    }

    async fn replayed(
        &self,
        input: &Leased<InputRow>,
    ) -> Result<Option<store::FailureRow>, StoreError> {
        if input.row.kind != InputKind::Replay {
            return Ok(None);
        }
        match input.row.name.parse::<Uuid>() {
            Ok(id) => self.store.failure(id).await,
            Err(_) => Ok(None),
        }
    }
}
