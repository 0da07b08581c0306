//! What the service remembers: the démarche it polls, each dossier, and which dossier an
//! engagement belongs to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    DossierId, EngagementId, LieuId, Rpps,
    messages::{Activite, Candidature, Issue, ModeFacturation, Situation},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{agency::Cible, wire::EtatDs};

mod etapes;

/// One state of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// `demarche/<n>`: the source that is polled.
    Demarche(Demarche),
    /// `dossier/<n>`: an application.
    Dossier(Box<Dossier>),
    /// `engagement/<id>`: which dossier it belongs to.
    Engagement(Engagement),
    /// `medecin/<rpps>`: where the doctor is engaged.
    Medecin(Medecin),
}

/// The source that is polled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demarche {
    /// The latest modification seen; the next poll begins a little before.
    pub repere: Option<DateTime<Utc>>,
    /// The pass in progress.
    pub passe: Option<Passe>,
    /// Modifications told to their dossiers, as far back as the next poll looks.
    pub recents: BTreeMap<u64, Recent>,
    /// Dossiers in a list of deleted ones, already told.
    pub disparus: BTreeSet<u64>,
    /// The active revision of the form.
    pub revision: Option<String>,
    /// The settings were compared with the form of `revision` since the last start.
    pub formulaire_verifie: bool,
    /// What did not fit when they were compared.
    pub problemes: Vec<String>,
    /// Open tasks, by kind.
    pub taches: BTreeMap<String, Uuid>,
    /// When the last complete pass began.
    pub reconcilie_le: Option<DateTime<Utc>>,
}

/// A modification told to its dossier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// `dateDerniereModification`, to the second.
    pub modifie_le: DateTime<Utc>,
    /// DS's clock was past that second: nothing more can happen within it.
    pub stable: bool,
}

/// A pass over the list, page by page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passe {
    /// When it began, which is also its id.
    pub debut: DateTime<Utc>,
    /// Which dossiers it tells.
    pub genre: Genre,
    /// The rank of the call in progress.
    pub rang: u32,
    /// Modified at or after.
    pub depuis: DateTime<Utc>,
    /// Cursor of the page before; only meaningful with the same `depuis`.
    pub apres: Option<String>,
    /// Dossiers per page at this moment.
    pub taille: u32,
    /// The latest modification seen by it.
    pub dernier: Option<DateTime<Utc>>,
    /// When its last page came.
    #[serde(default)]
    pub avance_le: Option<DateTime<Utc>>,
    /// Another pass is wanted as soon as it ends.
    #[serde(default)]
    pub encore: bool,
}

/// Which dossiers a pass tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Genre {
    /// Those modified lately.
    Courante,
    /// Every dossier without a decision: what the dates may have missed.
    Complete,
    /// The same, to be read again: the form changed without touching the dates.
    Relecture,
}

/// An application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dossier {
    /// Where it stands.
    pub phase: Phase,
    /// The version read last.
    pub version: Option<Version>,
    /// A reading is asked for; it must reach this modification.
    pub attendu: Option<DateTime<Utc>>,
    /// DS did not find it; another reading will tell.
    pub introuvable_depuis: Option<DateTime<Utc>>,
    /// The version for which the doctor was told what to correct.
    pub averti: Option<Uuid>,
    /// RPPS numbers that the doctor was told are unknown or inactive.
    pub rpps_signales: BTreeSet<Rpps>,
    /// Sites that the doctor was told to be engaged at already.
    pub doublons_signales: BTreeSet<LieuId>,
    /// Milestones that the doctor was told of: `<engagement> <milestone>`.
    pub annonces: BTreeSet<String>,
    /// Where Relais wants it on DS, until it is there.
    pub voulu: Option<Cible>,
    /// The decision read on DS and published.
    pub decision_lue: Option<(Issue, DateTime<Utc>)>,
    /// It is not visible on DS any more; said after an authorisation.
    pub disparu: bool,
    /// What the RPPS says of the doctor.
    pub identite: Option<Identite>,
    /// Its engagements.
    pub engagements: BTreeMap<EngagementId, Progres>,
    /// Annotations asked for, by id.
    pub annotations: BTreeMap<String, String>,
    /// Open tasks, by kind.
    pub taches: BTreeMap<String, Uuid>,
}

