//! What the states are told, ask and are answered.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use contact::Courriel;
use contracts::{
    EngagementId, Lieu, LieuId,
    messages::{Activite, PlanningPublie, VacationAuPlanning},
};
use serde::{Deserialize, Serialize};
use service::{AskKind, Repeat};
use uuid::Uuid;

use crate::{config::NiveauAcces, planning::Absence, webhook::Observation, wire::Agent};

contracts::incoming! {
    /// What it consumes: where every engagement stands.
    pub enum Entrant {
        ActiviteAutorisee, ActiviteModifiee, ActiviteSuspendue, ActiviteRetablie, ActiviteTerminee,
    }
}

impl Entrant {
    /// The engagement: the five carry the same snapshot.
    pub fn activite(&self) -> &Activite {
        match self {
            Self::ActiviteAutorisee(m) => &m.0,
            Self::ActiviteModifiee(m) => &m.0,
            Self::ActiviteSuspendue(m) => &m.0,
            Self::ActiviteRetablie(m) => &m.0,
            Self::ActiviteTerminee(m) => &m.0,
        }
    }
}

/// What one state tells another, and what comes from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evenement {
    /// An engagement needs the agenda of the site.
    Rattacher {
        /// The engagement.
        engagement: EngagementId,
        /// The site.
        lieu: Box<Lieu>,
        /// The doctor's address.
        courriel: String,
    },
    /// The site is ready.
    LieuPret {
        /// Its organisation.
        organisation: i64,
    },
    /// The agent of an engagement is known.
    AgentConnu {
        /// The engagement.
        engagement: EngagementId,
        /// The agent.
        agent: i64,
    },
    /// A webhook, stripped.
    Webhook(Observation),
    /// A webhook whose content cannot be read.
    Illisible {
        /// Its model.
        modele: String,
        /// When it came.
        recu_le: DateTime<Utc>,
    },
    /// An observation about this engagement's agent.
    Observe(Observation),
    /// An appointment that is no longer this engagement's.
    RdvRetire {
        /// Its id.
        rdv: i64,
        /// Of the observation that says so.
        horodatage: DateTime<Utc>,
    },
    /// An appointment, with whose it is.
    Rdv {
        /// The observation.
        observation: Observation,
        /// The engagements whose agent it names.
        siens: Vec<EngagementId>,
        /// Every engagement of the site, when it ended so long ago that its holder may be
        /// forgotten; else none.
        tous: Vec<EngagementId>,
    },
    /// Entries of a site's planning that changed.
    AuPlanning {
        /// The site.
        lieu: Box<Lieu>,
        /// The entries.
        entrees: Vec<VacationAuPlanning>,
    },
    /// An operator did a task.
    TacheFaite {
        /// The task.
        tache: Uuid,
        /// What the operator filled in: `organisation_id`, `agent_id`.
        champs: BTreeMap<String, String>,
        /// Who.
        par: String,
    },
    /// An operator corrects the organisation of a site that is not ready.
    CorrigerOrganisation {
        /// The organisation.
        organisation: i64,
    },
    /// An operator wants every record of a site sent again.
    Resynchroniser,
    /// The account is looked at: at each start.
    VerifierCompte,
    /// An operator brings a new consent.
    Consentement {
        /// Its tokens, encrypted.
        jetons: String,
    },
    /// A site is ready: it is read every night.
    SiteSuivi {
        /// The site.
        lieu: LieuId,
    },
    /// An operator wants every site read again, and every record sent again.
    ReconcilierTout,
    /// The same of one site.
    Reconcilier,
    /// What was read of this engagement's agent.
    Releve(Box<Releve>),
}

/// What a reading of RDV Service Public says. It adds and corrects; nothing is removed because a
/// list does not show it: rights that are missing shorten lists too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releve {
    /// Before it was read.
    pub lu_le: DateTime<Utc>,
    /// Who has rights there.
    pub agents: Vec<Agent>,
    /// Their absences.
    pub absences: Vec<Observation>,
    /// Their appointments, stripped.
    pub rdvs: Vec<Observation>,
}

/// What a person was asked to make, and may have made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constat {
    /// The organisation, by its name.
    Organisation {
        /// Its name, as the task gave it.
        nom: String,
    },
    /// The webhook, by its address.
    Webhook {
        /// The site.
        lieu: LieuId,
        /// The organisation.
        organisation: i64,
    },
    /// The `lieu`, by its name.
    Lieu {
        /// The organisation.
        organisation: i64,
        /// Its name.
        nom: String,
    },
    /// The `motif`, by its name.
    Motif {
        /// The organisation.
        organisation: i64,
    },
    /// The agent, by its address.
    Agent {
        /// The organisation.
        organisation: i64,
        /// The address.
        courriel: String,
    },
}

