//! The two failure classes of a call to an agency; there is no third.

use std::{error::Error, fmt, time::Duration};

/// A boxed cause.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a call failed, and with it what the frame does next: a transient fault is retried with
/// backoff, a permanent one becomes a failure that a human sees and replays.
#[derive(Debug)]
pub enum Fault {
    /// May succeed later, without anybody's intervention.
    Transient {
        /// Stable, low-cardinality code, e.g. `ds-timeout`.
        code: &'static str,
        /// What the agency asked for (`Retry-After`), if it did.
        retry_after: Option<Duration>,
        /// The cause.
        source: BoxError,
    },
    /// Will not succeed until somebody corrects something.
    Permanent {
        /// Stable, low-cardinality code, e.g. `ds-forbidden`.
        code: &'static str,
        /// The cause.
        source: BoxError,
    },
}

impl Fault {
    /// A transient fault without a delay asked for by the agency.
    pub fn transient(code: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Transient { code, retry_after: None, source: source.into() }
    }

    /// A permanent fault.
    pub fn permanent(code: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Permanent { code, source: source.into() }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Transient { code, .. } | Self::Permanent { code, .. } => code,
        }
    }

    /// The cause and its chain, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(e) = cause {
            text.push_str(": ");
            text.push_str(&e.to_string());
            cause = e.source();
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transient { code, .. } => write!(f, "transient fault {code}"),
            Self::Permanent { code, .. } => write!(f, "permanent fault {code}"),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Transient { source, .. } | Self::Permanent { source, .. } => Some(&**source),
        }
    }
}
