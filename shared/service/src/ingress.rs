//! Inputs from outside, stored before their sender is answered.

use std::marker::PhantomData;

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
        let due_at = self.clock.now();
        let row = |(id, key, event): (Uuid, String, S::Event)| InputRow {
            id,
            key,
            kind: InputKind::Event,
            name: String::new(),
            due_at,
            body: serde_json::to_string(&event).expect("events encode"),
            cause: id.to_string(),
            context: RowContext::default(),
        };
        self.store.add_inputs(events.into_iter().map(row).collect()).await?;
        // The engine is gone only at shutdown: the rows are durable and wait for the next start.
        let _ = self.wake.send(busy);
        Ok(())
    }
}
