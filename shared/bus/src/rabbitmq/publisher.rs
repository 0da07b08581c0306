//! Publishing with pipelined confirms.
//!
//! Each call has a channel of its own. lapin attaches a returned message to whichever confirm it
//! completes next, not to the confirm of that message; on a channel of its own, once every confirm
//! of the call is known, the set of returned ids is exact.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::failpoint;
use lapin::{
    BasicProperties, Channel, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::time::timeout;
use tracing::warn;

use super::{
    decode::{properties, short},
    link::{Link, chain, patiently, pauses, refusal},
};
use crate::{BusError, Confirmation, Identity, Publication};

/// Messages on their way to the broker and not confirmed, per call: the gain is largest between
/// 20 and 200 (RabbitMQ, 2020-05-14).
const IN_FLIGHT: usize = 200;
/// Past it, a message counts as failed and its channel is given up.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(30);
/// Attempts at a channel before a whole call fails; its caller tries again later.
const CHANNEL_ATTEMPTS: usize = 4;

/// Publishes on one connection.
#[derive(Debug)]
pub(super) struct Publisher {
    link: Link,
    prefix: String,
    /// The connection's user; `None` when the identity travels in a header.
    user: Option<String>,
    idle: Mutex<Vec<Channel>>,
}

/// A publication as AMQP wants it.
struct Outgoing {
    exchange: ShortString,
    routing_key: ShortString,
    properties: BasicProperties,
}

impl Publisher {
    pub(super) fn new(link: Link, prefix: String, user: Option<String>) -> Self {
        Self { link, prefix, user, idle: Mutex::default() }
    }

    /// Publishes in order; one confirmation each, in order.
    pub(super) async fn publish(
        &self,
        messages: &[Publication],
        identity: &Identity,
    ) -> Vec<Confirmation> {
        let channel = match self.channel().await {
            Ok(channel) => channel,
            Err(error) => {
                warn!(error = %chain(&error), messages = messages.len(), "cannot publish");
                return vec![Confirmation::Failed; messages.len()];
            }
        };
        let mut call = Call::new(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let Some(outgoing) = self.outgoing(message, identity) else { continue };
            if call.waiting.len() >= IN_FLIGHT {
                call.settle_oldest().await;
            }
            if call.broken.is_some() {
                break;
            }
            let sent = channel.basic_publish(
                outgoing.exchange,
                outgoing.routing_key,
                BasicPublishOptions { mandatory: message.mandatory, immediate: false },
                &message.envelope.data,
                outgoing.properties,
            );
            match patiently(sent).await {
                Ok(confirm) => {
                    failpoint("publish-begun");
                    call.waiting.push_back((index, confirm));
                }
                Err(error) => call.broken = Some(error),
            }
        }
        failpoint("publish-sent");
        while !call.waiting.is_empty() {
            call.settle_oldest().await;
        }
        if let Some(error) = &call.broken {
            let code = refusal(error).unwrap_or_default();
            warn!(error = %chain(error), code, "a channel broke while publishing");
            // Best effort: a channel that the broker closed cannot be closed again.
            let _ = timeout(Duration::from_secs(1), channel.close(200, "OK".into())).await;
        } else {
            self.idle().push(channel);
        }
        call.outcome(messages)
    }

    /// Answers whether the broker answers.
    pub(super) async fn ready(&self) -> bool {
        let Ok(channel) = self.fresh_or_idle().await else { return false };
        // Idempotent, and asks for no permission.
        let answered = patiently(channel.confirm_select(ConfirmSelectOptions::default())).await;
        if answered.is_ok() {
            self.idle().push(channel);
        }
        answered.is_ok()
    }

    /// Opens a first channel: fails when the broker is away.
    pub(super) async fn probe(&self) -> Result<Channel, BusError> {
        self.link.channel().await
    }

    pub(super) async fn close(&self) {
        self.idle().clear();
        self.link.close().await;
    }

    async fn channel(&self) -> Result<Channel, BusError> {
        let mut pauses = pauses().take(CHANNEL_ATTEMPTS - 1);
        loop {
            match self.fresh_or_idle().await {
                Ok(channel) => return Ok(channel),
                Err(error) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }

    async fn fresh_or_idle(&self) -> Result<Channel, BusError> {
        loop {
            let idle = self.idle().pop();
            match idle {
                Some(channel) if channel.status().connected() => return Ok(channel),
                Some(_) => {}
                None => break,
            }
        }
        let channel = self.link.channel().await?;
        patiently(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// `None` when the message can never be published as it is.
    fn outgoing(&self, message: &Publication, identity: &Identity) -> Option<Outgoing> {
        if !identity.may_publish(message) {
            warn!(user = identity.user(), "an agency tried to publish outside of its own keys");
            return None;
        }
        let outgoing = || {
            Some(Outgoing {
                exchange: short(&format!("{}{}", self.prefix, message.flux.exchange()))?,
                routing_key: short(&message.routing_key)?,
                properties: properties(&message.envelope, identity, self.user.as_deref())?,
            })
        };
        let outgoing = outgoing();
        if outgoing.is_none() {
            warn!(message_type = message.envelope.message_type, "an attribute is over 255 bytes");
        }
        outgoing
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of one call.
struct Call {
    waiting: VecDeque<(usize, PublisherConfirm)>,
    confirmations: Vec<Confirmation>,
    returned: BTreeSet<String>,
    broken: Option<BusError>,
}

impl Call {
    fn new(messages: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            confirmations: vec![Confirmation::Failed; messages],
            returned: BTreeSet::new(),
            broken: None,
        }
    }

    async fn settle_oldest(&mut self) {
        let Some((index, confirm)) = self.waiting.pop_front() else { return };
        match timeout(CONFIRM_PATIENCE, confirm).await {
            Ok(Ok(confirmation)) => {
                if confirmation.is_ack() {
                    self.confirmations[index] = Confirmation::Confirmed;
                }
                let returned = confirmation.take_message();
                let id = returned.and_then(|m| m.delivery.properties.message_id().clone());
                self.returned.extend(id.map(|id| id.as_str().to_owned()));
            }
            Ok(Err(error)) => self.broken = Some(BusError::Away(Box::new(error))),
            Err(elapsed) => {
                self.broken = Some(BusError::Away(Box::new(elapsed)));
                // The rest of the call had as much time: do not wait for each of them again.
                self.waiting.clear();
            }
        }
    }

    fn outcome(mut self, messages: &[Publication]) -> Vec<Confirmation> {
        for (confirmation, message) in self.confirmations.iter_mut().zip(messages) {
            let came_back = self.returned.contains(&message.envelope.id);
            if *confirmation == Confirmation::Confirmed && came_back {
                *confirmation = Confirmation::Returned;
            }
        }
        // Which of them came back is not known when a confirm is missing: all are published again.
        if self.broken.is_some() {
            for (confirmation, message) in self.confirmations.iter_mut().zip(messages) {
                if message.mandatory && *confirmation == Confirmation::Confirmed {
                    *confirmation = Confirmation::Failed;
                }
            }
        }
        self.confirmations
    }
}
