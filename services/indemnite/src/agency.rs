//! The agency is the mail server: the people of the sites read their mail and follow its links.

use contact::{Courriel, Mailer};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{AskKind, Repeat};
use uuid::Uuid;

/// What the service asks: to send a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The mail.
    pub courriel: Courriel,
    /// The rank of the reminder that it is; 0 for the question itself.
    pub relance: u32,
}

/// What it gets back: the server took the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Accepted by the mail server.
    Envoye,
}

/// The kind of every ask.
pub(crate) const COURRIEL: &str = "courriel";

impl AskKind for Ask {
    fn kind(&self) -> &'static str {
        COURRIEL
    }

    fn agency(&self) -> &'static str {
        "smtp"
    }

    /// A mail server gives no way to look whether a mail was taken; its Message-ID is stable.
    fn repeat(&self) -> Repeat {
        Repeat::MaybeTwice
    }
}

/// Sends one mail.
pub(crate) async fn envoyer(mailer: &Mailer, ask: &Ask, id: Uuid) -> Result<Answer, Fault> {
    mailer.send(id, &ask.courriel).await?;
    Ok(Answer::Envoye)
}
