//! What states tell each other, and what comes from outside.

use chrono::NaiveDate;
use contracts::{CodeCdom, Creneau, DossierId, EngagementId, Lieu, Medecin, messages::Issue};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Mesure;

/// What states tell each other, and what comes from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// To an engagement: a dossier is authorised for it, or its contact changed.
    Engager(Box<Engager>),
    /// To an engagement: everything the Order decided on the doctor, by date.
    Mesures(Vec<Mesure>),
    /// To an engagement: it ends.
    Terminer(Terminer),
    /// To a doctor: an application names a CDOM.
    Inscrire {
        /// The application.
        dossier: DossierId,
        /// The CDOM.
        cdom: CodeCdom,
        /// The engagements, once authorised.
        engagements: Vec<EngagementId>,
    },
    /// To a doctor: does this CDOM's authorisation of another application hold?
    Consulter {
        /// The application that asks.
        dossier: DossierId,
        /// Its CDOM.
        cdom: CodeCdom,
    },
    /// To a dossier: the answer to that.
    Anterieure {
        /// It holds.
        accordee: bool,
    },
    /// To a doctor: an engagement ended.
    EngagementTermine(EngagementId),
    /// To a dossier: somebody followed the answer link.
    ReponseLien {
        /// The request that the link was made for.
        demande: Uuid,
        /// The choice.
        issue: Issue,
    },
    /// To a dossier or an engagement: an operator closes a task.
    FermerTache {
        /// The task.
        tache: Uuid,
        /// Who.
        par: String,
        /// What the CDOM told the operator.
        issue: Option<Issue>,
    },
}

/// A dossier authorised for a site; the whole of it, so that the order of two does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engager {
    /// The dossier.
    pub dossier: DossierId,
    /// Version of the application.
    pub revision: u32,
    /// The doctor.
    pub medecin: Medecin,
    /// The site.
    pub lieu: Lieu,
    /// The half-days wished.
    pub creneaux: Vec<Creneau>,
    /// May be replaced at the main practice meanwhile.
    pub remplacement: bool,
}

/// How an engagement ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminer {
    /// `retrait`, `radiation`, `decision-dns`.
    pub cause: String,
    /// First day; the day after when absent.
    pub a_compter_du: Option<NaiveDate>,
    /// The opening that the link was made for; absent for an operator.
    pub ouverture: Option<u32>,
}
