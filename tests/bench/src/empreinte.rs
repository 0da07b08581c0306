//! The footprint of one service: its own release binary, as a process of its own, on RabbitMQ and
//! PostgreSQL.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bus::{Identity, Publication, QueueSpec, RabbitBus, RabbitOptions, Transport};
use contracts::{
    Flux, Message,
    messages::{VacationPlanifiee, VacationRealisee},
};
use kernel::{Clock, Secret};
use serde_json::{Value, json};
use store::{
    Store,
    postgres::{PostgresStore, drop_schema},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Erreur,
    chiffres::{Resultat, decimal, entier, mediane},
    cli::{self, Cli},
};

/// The service that is measured.
const SERVICE: &str = "indemnite";
/// How long it idles before its memory is read.
const REPOS: Duration = Duration::from_secs(3);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(2);
/// Messages published at a time.
const LOT: u32 = 1_000;

/// Measures the footprint.
pub(crate) async fn mesurer(cli: &Cli) -> Result<Resultat, Erreur> {
    let binary = binaire(SERVICE)?;
    let size = fs::metadata(&binary)?.len();
    let run = format!("bench-{:08x}", uuid::Uuid::new_v4().as_fields().0);
    let schema = run.replace('-', "_");
    let amqp = cli::url("AMQP_URL").ok_or("AMQP_URL is not set")?;
    let base = cli::url("DATABASE_URL").ok_or("DATABASE_URL is not set")?;
    let store = PostgresStore::connect(base.expose(), Some(&schema)).await?;
    let dossier = tempfile::tempdir()?;
    let config = dossier.path().join("service.toml");
    let port = port_libre()?;
    fs::write(&config, reglages(&amqp, &base, &run, &schema, port, dossier.path()))?;
    let identity = Identity::Service("rdv-agenda-sync".to_owned());
    let options = RabbitOptions::demo(amqp.clone(), identity, Clock::system(), &format!("{run}."));
    let bus = RabbitBus::connect(options).await?;
    let outcome = jouer(&binary, &config, port, &bus, &store, cli).await;
    store.close().await;
    drop_schema(base.expose(), &schema).await?;
    bus.erase(&[QueueSpec::service(SERVICE, Vec::new())]).await?;
    bus.close().await;
    let (starts, idle, load, rate) = outcome?;
    let ready = mediane(&starts);
    let mega = |bytes: u64| f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0;
    let mut resultat = Resultat::new("footprint : un service, son propre binaire");
    resultat
        .ligne(format!("binaire : {} Mo (visé : au plus 25)", decimal(mega(size), 1)))
        .ligne(format!("prêt en {} ms (visé : au plus 150)", entier(ready)))
        .ligne(format!("mémoire au repos : {} Mo (visé : au plus 25)", decimal(mega(idle), 1)))
        .ligne(format!(
            "mémoire en charge ({} messages/s), au plus haut : {} Mo (visé : au plus 60)",
            entier(rate),
            decimal(mega(load), 1)
        ))
        .valeur("binary_mb", mega(size))
        .valeur("ready_ms", ready)
        .valeur("idle_mb", mega(idle))
        .valeur("load_mb", mega(load))
        .valeur("rate_per_s", rate);
    Ok(resultat)
}

