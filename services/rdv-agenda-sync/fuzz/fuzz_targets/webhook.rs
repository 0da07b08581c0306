//! Whatever is posted to the webhook, reading it ends, and so does what is computed from it:
//! `cargo +nightly fuzz run webhook` in this folder's parent. The bounded run of the normal tests is
//! `tests/fuzz.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rdv_agenda_sync::{
    planning::Ouvertures,
    webhook::{Fait, Lecture, lire},
};

fuzz_target!(|bytes: &[u8]| {
    let Lecture::Observation(vue) = lire(bytes) else { return };
    let mut ouvertures = Ouvertures::default();
    match vue.fait {
        Fait::Plage(plage) => {
            ouvertures.plages.entry(vue.id).or_default().noter(vue.horodatage, plage);
        }
        Fait::Absence(absence) => {
            ouvertures.absences.entry(vue.id).or_default().noter(vue.horodatage, absence);
        }
        Fait::Rdv(_) | Fait::Role(_) => return,
    }
    let (du, au) = ("2026-01-01".parse().expect("a day"), "2026-06-01".parse().expect("a day"));
    let _ = ouvertures.creneaux(du, au);
});
