//! What the service remembers: per engagement the number and what hangs on it, per doctor the last
//! card seen, per number the engagement that it was created for.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CodeCpam, EngagementId, NumeroAm, Rib, Rpps,
    messages::{Activite, ModeFacturation, Situation},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod depot;
mod etapes;

pub use depot::{Depot, LigneDemande, LigneLue, LigneRetour, Nature, Releve, Verdict, cle_depot};

/// One state of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// `engagement/<id>`.
    Engagement(Box<Engagement>),
    /// `medecin/<rpps>`.
    Medecin(Porteur),
    /// `numero/<numéro AM>`.
    Numero(Attribution),
    /// `depot/<code>`: what is exchanged in the folder of a CPAM.
    Depot(Depot),
}

/// An engagement, as far as billing is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engagement {
    /// Its RPPS record came before the activity itself.
    Attendu {
        /// The day it was seen.
        constat: NaiveDate,
    },
    /// The activity is known.
    Connu(Box<Suivi>),
}

/// The way of an engagement to its number, its bank details and its card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suivi {
    /// The activity.
    pub activite: Activite,
    /// The first day on which it was seen open.
    pub ouverte_le: Option<NaiveDate>,
    /// The day its RPPS record was seen.
    pub constat: Option<NaiveDate>,
    /// The latest start of validity among the doctor's cards.
    pub carte: Option<NaiveDate>,
    /// The CPAM that the DNS gave, when the register has none.
    pub cpam: Option<CodeCpam>,
    /// Where it stands.
    pub etape: Etape,
    /// A number given, while no other engagement is known to have it.
    pub propose: Option<Proposition>,
    /// Requests that another one replaced.
    pub remplacees: Vec<DemandeFaite>,
    /// How many tasks were opened, so that each has its own id.
    pub taches_ouvertes: u32,
    /// Tasks that are open.
    pub taches: Taches,
}

impl Suivi {
    /// The doctor may practise at present: bank details and card are followed.
    pub fn actif(&self) -> bool {
        match self.activite.situation {
            Situation::Ouverte => true,
            Situation::Suspendue | Situation::Terminee => false,
        }
    }

    /// Half-days may have been held: they stay owed, so the number is needed whatever came after,
    /// and the CPAM is reminded of it. An end or a suspension that leaves no day does without.
    pub fn a_pu_exercer(&self) -> bool {
        self.actif() || self.ouverte_le.is_none_or(|first| first < self.activite.a_compter_du)
    }
}

/// Where an engagement stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Etape {
    /// Its RPPS record is awaited.
    Constat,
    /// Nobody knows the CPAM of the site.
    CpamManquante,
    /// The CPAM is asked for a number.
    Demandee {
        /// The request.
        demande: DemandeFaite,
        /// The CPAM refused, with this code.
        refus: Option<String>,
    },
    /// The number exists.
    Ouverte(Facturation),
}

/// A number and what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facturation {
    /// The request that it answers.
    pub demande: DemandeFaite,
    /// The number.
    pub numero_am: NumeroAm,
    /// The day it became known.
    pub cree_le: NaiveDate,
    /// What is known of the bank details.
    pub rib: Rib,
    /// How the doctor may bill.
    pub mode: ModeFacturation,
    /// The request for bank details, once made.
    pub demande_rib: Option<DemandeFaite>,
}

/// A request to a CPAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandeFaite {
    /// Its id.
    pub id: Uuid,
    /// The CPAM that was asked.
    pub cpam: CodeCpam,
    /// 1, then one more for each reminder.
    pub rang: u32,
    /// When it was made.
    pub faite_le: DateTime<Utc>,
}

/// A number given for an engagement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposition {
    /// The number.
    pub numero_am: NumeroAm,
    /// What is known of the bank details.
    pub rib: Rib,
    /// The day it was given.
    pub donne_le: NaiveDate,
}

/// Open tasks of a state: id and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Taches(pub BTreeMap<Uuid, String>);

/// A doctor, as the holder of CPS cards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Porteur {
    /// The doctor's engagements.
    pub engagements: BTreeSet<EngagementId>,
    /// The latest start of validity among the doctor's cards.
    pub carte: Option<NaiveDate>,
}

/// The engagement that a number was created for: one number per (doctor, place of care) (SNDS,
/// « Numéro du professionnel de santé »), never given twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The engagement.
    pub engagement: EngagementId,
}

/// What states tell each other, and what comes from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// To a doctor: this engagement waits for a card.
    Suivre {
        /// The engagement.
        engagement: EngagementId,
    },
    /// To an engagement: a card of the doctor was seen.
    Carte {
        /// Its first day of validity.
        debut_validite: NaiveDate,
    },
    /// To a number: this engagement was given it.
    Reserver {
        /// The engagement.
        engagement: EngagementId,
    },
    /// To an engagement: whether the number is its own.
    Reservation {
        /// The number.
        numero_am: NumeroAm,
        /// It is; else another engagement has it.
        accordee: bool,
    },
    /// To an engagement: an operator closes a task.
    FermerTache(FermerTache),
    /// To an engagement: an operator wants the number asked for now, or again.
    Redemander,
    /// To an engagement: an operator was told the number.
    NumeroRecu {
        /// The number.
        numero_am: NumeroAm,
        /// What the CPAM said of the bank details.
        rib: Rib,
    },
    /// To an engagement: the CPAM answered by its link.
    ReponseLien(ReponseCaisse),
    /// To an engagement: a line of a file of the CPAM.
    LigneRecue {
        /// The CPAM whose folder it is.
        cpam: CodeCpam,
        /// The file.
        fichier: String,
        /// Rank of the line in it.
        rang: u32,
        /// What it says.
        reponse: ReponseCaisse,
    },
    /// To a folder: a line to write.
    Deposer(Box<LigneDemande>),
    /// To a folder: what became of a line of a file.
    Verdict {
        /// The file.
        fichier: String,
        /// Rank of the line.
        rang: u32,
        /// Why it is refused; `None` when it was taken.
        motif: Option<String>,
    },
}

/// What a CPAM says outside the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReponseCaisse {
    /// The request that it answers.
    pub demande: Uuid,
    /// What it says.
    pub issue: IssueCaisse,
}

/// What a CPAM says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueCaisse {
    /// The number exists.
    Cree {
        /// The number.
        numero_am: NumeroAm,
        /// What the CPAM knows of the bank details.
        rib: Rib,
    },
    /// There will be no number.
    Refuse {
        /// Why, as a code.
        code: String,
    },
    /// The bank details are there.
    RibRecu,
}

/// What an operator says when closing a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FermerTache {
    /// The task.
    pub tache: Uuid,
    /// Who.
    pub par: String,
    /// The number, when the CPAM gave it outside the bus.
    pub numero_am: Option<NumeroAm>,
    /// What the CPAM said of the bank details.
    pub rib: Option<Rib>,
    /// The CPAM of the site.
    pub cpam: Option<CodeCpam>,
}

/// Key of an engagement's state.
pub fn cle_engagement(engagement: &EngagementId) -> String {
    format!("engagement/{engagement}")
}

/// Key of a doctor's state.
pub fn cle_medecin(rpps: &Rpps) -> String {
    format!("medecin/{rpps}")
}

/// Key of a number's state.
pub fn cle_numero(numero_am: &NumeroAm) -> String {
    format!("numero/{numero_am}")
}
