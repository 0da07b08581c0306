//! What holds of any body: the target of the fuzzer (`fuzz/`), and of a bounded run in the tests.

use super::{Fait, Lecture, lire};
use crate::planning::Ouvertures;

/// Reads a body, and computes five months of what it opens.
///
/// # Panics
/// When a day outside of them comes out.
pub fn eprouver(corps: &[u8]) {
    let Lecture::Observation(vue) = lire(corps) else { return };
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
    let days = ouvertures.creneaux(du, au);
    assert!(days.keys().all(|day| (du..=au).contains(day)));
}
