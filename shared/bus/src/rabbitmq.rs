//! The transport over RabbitMQ (AMQP 0.9.1, quorum queues, from 3.10 on).
//!
//! Two connections: one publishes with confirms, one consumes. Each is made again when it is
//! lost; what was not confirmed has failed (its sender publishes it again under the same id), what
//! was not acknowledged is delivered again (the inbox knows it). TLS (`amqps://`) is rustls with
//! ring: see [`crate::tls`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use contracts::Agence;
use kernel::{Clock, Secret, Tasks};
use tokio::time::timeout;

use crate::{
    BusError, Confirmation, Consumer, Identity, Publication, QueueSpec, SharedTransport, Transport,
    tls::Certificates,
};

mod acks;
mod consumer;
mod declare;
mod decode;
mod link;
mod publisher;
mod reader;

use link::Link;
use publisher::Publisher;

/// Longest wait for consumers to settle what they were told to when the transport closes.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// See [`RabbitOptions::silence`].
const SILENCE: Duration = Duration::from_secs(15);

/// How to use a broker.
#[derive(Clone, Debug)]
pub struct RabbitOptions {
    /// `amqp://user:password@host:port/vhost`, or `amqps://`.
    pub url: Secret,
    /// Whom to trust and what to show over `amqps://`.
    pub certificates: Certificates,
    /// Who connects. An agency's user is [`Agence::user`]; a service's may have any name that is
    /// not an agency's.
    pub identity: Identity,
    /// Begins the name of every exchange and queue: empty, or `demo.`.
    pub prefix: String,
    /// The client creates exchanges, queues (limits as arguments) and bindings itself, instead of
    /// finding what `relais topology apply` made.
    pub declare: bool,
    /// Every connection has the same user, so the publisher is read in the header
    /// `relais_identite`, which anybody can write: for the demo and tests only.
    pub identity_header: bool,
    /// Business time, for virtual time to stand still while a delivery exists.
    pub clock: Clock,
    /// A consumer that was given nothing for so long is checked: when messages were ready at two
    /// checks in a row, or the broker cannot be asked, it is made again.
    pub silence: Duration,
}

impl RabbitOptions {
    /// The options of production: no prefix, nothing declared, identities by the broker's users.
    pub fn new(url: Secret, identity: Identity, clock: Clock) -> Self {
        Self {
            url,
            certificates: Certificates::default(),
            identity,
            prefix: String::new(),
            declare: false,
            identity_header: false,
            clock,
            silence: SILENCE,
        }
    }

    /// One broker's user for everybody, queues declared under a prefix: the demo and tests.
    pub fn demo(url: Secret, identity: Identity, clock: Clock, prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        let base = Self::new(url, identity, clock);
        Self { prefix, declare: true, identity_header: true, ..base }
    }
}

/// What every handle of one transport shares.
#[derive(Debug)]
struct Shared {
    publisher: Publisher,
    consuming: Link,
    prefix: String,
    declare: bool,
    identity_header: bool,
    clock: Clock,
    silence: Duration,
    tasks: Tasks,
}

/// A transport over RabbitMQ.
#[derive(Debug)]
pub struct RabbitBus {
    shared: Arc<Shared>,
    identity: Identity,
}

impl RabbitBus {
    /// Connects, and checks (or declares) the exchanges.
    ///
    /// # Errors
    /// [`BusError::Away`] when the broker does not answer; [`BusError::Topology`] when the URL's
    /// user is not the identity's, or when an exchange does not exist; [`BusError::Tls`] when a
    /// certificate is refused, by this side or by the broker.
    pub async fn connect(options: RabbitOptions) -> Result<Arc<Self>, BusError> {
        let RabbitOptions {
            url,
            certificates,
            identity,
            prefix,
            declare,
            identity_header,
            clock,
            silence,
        } = options;
        let uri = link::parse(&url)?;
        certificates.check(&uri.scheme)?;
        let user = uri.authority.userinfo.username;
        check_user(&identity, &user, identity_header)?;
        let link = |use_: &str| {
            let name = format!("{prefix}{} {use_}", identity.user());
            Link::new(url.clone(), certificates.clone(), name)
        };
        let user = (!identity_header).then_some(user);
        let shared = Arc::new(Shared {
            publisher: Publisher::new(link("publishes"), prefix.clone(), user),
            consuming: link("consumes"),
            prefix,
            declare,
            identity_header,
            clock,
            silence,
            tasks: Tasks::new(),
        });
        let channel = shared.publisher.probe().await?;
        declare::exchanges(&channel, &shared.prefix, declare).await?;
        link::dismiss(&channel).await;
        Ok(Arc::new(Self { shared, identity }))
    }