/// Starts several times, idles, then works; returns start times in milliseconds, bytes, bytes, and
/// messages per second.
async fn jouer(
    binary: &Path,
    config: &Path,
    port: u16,
    bus: &RabbitBus,
    store: &PostgresStore,
    cli: &Cli,
) -> Result<(Vec<f64>, u64, u64, f64), Erreur> {
    // The first start makes the tables and queues; every other finds them.
    drop(demarrer(binary, config, port).await?);
    let mut starts = Vec::new();
    for _ in 0..cli.tours {
        starts.push(demarrer(binary, config, port).await?.1.as_secs_f64() * 1e3);
    }
    let (process, took) = demarrer(binary, config, port).await?;
    starts.push(took.as_secs_f64() * 1e3);
    tokio::time::sleep(REPOS).await;
    let idle = process.memoire("VmRSS")?;
    let started = Instant::now();
    let mut sent = 0;
    while sent < cli.messages {
        let lot: Vec<_> = (sent..(sent + LOT).min(cli.messages)).map(vacation).collect();
        sent += u32::try_from(lot.len())?;
        bus.publish(lot).await;
    }
    let expected = i64::from(cli.messages);
    while marques(port).await? < expected || store.stats().await?.outbox > 0 {
        if started.elapsed() > PATIENCE {
            return Err(format!("{} of {expected} messages", marques(port).await?).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let rate = f64::from(cli.messages) / started.elapsed().as_secs_f64();
    Ok((starts, idle, process.memoire("VmHWM")?, rate))
}

/// A vacation that was held, of one of many engagements.
fn vacation(n: u32) -> Publication {
    let message =
        if n.is_multiple_of(2) { VacationPlanifiee::TYPE } else { VacationRealisee::TYPE };
    let engagement = kernel::short_id(&["banc", &(n / 8).to_string()]);
    let body = json!({
        "vacation": format!("{engagement}-2026-02-{:02}", 2 + (n / 2) % 4),
        "engagement": engagement,
        "date": format!("2026-02-{:02}", 2 + (n / 2) % 4),
        "demi_journees": ["matin", "apres_midi"],
        "rdv_honores": 12,
        "creneaux": [{ "debut": "2026-02-03T08:00:00Z", "fin": "2026-02-03T11:00:00Z" }],
    });
    let envelope = contracts::Envelope {
        id: kernel::derive_id(&["footprint", &n.to_string()]).to_string(),
        source: "/relais/rdv-agenda-sync".to_owned(),
        message_type: message.to_owned(),
        subject: Some(format!("vacation/{}", body["vacation"].as_str().unwrap_or_default())),
        time: Clock::system().now(),
        sequence: Some(u64::from(n) + 1),
        correlation_id: None,
        causation_id: None,
        traceparent: None,
        data: body.to_string().into_bytes(),
    };
    Publication {
        flux: Flux::Evenements,
        routing_key: message.to_owned(),
        envelope,
        mandatory: false,
    }
}

/// Messages that the service says to have handled, whatever became of them.
async fn marques(port: u16) -> Result<i64, Erreur> {
    let text = get(port, "/metrics").await?;
    let of = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    let handled: f64 =
        text.lines().filter(|l| l.starts_with("relais_messages_total")).filter_map(of).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a count")]
    Ok(handled as i64)
}

/// A process that does not outlive the bench.
struct Processus(Child);

impl Processus {
    /// A line of `/proc/<pid>/status`, in bytes.
    fn memoire(&self, line: &str) -> Result<u64, Erreur> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
        let kib = found.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        Ok(kib.ok_or("no such line in /proc/<pid>/status")? * 1024)
    }
}

impl Drop for Processus {
    fn drop(&mut self) {
        // Already dead is dead.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the service; returns how long it took to say so, ready.
async fn demarrer(
    binary: &Path,
    config: &Path,
    port: u16,
) -> Result<(Processus, Duration), Erreur> {
    let started = Instant::now();
    let mut child = Command::new(binary)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let journal = child.stderr.take().ok_or("no log")?;
    let mut process = Processus(child);
    let (dire, dit) = tokio::sync::oneshot::channel();
    // Reads on to the end: a log that nobody reads holds up who writes it.
    std::thread::spawn(move || {
        let mut dire = Some(dire);
        for line in BufReader::new(journal).lines().map_while(Result::ok) {
            if line.contains("\"message\":\"started\"") {
                dire.take().map(|dire| dire.send(()));
            }
        }
    });
    match tokio::time::timeout(PATIENCE, dit).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => {
            return Err(format!("{SERVICE} ended by itself: {}", process.0.wait()?).into());
        }
        Err(_) => return Err(format!("{SERVICE} does not start").into()),
    }
    let answer = get(port, "/readyz").await?;
    let took = started.elapsed();
    if answer.starts_with("HTTP/1.1 200") {
        Ok((process, took))
    } else {
        Err(format!("{SERVICE} has started and is not ready: {answer}").into())
    }
}

/// One request, one answer, head and body.
async fn get(port: u16, path: &str) -> Result<String, Erreur> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: banc\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn reglages(
    amqp: &Secret,
    base: &Secret,
    run: &str,
    schema: &str,
    port: u16,
    dossier: &Path,
) -> String {
    let base = base.expose();
    let mark = if base.contains('?') { '&' } else { '?' };
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/referentiel/demo");
    let text = |value: &str| Value::String(value.to_owned()).to_string();
    [
        format!("listen = \"127.0.0.1:{port}\""),
        format!(
            "database_url = {}",
            text(&format!("{base}{mark}options%5Bsearch_path%5D={schema}"))
        ),
        format!("amqp_url = {}", text(amqp.expose())),
        format!("amqp_prefix = \"{run}.\""),
        "amqp_declare = true\namqp_identity_header = true".to_owned(),
        format!("data_dir = {}", text(&dossier.to_string_lossy())),
        format!("referentiel = {}", text(&demo.to_string_lossy())),
        "[links]\nkey = \"cle-fictive-du-banc\"".to_owned(),
    ]
    .join("\n")
}

fn port_libre() -> Result<u16, Erreur> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A release binary of the workspace; built when it is not there.
pub(crate) fn binaire(name: &str) -> Result<PathBuf, Erreur> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    if !path.exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let built = Command::new("cargo")
            .args(["build", "--release", "--locked", "-p", name])
            .current_dir(root)
            .status()?;
        if !built.success() {
            return Err(format!("cargo could not build {name}").into());
        }
    }
    if path.exists() { Ok(path) } else { Err(format!("{} is missing", path.display()).into()) }
}
