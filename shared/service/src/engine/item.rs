//! What a batch is made of: inputs made ready to be decided.

use bus::{Delivery, Origin};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Envelope, Flux, Incoming};
use serde::{Deserialize, Serialize};
use store::{AnswerRow, FailureRow, InputKind, InputRow, Leased, Mark, RowContext};
use uuid::Uuid;

use super::{fold::Told, replay::KeepMeta};
use crate::api::{Input, Meta, Service};

/// One input of a batch.
pub(crate) struct Item<S: Service> {
    /// The state it concerns; empty when the input could not be understood.
    pub key: String,
    /// The inbox mark, for messages that are not replayed.
    pub mark: Option<Mark>,
    /// The id of what it is: derived ids hang on it.
    pub cause: String,
    /// Trace context and dossier.
    pub context: RowContext,
    /// The message type, the kind of ask or the kind of input.
    pub kind: String,
    /// When the fact happened, for `relais_critical_seconds`.
    pub happened: Option<DateTime<Utc>>,
    /// What to settle in the store.
    pub settle: Settle,
    /// What to decide, or why it cannot be decided.
    pub body: Result<Ready<S>, Bad>,
    /// What is kept if it fails.
    pub keep: Keep,
    /// The failure that this input replays.
    pub replays: Option<Uuid>,
}

/// A decidable input.
pub(crate) enum Ready<S: Service> {
    /// Decide it.
    Decide(Input<S>),
    /// Put this ask back, as new.
    Rearm(Box<store::AskRow>),
    /// Nothing but closing the replayed failure.
    CloseOnly,
}

/// Why an input cannot be decided.
#[derive(Clone, Debug)]
pub(crate) struct Bad {
    /// Stable code.
    pub code: String,
    /// What is wrong, without values.
    pub reason: String,
}

/// What the store must forget once the input is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Settle {
    /// Nothing: the transport is acknowledged.
    Nothing,
    /// An input row.
    Input(Uuid, i64),
    /// An answered ask.
    Answer(Uuid, i64),
}

/// What a failure row keeps of an input.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    /// `message`, `event`, `wake`, `answer`, `ask`.
    pub origin: &'static str,
    /// The body, as bytes.
    pub body: Vec<u8>,
    /// What a replay needs besides.
    pub meta: KeepMeta,
}

/// What a replay needs besides the body.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub(crate) enum FailureMeta {
    /// A message of the bus.
    Message {
        /// Its exchange.
        exchange: String,
        /// Its routing key.
        routing_key: String,
        /// The agency that published it; absent for a service.
        agence: Option<String>,
        /// Its envelope, in structured mode without data.
        envelope: serde_json::Value,
    },
    /// An event or a wake-up.
    Input {
        /// Its id.
        id: Uuid,
        /// Its key.
        key: String,
        /// The wake-up's reason; absent for an event.
        wake: Option<String>,
        /// The cause it carried.
        cause: String,
        /// The dossier.
        correlation_id: Option<String>,
    },
    /// An answer whose decision failed, or an ask that failed for good.
    Ask {
        /// The ask's id.
        id: Uuid,
        /// The state that asked.
        key: String,
        /// Its kind.
        kind: String,
        /// The agency.
        agency: String,
        /// The ask.
        ask: String,
        /// When it was first asked.
        created_at: DateTime<Utc>,
        /// The cause it carried.
        cause: String,
        /// The dossier.
        correlation_id: Option<String>,
        /// True when the body is an answer to be decided again.
        answered: bool,
    },
    /// A publication that nobody takes; its outbox row stays and is retried by itself.
    Outbox {
        /// The message's id.
        id: Uuid,
    },
}

