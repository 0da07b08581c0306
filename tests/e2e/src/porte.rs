//! `relais run` with the services that meet the doctor and the Order, embedded: no broker, no
//! database, so that a test of the front door needs nothing but the binary.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    time::{Duration, Instant},
};

use agency::{HttpClient, HttpSettings};
use chrono::NaiveDate;
use contracts::Referentiel;
use ds_intake::{
    Config,
    simulator::{Champs, Depot},
};
use harness::{Processus, binaire};
use kernel::Acceleration;
use reqwest::Method;
use tempfile::TempDir;

/// Longest wait for the process to be ready.
const DEMARRAGE: Duration = Duration::from_secs(90);

/// A process `relais run`, and its folder, which outlives it.
pub struct Porte {
    /// The process, while it runs.
    pub processus: Option<Processus>,
    dossier: TempDir,
    services: &'static [&'static str],
    port: u16,
}

/// The table of ds-intake that meets a simulated DS; `plus` is added to it.
pub fn reglages_ds(config: &Config, plus: &str) -> String {
    format!(
        "[ds-intake]\ndemarche = {}\njeton = \"{}\"\ninstructeur_id = \"{}\"\n\
         http = {{ base_url = \"{}\", timeout_ms = 2000 }}\n{plus}\n",
        config.demarche,
        config.jeton.expose(),
        config.instructeur_id,
        config.http.base_url,
    )
}

/// A doctor's dossier, complete but for a telephone number that makes no sense.
///
/// # Panics
/// When the demo's register has no site.
pub fn depot(numero: u64, telephone: &str, today: NaiveDate) -> Depot {
    let champs = Champs {
        rpps: "99790000014".to_owned(),
        telephone: telephone.to_owned(),
        courriel: String::new(),
        mode_exercice: "Libéral installé".to_owned(),
        departement: "63".to_owned(),
        cdom: "63 - Puy-de-Dôme".to_owned(),
        lieux: vec![Referentiel::demo().lieux().next().expect("a site").lieu.id.to_string()],
        creneaux: vec![(today + chrono::Days::new(60), "Matin".to_owned())],
        remplacement: Some(false),
    };
    Depot::exemple(numero, champs)
}

impl Porte {
    /// Writes the settings; the services are in the order of a dossier's way.
    ///
    /// # Panics
    /// When no port or file can be had.
    pub fn preparer(
        services: &'static [&'static str],
        clock: Option<Acceleration>,
        cadre: &str,
        tables: &str,
    ) -> Self {
        let dossier = tempfile::tempdir().expect("a folder");
        // Two ports in a row: each service has its own.
        let port = loop {
            let first = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
            let port = first.local_addr().expect("an address").port();
            if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
                break port;
            }
        };
        let clock = clock.map_or_else(String::new, |c| {
            format!(
                "[clock]\nstarted_at = \"{}\"\nepoch = \"{}\"\nfactor = {}\n",
                c.started_at.to_rfc3339(),
                c.epoch.to_rfc3339(),
                c.factor
            )
        });
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\ndata_dir = \"{}\"\n{cadre}\n{clock}\n\
             [telemetry]\nformat = \"texte\"\n\n{tables}",
            dossier.path().join("donnees").display()
        );
        fs::write(dossier.path().join("relais.toml"), text).expect("a file");
        Self { processus: None, dossier, services, port }
    }

    /// A path in its folder.
    pub fn chemin(&self, name: &str) -> PathBuf {
        self.dossier.path().join(name)
    }

    /// Starts it, again or for the first time, and waits until it is ready.
    ///
    /// # Panics
    /// When it ends instead, or takes too long.
    pub async fn lancer(&mut self) {
        self.processus = None;
        let config = self.chemin("relais.toml");
        let config = config.to_str().expect("a UTF-8 path");
        let services = self.services.join(",");
        let args = ["run", "--config", config, "--services", &services];
        let mut process =
            Processus::lancer(&binaire("relais"), &args, &[], &self.chemin("journal"));
        let started = Instant::now();
        while !self.pret().await {
            let ended = process.fini();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", process.journal());
            assert!(started.elapsed() < DEMARRAGE, "not ready\n{}", process.journal());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.processus = Some(process);
    }

    /// SIGKILL.
    pub fn tuer(&mut self) {
        if let Some(mut process) = self.processus.take() {
            process.tuer();
        }
    }

    /// The end of its log.
    pub fn journal(&self) -> String {
        self.processus.as_ref().map(Processus::journal).unwrap_or_default()
    }

    /// Resident memory of the process, in KiB.
    pub fn memoire_kib(&self) -> u64 {
        let pid = self.processus.as_ref().map(Processus::pid);
        let status = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let line = status.as_deref().and_then(|s| s.lines().find(|l| l.starts_with("VmRSS:")));
        line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }

    /// How many calls to DS wait or are in flight; `None` when the first service does not say.
    pub async fn appels_en_attente(&self) -> Option<f64> {
        let text = self.demander(self.port, "/metrics").await?;
        let line = text.lines().find(|l| l.starts_with("relais_asks_pending{agency=\"ds\""));
        // No line: none was ever counted.
        line.map_or(Some(0.0), |l| l.rsplit(' ').next()?.parse().ok())
    }

    /// Posts a form to the first service; the status of its answer.
    pub async fn poster(&self, path: &str, body: &'static str) -> Option<u16> {
        let client = client(self.port);
        let request = client.request(Method::POST, path).body(body);
        match client.send(request).await {
            Ok(response) => Some(response.status),
            Err(agency::HttpError::Status { status, .. }) => Some(status),
            Err(_) => None,
        }
    }

    async fn pret(&self) -> bool {
        let ports = (self.port..).take(self.services.len());
        for port in ports {
            if self.demander(port, "/readyz").await.is_none() {
                return false;
            }
        }
        true
    }

    async fn demander(&self, port: u16, path: &str) -> Option<String> {
        let client = client(port);
        let response = client.send(client.request(Method::GET, path)).await.ok()?;
        String::from_utf8(response.body).ok()
    }
}

fn client(port: u16) -> HttpClient {
    let settings = HttpSettings {
        base_url: format!("http://127.0.0.1:{port}"),
        timeout_ms: 5_000,
        max_body_bytes: 4 * 1024 * 1024,
    };
    HttpClient::new(settings).expect("a client")
}
