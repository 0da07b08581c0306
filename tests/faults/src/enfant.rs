//! Death of the test service at a fail point.

use std::{os::unix::process::ExitStatusExt, time::Duration};

use harness::{Processus, attendre};

/// SIGABRT, which a fail point ends with.
const ABORT: i32 = 6;

/// Waits until a process died at this fail point.
///
/// # Errors
/// What happened instead.
pub async fn mourir(
    process: &mut Processus,
    point: &str,
    patience: Duration,
) -> Result<(), String> {
    let mut status = None;
    let ended = attendre(patience, || {
        status = process.fini();
        status.is_some()
    });
    if !ended.await {
        return Err(format!("{point} was not reached\n{}", process.journal()));
    }
    let there = process.sortie().contains(&format!("failpoint: killed at {point},"));
    if there && status.is_some_and(|s| s.signal() == Some(ABORT)) {
        return Ok(());
    }
    Err(format!("ended with {status:?} instead of dying at {point}\n{}", process.journal()))
}
