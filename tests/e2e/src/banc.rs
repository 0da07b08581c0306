//! Six services as six processes over RabbitMQ and PostgreSQL, and the simulated world in the
//! test's own process, all on one accelerated clock.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use agency::{HttpClient, HttpSettings};
use bus::QueueSpec;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use contracts::Referentiel;
use harness::{Processus, Serveurs, binaire};
use kernel::{Acceleration, Clock, Secret, Tasks, paris_at};
use simulators::{
    Courtier, Monde, Options,
    monde::{JETON_DS, ROBOT},
};
use store::{
    Store,
    postgres::{PostgresStore, drop_schema},
};
use tempfile::TempDir;

/// The services, in the order of a dossier's way.
pub const SERVICES: [&str; 6] =
    ["ds-intake", "ordinal-adapter", "rpps-flux", "cpam-cps", "rdv-agenda-sync", "indemnite"];
/// Real time before the first deposit, for processes to start, in seconds: what an idle machine
/// needs, then, for one that was late, far more.
const AVANCES_S: [i32; 3] = [12, 48, 120];
/// Longest wait for a process to be ready.
const DEMARRAGE: Duration = Duration::from_secs(90);
/// Operators' token.
const JETON: &str = "operateur-des-essais";
/// Time limit of a call, in milliseconds: below a lease of an accelerated clock.
const DELAI_MS: u32 = 3_000;

/// Who applies, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Seed of the population.
    pub seed: u64,
    /// Doctors.
    pub medecins: u32,
    /// Business seconds per real second.
    pub facteur: u32,
    /// First day of the deposits: the demo's, so that the same people do the same.
    pub debut: NaiveDate,
}

/// Everything that runs.
pub struct Banc {
    /// The outside world.
    pub monde: Monde,
    dossier: TempDir,
    serveurs: Serveurs,
    acceleration: Acceleration,
    nom: String,
    ports: BTreeMap<&'static str, u16>,
    processus: BTreeMap<&'static str, Processus>,
    courtier: Courtier,
    tasks: Tasks,
}

impl Banc {
    /// Starts the agencies and the services, all ready before the first deposit: accelerated time
    /// does not wait, so that on a machine where they were late all begins again, with more time.
    ///
    /// # Panics
    /// When something cannot be started, or not in time.
    pub async fn monter(serveurs: Serveurs, scenario: Scenario) -> Self {
        for avance in AVANCES_S {
            let banc = Self::demarrer(serveurs.clone(), scenario, avance).await;
            let now = Clock::accelerated(banc.acceleration).now();
            let late = now - paris_at(scenario.debut, NaiveTime::MIN);
            if late <= TimeDelta::zero() {
                return banc;
            }
            eprintln!("ready {} business hours late: again", late.num_hours());
            banc.demonter().await;
        }
        panic!("the services are not ready in {AVANCES_S:?} s");
    }

    /// The first service of the chain is started last: what it publishes then finds every queue.
    async fn demarrer(serveurs: Serveurs, scenario: Scenario, avance: i32) -> Self {
        let nom = format!("e2e-{:08x}", uuid::Uuid::new_v4().as_fields().0);
        let facteur = i32::try_from(scenario.facteur).expect("a sensible factor");
        let acceleration = Acceleration {
            started_at: Clock::system().now(),
            epoch: paris_at(scenario.debut, NaiveTime::MIN)
                - TimeDelta::seconds(avance.into()) * facteur,
            factor: scenario.facteur,
        };
        let clock = Clock::accelerated(acceleration);
        let tasks = Tasks::new();
        let options = Options {
            seed: scenario.seed,
            medecins: scenario.medecins,
            debut: scenario.debut,
            port: 0,
            pannes: false,
            demarche: 123_456,
        };
        let register = Arc::new(Referentiel::demo());
        let monde = Monde::start(clock.clone(), &tasks, register, options).await.expect("servers");
        let dossier = tempfile::tempdir().expect("a folder");
        monde.set_journal(File::create(dossier.path().join("messages")).expect("a file"));
        let url = serveurs.amqp.clone();
        let prefix = format!("{nom}.");
        let courtier =
            Courtier::ouvrir(&monde, url, &prefix, &clock, &tasks).await.expect("the broker");
        let (ports, processus) = (ports_libres(), BTreeMap::new());
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let adresses = ports.iter().map(|(name, port)| ((*name).to_owned(), url(port))).collect();
        monde.set_services(adresses, Secret::new(JETON));
        let mut banc =
            Self { monde, dossier, serveurs, acceleration, nom, ports, processus, courtier, tasks };
        for service in SERVICES.into_iter().rev() {
            banc.creer_schema(service).await;
            fs::write(banc.fichier(service, "toml"), banc.reglages(service)).expect("a file");
            banc.lancer(service).await;
        }
        banc
    }

