//! The simulated agencies over RabbitMQ, when services run in other processes: the agencies read
//! their own queues, and an observer reads everything for the operator.

use std::{sync::Arc, time::Duration};

use bus::{
    BusError, Consumer, Identity, QueueSpec, RabbitBus, RabbitOptions, SharedTransport, Transport,
};
use contracts::Flux;
use kernel::{Clock, Secret, Tasks};

use crate::Monde;

/// Name of the observer's queue.
const OBSERVATEUR: &str = "observateur";
/// Messages taken at a time.
const LOT: usize = 256;
/// Real time before a lost queue is read again.
const PAUSE: Duration = Duration::from_millis(500);

/// A world's place on a broker.
pub struct Courtier {
    bus: Arc<RabbitBus>,
    queues: Vec<QueueSpec>,
}

impl Courtier {
    /// Opens every agency that the population meets, and the observer. Everybody has the same user
    /// of the broker, hence identities by header; queues are declared under `prefix`.
    ///
    /// # Errors
    /// [`BusError`] when the broker is away or refuses a queue.
    pub async fn ouvrir(
        monde: &Monde,
        url: Secret,
        prefix: &str,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Result<Self, BusError> {
        let identity = Identity::Service(OBSERVATEUR.to_owned());
        let bus =
            RabbitBus::connect(RabbitOptions::demo(url, identity, clock.clone(), prefix)).await?;
        let agences = monde.agences();
        let observateur = QueueSpec::service(OBSERVATEUR, lectures(&agences));
        let consumer = bus.consume(&observateur, 512).await?;
        let mut queues = vec![observateur.clone()];
        for agence in agences {
            queues.push(QueueSpec::agence(&agence));
            monde.ouvrir_agence(agence.clone(), bus.agency(agence)?).await?;
        }
        let transport: SharedTransport = bus.clone();
        let seen = monde.clone();
        tasks.spawn_until_stopped(async move {
            observer(&seen, &transport, &observateur, consumer).await;
        });
        Ok(Self { bus, queues })
    }

    /// Deletes what was declared under the prefix, the queues of `services` included, and closes:
    /// for tests, which leave nothing behind.
    ///
    /// # Errors
    /// [`BusError`] when the broker is away.
    pub async fn effacer(&self, services: &[QueueSpec]) -> Result<(), BusError> {
        let all: Vec<_> = self.queues.iter().chain(services).cloned().collect();
        let erased = self.bus.erase(&all).await;
        self.bus.close().await;
        erased
    }

    /// Closes, leaving the queues as they are.
    pub async fn fermer(&self) {
        self.bus.close().await;
    }
}

/// Facts, answers, and the requests of the agencies that are simulated here: a wider pattern on
/// requests would make every one of them routable, and `mandatory` would never warn.
fn lectures(agences: &[contracts::Agence]) -> Vec<(Flux, String)> {
    let everything = [Flux::Evenements, Flux::Reponses].map(|flux| (flux, "#".to_owned()));
    let requests = agences.iter().map(|agence| (Flux::Demandes, format!("{agence}.#")));
    everything.into_iter().chain(requests).collect()
}

async fn observer(
    monde: &Monde,
    transport: &SharedTransport,
    queue: &QueueSpec,
    mut consumer: Box<dyn Consumer>,
) {
    loop {
        match consumer.next_batch(LOT).await {
            Ok(batch) => {
                for delivery in &batch {
                    monde.voir(&delivery.routing_key, &delivery.envelope);
                }
                let tags: Vec<u64> = batch.iter().map(|d| d.tag).collect();
                // Not acknowledged means delivered again: what was seen is known.
                let _ = consumer.ack(&tags).await;
            }
            Err(BusError::Closed) => return,
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                if let Ok(again) = transport.consume(queue, 512).await {
                    consumer = again;
                }
            }
        }
    }
}
