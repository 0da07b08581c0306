//! `lieux` and `motifs`.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{Parametres, Sim, Suite, authentifie, interdit, invalide, page};
use crate::simulator::{
    Evenement,
    monde::{Lieu, Monde, Motif},
    rendu,
};

pub(super) async fn motifs(
    State(sim): Sim,
    headers: HeaderMap,
    Path(organisation): Path<i64>,
    Query(parametres): Query<Parametres>,
) -> Response {
    authentifie(&sim, &headers, format!("GET /motifs {organisation}"), |monde, _| {
        let there = monde.motifs.iter().filter(|(_, m)| m.organisation == organisation);
        let all: Vec<_> = there.map(|(id, _)| *id).collect();
        page("motifs", &all, &parametres, |id| rendu::motif(monde, id))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct NouveauMotif {
    organisation_id: i64,
    name: String,
}

pub(super) async fn creer_motif(
    State(sim): Sim,
    headers: HeaderMap,
    Json(demande): Json<NouveauMotif>,
) -> Response {
    let organisation = demande.organisation_id;
    let appel = format!("POST /motifs {organisation}");
    authentifie(&sim, &headers, appel, |monde, suites| {
        if !monde.organisations.contains_key(&organisation) {
            return interdit();
        }
        let same = |m: &Motif| m.organisation == organisation && m.nom == demande.name;
        if monde.motifs.values().any(same) {
            return invalide("name", "est déjà utilisé pour un motif avec le même type de RDV");
        }
        let text = organisation.to_string();
        let id = Monde::id(monde.seed, &monde.motifs, &["motif", &text, &demande.name]);
        monde.motifs.insert(id, Motif { organisation, nom: demande.name.clone() });
        suites.push(Suite::Raconter(Evenement::MotifCree { organisation }));
        Json(rendu::motif(monde, id)).into_response()
    })
    .await
}

pub(super) async fn lieux(
    State(sim): Sim,
    headers: HeaderMap,
    Query(parametres): Query<Parametres>,
) -> Response {
    let organisation = parametres.organisation_id;
    authentifie(&sim, &headers, format!("GET /lieux {}", organisation.unwrap_or(0)), |monde, _| {
        let there = monde.lieux.iter();
        let there = there.filter(|(_, l)| organisation.is_none_or(|o| l.organisation == o));
        let all: Vec<_> = there.map(|(id, _)| *id).collect();
        page("lieux", &all, &parametres, |id| rendu::lieu(monde, id))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct NouveauLieu {
    organisation_id: i64,
    name: String,
    address: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    external_reference: Option<Reference>,
}

#[derive(Deserialize)]
pub(super) struct Reference {
    external_id: String,
}

pub(super) async fn creer_lieu(
    State(sim): Sim,
    headers: HeaderMap,
    Json(demande): Json<NouveauLieu>,
) -> Response {
    let organisation = demande.organisation_id;
    authentifie(&sim, &headers, format!("POST /lieux {organisation}"), |monde, _| {
        if !monde.organisations.contains_key(&organisation) {
            return interdit();
        }
        if demande.latitude.is_none() || demande.longitude.is_none() {
            return invalide("latitude", "doit être rempli(e)");
        }
        let reference = demande.external_reference.map(|r| r.external_id);
        let same = |l: &Lieu| l.reference.is_some() && l.reference == reference;
        if monde.lieux.values().any(same) {
            return invalide("external_id", "est déjà utilisé");
        }
        let text = organisation.to_string();
        let id = Monde::id(monde.seed, &monde.lieux, &["lieu", &text, &demande.name]);
        let (nom, adresse) = (demande.name, demande.address);
        monde.lieux.insert(id, Lieu { organisation, nom, adresse, reference });
        // Without a root key, as theirs.
        Json(rendu::lieu(monde, id)).into_response()
    })
    .await
}
