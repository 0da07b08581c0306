//! What a service decides: the next state, and the effects that follow.

use std::fmt::{self, Debug};

use chrono::{DateTime, Utc};
use contracts::{Agence, Flux, Message};

use super::Service;

/// What is decided.
pub enum Decision<S: Service> {
    /// The state becomes `state`, and these effects follow, in one transaction.
    Next {
        /// The next state.
        state: S::State,
        /// What follows.
        effects: Vec<Effect<S>>,
    },
    /// Nothing to do; counted under this reason, not a failure.
    Ignore(&'static str),
}

impl<S: Service> Decision<S> {
    /// The state becomes `state`; add effects with the methods below.
    pub fn next(state: S::State) -> Self {
        Self::Next { state, effects: Vec::new() }
    }

    /// Adds an effect; nothing on an [`Decision::Ignore`].
    #[must_use]
    pub fn with(mut self, effect: Effect<S>) -> Self {
        if let Self::Next { effects, .. } = &mut self {
            effects.push(effect);
        }
        self
    }

    /// Adds several effects.
    #[must_use]
    pub fn with_all(self, effects: impl IntoIterator<Item = Effect<S>>) -> Self {
        effects.into_iter().fold(self, Self::with)
    }

    /// Publishes a fact.
    #[must_use]
    pub fn publish<M: Message>(self, fact: &M) -> Self {
        self.with(Effect::publish(fact))
    }

    /// Sends a request to an agency's queue.
    #[must_use]
    pub fn request<M: Message>(self, agence: &Agence, request: &M) -> Self {
        self.with(Effect::request(agence, request))
    }

    /// Calls the agency.
    #[must_use]
    pub fn ask(self, ask: S::Ask) -> Self {
        self.with(Effect::Ask(ask))
    }

    /// Tells another state of this service.
    #[must_use]
    pub fn tell(self, key: impl Into<String>, event: S::Event) -> Self {
        self.with(Effect::Tell { key: key.into(), event })
    }

    /// Wakes this state up at `at`; replaces the wake-up of the same reason.
    #[must_use]
    pub fn wake_at(self, at: DateTime<Utc>, reason: impl Into<String>) -> Self {
        self.with(Effect::WakeAt { at, reason: reason.into() })
    }

    /// Forgets the wake-up of this reason.
    #[must_use]
    pub fn cancel_wake(self, reason: impl Into<String>) -> Self {
        self.with(Effect::CancelWake(reason.into()))
    }

    /// Cancels the unanswered asks of this state of this kind.
    #[must_use]
    pub fn cancel_asks(self, kind: &'static str) -> Self {
        self.with(Effect::CancelAsks(kind))
    }
}

/// What follows from a decision.
pub enum Effect<S: Service> {
    /// Publish a message.
    Publish(Outgoing),
    /// Call the agency.
    Ask(S::Ask),
    /// Cancel this state's unanswered asks of a kind.
    CancelAsks(&'static str),
    /// Tell another state.
    Tell {
        /// Its key.
        key: String,
        /// What to tell.
        event: S::Event,
    },
    /// Wake this state up; one per reason, replaced.
    WakeAt {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: String,
    },
    /// Forget a wake-up.
    CancelWake(String),
}

impl<S: Service> Clone for Effect<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Publish(out) => Self::Publish(out.clone()),
            Self::Ask(ask) => Self::Ask(ask.clone()),
            Self::CancelAsks(kind) => Self::CancelAsks(kind),
            Self::Tell { key, event } => Self::Tell { key: key.clone(), event: event.clone() },
            Self::WakeAt { at, reason } => Self::WakeAt { at: *at, reason: reason.clone() },
            Self::CancelWake(reason) => Self::CancelWake(reason.clone()),
        }
    }
}

impl<S: Service> Debug for Effect<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(out) => f.debug_tuple("Publish").field(out).finish(),
            Self::Ask(ask) => f.debug_tuple("Ask").field(ask).finish(),
            Self::CancelAsks(kind) => f.debug_tuple("CancelAsks").field(kind).finish(),
            Self::Tell { key, event } => {
                f.debug_struct("Tell").field("key", key).field("event", event).finish()
            }
            Self::WakeAt { at, reason } => {
                f.debug_struct("WakeAt").field("at", at).field("reason", reason).finish()
            }
            Self::CancelWake(reason) => f.debug_tuple("CancelWake").field(reason).finish(),
        }
    }
}

impl<S: Service> Debug for Decision<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next { state, effects } => {
                f.debug_struct("Next").field("state", state).field("effects", effects).finish()
            }
            Self::Ignore(reason) => f.debug_tuple("Ignore").field(reason).finish(),
        }
    }
}

impl<S: Service> Effect<S> {
    /// A fact.
    pub fn publish<M: Message>(fact: &M) -> Self {
        Self::Publish(Outgoing::new(fact, None))
    }

    /// A request to an agency's queue.
    pub fn request<M: Message>(agence: &Agence, request: &M) -> Self {
        Self::Publish(Outgoing::new(request, Some(agence)))
    }
}

/// A message decided, not yet in an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The exchange.
    pub flux: Flux,
    /// Its type.
    pub message_type: &'static str,
    /// The routing key.
    pub routing_key: String,
    /// Its subject.
    pub subject: String,
    /// The dossier, when the message says so.
    pub dossier: Option<String>,
    /// The JSON body.
    pub body: String,
}

impl Outgoing {
    /// Wraps a message; `agence` for requests and answers.
    ///
    /// # Panics
    /// Never: types of the catalogue always encode (maps have string keys).
    pub fn new<M: Message>(message: &M, agence: Option<&Agence>) -> Self {
        Self {
            flux: M::FLUX,
            message_type: M::TYPE,
            routing_key: agence.map_or_else(|| M::TYPE.to_owned(), |a| a.routing_key(M::TYPE)),
            subject: message.subject(),
            dossier: message.dossier().map(|d| d.to_string()),
            body: serde_json::to_string(message).expect("messages of the catalogue encode"),
        }
    }
}

/// An input that cannot be right: kept as a failure, replayable after a correction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Refusal {
    /// Stable, low-cardinality code.
    pub code: &'static str,
    /// What is wrong, without any personal value.
    pub reason: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}
