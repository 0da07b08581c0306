//! What operators see and do over HTTP: failures, tasks, actions. Every action is journalled in the
//! transaction that takes it; the body of a failure is only given out once that is written down.

mod views;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use store::{FailureRow, JournalRow, StoreError, Writes};
use uuid::Uuid;

use crate::{
    api::{OperatorAction, Service},
    engine::{Engine, INPUTS, discarded, replay_row},
    http::{Refused, Web, refused, store_away},
    operators::Operator,
    ops::views::{Detail, Failure, FailureQuery, Group, JournalQuery, Line, Task},
};

/// Largest page of a list, and the default.
const PAGE: usize = 1000;
/// Says who acts when the token names nobody.
const NAME_HEADER: &str = "relais-operateur";

type Shared<S> = State<Arc<Web<S>>>;

/// The operators' routes.
pub(crate) fn routes<S: Service>() -> Router<Arc<Web<S>>> {
    Router::new()
        .route("/ops/actions", post(action::<S>))
        .route("/ops/taches", get(tasks::<S>))
        .route("/ops/journal", get(journal::<S>))
        .route("/ops/pannes", get(failures::<S>))
        .route("/ops/pannes/groupes", get(groups::<S>))
        .route("/ops/pannes/{id}", get(failure::<S>))
        .route("/ops/pannes/{id}/corps", get(body::<S>))
        .route("/ops/pannes/{id}/rejeu", post(replay::<S>))
        .route("/ops/pannes/{id}/mise-a-l-ecart", post(discard::<S>))
}

/// Who asks, and under which name.
struct Acting {
    operator: Operator,
    said: String,
}

impl Acting {
    /// A line of the journal.
    fn did(&self, at: DateTime<Utc>, action: &str, objet: String) -> JournalRow {
        let par = self.operator.journal_name(&self.said);
        JournalRow { at, par, action: action.to_owned(), objet, motif: None }
    }
}

/// Checks the bearer token.
fn authorised<S: Service>(web: &Web<S>, headers: &HeaderMap) -> Result<Acting, Refused> {
    if !web.operators.any() {
        let text = "aucun jeton d'opérateur n'est configuré\n";
        return Err(refused(StatusCode::FORBIDDEN, text));
    }
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let given = text(header::AUTHORIZATION.as_str()).strip_prefix("Bearer ").unwrap_or_default();
    match web.operators.who(given) {
        Some(operator) => Ok(Acting { operator, said: text(NAME_HEADER).to_owned() }),
        None => Err(refused(StatusCode::UNAUTHORIZED, "jeton refusé\n")),
    }
}

async fn action<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Json(mut action): Json<OperatorAction>,
) -> Result<StatusCode, Refused> {
    let mut acting = authorised(&web, &headers)?;
    if !action.par.trim().is_empty() {
        acting.said.clone_from(&action.par);
    }
    action.par = acting.operator.name(&acting.said);
    let (key, event) =
        S::operator(&action).map_err(|text| refused(StatusCode::UNPROCESSABLE_ENTITY, text))?;
    let body = serde_json::to_string(&action).expect("an action encodes");
    let id = kernel::derive_id(&[S::NAME, "action", &body]);
    // The names of the fields, not what they hold: the journal is for ever.
    let fields: Vec<_> = action.champs.keys().filter(|k| *k != "tache").cloned().collect();
    let mut objet = action.cle.clone();
    if let Some(tache) = action.champs.get("tache") {
        objet = format!("{objet}, tâche {tache}");
    }
    if !fields.is_empty() {
        objet = format!("{objet} ({})", fields.join(", "));
    }
    let mut row = acting.did(web.engine.clock.now(), &action.action, objet);
    row.motif = action.champs.get("motif").cloned();
    web.ingress.act((id, key, event), row).await.map_err(|_| store_away())?;
    tracing::info!(service = S::NAME, action = %action.action, cle = %action.cle, "operator's action");
    Ok(StatusCode::ACCEPTED)
}

async fn failures<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Query(query): Query<FailureQuery>,
) -> Result<Json<Vec<Failure>>, Refused> {
    authorised(&web, &headers)?;
    let max = query.max.unwrap_or(PAGE).min(PAGE);
    let heads = web.engine.store.failure_heads(&query.filter(), max).await;
    let heads = heads.map_err(|_| store_away())?;
    Ok(Json(heads.into_iter().map(Failure::of::<S>).collect()))
}

