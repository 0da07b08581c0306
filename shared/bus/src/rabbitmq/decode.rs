//! From an AMQP message to a [`Delivery`](crate::Delivery)'s content, and back: CloudEvents binary
//! mode in `cloudEvents_*` headers, native properties filled as well. Structured mode is read.

use chrono::{DateTime, Utc};
use contracts::{Envelope, Flux};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use crate::{
    Identity, Origin, Rejection,
    attributes::Raw,
    identity::{judge, origin_of_user},
    spent_deliveries,
};

/// Prefix of the attributes' headers; the underscore is what the CloudEvents AMQP binding prefers.
const ATTRIBUTE: &str = "cloudEvents_";
/// Says who published, where every connection has the same user (demo and tests only).
pub(super) const IDENTITY_HEADER: &str = "relais_identite";
const STRUCTURED: &str = "application/cloudevents+json";
const PERSISTENT: u8 = 2;

/// What an AMQP message says.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) flux: Flux,
    pub(super) routing_key: String,
    pub(super) envelope: Envelope,
    pub(super) origin: Origin,
    pub(super) rejection: Option<Rejection>,
}

/// How to read: the names' prefix, and where to look for the publisher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) prefix: &'a str,
    pub(super) identity_header: bool,
    pub(super) dead_letters: bool,
    pub(super) now: DateTime<Utc>,
}

impl Reading<'_> {
    /// Reads one message. Nothing is refused here: a rejection goes along with what was read.
    pub(super) fn decode(
        self,
        exchange: &str,
        routing_key: &str,
        properties: &BasicProperties,
        body: Vec<u8>,
    ) -> Decoded {
        let headers = properties.headers().as_ref();
        let death = headers.filter(|_| self.dead_letters).and_then(first_death);
        let (exchange, routing_key) =
            death.unwrap_or_else(|| (exchange.to_owned(), routing_key.to_owned()));
        let flux = exchange.strip_prefix(self.prefix).and_then(flux_of);
        let user = if self.identity_header {
            headers.and_then(|headers| headers.inner().get(IDENTITY_HEADER).and_then(text_of))
        } else {
            properties.user_id().as_ref().map(ShortString::as_str)
        };
        let origin = origin_of_user(user);
        let timestamp = properties.timestamp().and_then(|t| i64::try_from(t).ok());
        let fallback = timestamp.and_then(|t| DateTime::from_timestamp(t, 0)).unwrap_or(self.now);
        let is_structured = properties
            .content_type()
            .as_ref()
            .is_some_and(|kind| kind.as_str().starts_with(STRUCTURED));
        let (envelope, invalid) = if is_structured {
            structured(body, &routing_key, fallback)
        } else {
            binary(headers, body).assemble(&routing_key, fallback)
        };
        let rejection = self
            .dead_letters
            .then(spent_deliveries)
            .or_else(|| headers.and_then(carbon_copies))
            .or(invalid)
            .or_else(|| flux.is_none().then(unknown_exchange))
            .or_else(|| judge(flux?, &routing_key, &envelope.source, &origin).err());
        let flux = flux.unwrap_or(Flux::Evenements);
        Decoded { flux, routing_key, envelope, origin, rejection }
    }
}

/// The properties of a message on its way out; `None` when a text is too long for AMQP.
pub(super) fn properties(
    envelope: &Envelope,
    identity: &Identity,
    user: Option<&str>,
) -> Option<BasicProperties> {
    let mut headers = FieldTable::default();
    let mut put = |name: &'static str, value: Option<LongString>| {
        if let Some(value) = value {
            headers.insert(name.into(), AMQPValue::LongString(value));
        }
    };
    let time = envelope.time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    let optional = |text: &Option<String>| text.clone().map(LongString::from);
    let attributes = [
        ("cloudEvents_specversion", Some("1.0".into())),
        ("cloudEvents_id", Some(envelope.id.as_str().into())),
        ("cloudEvents_source", Some(envelope.source.as_str().into())),
        ("cloudEvents_type", Some(envelope.message_type.as_str().into())),
        ("cloudEvents_subject", optional(&envelope.subject)),
        ("cloudEvents_time", Some(time.into())),
        ("cloudEvents_sequence", envelope.sequence_text().map(LongString::from)),
        ("cloudEvents_correlationid", optional(&envelope.correlation_id)),
        ("cloudEvents_causationid", optional(&envelope.causation_id)),
        ("cloudEvents_traceparent", optional(&envelope.traceparent)),
        ("cloudEvents_dataschema", Some(envelope.dataschema().into())),
    ];
    for (name, value) in attributes {
        put(name, value);
    }
    if user.is_none() {
        put(IDENTITY_HEADER, Some(identity.user().into()));
    }
    let mut properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(short(&envelope.id)?)
        .with_type(short(&envelope.message_type)?)
        .with_timestamp(u64::try_from(envelope.time.timestamp()).unwrap_or(0))
        .with_app_id(short(&identity.user())?)
        .with_headers(headers);
    if let Some(correlation) = &envelope.correlation_id {
        properties = properties.with_correlation_id(short(correlation)?);
    }
    if let Some(user) = user {
        properties = properties.with_user_id(short(user)?);
    }
    Some(properties)
}

