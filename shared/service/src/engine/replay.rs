//! Makes a kept failure an input again.

use bus::Origin;
use chrono::{DateTime, Utc};
use contracts::{Envelope, Flux};
use store::{FailureRow, InputKind, InputRow, Leased, RowContext};

use super::{
    item::{FailureMeta, Item, Keep, Ready, Settle, exchange_flux},
    sortie::meta_text,
};
use crate::api::Service;

/// What a replay needs besides the body: put in its stored form only when something fails.
#[derive(Clone, Debug)]
pub(crate) enum KeepMeta {
    /// A message of the bus, its envelope without data.
    Message(Box<(Flux, String, Origin, Envelope)>),
    /// Another input.
    Other(FailureMeta),
}

impl KeepMeta {
    /// The stored form.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Message(message) => {
                let (flux, routing_key, origin, envelope) = &**message;
                meta_text(&FailureMeta::Message {
                    exchange: flux.exchange().to_owned(),
                    routing_key: routing_key.clone(),
                    agence: match origin {
                        Origin::Agence(agence) => Some(agence.to_string()),
                        Origin::Relais => None,
                    },
                    envelope: envelope.to_structured(),
                })
            }
            Self::Other(meta) => meta_text(meta),
        }
    }
}

impl<S: Service> Item<S> {
    /// Makes a kept failure ready to be decided again.
    pub(super) fn from_failure(failure: FailureRow) -> Self {
        let id = failure.id;
        let text = String::from_utf8_lossy(&failure.body).into_owned();
        let mut item = match serde_json::from_str::<FailureMeta>(&failure.meta) {
            Ok(FailureMeta::Message { exchange, routing_key, agence, envelope }) => {
                let origin =
                    agence.and_then(|a| a.parse().ok()).map_or(Origin::Relais, Origin::Agence);
                replayed_message(&exchange, &routing_key, &envelope, failure.body, &origin)
            }
            Ok(FailureMeta::Input { id, key, wake, cause, correlation_id }) => {
                let kind = if wake.is_some() { InputKind::Wake } else { InputKind::Event };
                let context = RowContext { traceparent: None, correlation_id };
                let row = InputRow {
                    id,
                    key,
                    kind,
                    name: wake.unwrap_or_default(),
                    due_at: failure.first_seen,
                    body: text,
                    cause,
                    context,
                };
                Self::from_input(Leased { lease: 0, row }, None)
            }
            Ok(FailureMeta::Ask { answered, .. }) if !answered => rearm(&failure),
            Ok(FailureMeta::Ask { .. }) => match ask_of(&failure) {
                Some(ask) => Self::answer(&ask, text),
                None => close_only(&failure),
            },
            Ok(FailureMeta::Outbox { .. }) | Err(_) => close_only(&failure),
        };
        item.settle = Settle::Nothing;
        item.mark = None;
        item.replays = Some(id);
        item
    }
}

fn replayed_message<S: Service>(
    exchange: &str,
    routing_key: &str,
    envelope: &serde_json::Value,
    body: Vec<u8>,
    origin: &Origin,
) -> Item<S> {
    let structured = serde_json::to_vec(envelope).unwrap_or_default();
    let mut envelope = Envelope::from_structured(&structured).unwrap_or_else(|_| Envelope {
        id: String::new(),
        source: String::new(),
        message_type: String::new(),
        subject: None,
        time: DateTime::<Utc>::UNIX_EPOCH,
        sequence: None,
        correlation_id: None,
        causation_id: None,
        traceparent: None,
        data: Vec::new(),
    });
    envelope.data = body;
    Item::message(exchange_flux(exchange), routing_key, envelope, origin, None)
}

fn rearm<S: Service>(failure: &FailureRow) -> Item<S> {
    let ready = ask_of(failure).map(|ask| Ready::Rearm(Box::new(ask)));
    bare(failure, ready.unwrap_or(Ready::CloseOnly))
}

fn close_only<S: Service>(failure: &FailureRow) -> Item<S> {
    bare(failure, Ready::CloseOnly)
}

fn bare<S: Service>(failure: &FailureRow, ready: Ready<S>) -> Item<S> {
    Item {
        key: String::new(),
        mark: None,
        cause: failure.id.to_string(),
        context: RowContext::default(),
        kind: failure.kind.clone(),
        happened: None,
        settle: Settle::Nothing,
        body: Ok(ready),
        keep: Keep {
            origin: "event",
            body: Vec::new(),
            meta: KeepMeta::Other(FailureMeta::Outbox { id: failure.id }),
        },
        replays: Some(failure.id),
    }
}

fn ask_of(failure: &FailureRow) -> Option<store::AskRow> {
    match serde_json::from_str(&failure.meta).ok()? {
        FailureMeta::Ask {
            id, key, kind, agency, ask, created_at, cause, correlation_id, ..
        } => Some(store::AskRow {
            id,
            key,
            kind,
            agency,
            body: ask,
            due_at: created_at,
            created_at,
            attempts: 0,
            ambiguous: false,
            last_error: None,
            cause,
            context: RowContext { traceparent: None, correlation_id },
        }),
        FailureMeta::Message { .. } | FailureMeta::Input { .. } | FailureMeta::Outbox { .. } => {
            None
        }
    }
}
