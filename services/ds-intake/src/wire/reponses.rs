//! Answers in the shapes of DS. A root error makes the whole answer unusable, whatever data comes
//! with it; an unknown `__typename` is a text.

use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};

use super::{DossierDisparu, DossierListe, EtatDs, RaisonDisparition};

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
    nodes: Option<Vec<Option<Noeud<T>>>>,
}

/// A line of a page: one that has another shape harms only itself.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Noeud<T> {
    Lu(T),
    Autre(serde::de::IgnoredAny),
}

impl<T> Connexion<T> {
    /// The lines that could be read.
    pub fn lignes(&self) -> impl Iterator<Item = &T> {
        self.nodes.iter().flatten().flatten().filter_map(|noeud| match noeud {
            Noeud::Lu(ligne) => Some(ligne),
            Noeud::Autre(_) => None,
        })
    }

    /// How many lines could not be read.
    pub fn illisibles(&self) -> u32 {
        let nodes = self.nodes.iter().flatten();
        let lost = nodes.filter(|n| matches!(n, None | Some(Noeud::Autre(_)))).count();
        u32::try_from(lost).unwrap_or(u32::MAX)
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
    #[serde(deserialize_with = "etat_ou_ouvert")]
    state: EtatDs,
    date_derniere_modification: DateTime<Utc>,
}

/// A state that a newer DS may add is one more reason to read the dossier.
fn etat_ou_ouvert<'de, D: serde::Deserializer<'de>>(d: D) -> Result<EtatDs, D::Error> {
    let text = String::deserialize(d)?;
    let known = serde_json::from_value(serde_json::Value::String(text));
    Ok(known.unwrap_or(EtatDs::EnConstruction))
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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
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
    pub(super) fn correction_en_attente(&self) -> bool {
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