/// A text of at most 255 bytes.
pub(super) fn short(text: &str) -> Option<ShortString> {
    ShortString::try_new(text).ok()
}

fn text_of(value: &AMQPValue) -> Option<&str> {
    if let Some(text) = value.as_long_string() {
        return std::str::from_utf8(text.as_bytes()).ok();
    }
    value.as_short_string().map(ShortString::as_str)
}

fn binary(headers: Option<&FieldTable>, data: Vec<u8>) -> Raw<'_> {
    let mut raw = Raw { data, ..Raw::default() };
    let Some(headers) = headers else { return raw };
    for (name, value) in headers.inner() {
        let Some(name) = name.as_str().strip_prefix(ATTRIBUTE) else { continue };
        let text = text_of(value);
        let owned = || text.map(str::to_owned);
        match name {
            "specversion" => raw.specversion = text,
            "id" => raw.id = owned(),
            "source" => raw.source = owned(),
            "type" => raw.message_type = owned(),
            "subject" => raw.subject = owned(),
            "time" => raw.time = text,
            "sequence" => raw.sequence = text,
            "correlationid" => raw.correlation_id = owned(),
            "causationid" => raw.causation_id = owned(),
            "traceparent" => raw.traceparent = owned(),
            _ => {}
        }
    }
    raw
}

fn structured(
    body: Vec<u8>,
    routing_key: &str,
    fallback: DateTime<Utc>,
) -> (Envelope, Option<Rejection>) {
    match Envelope::from_structured(&body) {
        Ok(envelope) => crate::attributes::complete(envelope, routing_key),
        Err(error) => {
            let raw = Raw { data: body, ..Raw::default() };
            let (envelope, _) = raw.assemble(routing_key, fallback);
            let reason = format!("structured mode: {error}");
            (envelope, Some(Rejection { code: "enveloppe-invalide", reason }))
        }
    }
}

/// `CC` escapes topic permissions (RabbitMQ, « Sender-selected distribution »); `BCC` too, but the
/// broker removes it before it delivers: the key that is delivered is still the sender's own.
fn carbon_copies(headers: &FieldTable) -> Option<Rejection> {
    (headers.contains_key("CC") || headers.contains_key("BCC")).then(|| Rejection {
        code: "cc-interdit",
        reason: "a message with a CC or BCC header".to_owned(),
    })
}

fn unknown_exchange() -> Rejection {
    Rejection {
        code: "echange-inconnu",
        reason: "published on another exchange than those of Relais".to_owned(),
    }
}

fn flux_of(exchange: &str) -> Option<Flux> {
    [Flux::Evenements, Flux::Demandes, Flux::Reponses]
        .into_iter()
        .find(|f| f.exchange() == exchange)
}

/// Where a dead letter was first published: the oldest entry of `x-death` (newest first).
fn first_death(headers: &FieldTable) -> Option<(String, String)> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(oldest) = deaths.as_slice().last()? else { return None };
    let exchange = text_of(oldest.inner().get("exchange")?)?;
    let AMQPValue::FieldArray(keys) = oldest.inner().get("routing-keys")? else { return None };
    Some((exchange.to_owned(), text_of(keys.as_slice().first()?)?.to_owned()))
}
