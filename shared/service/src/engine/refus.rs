//! Publications that the broker refuses (a queue that is full, a broker in alarm): tried again at a
//! pace that slows down, by routing key, so that one full queue neither slows the others nor has
//! the outbox written over and over.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use kernel::{Backoff, Clock};

/// 1 s, 2 s, … up to 10 s, which is how late a message may be once there is room again.
const PACE: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(10) };

/// The routing keys that are refused at the moment.
#[derive(Debug, Default)]
pub(super) struct Refus(Mutex<BTreeMap<String, Serie>>);

/// Refusals of one key, without a success in between.
#[derive(Clone, Copy, Debug)]
struct Serie {
    refusals: u32,
    /// When the key is tried again.
    until: DateTime<Utc>,
}

impl Refus {
    /// A message of this key was refused: when it is due again. What is refused while its key waits
    /// waits with it.
    pub(super) fn note(&self, key: &str, clock: &Clock) -> DateTime<Utc> {
        let now = clock.now();
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys.get(key).copied();
        if let Some(serie) = known.filter(|serie| serie.until > now) {
            return serie.until;
        }
        let refusals = known.map_or(0, |serie| serie.refusals).saturating_add(1);
        let until = now + clock.business_duration(PACE.delay(refusals, key, None));
        keys.insert(key.to_owned(), Serie { refusals, until });
        until
    }

    /// Messages of these keys were taken.
    pub(super) fn forget<'a>(&self, taken: impl Iterator<Item = &'a str>) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.is_empty() {
            for key in taken {
                keys.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// A refusal, and how long its message waits; the clock then shows the end of the wait.
    async fn attente(refus: &Refus, clock: &Clock, driver: &kernel::VirtualDriver) -> TimeDelta {
        let due = refus.note("a", clock);
        assert_eq!(refus.note("a", clock), due, "what comes meanwhile waits with it");
        let pause = due - clock.now();
        let timer = clock.timer(due);
        driver.advance(due + TimeDelta::minutes(2)).await.expect("it comes");
        drop(timer);
        pause
    }

    #[tokio::test]
    async fn the_pace_slows_down_by_key_and_starts_again_after_a_success() {
        let (clock, driver) = Clock::virtual_at("2026-01-05T08:00:00Z".parse().expect("instant"));
        let refus = Refus::default();
        let mut last = TimeDelta::zero();
        for refusals in 1..8 {
            let pause = attente(&refus, &clock, &driver).await;
            let (least, most) = (TimeDelta::seconds(1 << (refusals - 1)), TimeDelta::seconds(10));
            assert!(pause >= least.min(most) && pause <= most && pause >= last, "{pause}");
            last = pause;
        }
        assert!((refus.note("b", &clock) - clock.now()) < TimeDelta::seconds(2), "by key");
        refus.forget(["a"].into_iter());
        let again = attente(&refus, &clock, &driver).await;
        assert!(again < TimeDelta::seconds(2), "after a success: {again}");
    }
}