    /// Starts a service, and waits until it is ready.
    ///
    /// # Panics
    /// When it ends at once, or is not ready in time.
    pub async fn lancer(&mut self, service: &'static str) {
        let config = self.fichier(service, "toml");
        let config = config.to_str().expect("a UTF-8 path");
        let clock = &self.acceleration;
        let env = [
            ("RELAIS__CLOCK__STARTED_AT", clock.started_at.to_rfc3339()),
            ("RELAIS__CLOCK__EPOCH", clock.epoch.to_rfc3339()),
            ("RELAIS__CLOCK__FACTOR", clock.factor.to_string()),
        ];
        let log = self.fichier(service, "log");
        let process = Processus::lancer(&binaire(service), &["--config", config], &env, &log);
        self.processus.insert(service, process);
        let started = Instant::now();
        while !pret(self.ports[service]).await {
            self.verifier_vivants();
            assert!(started.elapsed() < DEMARRAGE, "{service} is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// SIGKILL.
    pub fn tuer(&mut self, service: &str) {
        if let Some(process) = self.processus.get_mut(service) {
            process.tuer();
        }
    }

    /// Waits for a condition on what was published, however long it takes up to `patience`.
    ///
    /// # Panics
    /// When time is out, or a service has ended meanwhile.
    pub async fn attendre(
        &mut self,
        quoi: &str,
        patience: Duration,
        condition: impl Fn(&simulators::registre::Registre) -> bool,
    ) {
        let started = Instant::now();
        while !self.monde.avec_registre(&condition) {
            self.verifier_vivants();
            if started.elapsed() > patience {
                let attendu = self.monde.attendu();
                let ecarts = self.monde.avec_registre(|r| r.ecarts(&attendu));
                panic!("{quoi}: not after {patience:?}; what differs:\n{}", ecarts.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everything published so far, one CloudEvent a line.
    ///
    /// # Panics
    /// When it could not be written.
    pub fn messages(&self) -> String {
        self.monde.clore_journal().expect("the journal is written");
        fs::read_to_string(self.dossier.path().join("messages")).expect("the journal")
    }

    /// SIGTERM to every service; each must end well.
    ///
    /// # Panics
    /// When one does not.
    pub async fn terminer(&mut self) {
        for (name, mut process) in std::mem::take(&mut self.processus) {
            let status = process.terminer(Duration::from_secs(30)).await;
            let text = process.journal();
            assert!(status.is_some_and(|s| s.success()), "{name} ended with {status:?}\n{text}");
        }
    }

    /// The end of each service's log, for a test that failed.
    pub fn journaux(&self) -> String {
        self.processus.values().map(Processus::journal).collect::<Vec<_>>().join("\n")
    }

    /// Ends every process and leaves nothing on the servers.
    pub async fn demonter(self) {
        drop(self.processus);
        // Nobody reads any more: a reader would declare its queue again.
        self.tasks.stop(Duration::from_secs(5)).await;
        let queues: Vec<_> =
            SERVICES.iter().map(|name| QueueSpec::service(name, Vec::new())).collect();
        if let Err(error) = self.courtier.effacer(&queues).await {
            eprintln!("queues {}.* may remain: {error:?}", self.nom);
        }
        for service in SERVICES {
            let schema = schema(&self.nom, service);
            if let Err(error) = drop_schema(self.serveurs.base.expose(), &schema).await {
                eprintln!("schema {schema} may remain: {error}");
            }
        }
    }

    fn verifier_vivants(&mut self) {
        for (name, process) in &mut self.processus {
            let ended = process.fini();
            assert!(ended.is_none(), "{name} ended by itself: {ended:?}\n{}", process.journal());
        }
    }

    fn fichier(&self, service: &str, extension: &str) -> PathBuf {
        self.dossier.path().join(format!("{service}.{extension}"))
    }

    async fn creer_schema(&self, service: &str) {
        let (url, schema) = (self.serveurs.base.expose(), schema(&self.nom, service));
        let store = PostgresStore::connect(url, Some(&schema)).await.expect("the database");
        store.close().await;
    }

    fn reglages(&self, service: &str) -> String {
        let base = self.serveurs.base.expose();
        let mark = if base.contains('?') { '&' } else { '?' };
        let frame = format!(
            "listen = \"127.0.0.1:{}\"\n\
             database_url = \"{base}{mark}options%5Bsearch_path%5D={}\"\n\
             amqp_url = \"{}\"\namqp_prefix = \"{}.\"\n\
             amqp_declare = true\namqp_identity_header = true\n\
             operator_token = \"{JETON}\"\n\
             data_dir = \"{}\"\nreferentiel = \"{}\"\n\
             [telemetry]\nformat = \"texte\"\n\
             [links]\nkey = \"cle-fictive-des-liens-des-essais\"\n\
             [smtp]\nurl = \"{}\"\nfrom = \"relais@relais.example\"\ntimeout_ms = {DELAI_MS}\n",
            self.ports[service],
            schema(&self.nom, service),
            self.serveurs.amqp.expose(),
            self.nom,
            self.dossier.path().display(),
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../contracts/referentiel/demo")
                .display(),
            self.monde.url_smtp(),
        );
        format!("{frame}[{service}]\n{}", self.table(service))
    }

    /// What is a service's own.
    fn table(&self, service: &str) -> String {
        match service {
            "ds-intake" => format!(
                "demarche = 123456\njeton = \"{JETON_DS}\"\ninstructeur_id = \"{ROBOT}\"\n\
                 poll_interval_s = 14400\n\
                 http = {{ base_url = \"{}\", timeout_ms = {DELAI_MS} }}\n",
                self.monde.url_ds()
            ),
            // An identity that is late must not change what the CDOM is asked.
            "ordinal-adapter" => "attente_identite_jours = 12\n".to_owned(),
            "rpps-flux" => format!(
                "base_url = \"{}\"\ntimeout_ms = {DELAI_MS}\n\
                 cle_pseudonymes = \"cle-fictive-des-pseudonymes\"\n",
                self.monde.url_rpps()
            ),
            "rdv-agenda-sync" => format!(
                "public_url = \"http://127.0.0.1:{}\"\n\
                 webhook_secret = \"secret-fictif-des-webhooks-des-essais\"\n\
                 credential_key = \"cle-fictive-des-jetons-gardes-des-essais\"\n\
                 client_id = \"relais\"\nclient_secret = \"secret-fictif\"\n\
                 refresh_token_initial = \"consentement-fictif\"\n\
                 operations_par_minute = 60\n\
                 api = {{ base_url = \"{}\", timeout_ms = {DELAI_MS} }}\n",
                self.ports[service],
                self.monde.url_rdv()
            ),
            _ => String::new(),
        }
    }
}

fn schema(nom: &str, service: &str) -> String {
    format!("{nom}-{service}").replace('-', "_")
}

/// A free port for each service. Another process may take one before its service does; the range
/// that the kernel hands out is wide enough.
fn ports_libres() -> BTreeMap<&'static str, u16> {
    let take = |name| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        ((name, port), listener)
    };
    let (ports, _held): (BTreeMap<_, _>, Vec<_>) = SERVICES.into_iter().map(take).unzip();
    ports
}

pub(crate) async fn pret(port: u16) -> bool {
    let settings = HttpSettings {
        base_url: format!("http://127.0.0.1:{port}"),
        timeout_ms: 2_000,
        max_body_bytes: 1 << 16,
    };
    let client = HttpClient::new(settings).expect("a client");
    client.send(client.request(reqwest::Method::GET, "/readyz")).await.is_ok()
}
