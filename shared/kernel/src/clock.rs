//! Business time. Due dates, backoff, limiters, breakers, token expiry and polling use [`Clock`];
//! only plumbing (socket timeouts) uses tokio's time.
//!
//! Three clocks: *system*; *accelerated* (one shared epoch and factor, for several processes);
//! *virtual* (jumps from due instant to due instant, when everything is quiet).
//!
//! Quiet is counted, never guessed: whoever holds work holds a [`Busy`], hands it over with the
//! work, and registers its next [`Timer`] *before* it lets go of it.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, oneshot};

/// A source of business time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Accelerated(Acceleration),
    Virtual(Arc<Virtual>),
}

/// One shared epoch and factor: several processes that are given the same values live at the
/// same business time.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
pub struct Acceleration {
    /// Real instant at which business time was `epoch`.
    pub started_at: DateTime<Utc>,
    /// Business time at `started_at`.
    pub epoch: DateTime<Utc>,
    /// Business seconds per real second, at least 1.
    pub factor: u32,
}

#[derive(Debug)]
struct Virtual {
    state: Mutex<VirtualState>,
    quiet: Notify,
}

/// Due instant and a number that makes it unique.
type TimerKey = (DateTime<Utc>, u64);

#[derive(Debug)]
struct VirtualState {
    now: DateTime<Utc>,
    busy: usize,
    timers: BTreeMap<TimerKey, oneshot::Sender<Busy>>,
    next_timer: u64,
}

impl Virtual {
    fn lock(&self) -> MutexGuard<'_, VirtualState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// The clock of production.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that runs `factor` times faster than real time.
    pub fn accelerated(acceleration: Acceleration) -> Self {
        Self(Kind::Accelerated(Acceleration { factor: acceleration.factor.max(1), ..acceleration }))
    }

    /// A clock that stands still until its driver moves it.
    pub fn virtual_at(start: DateTime<Utc>) -> (Self, VirtualDriver) {
        let state = VirtualState { now: start, busy: 0, timers: BTreeMap::new(), next_timer: 0 };
        let inner = Arc::new(Virtual { state: Mutex::new(state), quiet: Notify::new() });
        (Self(Kind::Virtual(Arc::clone(&inner))), VirtualDriver(inner))
    }

