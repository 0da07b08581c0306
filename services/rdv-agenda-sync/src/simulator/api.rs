//! The endpoints, with their shapes of success and error.

use agency::faults::FaultKind;
use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use chrono::NaiveDate;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Evenement, Simulateur,
    livraison::{self, Genre, Nature},
    monde::Monde,
    rendu,
};

mod agents;
mod lieux;
mod oauth;
mod rdvs;
mod webhooks;

type Sim = State<Simulateur>;

pub(super) fn routes(simulateur: Simulateur) -> Router {
    Router::new()
        .route("/oauth/authorize", get(oauth::autoriser))
        .route("/oauth/token", post(oauth::jeton))
        .route("/api/v1/agents/me", get(moi))
        .route("/api/v1/agents", get(agents::agents).post(agents::inviter))
        .route("/api/v1/organisations", get(organisations))
        .route("/api/v1/organisations/{id}/motifs", get(lieux::motifs))
        .route("/api/v1/organisations/{id}/rdvs", get(rdvs::de_organisation))
        .route(
            "/api/v1/organisations/{id}/webhook_endpoints",
            get(webhooks::webhooks).post(webhooks::enregistrer_webhook),
        )
        .route(
            "/api/v1/organisations/{id}/webhook_endpoints/{webhook}",
            patch(webhooks::modifier_webhook),
        )
        .route("/api/v1/lieux", get(lieux::lieux).post(lieux::creer_lieu))
        .route("/api/v1/motifs", post(lieux::creer_motif))
        .route("/api/v1/absences", get(absences))
        .route("/api/v1/rdvs", get(rdvs::rdvs))
        .with_state(simulateur)
}

/// Applies the fault of a call: before anything is done, or (slow) after.
async fn avec_panne(
    sim: &Simulateur,
    appel: &str,
    faire: impl FnOnce() -> Response + Send,
) -> Response {
    match sim.faults.next(appel) {
        None => faire(),
        Some(FaultKind::Down) => coupee(),
        Some(FaultKind::Slow(delay)) => {
            let response = faire();
            tokio::time::sleep(delay).await;
            response
        }
        Some(FaultKind::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(json!({ "errors": ["Unexpected internal error"] }))).into_response()
        }
        Some(FaultKind::TooMany(seconds)) => {
            let errors =
                json!({ "errors": ["Limite d'appels API atteinte. Merci de patienter.\n"] });
            let headers =
                [("Retry-After", seconds.to_string()), ("RateLimit-Remaining", "0".into())];
            (StatusCode::TOO_MANY_REQUESTS, headers, Json(errors)).into_response()
        }
        Some(FaultKind::Wrong) => {
            (StatusCode::OK, [(header::CONTENT_TYPE, "text/html")], "<html>maintenance</html>")
                .into_response()
        }
    }
}

/// The connection breaks in the middle of the answer.
fn coupee() -> Response {
    let broken = stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("coupée")) });
    Response::new(Body::from_stream(broken))
}

/// What follows from a call, at once, even when its answer is late or lost.
enum Suite {
    Annoncer(Genre, i64),
    Rejouer(i64),
    Raconter(Evenement),
}

/// Checks the token, does the work under the world's lock, then lets follow what follows.
async fn authentifie(
    sim: &Simulateur,
    headers: &HeaderMap,
    appel: String,
    faire: impl FnOnce(&mut Monde, &mut Vec<Suite>) -> Response + Send,
) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let jeton = bearer.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    avec_panne(sim, &appel, || {
        let mut monde = sim.monde();
        if !monde.jetons.presenter(&jeton, sim.commun.clock.now()) {
            let text = "Vous devez vous connecter ou vous inscrire pour continuer.";
            return (StatusCode::UNAUTHORIZED, Json(json!({ "errors": [text] }))).into_response();
        }
        let mut suites = Vec::new();
        let response = faire(&mut monde, &mut suites);
        drop(monde);
        for suite in suites {
            match suite {
                Suite::Annoncer(genre, id) => sim.annoncer(genre, id, Nature::Created),
                Suite::Rejouer(webhook) => livraison::rejouer(&sim.commun, webhook),
                Suite::Raconter(evenement) => sim.raconter(evenement),
            }
        }
        response
    })
    .await
}

fn interdit() -> Response {
    let text = "Vous ne pouvez pas effectuer cette action.";
    let body = json!({ "errors": [{ "base": "forbidden" }], "error_messages": [text] });
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}

fn invalide(champ: &str, message: &str) -> Response {
    let body = json!({
        "success": false, "errors": { champ: [{ "error": message }] },
        "error_messages": [format!("{champ} {message}")],
    });
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

#[derive(Deserialize)]
struct Parametres {
    page: Option<usize>,
    organisation_id: Option<i64>,
    agent_id: Option<i64>,
    starts_after: Option<NaiveDate>,
    starts_before: Option<NaiveDate>,
}

/// 100 records a page; only those are rendered.
fn page(
    collection: &str,
    all: &[i64],
    parametres: &Parametres,
    rendre: impl Fn(i64) -> Value,
) -> Response {
    const PAR_PAGE: usize = 100;
    let current = parametres.page.unwrap_or(1).max(1);
    let (count, pages) = (all.len(), all.len().div_ceil(PAR_PAGE));
    let there = all.iter().skip((current - 1) * PAR_PAGE).take(PAR_PAGE);
    let records: Vec<_> = there.map(|id| rendre(*id)).collect();
    let meta = json!({
        "current_page": current, "next_page": (current < pages).then_some(current + 1),
        "prev_page": (current > 1).then(|| current - 1), "total_pages": pages,
        "total_count": count,
    });
    let body = [(collection.to_owned(), Value::Array(records)), ("meta".to_owned(), meta)];
    Json(serde_json::Map::from_iter(body)).into_response()
}

async fn moi(State(sim): Sim, headers: HeaderMap) -> Response {
    authentifie(&sim, &headers, "GET /agents/me".to_owned(), |_, _| {
        let agent = json!({ "id": 1, "email": "service@dns.example", "first_name": "Service" });
        Json(json!({ "agent": agent })).into_response()
    })
    .await
}

async fn organisations(
    State(sim): Sim,
    headers: HeaderMap,
    Query(parametres): Query<Parametres>,
) -> Response {
    authentifie(&sim, &headers, "GET /organisations".to_owned(), |monde, _| {
        let all: Vec<_> = monde.organisations.keys().copied().collect();
        page("organisations", &all, &parametres, |id| rendu::organisation(monde, id))
    })
    .await
}

async fn absences(
    State(sim): Sim,
    headers: HeaderMap,
    Query(parametres): Query<Parametres>,
) -> Response {
    authentifie(&sim, &headers, "GET /absences".to_owned(), |monde, _| {
        let all: Vec<_> = monde.absences.keys().copied().collect();
        page("absences", &all, &parametres, |id| rendu::absence(monde, id).into())
    })
    .await
}
