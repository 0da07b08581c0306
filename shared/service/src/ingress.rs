//! Inputs from outside, stored before their sender is answered.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use kernel::{Busy, Clock};
use store::{InputKind, InputRow, RowContext, SharedStore, StoreError};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use crate::api::Service;

/// Takes events from outside (webhooks, answer links, operators); cheap to clone.
pub struct Ingress<S> {
    store: SharedStore,
    clock: Clock,
    wake: UnboundedSender<Busy>,
    service: PhantomData<fn() -> S>,
}

impl<S> Clone for Ingress<S> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            clock: self.clock.clone(),
            wake: self.wake.clone(),
            service: PhantomData,
        }
    }
}

impl<S: Service> Ingress<S> {
    /// An ingress into `store` that wakes the engine through `wake`.
    pub fn new(store: SharedStore, clock: Clock, wake: UnboundedSender<Busy>) -> Self {
        Self { store, clock, wake, service: PhantomData }
    }

    /// Business time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Stores events, each (id, key, event): durable when this returns. The same id twice is one
    /// event while the first is not consumed; after that, decisions are idempotent.
    ///
    /// # Errors
    /// [`StoreError`] when they could not be stored: answer the sender with a 503.
    ///
    /// # Panics
    /// Never: events encode.
    pub async fn observe(&self, events: Vec<(Uuid, String, S::Event)>) -> Result<(), StoreError> {
        let busy = self.clock.busy();
        self.store.add_inputs(events.into_iter().map(|event| self.row(event)).collect()).await?;
        // The engine is gone only at shutdown: the rows are durable and wait for the next start.
        let _ = self.wake.send(busy);
        Ok(())
    }

    fn row(&self, (id, key, event): (Uuid, String, S::Event)) -> InputRow {
        event_row::<S>(id, key, &event, self.clock.now())
    }
}

/// The row of an event from outside.
pub(crate) fn event_row<S: Service>(
    id: Uuid,
    key: String,
    event: &S::Event,
    due_at: DateTime<Utc>,
) -> InputRow {
    InputRow {
        id,
        key,
        kind: InputKind::Event,
        name: String::new(),
        due_at,
        body: serde_json::to_string(event).expect("events encode"),
        cause: id.to_string(),
        context: RowContext::default(),
    }
}
