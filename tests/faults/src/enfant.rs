//! The test service as a process of its own, which never outlives its owner.

use std::{
    fs::{self, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::attendre;

/// Lines of a log that a failed test shows.
const DERNIERES_LIGNES: usize = 30;
/// SIGABRT, which a fail point ends with.
const ABORT: i32 = 6;

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Enfant {
    child: Child,
    log: PathBuf,
}

impl Enfant {
    /// Starts `program`; its output goes at the end of `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn lancer(program: &Path, env: &[(&str, String)], log: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let child = Command::new(program)
            .env_remove("RELAIS_FAILPOINT")
            .envs(env.iter().map(|(key, value)| (*key, value.as_str())))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log file"))
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        Self { child, log: log.to_owned() }
    }

    /// How it ended, if it did.
    pub fn fini(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it died at this fail point; says what happened instead.
    pub async fn mourir(&mut self, point: &str, patience: Duration) -> Result<(), String> {
        let mut status = None;
        let ended = attendre(patience, || {
            status = self.fini();
            status.is_some()
        });
        if !ended.await {
            return Err(format!("{point} was not reached\n{}", self.journal()));
        }
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let there = text.contains(&format!("failpoint: killed at {point},"));
        if there && status.is_some_and(|s| s.signal() == Some(ABORT)) {
            return Ok(());
        }
        Err(format!("ended with {status:?} instead of dying at {point}\n{}", self.journal()))
    }

    /// SIGKILL: it has no time for anything.
    pub fn tuer(&mut self) {
        // Already dead is dead.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, then waits; `None` when it does not end in time.
    pub async fn terminer(&mut self, patience: Duration) -> Option<ExitStatus> {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let mut status = None;
        attendre(patience, || {
            status = self.fini();
            status.is_some()
        })
        .await;
        status
    }

    /// The end of what it wrote.
    pub fn journal(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(DERNIERES_LIGNES)..].join("\n")
    }
}

impl Drop for Enfant {
    fn drop(&mut self) {
        self.tuer();
    }
}
