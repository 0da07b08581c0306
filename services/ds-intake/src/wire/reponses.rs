//! Answers in the shapes of DS. A root error makes the whole answer unusable, whatever data comes
//! with it; an unknown `__typename` is a text.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    DossierDisparu, DossierListe, EtatDs, Formulaire, Lecture, RaisonDisparition, champs::ChampLu,
};
use crate::config::Champ;

/// `extensions.code` of a root error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRacine {
    /// No such thing, or not visible any more.
    NotFound,
    /// Out of the token's scope.
    Unauthorized,
    /// DS gave up after 30 s.
    Timeout,
    /// DS's own data are inconsistent.
    InvalidNull,
    /// DS failed.
    InternalServerError,
    /// The request is wrong: `bad_request`, codes of the GraphQL library, or none.
    Requete,
}

/// Why an answer with status 200 is not usable.
#[derive(Debug, thiserror::Error)]
pub enum Illisible {
    /// Not JSON: a page of a proxy.
    #[error("the answer is not JSON")]
    PasJson,
    /// JSON without the shape expected.
    #[error("the answer has another shape than expected, line {ligne}, column {colonne}")]
    Forme {
        /// Where; never what the decoder says, which quotes values.
        ligne: usize,
        /// Where in the line.
        colonne: usize,
    },
    /// Root errors.
    #[error("root error {0:?}")]
    Racine(CodeRacine),
}

#[derive(Deserialize)]
struct Enveloppe<T> {
    #[serde(default)]
    errors: Option<Vec<ErreurRacine>>,
    data: Option<T>,
}

#[derive(Deserialize)]
struct ErreurRacine {
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    code: Option<String>,
}

/// Decodes an answer.
///
/// # Errors
/// [`Illisible`]; root errors win over any partial data.
pub fn decoder<T: DeserializeOwned>(body: &[u8]) -> Result<T, Illisible> {
    let enveloppe = match serde_json::from_slice::<Enveloppe<T>>(body) {
        Ok(enveloppe) => enveloppe,
        // With root errors, partial data may not have the shape: look at the errors alone.
        Err(forme) => match serde_json::from_slice::<Enveloppe<serde::de::IgnoredAny>>(body) {
            Ok(Enveloppe { errors: Some(errors), .. }) if !errors.is_empty() => {
                return Err(Illisible::Racine(code_racine(&errors)));
            }
            Ok(_) => {
                return Err(Illisible::Forme { ligne: forme.line(), colonne: forme.column() });
            }
            Err(_) => return Err(Illisible::PasJson),
        },
    };
    match (enveloppe.errors, enveloppe.data) {
        (Some(errors), _) if !errors.is_empty() => Err(Illisible::Racine(code_racine(&errors))),
        (_, Some(data)) => Ok(data),
        (_, None) => Err(Illisible::Forme { ligne: 0, colonne: 0 }),
    }
}

/// The code that decides: a timeout first, because the other errors may only follow from it.
fn code_racine(errors: &[ErreurRacine]) -> CodeRacine {
    let codes = errors.iter().map(|e| {
        match e.extensions.as_ref().and_then(|x| x.code.as_deref()).unwrap_or_default() {
            "timeout" => CodeRacine::Timeout,
            "not_found" => CodeRacine::NotFound,
            "unauthorized" => CodeRacine::Unauthorized,
            "invalid_null" => CodeRacine::InvalidNull,
            "internal_server_error" => CodeRacine::InternalServerError,
            _ => CodeRacine::Requete,
        }
    });
    let codes: Vec<_> = codes.collect();
    if codes.contains(&CodeRacine::Timeout) {
        CodeRacine::Timeout
    } else {
        codes.first().copied().unwrap_or(CodeRacine::Requete)
    }
}

/// Data of a list.
#[derive(Debug, Deserialize)]
pub struct ResultatDemarche {
    /// The démarche.
    pub demarche: DemarcheLue,
}

