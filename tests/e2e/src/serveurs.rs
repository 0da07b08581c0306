//! Where the servers are: `tests/servers.sh` says it in the environment.

use std::{io::Write, path::PathBuf};

use kernel::Secret;

/// A broker and a database.
#[derive(Clone, Debug)]
pub struct Serveurs {
    /// `amqp://…`
    pub amqp: Secret,
    /// `postgres://…`
    pub base: Secret,
}

impl Serveurs {
    /// The servers of the environment; `None`, said aloud, when there are none.
    ///
    /// # Panics
    /// When a server is missing and `RELAIS_REQUIRE_SERVERS` is 1.
    pub fn trouver() -> Option<Self> {
        Some(Self { amqp: serveur("AMQP_URL")?, base: serveur("DATABASE_URL")? })
    }
}

/// The broker's management API.
///
/// # Panics
/// As [`Serveurs::trouver`].
pub fn gestion() -> Option<Secret> {
    serveur("AMQP_MGMT_URL")
}

/// The broker over TLS, and the folder of certificates for it.
///
/// # Panics
/// As [`Serveurs::trouver`].
pub fn tls() -> Option<(Secret, PathBuf)> {
    let (url, folder) = (serveur("AMQPS_URL")?, serveur("AMQP_TLS_DIR")?);
    Some((url, PathBuf::from(folder.expose())))
}

/// What decides which service is killed: `E2E_SEED`, else the process's number, so that each run
/// tells another story. A failed run says which one it was.
pub fn graine() -> u64 {
    variable("E2E_SEED")
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()))
}

fn serveur(name: &str) -> Option<Secret> {
    let url = variable(name);
    let required = variable("RELAIS_REQUIRE_SERVERS").is_some_and(|value| value == "1");
    assert!(url.is_some() || !required, "{name} is not set and RELAIS_REQUIRE_SERVERS=1");
    if url.is_none() {
        // Written past the harness, which hides what a test that passes prints.
        let text =
            format!("SKIPPED: {name} is not set (tests/servers.sh exec cargo test -p e2e)\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    url.map(Secret::new)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where servers are"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