    /// The same transport, on the same connections, as one agency sees it.
    ///
    /// # Errors
    /// [`BusError::Topology`] where identities are the broker's users: an agency then has its own
    /// connection.
    pub fn agency(&self, agence: Agence) -> Result<SharedTransport, BusError> {
        if !self.shared.identity_header {
            return Err(BusError::Topology(format!(
                "{} connects as its own user of the broker",
                agence.user()
            )));
        }
        let identity = Identity::Agence(agence);
        Ok(Arc::new(Self { shared: Arc::clone(&self.shared), identity }))
    }

    /// Creates a queue and its bindings, without consuming it; what exists is kept.
    ///
    /// # Errors
    /// [`BusError::Topology`] when this transport does not declare, or the queue exists with other
    /// arguments; [`BusError::Away`].
    pub async fn declare(&self, queue: &QueueSpec) -> Result<(), BusError> {
        self.check_declares()?;
        let channel = self.shared.consuming.channel().await?;
        declare::exchanges(&channel, &self.shared.prefix, true).await?;
        declare::queue(&channel, &self.shared.prefix, queue).await
    }

    /// Messages in a queue that nobody has been given yet.
    ///
    /// # Errors
    /// [`BusError::Topology`] when the queue does not exist; [`BusError::Away`].
    pub async fn waiting(&self, queue: &QueueSpec) -> Result<u32, BusError> {
        let channel = self.shared.consuming.channel().await?;
        declare::waiting(&channel, &format!("{}{}", self.shared.prefix, queue.name)).await
    }

    /// Deletes queues, their dead letters and the exchanges of this prefix, messages included:
    /// before a demo or a test that must begin from nothing, and after it.
    ///
    /// # Errors
    /// [`BusError::Topology`] when this transport does not declare; [`BusError::Away`].
    pub async fn erase(&self, queues: &[QueueSpec]) -> Result<(), BusError> {
        self.check_declares()?;
        let channel = self.shared.consuming.channel().await?;
        declare::erase(&channel, &self.shared.prefix, queues).await
    }

    fn check_declares(&self) -> Result<(), BusError> {
        if self.shared.declare {
            return Ok(());
        }
        Err(BusError::Topology("the topology is applied by `relais topology apply`".to_owned()))
    }
}

#[async_trait]
impl Transport for RabbitBus {
    async fn publish(&self, messages: Vec<Publication>) -> Vec<Confirmation> {
        if self.shared.tasks.is_stopping() {
            return vec![Confirmation::Failed; messages.len()];
        }
        self.shared.publisher.publish(&messages, &self.identity).await
    }

    async fn consume(
        &self,
        queue: &QueueSpec,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, BusError> {
        self.identity.check_consume(queue)?;
        if self.shared.tasks.is_stopping() {
            return Err(BusError::Closed);
        }
        let shared = Arc::clone(&self.shared);
        let consumer = consumer::consume(shared, queue, prefetch, &self.shared.tasks).await?;
        Ok(Box::new(consumer))
    }

    async fn ready(&self, limit: Duration) -> bool {
        !self.shared.tasks.is_stopping()
            && timeout(limit, self.shared.publisher.ready()).await.unwrap_or(false)
    }

    async fn close(&self) {
        self.shared.tasks.stop(CLOSE_PATIENCE).await;
        self.shared.publisher.close().await;
        self.shared.consuming.close().await;
    }
}

/// The virtual host of a broker's URL.
///
/// # Errors
/// [`BusError::Topology`] when it is no URL of a broker.
pub fn vhost_of(url: &Secret) -> Result<String, BusError> {
    Ok(link::parse(url)?.vhost)
}

fn check_user(identity: &Identity, user: &str, identity_header: bool) -> Result<(), BusError> {
    let expected = match identity {
        _ if identity_header => return Ok(()),
        Identity::Service(_) if Agence::from_user(user).is_none() => return Ok(()),
        Identity::Service(name) => format!("a service such as {name}"),
        Identity::Agence(agence) if agence.user() == user => return Ok(()),
        Identity::Agence(agence) => agence.user(),
    };
    Err(BusError::Topology(format!("the URL's user is {user}, not {expected}")))
}
