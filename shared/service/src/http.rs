//! What a service serves: probes, metrics, answer links, its own routes, and those of operators.

use std::{sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use contact::Links;
use serde::Deserialize;

use crate::{
    api::Service,
    engine::{Engine, read_state},
    ingress::Ingress,
    operators::Operators,
    ops,
};

/// Largest body of an operator's action or an answer, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// What readiness waits for the store and the transport.
const READY_LIMIT: Duration = Duration::from_secs(1);

pub(crate) struct Web<S: Service> {
    pub engine: Arc<Engine<S>>,
    pub ingress: Ingress<S>,
    pub links: Links,
    pub operators: Operators,
}

/// Every route of the service.
pub(crate) fn router<S: Service>(web: Web<S>) -> Router {
    let own = S::routes(&web.engine.config, &web.ingress);
    Router::new()
        .route("/livez", get(|| async { "vivant\n" }))
        .route("/readyz", get(readyz::<S>))
        .route("/metrics", get(metrics::<S>))
        .route("/version", get(version::<S>))
        .merge(ops::routes())
        .route("/r/{token}", get(show_question::<S>).post(take_answer::<S>))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(web))
        .merge(own)
}

type Shared<S> = State<Arc<Web<S>>>;

async fn readyz<S: Service>(State(web): Shared<S>) -> Response {
    let engine = &web.engine;
    let (store, transport) = futures_util::future::join(
        engine.store.ready(READY_LIMIT),
        engine.transport.ready(READY_LIMIT),
    )
    .await;
    let stopping = engine.tasks.is_stopping();
    let ready = store && transport && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "base": store, "courtier": transport, "en_arret": stopping });
    (status, Json(body)).into_response()
}

async fn metrics<S: Service>(State(web): Shared<S>) -> Response {
    match web.engine.store.stats().await {
        Ok(stats) => web.engine.metrics.render(&stats, web.engine.clock.now()).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn version<S: Service>() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "service": S::NAME, "version": env!("CARGO_PKG_VERSION") }))
}

/// An answer that says why not.
pub(crate) struct Refused {
    status: StatusCode,
    text: String,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, self.text).into_response()
    }
}

/// Says why not.
pub(crate) fn refused(status: StatusCode, text: impl Into<String>) -> Refused {
    Refused { status, text: text.into() }
}

/// The store did not answer.
pub(crate) fn store_away() -> Refused {
    refused(StatusCode::SERVICE_UNAVAILABLE, "base indisponible, réessayez\n")
}

fn page(status: StatusCode, html: String) -> Response {
    (status, contact::EN_TETES, Html(html)).into_response()
}

async fn show_question<S: Service>(State(web): Shared<S>, Path(token): Path<String>) -> Response {
    match question(&web, &token).await {
        Ok((_, question)) => page(StatusCode::OK, contact::page_question(&question, &token)),
        Err(response) => *response,
    }
}

async fn question<S: Service>(
    web: &Web<S>,
    token: &str,
) -> Result<(contact::Lien, contact::Question), Box<Response>> {
    let lien = web.links.check(token, web.engine.clock.now()).map_err(|error| {
        Box::new(page(StatusCode::NOT_FOUND, contact::page_erreur("Lien refusé", error.texte())))
    })?;
    let row = web.engine.store.state(&lien.cle).await;
    let row = row.map_err(|_| Box::new(store_away().into_response()))?;
    let state = row.and_then(|row| read_state::<S>(&row.body).ok());
    if let Some(question) = S::question(state.as_ref(), &lien, &web.engine.referentiel) {
        return Ok((lien, question));
    }
    let text = "Cette question n'attend plus de réponse.";
    Err(Box::new(page(StatusCode::GONE, contact::page_erreur("Question close", text))))
}

/// An answer to a link.
#[derive(Deserialize)]
struct Answer {
    choix: String,
}

async fn take_answer<S: Service>(
    State(web): Shared<S>,
    Path(token): Path<String>,
    Form(answer): Form<Answer>,
) -> Response {
    let (lien, question) = match question(&web, &token).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    if !question.choix.iter().any(|(code, _)| *code == answer.choix) {
        let text = "Cette question est close, ou cette réponse n'existe pas.";
        return page(StatusCode::CONFLICT, contact::page_erreur("Réponse refusée", text));
    }
    let Some(event) = S::reponse(&lien, &answer.choix) else {
        return page(
            StatusCode::CONFLICT,
            contact::page_erreur("Réponse refusée", "Réponse inconnue."),
        );
    };
    // The same answer posted twice is one input; the decision closes the question.
    let parts = [S::NAME, "reponse", &lien.sujet, &lien.cle, &lien.question, &answer.choix];
    let id = kernel::derive_id(&parts);
    match web.ingress.observe(vec![(id, lien.cle.clone(), event)]).await {
        Ok(()) => page(StatusCode::OK, contact::page_merci()),
        Err(_) => store_away().into_response(),
    }
}
