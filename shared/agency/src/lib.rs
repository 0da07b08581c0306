//! The base of every agency's HTTP client: timeouts, body limits, error classification,
//! `Retry-After`, redaction, rotating tokens; and the breaker and limiter that stand before an
//! agency.

mod breaker;
mod error;
#[cfg(feature = "simulator")]
pub mod faults;
mod http;
mod limiter;
mod retry_after;
mod tls;
mod token;

pub use breaker::{Breaker, BreakerPolicy, BreakerState};
pub use error::HttpError;
pub use http::{HttpClient, HttpResponse, HttpSettings, HttpStream};
pub use limiter::CallWindow;
pub use retry_after::retry_after;
pub use tls::{install_crypto_provider, is_loopback};
pub use token::{RotatingToken, StoredToken};
