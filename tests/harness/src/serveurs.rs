//! Where the servers are: those that `tests/servers.sh` names in the environment, or a broker and
//! a database of a test's own, which it may stop, kill and start.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use kernel::Secret;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A broker and a database.
#[derive(Clone, Debug)]
pub struct Serveurs {
    /// `amqp://…`
    pub amqp: Secret,
    /// `http://…`, the broker's management API.
    pub gestion: Secret,
    /// `postgres://…`
    pub base: Secret,
}

impl Serveurs {
    /// The servers of the environment; `None`, said aloud, when there are none.
    ///
    /// # Panics
    /// When a server is missing and `RELAIS_REQUIRE_SERVERS` is 1.
    pub fn trouver() -> Option<Self> {
        Some(Self {
            amqp: serveur("AMQP_URL")?,
            gestion: serveur("AMQP_MGMT_URL")?,
            base: serveur("DATABASE_URL")?,
        })
    }
}

/// The broker over TLS, and the folder of certificates for it; `None`, said aloud, without one.
///
/// # Panics
/// As [`Serveurs::trouver`].
pub fn tls() -> Option<(Secret, PathBuf)> {
    let (url, folder) = (serveur("AMQPS_URL")?, serveur("AMQP_TLS_DIR")?);
    Some((url, PathBuf::from(folder.expose())))
}

/// Servers of one test, gone with it: the script that runs them stops at the end of its input.
#[derive(Debug)]
pub struct Prives {
    /// Where they are; the same after a restart.
    pub serveurs: Serveurs,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    script: Child,
}

impl Prives {
    /// Starts them; `None` where the tests run without any server.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn demarrer() -> Option<Self> {
        // Where other tests are skipped for want of servers, so is this one.
        Serveurs::trouver()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers.sh");
        let mut script = Command::new("bash")
            .arg(script)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let orders = script.stdin.take().expect("piped");
        let mut answers = BufReader::new(script.stdout.take().expect("piped")).lines();
        let mut url = async || {
            let line = answers.next_line().await.expect("a line");
            Secret::new(line.expect("the private servers start"))
        };
        let serveurs = Serveurs { amqp: url().await, gestion: url().await, base: url().await };
        Some(Self { serveurs, orders, answers, script })
    }

    /// `stop rabbitmq`, `kill postgres`, `start …`, `rabbitmqctl …`.
    ///
    /// # Panics
    /// When it fails.
    pub async fn ordonner(&mut self, order: &str) {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.expect("the script reads");
        let answer = self.answers.next_line().await.expect("a line").unwrap_or_default();
        assert_eq!(answer, "ok", "{order}");
    }

    /// Stops them, and waits for it.
    pub async fn arreter(mut self) {
        drop(self.orders);
        let _ = self.script.wait().await;
    }
}

fn serveur(name: &str) -> Option<Secret> {
    let url = variable(name);
    let required = variable("RELAIS_REQUIRE_SERVERS").is_some_and(|value| value == "1");
    assert!(url.is_some() || !required, "{name} is not set and RELAIS_REQUIRE_SERVERS=1");
    if url.is_none() {
        // Written past the harness, which hides what a test that passes prints.
        let text = format!("SKIPPED: {name} is not set (tests/servers.sh exec cargo test)\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    url.map(Secret::new)
}

/// A setting of the tests.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
