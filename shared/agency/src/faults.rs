//! Faults that can be asked of a simulated agency.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No answer: the connection is closed without one, before anything was done.
    Down,
    /// Done, but answered only after this real delay (longer than the client's limit).
    Slow(Duration),
    /// Nothing done, this status answered.
    Status(u16),
    /// Nothing done, 429 answered with this `Retry-After`, in seconds.
    TooMany(u32),
    /// Nothing done, an answer that makes no sense.
    Wrong,
}

/// Chooses a fault for (call, n): `call` is a stable name such as `getDossier 1042`, `n` counts
/// its occurrences from 0, so that the choice does not depend on scheduling.
pub type FaultPlan = dyn Fn(&str, u32) -> Option<FaultKind> + Send + Sync;

/// The fault plan of one simulated agency; cheap to clone, replaceable while it runs.
#[derive(Clone, Default)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    plan: Option<Arc<FaultPlan>>,
    counts: HashMap<String, u32>,
    caused: u64,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    /// No fault, until a plan is set.
    pub fn none() -> Self {
        Self::default()
    }

    /// Replaces the plan.
    pub fn set(&self, plan: impl Fn(&str, u32) -> Option<FaultKind> + Send + Sync + 'static) {
        self.lock().plan = Some(Arc::new(plan));
    }

    /// Ends every fault.
    pub fn clear(&self) {
        self.lock().plan = None;
    }

    /// The fault of this call, if it has one; counts the call.
    pub fn next(&self, call: &str) -> Option<FaultKind> {
        let mut inner = self.lock();
        let count = inner.counts.entry(call.to_owned()).or_default();
        let n = *count;
        *count += 1;
        let fault = inner.plan.clone().and_then(|plan| plan(call, n));
        inner.caused += u64::from(fault.is_some());
        fault
    }

    /// How many faults were caused.
    pub fn caused(&self) -> u64 {
        self.lock().caused
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
