//! `rdvs`.

use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};
use kernel::paris_date;

use super::{Parametres, Sim, authentifie, interdit, page};
use crate::simulator::{livraison::Genre, rendu};

pub(super) async fn rdvs(
    State(sim): Sim,
    headers: HeaderMap,
    Query(parametres): Query<Parametres>,
) -> Response {
    authentifie(&sim, &headers, "GET /rdvs".to_owned(), |monde, _| {
        let (organisation, agent) = (parametres.organisation_id, parametres.agent_id);
        let there = monde.rdvs.iter().filter(|(_, r)| {
            organisation.is_none_or(|o| r.organisation == o) && agent.is_none_or(|a| r.agent == a)
        });
        let all: Vec<_> = there.map(|(id, _)| *id).collect();
        page("rdvs", &all, &parametres, |id| rendu::enregistrement(monde, Genre::Rdv, id).into())
    })
    .await
}

/// Those of an organisation, between two days.
pub(super) async fn de_organisation(
    State(sim): Sim,
    headers: HeaderMap,
    Path(organisation): Path<i64>,
    Query(parametres): Query<Parametres>,
) -> Response {
    authentifie(&sim, &headers, format!("GET /rdvs {organisation}"), |monde, _| {
        if !monde.organisations.contains_key(&organisation) {
            return interdit();
        }
        let of = monde.rdvs.iter().filter(|(_, r)| r.organisation == organisation);
        let there = of.filter(|(_, r)| {
            let day = paris_date(r.debut);
            parametres.starts_after.is_none_or(|du| day >= du)
                && parametres.starts_before.is_none_or(|au| day < au)
        });
        let all: Vec<_> = there.map(|(id, _)| *id).collect();
        page("rdvs", &all, &parametres, |id| rendu::enregistrement(monde, Genre::Rdv, id).into())
    })
    .await
}
