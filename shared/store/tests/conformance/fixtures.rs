//! Rows and instants for the suite.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Envelope;
use store::{
    AskRow, FailureRow, InputKind, InputRow, Leased, Mark, OutboxRow, RowContext, SharedStore,
    StateRow, StateWrite, StoreError, Writes,
};
use uuid::Uuid;

/// The suite's epoch plus some seconds.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
}

/// A claim of one minute made at `seconds`.
pub(crate) fn lease(seconds: i64) -> (DateTime<Utc>, DateTime<Utc>) {
    (at(seconds), at(seconds) + TimeDelta::minutes(1))
}

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn mark(source: &str, id: &str) -> Mark {
    Mark { day: at(0).date_naive(), source: source.to_owned(), id: id.to_owned() }
}

pub(crate) fn event(key: &str, n: u128) -> InputRow {
    InputRow {
        id: id(n),
        key: key.to_owned(),
        kind: InputKind::Event,
        name: String::new(),
        due_at: at(0),
        body: r#"{"n":1}"#.to_owned(),
        cause: "cause".to_owned(),
        context: RowContext::default(),
    }
}

pub(crate) fn wake(key: &str, reason: &str, n: u128, due_at: DateTime<Utc>) -> InputRow {
    InputRow {
        kind: InputKind::Wake,
        name: reason.to_owned(),
        body: String::new(),
        due_at,
        ..event(key, n)
    }
}

pub(crate) fn ask(key: &str, kind: &str, agency: &str, n: u128) -> AskRow {
    AskRow {
        id: id(n),
        key: key.to_owned(),
        kind: kind.to_owned(),
        agency: agency.to_owned(),
        body: r#"{"lire":7}"#.to_owned(),
        due_at: at(0),
        created_at: at(0),
        attempts: 0,
        ambiguous: false,
        last_error: None,
        cause: "cause".to_owned(),
        context: RowContext::default(),
    }
}

pub(crate) fn message(n: u128) -> OutboxRow {
    OutboxRow {
        id: id(n),
        exchange: "relais.evenements".to_owned(),
        routing_key: "activite.autorisee.v1".to_owned(),
        mandatory: false,
        envelope: Envelope {
            id: id(n).to_string(),
            source: "/relais/essai".to_owned(),
            message_type: "activite.autorisee.v1".to_owned(),
            subject: Some("activite/e1".to_owned()),
            time: at(0),
            sequence: Some(1),
            correlation_id: None,
            causation_id: None,
            traceparent: None,
            data: b"{}".to_vec(),
        },
    }
}

pub(crate) fn failure(n: u128) -> FailureRow {
    FailureRow {
        id: id(n),
        key: Some("dossier/1".to_owned()),
        origin: "message".to_owned(),
        kind: "candidature.deposee.v1".to_owned(),
        code: "illisible".to_owned(),
        reason: "champ absent".to_owned(),
        body: b"{}".to_vec(),
        meta: "{}".to_owned(),
        first_seen: at(0),
        attempts: 1,
        outcome: None,
    }
}

pub(crate) fn save(key: &str, expected: Option<i64>, version: i64) -> StateWrite {
    let body = format!(r#"{{"v":{version}}}"#);
    StateWrite { key: key.to_owned(), expected, version, body, etape: None }
}

/// Commits writes that do not depend on what is loaded.
pub(crate) async fn commit(store: &SharedStore, writes: Writes) -> Result<(), StoreError> {
    let mut writes = Some(writes);
    store.transact(&[], &[], &mut |_| writes.take().expect("folded once")).await
}

/// Commits asks.
pub(crate) async fn put_asks(store: &SharedStore, asks: Vec<AskRow>) {
    commit(store, Writes { asks, ..Writes::default() }).await.expect("asks commit");
}

/// Commits messages.
pub(crate) async fn put_outbox(store: &SharedStore, outbox: Vec<OutboxRow>) {
    commit(store, Writes { outbox: outbox.into(), ..Writes::default() })
        .await
        .expect("messages commit");
}

/// Commits inputs.
pub(crate) async fn put_inputs(store: &SharedStore, inputs: Vec<InputRow>) {
    commit(store, Writes { inputs, ..Writes::default() }).await.expect("inputs commit");
}

/// A state's version.
pub(crate) async fn version(store: &SharedStore, key: &str) -> Option<i64> {
    let state: Option<StateRow> = store.state(key).await.expect("reads");
    state.map(|state| state.version)
}

/// The only row of a claim.
pub(crate) fn only<T: std::fmt::Debug>(mut rows: Vec<Leased<T>>) -> Leased<T> {
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

/// Two JSON texts that say the same.
pub(crate) fn assert_json(a: &str, b: &str) {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(read(a), read(b));
}
