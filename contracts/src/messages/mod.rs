//! The catalogue of messages: one Rust type each, from which schemas and examples are generated.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::ids::{CodeCdom, CodeCpam, DossierId};

mod catalogue;
mod demandes;
mod faits;
mod reponses;

pub use catalogue::{Entry, catalogue};
pub use demandes::*;
pub use faits::*;
pub use reponses::*;

/// The three topic exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flux {
    /// Facts, published by services.
    Evenements,
    /// Requests to agencies.
    Demandes,
    /// What agencies answer.
    Reponses,
}

impl Flux {
    /// Name of the exchange.
    pub fn exchange(self) -> &'static str {
        match self {
            Self::Evenements => "relais.evenements",
            Self::Demandes => "relais.demandes",
            Self::Reponses => "relais.reponses",
        }
    }
}

/// A family of agencies that exchange messages with Relais.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Famille {
    /// Conseils départementaux de l'Ordre des médecins.
    Cdom,
    /// Caisses primaires d'assurance maladie.
    Cpam,
}

impl Famille {
    /// `cdom` or `cpam`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cdom => "cdom",
            Self::Cpam => "cpam",
        }
    }
}

/// One agency; written `cpam.631`, `cdom.63`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Agence {
    /// Its family.
    pub famille: Famille,
    /// Its code within the family.
    pub code: String,
}

impl Agence {
    /// A CDOM.
    pub fn cdom(code: &CodeCdom) -> Self {
        Self { famille: Famille::Cdom, code: code.to_string() }
    }

    /// A CPAM.
    pub fn cpam(code: &CodeCpam) -> Self {
        Self { famille: Famille::Cpam, code: code.to_string() }
    }

    /// Its queue: `agence.cpam.631`.
    pub fn queue(&self) -> String {
        format!("agence.{self}")
    }

    /// Its user on the broker, which is also the last part of its messages' source: `cpam-631`.
    pub fn user(&self) -> String {
        format!("{}-{}", self.famille.as_str(), self.code)
    }

    /// The `source` of its messages: `/agences/cpam-631`.
    pub fn source(&self) -> String {
        format!("/agences/{}", self.user())
    }

    /// The routing key of a message to or from it: `cpam.631.numero-am-cree.v1`.
    pub fn routing_key(&self, message_type: &str) -> String {
        format!("{self}.{message_type}")
    }

    /// The agency behind a broker's user name, if it is one.
    pub fn from_user(user: &str) -> Option<Self> {
        let (famille, code) = user.split_once('-')?;
        format!("{famille}.{code}").parse().ok()
    }
}

impl fmt::Display for Agence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.famille.as_str(), self.code)
    }
}

impl FromStr for Agence {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('.').and_then(|(famille, code)| match famille {
            "cdom" => code.parse().ok().map(|c| Self::cdom(&c)),
            "cpam" => code.parse().ok().map(|c| Self::cpam(&c)),
            _ => None,
        });
        parsed
            .ok_or_else(|| format!("« {text} » n'est pas une agence (attendu : cpam.631, cdom.63)"))
    }
}

impl TryFrom<String> for Agence {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Agence> for String {
    fn from(agence: Agence) -> String {
        agence.to_string()
    }
}

/// A message of the catalogue.
pub trait Message: Serialize + DeserializeOwned + JsonSchema + Send + Sync {
    /// CloudEvents `type`, frozen once published.
    const TYPE: &'static str;
    /// The exchange it travels on.
    const FLUX: Flux;
    /// The family it goes to or comes from, for requests and answers.
    const FAMILLE: Option<Famille>;

    /// The thing whose whole state it carries.
    fn subject(&self) -> String;

    /// The dossier it belongs to, when the message itself says so.
    fn dossier(&self) -> Option<DossierId> {
        None
    }
}

/// Why a body could not become a message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The consumer does not know this type at all.
    #[error("unknown message type {0}")]
    UnknownType(String),
    /// The consumer knows the type in other versions only.
    #[error("unsupported version {0}")]
    UnknownVersion(String),
    /// The body does not have the shape of the type.
    #[error("invalid body for {message_type}")]
    Invalid {
        /// The type that the envelope announced.
        message_type: String,
        /// What the decoder says; may quote field names, never values.
        #[source]
        source: serde_json::Error,
    },
}

