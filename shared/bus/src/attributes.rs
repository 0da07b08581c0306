//! CloudEvents attributes as they are received: what is missing or invalid becomes a rejection,
//! with everything that could be read.

use chrono::{DateTime, Utc};
use contracts::Envelope;
use sha2::{Digest, Sha256};

use crate::Rejection;

/// Stands for a source that was not given.
const UNKNOWN_SOURCE: &str = "/inconnue";

/// Attributes before they are judged; empty texts count as absent. What is parsed is borrowed.
#[derive(Debug, Default)]
pub(crate) struct Raw<'a> {
    pub(crate) specversion: Option<&'a str>,
    pub(crate) id: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) message_type: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<&'a str>,
    pub(crate) sequence: Option<&'a str>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) causation_id: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) data: Vec<u8>,
}

impl Raw<'_> {
    /// Makes an envelope out of what there is. An absent id is derived from the routing key and
    /// the body, so that it is the same at each delivery; an absent time is `fallback_time`.
    pub(crate) fn assemble(
        self,
        routing_key: &str,
        fallback_time: DateTime<Utc>,
    ) -> (Envelope, Option<Rejection>) {
        let mut wrong = Vec::new();
        let mut required = |name: &'static str, value: Option<String>| {
            let value = value.filter(|text| !text.is_empty() && is_storable(text));
            if value.is_none() {
                wrong.push(name);
            }
            value
        };
        let id = required("id", self.id);
        let source = required("source", self.source);
        let message_type = required("type", self.message_type);
        let time = self.time.map(str::parse);
        if self.specversion != Some("1.0") {
            wrong.push("specversion");
        }
        if !matches!(time, Some(Ok(_))) {
            wrong.push("time");
        }
        let mut optional = |name: &'static str, value: Option<String>| {
            if value.as_deref().is_none_or(is_storable) {
                return value;
            }
            wrong.push(name);
            None
        };
        let subject = optional("subject", self.subject);
        let correlation_id = optional("correlationid", self.correlation_id);
        let causation_id = optional("causationid", self.causation_id);
        let traceparent = optional("traceparent", self.traceparent);
        let sequence = self.sequence.map(str::parse);
        if matches!(sequence, Some(Err(_))) {
            wrong.push("sequence");
        }
        let envelope = Envelope {
            id: id.unwrap_or_else(|| derived_id(routing_key, &self.data)),
            source: source.unwrap_or_else(|| UNKNOWN_SOURCE.to_owned()),
            message_type: message_type.unwrap_or_default(),
            subject,
            time: time.and_then(Result::ok).unwrap_or(fallback_time),
            sequence: sequence.and_then(Result::ok),
            correlation_id,
            causation_id,
            traceparent,
            data: self.data,
        };
        let rejection = (!wrong.is_empty()).then(|| invalid(&wrong));
        (envelope, rejection)
    }
}

/// Judges an envelope that was not read from headers.
pub(crate) fn complete(envelope: Envelope, routing_key: &str) -> (Envelope, Option<Rejection>) {
    let required = [&envelope.id, &envelope.source, &envelope.message_type];
    let optional = [
        &envelope.subject,
        &envelope.correlation_id,
        &envelope.causation_id,
        &envelope.traceparent,
    ];
    if required.iter().all(|t| !t.is_empty() && is_storable(t))
        && optional.into_iter().flatten().all(|t| is_storable(t))
    {
        return (envelope, None);
    }
    let time = envelope.time;
    let (text, sequence) = (time.to_rfc3339(), envelope.sequence.map(|n| n.to_string()));
    let raw = Raw {
        specversion: Some("1.0"),
        id: Some(envelope.id),
        source: Some(envelope.source),
        message_type: Some(envelope.message_type),
        subject: envelope.subject,
        time: Some(&text),
        sequence: sequence.as_deref(),
        correlation_id: envelope.correlation_id,
        causation_id: envelope.causation_id,
        traceparent: envelope.traceparent,
        data: envelope.data,
    };
    raw.assemble(routing_key, time)
}

/// A NUL is not stored by PostgreSQL: an attribute that has one would be refused with its batch,
/// and again as a failure.
fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

fn invalid(wrong: &[&str]) -> Rejection {
    Rejection {
        code: "enveloppe-invalide",
        reason: format!("attributes missing or invalid: {}", wrong.join(", ")),
    }
}

fn derived_id(routing_key: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update((routing_key.len() as u64).to_be_bytes());
    hash.update(routing_key.as_bytes());
    hash.update(body);
    format!("sans-id-{}", hex::encode(&hash.finalize()[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_the_rest_is_kept() {
        let now = "2026-01-05T08:00:00Z".parse().expect("an instant");
        let raw = || Raw {
            specversion: Some("1.0"),
            source: Some("/agences/cpam-631".to_owned()),
            sequence: Some("douze"),
            data: vec![0xff, 0x00],
            ..Raw::default()
        };
        let (envelope, rejection) = raw().assemble("cpam.631.x.v1", now);
        let rejection = rejection.expect("a rejection");
        assert_eq!(rejection.code, "enveloppe-invalide");
        assert!(rejection.reason.ends_with("id, type, time, sequence"), "{}", rejection.reason);
        assert_eq!(envelope.source, "/agences/cpam-631");
        assert_eq!(envelope.data, vec![0xff, 0x00]);
        assert_eq!(envelope.time, now);
        assert_eq!(envelope.id, raw().assemble("cpam.631.x.v1", now).0.id);
        assert_ne!(envelope.id, raw().assemble("cpam.632.x.v1", now).0.id);
    }
}
