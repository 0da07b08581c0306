//! Connections to the mail server, kept open and used again.
//!
//! lettre's own pool takes a connection back even when the dialogue on it was interrupted (time
//! limit, cancelled call); the next mail would then read the previous one's answers. Here a
//! connection comes back only after a complete dialogue.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};

/// Connections kept open, at most.
const KEPT: usize = 4;

/// How a connection is protected.
pub(crate) enum Protection {
    /// Not at all: loopback only.
    Plain,
    /// TLS from the first byte (RFC 8314).
    Tls(TlsParameters),
    /// TLS after STARTTLS, which is required, never opportunistic.
    StartTls(TlsParameters),
}

/// Where mails are handed over.
pub(crate) struct Relay {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protection: Protection,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) hello: ClientId,
    pub(crate) timeout: Duration,
    kept: Mutex<Vec<AsyncSmtpConnection>>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Why a mail could not be handed over.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server or the connection failed.
    Smtp(SmtpError),
    /// The time limit passed; the mail may have been taken.
    Timeout,
}

impl Relay {
    pub(crate) fn new(
        (host, port): (String, u16),
        protection: Protection,
        credentials: Option<Credentials>,
        hello: ClientId,
        timeout: Duration,
    ) -> Self {
        let kept = Mutex::new(Vec::new());
        Self { host, port, protection, credentials, hello, timeout, kept }
    }

    /// Hands a mail over, within the time limit.
    pub(crate) async fn send(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), Failure> {
        let dialogue = async {
            let mut connection = self.connection().await?;
            let result = connection.send(envelope, mail).await;
            if connection.has_broken() {
                // lettre has said QUIT and closed: that is how it treats any refusal.
            } else if self.kept().len() < KEPT {
                self.kept().push(connection);
            } else {
                connection.abort().await;
            }
            result.map(|_| ())
        };
        match tokio::time::timeout(self.timeout, dialogue).await {
            Ok(result) => result.map_err(Failure::Smtp),
            Err(_) => Err(Failure::Timeout),
        }
    }

    /// A kept connection that still answers, else a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        loop {
            let Some(mut connection) = self.kept().pop() else { return self.connect().await };
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let tls = match &self.protection {
            Protection::Tls(tls) => Some(tls.clone()),
            Protection::Plain | Protection::StartTls(_) => None,
        };
        let address = (self.host.as_str(), self.port);
        let limit = Some(self.timeout);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, limit, &self.hello, tls, None).await?;
        if let Protection::StartTls(tls) = &self.protection {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<AsyncSmtpConnection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
