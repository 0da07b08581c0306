//! TLS towards the broker: whom to trust, what to show, and what a refusal means. The files are
//! read at each connection, so that a renewed certificate needs no restart.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::AsyncReadExt;
use lapin::{
    AsyncTcpStream, Connection, ConnectionProperties,
    tcp::{AMQPUriTcpExt, RustlsConnector, RustlsConnectorConfig},
    uri::{AMQPScheme, AMQPUri},
};
use rustls::{
    AlertDescription,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::time::timeout;

use crate::BusError;

mod expiry;

pub use expiry::{Expiry, expiries, expiry_of_server};

/// Longest wait for the broker's judgement of a certificate.
const VERDICT_PATIENCE: Duration = Duration::from_secs(3);

/// PEM files of a private authority and of a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The only authorities that are trusted; those of the machine when absent.
    pub ca: Option<PathBuf>,
    /// What this client shows, its chain included; nothing when absent.
    pub cert: Option<PathBuf>,
    /// The private key of `cert`: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: Option<PathBuf>,
}

impl Certificates {
    /// Refuses what cannot be meant: half of a client certificate, certificates for a URL that
    /// would not use them.
    ///
    /// # Errors
    /// [`BusError::Tls`] says which setting is wrong.
    pub(crate) fn check(&self, scheme: &AMQPScheme) -> Result<(), BusError> {
        if self.cert.is_some() != self.key.is_some() {
            return Err(BusError::Tls("amqp_cert and amqp_key go together".to_owned()));
        }
        if *scheme == AMQPScheme::AMQP && *self != Self::default() {
            let text = "certificates are configured, but amqp_url begins with amqp://: amqps:// \
                        is needed";
            return Err(BusError::Tls(text.to_owned()));
        }
        Ok(())
    }

    fn authorities(&self) -> Result<Option<Vec<CertificateDer<'static>>>, BusError> {
        self.ca.as_deref().map(certificates).transpose()
    }

    fn connector(&self) -> Result<RustlsConnector, BusError> {
        let config = match self.authorities()? {
            Some(authorities) => {
                let mut config = RustlsConnectorConfig::default();
                config.add_parsable_certificates(authorities);
                config
            }
            None => RustlsConnectorConfig::new_with_native_certs()
                .map_err(|e| wrong("the machine's certificates", &e))?,
        };
        let connector = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                config.connector_with_single_cert(certificates(cert)?, private_key(key)?)
            }
            _ => config.connector_with_no_client_auth(),
        };
        connector.map_err(|e| BusError::Tls(format!("unusable certificate or key: {e}")))
    }

    /// The same for the management API.
    pub(crate) fn of_http(
        &self,
        mut builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, BusError> {
        let unusable = |e: reqwest::Error| BusError::Tls(format!("unusable certificate: {e}"));
        if let Some(authorities) = self.authorities()? {
            let authorities = authorities.iter().map(|der| reqwest::Certificate::from_der(der));
            let authorities = authorities.collect::<Result<Vec<_>, _>>().map_err(unusable)?;
            builder = builder.tls_certs_only(authorities);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let mut pem = read(cert)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(unusable)?);
        }
        Ok(builder)
    }
}

/// Opens a connection, over TLS when the URL says so.
pub(crate) async fn connect(
    uri: AMQPUri,
    options: ConnectionProperties,
    certificates: &Certificates,
) -> Result<Connection, BusError> {
    if uri.scheme == AMQPScheme::AMQP {
        return Connection::connect_uri(uri, options).await.map_err(|e| explain(Box::new(e)));
    }
    let connector = certificates.connector()?;
    let runtime = lapin::runtime::default_runtime().map_err(|e| BusError::Away(Box::new(e)))?;
    let open = async move |uri: AMQPUri, runtime| {
        let host = uri.authority.host.clone();
        let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri };
        let stream: AsyncTcpStream<_> = plain.connect_async(&runtime).await?;
        Ok(stream.into_rustls(&connector, &host).await?)
    };
    let connection = Connection::connector(uri.clone(), runtime, open, options);
    match connection.await {
        Ok(connection) => Ok(connection),
        Err(error) if is_cut(&error) => Err(match verdict(uri, certificates).await {
            Some(text) => BusError::Tls(text),
            None => BusError::Away(Box::new(error)),
        }),
        Err(error) => Err(explain(Box::new(error))),
    }
}