/// What an operator may read of the metadata of a failure: where it comes from, without what was
/// asked, which may name a person.
pub(crate) fn context(meta: &str) -> serde_json::Value {
    use serde_json::json;
    match serde_json::from_str(meta) {
        Ok(FailureMeta::Message { exchange, routing_key, agence, envelope }) => json!({
            "echange": exchange, "cle_de_routage": routing_key, "agence": agence,
            "enveloppe": envelope,
        }),
        Ok(FailureMeta::Input { id, key, wake, cause, correlation_id }) => json!({
            "entree": id, "cle": key, "reveil": wake, "cause": cause, "dossier": correlation_id,
        }),
        Ok(FailureMeta::Ask {
            id,
            key,
            kind,
            agency,
            created_at,
            cause,
            correlation_id,
            answered,
            ..
        }) => json!({
            "demande": id, "cle": key, "genre": kind, "agence": agency,
            "demandee_le": created_at, "cause": cause, "dossier": correlation_id,
            "repondue": answered,
        }),
        Ok(FailureMeta::Outbox { id }) => json!({ "message": id }),
        Err(_) => serde_json::Value::Null,
    }
}

/// How long the inbox remembers, in days: longer than any replay of the broker or of an operator.
pub(crate) const INBOX_DAYS: i64 = 90;

pub(crate) fn exchange_flux(exchange: &str) -> Flux {
    [Flux::Demandes, Flux::Reponses]
        .into_iter()
        .find(|f| f.exchange() == exchange)
        .unwrap_or(Flux::Evenements)
}

impl<S: Service> Item<S> {
    /// The input is a row of the store, not a message that would be lost with its acknowledgement.
    pub(super) fn is_in_store(&self) -> bool {
        !matches!(self.settle, Settle::Nothing)
    }

    /// Makes a delivery ready.
    pub(crate) fn from_delivery(delivery: Delivery, now: DateTime<Utc>) -> Self {
        let Delivery { flux, routing_key, mut envelope, origin, rejection, .. } = delivery;
        if let Origin::Agence(agence) = &origin {
            // The authenticated agency is the source, whatever the envelope says.
            envelope.source = agence.source();
        }
        let mark = Mark {
            day: envelope.time.date_naive(),
            source: envelope.source.clone(),
            id: envelope.id.clone(),
        };
        let bad = match rejection {
            Some(r) => Some(Bad { code: r.code.to_owned(), reason: r.reason }),
            None => absurd_time(envelope.time, now),
        };
        let mut item = Self::message(flux, &routing_key, envelope, &origin, bad);
        item.mark = Some(mark);
        item
    }

    pub(super) fn message(
        flux: Flux,
        routing_key: &str,
        mut envelope: Envelope,
        origin: &Origin,
        bad: Option<Bad>,
    ) -> Self {
        let data = std::mem::take(&mut envelope.data);
        let decoded = match bad {
            Some(bad) => Err(bad),
            None => S::Message::decode(&envelope.message_type, &data)
                .map_err(|e| Bad { code: e.code().to_owned(), reason: describe(&e) }),
        };
        let key = decoded.as_ref().map_or_else(|_| String::new(), S::key);
        let body = decoded.map(|message| {
            let meta = Meta {
                id: envelope.id.clone(),
                source: envelope.source.clone(),
                time: envelope.time,
                subject: envelope.subject.clone(),
                sequence: envelope.sequence,
            };
            Ready::Decide(Input::Message { message, origin: origin.clone(), meta })
        });
        Self {
            key,
            mark: None,
            cause: format!("{} {}", envelope.source, envelope.id),
            context: RowContext {
                traceparent: envelope.traceparent.clone(),
                correlation_id: envelope.correlation_id.clone(),
            },
            kind: envelope.message_type.clone(),
            happened: Some(envelope.time),
            settle: Settle::Nothing,
            body,
            keep: Keep {
                origin: "message",
                body: data,
                meta: KeepMeta::Message(Box::new((
                    flux,
                    routing_key.to_owned(),
                    origin.clone(),
                    envelope,
                ))),
            },
            replays: None,
        }
    }

    /// Makes an input row ready; a replay needs the failure that it names.
    pub(crate) fn from_input(leased: Leased<InputRow>, failure: Option<FailureRow>) -> Self {
        let Leased { lease, row } = leased;
        let settle = Settle::Input(row.id, lease);
        if row.kind == InputKind::Replay {
            let mut item = match failure {
                Some(failure) => Self::from_failure(failure),
                None => Self::event_of(&row, Ok(Ready::CloseOnly)),
            };
            item.settle = settle;
            return item;
        }
        let body = match row.kind {
            InputKind::Wake => Ok(Ready::Decide(Input::Wake { reason: row.name.clone() })),
            InputKind::Event | InputKind::Replay => serde_json::from_str(&row.body)
                .map(|event| Ready::Decide(Input::Event(event)))
                .map_err(|e| Bad { code: "evenement-illisible".to_owned(), reason: describe(&e) }),
        };
        let mut item = Self::event_of(&row, body);
        item.settle = settle;
        item
    }

