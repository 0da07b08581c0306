//! Two replicas of ds-intake on one PostgreSQL, one broker and one token of DS: together they keep
//! to DS's limit, use nearly all of it, and read each dossier once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use agency::{HttpClient, HttpSettings};
use bus::{Consumer, Identity, QueueSpec, RabbitBus, RabbitOptions, Transport};
use contracts::{
    Flux, Message,
    messages::{CandidatureDeposee, CandidatureIncomplete, PanneOuverte},
};
use ds_intake::simulator::{self as ds, Etat};
use e2e::{depot, reglages_ds};
use futures_util::FutureExt;
use harness::{Processus, Serveurs, attendre, binaire};
use kernel::{Acceleration, Clock, Tasks};
use store::{
    Store,
    postgres::{PostgresStore, drop_schema},
};

/// How much faster than real time everything lives: a minute of DS is half of one.
const FACTEUR: u32 = 2;
/// What DS allows a minute; 400 on the real one. Little enough for a debug build to spend it.
const PAR_MINUTE: u32 = 600;
const DOSSIERS: u64 = 240;
const PATIENCE: Duration = Duration::from_mins(3);

/// Both processes, and what they share.
struct Paire {
    dossier: tempfile::TempDir,
    clock: Acceleration,
    repliques: Vec<(u16, Processus)>,
}

impl Paire {
    fn lancer(&mut self, serveurs: &Serveurs, nom: &str, tables: &str) {
        let port = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = port.local_addr().expect("an address").port();
        let rang = self.repliques.len();
        let base = serveurs.base.expose();
        let mark = if base.contains('?') { '&' } else { '?' };
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\n\
             database_url = \"{base}{mark}options%5Bsearch_path%5D={}\"\n\
             amqp_url = \"{}\"\namqp_prefix = \"{nom}.\"\namqp_declare = true\n\
             amqp_identity_header = true\ndata_dir = \"{}\"\nreferentiel = \"{}\"\n\
             [telemetry]\nformat = \"texte\"\n{tables}",
            schema(nom),
            serveurs.amqp.expose(),
            self.chemin(&format!("donnees-{rang}")).display(),
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../contracts/referentiel/demo")
                .display(),
        );
        let config = self.chemin(&format!("{rang}.toml"));
        fs::write(&config, text).expect("a file");
        let env = [
            ("RELAIS__CLOCK__STARTED_AT", self.clock.started_at.to_rfc3339()),
            ("RELAIS__CLOCK__EPOCH", self.clock.epoch.to_rfc3339()),
            ("RELAIS__CLOCK__FACTOR", self.clock.factor.to_string()),
        ];
        let args = ["--config", config.to_str().expect("a UTF-8 path")];
        let log = self.chemin(&format!("{rang}.log"));
        let process = Processus::lancer(&binaire("ds-intake"), &args, &env, &log);
        self.repliques.push((port, process));
    }

    fn chemin(&self, name: &str) -> PathBuf {
        self.dossier.path().join(name)
    }

    fn journaux(&self) -> String {
        self.repliques.iter().map(|(_, p)| p.journal()).collect::<Vec<_>>().join("\n")
    }

    /// How many calls to DS each of them made that were answered.
    async fn appels(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for (port, _) in &self.repliques {
            let settings = HttpSettings {
                base_url: format!("http://127.0.0.1:{port}"),
                timeout_ms: 5_000,
                max_body_bytes: 1 << 20,
            };
            let client = HttpClient::new(settings).expect("a client");
            let answer = client.send(client.request(reqwest::Method::GET, "/metrics")).await;
            let text = String::from_utf8(answer.expect("metrics").body).expect("UTF-8");
            let counts = text
                .lines()
                .filter(|l| l.starts_with("relais_ask_seconds_count{agency=\"ds\""))
                .filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok());
            all.push(counts.sum());
        }
        all
    }
}

