//! The envelope: CloudEvents 1.0. Binary mode on AMQP (headers in `bus`), structured mode here,
//! for files and HTTP.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::messages::Message;

/// CloudEvents attributes and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Unique with `source`.
    pub id: String,
    /// `/relais/<service>` or `/agences/<family>-<code>`.
    pub source: String,
    /// The type of message.
    pub message_type: String,
    /// The thing whose whole state it carries.
    pub subject: Option<String>,
    /// When it was first written; never changes on re-send.
    pub time: DateTime<Utc>,
    /// The publisher's version of the subject; facts only.
    pub sequence: Option<u64>,
    /// The dossier.
    pub correlation_id: Option<String>,
    /// The id of the message or event that caused it.
    pub causation_id: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The JSON body, as it was received.
    pub data: Vec<u8>,
}

/// Why a text is not a structured CloudEvent of ours.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON.
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    /// An attribute is missing or of the wrong type.
    #[error("attribute {0} is missing or invalid")]
    Attribute(&'static str),
}

/// URI of the schema of a message type.
pub(crate) fn dataschema(message_type: &str) -> String {
    format!("urn:relais:schema:{message_type}")
}

impl Envelope {
    /// What carries a message, and nothing that the message does not say: no `sequence`, no cause.
    pub fn of<M: Message>(
        id: impl Into<String>,
        source: impl Into<String>,
        time: DateTime<Utc>,
        message: &M,
    ) -> Self {
        Self {
            id: id.into(),
            source: source.into(),
            message_type: M::TYPE.to_owned(),
            subject: Some(message.subject()),
            time,
            sequence: None,
            correlation_id: message.dossier().map(|dossier| dossier.to_string()),
            causation_id: None,
            traceparent: None,
            data: serde_json::to_vec(message).expect("messages encode"),
        }
    }

    /// URI of the schema of a message type.
    pub fn dataschema(&self) -> String {
        dataschema(&self.message_type)
    }

    /// `sequence` as it travels: 20 digits.
    pub fn sequence_text(&self) -> Option<String> {
        self.sequence.map(|n| format!("{n:020}"))
    }

    /// Structured mode (`application/cloudevents+json`). A body that is not JSON travels as its text,
    /// with what is not UTF-8 replaced: such a body is a failure row, which keeps the bytes.
    pub fn to_structured(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                map.insert(name.to_owned(), Value::String(value));
            }
        };
        put("specversion", Some("1.0".to_owned()));
        put("id", Some(self.id.clone()));
        put("source", Some(self.source.clone()));
        put("type", Some(self.message_type.clone()));
        put("subject", self.subject.clone());
        put("time", Some(self.time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)));
        put("sequence", self.sequence_text());
        put("correlationid", self.correlation_id.clone());
        put("causationid", self.causation_id.clone());
        put("traceparent", self.traceparent.clone());
        put("dataschema", Some(self.dataschema()));
        put("datacontenttype", Some("application/json".to_owned()));
        match serde_json::from_slice::<Value>(&self.data) {
            Ok(data) => map.insert("data".to_owned(), data),
            Err(_) => map.insert(
                "data".to_owned(),
                Value::String(String::from_utf8_lossy(&self.data).into_owned()),
            ),
        };
        Value::Object(map)
    }

    /// Reads structured mode.
    ///
    /// # Errors
    /// [`EnvelopeError`] when a required attribute is missing or of the wrong type.
    pub fn from_structured(text: &[u8]) -> Result<Self, EnvelopeError> {
        let value: Value = serde_json::from_slice(text)?;
        let get = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let required = |name: &'static str| get(name).ok_or(EnvelopeError::Attribute(name));
        if required("specversion")? != "1.0" {
            return Err(EnvelopeError::Attribute("specversion"));
        }
        let data = value.get("data").ok_or(EnvelopeError::Attribute("data"))?;
        Ok(Self {
            id: required("id")?,
            source: required("source")?,
            message_type: required("type")?,
            subject: get("subject"),
            time: required("time")?.parse().map_err(|_| EnvelopeError::Attribute("time"))?,
            sequence: match get("sequence") {
                None => None,
                Some(n) => Some(n.parse().map_err(|_| EnvelopeError::Attribute("sequence"))?),
            },
            correlation_id: get("correlationid"),
            causation_id: get("causationid"),
            traceparent: get("traceparent"),
            data: serde_json::to_vec(data)?,
        })
    }
}

#[cfg(test)]
mod tests;
