//! What operators see and do over HTTP: failures, tasks, states, actions. Every action is journalled
//! in the transaction that takes it; a state or the body of a failure is only given out once that is
//! written down.

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
use store::{FailureRow, InputRow, JournalRow, StoreError, Writes};
use uuid::Uuid;

use crate::{
    api::OperatorAction,
    engine::{discarded, replay_row},
    http::{Refused, Web, refused, store_away},
    operators::Operator,
    ops::views::{Detail, Failure, FailureQuery, Group, JournalQuery, Line, Task},
};

/// Largest page of a list, and the default.
const PAGE: usize = 1000;
/// Says who acts when the token names nobody.
const NAME_HEADER: &str = "relais-operateur";

type Shared = State<Arc<Web>>;

/// The operators' routes.
pub(crate) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/ops/actions", post(action))
        .route("/ops/taches", get(tasks))
        .route("/ops/etats/{*cle}", get(state))
        .route("/ops/journal", get(journal))
        .route("/ops/pannes", get(failures))
        .route("/ops/pannes/groupes", get(groups))
        .route("/ops/pannes/{id}", get(failure))
        .route("/ops/pannes/{id}/corps", get(body))
        .route("/ops/pannes/{id}/rejeu", post(replay))
        .route("/ops/pannes/{id}/mise-a-l-ecart", post(discard))
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
fn authorised(web: &Web, headers: &HeaderMap) -> Result<Acting, Refused> {
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

async fn action(
    State(web): Shared,
    headers: HeaderMap,
    Json(mut action): Json<OperatorAction>,
) -> Result<StatusCode, Refused> {
    let mut acting = authorised(&web, &headers)?;
    if !action.par.trim().is_empty() {
        acting.said.clone_from(&action.par);
    }
    action.par = acting.operator.name(&acting.said);
    let input = (web.business.operator)(&action, web.clock.now())
        .map_err(|text| refused(StatusCode::UNPROCESSABLE_ENTITY, text))?;
    // The names of the fields, not what they hold: the journal is for ever.
    let fields: Vec<_> = action.champs.keys().filter(|k| *k != "tache").cloned().collect();
    let mut objet = action.cle.clone();
    if let Some(tache) = action.champs.get("tache") {
        objet = format!("{objet}, tâche {tache}");
    }
    if !fields.is_empty() {
        objet = format!("{objet} ({})", fields.join(", "));
    }
    let mut row = acting.did(web.clock.now(), &action.action, objet);
    row.motif = action.champs.get("motif").cloned();
    web.act_by(input, row).await.map_err(|_| store_away())?;
    tracing::info!(service = web.business.name, action = %action.action, cle = %action.cle, "operator's action");
    Ok(StatusCode::ACCEPTED)
}

async fn failures(
    State(web): Shared,
    headers: HeaderMap,
    Query(query): Query<FailureQuery>,
) -> Result<Json<Vec<Failure>>, Refused> {
    authorised(&web, &headers)?;
    let max = query.max.unwrap_or(PAGE).min(PAGE);
    let heads = web.store.failure_heads(&query.filter(), max).await;
    let heads = heads.map_err(|_| store_away())?;
    Ok(Json(heads.into_iter().map(|row| Failure::of(web.business.name, row)).collect()))
}

async fn groups(
    State(web): Shared,
    headers: HeaderMap,
    Query(query): Query<FailureQuery>,
) -> Result<Json<Vec<Group>>, Refused> {
    authorised(&web, &headers)?;
    let groups = web.store.failure_groups(&query.filter()).await;
    Ok(Json(
        groups
            .map_err(|_| store_away())?
            .into_iter()
            .map(|row| Group::of(web.business.name, row))
            .collect(),
    ))
}

async fn failure(
    State(web): Shared,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Json<Detail>, Refused> {
    authorised(&web, &headers)?;
    let row = kept(&web, id).await?;
    Ok(Json(Detail::of(web.business.name, row)))
}

async fn body(
    State(web): Shared,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response, Refused> {
    let acting = authorised(&web, &headers)?;
    let row = kept(&web, id).await?;
    let journal = vec![acting.did(web.clock.now(), "lecture-corps", name(&row))];
    let written = web.act(Writes { journal, ..Writes::default() }).await;
    written.map_err(|_| store_away())?;
    tracing::warn!(service = web.business.name, panne = %id, "body of a failure read");
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, row.body).into_response())
}

async fn kept(web: &Web, id: Uuid) -> Result<FailureRow, Refused> {
    let row = web.store.failure(id).await.map_err(|_| store_away())?;
    row.ok_or_else(|| refused(StatusCode::NOT_FOUND, "panne inconnue\n"))
}

async fn still_open(web: &Web, id: Uuid) -> Result<FailureRow, Refused> {
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

async fn replay(
    State(web): Shared,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Refused> {
    let acting = authorised(&web, &headers)?;
    let row = still_open(&web, id).await?;
    let journal = acting.did(web.clock.now(), "rejeu", name(&row));
    let input = replay_row(web.business.name, id, web.clock.now());
    web.act_by(input, journal).await.map_err(|_| store_away())?;
    tracing::info!(service = web.business.name, panne = %id, "replay asked");
    Ok(StatusCode::ACCEPTED)
}

/// Why an operator sets a failure aside.
#[derive(Deserialize)]
struct Discard {
    motif: String,
}

async fn discard(
    State(web): Shared,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Json(discard): Json<Discard>,
) -> Result<StatusCode, Refused> {
    let acting = authorised(&web, &headers)?;
    if discard.motif.trim().is_empty() {
        return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "un motif est requis\n"));
    }
    let row = still_open(&web, id).await?;
    let mut journal = acting.did(web.clock.now(), "mise-a-l-ecart", name(&row));
    journal.motif = Some(discard.motif.trim().to_owned());
    web.discard(id, journal).await.map_err(|_| store_away())?;
    tracing::warn!(service = web.business.name, panne = %id, "failure set aside");
    Ok(StatusCode::ACCEPTED)
}

async fn journal(
    State(web): Shared,
    headers: HeaderMap,
    Query(query): Query<JournalQuery>,
) -> Result<Json<Vec<Line>>, Refused> {
    authorised(&web, &headers)?;
    let max = query.max.unwrap_or(PAGE).min(PAGE);
    let entries = web.store.journal(query.avant, max).await.map_err(|_| store_away())?;
    Ok(Json(entries.into_iter().map(|row| Line::of(web.business.name, row)).collect()))
}

async fn tasks(State(web): Shared, headers: HeaderMap) -> Result<Json<Vec<Task>>, Refused> {
    authorised(&web, &headers)?;
    let rows = web.store.tasks(PAGE).await.map_err(|_| store_away())?;
    Ok(Json(rows.into_iter().map(|row| Task::of(web.business.name, row)).collect()))
}

async fn state(
    State(web): Shared,
    headers: HeaderMap,
    Path(cle): Path<String>,
) -> Result<Response, Refused> {
    let acting = authorised(&web, &headers)?;
    let row = web.store.state(&cle).await.map_err(|_| store_away())?;
    let row = row.ok_or_else(|| refused(StatusCode::NOT_FOUND, "clé inconnue\n"))?;
    let unreadable = |_| refused(StatusCode::INTERNAL_SERVER_ERROR, "état illisible\n");
    let state = (web.business.state)(&row.body).map_err(unreadable)?;
    let journal = vec![acting.did(web.clock.now(), "lecture-etat", cle)];
    let written = web.act(Writes { journal, ..Writes::default() }).await;
    written.map_err(|_| store_away())?;
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    Ok((headers, state).into_response())
}

impl Web {
    /// Commits what an operator did.
    async fn act(&self, writes: Writes) -> Result<(), StoreError> {
        let mut writes = Some(writes);
        self.store.transact(&[], &[], &mut |_| writes.take().unwrap_or_default()).await
    }

    /// Commits an input with its line of the journal, and wakes the engine.
    async fn act_by(&self, input: InputRow, journal: JournalRow) -> Result<(), StoreError> {
        let busy = self.clock.busy();
        let (inputs, journal) = (vec![input], vec![journal]);
        self.act(Writes { inputs, journal, ..Writes::default() }).await?;
        // The engine is gone only at shutdown: the row is durable and waits for the next start.
        let _ = self.doorbell.send(busy);
        Ok(())
    }

    /// Closes a failure without replaying it.
    async fn discard(&self, failure: Uuid, journal: JournalRow) -> Result<(), StoreError> {
        let busy = self.clock.busy();
        let closed = discarded(self.business.name, failure, self.clock.now());
        let writes = Writes { journal: vec![journal], ..closed };
        self.act(writes).await?;
        let _ = self.relay.send(busy.into());
        Ok(())
    }
}
