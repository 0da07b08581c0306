//! Takes what waits in the store: wake-ups, events, replays and answers.

use std::sync::atomic::Ordering;

use kernel::{Busy, failpoint};
use store::{InputKind, InputRow, Leased, StoreError};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use super::{
    Engine, LEASE,
    bells::{ANSWERS, INPUTS, Woken},
    item::Item,
};
use crate::api::Service;

impl<S: Service> Engine<S> {
    pub(super) async fn inputs_loop(&self, mut ear: UnboundedReceiver<Busy>, mut held: Vec<Busy>) {
        // What is due next in the store, and whether only the store knows.
        let (mut due, mut unknown) = (None, true);
        loop {
            match self.take_inputs().await {
                Ok(true) => continue,
                Ok(false) if !unknown => due = self.sooner_inputs.take(due),
                Ok(false) => {
                    self.sooner_inputs.take(None);
                    due = match self.store.next_due(&[]).await {
                        Ok(next) => next.inputs,
                        Err(error) => self.away_now(&error).await,
                    };
                }
                Err(error) => due = self.away_now(&error).await,
            }
            match self.wait(&mut ear, self.next_look(due), held).await {
                Some((rung, Woken::Rung)) => (held, unknown) = (rung, false),
                Some((busy, Woken::Due)) => {
                    self.claim.fetch_or(INPUTS | ANSWERS, Ordering::AcqRel);
                    (held, unknown) = (busy, true);
                }
                None => return,
            }
        }
    }

    /// After a store error: a short real pause, then look again at once.
    pub(super) async fn away_now(
        &self,
        error: &StoreError,
    ) -> Option<chrono::DateTime<chrono::Utc>> {
        self.note_away(error);
        self.claim.fetch_or(INPUTS | ANSWERS, Ordering::AcqRel);
        self.pause().await;
        Some(self.clock.now())
    }

    /// Claims and decides one batch; false when nothing more is there.
    async fn take_inputs(&self) -> Result<bool, StoreError> {
        if self.tasks.is_stopping() {
            return Ok(false);
        }
        let batch = self.settings.batch();
        let claim = self.claim.swap(0, Ordering::AcqRel);
        let (now, until) = (self.clock.now(), self.lease_end(LEASE));
        let (mut answers, mut inputs) = (Vec::new(), Vec::new());
        if claim & ANSWERS != 0 {
            answers = self.store.claim_answers(now, until, batch).await?;
            if !answers.is_empty() {
                failpoint("answers-claimed");
            }
        }
        if claim & INPUTS != 0 {
            inputs = self.store.claim_inputs(now, until, batch).await?;
            if !inputs.is_empty() {
                failpoint("inputs-claimed");
            }
        }
        if answers.is_empty() && inputs.is_empty() {
            return Ok(false);
        }
        // A full claim may have left some.
        if answers.len() == batch {
            self.claim.fetch_or(ANSWERS, Ordering::AcqRel);
        }
        if inputs.len() == batch {
            self.claim.fetch_or(INPUTS, Ordering::AcqRel);
        }
        let mut items: Vec<Item<S>> = answers.into_iter().map(Item::from_answer).collect();
        for input in inputs {
            let failure = self.replayed(&input).await?;
            items.push(Item::from_input(input, failure));
        }
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
