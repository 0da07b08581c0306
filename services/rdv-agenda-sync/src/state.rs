//! What the service remembers: of a site, who works there (`lieu/<id>`), its planning
//! (`planning/<id>`) and who holds which appointment (`titulaires/<id>/<part>`); of an engagement,
//! its agenda (`engagement/<id>`). A site may have a hundred doctors and thousands of appointments:
//! what changes often is apart, so that a webhook reads and writes little.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    DemiJournee, EngagementId, Lieu, LieuId, Plage, VacationId,
    messages::{Activite, VacationAuPlanning},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    planning::Ouvertures,
    webhook::{Observation, Rdv},
};

mod echanges;
mod etapes;

pub use echanges::{
    AGENCE, AGENCE_COMPTE, CONSTATER, Constat, Entrant, Evenement, INVITER, PROVISION, Question,
    RELEVER, Releve, Reponse, VERIFIER,
};

/// Key of the state of the account that Relais acts as.
pub const CLE_COMPTE: &str = "compte/rdvsp";

/// Key of a site's state.
pub fn cle_lieu(lieu: &LieuId) -> String {
    format!("lieu/{lieu}")
}

/// Key of a site's planning.
pub fn cle_planning(lieu: &LieuId) -> String {
    format!("planning/{lieu}")
}

/// Key of the state that knows who holds an appointment, by its id.
pub fn cle_titulaires(lieu: &LieuId, rdv: i64) -> String {
    format!("titulaires/{lieu}/{:02}", rdv.rem_euclid(PARTS))
}

/// Parts in which the appointments of a site are kept. Never changes: what is known would be
/// forgotten.
const PARTS: i64 = 32;

/// Key of an engagement's state.
pub fn cle_engagement(engagement: &EngagementId) -> String {
    format!("engagement/{engagement}")
}

/// A state of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Etat {
    /// A site.
    Lieu(Box<EtatLieu>),
    /// The planning of a site.
    Planning(Box<EtatPlanning>),
    /// Who holds the appointments of a part.
    Titulaires(EtatTitulaires),
    /// An engagement.
    Engagement(Box<EtatEngagement>),
    /// The account that Relais acts as.
    Compte(EtatCompte),
}

/// The account that Relais acts as, and the sites that are read with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtatCompte {
    /// It was looked at.
    pub verifie: bool,
    /// What stands in the way, for a person.
    pub blocage: Option<String>,
    /// The open task about it.
    pub tache: Option<Uuid>,
    /// The sites that are ready.
    pub lieux: BTreeSet<LieuId>,
}

/// A site: its organisation on RDV Service Public, who works there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtatLieu {
    /// The site.
    pub lieu: Lieu,
    /// Where its provisioning stands.
    pub etape: Etape,
    /// Whose agenda is whose.
    pub engagements: BTreeMap<EngagementId, Rattachement>,
    /// What concerns agents that no engagement knows (yet): the latest of each record.
    pub orphelins: BTreeMap<String, Observation>,
    /// Whether webhooks still come.
    #[serde(default)]
    pub veille: Veille,
    /// Who manages the agenda beside the doctors, by address in lower case.
    #[serde(default)]
    pub cogestion: BTreeMap<String, Cogestion>,
}

/// Whether webhooks of a site still come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veille {
    /// Since when it is watched; every night from then on.
    pub depuis: Option<DateTime<Utc>>,
    /// When a webhook last came.
    pub dernier_signe: Option<DateTime<Utc>>,
    /// When everything was asked for again, because none came.
    pub rejeu_demande_le: Option<DateTime<Utc>>,
    /// The open task that says so.
    pub tache: Option<Uuid>,
}

/// Somebody who manages the agenda of a site beside its doctors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cogestion {
    /// The agent, once invited.
    pub agent: Option<i64>,
    /// Of the freshest webhook about the agent's rights.
    pub role_vu: Option<DateTime<Utc>>,
    /// The rights were seen removed.
    pub perdue: bool,
    /// Open tasks, by template.
    pub taches: BTreeMap<String, Uuid>,
}

/// The planning of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtatPlanning {
    /// The site.
    pub lieu: Lieu,
    /// Its entries: past days leave it once it is published.
    pub vacations: BTreeMap<VacationId, VacationAuPlanning>,
    /// Something changed since it was last published.
    pub a_publier: bool,
    /// The open task that says that the site has no contact address.
    pub contact_demande: Option<Uuid>,
}

