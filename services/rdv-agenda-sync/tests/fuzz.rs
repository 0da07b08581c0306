//! A bounded run of what `fuzz/` does without bounds: bodies of RDV Service Public, mutilated. Reading
//! one ends, and so does the computation of what it opens.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rdv_agenda_sync::webhook::{Lecture, epreuve::eprouver, lire};

const CORPS: [&str; 4] = [
    r#"{"data":{"id":41,"agent":{"id":7,"email":"a@b.example"},"first_day":"2026-03-02","start_time":"08:00:00","end_time":"12:00:00","title":"x","lieu":null,"motifs":[],"rrule":"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;UNTIL=20301022T000000;"},"meta":{"model":"PlageOuverture","event":"created","webhook_reason":null,"timestamp":"2026-03-02 12:44:33 +0100"}}"#,
    r#"{"data":{"id":18,"agent":{"id":7,"email":null},"first_day":"2026-03-02","end_day":"2026-03-04","start_time":"08:00","end_time":"15:00:00","rrule":"FREQ=MONTHLY;BYDAY=2WE;"},"meta":{"model":"Absence","event":"updated","webhook_reason":null,"timestamp":"2026-03-02T12:44:33+01:00"}}"#,
    r#"{"data":{"id":10,"status":"seen","starts_at":"2026-03-02 08:00:00 +0100","ends_at":"2026-03-02 08:20:00 +0100","agents":[{"id":7}],"users":[{"first_name":"x"}]},"meta":{"model":"Rdv","event":"destroyed","webhook_reason":"rgpd","timestamp":"2026-03-02 12:44:33 +0100"}}"#,
    r#"{"data":{"id":77,"agent":{"id":7},"access_level":"basic"},"meta":{"model":"AgentRole","event":"created","timestamp":"2026-03-02 12:44:33 +0100"}}"#,
];

/// Pieces that a hostile or broken sender might put anywhere.
const MORCEAUX: [&str; 18] = [
    "FREQ=SECONDLY",
    "FREQ=DAILY;COUNT=4000000000",
    "INTERVAL=0",
    "INTERVAL=65535",
    "BYDAY=53MO,-53SU",
    "UNTIL=99991231",
    "UNTIL=é",
    "0001-01-01",
    "+262142-12-31",
    "-262143-01-01",
    "2199-12-31",
    "24:00:00",
    "9223372036854775808",
    "\"",
    "{\"a\":",
    "\\u0000",
    "null",
    "[[[[",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_mutilated_body_is_read_or_refused_in_time(
        which in 0..CORPS.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, 0..MORCEAUX.len()), 0..4),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut corps = CORPS[which].as_bytes().to_vec();
        for (at, length, piece) in cuts {
            let at = at.index(corps.len());
            let end = (at + length).min(corps.len());
            corps.splice(at..end, MORCEAUX[piece].bytes());
        }
        for (at, byte) in noise {
            let at = at.index(corps.len());
            corps[at] = byte;
        }
        let begun = Instant::now();
        eprouver(&corps);
        prop_assert!(begun.elapsed() < Duration::from_secs(5), "too long");
    }
}

#[test]
fn what_is_not_mutilated_is_read() {
    for corps in CORPS {
        assert!(!matches!(lire(corps.as_bytes()), Lecture::Illisible { .. }), "{corps}");
        eprouver(corps.as_bytes());
    }
    // What rrule cannot slice is refused before it tries.
    let corps = CORPS[0].replace("BYDAY=MO", "BYDAY=Mé");
    assert!(matches!(lire(corps.as_bytes()), Lecture::Illisible { .. }));
    // A series far away, or older than any agenda, is refused instead of computed for ever.
    for day in ["0001-01-01", "+262142-12-31", "-262143-01-01"] {
        let corps = CORPS[0].replace("2026-03-02\",\"start", &format!("{day}\",\"start"));
        assert!(matches!(lire(corps.as_bytes()), Lecture::Illisible { .. }), "{day}");
    }
}
