//! The circuit breaker of one agency: pure, its time is given.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Consecutive transient faults that open it, at least 1.
    pub threshold: u32,
    /// How long it stays open the first time.
    pub cool_down: Duration,
    /// Bound of the cool-down, which doubles at each failed probe.
    pub longest: Duration,
}

impl Default for BreakerPolicy {
    /// 5 faults; 30 s, doubling up to 10 min.
    fn default() -> Self {
        Self { threshold: 5, cool_down: Duration::from_secs(30), longest: Duration::from_mins(10) }
    }
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets every call through.
    Closed,
    /// Lets no call through.
    Open,
    /// Has let one call through and waits for its outcome.
    HalfOpen,
}

/// The breaker of one agency. [`Breaker::allow`] before a call, then exactly one of
/// [`Breaker::answered`] and [`Breaker::failed`] after it.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    policy: BreakerPolicy,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed {
        faults: u32,
    },
    Open {
        until: DateTime<Utc>,
        cool_down: Duration,
    },
    /// The probe counts as lost at `until`: its caller may have been killed.
    HalfOpen {
        until: DateTime<Utc>,
        cool_down: Duration,
    },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed { faults: 0 }
    }
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, phase: Phase::default() }
    }

    /// Lets a call through, or gives the instant at which to ask again. The first call after a
    /// cool-down is the probe; no other passes until its outcome is known, or until it has taken
    /// as long as the cool-down itself.
    ///
    /// # Errors
    /// The instant at which to ask again, later than `now`.
    pub fn allow(&mut self, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        match self.phase {
            Phase::Closed { .. } => Ok(()),
            Phase::Open { until, cool_down } | Phase::HalfOpen { until, cool_down } => {
                if now < until {
                    return Err(until);
                }
                self.phase = Phase::HalfOpen { until: later(now, cool_down), cool_down };
                Ok(())
            }
        }
    }

    /// The instant before which [`Breaker::allow`] refuses, without asking for a call.
    pub fn closed_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.phase {
            Phase::Closed { .. } => None,
            Phase::Open { until, .. } | Phase::HalfOpen { until, .. } => {
                (now < until).then_some(until)
            }
        }
    }

    /// The agency answered, be it with a refusal: it is there.
    pub fn answered(&mut self) {
        self.phase = Phase::Closed { faults: 0 };
    }

    /// A call met a transient fault; `retry_after` is what the agency asked for, if it did.
    pub fn failed(&mut self, now: DateTime<Utc>, retry_after: Option<Duration>) {
        let cool_down = match self.phase {
            Phase::Closed { faults } if faults + 1 < self.policy.threshold => {
                self.phase = Phase::Closed { faults: faults + 1 };
                return;
            }
            Phase::Closed { .. } => self.policy.cool_down,
            // A call that began before the breaker opened says nothing new.
            Phase::Open { .. } => return,
            Phase::HalfOpen { cool_down, .. } => {
                cool_down.saturating_mul(2).min(self.policy.longest)
            }
        };
        let wait = cool_down.max(retry_after.unwrap_or_default());
        self.phase = Phase::Open { until: later(now, wait), cool_down };
    }

    /// What it does with calls; a cool-down that is over still shows as open.
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// The value of `relais_breaker_state`: 0 closed, 1 half-open, 2 open.
    pub fn gauge(&self) -> i64 {
        match self.state() {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        }
    }
}

fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_438_400 + seconds, 0).expect("instant")
    }

    fn opened_at(seconds: i64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            assert_eq!(breaker.allow(at(seconds)), Ok(()));
            breaker.failed(at(seconds), None);
        }
        breaker
    }

    #[test]
    fn opens_only_after_consecutive_faults() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(at(0), None);
        }
        breaker.answered();
        for _ in 0..4 {
            breaker.failed(at(1), None);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.failed(at(2), None);
        assert_eq!((breaker.state(), breaker.gauge()), (BreakerState::Open, 2));
        assert_eq!(breaker.allow(at(3)), Err(at(32)));
        assert_eq!(breaker.closed_until(at(3)), Some(at(32)));
    }

    #[test]
    fn one_probe_at_a_time_and_a_success_closes() {
        let mut breaker = opened_at(0);
        assert_eq!(breaker.allow(at(30)), Ok(()));
        assert_eq!(breaker.allow(at(30)), Err(at(60)));
        breaker.answered();
        assert_eq!(breaker.allow(at(31)), Ok(()));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn failed_probes_double_the_cool_down_up_to_the_bound() {
        let mut breaker = opened_at(0);
        let mut now = at(30);
        for expected in [60, 120, 240, 480, 600, 600] {
            assert_eq!(breaker.allow(now), Ok(()));
            breaker.failed(now, None);
            let until = now + TimeDelta::seconds(expected);
            assert_eq!(breaker.allow(now), Err(until));
            now = until;
        }
    }

    #[test]
    fn a_lost_probe_is_replaced_and_late_faults_change_nothing() {
        let mut breaker = opened_at(0);
        breaker.failed(at(10), None);
        assert_eq!(breaker.allow(at(30)), Ok(()));
        assert_eq!(breaker.allow(at(60)), Ok(()), "the first probe never came back");
    }

    #[test]
    fn waits_as_long_as_the_agency_asks() {
        let mut breaker = Breaker::new(BreakerPolicy { threshold: 1, ..BreakerPolicy::default() });
        breaker.failed(at(0), Some(Duration::from_mins(2)));
        assert_eq!(breaker.allow(at(60)), Err(at(120)));
    }
}