/// A démarche.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemarcheLue {
    /// The active revision of the form.
    pub active_revision: Identifie,
    /// Page of dossiers, when asked for.
    pub dossiers: Option<Connexion<LigneDossier>>,
    /// Page of dossiers that may still be restored, when asked for.
    pub pending_deleted_dossiers: Option<Connexion<LigneDisparu>>,
    /// Page of dossiers deleted for good, when asked for.
    pub deleted_dossiers: Option<Connexion<LigneDisparu>>,
}

/// Something with an id.
#[derive(Debug, Deserialize)]
pub struct Identifie {
    /// Its id.
    pub id: String,
}

/// A page of anything.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connexion<T> {
    /// Where to go on.
    pub page_info: PageInfo,
    /// The lines; DS declares each nullable. Absent when only the cursor was asked for.
    nodes: Option<Vec<Option<T>>>,
}

impl<T> Connexion<T> {
    /// The lines that DS could show.
    pub fn lignes(&self) -> impl Iterator<Item = &T> {
        self.nodes.iter().flatten().flatten()
    }
}

/// Where to go on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    /// Absent on an empty page.
    pub end_cursor: Option<String>,
    /// There is more.
    pub has_next_page: bool,
}

/// A dossier of the light list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LigneDossier {
    number: u64,
    state: EtatDs,
    date_derniere_modification: DateTime<Utc>,
}

impl From<&LigneDossier> for DossierListe {
    fn from(l: &LigneDossier) -> Self {
        Self { numero: l.number, etat: l.state, modifie_le: l.date_derniere_modification }
    }
}

/// A dossier that disappeared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LigneDisparu {
    number: u64,
    reason: String,
    date_supression: DateTime<Utc>,
}

impl From<&LigneDisparu> for DossierDisparu {
    fn from(l: &LigneDisparu) -> Self {
        let raison = RaisonDisparition::de_ds(&l.reason);
        Self { numero: l.number, raison, le: l.date_supression }
    }
}

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
    pub(super) champs: Vec<ChampLu>,
}

fn nul_est_faux<'de, D: serde::Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(d).map(Option::unwrap_or_default)
}

impl DossierLu {
    /// What the service makes of it.
    pub fn lecture(&self, mapping: &BTreeMap<Champ, String>) -> Lecture {
        let depots: Vec<_> = self
            .traitements
            .iter()
            .filter(|t| t.event == "depose" || t.event.starts_with("depose_correction"))
            .map(|t| t.date_traitement)
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
    date_traitement: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    body: Option<String>,
    discarded_at: Option<DateTime<Utc>>,
    correction: Option<Correction>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Correction {
    date_resolution: Option<DateTime<Utc>>,
}

impl Message {
    fn correction_en_attente(&self) -> bool {
        self.discarded_at.is_none()
            && self.correction.as_ref().is_some_and(|c| c.date_resolution.is_none())
    }
}

/// Data of a re-reading.
#[derive(Debug, Deserialize)]
pub struct ResultatEtat {
    /// The dossier.
    pub dossier: EtatLu,
}

/// Where a dossier stands.
#[derive(Debug, Deserialize)]
pub struct EtatLu {
    /// Its state.
    pub state: EtatDs,
    messages: Vec<Message>,
}

impl EtatLu {
    /// A correction was asked for and not deposited yet.
    pub fn correction_en_attente(&self) -> bool {
        self.messages.iter().any(Message::correction_en_attente)
    }

    /// Says whether a message with this reference was written.
    pub fn contient(&self, reference: &str) -> bool {
        self.messages.iter().any(|m| m.body.as_deref().is_some_and(|b| b.contains(reference)))
    }
}

/// Data of a mutation.
#[derive(Debug, Deserialize)]
pub struct Mutation {
    resultat: Option<Resultat>,
}

#[derive(Debug, Deserialize)]
struct Resultat {
    errors: Option<Vec<Erreur>>,
}

#[derive(Debug, Deserialize)]
struct Erreur {
    message: String,
}

impl Mutation {
    /// The first error, if DS refused: French text, no code.
    pub fn refus(self) -> Option<String> {
        let errors = self.resultat.and_then(|r| r.errors).unwrap_or_default();
        errors.into_iter().next().map(|e| e.message)
    }
}
