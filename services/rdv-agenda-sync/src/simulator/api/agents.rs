//! `agents`.

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{Parametres, Sim, Suite, authentifie, interdit, invalide, page};
use crate::simulator::{
    Evenement,
    livraison::Genre,
    monde::{Agent, Monde, Role},
    rendu,
};

pub(super) async fn agents(
    State(sim): Sim,
    headers: HeaderMap,
    Query(parametres): Query<Parametres>,
) -> Response {
    let organisation = parametres.organisation_id;
    let appel = format!("GET /agents {}", organisation.unwrap_or(0));
    authentifie(&sim, &headers, appel, |monde, _| {
        let there = |agent: &i64| organisation.is_none_or(|o| monde.role(*agent, o).is_some());
        let all: Vec<_> = monde.agents.keys().filter(|a| there(a)).copied().collect();
        page("agents", &all, &parametres, |id| rendu::agent(monde, id))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct NouvelAgent {
    email: String,
    organisation_ids: Vec<i64>,
    access_level: String,
}

pub(super) async fn inviter(
    State(sim): Sim,
    headers: HeaderMap,
    Json(demande): Json<NouvelAgent>,
) -> Response {
    let appel = format!("POST /agents {}", demande.email);
    authentifie(&sim, &headers, appel, |monde, suites| {
        if demande.organisation_ids.iter().any(|o| !monde.organisations.contains_key(o)) {
            return interdit();
        }
        let courriel = demande.email.to_lowercase();
        let connu = monde.agent(&courriel);
        let agent =
            connu.unwrap_or_else(|| Monde::id(monde.seed, &monde.agents, &["agent", &courriel]));
        for organisation in &demande.organisation_ids {
            if monde.role(agent, *organisation).is_some() {
                let pending = !monde.agents[&agent].accepte;
                let text = if pending { "a déjà été invité" } else { "fait déjà partie" };
                return invalide("base", text);
            }
        }
        let nouveau = Agent { courriel: courriel.clone(), accepte: false };
        monde.agents.entry(agent).or_insert(nouveau);
        for organisation in &demande.organisation_ids {
            let text = organisation.to_string();
            let role = Monde::id(monde.seed, &monde.roles, &["role", &courriel, &text]);
            let niveau = demande.access_level.clone();
            monde.donner_role(role, Role { agent, organisation: *organisation, niveau });
            suites.push(Suite::Annoncer(Genre::Role, role));
            let (courriel, organisation) = (courriel.clone(), *organisation);
            suites.push(Suite::Raconter(match connu {
                None => Evenement::InvitationEnvoyee { courriel, organisation },
                Some(_) => Evenement::AccesDonne { courriel, organisation },
            }));
        }
        (StatusCode::CREATED, Json(json!({ "agent": rendu::agent(monde, agent) }))).into_response()
    })
    .await
}