async fn groups<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Query(query): Query<FailureQuery>,
) -> Result<Json<Vec<Group>>, Refused> {
    authorised(&web, &headers)?;
    let groups = web.engine.store.failure_groups(&query.filter()).await;
    Ok(Json(groups.map_err(|_| store_away())?.into_iter().map(Group::of::<S>).collect()))
}

async fn failure<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Json<Detail>, Refused> {
    authorised(&web, &headers)?;
    let row = kept(&web, id).await?;
    Ok(Json(Detail::of::<S>(row)))
}

async fn body<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response, Refused> {
    let acting = authorised(&web, &headers)?;
    let row = kept(&web, id).await?;
    let journal = vec![acting.did(web.engine.clock.now(), "lecture-corps", name(&row))];
    let written = web.engine.act(Writes { journal, ..Writes::default() }).await;
    written.map_err(|_| store_away())?;
    tracing::warn!(service = S::NAME, panne = %id, "body of a failure read");
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, row.body).into_response())
}

async fn kept<S: Service>(web: &Web<S>, id: Uuid) -> Result<FailureRow, Refused> {
    let row = web.engine.store.failure(id).await.map_err(|_| store_away())?;
    row.ok_or_else(|| refused(StatusCode::NOT_FOUND, "panne inconnue\n"))
}

async fn still_open<S: Service>(web: &Web<S>, id: Uuid) -> Result<FailureRow, Refused> {
    let row = kept(web, id).await?;
    if row.outcome.is_none() {
        return Ok(row);
    }
    Err(refused(StatusCode::CONFLICT, "panne déjà close\n"))
}

/// A failure in the journal.
fn name(row: &FailureRow) -> String {
    format!("panne {} ({}, {})", row.id, row.code, row.kind)
}

async fn replay<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Refused> {
    let acting = authorised(&web, &headers)?;
    let row = still_open(&web, id).await?;
    let journal = acting.did(web.engine.clock.now(), "rejeu", name(&row));
    web.engine.replay(id, journal).await.map_err(|_| store_away())?;
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
    let acting = authorised(&web, &headers)?;
    if discard.motif.trim().is_empty() {
        return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "un motif est requis\n"));
    }
    let row = still_open(&web, id).await?;
    let mut journal = acting.did(web.engine.clock.now(), "mise-a-l-ecart", name(&row));
    journal.motif = Some(discard.motif.trim().to_owned());
    web.engine.discard(id, journal).await.map_err(|_| store_away())?;
    tracing::warn!(service = S::NAME, panne = %id, "failure set aside");
    Ok(StatusCode::ACCEPTED)
}

async fn journal<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
    Query(query): Query<JournalQuery>,
) -> Result<Json<Vec<Line>>, Refused> {
    authorised(&web, &headers)?;
    let max = query.max.unwrap_or(PAGE).min(PAGE);
    let entries = web.engine.store.journal(query.avant, max).await.map_err(|_| store_away())?;
    Ok(Json(entries.into_iter().map(Line::of::<S>).collect()))
}

async fn tasks<S: Service>(
    State(web): Shared<S>,
    headers: HeaderMap,
) -> Result<Json<Vec<Task>>, Refused> {
    authorised(&web, &headers)?;
    let rows = web.engine.store.tasks(PAGE).await.map_err(|_| store_away())?;
    Ok(Json(rows.into_iter().map(Task::of::<S>).collect()))
}

impl<S: Service> Engine<S> {
    /// Commits what an operator did.
    async fn act(&self, writes: Writes) -> Result<(), StoreError> {
        let mut writes = Some(writes);
        self.store.transact(&[], &[], &mut |_| writes.take().unwrap_or_default()).await
    }

    /// Gives a failure back to the engine as an input.
    async fn replay(&self, failure: Uuid, journal: JournalRow) -> Result<(), StoreError> {
        let busy = self.clock.busy();
        let row = replay_row::<S>(failure, self.clock.now());
        let writes = Writes { inputs: vec![row], journal: vec![journal], ..Writes::default() };
        self.act(writes).await?;
        self.ring_inputs(INPUTS);
        drop(busy);
        Ok(())
    }

    /// Closes a failure without replaying it.
    async fn discard(&self, failure: Uuid, journal: JournalRow) -> Result<(), StoreError> {
        let busy = self.clock.busy();
        let closed = discarded::<S>(failure, self.clock.now());
        let writes = Writes { journal: vec![journal], ..closed };
        self.act(writes).await?;
        let _ = self.bells.relay.send(busy.into());
        Ok(())
    }
}
