//! The HTTP client of one agency.

use std::{fmt, time::Duration};

use kernel::Clock;
use reqwest::{Url, redirect::Policy};

use crate::{HttpError, install_crypto_provider, is_loopback, retry_after};

/// How to reach an agency.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct HttpSettings {
    /// Base URL, without a trailing slash; `https` outside loopback.
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

/// Limit of a connection (name, TCP, TLS); shorter when the whole call has less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of a call whose body is streamed: a daily extract of 1 GB over a slow line.
const STREAM_TIMEOUT: Duration = Duration::from_hours(2);

/// An HTTP client for one agency; cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    settings: HttpSettings,
    client: reqwest::Client,
    clock: Clock,
}

/// A complete answer.
#[derive(Clone)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: reqwest::header::HeaderMap,
    /// Body, whole.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpResponse {
    /// The status and the size: headers and body may carry what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An answer whose body is read piece by piece, e.g. a daily extract.
#[derive(Debug)]
pub struct HttpStream {
    response: reqwest::Response,
}

impl HttpClient {
    /// A client; fails on a URL that is not one, or that would send secrets in clear.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(mut settings: HttpSettings) -> Result<Self, String> {
        let trimmed = settings.base_url.trim_end_matches('/').len();
        settings.base_url.truncate(trimmed);
        let plain = is_plain(&settings.base_url)?;
        install_crypto_provider();
        let timeout = Duration::from_millis(settings.timeout_ms);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("relais/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .read_timeout(timeout);
        if plain {
            // Loopback without TLS: no proxy, and no need for the machine's root certificates,
            // without which the platform verifier would refuse to exist.
            builder = builder.no_proxy().tls_certs_only([]);
        } else {
            builder = builder.https_only(true);
        }
        let client = builder.build().map_err(|e| format!("client HTTP impossible : {e}"))?;
        Ok(Self { settings, client, clock: Clock::system() })
    }

    /// Reads `Retry-After` dates against this clock instead of the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A request to `path` (which begins with `/`) under the base URL.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.settings.base_url))
    }

    /// Sends a request and reads the whole answer; any status that is not 2xx is an error.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<HttpResponse, HttpError> {
        let mut response = request.send().await.map_err(HttpError::sending)?;
        self.refuse_error_status(&mut response).await?;
        let limit = self.settings.max_body_bytes;
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |size| size > limit) {
            return Err(HttpError::TooLarge { limit });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(HttpError::reading)? {
            if body.len() + chunk.len() > limit {
                return Err(HttpError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(HttpResponse { status, headers, body })
    }

    /// Sends a request whose answer is read piece by piece: no limit of size, at most two hours,
    /// at most `timeout_ms` between two pieces.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn stream(&self, request: reqwest::RequestBuilder) -> Result<HttpStream, HttpError> {
        let mut response =
            request.timeout(STREAM_TIMEOUT).send().await.map_err(HttpError::sending)?;
        self.refuse_error_status(&mut response).await?;
        Ok(HttpStream { response })
    }

    /// An error status counts even when its body cannot be read to its end: what is there of it,
    /// up to the limit, goes with it.
    async fn refuse_error_status(&self, response: &mut reqwest::Response) -> Result<(), HttpError> {
        if response.status().is_success() {
            return Ok(());
        }
        let limit = self.settings.max_body_bytes;
        let mut body = Vec::new();
        while body.len() < limit
            && let Ok(Some(chunk)) = response.chunk().await
        {
            let room = limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Err(HttpError::Status {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), self.clock.now()),
            body,
        })
    }
}

impl HttpStream {
    /// Headers.
    pub fn headers(&self) -> &reqwest::header::HeaderMap {
        self.response.headers()
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`HttpError::Interrupted`].
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        let chunk = self.response.chunk().await.map_err(HttpError::reading)?;
        Ok(chunk.map(Vec::from))
    }
}

/// Says whether the URL is plain HTTP, which only loopback may be.
fn is_plain(base_url: &str) -> Result<bool, String> {
    let url = Url::parse(base_url).map_err(|e| format!("adresse « {base_url} » : {e}"))?;
    let host = url.host_str().unwrap_or_default();
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(format!("adresse de {host} : ni identifiants ni paramètres dans l'adresse"));
    }
    match url.scheme() {
        "https" => Ok(false),
        "http" if is_loopback(host) => Ok(true),
        "http" => Err(format!("adresse « {base_url} » : https est exigé hors de la machine")),
        other => Err(format!("adresse « {base_url} » : « {other} » n'est pas http ou https")),
    }
}

#[cfg(test)]
mod tests;
