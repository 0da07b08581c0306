//! What the service remembers: one verification per dossier, one engagement per (doctor, site)
//! for ever, and per doctor what the Order decided.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CodeCdom, DossierId, EngagementId, LieuId, Rpps,
    messages::{Activite, Candidature, DecisionLueDs, Interruption, Issue, MedecinIdentifie},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod etapes;
mod evenements;

pub use evenements::{Engager, Event, Terminer};

/// One state of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// `dossier/<n>`.
    Dossier(Box<Dossier>),
    /// `engagement/<id>`.
    Engagement(Box<Engagement>),
    /// `medecin/<rpps>`.
    Medecin(Inscrit),
}

/// Where the verification of an application stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dossier {
    /// Facts of others came before the application itself.
    Attendu {
        /// What the RPPS says.
        identite: Option<MedecinIdentifie>,
        /// What a CDOM decided on Démarches simplifiées.
        decision: Option<DecisionLueDs>,
    },
    /// The RPPS's answer, or a corrected number, is awaited.
    Identification {
        /// The application.
        instruction: Instruction,
        /// What is awaited.
        attente: Attente,
    },
    /// The CDOM of registration is asked.
    Verification {
        /// The application.
        instruction: Instruction,
        /// The request that waits for its answer.
        demande: DemandeFaite,
    },
    /// The doctor is asked for more.
    Complement {
        /// The application.
        instruction: Instruction,
        /// The request that was answered so; absent when the CDOM acted before it was asked.
        demande: Option<DemandeFaite>,
        /// The answer.
        reponse: Reponse,
    },
    /// Authorised: every site has its engagement.
    Autorise {
        /// The application, as it was authorised, contact kept up to date.
        instruction: Instruction,
        /// The request that was answered so; absent when the CDOM acted before it was asked.
        demande: Option<DemandeFaite>,
        /// The answer.
        reponse: Reponse,
    },
    /// Refused by the CDOM; nothing personal is kept.
    Refuse {
        /// What is left.
        cloture: Cloture,
        /// The answer.
        reponse: Reponse,
    },
    /// Withdrawn before any authorisation; nothing personal is kept.
    Retire {
        /// What is left.
        cloture: Cloture,
    },
}

/// An application and what was done for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Its last complete version.
    pub candidature: Candidature,
    /// How many complete versions were seen.
    pub revision: u32,
    /// The last answer of the RPPS; may concern a number that was corrected since.
    pub identite: Option<MedecinIdentifie>,
    /// Requests to a CDOM that do not wait for an answer any more.
    pub demandes: Vec<DemandeFaite>,
    /// How many complements were asked for.
    pub complements: u32,
    /// Tasks that are open.
    pub taches: Taches,
}

impl Instruction {
    /// The first complete version of an application.
    pub fn new(candidature: Candidature, identite: Option<MedecinIdentifie>) -> Self {
        Self {
            candidature,
            revision: 1,
            identite,
            demandes: Vec::new(),
            complements: 0,
            taches: Taches::default(),
        }
    }

    /// What the RPPS says of the number that the application gives at present.
    pub fn identite_connue(&self) -> Option<&MedecinIdentifie> {
        self.identite.as_ref().filter(|i| i.rpps == self.candidature.medecin.rpps)
    }

    /// The CDOM of registration.
    pub fn cdom(&self) -> &CodeCdom {
        &self.candidature.medecin.cdom_inscription
    }
}

/// What is awaited before the CDOM is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attente {
    /// The number in question.
    pub rpps: Rpps,
    /// Why.
    pub motif: Motif,
}

/// Why the CDOM is not asked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Motif {
    /// The RPPS did not answer yet.
    Identite,
    /// The RPPS does not know the number, or no activity: the doctor may correct it.
    Correction,
    /// The doctor's own state says whether an earlier authorisation holds.
    Anterieure,
}

/// A request to a CDOM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandeFaite {
    /// Its id.
    pub id: Uuid,
    /// The CDOM that was asked.
    pub cdom: CodeCdom,
    /// 1, then one more for each reminder.
    pub rang: u32,
    /// When it was made.
    pub faite_le: DateTime<Utc>,
    /// How often the DNS was called for help.
    pub escalades: u32,
    /// What was answered, once it was.
    pub issue: Option<Issue>,
}

/// An answer to a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reponse {
    /// The decision.
    pub issue: Issue,
    /// The way it came.
    pub voie: Voie,
    /// When it was taken.
    pub rendue_le: DateTime<Utc>,
}

