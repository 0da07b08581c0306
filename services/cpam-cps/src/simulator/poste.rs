//! The desk of a simulated agency: reads its queue, publishes its answers later. Virtual time
//! stands still while it thinks: a timer is registered before the request is let go of.

use std::time::Duration;

use bus::{BusError, Confirmation, Delivery, Publication, QueueSpec, SharedTransport};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Agence, Envelope, Flux, Message};
use kernel::{Busy, Clock, Tasks};
use uuid::Uuid;

/// Wait before an answer that was refused by the transport is published again.
const ENCORE: TimeDelta = TimeDelta::minutes(1);

/// What an agency works with; cheap to clone.
#[derive(Clone)]
pub(super) struct Poste {
    transport: SharedTransport,
    agence: Agence,
    clock: Clock,
    tasks: Tasks,
}

/// An answer that is not published yet.
#[derive(Clone, Debug)]
pub(super) struct Reponse {
    pub id: Uuid,
    pub message_type: &'static str,
    pub subject: String,
    pub correlation_id: Option<String>,
    pub causation_id: Option<String>,
    pub data: Vec<u8>,
}

impl Reponse {
    /// Wraps a message of the catalogue.
    pub(super) fn new<M: Message>(id: Uuid, message: &M, cause: Option<&Envelope>) -> Self {
        Self {
            id,
            message_type: M::TYPE,
            subject: message.subject(),
            correlation_id: cause.and_then(|c| c.correlation_id.clone()),
            causation_id: cause.map(|c| c.id.clone()),
            data: serde_json::to_vec(message).expect("messages of the catalogue encode"),
        }
    }
}

impl Poste {
    pub(super) fn new(
        transport: SharedTransport,
        agence: Agence,
        clock: Clock,
        tasks: Tasks,
    ) -> Self {
        Self { transport, agence, clock, tasks }
    }

    pub(super) fn agence(&self) -> &Agence {
        &self.agence
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Reads the agency's queue for as long as the transport is open.
    pub(super) async fn ecouter(
        &self,
        recevoir: impl Fn(&Delivery) + Send + Sync + 'static,
    ) -> Result<(), BusError> {
        let bindings = vec![(Flux::Demandes, format!("{}.#", self.agence))];
        let queue = QueueSpec { name: self.agence.queue(), bindings };
        let mut consumer = self.transport.consume(&queue, 128).await?;
        self.tasks.spawn_until_stopped(async move {
            while let Ok(batch) = consumer.next_batch(64).await {
                batch.iter().for_each(&recevoir);
                let tags: Vec<u64> = batch.iter().map(|d| d.tag).collect();
                // Not acknowledged means delivered again: the agency knows what it has seen.
                let _ = consumer.ack(&tags).await;
            }
        });
        Ok(())
    }

    /// Publishes answers after a delay of business time, in order, until the transport takes them.
    pub(super) fn publier_apres(&self, apres: Duration, reponses: Vec<Reponse>) {
        let due = self.clock.now() + TimeDelta::from_std(apres).unwrap_or_default();
        let timer = self.clock.timer(due);
        let poste = self.clone();
        self.tasks.spawn_until_stopped(async move {
            let mut busy = timer.await;
            // A real timer wakes early when its instant is far away.
            while poste.clock.now() < due {
                busy = poste.clock.timer(due).await;
            }
            for reponse in reponses {
                busy = poste.publier(reponse, poste.clock.now(), busy).await;
            }
        });
    }

    async fn publier(&self, reponse: Reponse, time: DateTime<Utc>, mut busy: Busy) -> Busy {
        let publication = Publication {
            flux: Flux::Reponses,
            routing_key: self.agence.routing_key(reponse.message_type),
            envelope: Envelope {
                id: reponse.id.to_string(),
                source: self.agence.source(),
                message_type: reponse.message_type.to_owned(),
                subject: Some(reponse.subject),
                time,
                sequence: None,
                correlation_id: reponse.correlation_id,
                causation_id: reponse.causation_id,
                traceparent: None,
                data: reponse.data,
            },
            mandatory: true,
        };
        loop {
            match self.transport.publish(vec![publication.clone()]).await.first() {
                Some(Confirmation::Confirmed) => return busy,
                Some(Confirmation::Failed | Confirmation::Returned) | None => {
                    let timer = self.clock.timer(self.clock.now() + ENCORE);
                    drop(busy);
                    busy = timer.await;
                }
            }
        }
    }
}