/// Why the broker cut a new connection, when it is about certificates. Over TLS 1.3 its judgement
/// comes after the client's handshake, and is lost when the client has written meanwhile: this one
/// only listens.
async fn verdict(uri: AMQPUri, certificates: &Certificates) -> Option<String> {
    let connector = certificates.connector().ok()?;
    let runtime = lapin::runtime::default_runtime().ok()?;
    let host = uri.authority.host.clone();
    let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri };
    let stream = plain.connect_async(&runtime).await.ok()?;
    let mut stream = match stream.into_rustls(&connector, &host).await {
        Ok(stream) => stream,
        Err(error) => return refusal(&error),
    };
    // A broker that accepts this client waits for its first word, for as long.
    let heard = timeout(VERDICT_PATIENCE, stream.read(&mut [0; 1])).await.ok()?;
    refusal(&heard.err()?)
}

fn is_cut(error: &lapin::Error) -> bool {
    let lapin::ErrorKind::IOError(error) = error.kind() else { return false };
    let cuts = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
    ];
    cuts.contains(&error.kind())
}

/// Tells a refusal of a certificate, which only a person can solve, from a broker that is away.
pub(crate) fn explain(error: kernel::BoxError) -> BusError {
    match refusal(&*error) {
        Some(text) => BusError::Tls(text),
        None => BusError::Away(error),
    }
}

fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|e| e.downcast_ref::<rustls::Error>());
        if let Some(text) = tls.or_else(|| error.downcast_ref()).and_then(meaning) {
            return Some(text);
        }
        next = error.source();
    }
    None
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open; the rest is no refusal")]
fn meaning(error: &rustls::Error) -> Option<String> {
    match error {
        rustls::Error::InvalidCertificate(reason) => Some(format!(
            "the broker's certificate is refused ({reason:?}): amqp_ca must hold the authority \
             that signed it, and the URL's host must be one of its names"
        )),
        rustls::Error::AlertReceived(alert) if is_about_certificates(*alert) => Some(format!(
            "the broker refuses this client's certificate ({alert:?}): amqp_cert and amqp_key \
             must be given, valid, and signed by an authority that the broker knows"
        )),
        _ => None,
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    let about = [
        // What Erlang sends to a client without a certificate below TLS 1.3.
        Alert::HandshakeFailure,
        Alert::NoCertificate,
        Alert::BadCertificate,
        Alert::UnsupportedCertificate,
        Alert::CertificateRevoked,
        Alert::CertificateExpired,
        Alert::CertificateUnknown,
        Alert::UnknownCA,
        Alert::AccessDenied,
        Alert::CertificateRequired,
    ];
    about.contains(&alert)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BusError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(wrong(&path.display().to_string(), &"no certificate in PEM form")),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BusError> {
    // The parser's own text could quote the file.
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|_| wrong(&path.display().to_string(), &"no private key in PEM form"))
}

fn read(path: &Path) -> Result<Vec<u8>, BusError> {
    fs::read(path).map_err(|e| wrong(&path.display().to_string(), &e))
}

fn wrong(what: &str, why: &dyn std::fmt::Display) -> BusError {
    BusError::Tls(format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use AlertDescription as Alert;

    use super::*;

    fn code(certificates: &Certificates, scheme: &AMQPScheme) -> String {
        certificates.check(scheme).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused() {
        let none = Certificates::default();
        assert_eq!(code(&none, &AMQPScheme::AMQP), "");
        let half = Certificates { cert: Some("client.pem".into()), ..none.clone() };
        assert!(code(&half, &AMQPScheme::AMQPS).contains("go together"));
        let unused = Certificates { ca: Some("ca.pem".into()), ..none };
        assert!(code(&unused, &AMQPScheme::AMQP).contains("amqps://"));
        assert_eq!(code(&unused, &AMQPScheme::AMQPS), "");
        let missing = unused.connector().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(missing.starts_with("TLS: ca.pem: "), "{missing}");
    }

    #[test]
    fn a_refusal_is_told_from_an_absence() {
        let tls = |e: rustls::Error| -> kernel::BoxError {
            Box::new(lapin::Error::from(io::Error::new(io::ErrorKind::InvalidData, e)))
        };
        let unknown = rustls::CertificateError::UnknownIssuer;
        let server = explain(tls(rustls::Error::InvalidCertificate(unknown)));
        assert!(server.to_string().contains("amqp_ca"), "{server}");
        let client = explain(tls(rustls::Error::AlertReceived(Alert::CertificateRequired)));
        assert!(client.to_string().contains("amqp_cert"), "{client}");
        let away = explain(tls(rustls::Error::AlertReceived(Alert::InternalError)));
        assert!(matches!(away, BusError::Away(_)));
        let away = explain(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(matches!(away, BusError::Away(_)));
    }
}