/// The way an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voie {
    /// The agency's queue.
    File,
    /// An answer link.
    Lien,
    /// Démarches simplifiées.
    Ds,
    /// An operator, who was told.
    Operateur,
    /// The authorisation of an earlier application, reused for another site.
    Anterieure,
}

impl Voie {
    /// As tasks show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Lien => "lien",
            Self::Ds => "ds",
            Self::Operateur => "operateur",
            Self::Anterieure => "autorisation antérieure",
        }
    }
}

/// What is kept of an application that led to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloture {
    /// Every request made: late answers are recognised.
    pub demandes: Vec<DemandeFaite>,
    /// Tasks that are open.
    pub taches: Taches,
}

/// Open tasks of a state: id and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Taches(pub BTreeMap<Uuid, String>);

/// A doctor at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engagement {
    /// What the Order decided is known before the authorisation.
    Attendu {
        /// What the Order decided.
        mesures: Vec<Mesure>,
    },
    /// Opened at least once.
    Connu(Box<EngagementConnu>),
}

/// An engagement that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngagementConnu {
    /// What is published of it.
    pub activite: Activite,
    /// Version of the application that `activite` shows.
    pub revision: u32,
    /// The first day after the end, as it was pronounced; a suspension may bring `activite`'s
    /// forward.
    #[serde(default)]
    pub fin: Option<NaiveDate>,
    /// What lay between an end and another opening.
    #[serde(default)]
    pub entre_ouvertures: Vec<Interruption>,
    /// Every dossier that asked for it, duplicates included.
    pub dossiers: BTreeSet<DossierId>,
    /// How often it was opened.
    pub ouvertures: u32,
    /// What the Order decided, by date.
    pub mesures: Vec<Mesure>,
    /// How many of them `activite` shows.
    pub appliquees: usize,
    /// Tasks that are open.
    pub taches: Taches,
}

/// A decision of the Order on a doctor: by date, a suspension before a lift of the same day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mesure {
    /// First day.
    pub a_compter_du: NaiveDate,
    /// A lift, or else a suspension.
    pub levee: bool,
}

/// A doctor, as far as the Order is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inscrit {
    /// The CDOM that each application names.
    pub inscriptions: BTreeMap<DossierId, Inscription>,
    /// The doctor's engagements.
    pub engagements: BTreeSet<EngagementId>,
    /// What the Order decided, by date.
    pub mesures: Vec<Mesure>,
    /// Those of the engagements that ended.
    #[serde(default)]
    pub termines: BTreeSet<EngagementId>,
    /// Ends that its CDOM said: the site, or every one, and the first day.
    #[serde(default)]
    pub fins: BTreeSet<(Option<LieuId>, NaiveDate)>,
}

impl Inscrit {
    /// Says whether a CDOM's authorisation of another application still holds: an engagement that
    /// it opened is not over, and no suspension runs.
    pub fn est_autorise(&self, autre_que: DossierId, cdom: &CodeCdom) -> bool {
        let mut others = self.inscriptions.iter().filter(|(dossier, _)| **dossier != autre_que);
        others.any(|(_, i)| i.favorable && i.cdom == *cdom)
            && self.engagements.difference(&self.termines).next().is_some()
            && self.mesures.last().is_none_or(|m| m.levee)
    }

    /// The CDOM of registration: the one that authorised last, or else the one last named.
    pub fn cdom(&self) -> Option<&CodeCdom> {
        let latest = |authorised: bool| {
            self.inscriptions.values().rev().find(move |i| i.favorable || !authorised)
        };
        latest(true).or_else(|| latest(false)).map(|i| &i.cdom)
    }
}

/// The CDOM that an application names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inscription {
    /// The CDOM.
    pub cdom: CodeCdom,
    /// It authorised the application.
    pub favorable: bool,
}

/// Key of a dossier's state.
pub fn cle_dossier(dossier: DossierId) -> String {
    format!("dossier/{dossier}")
}

/// Key of an engagement's state.
pub fn cle_engagement(engagement: &EngagementId) -> String {
    format!("engagement/{engagement}")
}

/// Key of a doctor's state.
pub fn cle_medecin(rpps: &Rpps) -> String {
    format!("medecin/{rpps}")
}

/// The engagement of a doctor at a site: the same for ever.
///
/// # Panics
/// Never: a short id is an engagement id.
pub fn engagement_id(rpps: &Rpps, lieu: &LieuId) -> EngagementId {
    kernel::short_id(&["engagement", rpps.as_str(), lieu.as_str()])
        .parse()
        .expect("a short id is an engagement id")
}
