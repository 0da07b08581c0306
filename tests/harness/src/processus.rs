//! A binary of the workspace as a process of its own, which never outlives its owner.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::attendre;

/// Lines of a log that a failed test shows.
const DERNIERES_LIGNES: usize = 30;

/// Where cargo put a binary of the workspace: beside the tests' own folder.
///
/// # Panics
/// When it was not built: `tests/run.sh` builds them all first.
pub fn binaire(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let path = folder.join(name);
    assert!(path.exists(), "{name} is not built: cargo build --workspace --bins");
    path
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Processus {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Processus {
    /// Starts `program`, which dies at no fail point but one of `env`; its output goes at the end of
    /// `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn lancer(program: &Path, args: &[&str], env: &[(&str, String)], log: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let child = Command::new(program)
            .args(args)
            .env_remove("RELAIS_FAILPOINT")
            .envs(env.iter().map(|(key, value)| (*key, value.as_str())))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log file"))
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, child, log: log.to_owned() }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn fini(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
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

    /// Everything it wrote, and those that wrote into its log before it.
    pub fn sortie(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of what it wrote.
    pub fn journal(&self) -> String {
        let text = self.sortie();
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(DERNIERES_LIGNES)..];
        format!("--- {}\n{}", self.name, last.join("\n"))
    }
}

impl Drop for Processus {
    fn drop(&mut self) {
        self.tuer();
    }
}
