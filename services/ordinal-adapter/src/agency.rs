//! What the service asks outside the bus: mail. A CDOM without a queue reads its mail, so do
//! doctors and the DNS; the rest is requests published on the bus.

use contact::{Courriel, Mailer, Modele};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{AskKind, Repeat};
use uuid::Uuid;

/// Kind of the mails that ask a CDOM for its verification: cancelled once it is settled.
pub const VERIFICATION: &str = "courriel-verification";
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
        let verification = matches!(
            courriel.modele,
            Modele::VerificationDemandee | Modele::VerificationRelance { .. }
        );
        if verification { VERIFICATION } else { INFORMATION }
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
