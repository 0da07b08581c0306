//! What the service remembers: one verification per dossier, one engagement per (doctor, site)
//! for ever, and per doctor what the Order decided.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CodeCdom, Creneau, DossierId, EngagementId, Lieu, LieuId, Medecin, Rpps,
    messages::{Activite, Candidature, DecisionLueDs, Issue, MedecinIdentifie},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod etapes;

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
}

impl Voie {
    /// As tasks show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Lien => "lien",
            Self::Ds => "ds",
            Self::Operateur => "operateur",
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
}

impl Inscrit {
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
