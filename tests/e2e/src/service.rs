//! One service's own binary in a [`Cellule`]: its user of the broker, its schema, its settings.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    time::{Duration, Instant},
};

use harness::{Processus, Serveurs, binaire};
use kernel::{Acceleration, Secret};
use store::{
    FailureRow, Store,
    postgres::{PostgresStore, drop_schema},
};

use crate::{Cellule, banc::pret};

/// Longest wait for a process to be ready, or to end.
const DEMARRAGE: Duration = Duration::from_secs(90);

/// One service: what it is configured with, and where it listens.
pub struct Poste {
    /// Its name.
    pub service: &'static str,
    /// Its configuration file.
    pub config: PathBuf,
    port: u16,
    schema: String,
    base: Secret,
    log: PathBuf,
}

impl Poste {
    /// Writes the settings; `plus` is added to the frame's, before the service's own table.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn preparer(
        cellule: &Cellule,
        serveurs: &Serveurs,
        service: &'static str,
        amqp_url: &str,
        plus: &str,
    ) -> Self {
        let schema = format!("{}_{service}", cellule.nom).replace('-', "_");
        let base = serveurs.base.clone();
        let store = PostgresStore::connect(base.expose(), Some(&schema)).await.expect("a base");
        store.close().await;
        let port = port_libre();
        let mark = if base.expose().contains('?') { '&' } else { '?' };
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\n\
             database_url = \"{}{mark}options%5Bsearch_path%5D={schema}\"\n\
             amqp_url = \"{amqp_url}\"\n\
             amqp_management_url = \"{}\"\n\
             data_dir = \"{}\"\nreferentiel = \"{}\"\n{plus}\n\
             [telemetry]\nformat = \"texte\"\n",
            base.expose(),
            cellule.gestion_de("relais-supervision"),
            cellule.chemin("donnees").display(),
            cellule.registre().display(),
        );
        let config = cellule.chemin(&format!("{service}.toml"));
        fs::write(&config, text).expect("a file");
        let log = cellule.chemin(&format!("{service}.log"));
        Self { service, config, port, schema, base, log }
    }

    /// Adds a table to the settings.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn ajouter(&self, table: &str) {
        let text = fs::read_to_string(&self.config).expect("the settings");
        fs::write(&self.config, format!("{text}{table}\n")).expect("a file");
    }

    /// Starts its binary.
    pub fn lancer(&self, clock: Option<Acceleration>) -> Processus {
        let clock = clock.map(|c| {
            [
                ("RELAIS__CLOCK__STARTED_AT", c.started_at.to_rfc3339()),
                ("RELAIS__CLOCK__EPOCH", c.epoch.to_rfc3339()),
                ("RELAIS__CLOCK__FACTOR", c.factor.to_string()),
            ]
        });
        let env: Vec<_> = clock.into_iter().flatten().collect();
        let config = self.config.to_str().expect("a UTF-8 path");
        Processus::lancer(&binaire(self.service), &["--config", config], &env, &self.log)
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it ends instead, or takes too long.
    pub async fn attendre_pret(&self, process: &mut Processus) {
        let started = Instant::now();
        while !pret(self.port).await {
            let ended = process.fini();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", process.journal());
            assert!(started.elapsed() < DEMARRAGE, "not ready\n{}", process.journal());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it ends; its exit code and the end of its log.
    ///
    /// # Panics
    /// When it does not.
    pub async fn attendre_fin(&self, process: &mut Processus) -> (Option<i32>, String) {
        let started = Instant::now();
        loop {
            if let Some(status) = process.fini() {
                return (status.code(), process.journal());
            }
            assert!(started.elapsed() < DEMARRAGE, "it runs\n{}", process.journal());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its store.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn store(&self) -> PostgresStore {
        PostgresStore::connect(self.base.expose(), Some(&self.schema)).await.expect("a base")
    }

    /// Its open failures, once there are `n`.
    ///
    /// # Panics
    /// When there are not.
    pub async fn pannes(&self, n: usize) -> Vec<FailureRow> {
        let store = self.store().await;
        let started = Instant::now();
        loop {
            let found = store.failures(true, 1_000).await.expect("an answer");
            if found.len() >= n {
                store.close().await;
                return found;
            }
            assert!(started.elapsed() < DEMARRAGE, "{} failures, not {n}", found.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where it serves.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The URL of the database, in its own schema.
    pub fn base(&self) -> String {
        let mark = if self.base.expose().contains('?') { '&' } else { '?' };
        format!("{}{mark}options%5Bsearch_path%5D={}", self.base.expose(), self.schema)
    }

    /// Leaves nothing in the database.
    pub async fn effacer(self) {
        if let Err(error) = drop_schema(self.base.expose(), &self.schema).await {
            eprintln!("schema {} may remain: {error}", self.schema);
        }
    }
}

fn port_libre() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
