//! `webhook_endpoints`.

use agency::{HttpClient, HttpSettings};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Parametres, Sim, Suite, authentifie, interdit, invalide, page};
use crate::simulator::{
    Evenement,
    monde::{Monde, Webhook},
};

fn webhook(id: i64, webhook: &Webhook) -> Value {
    json!({
        "id": id, "organisation_id": webhook.organisation, "target_url": webhook.target_url,
        "subscriptions": webhook.abonnements,
    })
}

pub(super) async fn webhooks(
    State(sim): Sim,
    headers: HeaderMap,
    Path(organisation): Path<i64>,
    Query(parametres): Query<Parametres>,
) -> Response {
    authentifie(&sim, &headers, format!("GET /webhook_endpoints {organisation}"), |monde, _| {
        let there = monde.webhooks.iter().filter(|(_, w)| w.organisation == organisation);
        let all: Vec<_> = there.map(|(id, _)| *id).collect();
        let rendre = |id| monde.webhooks.get(&id).map(|w| webhook(id, w)).into();
        page("webhook_endpoints", &all, &parametres, rendre)
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct NouveauWebhook {
    target_url: Option<String>,
    secret: Option<String>,
    subscriptions: Vec<String>,
}

pub(super) async fn enregistrer_webhook(
    State(sim): Sim,
    headers: HeaderMap,
    Path(organisation): Path<i64>,
    Json(demande): Json<NouveauWebhook>,
) -> Response {
    let appel = format!("POST /webhook_endpoints {organisation}");
    authentifie(&sim, &headers, appel, |monde, suites| {
        if !monde.organisations.contains_key(&organisation) {
            return interdit();
        }
        let (Some(target_url), Some(secret)) = (demande.target_url, demande.secret) else {
            return invalide("secret", "blank");
        };
        let same = |w: &Webhook| w.organisation == organisation && w.target_url == target_url;
        if monde.webhooks.values().any(same) {
            return invalide("target_url", "est déjà utilisé");
        }
        // Their time limit: `WebhookJob::TIMEOUT`.
        let (base_url, timeout_ms) = (target_url.clone(), 10_000);
        let http = HttpSettings { base_url, timeout_ms, max_body_bytes: 65_536 };
        let Ok(http) = HttpClient::new(http) else { return invalide("target_url", "invalide") };
        let text = organisation.to_string();
        let id = Monde::id(monde.seed, &monde.webhooks, &["webhook", &text, &target_url]);
        let abonnements = demande.subscriptions;
        let point = Webhook { organisation, target_url, secret, abonnements, http };
        let body = json!({ "webhook_endpoint": webhook(id, &point) });
        let target_url = point.target_url.clone();
        suites.push(Suite::Rejouer(id));
        suites.push(Suite::Raconter(Evenement::WebhookEnregistre { organisation, target_url }));
        monde.webhooks.insert(id, point);
        Json(body).into_response()
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct ModificationWebhook {
    subscriptions: Option<Vec<String>>,
}

pub(super) async fn modifier_webhook(
    State(sim): Sim,
    headers: HeaderMap,
    Path((organisation, id)): Path<(i64, i64)>,
    Json(demande): Json<ModificationWebhook>,
) -> Response {
    let appel = format!("PATCH /webhook_endpoints {organisation}");
    authentifie(&sim, &headers, appel, |monde, suites| {
        let Some(point) = monde.webhooks.get_mut(&id).filter(|w| w.organisation == organisation)
        else {
            let body = json!({ "not_found": "webhook_endpoint" });
            return (StatusCode::NOT_FOUND, Json(body)).into_response();
        };
        if let Some(abonnements) = demande.subscriptions {
            point.abonnements = abonnements;
        }
        suites.push(Suite::Rejouer(id));
        Json(json!({ "webhook_endpoint": webhook(id, point) })).into_response()
    })
    .await
}
