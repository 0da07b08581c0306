//! `relais rdv login` and `reconcile` as an operator runs them, against a service that runs and a
//! simulated RDV Service Public: from a consent that is gone to calls that go on by themselves.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kernel::{Clock, Tasks};
use rdv_agenda_sync::simulator::{self, Options};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;

const JETON: &str = "jeton-de-a-martin";
const PATIENCE: Duration = Duration::from_mins(1);

/// `relais run`, stopped with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn reglages(folder: &Path, port: u16, api: &str, cle: &str) -> String {
    format!(
        "listen = \"127.0.0.1:{port}\"\ndata_dir = \"{}\"\noperator_token = \"{JETON}\"\n\
         [telemetry]\nformat = \"texte\"\nfiltre = \"debug\"\n\
         [services]\nrdv-agenda-sync = \"http://127.0.0.1:{port}\"\n\
         [rdv-agenda-sync]\npublic_url = \"http://127.0.0.1:{port}\"\n\
         webhook_secret = \"secret-fictif-des-webhooks-des-essais\"\n\
         credential_key = \"{cle}\"\nclient_id = \"relais\"\nclient_secret = \"secret-fictif\"\n\
         api = {{ base_url = \"{api}\", timeout_ms = 2000 }}\n",
        folder.join("donnees").display(),
    )
}

fn relais(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
    command.arg("rdv").env("RELAIS_OPERATOR_TOKEN", JETON).env_remove("RUST_BACKTRACE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.arg("login").arg("--config").arg(config);
    command
}

/// Runs the command; `suivre` is what the operator pastes, given the address that is shown.
async fn login(config: &Path, suivre: impl AsyncFnOnce(&str) -> String) -> (bool, String) {
    let mut child = relais(config).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut shown = String::new();
    while !shown.contains("Collez ici") {
        let mut line = String::new();
        if stdout.read_line(&mut line).expect("a line") == 0 {
            break;
        }
        shown.push_str(&line);
    }
    if let Some(adresse) = shown.lines().find(|l| l.contains("/oauth/authorize?")) {
        let pasted = suivre(adresse.trim()).await;
        writeln!(child.stdin.take().expect("piped"), "{pasted}").expect("it reads");
    }
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).expect("its output");
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), format!("{shown}{rest}{errors}"))
}

async fn taches(client: &Client, port: u16) -> Option<Vec<Value>> {
    let url = format!("http://127.0.0.1:{port}/ops/taches");
    client.get(url).bearer_auth(JETON).send().await.ok()?.json().await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_consents_once_in_a_browser() {
    let tasks = Tasks::new();
    let sim = simulator::start(Clock::system(), &tasks, Options::default()).await;
    let sim = sim.expect("a simulator");
    let folder = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
    let config = folder.path().join("relais.toml");
    let cle = "cle-fictive-des-jetons-gardes-des-essais";
    std::fs::write(&config, reglages(folder.path(), port, sim.url(), cle)).expect("a file");
    let log = std::fs::File::create(folder.path().join("journal")).expect("a file");
    let service = Command::new(env!("CARGO_BIN_EXE_relais"))
        .args(["run", "--services", "rdv-agenda-sync", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let _service = Service(service.expect("it starts"));
    agency::install_crypto_provider();
    let client = Client::builder().tls_certs_only([]).redirect(Policy::none()).build();
    let client = client.expect("a client");
    // Without a consent there is one task, with what to do.
    let begun = Instant::now();
    loop {
        let open = taches(&client, port).await.unwrap_or_default();
        if let Some(tache) = open.iter().find(|t| t["gabarit"] == "rdv-compte") {
            assert_eq!(tache["champs"]["code"], "rdv-consentement-absent");
            assert_eq!(tache["champs"]["commande"], "relais rdv login");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no task: {open:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let (done, text) = login(&config, async |_| "pas une adresse".to_owned()).await;
    assert!(!done && text.contains("une adresse est attendue"), "{text}");
    let ailleurs =
        async |_: &str| format!("http://127.0.0.1:{port}/rdv/consentement?code=x&state=y");
    let (done, text) = login(&config, ailleurs).await;
    assert!(!done && text.contains("autre tentative"), "{text}");
    // A command that runs with another key gives nothing that the service can read.
    let consentir = async |adresse: &str| {
        let answer = client.get(adresse).send().await.expect("the page where the agent consents");
        let retour = answer.headers()["location"].to_str().expect("an address").to_owned();
        let page = client.get(&retour).send().await.expect("the page where it ends");
        assert!(page.text().await.expect("a page").contains("relais rdv login"));
        retour
    };
    let autre = folder.path().join("autre.toml");
    let other = reglages(folder.path(), port, sim.url(), "une-autre-cle-fictive-des-jetons-gardes");
    std::fs::write(&autre, other).expect("a file");
    let (done, text) = login(&autre, consentir).await;
    assert!(!done && text.contains("credential_key"), "{text}");

    let (done, text) = login(&config, consentir).await;
    assert!(done && text.contains("accès donné par service@dns.example"), "{text}");
    assert!(text.contains("reprennent d'eux-mêmes"), "{text}");
    let open = taches(&client, port).await.expect("tasks");
    assert!(open.iter().all(|t| t["gabarit"] != "rdv-compte"), "{open:?}");

    let output = Command::new(env!("CARGO_BIN_EXE_relais"))
        .args(["rdv", "reconcile", "--config"])
        .arg(&config)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("tous les lieux prêts"), "{output:?}");
    // No token is written anywhere in clear.
    let kept = std::fs::read_dir(folder.path().join("donnees")).expect("a folder");
    let kept = kept.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let mut looked = 0;
    for path in kept.chain([folder.path().join("journal")]) {
        let bytes = std::fs::read(&path).expect("a file");
        looked += 1;
        for word in ["acces-", "renouvellement-", "consentement-"] {
            let found = bytes.windows(word.len() + 16).any(|w| {
                w.starts_with(word.as_bytes()) && w[word.len()..].iter().all(u8::is_ascii_hexdigit)
            });
            assert!(!found, "{word} in {}", path.display());
        }
    }
    assert!(looked > 1, "the store and the log were looked at");
    tasks.ask_to_stop();
}
