//! Whatever is posted to the webhook, reading it ends, and so does what is computed from it:
//! `just fuzz rdv-agenda-sync webhook`. The bounded run of the normal tests is `tests/fuzz.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| rdv_agenda_sync::webhook::epreuve::eprouver(octets));
