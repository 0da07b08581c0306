//! One connection to the broker, made again when it is lost. Publishing and consuming have one
//! each: the broker slows down a connection that publishes too much, and acknowledgements must
//! not wait for that.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use kernel::Secret;
use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    BusError,
    tls::{self, Certificates},
};

/// Longest wait for a connection, or for the answer to a request on a channel.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for a channel to close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// The largest frame, in bytes, when the URL says nothing (`?frame_max=`). lapin has two buffers of
/// 32 frames for each connection, in use or not: with the broker's 128 KiB they are 16 MB of every
/// idle service. A larger body goes in several frames.
const FRAME_MAX: u32 = 32 * 1024;
/// Delays between two attempts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A connection that comes back.
#[derive(Debug)]
pub(super) struct Link {
    url: Secret,
    certificates: Certificates,
    name: String,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Link {
    pub(super) fn new(url: Secret, certificates: Certificates, name: String) -> Self {
        Self { url, certificates, name, connection: Mutex::new(None) }
    }

    /// A new channel, on the present connection or on a new one.
    pub(super) async fn channel(&self) -> Result<Channel, BusError> {
        let mut slot = self.connection.lock().await;
        // One that is connected in name only cannot open a channel: make another one.
        if let Some(connection) = slot.as_ref().filter(|c| c.status().connected())
            && let Ok(channel) = patiently(connection.create_channel()).await
        {
            return Ok(channel);
        }
        *slot = None;
        let connection = self.connect().await?;
        let channel = patiently(connection.create_channel()).await?;
        *slot = Some(Arc::new(connection));
        Ok(channel)
    }

    async fn connect(&self) -> Result<Connection, BusError> {
        let options =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let mut uri: AMQPUri = parse(&self.url)?;
        uri.query.frame_max.get_or_insert(FRAME_MAX);
        match timeout(PATIENCE, tls::connect(uri, options, &self.certificates)).await {
            Ok(connected) => connected,
            Err(elapsed) => Err(BusError::Away(Box::new(elapsed))),
        }
    }

    /// Closes the connection, if there is one.
    pub(super) async fn close(&self) {
        let connection = self.connection.lock().await.take();
        if let Some(connection) = connection {
            // Already closed, or too late to matter: the broker forgets a silent connection.
            let _ = timeout(PATIENCE, connection.close(200, "OK".into())).await;
        }
    }
}

/// What a URL says.
pub(super) fn parse(url: &Secret) -> Result<AMQPUri, BusError> {
    let parsed: Result<AMQPUri, String> = url.expose().parse();
    // The parser's text may quote the URL, password included.
    parsed.map_err(|_| {
        BusError::Topology(
            "the broker's URL is not amqp://user:password@host:port/vhost".to_owned(),
        )
    })
}

/// Waits for the broker, at most for [`PATIENCE`].
pub(super) async fn patiently<T>(
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BusError> {
    match timeout(PATIENCE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BusError::Away(Box::new(error))),
        Err(elapsed) => Err(BusError::Away(Box::new(elapsed))),
    }
}

/// Closes a channel, as a courtesy: it closes with its connection, one that the broker closed cannot be
/// closed again, and lapin may never answer on a connection that ends meanwhile.
pub(super) async fn dismiss(channel: &Channel) {
    let _ = timeout(CLOSE_PATIENCE, channel.close(200, "OK".into())).await;
}

/// Pauses between attempts, without end: exponential, with jitter.
pub(super) fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

/// The code of the broker's refusal (403, 404, 406), when the error is one.
pub(super) fn refusal(error: &BusError) -> Option<u16> {
    let BusError::Away(cause) = error else { return None };
    let error = cause.downcast_ref::<lapin::Error>()?;
    if let lapin::ErrorKind::ProtocolError(refused) = error.kind() {
        return Some(refused.get_id());
    }
    None
}

/// An error and its causes, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(": ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    text
}
