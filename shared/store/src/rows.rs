//! What both databases share: how rows are encoded, and what is put in order before it is written.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use contracts::Envelope;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{FailureRow, InputKind, InputRow, JournalRow, Mark, StateWrite, StoreError};

/// An envelope without its body, as the outbox keeps it.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    id: Cow<'a, str>,
    source: Cow<'a, str>,
    #[serde(rename = "type")]
    message_type: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    time: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
}

/// Encodes an envelope's attributes.
pub(crate) fn head(envelope: &Envelope) -> Result<String, StoreError> {
    let head = Head {
        id: Cow::Borrowed(&envelope.id),
        source: Cow::Borrowed(&envelope.source),
        message_type: Cow::Borrowed(&envelope.message_type),
        subject: envelope.subject.as_deref().map(Cow::Borrowed),
        time: envelope.time,
        sequence: envelope.sequence,
        correlation_id: envelope.correlation_id.as_deref().map(Cow::Borrowed),
        causation_id: envelope.causation_id.as_deref().map(Cow::Borrowed),
        traceparent: envelope.traceparent.as_deref().map(Cow::Borrowed),
    };
    serde_json::to_string(&head).map_err(|e| StoreError::Data(Box::new(e)))
}

/// Puts an envelope together again.
pub(crate) fn envelope(head: &str, data: Vec<u8>) -> Result<Envelope, StoreError> {
    let head: Head<'_> = serde_json::from_str(head).map_err(StoreError::fatal)?;
    Ok(Envelope {
        id: head.id.into_owned(),
        source: head.source.into_owned(),
        message_type: head.message_type.into_owned(),
        subject: head.subject.map(Cow::into_owned),
        time: head.time,
        sequence: head.sequence,
        correlation_id: head.correlation_id.map(Cow::into_owned),
        causation_id: head.causation_id.map(Cow::into_owned),
        traceparent: head.traceparent.map(Cow::into_owned),
        data,
    })
}

/// An input's kind as stored.
pub(crate) fn kind_text(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Wake => "wake",
        InputKind::Event => "event",
        InputKind::Replay => "replay",
    }
}

/// An input's kind as read.
pub(crate) fn kind_of(text: &str) -> Result<InputKind, StoreError> {
    match text {
        "wake" => Ok(InputKind::Wake),
        "event" => Ok(InputKind::Event),
        "replay" => Ok(InputKind::Replay),
        _ => Err(StoreError::fatal("unknown kind of input")),
    }
}

/// For each mark in order, whether it is new: nobody had it, which is asked by its rank, and it is
/// the first of its kind.
pub(crate) fn fresh(marks: &[Mark], is_new: impl Fn(usize, &Mark) -> bool) -> Vec<bool> {
    let mut seen = HashSet::with_capacity(marks.len());
    let ranked = marks.iter().enumerate();
    ranked.map(|(rank, mark)| is_new(rank, mark) && seen.insert(mark)).collect()
}

/// The ids of some leased rows, by lease.
pub(crate) fn by_lease(rows: &[(Uuid, i64)]) -> BTreeMap<i64, Vec<Uuid>> {
    let mut leases = BTreeMap::<_, Vec<_>>::new();
    for (id, lease) in rows {
        leases.entry(*lease).or_default().push(*id);
    }
    leases
}

/// Inputs in the order in which they are written: wake-ups, of which the last of each
/// (key, reason) stays, then the others.
pub(crate) struct Inputs {
    pub(crate) wakes: Vec<InputRow>,
    pub(crate) others: Vec<InputRow>,
}

impl Inputs {
    pub(crate) fn new(rows: Vec<InputRow>) -> Self {
        let mut armed = BTreeSet::new();
        let (mut wakes, mut others) = (Vec::new(), Vec::new());
        for row in rows.into_iter().rev() {
            match row.kind {
                InputKind::Wake if !armed.insert((row.key.clone(), row.name.clone())) => {}
                InputKind::Wake => wakes.push(row),
                InputKind::Event | InputKind::Replay => others.push(row),
            }
        }
        wakes.reverse();
        others.reverse();
        Self { wakes, others }
    }
}

/// Failures as they are written: one per id, a repeated one counts one more attempt, and no text
/// that a database refuses. A failure must always find its place: it is the last resort.
pub(crate) fn failures(rows: Vec<FailureRow>) -> Vec<FailureRow> {
    let mut kept: Vec<FailureRow> = Vec::new();
    for mut row in rows {
        for text in [&mut row.origin, &mut row.kind, &mut row.code, &mut row.reason, &mut row.meta]
        {
            without_nul(text);
        }
        if let Some(key) = &mut row.key {
            without_nul(key);
        }
        match kept.iter_mut().find(|other| other.id == row.id) {
            Some(other) => {
                let (first_seen, attempts) = (other.first_seen, other.attempts + 1);
                *other = FailureRow { first_seen, attempts, ..row };
            }
            None => kept.push(row),
        }
    }
    kept
}

/// Rows of the journal as they are written: no text that a database refuses.
pub(crate) fn journal(mut rows: Vec<JournalRow>) -> Vec<JournalRow> {
    for row in &mut rows {
        for text in [&mut row.par, &mut row.action, &mut row.objet] {
            without_nul(text);
        }
        row.motif.iter_mut().for_each(without_nul);
    }
    rows
}

/// Replaces NUL, which PostgreSQL does not store.
pub(crate) fn without_nul(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

/// Each (id, lease) once.
pub(crate) fn once(rows: &[(Uuid, i64)]) -> Vec<(Uuid, i64)> {
    rows.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// States to create and states to change, with the version each was decided on.
pub(crate) fn by_expectation(states: &[StateWrite]) -> (Vec<&StateWrite>, Vec<(&StateWrite, i64)>) {
    let mut created = Vec::new();
    let mut changed = Vec::new();
    for state in states {
        match state.expected {
            None => created.push(state),
            Some(version) => changed.push((state, version)),
        }
    }
    // one order of locks for everybody
    created.sort_by(|a, b| a.key.cmp(&b.key));
    changed.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
    (created, changed)
}

/// A window as microseconds, a year at most.
pub(crate) fn window_us(window: Duration) -> i64 {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    i64::try_from(window.min(YEAR).as_micros()).unwrap_or(i64::MAX)
}

/// An instant from microseconds since 1970.
pub(crate) fn instant(us: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(us).ok_or_else(|| StoreError::fatal("instant out of range"))
}
