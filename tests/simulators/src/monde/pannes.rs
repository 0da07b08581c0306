//! The faults of a run: each a draw on the call's name and its rank, so that they do not depend on
//! scheduling. Most pass by themselves; a few leave a failure that the operator replays.

use std::time::Duration;

use agency::faults::FaultKind;
use kernel::Draw;

use super::{Inner, Monde};

/// Longer than the time limit that the demo gives its clients, in real time.
const LENT: Duration = Duration::from_millis(2_600);

impl Monde {
    /// Asks its faults of each agency.
    pub(super) fn semer_les_pannes(&self) {
        let seed = self.inner.options.seed;
        let draw = move |who: &'static str, call: &str, n: u32| {
            Draw::of(seed, &["panne", who, call, &n.to_string()]).below(1_000)
        };
        self.inner.ds.faults().set(move |call, n| match draw("ds", call, n) {
            _ if n > 2 && !call.starts_with("getDemarche") => None,
            0..8 => Some(FaultKind::Status(502)),
            8..12 => Some(FaultKind::TooMany(60)),
            12..16 => Some(FaultKind::Down),
            16 if call.starts_with("getDossier ") => Some(FaultKind::Slow(LENT)),
            _ => None,
        });
        self.inner.rdv.faults.set(move |call, n| match draw("rdv", call, n) {
            _ if n > 2 => None,
            0..15 => Some(FaultKind::Status(500)),
            15..25 => Some(FaultKind::TooMany(120)),
            25..32 => Some(FaultKind::Down),
            _ => None,
        });
        self.inner.smtp.faults().set(move |call, n| match draw("smtp", call, n) {
            _ if n > 2 => None,
            // The recipient's server refuses for good once: a failure, replayed by the operator.
            0..12 => Some(FaultKind::Status(550)),
            12..30 => Some(FaultKind::Status(451)),
            _ => None,
        });
        self.inner.rpps.faults.set(move |call, n| match draw("rpps", call, n) {
            _ if n > 0 => None,
            0..40 => Some(FaultKind::Status(503)),
            40..70 => Some(FaultKind::Wrong),
            _ => None,
        });
    }
}

/// Faults that were really caused.
pub(super) fn causees(inner: &Inner) -> u64 {
    let (ds, smtp) = (inner.ds.faults().caused(), inner.smtp.faults().caused());
    ds + smtp + inner.rdv.faults.caused() + inner.rpps.faults.caused()
}