    /// Makes ready what another state of the service told.
    pub(super) fn told(told: Told<S>) -> Self {
        Self::event_of(&told.row, Ok(Ready::Decide(Input::Event(told.event))))
    }

    fn event_of(row: &InputRow, body: Result<Ready<S>, Bad>) -> Self {
        let wake = (row.kind == InputKind::Wake).then(|| row.name.clone());
        Self {
            key: row.key.clone(),
            mark: None,
            cause: match &wake {
                // A wake-up replaced and fired again at another instant is another cause.
                Some(reason) => format!("wake {reason} {}", row.due_at.timestamp_micros()),
                None => row.id.to_string(),
            },
            context: row.context.clone(),
            kind: wake.clone().unwrap_or_else(|| "event".to_owned()),
            happened: None,
            settle: Settle::Nothing,
            body,
            keep: Keep {
                origin: if wake.is_some() { "wake" } else { "event" },
                body: row.body.clone().into_bytes(),
                meta: KeepMeta::Other(FailureMeta::Input {
                    id: row.id,
                    key: row.key.clone(),
                    wake,
                    cause: row.cause.clone(),
                    correlation_id: row.context.correlation_id.clone(),
                }),
            },
            replays: None,
        }
    }

    /// Makes an answered ask ready.
    pub(crate) fn from_answer(leased: Leased<AnswerRow>) -> Self {
        let Leased { lease, row: AnswerRow { ask, answer } } = leased;
        let settle = Settle::Answer(ask.id, lease);
        let mut item = Self::answer(&ask, answer);
        item.settle = settle;
        item
    }

    pub(super) fn answer(ask: &store::AskRow, answer: String) -> Self {
        let decoded = serde_json::from_str::<S::Ask>(&ask.body)
            .and_then(|a| serde_json::from_str::<S::Answer>(&answer).map(|b| (a, b)));
        let body = decoded
            .map(|(question, answer)| {
                Ready::Decide(Input::Answer { ask: question, answer, id: ask.id })
            })
            .map_err(|e| Bad { code: "reponse-illisible".to_owned(), reason: describe(&e) });
        Self {
            key: ask.key.clone(),
            mark: None,
            cause: format!("answer {}", ask.id),
            context: ask.context.clone(),
            kind: ask.kind.clone(),
            happened: None,
            settle: Settle::Nothing,
            body,
            keep: Keep {
                origin: "answer",
                body: answer.into_bytes(),
                meta: KeepMeta::Other(ask_meta(ask, true)),
            },
            replays: None,
        }
    }
}

/// What a failure keeps of an ask.
pub(crate) fn ask_meta(ask: &store::AskRow, answered: bool) -> FailureMeta {
    FailureMeta::Ask {
        id: ask.id,
        key: ask.key.clone(),
        kind: ask.kind.clone(),
        agency: ask.agency.clone(),
        ask: ask.body.clone(),
        created_at: ask.created_at,
        cause: ask.cause.clone(),
        correlation_id: ask.context.correlation_id.clone(),
        answered,
    }
}

/// An envelope's `time` outside what the inbox can deduplicate is a failure.
fn absurd_time(time: DateTime<Utc>, now: DateTime<Utc>) -> Option<Bad> {
    let ahead = time > now + TimeDelta::days(1);
    let old = time < now - TimeDelta::days(INBOX_DAYS);
    (ahead || old).then(|| Bad {
        code: "date-absurde".to_owned(),
        reason: "time is more than a day ahead, or older than the inbox remembers".to_owned(),
    })
}

/// An error and its causes on one line. Decoders may quote a wrong value: only what stands before
/// the quotation is kept.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let detail = e.to_string();
        text.push_str(": ");
        text.push_str(detail.split(['"', '`']).next().unwrap_or_default());
        cause = e.source();
    }
    text
}