/// Who holds which appointment, while a late webhook may still move it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtatTitulaires {
    /// By id.
    pub rdvs: BTreeMap<i64, RdvConnu>,
}

/// Where the provisioning of a site stands; steps without the API wait for a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Etape {
    /// The DNS makes the organisation by hand.
    Organisation {
        /// Its task.
        tache: Uuid,
    },
    /// The webhook is being registered.
    Webhook(EnCours),
    /// The `lieu` is being created.
    Lieu(EnCours),
    /// The `motif` is being created.
    Motif(EnCours),
    /// Doctors can be invited.
    Pret {
        /// The organisation.
        organisation: i64,
        /// The webhook endpoint, when the API registered it.
        webhook: Option<i64>,
    },
}

/// A step under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnCours {
    /// The organisation.
    pub organisation: i64,
    /// The webhook endpoint, once the API registered it.
    pub webhook: Option<i64>,
    /// The task, when a person does the step.
    pub tache: Option<Uuid>,
}

/// An engagement as its site knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rattachement {
    /// The doctor's address, by which the agent is recognised until its id is known.
    pub courriel: String,
    /// The agent on RDV Service Public.
    pub agent: Option<i64>,
}

/// Who holds an appointment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RdvConnu {
    /// Of the freshest observation.
    pub horodatage: DateTime<Utc>,
    /// Its end, as last known.
    pub fin: DateTime<Utc>,
    /// It was removed.
    pub supprime: bool,
    /// Whose it is.
    pub engagements: Vec<EngagementId>,
}

/// An engagement: the doctor's access to the agenda, what they opened, the vacations it makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtatEngagement {
    /// As the Order last said.
    pub activite: Activite,
    /// First day of the activity.
    pub debut: NaiveDate,
    /// The doctor's access.
    pub acces: Acces,
    /// `agenda.ouvert` was published, and `agenda.ferme` was not since.
    pub agenda_ouvert: bool,
    /// Of the freshest webhook about the agent's rights.
    pub role_vu: Option<DateTime<Utc>>,
    /// Open tasks, by template.
    pub taches: BTreeMap<String, Uuid>,
    /// What the doctor opened, and absences.
    pub ouvertures: Ouvertures,
    /// Appointments; `None` once removed or given to another doctor.
    pub rdvs: BTreeMap<i64, RdvSuivi>,
    /// Days of consultation.
    pub vacations: BTreeMap<NaiveDate, VacationSuivie>,
}

/// A doctor's access to the agenda of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acces {
    /// The site is not ready, or was not asked.
    AttendLieu,
    /// The invitation is being sent.
    Invitation {
        /// The organisation.
        organisation: i64,
    },
    /// Invited: the doctor must accept, which nothing shows but a first plage.
    Invite {
        /// The organisation.
        organisation: i64,
        /// The agent.
        agent: i64,
        /// When.
        depuis: DateTime<Utc>,
        /// Steps of the ladder taken.
        relances: u32,
    },
    /// A plage was seen.
    Actif {
        /// The organisation.
        organisation: i64,
        /// The agent.
        agent: i64,
    },
    /// The rights were seen removed.
    Retire {
        /// The organisation.
        organisation: i64,
        /// The agent.
        agent: i64,
    },
}

impl Acces {
    /// The agent and the organisation, once invited.
    pub fn agent(&self) -> Option<(i64, i64)> {
        match self {
            Self::AttendLieu | Self::Invitation { .. } => None,
            Self::Invite { organisation, agent, .. }
            | Self::Actif { organisation, agent }
            | Self::Retire { organisation, agent } => Some((*organisation, *agent)),
        }
    }
}

/// An appointment as its engagement knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RdvSuivi {
    /// Of the freshest observation.
    pub horodatage: DateTime<Utc>,
    /// The appointment.
    pub rdv: Option<Rdv>,
}

/// A day of consultation as last published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VacationSuivie {
    /// Where it stands.
    pub situation: SituationVacation,
    /// Its slots; once cancelled, those that were.
    pub creneaux: Vec<Plage>,
    /// Its half-days.
    pub demi_journees: Vec<DemiJournee>,
    /// Honoured appointments; 0 until it is held.
    pub rdv_honores: u32,
    /// Raised when the slots change or are cancelled (iCalendar SEQUENCE).
    pub version: u32,
}

/// Where a vacation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SituationVacation {
    /// To come.
    Planifiee,
    /// Past, not cancelled.
    Realisee,
    /// Cancelled.
    Annulee,
}
