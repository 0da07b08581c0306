//! Many rows as one parameter: a JSON array of arrays, which `json_each` reads. One statement per
//! table whatever the size of the batch, prepared once.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    AskRow, FailureRow, InputRow, JournalRow, Mark, OutboxRow, StateWrite, StoreError, TaskRow,
    rows,
};

/// A parameter for `json_each`.
///
/// # Errors
/// [`StoreError::Data`] when a text holds NUL: SQLite's JSON functions may stop reading there, and
/// PostgreSQL refuses it too.
pub(super) fn array<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<String, StoreError> {
    let rows: Vec<T> = rows.into_iter().collect();
    let text = serde_json::to_string(&rows).map_err(|e| StoreError::Data(Box::new(e)))?;
    if holds_nul(&text) {
        return Err(StoreError::Data("a text holds NUL".into()));
    }
    Ok(text)
}

/// The bodies of many rows, one after the other, behind a byte that is nobody's: of an empty blob
/// SQLite's `substr` gives null, not an empty one.
pub(super) struct Bodies(Vec<u8>);

impl Default for Bodies {
    fn default() -> Self {
        Self(vec![0])
    }
}

/// Where a body begins, counted from 1, and how long it is, in bytes.
type Place = (usize, usize);

impl Bodies {
    /// As one parameter.
    pub(super) fn into_blob(self) -> Vec<u8> {
        self.0
    }

    fn bytes(&mut self, body: &[u8]) -> Place {
        let place = (self.0.len() + 1, body.len());
        self.0.extend_from_slice(body);
        place
    }

    /// # Errors
    /// [`StoreError::Data`] when it holds NUL, which PostgreSQL refuses.
    fn text(&mut self, body: &str) -> Result<Place, StoreError> {
        if body.contains('\0') {
            return Err(StoreError::Data("a text holds NUL".into()));
        }
        Ok(self.bytes(body.as_bytes()))
    }
}

/// Whether encoded JSON holds the character NUL; an escaped backslash followed by `u0000` is not.
fn holds_nul(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(at, _)| {
        let before = json.as_bytes()[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
        before % 2 == 0
    })
}

pub(super) fn marks<M: Borrow<Mark>>(marks: &[M]) -> Result<String, StoreError> {
    array(marks.iter().map(Borrow::borrow).map(|mark| (mark.day, &mark.source, &mark.id)))
}

pub(super) fn created(states: &[&StateWrite], bodies: &mut Bodies) -> Result<String, StoreError> {
    let mut encoded = Vec::with_capacity(states.len());
    for state in states {
        let (etape, depuis) = stage(state);
        let (place, length) = bodies.text(&state.body)?;
        encoded.push((&state.key, state.version, place, length, etape, depuis));
    }
    array(encoded)
}

pub(super) fn changed(
    states: &[(&StateWrite, i64)],
    bodies: &mut Bodies,
) -> Result<String, StoreError> {
    let mut encoded = Vec::with_capacity(states.len());
    for (state, at) in states {
        let (etape, depuis) = stage(state);
        let (place, length) = bodies.text(&state.body)?;
        encoded.push((&state.key, state.version, place, length, at, etape, depuis));
    }
    array(encoded)
}

fn stage(state: &StateWrite) -> (Option<&'static str>, Option<i64>) {
    let depuis = state.etape.and_then(|etape| etape.depuis);
    (state.etape.map(|etape| etape.nom), depuis.map(|at| at.timestamp_micros()))
}

pub(super) fn inputs(inputs: &[InputRow], bodies: &mut Bodies) -> Result<String, StoreError> {
    let mut encoded = Vec::with_capacity(inputs.len());
    for row in inputs {
        let (place, length) = bodies.text(&row.body)?;
        encoded.push((
            row.id,
            &row.key,
            rows::kind_text(row.kind),
            &row.name,
            row.due_at.timestamp_micros(),
            place,
            length,
            &row.cause,
            &row.context.traceparent,
            &row.context.correlation_id,
        ));
    }
    array(encoded)
}

pub(super) fn outbox(
    outbox: &[OutboxRow],
    lease: Option<(i64, DateTime<Utc>)>,
    bodies: &mut Bodies,
) -> Result<String, StoreError> {
    let (token, until) =
        lease.map_or((0, None), |(token, until)| (token, Some(until.timestamp_micros())));
    let mut encoded = Vec::with_capacity(outbox.len());
    for row in outbox {
        let head = bodies.text(&rows::head(&row.envelope)?)?;
        let data = bodies.bytes(&row.envelope.data);
        let written = row.envelope.time.timestamp_micros();
        encoded.push((
            row.id,
            &row.exchange,
            &row.routing_key,
            i64::from(row.mandatory),
            head.0,
            head.1,
            data.0,
            data.1,
            written,
            token,
            until,
        ));
    }
    array(encoded)
}

pub(super) fn asks(asks: &[AskRow], bodies: &mut Bodies) -> Result<String, StoreError> {
    let mut encoded = Vec::with_capacity(asks.len());
    for row in asks {
        let (place, length) = bodies.text(&row.body)?;
        encoded.push((
            row.id,
            &row.key,
            &row.kind,
            &row.agency,
            place,
            length,
            row.due_at.timestamp_micros(),
            row.created_at.timestamp_micros(),
            row.attempts,
            i64::from(row.ambiguous),
            &row.last_error,
            &row.cause,
            &row.context.traceparent,
            &row.context.correlation_id,
        ));
    }
    array(encoded)
}

pub(super) fn failures(failures: &[FailureRow], bodies: &mut Bodies) -> Result<String, StoreError> {
    array(failures.iter().map(|row| {
        let (place, length) = bodies.bytes(&row.body);
        (
            row.id,
            &row.key,
            &row.origin,
            &row.kind,
            &row.code,
            &row.reason,
            place,
            length,
            &row.meta,
            row.first_seen.timestamp_micros(),
            row.attempts,
            &row.outcome,
        )
    }))
}

pub(super) fn journal(journal: &[JournalRow]) -> Result<String, StoreError> {
    array(
        journal
            .iter()
            .map(|row| (row.at.timestamp_micros(), &row.par, &row.action, &row.objet, &row.motif)),
    )
}

pub(super) fn tasks(tasks: &[TaskRow]) -> Result<String, StoreError> {
    array(tasks.iter().map(|row| {
        let opened = row.opened_at.timestamp_micros();
        (row.id, &row.gabarit, &row.key, &row.objet, &row.champs, opened)
    }))
}

pub(super) fn settled(rows: &[(Uuid, i64)]) -> Result<String, StoreError> {
    array(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_and_escaped_backslashes_are_not() {
        assert!(array(["a\0b"]).is_err());
        assert!(array(["a\\\0b"]).is_err());
        assert_eq!(array([r#"{"a":"\u0000"}"#]).expect("text"), r#"["{\"a\":\"\\u0000\"}"]"#);
    }

    #[test]
    fn bodies_follow_each_other() {
        let mut bodies = Bodies::default();
        assert_eq!(bodies.text("é").expect("text"), (2, 2));
        assert_eq!(bodies.bytes(&[0xff, 0x00]), (4, 2));
        assert_eq!(bodies.text("").expect("text"), (6, 0));
        assert!(bodies.text("a\0b").is_err());
        assert_eq!(bodies.into_blob(), [0x00, 0xc3, 0xa9, 0xff, 0x00]);
    }
}
