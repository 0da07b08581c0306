//! What is exchanged with one CPAM in a folder: lines that wait to be written, requests that were
//! written, and the file of the CPAM that is being judged, line by line.

use std::collections::BTreeMap;

use contracts::{CodeCpam, EngagementId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ReponseCaisse, Taches};

/// The folder of a CPAM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depot {
    /// Lines to write in the next file.
    pub a_ecrire: Vec<LigneDemande>,
    /// Lines of the file being written.
    pub en_ecriture: Vec<LigneDemande>,
    /// Files written so far: each has its own name.
    pub ecrits: u32,
    /// Every request that was written, and the engagement that it is about.
    pub demandes: BTreeMap<Uuid, EngagementId>,
    /// The file of the CPAM being judged.
    pub releve: Option<Releve>,
    /// Tasks that are open.
    pub taches: Taches,
    /// How many were opened, so that each has its own id.
    pub taches_ouvertes: u32,
}

/// A request, as a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LigneDemande {
    /// The request.
    pub demande: Uuid,
    /// 1, then one more for each reminder.
    pub rang: u32,
    /// What is asked.
    pub nature: Nature,
    /// The engagement.
    pub engagement: EngagementId,
    /// What the CPAM needs, by the name of its column.
    pub champs: BTreeMap<String, String>,
}

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// A number.
    NumeroAm,
    /// Bank details.
    Rib,
}

impl Nature {
    /// As it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NumeroAm => "numero-am",
            Self::Rib => "rib",
        }
    }
}

/// A file of the CPAM, line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releve {
    /// Its name.
    pub fichier: String,
    /// Its lines, the header excluded.
    pub lignes: Vec<LigneRetour>,
}

impl Releve {
    /// Every line was judged.
    pub fn jugee(&self) -> bool {
        !self.lignes.iter().any(|ligne| ligne.verdict == Verdict::Attendu)
    }
}

/// A line of a file of the CPAM, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LigneRetour {
    /// The line as it was written.
    pub texte: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its engagement has not said yet.
    Attendu,
    /// It was taken.
    Prise,
    /// It is refused.
    Refusee {
        /// Why, as a code.
        motif: String,
    },
}

/// A line as it was read: what it says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LigneLue {
    /// The line as it was written.
    pub texte: String,
    /// What it says; a code when it cannot be read.
    pub lue: Result<ReponseCaisse, String>,
}

/// Key of the state of a folder.
pub fn cle_depot(cpam: &CodeCpam) -> String {
    format!("depot/{cpam}")
}
