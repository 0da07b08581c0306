//! Publishing with pipelined confirms.
//!
//! Each call that has mandatory messages has a channel of its own. lapin attaches a returned message
//! to whichever confirm it completes next, not to the confirm of that message; on a channel of its
//! own, once every confirm of the call is known, the set of returned ids is exact. Other calls share
//! a channel, and arrive in the order in which they were made.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
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
    link::{Link, chain, dismiss, patiently, pauses, refusal},
};
use crate::{BusError, Confirmation, Identity, Publication};

/// Messages on their way to the broker and not confirmed, per call: a batch of the relay. Most of
/// the gain is had at 200 (RabbitMQ, 2020-05-14); the largest batches share their other costs.
const IN_FLIGHT: usize = 256;
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
    /// The channel of every call that has no mandatory message, which cannot come back. It is held
    /// while a call sends, so that calls arrive in the order in which they were made.
    facts: tokio::sync::Mutex<Option<Channel>>,
}

/// A publication as AMQP wants it.
struct Outgoing<'a> {
    exchange: ShortString,
    routing_key: ShortString,
    properties: BasicProperties,
    mandatory: bool,
    data: &'a [u8],
}

impl Publisher {
    pub(super) fn new(link: Link, prefix: String, user: Option<String>) -> Self {
        Self { link, prefix, user, idle: Mutex::default(), facts: tokio::sync::Mutex::default() }
    }

    /// Publishes in order; one confirmation each, in order.
    pub(super) async fn publish(
        &self,
        messages: &[Publication],
        identity: &Identity,
    ) -> Vec<Confirmation> {
        let published = if messages.iter().any(|message| message.mandatory) {
            self.publish_requests(messages, identity).await
        } else {
            self.publish_facts(messages, identity).await
        };
        published.unwrap_or_else(|error| {
            warn!(error = %chain(&error), messages = messages.len(), "cannot publish");
            vec![Confirmation::Failed; messages.len()]
        })
    }

    /// Several calls share a channel: what nobody takes is dropped by the broker, never returned.
    async fn publish_facts(
        &self,
        messages: &[Publication],
        identity: &Identity,
    ) -> Result<Vec<Confirmation>, BusError> {
        let mut call = Call::new(messages.len());
        for (part, first) in messages.chunks(IN_FLIGHT).zip((0..).step_by(IN_FLIGHT)) {
            let outgoing = self.outgoing_all(part, identity, first);
            let mut held = self.facts.lock().await;
            let channel = match held.take().filter(|channel| channel.status().connected()) {
                Some(channel) => channel,
                None => self.channel().await?,
            };
            call.send(&channel, outgoing).await;
            if call.broken.is_none() {
                *held = Some(channel.clone());
            }
            drop(held);
            call.settle().await;
            if let Some(error) = &call.broken {
                note_broken(error);
                // Whoever still has it sees it closed, and takes another one.
                dismiss(&channel).await;
                break;
            }
        }
        Ok(call.outcome(messages))
    }

    /// A channel of its own for the whole call.
    async fn publish_requests(
        &self,
        messages: &[Publication],
        identity: &Identity,
    ) -> Result<Vec<Confirmation>, BusError> {
        let channel = self.channel().await?;
        let mut call = Call::new(messages.len());
        for (part, first) in messages.chunks(IN_FLIGHT).zip((0..).step_by(IN_FLIGHT)) {
            call.send(&channel, self.outgoing_all(part, identity, first)).await;
            call.settle().await;
            if call.broken.is_some() {
                break;
            }
        }
        if let Some(error) = &call.broken {
            note_broken(error);
            dismiss(&channel).await;
        } else {
            self.idle().push(channel);
        }
        Ok(call.outcome(messages))
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
        // A call that is sending ends by itself: its connection is closed below.
        if let Ok(mut facts) = self.facts.try_lock() {
            *facts = None;
        }
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

    /// Those that can be published, each with its place in the call.
    fn outgoing_all<'a>(
        &self,
        messages: &'a [Publication],
        identity: &Identity,
        first: usize,
    ) -> Vec<(usize, Outgoing<'a>)> {
        let each = messages.iter().zip(first..);
        each.filter_map(|(m, index)| Some((index, self.outgoing(m, identity)?))).collect()
    }

    /// `None` when the message can never be published as it is.
    fn outgoing<'a>(&self, message: &'a Publication, identity: &Identity) -> Option<Outgoing<'a>> {
        if !identity.may_publish(message) {
            warn!(user = identity.user(), "an agency tried to publish outside of its own keys");
            return None;
        }
        let outgoing = || {
            Some(Outgoing {
                exchange: short(&format!("{}{}", self.prefix, message.flux.exchange()))?,
                routing_key: short(&message.routing_key)?,
                properties: properties(&message.envelope, identity, self.user.as_deref())?,
                mandatory: message.mandatory,
                data: &message.envelope.data,
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

fn note_broken(error: &BusError) {
    let code = refusal(error).unwrap_or_default();
    warn!(error = %chain(error), code, "a channel broke while publishing");
}

/// The state of one call.
struct Call {
    waiting: Vec<(usize, PublisherConfirm)>,
    confirmations: Vec<Confirmation>,
    returned: BTreeSet<String>,
    broken: Option<BusError>,
}

impl Call {
    fn new(messages: usize) -> Self {
        Self {
            waiting: Vec::new(),
            confirmations: vec![Confirmation::Failed; messages],
            returned: BTreeSet::new(),
            broken: None,
        }
    }

    /// Sends every message, in order. All are handed to the connection before the first is waited
    /// for: a message that is waited for alone costs a change of thread.
    async fn send(&mut self, channel: &Channel, messages: Vec<(usize, Outgoing<'_>)>) {
        let sent = messages.into_iter().map(async |(index, message)| {
            let options = BasicPublishOptions { mandatory: message.mandatory, immediate: false };
            let sent = channel.basic_publish(
                message.exchange,
                message.routing_key,
                options,
                message.data,
                message.properties,
            );
            let sent = sent.await;
            if sent.is_ok() {
                failpoint("publish-begun");
            }
            (index, sent)
        });
        let all = async { Ok(join_all(sent).await) };
        match patiently(all).await {
            Ok(sent) => {
                for (index, sent) in sent {
                    match sent {
                        Ok(confirm) => self.waiting.push((index, confirm)),
                        Err(error) => self.broken = Some(BusError::Away(Box::new(error))),
                    }
                }
            }
            Err(error) => self.broken = Some(error),
        }
        failpoint("publish-sent");
    }

    /// Waits for every confirm.
    async fn settle(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let all = async {
            for (index, confirm) in waiting {
                match confirm.await {
                    Ok(confirmation) => self.settled(index, confirmation),
                    Err(error) => self.broken = Some(BusError::Away(Box::new(error))),
                }
            }
        };
        if let Err(elapsed) = timeout(CONFIRM_PATIENCE, all).await {
            self.broken = Some(BusError::Away(Box::new(elapsed)));
        }
    }

    fn settled(&mut self, index: usize, confirmation: lapin::Confirmation) {
        if confirmation.is_ack() {
            self.confirmations[index] = Confirmation::Confirmed;
        }
        let returned = confirmation.take_message();
        let id = returned.and_then(|m| m.delivery.properties.message_id().clone());
        self.returned.extend(id.map(|id| id.as_str().to_owned()));
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
