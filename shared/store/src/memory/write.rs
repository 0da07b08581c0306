//! What a batch writes: checked as a whole first, so that a conflict changes nothing.

use std::sync::Arc;

use super::{Asked, Tables};
use crate::{AskRow, Etape, FailureRow, InputKind, InputRow, OutboxRow, StoreError, Writes, rows};
use chrono::{DateTime, Utc};

/// Refuses a NUL, as PostgreSQL does.
pub(super) fn storable<'a>(mut texts: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    if texts.any(|text| text.contains('\0')) {
        return Err(StoreError::Data("a text holds a NUL".into()));
    }
    Ok(())
}

impl Tables {
    /// Every version and every lease is the expected one, every text can be stored.
    pub(super) fn check(&self, writes: &Writes) -> Result<(), StoreError> {
        let states = writes.states.iter().flat_map(|s| [s.key.as_str(), s.body.as_str()]);
        let inputs = writes.inputs.iter().flat_map(|i| [i.key.as_str(), i.body.as_str()]);
        let asks = writes.asks.iter().flat_map(|a| [a.key.as_str(), a.body.as_str()]);
        storable(states.chain(inputs).chain(asks))?;
        let held = |row: Option<i64>, lease: i64| row == Some(lease);
        let inputs = rows::once(&writes.done_inputs)
            .iter()
            .all(|(id, lease)| held(self.inputs.get(*id).map(|h| h.lease), *lease));
        let answers = rows::once(&writes.done_answers).iter().all(|(id, lease)| {
            let answered = self.asks.get(*id).filter(|h| h.row.answer.is_some());
            held(answered.map(|h| h.lease), *lease)
        });
        let versions = writes
            .states
            .iter()
            .all(|s| self.states.get(&s.key).map(|known| known.version) == s.expected);
        if inputs && answers && versions { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// What is consumed and cancelled goes first, so that a wake-up armed again by the batch that
    /// consumes it, or an ask made by the batch that cancels its kind, stays.
    pub(super) fn apply(&mut self, writes: Writes) {
        for (id, _) in &writes.done_inputs {
            if let Some(row) = self.inputs.remove(*id)
                && row.kind == InputKind::Wake
            {
                self.wakes.remove(&(row.key, row.name));
            }
        }
        for (id, _) in &writes.done_answers {
            self.asks.remove(*id);
        }
        for wake in &writes.cancel_wakes {
            if let Some(id) = self.wakes.remove(wake) {
                self.inputs.remove(id);
            }
        }
        for (key, kind) in &writes.cancel_asks {
            let of =
                |row: &Asked| row.answer.is_none() && row.ask.key == *key && row.ask.kind == *kind;
            let cancelled = self.asks.rows().filter(|held| of(&held.row)).map(|h| h.row.ask.id);
            for id in cancelled.collect::<Vec<_>>() {
                self.asks.remove(id);
            }
        }
        for state in writes.states {
            self.reach(&state.key, state.etape);
            let row = crate::StateRow {
                key: state.key.clone(),
                version: state.version,
                body: state.body,
            };
            self.states.insert(state.key, row);
        }
        self.put_outbox(Arc::unwrap_or_clone(writes.outbox), writes.outbox_lease);
        self.put_asks(writes.asks);
        self.put_inputs(writes.inputs);
        for (id, outcome) in writes.close_failures {
            if let Some(failure) = self.failures.iter_mut().find(|f| f.id == id) {
                failure.outcome = Some(outcome);
            }
        }
        self.keep(writes.failures);
        for task in writes.open_tasks {
            if self.tasks.iter().all(|known| known.id != task.id) {
                self.tasks.push(task);
            }
        }
        self.tasks.retain(|task| !writes.close_tasks.contains(&task.id));
        self.journal.extend(rows::journal(writes.journal));
    }

    /// A stage that is awaited keeps its instant while it lasts.
    fn reach(&mut self, key: &str, etape: Option<Etape>) {
        let Some(mut etape) = etape else {
            self.etapes.remove(key);
            return;
        };
        if let Some(known) = self.etapes.get(key)
            && known.nom == etape.nom
            && etape.depuis.is_some()
        {
            etape.depuis = known.depuis.or(etape.depuis);
        }
        self.etapes.insert(key.to_owned(), etape);
    }

    pub(super) fn put_outbox(&mut self, rows: Vec<OutboxRow>, lease: Option<(i64, DateTime<Utc>)>) {
        for row in rows {
            self.outbox.add_leased(row.id, row.envelope.time, row, lease);
        }
    }

    fn put_asks(&mut self, asks: Vec<AskRow>) {
        for ask in asks {
            self.asks.add(ask.id, ask.due_at, Asked { ask, answer: None });
        }
    }

    pub(super) fn put_inputs(&mut self, rows: Vec<InputRow>) {
        let rows = rows::Inputs::new(rows);
        for row in rows.wakes {
            let name = (row.key.clone(), row.name.clone());
            match self.wakes.insert(name, row.id) {
                Some(armed) => self.inputs.replace(armed, row.id, row.due_at, row),
                None => self.inputs.add(row.id, row.due_at, row),
            }
        }
        for row in rows.others {
            self.inputs.add(row.id, row.due_at, row);
        }
    }

    pub(super) fn keep(&mut self, failures: Vec<FailureRow>) {
        for row in rows::failures(failures) {
            match self.failures.iter_mut().find(|known| known.id == row.id) {
                Some(known) => {
                    known.attempts += 1;
                    known.outcome = None;
                    (known.code, known.reason, known.meta) = (row.code, row.reason, row.meta);
                }
                None => self.failures.push(row),
            }
        }
    }
}
