//! What a store counts: for metrics, for readiness, for the loops that wait.

use chrono::{DateTime, Utc};

/// The stage of a state, for [`Stats::etapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etape {
    /// Its name: one of a few.
    pub nom: &'static str,
    /// The present instant where somebody is awaited, `None` where nobody is. What is stored stays
    /// while the stage does.
    pub depuis: Option<DateTime<Utc>>,
}

/// Counts for metrics and readiness.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Messages to publish.
    pub outbox: i64,
    /// When the oldest of them was written.
    pub outbox_oldest: Option<DateTime<Utc>>,
    /// Asks without an answer, by agency, with the oldest's creation.
    pub asks: Vec<(String, i64, Option<DateTime<Utc>>)>,
    /// Open failures, by code.
    pub failures: Vec<(String, i64)>,
    /// States by stage, with the instant since which the first of them has been waiting there.
    pub etapes: Vec<(String, i64, Option<DateTime<Utc>>)>,
}

/// When each loop has work next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextDue {
    /// Inputs.
    pub inputs: Option<DateTime<Utc>>,
    /// Answers: at once, or when the lease of who holds one ends.
    pub answers: Option<DateTime<Utc>>,
    /// Asks.
    pub asks: Option<DateTime<Utc>>,
    /// Messages to publish.
    pub outbox: Option<DateTime<Utc>>,
}
