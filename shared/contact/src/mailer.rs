//! Sends a [`Courriel`] over SMTP.

use std::{sync::Arc, time::Duration};

use kernel::{Clock, Fault, Secret};
use lettre::{
    Address, Message,
    message::{
        Attachment, Mailbox, MessageBuilder, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{authentication::Credentials, client::TlsParameters, extension::ClientId},
};
use serde::Deserialize;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{
    Courriel, Fichier, Links,
    mail_error::MailError,
    smtp::{Protection, Relay},
    textes::Texte,
};

/// How mails leave.
///
/// ```toml
/// [smtp]
/// url = "smtps://smtp.relais.example"     # or smtp://…:587, then STARTTLS is required
/// user = "relais"
/// password = "…"
/// from = "Relais <ne-pas-repondre@relais.example>"
/// reply_to = "assistance@relais.example"
/// timeout_ms = 30000
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailerSettings {
    /// `smtps://host[:465]`, or `smtp://host[:587]` (STARTTLS required; plain on loopback).
    pub url: String,
    /// User name, when the server wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Sender; its domain is also the one of the Message-IDs.
    pub from: String,
    /// Where answers by mail go, when they are read.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Limit of handing one mail over, connection included, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

fn default_timeout_ms() -> u64 {
    30_000
}

/// Sends mail over SMTP; cheap to clone.
#[derive(Clone, Debug)]
pub struct Mailer {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    relay: Relay,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    clock: Clock,
    links: Links,
    /// Held while files are made.
    making: Mutex<()>,
}

impl Mailer {
    /// A mailer; nothing is opened before the first mail.
    ///
    /// # Errors
    /// A sentence for the operator when the settings make no sense.
    pub fn new(settings: MailerSettings, clock: Clock, links: Links) -> Result<Self, String> {
        let mailbox = |text: &str, name: &str| {
            text.parse::<Mailbox>().map_err(|e| format!("smtp.{name} : {e}"))
        };
        let from = mailbox(&settings.from, "from")?;
        let reply_to = settings.reply_to.as_deref().map(|r| mailbox(r, "reply_to")).transpose()?;
        let credentials = match (settings.user, settings.password) {
            (Some(user), Some(password)) => {
                Some(Credentials::new(user, password.expose().to_owned()))
            }
            (None, None) => None,
            _ => return Err("smtp.user et smtp.password vont ensemble".to_owned()),
        };
        let (address, protection) = server(&settings.url)?;
        let hello = ClientId::Domain(from.email.domain().to_owned());
        let timeout = Duration::from_millis(settings.timeout_ms);
        let relay = Relay::new(address, protection, credentials, hello, timeout);
        let making = Mutex::default();
        let inner = Inner { relay, from, reply_to, clock, links, making };
        Ok(Self { inner: Some(Arc::new(inner)) })
    }

    /// What a service without SMTP settings has: every mail waits, transiently, until they exist.
    pub fn absent() -> Self {
        Self { inner: None }
    }

    /// Sends a mail; `id` gives its stable Message-ID, by which a receiver knows a mail that was
    /// sent twice.
    ///
    /// # Errors
    /// [`Fault`] as the server's answer says: 4xx is transient, 5xx is permanent.
    pub async fn send(&self, id: Uuid, courriel: &Courriel) -> Result<(), Fault> {
        self.send_with(id, courriel, Vec::new()).await
    }

    /// Sends a mail with files, in their order.
    ///
    /// # Errors
    /// [`Fault`] as the server's answer says: 4xx is transient, 5xx is permanent.
    pub async fn send_with(
        &self,
        id: Uuid,
        courriel: &Courriel,
        fichiers: Vec<Fichier>,
    ) -> Result<(), Fault> {
        let inner = self.inner()?;
        let message = inner.compose(id, courriel, fichiers)?;
        let sent = inner.relay.send(message.envelope(), &message.formatted()).await;
        sent.map_err(|failure| MailError::from(failure).into())
    }

    /// Sends a mail with the files that `make` makes: off the loop that everything else waits for,
    /// and one mail at a time, because a PDF takes milliseconds and memory.
    ///
    /// # Errors
    /// That of `make`, else as [`Mailer::send_with`].
    pub async fn send_making(
        &self,
        id: Uuid,
        courriel: &Courriel,
        make: impl FnOnce() -> Result<Vec<Fichier>, Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        let made = {
            let _one_at_a_time = self.inner()?.making.lock().await;
            tokio::task::spawn_blocking(make).await
        };
        self.send_with(id, courriel, made.map_err(|_| MailError::Interrupted)??).await
    }

    fn inner(&self) -> Result<&Inner, MailError> {
        self.inner.as_deref().ok_or(MailError::Absent)
    }
}

impl Inner {
    fn compose(
        &self,
        id: Uuid,
        courriel: &Courriel,
        fichiers: Vec<Fichier>,
    ) -> Result<Message, MailError> {
        let to: Address = courriel.a.parse().map_err(|_| MailError::Recipient)?;
        let lien = courriel.lien.as_ref().map(|lien| (self.links.url(lien), lien));
        let lien = lien.as_ref().map(|(url, lien)| (url.as_str(), *lien));
        let texte = Texte::new(&courriel.modele, &courriel.reference, lien);
        let builder = Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date(self.clock.now().into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(texte.objet)
            // No out-of-office answer to a machine (RFC 3834, section 5).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let builder = self.reply_to.iter().cloned().fold(builder, MessageBuilder::reply_to);
        let corps = SinglePart::plain(texte.corps);
        if fichiers.is_empty() {
            return builder.singlepart(corps).map_err(|_| MailError::Compose);
        }
        let mut parts = MultiPart::mixed().singlepart(corps);
        for fichier in fichiers {
            let kind = ContentType::parse(&fichier.type_mime).map_err(|_| MailError::Attachment)?;
            parts = parts.singlepart(Attachment::new(fichier.nom).body(fichier.octets, kind));
        }
        builder.multipart(parts).map_err(|_| MailError::Compose)
    }
}

/// The address of the server and how the connection is protected.
fn server(url: &str) -> Result<((String, u16), Protection), String> {
    let wrong = |why: &str| format!("smtp.url : {why}");
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| wrong("smtp://hôte:port ou smtps://hôte:port"))?;
    let rest = rest.trim_end_matches('/');
    if rest.contains(['/', '?', '#', '@']) {
        return Err(wrong("ni chemin, ni paramètre, ni identifiants dans l'adresse"));
    }
    // The last colon separates the port, except inside the brackets of an IPv6 address.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, Some(port.parse::<u16>().map_err(|_| wrong("port non valide"))?))
        }
        _ => (rest, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err(wrong("hôte manquant"));
    }
    let tls = || TlsParameters::new(host.clone()).map_err(|e| wrong(&e.to_string()));
    let protection = match scheme {
        "smtps" => Protection::Tls(tls()?),
        "smtp" if is_loopback(&host) => Protection::Plain,
        "smtp" => Protection::StartTls(tls()?),
        _ => return Err(wrong("smtp:// ou smtps://")),
    };
    // RFC 8314, section 7.3, and RFC 6409, section 3.1.
    let default_port = if scheme == "smtps" { 465 } else { 587 };
    Ok(((host, port.unwrap_or(default_port)), protection))
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        Links::new(Secret::new("clé"), "https://relais.example", "ordinal-adapter")
    }

    fn settings(url: &str) -> MailerSettings {
        MailerSettings {
            url: url.to_owned(),
            user: None,
            password: None,
            from: "Relais <ne-pas-repondre@relais.example>".to_owned(),
            reply_to: None,
            timeout_ms: 1000,
        }
    }

    #[test]
    fn addresses_of_servers() {
        let read = |url: &str| {
            let ((host, port), protection) = server(url).expect(url);
            let kind = match protection {
                Protection::Plain => "plain",
                Protection::Tls(_) => "tls",
                Protection::StartTls(_) => "starttls",
            };
            (host, port, kind)
        };
        let cases = [
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, "plain"),
            ("smtp://[::1]:25/", "::1", 25, "plain"),
            ("smtp://localhost", "localhost", 587, "plain"),
            ("smtp://mail.example", "mail.example", 587, "starttls"),
            ("smtps://mail.example", "mail.example", 465, "tls"),
            ("smtps://127.0.0.1:4650", "127.0.0.1", 4650, "tls"),
        ];
        for (url, host, port, kind) in cases {
            assert_eq!(read(url), (host.to_owned(), port, kind), "{url}");
        }
        for url in ["mail.example", "http://mail.example", "smtp://", "smtp://u:p@mail.example"] {
            assert!(server(url).is_err(), "{url}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_their_name() {
        let new = |s: MailerSettings| Mailer::new(s, Clock::system(), links()).map(|_| ());
        assert_eq!(new(settings("smtps://mail.example")), Ok(()));
        let half =
            MailerSettings { user: Some("relais".to_owned()), ..settings("smtps://m.example") };
        assert!(new(half).expect_err("half").contains("smtp.password"));
        let from = MailerSettings { from: "relais".to_owned(), ..settings("smtps://m.example") };
        assert!(new(from).expect_err("from").contains("smtp.from"));
    }

    #[test]
    fn an_answer_of_the_server_decides_the_class() {
        let class = |code: u16| {
            let fault = Fault::from(MailError::Answered(code));
            (matches!(fault, Fault::Transient { .. }), fault.code())
        };
        for (code, expected) in [
            (421, (true, "smtp-reporte")),
            (450, (true, "smtp-reporte")),
            (452, (true, "smtp-reporte")),
            (535, (true, "smtp-authentification")),
            (550, (false, "smtp-refus")),
            (554, (false, "smtp-refus")),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }

    #[test]
    fn a_mail_has_a_stable_id_a_date_of_business_time_and_nothing_personal() {
        let (clock, _driver) = Clock::virtual_at("2026-03-02T08:00:00Z".parse().expect("instant"));
        let mailer = Mailer::new(settings("smtp://127.0.0.1:1"), clock, links()).expect("mailer");
        let inner = mailer.inner.expect("configured");
        let courriel = Courriel {
            a: "cdom63@ordre.example".to_owned(),
            modele: crate::Modele::VerificationDemandee,
            reference: "dossier 1042".to_owned(),
            lien: None,
        };
        let message =
            inner.compose(Uuid::nil(), &courriel, Vec::new()).expect("composed").formatted();
        let message = String::from_utf8(message).expect("ASCII");
        for line in [
            "Message-ID: <00000000-0000-0000-0000-000000000000@relais.example>",
            "Date: Mon, 02 Mar 2026 08:00:00 +0000",
            "To: cdom63@ordre.example",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(message.lines().any(|l| l == line), "{line} is missing in {message}");
        }
        let wrong = Courriel { a: "cdom63".to_owned(), ..courriel };
        let fault =
            Fault::from(inner.compose(Uuid::nil(), &wrong, Vec::new()).expect_err("no address"));
        assert_eq!(fault.code(), "courriel-invalide");
        assert!(!fault.chain().contains("cdom63"));
    }
}
