//! What the frame must know of an ask, and of the agency that is asked.

use std::time::Duration;

/// What may be done again after an attempt that ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Doing it twice is doing it once.
    Idempotent,
    /// The agency is read first for what the attempt may have done.
    ReadBack,
    /// It may be done twice; the receiver can tell (a stable Message-ID).
    MaybeTwice,
}

/// What the frame must know of an ask.
pub trait AskKind {
    /// Its kind: low cardinality, for metrics and [`Effect::CancelAsks`].
    fn kind(&self) -> &'static str;
    /// The agency: its limiter, its breaker.
    fn agency(&self) -> &'static str;
    /// What may be done again.
    fn repeat(&self) -> Repeat;
    /// How long a transient fault is retried before it becomes a failure.
    fn max_age(&self) -> Duration {
        Duration::from_hours(14 * 24)
    }
}

/// Which attempt this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The first.
    First,
    /// After attempts that all ended with a result.
    AfterClean,
    /// After an attempt that ended without one: it may have had its effect.
    AfterAmbiguous,
}

/// How hard an agency may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls in flight at a time, per replica.
    pub in_flight: usize,
    /// Calls per `window`, over all replicas.
    pub calls: u32,
    /// The window.
    pub window: Duration,
}

impl Default for Limit {
    /// 8 in flight, 600 a minute.
    fn default() -> Self {
        Self { in_flight: 8, calls: 600, window: Duration::from_mins(1) }
    }
}
