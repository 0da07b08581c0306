//! What a service is: the trait, its inputs, its decisions.

use std::{
    fmt::{self, Debug},
    sync::Arc,
    time::Duration,
};

use bus::Origin;
use chrono::{DateTime, NaiveDate, Utc};
use contact::{Lien, Links, Mailer, Question};
use contracts::{Agence, Famille, Flux, Incoming, Message, Referentiel};
use kernel::{Clock, Fault};
use serde::{Serialize, de::DeserializeOwned};
use store::SharedStore;
use uuid::Uuid;

use crate::ingress::Ingress;

/// A service: its states, its decisions, its agency client.
pub trait Service: Send + Sync + Sized + 'static {
    /// Its name: of its queue, its database, its binary.
    const NAME: &'static str;
    /// Version of the stored state's shape; older ones go through [`Service::upcast`].
    const STATE_VERSION: u32 = 1;
    /// The family of agencies whose dead letters it reads, when it answers for one.
    const FAMILLE: Option<Famille> = None;
    /// Its business settings, read once at start.
    type Config: DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    /// One of its states; an enum when it has several kinds.
    type State: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    /// The messages it consumes; see [`contracts::incoming!`].
    type Message: Incoming + Clone + Debug;
    /// What one state tells another, and what comes from outside (webhook, answer link, operator).
    type Event: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    /// What it asks of its agency.
    type Ask: AskKind + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    /// What it gets back.
    type Answer: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;

    /// Builds the service's agency clients.
    ///
    /// # Errors
    /// A sentence for the operator when the settings make no sense.
    fn new(config: &Self::Config, equipment: &Equipment) -> Result<Self, String>;

    /// The state that a message concerns.
    fn key(message: &Self::Message) -> String;

    /// Decides: synchronous, total, without I/O, clock or randomness.
    ///
    /// # Errors
    /// [`Refusal`] when the input cannot be right: it is kept as a failure.
    fn decide(
        state: Option<&Self::State>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal>;

    /// Calls the agency.
    ///
    /// # Errors
    /// [`Fault::Transient`] is retried, [`Fault::Permanent`] becomes a failure.
    fn ask(
        &self,
        ask: &Self::Ask,
        id: Uuid,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;

    /// The limits of each agency that [`AskKind::agency`] names; an agency that is not listed has
    /// the default ones.
    fn limits(_config: &Self::Config) -> Vec<(&'static str, Limit)> {
        Vec::new()
    }

    /// Inputs given at every start, to be decided idempotently: what arms a polled source.
    fn boot(_config: &Self::Config) -> Vec<(String, Self::Event)> {
        Vec::new()
    }

    /// Inbound HTTP routes of the service (webhooks, documents), mounted at `/`.
    fn routes(_config: &Self::Config, _ingress: &Ingress<Self>) -> axum::Router {
        axum::Router::new()
    }

    /// The page that an answer link shows; `None` when the question does not exist any more.
    fn question(
        _state: Option<&Self::State>,
        _lien: &Lien,
        _referentiel: &Referentiel,
    ) -> Option<Question> {
        None
    }

    /// The event that an answer to a link is; it concerns the state `lien.cle`.
    fn reponse(_lien: &Lien, _choix: &str) -> Option<Self::Event> {
        None
    }

    /// The input that an operator's action is: (key, event).
    ///
    /// # Errors
    /// A sentence for the operator when the action makes no sense here.
    fn operator(action: &OperatorAction) -> Result<(String, Self::Event), String> {
        Err(format!("{} ne connaît pas l'action « {} »", Self::NAME, action.action))
    }

    /// The stage that a state is at, for the metrics `relais_dossiers` and
    /// `relais_etape_age_seconds`; `None` when the state is not a step of anybody's way.
    fn etape(_state: &Self::State) -> Option<Etape> {
        None
    }

    /// Brings a stored state of an older version to the next one.
    ///
    /// # Errors
    /// A sentence when the version is unknown.
    fn upcast(version: u32, _body: serde_json::Value) -> Result<serde_json::Value, String> {
        Err(format!("version d'état inconnue : {version}"))
    }
}

/// A stage of a way. Its name is a label of the metrics: one of a few, unique in its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Etape {
    /// Somebody is awaited: counted, and the oldest has an age.
    Attente(&'static str),
    /// Nobody is awaited, for ever or until something happens: counted only.
    Acquise(&'static str),
}

/// What the frame gives a service to build its agency clients with.
#[derive(Clone)]
pub struct Equipment {
    /// Business time.
    pub clock: Clock,
    /// The register.
    pub referentiel: Arc<Referentiel>,
    /// For rotating credentials only.
    pub store: SharedStore,
    /// Sends mail.
    pub mailer: Mailer,
    /// Signs answer links.
    pub links: Links,
    /// A folder of the service's own, for caches that can be rebuilt.
    pub data_dir: std::path::PathBuf,
}

/// An operator's action on a state of the service; authenticated, journalled.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct OperatorAction {
    /// What to do: `fermer-tache`, `retirer`, …
    pub action: String,
    /// The state it concerns (a task's `cle`).
    pub cle: String,
    /// What the action needs: a task's id, values that the operator fills in.
    #[serde(default)]
    pub champs: std::collections::BTreeMap<String, String>,
    /// Who acts: the name that the token proves, or else what is said here.
    #[serde(default)]
    pub par: String,
}

/// What a decision is about.
pub enum Input<S: Service> {
    /// A message from the bus.
    Message {
        /// The message.
        message: S::Message,
        /// Who published it, as the transport vouches for it.
        origin: Origin,
        /// Its envelope.
        meta: Meta,
    },
    /// The answer to an ask of this state.
    Answer {
        /// What was asked.
        ask: S::Ask,
        /// The answer.
        answer: S::Answer,
        /// The ask's id.
        id: Uuid,
    },
    /// A wake-up of this state, at or after its instant.
    Wake {
        /// Its reason.
        reason: String,
    },
    /// From another state of the service, or from outside.
    Event(S::Event),
}

impl<S: Service> Clone for Input<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Message { message, origin, meta } => Self::Message {
                message: message.clone(),
                origin: origin.clone(),
                meta: meta.clone(),
            },
            Self::Answer { ask, answer, id } => {
                Self::Answer { ask: ask.clone(), answer: answer.clone(), id: *id }
            }
            Self::Wake { reason } => Self::Wake { reason: reason.clone() },
            Self::Event(event) => Self::Event(event.clone()),
        }
    }
}

