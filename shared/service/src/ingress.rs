//! Inputs from outside, stored before their sender is answered. Those that arrive while others are
//! being stored are stored together.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use kernel::{Busy, Clock, Tasks};
use store::{InputKind, InputRow, RowContext, SharedStore, StoreError};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};
use uuid::Uuid;

use crate::api::Service;

/// Most arrivals that are stored together.
const TOGETHER: usize = 256;

/// What one sender brings.
struct Arrival {
    rows: Vec<InputRow>,
    /// Keeps virtual time still until the engine has looked.
    busy: Busy,
    stored: oneshot::Sender<Result<(), StoreError>>,
}

/// Where inputs from outside come in; cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    clock: Clock,
    arrivals: UnboundedSender<Arrival>,
}

impl Door {
    /// A door to `store`; each time something was stored, `wake` is told. It stays open as long as
    /// somebody holds it.
    pub(crate) fn open(
        store: SharedStore,
        clock: Clock,
        wake: UnboundedSender<Busy>,
        tasks: &Tasks,
    ) -> Self {
        let (arrivals, ear) = unbounded_channel();
        tasks.spawn(store_arrivals(store, ear, wake));
        Self { clock, arrivals }
    }

    /// Stores `rows`: durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when they could not be stored.
    pub(crate) async fn bring(&self, rows: Vec<InputRow>) -> Result<(), StoreError> {
        let (stored, told) = oneshot::channel();
        // When the service stops nobody takes it, and the answer never comes.
        let _ = self.arrivals.send(Arrival { rows, busy: self.clock.busy(), stored });
        told.await.unwrap_or_else(|_| Err(StoreError::Away("the service stops".into())))
    }
}

async fn store_arrivals(
    store: SharedStore,
    mut ear: UnboundedReceiver<Arrival>,
    wake: UnboundedSender<Busy>,
) {
    let mut waiting = Vec::new();
    while ear.recv_many(&mut waiting, TOGETHER).await > 0 {
        let rows = waiting.iter().flat_map(|arrival| arrival.rows.iter().cloned()).collect();
        let together = store.add_inputs(rows).await;
        let alone = matches!(together, Err(StoreError::Data(_))) && waiting.len() > 1;
        for arrival in waiting.drain(..) {
            let Arrival { rows, busy, stored } = arrival;
            let result = match &together {
                Ok(()) => Ok(()),
                // A value that the database refuses harms only who brought it.
                Err(_) if alone => store.add_inputs(rows).await,
                Err(error) => Err(same(error)),
            };
            if result.is_ok() {
                // The engine is gone only at shutdown: the rows are durable and wait for the next
                // start.
                let _ = wake.send(busy);
            }
            // A sender that does not wait any more sends again; the same id is one input.
            let _ = stored.send(result);
        }
    }
}

/// The same error, for another who met it.
fn same(error: &StoreError) -> StoreError {
    let text = crate::engine::chain(error);
    match error {
        StoreError::Away(_) => StoreError::Away(text.into()),
        StoreError::Conflict => StoreError::Conflict,
        StoreError::Data(_) => StoreError::Data(text.into()),
        StoreError::Fatal(_) => StoreError::Fatal(text.into()),
    }
}

/// Takes events from outside (webhooks, answer links, operators); cheap to clone.
pub struct Ingress<S> {
    door: Door,
    service: PhantomData<fn() -> S>,
}

impl<S> Clone for Ingress<S> {
    fn clone(&self) -> Self {
        Self { door: self.door.clone(), service: PhantomData }
    }
}

impl<S: Service> Ingress<S> {
    /// An ingress through `door`.
    pub(crate) fn new(door: Door) -> Self {
        Self { door, service: PhantomData }
    }

    /// Business time.
    pub fn clock(&self) -> &Clock {
        &self.door.clock
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
        let now = self.door.clock.now();
        let row = |(id, key, event)| event_row::<S>(id, key, &event, now);
        self.door.bring(events.into_iter().map(row).collect()).await
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use store::sqlite::SqliteStore;
    use tokio::sync::mpsc::error::TryRecvError;

    use super::*;

    fn event(n: u128, body: &str) -> InputRow {
        InputRow {
            id: Uuid::from_u128(n),
            key: "cle".to_owned(),
            kind: InputKind::Event,
            name: String::new(),
            due_at: DateTime::UNIX_EPOCH,
            body: body.to_owned(),
            cause: "essai".to_owned(),
            context: RowContext::default(),
        }
    }

    #[tokio::test]
    async fn what_arrives_together_is_stored_and_bad_input_harms_only_itself() {
        let store: SharedStore = Arc::new(SqliteStore::in_memory().await.expect("opens"));
        store.migrate().await.expect("migrates");
        let tasks = Tasks::new();
        let (wake, mut woken) = unbounded_channel();
        let door = Door::open(Arc::clone(&store), Clock::system(), wake, &tasks);
        let bodies = ["1", "\"\u{0}\"", "3"];
        let brought = (1..).zip(bodies).map(|(n, body)| door.bring(vec![event(n, body)]));
        let results = futures_util::future::join_all(brought).await;
        assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
        assert!(matches!(results[1], Err(StoreError::Data(_))), "{results:?}");
        let now = DateTime::UNIX_EPOCH;
        let kept = store.claim_inputs(now, now + Duration::from_mins(1), 10).await.expect("claims");
        let kept: Vec<_> = kept.into_iter().map(|leased| leased.row.body).collect();
        assert_eq!(kept, ["1", "3"]);
        assert!(woken.try_recv().is_ok() && woken.try_recv().is_ok(), "the engine is told");
        assert_eq!(woken.try_recv().map(drop), Err(TryRecvError::Empty));
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_said_to_everybody_and_the_door_closes_with_its_holders() {
        let store: SharedStore = Arc::new(SqliteStore::in_memory().await.expect("opens"));
        let tasks = Tasks::new();
        let (wake, mut woken) = unbounded_channel();
        let door = Door::open(Arc::clone(&store), Clock::system(), wake, &tasks);
        store.close().await;
        let brought = [door.bring(vec![event(1, "1")]), door.bring(vec![event(2, "2")])];
        for result in futures_util::future::join_all(brought).await {
            assert!(matches!(result, Err(StoreError::Fatal(_))), "{result:?}");
        }
        assert!(woken.try_recv().is_err(), "nothing to look at");
        drop(door);
        assert!(tasks.stop(Duration::from_secs(5)).await, "nobody is left");
    }
}
