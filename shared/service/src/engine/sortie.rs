//! Rows that follow from a decision: derived ids, inputs, envelopes of what is published, the
//! announcements of failures among them.

use chrono::{DateTime, Utc};
use contracts::{
    Envelope, Flux, Message,
    messages::{PanneClose, PanneOuverte, TacheFaite, TacheOuverte},
};
use store::{FailureRow, InputKind, InputRow, OutboxRow, RowContext, TaskRow, Writes};
use uuid::Uuid;

use super::item::{FailureMeta, Item};
use crate::api::{AskKind, Outgoing, Service};

/// The stored form of what a replay needs.
pub(crate) fn meta_text(meta: &FailureMeta) -> String {
    serde_json::to_string(meta).expect("failure metadata encodes")
}

pub(crate) fn outbox_row(
    service: &str,
    id: Uuid,
    out: Outgoing,
    sequence: Option<u64>,
    now: DateTime<Utc>,
    context: RowContext,
    cause: Option<String>,
) -> OutboxRow {
    OutboxRow {
        id,
        exchange: out.flux.exchange().to_owned(),
        routing_key: out.routing_key,
        // A fact may have no reader; a request must have one.
        mandatory: out.flux == Flux::Demandes,
        envelope: Envelope {
            id: id.to_string(),
            source: format!("/relais/{service}"),
            message_type: out.message_type.to_owned(),
            subject: Some(out.subject),
            time: now,
            sequence,
            correlation_id: context.correlation_id,
            causation_id: cause,
            traceparent: context.traceparent,
            data: out.body.into_bytes(),
        },
    }
}

/// What failures of one cause have in common.
pub(crate) fn empreinte(service: &str, code: &str, kind: &str) -> String {
    kernel::short_id(&[service, code, kind])
}

/// Keeps the list of open tasks in step with the facts that open and close them.
pub(crate) fn follow_task(out: &Outgoing, now: DateTime<Utc>, writes: &mut Writes) {
    let written = "what was encoded from the type decodes into it";
    if out.message_type == TacheOuverte::TYPE {
        let task: TacheOuverte = serde_json::from_str(&out.body).expect(written);
        writes.open_tasks.push(TaskRow {
            id: task.tache,
            gabarit: task.gabarit,
            key: task.cle,
            objet: task.objet,
            champs: serde_json::to_string(&task.champs).expect("texts encode"),
            opened_at: now,
        });
    } else if out.message_type == TacheFaite::TYPE {
        let done: TacheFaite = serde_json::from_str(&out.body).expect(written);
        writes.close_tasks.push(done.tache);
    }
}

/// The fact that says that a failure is open.
pub(crate) fn announce(
    service: &str,
    failure: &FailureRow,
    now: DateTime<Utc>,
    context: RowContext,
) -> OutboxRow {
    let fact = PanneOuverte {
        panne: failure.id,
        service: service.to_owned(),
        code: failure.code.clone(),
        empreinte: empreinte(service, &failure.code, &failure.kind),
        message_type: failure.kind.clone(),
        subject: failure.key.clone(),
        depuis: failure.first_seen,
    };
    // A failure that is replayed in vain opens again: that is another message about it.
    let at = now.timestamp_micros().to_string();
    let id = kernel::derive_id(&[service, "panne-ouverte", &failure.id.to_string(), &at]);
    outbox_row(service, id, Outgoing::new(&fact, None), None, now, context, None)
}

/// The fact that says that a failure is closed.
pub(crate) fn announce_closed(
    service: &str,
    id: Uuid,
    issue: &str,
    now: DateTime<Utc>,
) -> OutboxRow {
    let fact = PanneClose { panne: id, issue: issue.to_owned() };
    let at = now.timestamp_micros().to_string();
    let id = kernel::derive_id(&[service, "panne-close", &id.to_string(), &at]);
    outbox_row(service, id, Outgoing::new(&fact, None), None, now, RowContext::default(), None)
}

/// The input that replays a failure.
pub(crate) fn replay_row(service: &str, failure: Uuid, now: DateTime<Utc>) -> InputRow {
    InputRow {
        id: kernel::derive_id(&[service, "rejeu", &failure.to_string()]),
        key: String::new(),
        kind: InputKind::Replay,
        name: failure.to_string(),
        due_at: now,
        body: String::new(),
        cause: failure.to_string(),
        context: RowContext::default(),
    }
}

/// What closes a failure without replaying it.
pub(crate) fn discarded(service: &str, failure: Uuid, now: DateTime<Utc>) -> Writes {
    Writes {
        close_failures: vec![(failure, "ecartee".to_owned())],
        outbox: vec![announce_closed(service, failure, "ecartee", now)].into(),
        ..Writes::default()
    }
}

/// The id of an effect of a decision: the same decision gives the same id.
pub(crate) fn effect_id<S: Service>(item: &Item<S>, name: &str, index: usize) -> Uuid {
    kernel::derive_id(&[S::NAME, &item.key, &item.cause, name, &index.to_string()])
}

/// A new ask row.
pub(crate) fn ask_row<S: Service>(
    id: Uuid,
    key: &str,
    ask: &S::Ask,
    now: DateTime<Utc>,
    cause: &str,
    context: RowContext,
) -> store::AskRow {
    store::AskRow {
        id,
        key: key.to_owned(),
        kind: ask.kind().to_owned(),
        agency: ask.agency().to_owned(),
        body: serde_json::to_string(ask).expect("asks encode: their maps have string keys"),
        due_at: now,
        created_at: now,
        attempts: 0,
        ambiguous: false,
        last_error: None,
        cause: cause.to_owned(),
        context,
    }
}

/// An input that follows from a decision.
pub(crate) fn input_row<S: Service>(
    id: Uuid,
    key: String,
    kind: InputKind,
    name: String,
    due_at: DateTime<Utc>,
    body: String,
    item: &Item<S>,
) -> InputRow {
    let (cause, context) = (item.cause.clone(), item.context.clone());
    InputRow { id, key, kind, name, due_at, body, cause, context }
}
