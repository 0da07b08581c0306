//! Why a call has no usable answer, and the failure class that every agency shares.

use std::time::Duration;

use kernel::Fault;

/// Why there is no usable answer. Never shows a URL's query, a header or a body.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, or the request could not even be built: the call had no effect.
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    /// Sent, but no complete answer came: the call may have had its effect.
    #[error("no complete answer")]
    Interrupted(#[source] reqwest::Error),
    /// The answer is larger than the limit; the call may have had its effect.
    #[error("answer larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The status is not a success.
    #[error("status {status}")]
    Status {
        /// The status.
        status: u16,
        /// What the agency asks for (`Retry-After` in seconds or as a date, `RateLimit-Reset`).
        retry_after: Option<Duration>,
        /// The body, for the agency's client to decode; never logged.
        body: Vec<u8>,
    },
}

impl HttpError {
    /// Classifies what reqwest reports before an answer's head; the URL is taken out of it.
    pub(crate) fn sending(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // A request that could not be built was not sent. reqwest reports as « connect » only
        // what happens before the request is written: name, TCP, TLS, and their own time limit.
        // Everything else, the overall time limit included, may have reached the agency.
        if error.is_builder() || error.is_connect() {
            Self::Connect(error)
        } else {
            Self::Interrupted(error)
        }
    }

    /// Classifies what reqwest reports while an answer's body is read.
    pub(crate) fn reading(error: reqwest::Error) -> Self {
        Self::Interrupted(error.without_url())
    }

    /// Says whether the call certainly had no effect.
    pub fn had_no_effect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

impl From<HttpError> for Fault {
    /// The classes that every agency shares: 408, 425, 429 and 5xx may pass; other 4xx will not,
    /// nor a redirection (none is followed: a credential would go with it).
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Status { status: 408 | 425 | 429 | 500..=599, retry_after, .. } => {
                Self::Transient { code: "http-indisponible", retry_after, source: error.into() }
            }
            HttpError::Status { .. } => Self::permanent("http-refus", error),
            HttpError::TooLarge { .. } => Self::permanent("http-trop-grand", error),
            // The same request would be built the same way.
            HttpError::Connect(ref cause) if cause.is_builder() => {
                Self::permanent("http-requete", error)
            }
            HttpError::Connect(_) | HttpError::Interrupted(_) => {
                Self::transient("http-injoignable", error)
            }
        }
    }
}
