//! When certificates end.

use std::path::Path;

use chrono::{DateTime, Utc};
use kernel::Secret;
use lapin::{
    AsyncTcpStream,
    tcp::AMQPUriTcpExt,
    uri::{AMQPScheme, AMQPUri},
};
use rustls::pki_types::CertificateDer;

use super::{Certificates, certificates, explain, wrong};
use crate::BusError;

/// Until when a certificate is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Its subject, e.g. `CN=courtier.example`.
    pub subject: String,
    /// Last instant.
    pub not_after: DateTime<Utc>,
}

/// The certificates of a PEM file.
///
/// # Errors
/// [`BusError::Tls`] when the file cannot be read, or holds none.
pub fn expiries(path: &Path) -> Result<Vec<Expiry>, BusError> {
    let name = path.display().to_string();
    certificates(path)?.iter().map(|der| expiry(der).map_err(|e| wrong(&name, &e))).collect()
}

/// The certificate that the broker of an `amqps://` URL shows; `None` for `amqp://`.
///
/// # Errors
/// [`BusError::Tls`] when it is refused, [`BusError::Away`] when the broker does not answer.
pub async fn expiry_of_server(
    url: &Secret,
    settings: &Certificates,
) -> Result<Option<Expiry>, BusError> {
    let uri: AMQPUri = url
        .expose()
        .parse()
        // The parser's text may quote the URL, password included.
        .map_err(|_| BusError::Tls("the broker's URL is not amqps://host".to_owned()))?;
    if uri.scheme == AMQPScheme::AMQP {
        return Ok(None);
    }
    let connector = settings.connector()?;
    let runtime = lapin::runtime::default_runtime().map_err(|e| BusError::Away(Box::new(e)))?;
    let host = uri.authority.host.clone();
    let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri };
    let stream = plain.connect_async(&runtime).await.map_err(|e| explain(Box::new(e)))?;
    let stream = stream.into_rustls(&connector, &host).await.map_err(|e| explain(Box::new(e)))?;
    let AsyncTcpStream::Rustls(stream) = stream else { return Ok(None) };
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    shown.map(|der| expiry(der).map_err(|e| wrong("the broker's certificate", &e))).transpose()
}

fn expiry(der: &CertificateDer<'_>) -> Result<Expiry, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).map_err(|e| e.to_string())?;
    let end = parsed.validity().not_after.timestamp();
    let not_after = DateTime::from_timestamp(end, 0).ok_or("its end is no date")?;
    Ok(Expiry { subject: parsed.subject().to_string(), not_after })
}