/// Where an application stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No complete version yet.
    #[default]
    Reception,
    /// Deposited and published; the CDOM verifies, or the doctor corrects.
    Instruction {
        /// The version published last.
        candidature: Box<Candidature>,
        /// What the doctor was asked for and has not answered.
        attente: Option<Attente>,
    },
    /// At least one engagement was opened: for ever.
    Autorisee,
    /// The CDOM refused. Terminal.
    Refusee,
    /// Withdrawn before any authorisation. Terminal.
    Retiree {
        /// When.
        le: DateTime<Utc>,
    },
}

/// What the doctor was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attente {
    /// To correct the version read last, which is wrong.
    Correction,
    /// To correct the RPPS number.
    Identite,
    /// To take a site away at which the doctor is engaged already.
    Doublon,
    /// What the CDOM needs.
    Complement {
        /// Which time.
        rang: u32,
    },
}

/// A version of a dossier, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Last modification of any kind.
    pub modifie_le: DateTime<Utc>,
    /// Last deposit by the doctor.
    pub soumis_le: DateTime<Utc>,
    /// How many deposits.
    pub depots: u32,
    /// Fingerprint of what the form says.
    pub empreinte: Uuid,
    /// State on DS.
    pub etat: EtatDs,
    /// It was read after the second of `modifie_le`: nothing more can happen under that date.
    pub stable: bool,
}

impl Version {
    /// What identifies it: two deposits of the same content are two versions.
    pub fn cle(&self) -> Uuid {
        let (soumis, depots) = (self.soumis_le.to_rfc3339(), self.depots.to_string());
        kernel::derive_id(&["version", &soumis, &depots, &self.empreinte.to_string()])
    }
}

/// What the RPPS says of the doctor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identite {
    /// Known, in activity.
    Active,
    /// Known, without activity as a doctor.
    Inactive,
    /// Unknown.
    Inconnue,
}

/// What is known of an engagement, for the annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progres {
    /// Where it stands; what follows may be known before.
    pub activite: Option<ResumeActivite>,
    /// How the doctor may bill, once possible.
    pub facturation: Option<ModeFacturation>,
    /// Whether the agenda is open.
    pub agenda: Option<bool>,
    /// Where the agenda is, while it is open.
    pub agenda_url: Option<String>,
}

/// What a dossier needs of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeActivite {
    /// The engagement.
    pub engagement: EngagementId,
    /// The site.
    pub lieu: LieuId,
    /// Its name.
    pub lieu_nom: String,
    /// Where it stands.
    pub situation: Situation,
    /// From this day on.
    pub a_compter_du: NaiveDate,
}

impl From<&Activite> for ResumeActivite {
    fn from(a: &Activite) -> Self {
        Self {
            engagement: a.engagement.clone(),
            lieu: a.lieu.id.clone(),
            lieu_nom: a.lieu.nom.clone(),
            situation: a.situation,
            a_compter_du: a.a_compter_du,
        }
    }
}

/// An engagement: the way to its dossier, and what came before it was known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engagement {
    /// Its dossier, once the activity is known.
    pub dossier: Option<DossierId>,
    /// How the doctor may bill; kept until the dossier is known.
    pub facturation: Option<ModeFacturation>,
    /// Whether the agenda is open; kept until the dossier is known.
    pub agenda: Option<bool>,
    /// Where the agenda is, while it is open.
    pub agenda_url: Option<String>,
}

/// A doctor: only what tells a second dossier for the same site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Medecin {
    /// Engagements that are not over: their dossier and their site.
    pub engagements: BTreeMap<EngagementId, (DossierId, LieuId)>,
}