impl<S: Service> Debug for Input<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { message, origin, meta } => f
                .debug_struct("Message")
                .field("message", message)
                .field("origin", origin)
                .field("meta", meta)
                .finish(),
            Self::Answer { ask, answer, id } => f
                .debug_struct("Answer")
                .field("ask", ask)
                .field("answer", answer)
                .field("id", id)
                .finish(),
            Self::Wake { reason } => f.debug_struct("Wake").field("reason", reason).finish(),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

/// The envelope of a message, as far as a decision may need it.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The message's id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// When it was written.
    pub time: DateTime<Utc>,
    /// Its subject.
    pub subject: Option<String>,
    /// The publisher's version of the subject.
    pub sequence: Option<u64>,
}

/// What a decision may know besides the state and the input.
pub struct Context<'a, S: Service> {
    /// The present instant.
    pub now: DateTime<Utc>,
    /// Business settings.
    pub config: &'a S::Config,
    /// The register.
    pub referentiel: &'a Referentiel,
    /// The state's key.
    pub key: &'a str,
    /// The id of the input: what derived ids hang on.
    pub cause: &'a str,
}

impl<S: Service> Context<'_, S> {
    /// The present day in Paris.
    pub fn today(&self) -> NaiveDate {
        kernel::paris_date(self.now)
    }

    /// An id derived from this input: the same decision taken twice gives the same id.
    pub fn id(&self, name: &str) -> Uuid {
        kernel::derive_id(&[S::NAME, self.key, self.cause, name])
    }
}

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

/// What may be done again after an attempt that ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Doing it twice is doing it once.
    Idempotent,
    /// The agency is read first for what the attempt may have done.
    ReadBack,
    /// It may be done twice; the receiver can tell (a stable Message-ID).
    MaybeTwice,
}

/// What the frame must know of an ask.
pub trait AskKind {
    /// Its kind: low cardinality, for metrics and [`Effect::CancelAsks`].
    fn kind(&self) -> &'static str;
    /// The agency: its limiter, its breaker.
    fn agency(&self) -> &'static str;
    /// What may be done again.
    fn repeat(&self) -> Repeat;
    /// How long a transient fault is retried before it becomes a failure.
    fn max_age(&self) -> Duration {
        Duration::from_hours(14 * 24)
    }
}

/// Which attempt this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The first.
    First,
    /// After attempts that all ended with a result.
    AfterClean,
    /// After an attempt that ended without one: it may have had its effect.
    AfterAmbiguous,
}

/// How hard an agency may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls in flight at a time, per replica.
    pub in_flight: usize,
    /// Calls per `window`, over all replicas.
    pub calls: u32,
    /// The window.
    pub window: Duration,
}

impl Default for Limit {
    /// 8 in flight, 600 a minute.
    fn default() -> Self {
        Self { in_flight: 8, calls: 600, window: Duration::from_mins(1) }
    }
}