fn schema(nom: &str) -> String {
    nom.replace('-', "_")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_the_limit_and_read_each_dossier_once() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    agency::install_crypto_provider();
    let nom = format!("e2e-{:08x}", uuid::Uuid::new_v4().as_fields().0);
    let base = serveurs.base.expose();
    let store = PostgresStore::connect(base, Some(&schema(&nom))).await.expect("a base");
    store.close().await;
    let identity = Identity::Service("temoin".to_owned());
    let (url, prefix) = (serveurs.amqp.clone(), format!("{nom}."));
    let options = RabbitOptions::demo(url, identity, Clock::system(), &prefix);
    let bus = RabbitBus::connect(options).await.expect("a broker");
    let types = [CandidatureDeposee::TYPE, CandidatureIncomplete::TYPE, PanneOuverte::TYPE];
    let bindings = types.iter().map(|t| (Flux::Evenements, (*t).to_owned())).collect();
    let spec = QueueSpec::service("temoin", bindings);
    let temoin = bus.consume(&spec, 256).await.expect("consumes");
    let outcome = AssertUnwindSafe(jouer(&serveurs, &nom, temoin)).catch_unwind().await;
    // Nothing is left behind, whatever came of it.
    let own = QueueSpec::service("ds-intake", Vec::new());
    bus.erase(&[spec, own]).await.expect("erased");
    bus.close().await;
    drop_schema(base, &schema(&nom)).await.expect("dropped");
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn jouer(serveurs: &Serveurs, nom: &str, mut temoin: Box<dyn Consumer>) {
    let now = Clock::system().now();
    let clock = Acceleration { started_at: now, epoch: now, factor: FACTEUR };
    let (tasks, time) = (Tasks::new(), Clock::accelerated(clock));
    let sim = ds::start(time.clone(), &tasks, ds::Options::default()).await.expect("a simulator");
    sim.limiter_debit(PAR_MINUTE);
    // One in ten cannot be examined: its doctor is written to, once.
    let incomplet = |numero: u64| numero.is_multiple_of(10);
    for numero in 1..=DOSSIERS {
        let telephone = if incomplet(numero) { "12" } else { "06 00 00 00 00" };
        sim.deposer(depot(numero, telephone, time.now().date_naive()));
    }

    let calls = PAR_MINUTE * 390 / 400;
    let plus = format!("calls_per_minute = {calls}\npoll_interval_s = 5");
    let tables = reglages_ds(&sim.config(), &plus);
    let dossier = tempfile::tempdir().expect("a folder");
    let mut paire = Paire { dossier, clock, repliques: Vec::new() };
    for _ in 0..2 {
        paire.lancer(serveurs, nom, &tables);
    }
    // The rate is measured between two numbers of calls, once both are at work.
    assert!(attendre(PATIENCE, || sim.appels() > 40).await, "{}", paire.journaux());
    let (from, before) = (Instant::now(), sim.appels());
    let enough = || sim.appels() - before > DOSSIERS;
    assert!(attendre(PATIENCE, enough).await, "too slow\n{}", paire.journaux());
    let elapsed = u64::try_from(from.elapsed().as_millis()).expect("minutes");
    let rate = (sim.appels() - before) * 60_000 / u64::from(FACTEUR) / elapsed.max(1);

    let read = || {
        let done = |n: &u64| {
            let wanted = if incomplet(*n) { Etat::EnConstruction } else { Etat::EnInstruction };
            sim.etat(*n) == Some(wanted) && (!incomplet(*n) || sim.nombre_courriels(*n) > 0)
        };
        (1..=DOSSIERS).filter(done).count() as u64
    };
    let done = attendre(PATIENCE, || read() == DOSSIERS).await;
    assert!(done, "{} of {DOSSIERS}\n{}", read(), paire.journaux());

    // Everything that was published: each application once, under one id.
    let mut said: BTreeMap<(String, Option<String>), BTreeSet<String>> = BTreeMap::new();
    let mut messages = 0;
    while said.len() < usize::try_from(DOSSIERS).expect("few") {
        let batch = tokio::time::timeout(PATIENCE, temoin.next_batch(256)).await;
        let batch = batch.expect("more was published").expect("open");
        let tags: Vec<_> = batch.iter().map(|d| d.tag).collect();
        messages += batch.len();
        for envelope in batch.into_iter().map(|d| d.envelope) {
            let key = (envelope.message_type, envelope.subject);
            said.entry(key).or_default().insert(envelope.id);
        }
        temoin.ack(&tags).await.expect("acknowledged");
    }
    let by_type = |name: &str| said.keys().filter(|(kind, _)| kind == name).count() as u64;
    let appels = paire.appels().await;
    eprintln!("{rate} calls/min of {PAR_MINUTE}; {appels:?} calls answered; {messages} messages");
    assert_eq!(by_type(PanneOuverte::TYPE), 0, "{said:?}");
    assert_eq!(by_type(CandidatureIncomplete::TYPE), DOSSIERS / 10);
    assert_eq!(by_type(CandidatureDeposee::TYPE), DOSSIERS - DOSSIERS / 10);
    assert!(said.values().all(|ids| ids.len() == 1), "said twice: {said:?}");
    let mails: Vec<_> = (1..=DOSSIERS).map(|n| sim.nombre_courriels(n)).collect();
    let wanted: Vec<_> = (1..=DOSSIERS).map(|n| usize::from(incomplet(n))).collect();
    assert_eq!(mails, wanted, "one mail to whom something must be corrected");
    // Never above the limit, which both spend together.
    assert_eq!(sim.de_trop(), 0, "DS never had to refuse");
    assert!(rate * 100 >= u64::from(PAR_MINUTE) * 80, "{rate} of {PAR_MINUTE} calls a minute");
    let total: u64 = appels.iter().sum();
    assert!(appels.iter().all(|n| n * 10 > total), "one of them did nothing: {appels:?}");
    assert!(sim.appels() < DOSSIERS * 3 + 200, "{} calls: read again", sim.appels());

    for (_, mut process) in std::mem::take(&mut paire.repliques) {
        let status = process.terminer(Duration::from_secs(30)).await;
        assert!(status.is_some_and(|s| s.success()), "{status:?}\n{}", process.journal());
    }
    tasks.ask_to_stop();
}
