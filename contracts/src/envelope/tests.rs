use proptest::prelude::*;
use serde_json::json;

use super::*;

fn minimal() -> Value {
    json!({
        "specversion": "1.0", "id": "1", "source": "/relais/ds-intake", "type": "x.v1",
        "time": "2026-01-05T08:00:00Z", "data": { "a": 1 }
    })
}

fn read(value: &Value) -> Result<Envelope, EnvelopeError> {
    Envelope::from_structured(value.to_string().as_bytes())
}

#[test]
fn what_is_missing_or_of_another_type_is_named() {
    assert!(read(&minimal()).is_ok());
    for name in ["specversion", "id", "source", "type", "time", "data"] {
        let mut less = minimal();
        less.as_object_mut().expect("an object").remove(name);
        assert!(matches!(read(&less), Err(EnvelopeError::Attribute(n)) if n == name));
    }
    for (name, value) in [
        ("specversion", json!("0.3")),
        ("id", json!(1)),
        ("time", json!("hier")),
        ("sequence", json!("douze")),
    ] {
        let mut wrong = minimal();
        wrong[name] = value;
        assert!(matches!(read(&wrong), Err(EnvelopeError::Attribute(n)) if n == name));
    }
    assert!(matches!(Envelope::from_structured(b"{"), Err(EnvelopeError::Json(_))));
    assert!(Envelope::from_structured(b"[]").is_err());
}

#[test]
fn a_body_that_is_not_json_travels_as_its_text() {
    let mut envelope = read(&minimal()).expect("ours");
    envelope.data = b"pas du \xff JSON".to_vec();
    assert_eq!(envelope.to_structured()["data"], "pas du \u{fffd} JSON");
}

#[test]
fn sequences_sort_as_texts() {
    let mut envelope = read(&minimal()).expect("ours");
    assert_eq!(envelope.sequence_text(), None);
    let mut text = |n| {
        envelope.sequence = Some(n);
        envelope.sequence_text().expect("set")
    };
    assert_eq!(text(7), "00000000000000000007");
    assert!(text(9) < text(10) && text(10) < text(u64::MAX));
}

fn optional() -> impl Strategy<Value = Option<String>> {
    prop::option::of("\\PC{0,20}")
}

proptest! {
    #[test]
    fn structured_mode_loses_nothing(
        (id, source, message_type) in ("\\PC{1,20}", "\\PC{1,20}", "[a-z.-]{1,20}"),
        (subject, correlation_id, causation_id, traceparent) in
            (optional(), optional(), optional(), optional()),
        sequence in prop::option::of(any::<u64>()),
        (seconds, nanos) in (0_i64..4_000_000_000, 0_u32..1_000_000_000),
        body in prop::collection::btree_map("\\PC{0,8}", any::<i64>(), 0..5),
    ) {
        let envelope = Envelope {
            id, source, message_type, subject, sequence, correlation_id, causation_id, traceparent,
            time: DateTime::from_timestamp(seconds, nanos).expect("in range"),
            data: serde_json::to_vec(&json!(body)).expect("JSON"),
        };
        let again = read(&envelope.to_structured()).expect("ours");
        prop_assert_eq!(again, envelope);
    }

    #[test]
    fn any_bytes_are_refused_or_read_never_a_panic(text in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Envelope::from_structured(&text);
    }
}
