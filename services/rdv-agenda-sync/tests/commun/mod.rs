//! What the tests against the simulator share.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use kernel::{Clock, Tasks, VirtualDriver};
use rdv_agenda_sync::{
    config::Config,
    simulator::{self, Options, Simulateur},
};
use store::{SharedStore, Store, sqlite::SqliteStore};

/// When every test begins: a Monday.
pub(crate) fn debut() -> DateTime<Utc> {
    "2026-03-02T08:00:00Z".parse().expect("instant")
}

/// The file of the store, in the folder of the bench.
pub(crate) const FICHIER: &str = "rdv.sqlite";

/// A simulated RDV Service Public, a store, a clock.
pub(crate) struct Banc {
    pub(crate) clock: Clock,
    pub(crate) driver: VirtualDriver,
    pub(crate) simulateur: Simulateur,
    pub(crate) store: SharedStore,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) tasks: Tasks,
}

impl Banc {
    pub(crate) async fn new(options: Options) -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        let (clock, driver) = Clock::virtual_at(debut());
        let tasks = Tasks::new();
        let simulateur = simulator::start(clock.clone(), &tasks, options).await.expect("simulator");
        let store = SqliteStore::open(&dir.path().join(FICHIER)).await.expect("open");
        store.migrate().await.expect("migrate");
        Self { clock, driver, simulateur, store: Arc::new(store), dir, tasks }
    }

    pub(crate) fn config(&self, public_url: &str) -> Config {
        let text = format!(
            r#"
            public_url = "{public_url}"
            webhook_secret = "0123456789abcdef0123456789abcdef"
            credential_key = "fedcba9876543210fedcba9876543210"
            client_id = "relais"
            client_secret = "secret-fictif"
            refresh_token_initial = "consentement-fictif"
            api = {{ base_url = "{}", timeout_ms = 1500 }}
            "#,
            self.simulateur.url()
        );
        toml::from_str(&text).expect("a configuration")
    }

    pub(crate) async fn fin(self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await, "the simulator stops");
    }
}
