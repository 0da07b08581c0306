//! Doorkeeper: the consent in a browser, and the tokens.

use axum::{
    Form, Json,
    extract::{Query, State},
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{Sim, avec_panne};

#[derive(Deserialize)]
pub(super) struct Autorisation {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    state: String,
}

/// The page where an agent who is signed in consents: this one always does.
pub(super) async fn autoriser(State(sim): Sim, Query(demande): Query<Autorisation>) -> Response {
    if demande.client_id != sim.commun.options.client_id || demande.response_type != "code" {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let code = sim.monde().jetons.autoriser(&demande.redirect_uri);
    let back = format!("{}?code={code}&state={}", demande.redirect_uri, demande.state);
    (StatusCode::FOUND, [(LOCATION, back)]).into_response()
}

#[derive(Deserialize)]
pub(super) struct DemandeJeton {
    grant_type: String,
    client_id: String,
    client_secret: String,
    refresh_token: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
}

pub(super) async fn jeton(State(sim): Sim, Form(demande): Form<DemandeJeton>) -> Response {
    avec_panne(&sim, "POST /oauth/token", || {
        let refus = |status: StatusCode, error: &str| {
            let body = json!({ "error": error, "error_description": "…" });
            (status, Json(body)).into_response()
        };
        let options = &sim.commun.options;
        if (&demande.client_id, &demande.client_secret)
            != (&options.client_id, &options.client_secret)
        {
            return refus(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        let given = match demande.grant_type.as_str() {
            "refresh_token" => demande.refresh_token,
            "authorization_code" => {
                let uri = demande.redirect_uri.unwrap_or_default();
                let code = demande.code.unwrap_or_default();
                let good = sim.monde().jetons.encaisser(&code, &uri);
                good.then_some(code)
            }
            _ => return refus(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        };
        let now = sim.commun.clock.now();
        let expires_in = options.expires_in_s;
        let pair = sim.monde().jetons.renouveler(&given.unwrap_or_default(), now, expires_in);
        let Some(pair) = pair else { return refus(StatusCode::BAD_REQUEST, "invalid_grant") };
        Json(json!({
            "access_token": pair.acces, "token_type": "Bearer", "expires_in": expires_in,
            "refresh_token": pair.renouvellement, "scope": "write", "created_at": now.timestamp(),
        }))
        .into_response()
    })
    .await
}
