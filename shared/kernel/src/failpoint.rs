//! Places where a test may kill the process. Without the feature `failpoints`, which only
//! `tests/faults` asks for, nothing of this is compiled.

/// Every place, in the order of a message's way; [`failpoint`] knows no other.
pub const FAILPOINTS: [&str; 26] = [
    // a batch of messages
    "message-received",
    "batch-begun",
    "batch-marked",
    "batch-loaded",
    "batch-written",
    "batch-committed",
    "message-committed",
    "message-ack-asked",
    "message-acked",
    // the relay
    "outbox-claimed",
    "publish-begun",
    "publish-sent",
    "publish-confirmed",
    "outbox-deleted",
    "return-kept",
    "return-closed",
    // calls to an agency
    "ask-claimed",
    "ask-allowed",
    "ask-called",
    "ask-answer-stored",
    "ask-postponed",
    "ask-failed",
    // what waits in the store
    "answers-taken",
    "inputs-claimed",
    "inputs-committed",
    "input-added",
];

/// Kills the process here when `RELAIS_FAILPOINT` is `<name>@<n>` and this is the n-th passage: no
/// destructor runs, nothing is flushed, sockets are closed by the system, as with SIGKILL.
///
/// # Panics
/// With the feature, on a name that is not in [`FAILPOINTS`].
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &'static str) {
    armed::passage(name);
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn failpoint(_name: &'static str) {}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    use super::FAILPOINTS;

    static ARMED: LazyLock<Option<(String, u32)>> = LazyLock::new(read);
    static PASSAGES: AtomicU32 = AtomicU32::new(0);

    pub(super) fn passage(name: &str) {
        assert!(FAILPOINTS.contains(&name), "{name} is not a fail point");
        let Some((_, nth)) = ARMED.as_ref().filter(|(armed, _)| armed == name) else { return };
        if PASSAGES.fetch_add(1, Ordering::Relaxed) + 1 == *nth {
            // Unbuffered: it is written when this returns.
            eprintln!("failpoint: killed at {name}, passage {nth}");
            std::process::abort();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test's setting, not the service's")]
    fn read() -> Option<(String, u32)> {
        let text = std::env::var("RELAIS_FAILPOINT").ok()?;
        let (name, nth) = text.split_once('@')?;
        Some((name.to_owned(), nth.parse().ok()?))
    }
}
