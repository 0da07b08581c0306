//! The messages of the bench, as a service of Relais would publish them: a 600-byte body and the
//! attributes of the envelope.

use contracts::{
    DossierId, Envelope, Flux, Message,
    messages::{CandidatureRetiree, PanneClose},
};
use kernel::Clock;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

/// Bytes of a body.
const CORPS: usize = 600;
/// Who publishes them.
const SOURCE: &str = "ds-intake";
/// What a message that comes in has besides its filling, and one that goes out.
const AUTOUR: [usize; 2] = [42, 59];

/// The filling of a message that comes in.
fn remplissage() -> String {
    "x".repeat(CORPS - AUTOUR[0])
}

/// The filling of a message that goes out.
pub(crate) fn remplissage_effet() -> String {
    "x".repeat(CORPS - AUTOUR[1])
}

/// The `n`th message of a run: about one of `dossiers` dossiers, each in turn.
pub(crate) fn entree(run: &str, n: u64, dossiers: u64, ecart: u64) -> Envelope {
    let dossier = DossierId(1 + (n % dossiers) * ecart);
    let body = CandidatureRetiree { dossier, rpps: None, cause: remplissage() };
    let id = kernel::derive_id(&[run, &n.to_string()]);
    let (source, now) = (format!("/relais/{SOURCE}"), Clock::system().now());
    Envelope { sequence: Some(n), ..Envelope::of(id, source, now, &body) }
}

/// The routing keys of what goes in and of what comes out.
pub(crate) const CLE_ENTREE: &str = CandidatureRetiree::TYPE;
pub(crate) const CLE_EFFET: &str = PanneClose::TYPE;

/// The exchange of both, under the bench's prefix.
pub(crate) fn echange(prefixe: &str) -> String {
    format!("{prefixe}{}", Flux::Evenements.exchange())
}

/// A message's properties, attribute by attribute as `bus` writes them.
pub(crate) fn proprietes(envelope: &Envelope) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut put = |name: &str, value: String| {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    };
    let time = envelope.time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    put("cloudEvents_specversion", "1.0".to_owned());
    put("cloudEvents_id", envelope.id.clone());
    put("cloudEvents_source", envelope.source.clone());
    put("cloudEvents_type", envelope.message_type.clone());
    put("cloudEvents_subject", envelope.subject.clone().unwrap_or_default());
    put("cloudEvents_time", time);
    put("cloudEvents_sequence", envelope.sequence_text().unwrap_or_default());
    put("cloudEvents_correlationid", envelope.correlation_id.clone().unwrap_or_default());
    put("cloudEvents_dataschema", envelope.dataschema());
    put("relais_identite", SOURCE.to_owned());
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_message_id(envelope.id.as_str().into())
        .with_type(envelope.message_type.as_str().into())
        .with_app_id(SOURCE.into())
        .with_headers(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_size() {
        let body = entree("essai", 12, 10_000, 1).data.len();
        assert!((CORPS - 10..=CORPS + 10).contains(&body), "{body}");
        let effet = PanneClose { panne: uuid::Uuid::nil(), issue: remplissage_effet() };
        let body = serde_json::to_vec(&effet).expect("encodes").len();
        assert!((CORPS - 10..=CORPS + 10).contains(&body), "{body}");
    }
}
