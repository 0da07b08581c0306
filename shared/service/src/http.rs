//! What a service serves: probes, metrics, operators' actions, answer links, and its own routes.

use std::{sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use contact::Links;
use kernel::Secret;
use serde::{Deserialize, Serialize};
use store::{FailureRow, InputKind, InputRow, RowContext};
use uuid::Uuid;

use crate::{
    api::{OperatorAction, Service},
    engine::{Engine, INPUTS, read_state},
    ingress::Ingress,
};

/// Largest body of an operator's action or an answer, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// What readiness waits for the store and the transport.
const READY_LIMIT: Duration = Duration::from_secs(1);

pub(crate) struct Web<S: Service> {
    pub engine: Arc<Engine<S>>,
    pub ingress: Ingress<S>,
    pub links: Links,
    pub operator_token: Option<Secret>,
}

/// Every route of the service.
pub(crate) fn router<S: Service>(web: Web<S>) -> Router {
    let own = S::routes(&web.engine.config, &web.ingress);
    Router::new()
        .route("/livez", get(|| async { "vivant\n" }))
        .route("/readyz", get(readyz::<S>))
        .route("/metrics", get(metrics::<S>))
        .route("/version", get(version::<S>))
        .route("/ops/actions", post(action::<S>))
        .route("/ops/pannes", get(failures::<S>))
        .route("/ops/pannes/{id}/rejeu", post(replay::<S>))
        .route("/ops/pannes/{id}/mise-a-l-ecart", post(discard::<S>))
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

/// Checks the bearer token, in constant time over its length.
fn authorised<S: Service>(web: &Web<S>, headers: &HeaderMap) -> Result<(), Refused> {
    let refuse =
        |status: StatusCode, text: &'static str| Err(Refused { status, text: text.into() });
    let Some(token) = &web.operator_token else {
        return refuse(StatusCode::FORBIDDEN, "aucun jeton d'opérateur n'est configuré\n");
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "))
        .unwrap_or_default();
    let expected = token.expose();
    let differs = given
        .bytes()
        .zip(expected.bytes())
        .fold(given.len() ^ expected.len(), |acc, (a, b)| acc | usize::from(a ^ b));
    if differs == 0 { Ok(()) } else { refuse(StatusCode::UNAUTHORIZED, "jeton refusé\n") }
}

/// An answer that says why not.
struct Refused {
    status: StatusCode,
    text: String,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, self.text).into_response()
    }
}

fn refused(status: StatusCode, text: impl Into<String>) -> Refused {
    Refused { status, text: text.into() }
}

fn store_away() -> Refused {
    refused(StatusCode::SERVICE_UNAVAILABLE, "base indisponible, réessayez\n")
}

async fn action<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Json(action): Json<OperatorAction>,
) -> Result<StatusCode, Refused> {
    authorised(&web, &headers)?;
    let (key, event) =
        S::operator(&action).map_err(|text| refused(StatusCode::UNPROCESSABLE_ENTITY, text))?;
    let body = serde_json::to_string(&action).expect("an action encodes");
    let id = kernel::derive_id(&[S::NAME, "action", &body]);
    web.ingress.observe(vec![(id, key, event)]).await.map_err(|_| store_away())?;
    tracing::info!(service = S::NAME, action = %action.action, cle = %action.cle, "operator's action");
    Ok(StatusCode::ACCEPTED)
}

/// A failure as an operator reads it: never its body.
#[derive(Serialize)]
struct Failure {
    id: Uuid,
    cle: Option<String>,
    origine: String,
    genre: String,
    code: String,
    raison: String,
    depuis: chrono::DateTime<chrono::Utc>,
    tentatives: i32,
    issue: Option<String>,
}

impl From<FailureRow> for Failure {
    fn from(f: FailureRow) -> Self {
        Self {
            id: f.id,
            cle: f.key,
            origine: f.origin,
            genre: f.kind,
            code: f.code,
            raison: f.reason,
            depuis: f.first_seen,
            tentatives: f.attempts,
            issue: f.outcome,
        }
    }
}

async fn failures<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
) -> Result<Json<Vec<Failure>>, Refused> {
    authorised(&web, &headers)?;
    let rows = web.engine.store.failures(true, 1000).await.map_err(|_| store_away())?;
    Ok(Json(rows.into_iter().map(Failure::from).collect()))
}

async fn replay<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Refused> {
    authorised(&web, &headers)?;
    match web.engine.store.failure(id).await.map_err(|_| store_away())? {
        Some(failure) if failure.outcome.is_none() => {}
        Some(_) => return Err(refused(StatusCode::CONFLICT, "panne déjà close\n")),
        None => return Err(refused(StatusCode::NOT_FOUND, "panne inconnue\n")),
    }
    web.engine.replay(id).await.map_err(|_| store_away())?;
    tracing::info!(service = S::NAME, panne = %id, "replay asked");
    Ok(StatusCode::ACCEPTED)
}

/// Why an operator sets a failure aside.
#[derive(Deserialize)]
struct Discard {
    motif: String,
}

async fn discard<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Json(discard): Json<Discard>,
) -> Result<StatusCode, Refused> {
    authorised(&web, &headers)?;
    if discard.motif.trim().is_empty() {
        return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "un motif est requis\n"));
    }
    web.engine.discard(id).await.map_err(|_| store_away())?;
    tracing::warn!(service = S::NAME, panne = %id, motif = %discard.motif, "failure set aside");
    Ok(StatusCode::ACCEPTED)
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

impl<S: Service> Engine<S> {
    /// Gives a failure back to the engine as an input.
    pub(crate) async fn replay(&self, failure: Uuid) -> Result<(), store::StoreError> {
        let busy = self.clock.busy();
        let now = self.clock.now();
        let id = kernel::derive_id(&[S::NAME, "rejeu", &failure.to_string()]);
        let row = InputRow {
            id,
            key: String::new(),
            kind: InputKind::Replay,
            name: failure.to_string(),
            due_at: now,
            body: String::new(),
            cause: failure.to_string(),
            context: RowContext::default(),
        };
        self.store.add_inputs(vec![row]).await?;
        self.ring_inputs(INPUTS);
        drop(busy);
        Ok(())
    }

    /// Closes a failure without replaying it.
    pub(crate) async fn discard(&self, failure: Uuid) -> Result<(), store::StoreError> {
        let busy = self.clock.busy();
        let row = crate::engine::announce_closed::<S>(failure, "ecartee", self.clock.now());
        let mut writes = Some(store::Writes {
            close_failures: vec![(failure, "ecartee".to_owned())],
            outbox: vec![row],
            ..store::Writes::default()
        });
        self.store.transact(&[], &[], &mut |_| writes.take().unwrap_or_default()).await?;
        let _ = self.bells.relay.send(busy);
        Ok(())
    }
}
