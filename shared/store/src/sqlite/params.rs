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

pub(super) fn created(states: &[&StateWrite]) -> Result<String, StoreError> {
    array(states.iter().map(|state| {
        let (etape, depuis) = stage(state);
        (&state.key, state.version, &state.body, etape, depuis)
    }))
}

pub(super) fn changed(states: &[(&StateWrite, i64)]) -> Result<String, StoreError> {
    array(states.iter().map(|(state, at)| {
        let (etape, depuis) = stage(state);
        (&state.key, state.version, &state.body, at, etape, depuis)
    }))
}

fn stage(state: &StateWrite) -> (Option<&'static str>, Option<i64>) {
    let depuis = state.etape.and_then(|etape| etape.depuis);
    (state.etape.map(|etape| etape.nom), depuis.map(|at| at.timestamp_micros()))
}

pub(super) fn inputs(inputs: &[InputRow]) -> Result<String, StoreError> {
    array(inputs.iter().map(|row| {
        let context = (&row.context.traceparent, &row.context.correlation_id);
        let kind = rows::kind_text(row.kind);
        let due = row.due_at.timestamp_micros();
        (row.id, &row.key, kind, &row.name, due, &row.body, &row.cause, context.0, context.1)
    }))
}

pub(super) fn outbox(
    outbox: &[OutboxRow],
    lease: Option<(i64, DateTime<Utc>)>,
) -> Result<String, StoreError> {
    let (token, until) =
        lease.map_or((0, None), |(token, until)| (token, Some(until.timestamp_micros())));
    let mut encoded = Vec::with_capacity(outbox.len());
    for row in outbox {
        let head = rows::head(&row.envelope)?;
        let (text, hex) = bytes(&row.envelope.data);
        let written = row.envelope.time.timestamp_micros();
        encoded.push((
            row.id,
            &row.exchange,
            &row.routing_key,
            i64::from(row.mandatory),
            head,
            text,
            hex,
            written,
            token,
            until,
        ));
    }
    array(encoded)
}

pub(super) fn asks(asks: &[AskRow]) -> Result<String, StoreError> {
    array(asks.iter().map(|row| {
        (
            row.id,
            &row.key,
            &row.kind,
            &row.agency,
            &row.body,
            row.due_at.timestamp_micros(),
            row.created_at.timestamp_micros(),
            row.attempts,
            i64::from(row.ambiguous),
            &row.last_error,
            &row.cause,
            &row.context.traceparent,
            &row.context.correlation_id,
        )
    }))
}

pub(super) fn failures(failures: &[FailureRow]) -> Result<String, StoreError> {
    array(failures.iter().map(|row| {
        let (text, hex) = bytes(&row.body);
        (
            row.id,
            &row.key,
            &row.origin,
            &row.kind,
            &row.code,
            &row.reason,
            text,
            hex,
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

/// Bytes in JSON: as text when they are, else in hexadecimal.
fn bytes(data: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(data) {
        Ok(text) if !text.contains('\0') => (Some(text), None),
        _ => (None, Some(hex(data))),
    }
}

fn hex(data: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    data.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
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
    fn bytes_that_are_no_text_go_as_hexadecimal() {
        assert_eq!(bytes("é".as_bytes()), (Some("é"), None));
        assert_eq!(bytes(&[0xff, 0x00]), (None, Some("ff00".to_owned())));
        assert_eq!(bytes(b"a\0"), (None, Some("6100".to_owned())));
    }
}
