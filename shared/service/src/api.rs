//! What a service is: the trait, its inputs, its decisions.

mod asks;
mod decision;

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use bus::Origin;
use chrono::{DateTime, NaiveDate, Utc};
use contact::{Lien, Links, Mailer, Question};
use contracts::{Famille, Incoming, Referentiel};
use kernel::{Clock, Fault};
use serde::{Serialize, de::DeserializeOwned};
use store::SharedStore;
use uuid::Uuid;

pub use self::{
    asks::{AskKind, Attempt, Limit, Repeat},
    decision::{Decision, Effect, Outgoing, Refusal},
};
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

    /// The event that an answer to a link is, with what the reader wrote in the question's fields;
    /// asked for instead of [`Service::reponse`] by a service whose questions have fields.
    ///
    /// # Errors
    /// A sentence for the reader, when what was written is not what the question asks.
    fn reponse_remplie(
        lien: &Lien,
        choix: &str,
        _champs: &std::collections::BTreeMap<String, String>,
    ) -> Result<Option<Self::Event>, String> {
        Ok(Self::reponse(lien, choix))
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
    /// For rotating credentials and budgets of calls only.
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
