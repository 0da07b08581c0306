//! The transport: publishes to the three exchanges and consumes queues. Two implementations,
//! [`memory`] (one process) and [`rabbitmq`], pass one conformance suite; a service never knows
//! which one it runs on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use contracts::{Agence, Envelope, Famille, Flux};

mod attributes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod identity;
mod limits;
pub mod memory;
pub mod observed;
pub mod rabbitmq;
mod routes;
pub mod tls;
mod topic;
pub mod topology;

pub use identity::Identity;
pub use memory::MemoryBus;
pub use observed::{Observed, Watch};
pub use rabbitmq::{RabbitBus, RabbitOptions, vhost_of};
pub use topic::topic_matches;

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The exchange.
    pub flux: Flux,
    /// The routing key: the type for a fact, `<agence>.<code>.<type>` otherwise.
    pub routing_key: String,
    /// The message.
    pub envelope: Envelope,
    /// A message that no queue takes comes back as [`Confirmation::Returned`].
    pub mandatory: bool,
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Taken over by every queue bound to it (RabbitMQ), or committed by every consumer (memory).
    Confirmed,
    /// Mandatory, and no queue is bound to its key.
    Returned,
    /// Refused or unknown (queue at its limit, connection lost): publish it again later, same id.
    Failed,
}

/// Who published a delivery, as the transport vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A service of Relais.
    Relais,
    /// An authenticated agency.
    Agence(Agence),
}

/// Why a delivery is not usable; it becomes a failure row, body and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Stable code: `enveloppe-invalide`, `agence-non-authentifiee`, `cc-interdit`, `livraisons-epuisees`, …
    pub code: &'static str,
    /// What is wrong, without any value of the body.
    pub reason: String,
}

/// A message on its way in; settled through the consumer that gave it.
#[derive(Debug)]
pub struct Delivery {
    /// Settles it.
    pub tag: u64,
    /// Where it was published.
    pub flux: Flux,
    /// Its routing key.
    pub routing_key: String,
    /// The message. When `rejection` is set, whatever could be read of it: the body is complete.
    pub envelope: Envelope,
    /// Who published it.
    pub origin: Origin,
    /// Set when the message must not be decided.
    pub rejection: Option<Rejection>,
    /// Virtual time stands still while a delivery exists.
    pub busy: kernel::Busy,
}

/// What a consumer binds its queue to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue's name: the service's name, or [`Agence::queue`].
    pub name: String,
    /// (exchange, routing key pattern; `*` is one word, `#` any number).
    pub bindings: Vec<(Flux, String)>,
}

impl QueueSpec {
    /// The queue of a service: its name, and what it reads.
    pub fn service(name: &str, bindings: Vec<(Flux, String)>) -> Self {
        Self { name: name.to_owned(), bindings }
    }

    /// The queue of an agency: every request made to it, and nothing else.
    pub fn agence(agence: &Agence) -> Self {
        Self { name: agence.queue(), bindings: vec![(Flux::Demandes, format!("{agence}.#"))] }
    }

    /// Where the broker puts what was delivered too often from this queue: `<queue>.morts`, and
    /// one queue for a whole family of agencies, `agence.cpam.morts`, which the service that
    /// writes to that family reads. What is read there is rejected (`livraisons-epuisees`).
    #[must_use]
    pub fn morts(&self) -> Self {
        let agence = self.name.strip_prefix("agence.").and_then(|a| a.parse::<Agence>().ok());
        match agence {
            Some(agence) => Self::morts_of(agence.famille),
            None => Self { name: format!("{}{DEAD_LETTERS}", self.name), bindings: Vec::new() },
        }
    }

    /// The dead letters of a family of agencies.
    pub fn morts_of(famille: Famille) -> Self {
        let name = format!("agence.{}{DEAD_LETTERS}", famille.as_str());
        Self { name, bindings: Vec::new() }
    }
}

/// End of the name of a dead-letter queue.
const DEAD_LETTERS: &str = ".morts";

fn is_dead_letter_queue(name: &str) -> bool {
    name.ends_with(DEAD_LETTERS)
}

fn spent_deliveries() -> Rejection {
    Rejection {
        code: "livraisons-epuisees",
        reason: "delivered too many times without being settled".to_owned(),
    }
}

/// Why the transport could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The broker is away or closed the channel; try again.
    #[error("the broker is away")]
    Away(#[source] kernel::BoxError),
    /// The topology is not what it should be; the text says what to do.
    #[error("topology: {0}")]
    Topology(String),
    /// A certificate is missing, unreadable or refused; the text says which and what to do.
    #[error("TLS: {0}")]
    Tls(String),
    /// The transport was closed.
    #[error("the transport is closed")]
    Closed,
}

/// A connection to one queue.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Waits for a first delivery, then takes what is already there, up to `max`. An empty batch
    /// means that the connection was lost, or is back ([`Consumer::connected`] says which):
    /// unsettled tags are void. A lost connection is made again while the next batch is awaited:
    /// what somebody busy would only hold, and lose again, stays in the queue.
    ///
    /// # Errors
    /// [`BusError::Closed`] once the transport is closed.
    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BusError>;

    /// Acknowledges: the effects are committed. Tags of a lost connection are ignored (the broker
    /// delivers them again, the inbox knows them).
    async fn ack(&mut self, tags: &[u64]) -> Result<(), BusError>;

    /// Gives back what was not handled (shutdown only; never on a store error).
    async fn release(&mut self, tags: &[u64]) -> Result<(), BusError>;

    /// Whether deliveries can come now.
    fn connected(&self) -> bool;
}

/// Publishes and consumes.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Publishes in order, with pipelined confirms; one [`Confirmation`] each, in order.
    async fn publish(&self, messages: Vec<Publication>) -> Vec<Confirmation>;

    /// Declares (when allowed), binds and consumes a queue. At most `prefetch` deliveries are
    /// unsettled at a time.
    async fn consume(
        &self,
        queue: &QueueSpec,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, BusError>;

    /// Answers within `limit` whether messages can be exchanged now.
    async fn ready(&self, limit: Duration) -> bool;

    /// Closes every connection; consumers end with [`BusError::Closed`].
    async fn close(&self);
}

/// A shared transport.
pub type SharedTransport = Arc<dyn Transport>;
