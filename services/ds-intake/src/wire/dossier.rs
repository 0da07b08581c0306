//! A dossier in the shape of DS, and what the service makes of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    EtatDs, Formulaire, Lecture,
    champs::ChampLu,
    reponses::{Identifie, Message},
};
use crate::config::Champ;

/// Data of a dossier.
#[derive(Debug, Deserialize)]
pub struct ResultatDossier {
    /// The dossier.
    pub dossier: DossierLu,
}

/// A dossier.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DossierLu {
    state: EtatDs,
    date_depot: DateTime<Utc>,
    date_passage_en_construction: DateTime<Utc>,
    date_derniere_modification: DateTime<Utc>,
    date_traitement: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "nul_est_faux")]
    pub(super) depose_par_un_tiers: bool,
    pub(super) usager: Usager,
    pub(super) demandeur: Demandeur,
    #[serde(default)]
    traitements: Vec<Traitement>,
    #[serde(default)]
    messages: Vec<Message>,
    demarche: Option<Demarche>,
    groupe_instructeur: Option<Groupe>,
    pub(super) champs: Vec<ChampLu>,
}

#[derive(Debug, Deserialize)]
struct Demarche {
    revision: Option<Identifie>,
}

#[derive(Debug, Deserialize)]
struct Groupe {
    #[serde(default)]
    instructeurs: Vec<Instructeur>,
}

#[derive(Debug, Deserialize)]
struct Instructeur {
    id: String,
    email: Option<String>,
}

fn nul_est_faux<'de, D: serde::Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(d).map(Option::unwrap_or_default)
}

impl DossierLu {
    /// The revision of the form that it follows.
    pub fn revision(&self) -> Option<&str> {
        Some(self.demarche.as_ref()?.revision.as_ref()?.id.as_str())
    }

    /// False for a decision that nobody of its groupe instructeur took: automatic, or written by
    /// `robot`. True for a dossier that is not decided.
    pub fn decide_par_son_cdom(&self, robot: &str) -> bool {
        let event = match self.state {
            EtatDs::EnConstruction | EtatDs::EnInstruction | EtatDs::SansSuite => return true,
            EtatDs::Accepte => "accepte",
            EtatDs::Refuse => "refuse",
        };
        let last = self.traitements.iter().rev().find(|t| t.event.starts_with(event));
        let Some(agent) = last.filter(|t| t.event == event).and_then(|t| t.agent.as_deref()) else {
            return false;
        };
        let people = self.groupe_instructeur.iter().flat_map(|g| &g.instructeurs);
        people.filter(|i| i.id != robot).any(|i| i.email.as_deref() == Some(agent))
    }

    /// What the service makes of it.
    pub fn lecture(&self, mapping: &BTreeMap<Champ, String>) -> Lecture {
        let depots: Vec<_> = self
            .traitements
            .iter()
            .filter(|t| t.event == "depose" || t.event.starts_with("depose_correction"))
            .map(|t| t.le)
            .collect();
        Lecture {
            etat: self.state,
            depose_le: self.date_depot,
            // Our own request for correction may move datePassageEnConstruction too: it counts only
            // when DS names no deposit.
            soumis_le: depots.iter().max().copied().unwrap_or(self.date_passage_en_construction),
            depots: u32::try_from(depots.len()).unwrap_or(u32::MAX),
            modifie_le: self.date_derniere_modification,
            traite_le: self.date_traitement,
            correction_en_attente: self.messages.iter().any(Message::correction_en_attente),
            formulaire: Formulaire::de_ds(self, mapping),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Usager {
    #[serde(default)]
    pub(super) email: String,
}

/// `PersonnePhysique` in fact; every other kind has none of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Demandeur {
    pub(super) civilite: Option<String>,
    pub(super) nom: Option<String>,
    pub(super) prenom: Option<String>,
    pub(super) email: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Traitement {
    event: String,
    #[serde(rename = "emailAgentTraitant")]
    agent: Option<String>,
    #[serde(rename = "dateTraitement")]
    le: DateTime<Utc>,
}
