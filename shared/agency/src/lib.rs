//! The base of every agency's HTTP client: timeouts, body limits, error classification,
//! `Retry-After`, redaction; and the breaker and limiter that stand before an agency.

#[cfg(feature = "simulator")]
pub mod faults;

use std::time::Duration;

use kernel::Fault;

/// How to reach an agency.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct HttpSettings {
    /// Base URL, without a trailing slash.
    pub base_url: String,
    /// Limit of one call, connection included, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Largest body accepted, in bytes.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: usize,
}

fn default_timeout_ms() -> u64 {
    30_000
}

fn default_max_body_bytes() -> usize {
    8 * 1024 * 1024
}

/// An HTTP client for one agency.
#[derive(Clone, Debug)]
pub struct HttpClient {
    settings: HttpSettings,
    client: reqwest::Client,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: reqwest::header::HeaderMap,
    /// Body, whole.
    pub body: Vec<u8>,
}

/// Why there is no usable answer. Never shows a URL's query, a header or a body.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, or lost before anything was sent: the call had no effect.
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    /// Sent, but no complete answer came: the call may have had its effect.
    #[error("no complete answer")]
    Interrupted(#[source] reqwest::Error),
    /// The answer is larger than the limit.
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

impl HttpClient {
    /// A client; fails on a URL that is not one.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(settings: HttpSettings) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_millis(settings.timeout_ms))
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Self { settings, client })
    }

    /// A request to `path` under the base URL.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.settings.base_url))
    }

    /// Sends a request and reads the whole answer; any status that is not 2xx is an error.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<HttpResponse, HttpError> {
        let response = request.send().await.map_err(HttpError::Connect)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(HttpError::Interrupted)?.to_vec();
        Ok(HttpResponse { status, headers, body })
    }
}

impl From<HttpError> for Fault {
    /// The classes that every agency shares: 408, 425, 429 and 5xx may pass; other 4xx will not.
    fn from(error: HttpError) -> Self {
        match &error {
            HttpError::Status { status: 408 | 425 | 429 | 500..=599, retry_after, .. } => {
                Self::Transient {
                    code: "http-indisponible",
                    retry_after: *retry_after,
                    source: error.into(),
                }
            }
            HttpError::Status { .. } => Self::permanent("http-refus", error),
            HttpError::TooLarge { .. } => Self::permanent("http-trop-grand", error),
            HttpError::Connect(_) | HttpError::Interrupted(_) => {
                Self::transient("http-injoignable", error)
            }
        }
    }
}