    /// The present business instant.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Kind::System => real_now(),
            Kind::Accelerated(a) => {
                let elapsed = real_now() - a.started_at;
                let factor = i32::try_from(a.factor).unwrap_or(i32::MAX);
                a.epoch + elapsed.checked_mul(factor).unwrap_or(TimeDelta::MAX / 2)
            }
            Kind::Virtual(v) => v.lock().now,
        }
    }

    /// Marks work in progress until the guard is dropped; free of cost outside virtual time.
    pub fn busy(&self) -> Busy {
        match &self.0 {
            Kind::System | Kind::Accelerated(_) => Busy(None),
            Kind::Virtual(v) => {
                v.lock().busy += 1;
                Busy(Some(Arc::clone(v)))
            }
        }
    }

    /// A timer registered at once (not at its first poll) that resolves at `due` to a [`Busy`].
    /// Create it before letting go of the work at hand.
    pub fn timer(&self, due: DateTime<Utc>) -> Timer {
        match &self.0 {
            Kind::System => Timer::real((due - real_now()).to_std().unwrap_or_default()),
            Kind::Accelerated(a) => {
                let wait = (due - self.now()).to_std().unwrap_or_default() / a.factor;
                Timer::real(wait)
            }
            Kind::Virtual(v) => {
                let (tx, rx) = oneshot::channel();
                let mut state = v.lock();
                if due <= state.now {
                    state.busy += 1;
                    drop(state);
                    // The receiver is alive: it is returned below.
                    let _ = tx.send(Busy(Some(Arc::clone(v))));
                    return Timer(TimerKind::Virtual { rx, owner: None });
                }
                let id = state.next_timer;
                state.next_timer += 1;
                state.timers.insert((due, id), tx);
                Timer(TimerKind::Virtual { rx, owner: Some((Arc::clone(v), (due, id))) })
            }
        }
    }

    /// Waits for `duration` of business time.
    pub async fn sleep(&self, duration: Duration) -> Busy {
        let due = self.now() + TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX / 4);
        self.timer(due).await
    }

    /// Real seconds that `duration` of business time lasts on this clock; `None` when virtual.
    pub fn real_duration(&self, duration: Duration) -> Option<Duration> {
        match &self.0 {
            Kind::System => Some(duration),
            Kind::Accelerated(a) => Some(duration / a.factor),
            Kind::Virtual(_) => None,
        }
    }

    /// Business time that passes during `real` of real time: what leases last, so that they do not
    /// run out at once on an accelerated clock.
    pub fn business_duration(&self, real: Duration) -> TimeDelta {
        let business = match &self.0 {
            Kind::System | Kind::Virtual(_) => real,
            Kind::Accelerated(a) => real.saturating_mul(a.factor),
        };
        TimeDelta::from_std(business).unwrap_or(TimeDelta::MAX / 4)
    }

    /// Says whether this clock only moves when everything is quiet.
    pub fn is_virtual(&self) -> bool {
        matches!(self.0, Kind::Virtual(_))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn real_now() -> DateTime<Utc> {
    Utc::now()
}

/// Work in progress: virtual time does not move while one exists.
#[derive(Debug)]
#[must_use = "work is in progress only while the guard lives"]
pub struct Busy(Option<Arc<Virtual>>);

impl Clone for Busy {
    fn clone(&self) -> Self {
        if let Some(v) = &self.0 {
            v.lock().busy += 1;
        }
        Self(self.0.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(v) = &self.0 {
            let mut state = v.lock();
            state.busy -= 1;
            if state.busy == 0 {
                v.quiet.notify_one();
            }
        }
    }
}

/// A future that resolves when its instant is reached.
#[derive(Debug)]
pub struct Timer(TimerKind);

#[derive(Debug)]
enum TimerKind {
    Real(Pin<Box<tokio::time::Sleep>>),
    Virtual { rx: oneshot::Receiver<Busy>, owner: Option<(Arc<Virtual>, TimerKey)> },
}

/// The longest wait asked of tokio at once; a timer that wakes early is simply asked again.
const LONGEST_REAL_WAIT: Duration = Duration::from_hours(24);

impl Timer {
    fn real(wait: Duration) -> Self {
        Self(TimerKind::Real(Box::pin(tokio::time::sleep(wait.min(LONGEST_REAL_WAIT)))))
    }
}

impl Future for Timer {
    type Output = Busy;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Busy> {
        match &mut self.0 {
            TimerKind::Real(sleep) => sleep.as_mut().poll(cx).map(|()| Busy(None)),
            TimerKind::Virtual { rx, owner } => Pin::new(rx).poll(cx).map(|busy| {
                *owner = None;
                busy.unwrap_or(Busy(None))
            }),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let TimerKind::Virtual { owner: Some((v, key)), .. } = &self.0 {
            // Out of the lock: dropping a sender drops no guard, but keep the section short.
            let removed = v.lock().timers.remove(key);
            drop(removed);
        }
    }
}

/// Moves a virtual clock; exactly one exists per clock.
#[derive(Debug)]
pub struct VirtualDriver(Arc<Virtual>);

impl VirtualDriver {
    /// Waits until nothing is in progress.
    pub async fn quiet(&self) {
        loop {
            let notified = self.0.quiet.notified();
            if self.0.lock().busy == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Waits for quiet, then jumps to the next due instant, rounded up to the minute, and releases
    /// every timer that is due. Returns the new time, or `None` when no timer exists or the next
    /// one is due after `limit`.
    pub async fn advance(&self, limit: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.quiet().await;
        let mut released = Vec::new();
        let mut state = self.0.lock();
        let (due, _) = *state.timers.keys().next()?;
        let target = round_up_to_minute(due).max(state.now);
        if target > limit {
            return None;
        }
        state.now = target;
        while let Some(entry) = state.timers.first_entry() {
            if entry.key().0 > target {
                break;
            }
            released.push(entry.remove());
        }
        state.busy += released.len();
        drop(state);
        for tx in released {
            // A timer dropped meanwhile gives its guard back at once.
            let _ = tx.send(Busy(Some(Arc::clone(&self.0))));
        }
        Some(target)
    }
}

fn round_up_to_minute(t: DateTime<Utc>) -> DateTime<Utc> {
    let nanos = i64::from(t.timestamp_subsec_nanos());
    let past = TimeDelta::seconds(t.timestamp().rem_euclid(60)) + TimeDelta::nanoseconds(nanos);
    if past.is_zero() { t } else { t - past + TimeDelta::minutes(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: &str) -> DateTime<Utc> {
        s.parse().expect("valid instant")
    }

    #[tokio::test]
    async fn jumps_to_the_next_due_minute_only_when_quiet() {
        let (clock, driver) = Clock::virtual_at(at("2026-01-05T08:00:00Z"));
        let timer = clock.timer(at("2026-01-05T09:10:01Z"));
        let busy = clock.busy();
        let limit = at("2027-01-01T00:00:00Z");
        tokio::select! {
            biased;
            _ = driver.advance(limit) => panic!("advanced while busy"),
            () = tokio::task::yield_now() => {}
        }
        drop(busy);
        assert_eq!(driver.advance(limit).await, Some(at("2026-01-05T09:11:00Z")));
        let _busy = timer.await;
        assert_eq!(clock.now(), at("2026-01-05T09:11:00Z"));
    }

    #[tokio::test]
    async fn a_dropped_timer_is_forgotten() {
        let (clock, driver) = Clock::virtual_at(at("2026-01-05T08:00:00Z"));
        drop(clock.timer(at("2026-01-05T09:00:00Z")));
        assert_eq!(driver.advance(at("2027-01-01T00:00:00Z")).await, None);
    }

    #[test]
    fn accelerated_time_is_shared() {
        let started_at = real_now() - TimeDelta::seconds(10);
        let epoch = at("2026-01-05T08:00:00Z");
        let clock = Clock::accelerated(Acceleration { started_at, epoch, factor: 3600 });
        assert!((clock.now() - epoch) >= TimeDelta::hours(10));
        assert!((clock.now() - epoch) < TimeDelta::hours(12));
    }
}
