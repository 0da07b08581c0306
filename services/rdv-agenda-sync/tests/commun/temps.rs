//! Virtual time, where nothing else waits for it.

use chrono::TimeDelta;

use crate::commun::Banc;

/// Lets time go by.
pub(crate) async fn avancer(banc: &Banc, delay: TimeDelta) {
    let later = banc.clock.now() + delay;
    let (_busy, _) = tokio::join!(banc.clock.timer(later), banc.driver.advance(later));
}
