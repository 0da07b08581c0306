//! When to try again: exponential, bounded, with a jitter that is a draw, not a generator.

use std::time::Duration;

use crate::Draw;

/// A retry policy; pure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Delay before the second attempt.
    pub first: Duration,
    /// Upper bound of a delay, jitter included.
    pub max: Duration,
}

impl Default for Backoff {
    /// 5 s, 10 s, 20 s, … up to one hour.
    fn default() -> Self {
        Self { first: Duration::from_secs(5), max: Duration::from_hours(1) }
    }
}

impl Backoff {
    /// The delay after `failed` failed attempts (1 or more): doubled each time, then extended by 0
    /// to 25 % drawn from `salt`, never beyond `max`, never shorter than what the agency asked for.
    pub fn delay(&self, failed: u32, salt: &str, retry_after: Option<Duration>) -> Duration {
        let doublings = failed.saturating_sub(1).min(24);
        let base = self.first.saturating_mul(1 << doublings).min(self.max);
        let jitter = Draw::of(u64::from(failed), &["retry", salt]).below(250);
        let extended = base + base.mul_f64(f64::from(u32::try_from(jitter).unwrap_or(0)) / 1000.0);
        extended.min(self.max).max(retry_after.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_stays_bounded_and_honours_the_agency() {
        let policy = Backoff::default();
        let mut last = Duration::ZERO;
        for failed in 1..12 {
            let delay = policy.delay(failed, "x", None);
            assert!(delay >= policy.first && delay <= policy.max);
            assert!(delay > last || delay == policy.max || last > policy.max.mul_f64(0.79));
            last = delay;
        }
        assert_eq!(policy.delay(40, "x", None), policy.max);
        let asked = Duration::from_hours(2);
        assert_eq!(policy.delay(1, "x", Some(asked)), asked);
    }
}
