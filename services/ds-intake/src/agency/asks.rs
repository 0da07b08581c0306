//! What is asked of DS, and what comes back; both are stored.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service::{AskKind, Repeat};

use crate::wire::{EtatDs, Lecture, Page};

/// The only agency of the service: its limiter, its breaker.
pub const AGENCE: &str = "ds";

/// What is asked of DS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// One page of the light list.
    Lister(Lister),
    /// One dossier, whole.
    Lire {
        /// Its number.
        numero: u64,
    },
    /// Bring a dossier to a state.
    Ecrire {
        /// Its number.
        numero: u64,
        /// The state.
        cible: Cible,
    },
    /// Write to the doctor in the thread of the dossier; DS also sends it by e-mail.
    EnvoyerMessage {
        /// Its number.
        numero: u64,
        /// The text, without its reference line.
        corps: String,
        /// As a request for correction, unless one is pending already.
        correction: Option<Correction>,
    },
    /// Fill private annotations.
    Annoter {
        /// Its number.
        numero: u64,
        /// Texts by annotation id.
        valeurs: BTreeMap<String, String>,
    },
}

/// One page of a pass over the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lister {
    /// The pass: when it began.
    pub passe: DateTime<Utc>,
    /// The rank of this call within the pass.
    pub rang: u32,
    /// Modified at or after.
    pub depuis: DateTime<Utc>,
    /// The cursor of the page before.
    pub apres: Option<String>,
    /// Dossiers per page.
    pub taille: u32,
    /// Also those that disappeared since.
    pub disparus_depuis: Option<DateTime<Utc>>,
    /// Compare the settings with the form first.
    #[serde(default)]
    pub formulaire: bool,
}

/// A state of a dossier that Relais brings it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cible {
    /// Being verified.
    EnInstruction,
    /// Authorised.
    Accepte,
    /// Refused by the CDOM.
    Refuse,
}

impl Cible {
    /// The kind of ask.
    pub fn kind(self) -> &'static str {
        match self {
            Self::EnInstruction => "passer-en-instruction",
            Self::Accepte => "accepter",
            Self::Refuse => "refuser",
        }
    }

    /// Says whether a dossier in this state needs nothing more.
    pub fn atteinte(self, etat: EtatDs) -> bool {
        match self {
            Self::EnInstruction => etat != EtatDs::EnConstruction,
            Self::Accepte => etat == EtatDs::Accepte,
            Self::Refuse => etat == EtatDs::Refuse,
        }
    }
}

/// `CorrectionReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Something is missing.
    Incomplete,
    /// Something is wrong.
    Incorrect,
}

/// What DS answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A page.
    Page(Page),
    /// A page, given to the second token: DS refuses the first one.
    PageParSuivant(Page),
    /// The settings do not fit the form: whatever was read with them would be wrong.
    FormulaireInadapte {
        /// What is missing or of another type, in French.
        problemes: Vec<String>,
    },
    /// DS could not build a page of this size.
    PageTropLourde,
    /// The dossier.
    Lu(Box<Lecture>),
    /// The dossier, within the second of its last modification: another change may hide under the
    /// same date.
    LuTropTot(Box<Lecture>),
    /// The dossier, decided on DS, but by nobody of its CDOM: by Relais's own robot, or
    /// automatically.
    LuSansInstructeur {
        /// The dossier.
        lecture: Box<Lecture>,
        /// It was read after the second of its last modification.
        stable: bool,
    },
    /// No such dossier any more.
    Introuvable,
    /// The dossier is where it was wanted, or further.
    Ecrit {
        /// Where it stands.
        etat: EtatDs,
    },
    /// DS cannot bring it there now: a correction is pending, or another decision was taken.
    Empeche {
        /// Where it stands.
        etat: EtatDs,
    },
    /// The doctor was written to.
    MessageEnvoye,
    /// The annotations are filled.
    Annote,
}

impl AskKind for Ask {
    fn kind(&self) -> &'static str {
        match self {
            Self::Lister(_) => "lister",
            Self::Lire { .. } => "lire-dossier",
            Self::Ecrire { cible, .. } => cible.kind(),
            Self::EnvoyerMessage { .. } => "envoyer-message",
            Self::Annoter { .. } => "annoter",
        }
    }

    fn agency(&self) -> &'static str {
        AGENCE
    }

    fn repeat(&self) -> Repeat {
        match self {
            Self::Lister(_) | Self::Lire { .. } | Self::Annoter { .. } => Repeat::Idempotent,
            Self::Ecrire { .. } | Self::EnvoyerMessage { .. } => Repeat::ReadBack,
        }
    }
}