/// What is asked of RDV Service Public, or of the mail server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Register the webhook of a site; every record then comes as `created`.
    EnregistrerWebhook {
        /// The site.
        lieu: LieuId,
        /// The organisation.
        organisation: i64,
    },
    /// Send every record again.
    Resynchroniser {
        /// The organisation.
        organisation: i64,
        /// The endpoint.
        webhook: i64,
    },
    /// Create the `lieu`.
    CreerLieu {
        /// The organisation.
        organisation: i64,
        /// The site.
        lieu: LieuId,
        /// Its name.
        nom: String,
        /// Its address, commune included.
        adresse: String,
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// Create the `motif`.
    CreerMotif {
        /// The organisation.
        organisation: i64,
        /// The site.
        lieu: LieuId,
    },
    /// Invite a doctor.
    Inviter {
        /// The organisation.
        organisation: i64,
        /// The doctor's address.
        courriel: String,
        /// The rights; those of doctors when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        niveau: Option<NiveauAcces>,
    },
    /// See whether the account still acts.
    VerifierCompte,
    /// Keep a consent.
    Consentir {
        /// Its tokens, encrypted.
        jetons: String,
    },
    /// Look for what a person was asked to make.
    Constater(Constat),
    /// Read what is there.
    Relever {
        /// The organisation.
        organisation: i64,
        /// First day of the appointments.
        du: NaiveDate,
        /// The day after the last one.
        au: NaiveDate,
    },
    /// Send a mail.
    Courriel(Courriel),
    /// Send a site its planning, as a calendar and to be printed.
    Planning {
        /// The mail.
        courriel: Courriel,
        /// The planning.
        planning: PlanningPublie,
        /// The site.
        lieu: Box<Lieu>,
    },
}

/// Agency name of RDV Service Public: its limiter and breaker.
pub const AGENCE: &str = "rdvsp";
/// Name under which the account itself is looked at: its calls do not wait behind the others.
pub const AGENCE_COMPTE: &str = "rdvsp-compte";
/// Kind of [`Question::VerifierCompte`].
pub const VERIFIER: &str = "verifier-compte";
/// Kind of [`Question::Constater`].
pub const CONSTATER: &str = "constater";
/// Kind of [`Question::Relever`].
pub const RELEVER: &str = "relever";
/// Kind of [`Question::Inviter`].
pub const INVITER: &str = "inviter";
/// Kinds of the provisioning of a site.
pub const PROVISION: [&str; 3] = ["enregistrer-webhook", "creer-lieu", "creer-motif"];

impl AskKind for Question {
    fn kind(&self) -> &'static str {
        match self {
            Self::EnregistrerWebhook { .. } => PROVISION[0],
            Self::CreerLieu { .. } => PROVISION[1],
            Self::CreerMotif { .. } => PROVISION[2],
            Self::Resynchroniser { .. } => "resynchroniser",
            Self::Inviter { .. } => INVITER,
            Self::VerifierCompte => VERIFIER,
            Self::Consentir { .. } => "consentir",
            Self::Constater(_) => CONSTATER,
            Self::Relever { .. } => RELEVER,
            Self::Courriel(_) | Self::Planning { .. } => "courriel",
        }
    }

    fn agency(&self) -> &'static str {
        match self {
            Self::EnregistrerWebhook { .. }
            | Self::Resynchroniser { .. }
            | Self::CreerLieu { .. }
            | Self::CreerMotif { .. }
            | Self::Constater(_)
            | Self::Relever { .. }
            | Self::Inviter { .. } => AGENCE,
            Self::VerifierCompte | Self::Consentir { .. } => AGENCE_COMPTE,
            Self::Courriel(_) | Self::Planning { .. } => "smtp",
        }
    }

    fn repeat(&self) -> Repeat {
        match self {
            Self::EnregistrerWebhook { .. }
            | Self::CreerLieu { .. }
            | Self::CreerMotif { .. }
            | Self::Inviter { .. } => Repeat::ReadBack,
            Self::Resynchroniser { .. }
            | Self::VerifierCompte
            | Self::Consentir { .. }
            | Self::Constater(_)
            | Self::Relever { .. } => Repeat::Idempotent,
            Self::Courriel(_) | Self::Planning { .. } => Repeat::MaybeTwice,
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reponse {
    /// The webhook endpoint.
    Webhook(i64),
    /// The `lieu`.
    Lieu(i64),
    /// The `motif`.
    Motif(i64),
    /// The agent, with the absences it already had elsewhere: no webhook repeats those.
    Agent {
        /// The agent.
        agent: i64,
        /// When the absences were read.
        lu_le: DateTime<Utc>,
        /// By their id.
        absences: Vec<(i64, Absence)>,
    },
    /// Every record will come again.
    Resynchronise,
    /// The account acts, or only a person can make it act again.
    Compte {
        /// The code of what stands in the way.
        blocage: Option<String>,
    },
    /// The organisation that a person made.
    Organisation(i64),
    /// What a person was asked to make is not there, or cannot be seen.
    PasEncore,
    /// What was read.
    Releve(Box<Releve>),
    /// The mail is on its way.
    Envoye,
}
