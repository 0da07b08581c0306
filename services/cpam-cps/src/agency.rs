//! What the service asks outside the bus: mail, to a CPAM that has no queue, to the doctor and to
//! the DNS; files, in the folder of a CPAM. The rest is requests published on the bus.

use std::{io, path::PathBuf};

use contact::{Courriel, Fichier, Mailer, Modele};
use contracts::CodeCpam;
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{AskKind, Repeat};
use uuid::Uuid;

use crate::{
    papier::{self, Fiche},
    state::{LigneDemande, LigneLue, Releve},
};

pub mod depot;

/// Kind of the mails that ask a CPAM for a number: cancelled once it exists.
pub const NUMERO: &str = "courriel-numero";
/// Kind of the mails about missing bank details: cancelled once they are there.
pub const RIB: &str = "courriel-rib";
/// Kind of every other mail.
pub const INFORMATION: &str = "courriel-information";
/// Kind of a look at the folder of a CPAM.
pub const RELEVER: &str = "relever";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Send this mail.
    Courriel(Courriel),
    /// Send this mail with the notice « vous pouvez commencer sur papier ».
    Papier {
        /// The mail.
        courriel: Courriel,
        /// What the notice says.
        fiche: Fiche,
    },
    /// Write a file of requests.
    Deposer {
        /// The CPAM.
        cpam: CodeCpam,
        /// Name of the file.
        fichier: String,
        /// Its lines.
        lignes: Vec<LigneDemande>,
    },
    /// Look for a file of the CPAM.
    Relever {
        /// The CPAM.
        cpam: CodeCpam,
    },
    /// Give a file back with what became of each line.
    Rendre {
        /// The CPAM.
        cpam: CodeCpam,
        /// The file.
        releve: Releve,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The mail server took it.
    Envoye,
    /// The file of requests is there.
    Depose,
    /// A file of the CPAM, or none.
    Releve(Option<FichierLu>),
    /// The file was given back.
    Rendu,
}

/// A file of the CPAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FichierLu {
    /// Its name.
    pub fichier: String,
    /// Its lines, the header excluded; a file that cannot be read at all is one line that says why.
    pub lignes: Vec<LigneLue>,
}

impl AskKind for Ask {
    fn kind(&self) -> &'static str {
        let courriel = match self {
            Self::Courriel(courriel) | Self::Papier { courriel, .. } => courriel,
            Self::Deposer { .. } => return "deposer",
            Self::Relever { .. } => return RELEVER,
            Self::Rendre { .. } => return "rendre",
        };
        match courriel.modele {
            Modele::NumeroAmDemande | Modele::NumeroAmRelance { .. } => NUMERO,
            Modele::RibDemande { .. } | Modele::RibADonner { .. } => RIB,
            Modele::VerificationDemandee
            | Modele::VerificationRelance { .. }
            | Modele::ActiviteNotifiee
            | Modele::EngagementOuvert
            | Modele::DebutPapier
            | Modele::AgendaOuvert
            | Modele::AgendaRelance { .. }
            | Modele::AttestationDemandee { .. }
            | Modele::AttestationRelance { .. }
            | Modele::ConfirmationDemandee { .. }
            | Modele::ConfirmationRelance { .. }
            | Modele::PlanningPublie { .. }
            | Modele::Escalade { .. } => INFORMATION,
        }
    }

    fn agency(&self) -> &'static str {
        match self {
            Self::Courriel(_) | Self::Papier { .. } => "smtp",
            Self::Deposer { .. } | Self::Relever { .. } | Self::Rendre { .. } => "depot",
        }
    }

    /// SMTP cannot be read back; the stable Message-ID lets the receiver tell a second copy. A file
    /// that is written twice is the same file.
    fn repeat(&self) -> Repeat {
        match self {
            Self::Courriel(_) | Self::Papier { .. } => Repeat::MaybeTwice,
            Self::Deposer { .. } | Self::Relever { .. } | Self::Rendre { .. } => Repeat::Idempotent,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AgencyError {
    #[error("the notice cannot be made")]
    Papier(#[from] documents::Error),
    #[error("folder of a CPAM")]
    Depot(#[from] io::Error),
    #[error("no folder is configured")]
    SansDepot,
    #[error("interrupted")]
    Interrompu,
}

impl From<AgencyError> for Fault {
    fn from(error: AgencyError) -> Self {
        match error {
            AgencyError::Papier(_) => Self::permanent("fiche-impossible", error),
            // A full disk, a share that is not mounted: somebody repairs it.
            AgencyError::Depot(_) => Self::transient("depot-inaccessible", error),
            AgencyError::SansDepot => Self::transient("depot-non-configure", error),
            AgencyError::Interrompu => Self::transient("depot-interrompu", error),
        }
    }
}

/// The service's mail client and its folders.
#[derive(Clone, Debug)]
pub(crate) struct Courrier {
    mailer: Mailer,
    depots: Option<PathBuf>,
}

impl Courrier {
    pub(crate) fn new(mailer: Mailer, depots: Option<PathBuf>) -> Self {
        Self { mailer, depots }
    }

    /// Does what is asked.
    pub(crate) async fn ask(&self, ask: &Ask, id: Uuid) -> Result<Answer, Fault> {
        match ask {
            Ask::Courriel(courriel) => {
                self.mailer.send(id, courriel).await.map(|()| Answer::Envoye)
            }
            Ask::Papier { courriel, fiche } => {
                let fiche = fiche.clone();
                let make = move || {
                    let octets = papier::pdf(&fiche).map_err(AgencyError::from)?;
                    let nom = "commencer-sur-papier.pdf".to_owned();
                    Ok(vec![Fichier { nom, type_mime: "application/pdf".to_owned(), octets }])
                };
                self.mailer.send_making(id, courriel, make).await.map(|()| Answer::Envoye)
            }
            Ask::Deposer { cpam, .. } | Ask::Relever { cpam } | Ask::Rendre { cpam, .. } => {
                let base = self.depots.as_ref().ok_or(AgencyError::SansDepot)?;
                let (dossier, ask) = (base.join(cpam.as_str()), ask.clone());
                let work = tokio::task::spawn_blocking(move || depot::faire(&dossier, &ask));
                let done = work.await.map_err(|_| AgencyError::Interrompu)?;
                Ok(done.map_err(AgencyError::from)?)
            }
        }
    }
}
