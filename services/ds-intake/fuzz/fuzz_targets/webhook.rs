//! Whatever is posted to the webhook, or given as a cursor, reading it ends.
#![no_main]

use ds_intake::{webhook, wire::dossier_du_curseur};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = webhook::demarche(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = dossier_du_curseur(text);
    }
});
