//! Requests in the shapes of DS: variables of the documents.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::agency::{Correction, Lister};

/// The GraphQL id of a dossier, which mutations take (facts of the API, section 3).
pub(crate) fn id_dossier(numero: u64) -> String {
    BASE64_STANDARD.encode(format!("Dossier-{numero}"))
}

/// Variables of a query about one dossier.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct RequeteDossier {
    pub(crate) numero: u64,
}

/// Variables of a query about the démarche.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct RequeteDemarche {
    pub(crate) demarche: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requete<V> {
    pub(crate) query: &'static str,
    pub(crate) operation_name: &'static str,
    pub(crate) variables: V,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the variables of the document, one by one")]
pub(crate) struct RequeteListe {
    pub(crate) demarche: u64,
    pub(crate) depuis: DateTime<Utc>,
    pub(crate) apres: Option<String>,
    pub(crate) taille: u32,
    pub(crate) avec_dossiers: bool,
    pub(crate) avec_noeuds: bool,
    pub(crate) disparus_depuis: DateTime<Utc>,
    pub(crate) avec_attente: bool,
    pub(crate) apres_attente: Option<String>,
    pub(crate) avec_definitif: bool,
    pub(crate) apres_definitif: Option<String>,
}

impl RequeteListe {
    pub(crate) fn new(demarche: u64, l: &Lister) -> Self {
        let avec_disparus = l.disparus_depuis.is_some();
        Self {
            demarche,
            depuis: l.depuis,
            apres: l.apres.clone(),
            taille: l.taille,
            avec_dossiers: true,
            avec_noeuds: true,
            disparus_depuis: l.disparus_depuis.unwrap_or(l.depuis),
            avec_attente: avec_disparus,
            apres_attente: None,
            avec_definitif: avec_disparus,
            apres_definitif: None,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct VariablesMutation<'a, T> {
    pub(crate) input: Input<'a, T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input<'a, T> {
    pub(crate) dossier_id: String,
    pub(crate) instructeur_id: &'a str,
    #[serde(flatten)]
    pub(crate) champs: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changement {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) motivation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disable_notification: Option<bool>,
}

#[derive(Serialize)]
pub(crate) struct Message {
    pub(crate) body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) correction: Option<Correction>,
}

#[derive(Serialize)]
pub(crate) struct Annotations {
    pub(crate) annotations: Vec<Annotation>,
}

#[derive(Serialize)]
pub(crate) struct Annotation {
    pub(crate) id: String,
    pub(crate) value: Texte,
}

#[derive(Serialize)]
pub(crate) struct Texte {
    pub(crate) text: String,
}