impl DecodeError {
    /// Stable code for the failure row.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownType(_) => "type-inconnu",
            Self::UnknownVersion(_) => "version-inconnue",
            Self::Invalid { .. } => "corps-invalide",
        }
    }
}

/// The messages a service consumes; made by [`incoming!`](crate::incoming).
pub trait Incoming: Sized + Send + Sync + 'static {
    /// What to bind: (exchange, routing key pattern).
    fn bindings() -> Vec<(Flux, String)>;

    /// Decodes a body.
    ///
    /// # Errors
    /// [`DecodeError`] when the type or version is not consumed, or the body is not of that type.
    fn decode(message_type: &str, body: &[u8]) -> Result<Self, DecodeError>;
}

/// The routing-key pattern that catches every message of one type.
pub fn binding<M: Message>() -> (Flux, String) {
    let pattern = match M::FAMILLE {
        None => M::TYPE.to_owned(),
        Some(famille) => format!("{}.*.{}", famille.as_str(), M::TYPE),
    };
    (M::FLUX, pattern)
}

/// The error for a type that a consumer does not list: another version of a known one, or unknown.
pub fn unknown(message_type: &str, known: &[&str]) -> DecodeError {
    let stem = |t: &str| t.rsplit_once(".v").map_or_else(|| t.to_owned(), |(s, _)| s.to_owned());
    if known.iter().any(|k| stem(k) == stem(message_type)) {
        DecodeError::UnknownVersion(message_type.to_owned())
    } else {
        DecodeError::UnknownType(message_type.to_owned())
    }
}

/// Declares the enum of messages that a service consumes, one variant per type of the catalogue,
/// and implements [`Incoming`](crate::Incoming) for it.
#[macro_export]
macro_rules! incoming {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        $vis enum $name {
            $(
                #[doc = concat!("A `", stringify!($variant), "`.")]
                $variant($crate::messages::$variant),
            )+
        }

        impl $crate::Incoming for $name {
            fn bindings() -> Vec<($crate::Flux, String)> {
                vec![$($crate::messages::binding::<$crate::messages::$variant>()),+]
            }

            fn decode(message_type: &str, body: &[u8]) -> Result<Self, $crate::DecodeError> {
                $(
                    if message_type == <$crate::messages::$variant as $crate::Message>::TYPE {
                        return $crate::messages::parse(message_type, body).map(Self::$variant);
                    }
                )+
                let known = [$(<$crate::messages::$variant as $crate::Message>::TYPE),+];
                Err($crate::messages::unknown(message_type, &known))
            }
        }
    };
}

/// Decodes one body; used by [`incoming!`](crate::incoming).
///
/// # Errors
/// [`DecodeError::Invalid`] when the body is not of the type.
pub fn parse<M: DeserializeOwned>(message_type: &str, body: &[u8]) -> Result<M, DecodeError> {
    serde_json::from_slice(body)
        .map_err(|source| DecodeError::Invalid { message_type: message_type.to_owned(), source })
}

/// Implements [`Message`] for a type of the catalogue.
macro_rules! message {
    ($name:ident, $type:literal, $flux:ident, $famille:expr, |$m:ident| $subject:expr $(, dossier |$d:ident| $dossier:expr)?) => {
        impl $crate::messages::Message for $name {
            const TYPE: &'static str = $type;
            const FLUX: $crate::messages::Flux = $crate::messages::Flux::$flux;
            const FAMILLE: Option<$crate::messages::Famille> = $famille;
            fn subject(&self) -> String {
                let $m = self;
                $subject
            }
            $(fn dossier(&self) -> Option<$crate::ids::DossierId> {
                let $d = self;
                $dossier
            })?
        }
    };
}
pub(crate) use message;
