//! `relais run` of one service, as a process that listens on a port of its own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// The token of the operator `a.martin`.
pub(crate) const JETON: &str = "jeton-de-a-martin";

/// The process; stopped with the test.
pub(crate) struct Service {
    child: Child,
    nom: &'static str,
    url: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing can be done about one that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Starts a service on the store of a folder; `tables` end its settings.
    pub(crate) fn demarrer(nom: &'static str, folder: &Path, tables: &str) -> Self {
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\n\
             [operator_tokens]\n\"a.martin\" = \"{JETON}\"\n{tables}",
            folder.display()
        );
        let path = folder.join("relais.toml");
        std::fs::write(&path, config).expect("writes");
        let mut child = Command::new(env!("CARGO_BIN_EXE_relais"))
            .args(["run", "--services", nom, "--config"])
            .arg(path)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let url = lines
            .by_ref()
            .map(|line| line.expect("text"))
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).ok()?;
                line["url"].as_str().map(str::to_owned)
            })
            .expect("it says where it listens");
        // What it logs later is read, so that it never waits for its reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, nom, url }
    }

    /// Runs a command of an operator against it.
    pub(crate) fn relais(&self, args: &[&str]) -> Output {
        let service = format!("{}={}", self.nom, self.url);
        let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
        command.args(args).args(["--service", &service]).env("RELAIS_OPERATOR_TOKEN", JETON);
        command.output().expect("runs")
    }

    /// Runs a command that must succeed; its JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.relais(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", erreurs(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

/// What a command says.
pub(crate) fn texte(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command complains of.
pub(crate) fn erreurs(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
