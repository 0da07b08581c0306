//! What a service serves: probes, metrics, answer links, its own routes, and those of operators.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use bus::SharedTransport;
use chrono::{DateTime, Utc};
use contact::{Lien, Links, Question};
use contracts::Referentiel;
use kernel::{Busy, Clock, Tasks};
use serde::Deserialize;
use store::{InputRow, SharedStore};
use tokio::{net::TcpListener, sync::mpsc::UnboundedSender};

use crate::{
    api::{OperatorAction, Service},
    engine::{Envoi, read_state},
    ingress::{Door, event_row},
    metrics::Metrics,
    operators::Operators,
    ops,
};

/// Largest body of an operator's action or an answer, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// What readiness waits for the store and the transport.
const READY_LIMIT: Duration = Duration::from_secs(1);

/// The input that an answer is; none when the choice is unknown, or why it makes no sense.
type Taken = Result<Option<InputRow>, String>;

/// What the routes ask of a service's business: they are compiled once, for whichever service.
pub(crate) struct Business {
    /// Its name.
    pub name: &'static str,
    question: fn(Option<&str>, &Lien, &Referentiel) -> Option<Question>,
    reponse: fn(&Lien, &Answer, DateTime<Utc>) -> Taken,
    /// A stored state as JSON, brought to the present version.
    pub state: fn(&str) -> Result<String, String>,
    /// The input that an operator's action is, or why it makes no sense.
    pub operator: fn(&OperatorAction, DateTime<Utc>) -> Result<InputRow, String>,
}

impl Business {
    /// That of service `S`.
    pub(crate) fn of<S: Service>() -> Self {
        Self {
            name: S::NAME,
            question: |state, lien, referentiel| {
                let state = state.and_then(|body| read_state::<S>(body).ok());
                S::question(state.as_ref(), lien, referentiel)
            },
            reponse: |lien, answer, now| {
                let Answer { choix, champs } = answer;
                let Some(event) = S::reponse_remplie(lien, choix, champs)? else { return Ok(None) };
                // The same answer posted twice is one input; the decision closes the question.
                let mut parts = vec![S::NAME, "reponse", &lien.sujet, &lien.cle, &lien.question];
                parts.push(choix);
                parts.extend(champs.iter().flat_map(|(name, text)| [name.as_str(), text]));
                let id = kernel::derive_id(&parts);
                Ok(Some(event_row::<S>(id, lien.cle.clone(), &event, now)))
            },
            state: |body| {
                let state = read_state::<S>(body)?;
                serde_json::to_string(&state).map_err(|e| e.to_string())
            },
            operator: |action, now| {
                let (key, event) = S::operator(action)?;
                let body = serde_json::to_string(action).expect("an action encodes");
                let id = kernel::derive_id(&[S::NAME, "action", &body]);
                Ok(event_row::<S>(id, key, &event, now))
            },
        }
    }
}

/// What the routes of a service stand on.
pub(crate) struct Web {
    pub business: Business,
    pub referentiel: Arc<Referentiel>,
    pub clock: Clock,
    pub store: SharedStore,
    pub transport: SharedTransport,
    pub metrics: Metrics,
    pub tasks: Tasks,
    pub links: Links,
    pub operators: Operators,
    /// Where inputs come in.
    pub door: Door,
    /// Says to the engine that inputs are there.
    pub doorbell: UnboundedSender<Busy>,
    /// Says to the relay that messages are there.
    pub relay: UnboundedSender<Envoi>,
}

/// Every route of the service, with its `own`.
pub(crate) fn router(web: Web, own: Router) -> Router {
    Router::new()
        .route("/livez", get(|| async { "vivant\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .merge(ops::routes())
        .route("/r/{token}", get(show_question).post(take_answer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(web))
        .merge(own)
}

/// Serves `routes` until the service stops.
pub(crate) fn serve(name: &'static str, listener: TcpListener, routes: Router, tasks: &Tasks) {
    let stopping = tasks.clone();
    tasks.spawn(async move {
        let stop = async move { stopping.stopping().await };
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stop).await {
            tracing::error!(service = name, %error, "HTTP server ended");
        }
    });
}

type Shared = State<Arc<Web>>;

async fn readyz(State(web): Shared) -> Response {
    let (store, transport) =
        futures_util::future::join(web.store.ready(READY_LIMIT), web.transport.ready(READY_LIMIT))
            .await;
    let stopping = web.tasks.is_stopping();
    let ready = store && transport && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "base": store, "courtier": transport, "en_arret": stopping });
    (status, Json(body)).into_response()
}

async fn metrics(State(web): Shared) -> Response {
    match web.store.stats().await {
        Ok(stats) => web.metrics.render(&stats, web.clock.now()).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn version(State(web): Shared) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "service": web.business.name, "version": env!("CARGO_PKG_VERSION") }))
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

async fn show_question(State(web): Shared, Path(token): Path<String>) -> Response {
    match question(&web, &token).await {
        Ok((_, question)) => page(StatusCode::OK, contact::page_question(&question, &token)),
        Err(response) => *response,
    }
}

async fn question(web: &Web, token: &str) -> Result<(Lien, Question), Box<Response>> {
    let lien = web.links.check(token, web.clock.now()).map_err(|error| {
        Box::new(page(StatusCode::NOT_FOUND, contact::page_erreur("Lien refusé", error.texte())))
    })?;
    let row = web.store.state(&lien.cle).await;
    let row = row.map_err(|_| Box::new(store_away().into_response()))?;
    let state = row.as_ref().map(|row| row.body.as_str());
    if let Some(question) = (web.business.question)(state, &lien, &web.referentiel) {
        return Ok((lien, question));
    }
    let text = "Cette question n'attend plus de réponse.";
    Err(Box::new(page(StatusCode::GONE, contact::page_erreur("Question close", text))))
}

/// An answer to a link.
#[derive(Deserialize)]
struct Answer {
    choix: String,
    #[serde(flatten)]
    champs: BTreeMap<String, String>,
}

async fn take_answer(
    State(web): Shared,
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
    // Only what the question asks for.
    let mut answer = answer;
    answer.champs.retain(|name, _| question.champs.iter().any(|c| c.nom == *name));
    let refused = |status, text: &str| page(status, contact::page_erreur("Réponse refusée", text));
    let input = match (web.business.reponse)(&lien, &answer, web.clock.now()) {
        Ok(Some(input)) => input,
        Ok(None) => return refused(StatusCode::CONFLICT, "Réponse inconnue."),
        Err(text) => return refused(StatusCode::UNPROCESSABLE_ENTITY, &text),
    };
    match web.door.bring(vec![input]).await {
        Ok(()) => page(StatusCode::OK, contact::page_merci()),
        Err(_) => store_away().into_response(),
    }
}
