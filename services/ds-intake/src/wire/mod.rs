//! What travels: requests, answers in the shapes of DS, and what the service makes of them.
//! Decides nothing about an application.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod champs;
mod descripteur;
pub mod documents;
mod dossier;
mod formulaire;
mod reponses;
pub(crate) mod requetes;

pub use descripteur::{ChampDecrit, FormulaireDs, Groupe, ResultatFormulaire};
pub use dossier::{DossierLu, ResultatDossier};
pub use formulaire::{CreneauBrut, Formulaire};
pub use reponses::{
    CodeRacine, DemarcheLue, EtatLu, Illisible, Mutation, ResultatDemarche, ResultatEtat, decoder,
};

/// State of a dossier on DS (`DossierState`; a draft is never shown).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EtatDs {
    /// Deposited; the doctor may still change it.
    EnConstruction,
    /// Examined; the doctor may not change it any more.
    EnInstruction,
    /// Accepted.
    Accepte,
    /// Refused.
    Refuse,
    /// Closed without a decision.
    SansSuite,
}

impl EtatDs {
    /// Says whether a decision was taken on DS.
    pub fn est_termine(self) -> bool {
        matches!(self, Self::Accepte | Self::Refuse | Self::SansSuite)
    }
}

/// Why a dossier is in a list of deleted ones (`DeletedDossierReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RaisonDisparition {
    /// The doctor deleted it.
    SupprimeParUsager,
    /// The administration removed it.
    SupprimeParAdministration,
    /// It expired.
    Expire,
    /// DS answers « not found » and no list names it.
    Introuvable,
}

impl RaisonDisparition {
    /// Reads a `DeletedDossierReason`; an unknown one is the administration's.
    pub fn de_ds(reason: &str) -> Self {
        match reason {
            "user_request" | "user_removed" => Self::SupprimeParUsager,
            "expired" | "user_expired" => Self::Expire,
            _ => Self::SupprimeParAdministration,
        }
    }

    /// `cause` of `candidature.retiree`.
    pub fn cause(self) -> &'static str {
        match self {
            Self::SupprimeParUsager => "supprime-par-usager",
            Self::SupprimeParAdministration => "supprime-par-administration",
            Self::Expire => "expire",
            Self::Introuvable => "introuvable",
        }
    }

    /// `voie` of `dossier.disparu-ds`.
    pub fn voie(self) -> &'static str {
        match self {
            Self::SupprimeParUsager | Self::SupprimeParAdministration => "supprime",
            Self::Expire => "expire",
            Self::Introuvable => "introuvable",
        }
    }
}

/// One line of the light list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DossierListe {
    /// Its number.
    pub numero: u64,
    /// Where it stands.
    pub etat: EtatDs,
    /// `dateDerniereModification`, to the second.
    pub modifie_le: DateTime<Utc>,
}

/// One line of the lists of deleted dossiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DossierDisparu {
    /// Its number.
    pub numero: u64,
    /// Why.
    pub raison: RaisonDisparition,
    /// When it disappeared from the doctor's or the administration's view.
    pub le: DateTime<Utc>,
}

/// One page of the light list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// DS's own clock when it answered; absent when its answer carries no date.
    pub lu_a: Option<DateTime<Utc>>,
    /// The active revision of the form.
    pub revision: String,
    /// The dossiers.
    pub dossiers: Vec<DossierListe>,
    /// Where to go on; absent on an empty page.
    pub curseur: Option<String>,
    /// There is more.
    pub suite: bool,
    /// Dossiers that DS itself cannot show and that were passed over.
    pub illisibles: u32,
    /// The dossiers that disappeared, when they were asked for.
    pub disparus: Option<Vec<DossierDisparu>>,
}

/// One dossier, read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lecture {
    /// Where it stands.
    pub etat: EtatDs,
    /// First deposit.
    pub depose_le: DateTime<Utc>,
    /// Last deposit by the doctor, corrections included.
    pub soumis_le: DateTime<Utc>,
    /// How many times it was deposited, corrections included.
    pub depots: u32,
    /// Last modification of any kind, ours included.
    pub modifie_le: DateTime<Utc>,
    /// Last decision.
    pub traite_le: Option<DateTime<Utc>>,
    /// A correction was asked for and the doctor has not deposited it yet.
    pub correction_en_attente: bool,
    /// What the form says, only the fields of the mapping.
    pub formulaire: Formulaire,
}

/// The dossier that a cursor of the list names: DS's cursors are the unpadded base 64 of
/// `<updated_at with nanoseconds>;<number>` (facts of the API, section 2).
pub fn dossier_du_curseur(cursor: &str) -> Option<DossierListe> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(cursor.trim_end_matches('=')).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (at, numero) = text.split_once(';')?;
    let modifie_le = at.parse::<DateTime<Utc>>().ok()?.trunc_subsecs(0);
    Some(DossierListe { numero: numero.parse().ok()?, etat: EtatDs::EnConstruction, modifie_le })
}

/// Says whether, at `lu_a` on DS's clock, the second of `modifie_le` was over: dates are truncated
/// to the second, and until then the same date may hide another change.
pub fn seconde_passee(modifie_le: DateTime<Utc>, lu_a: Option<DateTime<Utc>>) -> bool {
    lu_a.is_some_and(|lu_a| lu_a > modifie_le + TimeDelta::seconds(1))
}

impl Lecture {
    /// Fingerprint of what the form says: what our own writing does not change.
    ///
    /// # Panics
    /// Never: a form encodes.
    pub fn empreinte(&self) -> Uuid {
        let json = serde_json::to_string(&self.formulaire).expect("a form encodes");
        kernel::derive_id(&["formulaire", &json])
    }
}

#[cfg(test)]
mod tests;
