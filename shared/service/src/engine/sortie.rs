//! Rows that follow from a decision: derived ids, inputs, envelopes of what is published, the
//! announcements of failures among them.

use chrono::{DateTime, Utc};
use contracts::{
    Envelope, Flux,
    messages::{PanneClose, PanneOuverte},
};
use store::{FailureRow, InputKind, InputRow, OutboxRow, RowContext};
use uuid::Uuid;

use super::item::{FailureMeta, Item};
use crate::api::{Outgoing, Service};

/// The stored form of what a replay needs.
pub(crate) fn meta_text(meta: &FailureMeta) -> String {
    serde_json::to_string(meta).expect("failure metadata encodes")
}

pub(crate) fn outbox_row<S: Service>(
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
            source: format!("/relais/{}", S::NAME),
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

/// The fact that says that a failure is open.
pub(crate) fn announce<S: Service>(
    failure: &FailureRow,
    now: DateTime<Utc>,
    context: RowContext,
) -> OutboxRow {
    let fact = PanneOuverte {
        panne: failure.id,
        service: S::NAME.to_owned(),
        code: failure.code.clone(),
        empreinte: kernel::short_id(&[S::NAME, &failure.code, &failure.kind]),
        message_type: failure.kind.clone(),
        subject: failure.key.clone(),
        depuis: failure.first_seen,
    };
    // A failure that is replayed in vain opens again: that is another message about it.
    let at = now.timestamp_micros().to_string();
    let id = kernel::derive_id(&[S::NAME, "panne-ouverte", &failure.id.to_string(), &at]);
    outbox_row::<S>(id, Outgoing::new(&fact, None), None, now, context, None)
}

/// The fact that says that a failure is closed.
pub(crate) fn announce_closed<S: Service>(id: Uuid, issue: &str, now: DateTime<Utc>) -> OutboxRow {
    let fact = PanneClose { panne: id, issue: issue.to_owned() };
    let at = now.timestamp_micros().to_string();
    let id = kernel::derive_id(&[S::NAME, "panne-close", &id.to_string(), &at]);
    outbox_row::<S>(id, Outgoing::new(&fact, None), None, now, RowContext::default(), None)
}

/// The id of an effect of a decision: the same decision gives the same id.
pub(crate) fn effect_id<S: Service>(item: &Item<S>, name: &str, index: usize) -> Uuid {
    kernel::derive_id(&[S::NAME, &item.key, &item.cause, name, &index.to_string()])
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
