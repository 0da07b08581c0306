//! What the service asks outside the bus: mail, to a CPAM that has no queue and to the DNS; the
//! rest is requests published on the bus.

use contact::{Courriel, Mailer, Modele};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{AskKind, Repeat};
use uuid::Uuid;

/// Kind of the mails that ask a CPAM for a number: cancelled once it exists.
pub const NUMERO: &str = "courriel-numero";
/// Kind of every other mail.
pub const INFORMATION: &str = "courriel-information";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Send this mail.
    Courriel(Courriel),
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The mail server took it.
    Envoye,
}

impl AskKind for Ask {
    fn kind(&self) -> &'static str {
        let Self::Courriel(courriel) = self;
        let numero =
            matches!(courriel.modele, Modele::NumeroAmDemande | Modele::NumeroAmRelance { .. });
        if numero { NUMERO } else { INFORMATION }
    }

    fn agency(&self) -> &'static str {
        "smtp"
    }

    /// SMTP cannot be read back; the stable Message-ID lets the receiver tell a second copy.
    fn repeat(&self) -> Repeat {
        Repeat::MaybeTwice
    }
}

/// The service's mail client.
#[derive(Clone, Debug)]
pub(crate) struct Courrier(Mailer);

impl Courrier {
    pub(crate) fn new(mailer: Mailer) -> Self {
        Self(mailer)
    }

    /// Does what is asked.
    pub(crate) async fn ask(&self, ask: &Ask, id: Uuid) -> Result<Answer, Fault> {
        let Ask::Courriel(courriel) = ask;
        self.0.send(id, courriel).await.map(|()| Answer::Envoye)
    }
}
