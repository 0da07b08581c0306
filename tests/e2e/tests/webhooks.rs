//! `rdv-agenda-sync` under a flood of webhooks, killed in the middle of it: nothing is lost, nothing
//! is doubled, and of the patients in every body nothing is left anywhere. The site is made by hand,
//! task after task, with `relais tasks`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use bus::{Confirmation, Identity, Publication, RabbitBus, RabbitOptions, Transport};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::{Envelope, Flux};
use e2e::{Cellule, Envoyeur, PATIENT, Poste, Rdv, Temoin, code_et_texte, corps, rdv_json};
use harness::{Processus, Serveurs, attendre, binaire, variable};
use kernel::{Acceleration, Clock, Secret, paris_at, paris_date};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row};

const LIEU: &str = "ambert-msp";
const JETON: &str = "operateur-des-essais";
const SECRET: &str = "secret-fictif-de-ce-webhook";
const MEDECINS: i64 = 4;
/// Past days on which each of them consulted, the last two days ago: yesterday may not be over yet.
const JOURS: u64 = 5;
/// Senders at a time.
const OUVRIERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(90);

fn engagement(medecin: i64) -> String {
    format!("k7m2q9x4t{medecin}")
}

fn courriel(medecin: i64) -> String {
    format!("medecin-{medecin}@medecin.example")
}

/// The service's process, and what it stands on.
struct Banc {
    cellule: Cellule,
    serveurs: Serveurs,
    poste: Poste,
    process: Processus,
    /// Everything that is published from now on waits here.
    temoin: Temoin,
    clock: Acceleration,
    aujourdhui: NaiveDate,
}

impl Banc {
    async fn monter(serveurs: Serveurs, cellule: Cellule) -> Self {
        let (code, text) = cellule.topology("apply", &[]);
        assert_eq!(code, Some(0), "{text}");
        let url = cellule.url(&serveurs.amqp, "rdv-agenda-sync");
        let plus = format!("operator_token = \"{JETON}\"");
        let poste = Poste::preparer(&cellule, &serveurs, "rdv-agenda-sync", &url, &plus).await;
        // Everything that can be logged is.
        let text = fs::read_to_string(&poste.config).expect("the settings");
        let text = text.replace("format = \"texte\"", "format = \"texte\"\nfiltre = \"debug\"");
        assert!(text.contains("debug"), "the log must say everything");
        fs::write(&poste.config, text).expect("a file");
        // The API is not there, and is not needed: people do every step.
        poste.ajouter(&format!(
            "[rdv-agenda-sync]\npublic_url = \"{}\"\n\
             webhook_secret = \"secret-fictif-des-webhooks-des-essais\"\n\
             credential_key = \"cle-fictive-des-jetons-gardes-des-essais\"\n\
             client_id = \"relais\"\nclient_secret = \"secret-fictif\"\n\
             refresh_token_initial = \"consentement-fictif\"\n\
             api = {{ base_url = \"http://127.0.0.1:9\", timeout_ms = 1000 }}\n\
             [rdv-agenda-sync.webhook_secrets]\n{LIEU} = \"{SECRET}\"\n\
             [rdv-agenda-sync.capacites]\n\
             webhook = \"manual\"\nlieu = \"manual\"\nmotif = \"manual\"\nagent = \"manual\"",
            poste.url()
        ));
        let now = Clock::system().now();
        // Short leases: what the killed process held is free again after seconds, not minutes.
        let clock = Acceleration { started_at: now, epoch: now, factor: 2 };
        let mut process = poste.lancer(Some(clock));
        poste.attendre_pret(&mut process).await;
        let temoin = Temoin::ouvrir(&cellule, &serveurs).await;
        let aujourdhui = paris_date(Clock::system().now());
        Self { cellule, serveurs, poste, process, temoin, clock, aujourdhui }
    }

    fn relais(&self, args: &[&str]) -> String {
        let output = Command::new(binaire("relais"))
            .args(args)
            .args(["--service", &format!("rdv-agenda-sync={}", self.poste.url())])
            .args(["--operator-token", JETON])
            .output();
        let output = output.expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (code, whole) = code_et_texte(&output);
        assert_eq!(code, Some(0), "{args:?}: {whole}\n{}", self.plaintes());
        text
    }

    /// The doctors are authorised, and a person does whatever is asked until nothing is.
    async fn provisionner(&self) {
        let url = Secret::new(self.cellule.url(&self.serveurs.amqp, "ordinal-adapter"));
        let ordre = Identity::Service("ordinal-adapter".to_owned());
        let options = RabbitOptions::new(url, ordre, Clock::system());
        let bus = RabbitBus::connect(options).await.expect("a connection");
        let exemple = include_str!("../../../contracts/exemples/activite.autorisee.v1.json");
        for medecin in 0..MEDECINS {
            let mut value: Value = serde_json::from_str(exemple).expect("JSON");
            value["time"] = json!(Clock::system().now().to_rfc3339());
            value["id"] = json!(format!("autorisee-{medecin}"));
            value["subject"] = json!(format!("activite/{}", engagement(medecin)));
            value["data"]["engagement"] = json!(engagement(medecin));
            value["data"]["medecin"]["courriel"] = json!(courriel(medecin));
            value["data"]["a_compter_du"] = json!(self.jour(JOURS + 2));
            let envelope = Envelope::from_structured(value.to_string().as_bytes()).expect("ours");
            let (flux, routing_key) = (Flux::Evenements, envelope.message_type.clone());
            let message = Publication { flux, routing_key, envelope, mandatory: true };
            assert_eq!(bus.publish(vec![message]).await, [Confirmation::Confirmed]);
        }
        bus.close().await;
        let (started, mut done) = (Instant::now(), BTreeSet::new());
        while done.len() < usize::try_from(MEDECINS).expect("few") {
            assert!(started.elapsed() < PATIENCE, "done: {done:?}\n{}", self.plaintes());
            let list = self.relais(&["tasks", "list", "--json"]);
            let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
            for tache in list {
                let id = tache["tache"].as_str().expect("an id");
                let field = match tache["gabarit"].as_str().expect("a template") {
                    "rdv-organisation" => "organisation_id=1042".to_owned(),
                    "rdv-agent" => {
                        let email = tache["champs"]["courriel"].as_str().expect("whom to invite");
                        let medecin = (0..MEDECINS).find(|m| courriel(*m) == email);
                        let medecin = medecin.expect("one of ours");
                        done.insert(medecin);
                        format!("agent_id={}", 100 + medecin)
                    }
                    "rdv-webhook" | "rdv-lieu" | "rdv-motif" => "fait=oui".to_owned(),
                    // What the service says of the API that is away.
                    _ => continue,
                };
                assert!(self.relais(&["tasks", "show", id]).contains("consigne :"));
                self.relais(&["tasks", "close", id, "--champ", &field]);
            }
        }
    }

    /// So many days ago.
    fn jour(&self, avant: u64) -> NaiveDate {
        self.aujourdhui - Days::new(avant)
    }

    /// Each doctor opens the whole of each day.
    async fn ouvrir(&self, envoyeur: &Envoyeur) {
        for medecin in 0..MEDECINS {
            for avant in 2..=JOURS + 1 {
                let data = json!({
                    "id": medecin * 100 + i64::try_from(avant).expect("few"),
                    "agent": { "id": 100 + medecin, "email": courriel(medecin) },
                    "first_day": self.jour(avant), "start_time": "08:00:00",
                    "end_time": "18:00:00", "title": PATIENT[0], "rrule": null,
                });
                // Said before the day: a plage opened later would count as well.
                let at = paris_at(self.jour(JOURS + 2), NaiveTime::MIN);
                let body = corps("PlageOuverture", "created", at, &data);
                assert_eq!(envoyeur.poster(body).await, Some(200));
            }
        }
    }

    async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.poste.base()).await.expect("a base")
    }

    /// Rows of the service's schema that contain a word, by table: as text, or as bytes.
    async fn trouver(&self, word: &str) -> Vec<(String, i64)> {
        let mut base = self.sql().await;
        let tables = "select table_name::text from information_schema.tables \
                      where table_schema = current_schema()";
        let tables = sqlx::query(tables).fetch_all(&mut base).await.expect("tables");
        assert!(tables.len() > 8, "the whole schema is looked at");
        let mut found = Vec::new();
        for table in tables {
            let table: String = table.get(0);
            let text = format!(
                "select count(*) from \"{table}\" t where t::text like $1 or t::text like $2"
            );
            let query = sqlx::query(AssertSqlSafe(text))
                .bind(format!("%{word}%"))
                .bind(format!("%{}%", hex::encode(word)));
            let n: i64 = query.fetch_one(&mut base).await.expect("a count").get(0);
            if n > 0 {
                found.push((table, n));
            }
        }
        found
    }

    /// Appointments that the store sees otherwise than they are.
    async fn ecarts(&self, rdvs: &[Rdv]) -> Vec<String> {
        let mut base = self.sql().await;
        let mut wrong = Vec::new();
        for rdv in rdvs {
            let state = format!("engagement/{}", engagement(rdv.agent.0 - 100));
            let holder = format!("titulaires/{LIEU}/{:02}", rdv.id % 32);
            let query = "select (select (body #> array['s', 'engagement', 'rdvs', $3])::text from state \
                         where key = $1), (select (body #> array['s', 'titulaires', 'rdvs', $3])::text \
                         from state where key = $2)";
            let query = sqlx::query(query).bind(state).bind(holder).bind(rdv.id.to_string());
            let row = query.fetch_one(&mut base).await.expect("an answer");
            let (seen, held): (Option<String>, Option<String>) = (row.get(0), row.get(1));
            let statut = if rdv.supprime { "\"rdv\": null" } else { rdv.statut };
            if !seen.as_deref().unwrap_or("\"rdv\": null").contains(statut) {
                wrong.push(format!("{rdv:?}: {seen:?}, {held:?}"));
            }
        }
        wrong
    }

    /// The last warnings: the whole log is too long to show.
    fn plaintes(&self) -> String {
        let log = self.process.sortie();
        let lines: Vec<_> =
            log.lines().filter(|l| l.contains("WARN") || l.contains("ERROR")).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Resident memory, and the most it ever was, in KiB.
    fn memoire(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.process.pid());
        let status = fs::read_to_string(path).expect("a process");
        let of = |name: &str| {
            let line = status.lines().find(|l| l.starts_with(name)).expect("a line");
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("KiB")
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    async fn demonter(mut self) {
        let ended = self.process.terminer(PATIENCE).await;
        assert!(ended.is_some_and(|status| status.success()), "{}", self.plaintes());
        self.temoin.fermer().await;
        self.poste.effacer().await;
        self.cellule.fermer().await;
    }
}

/// Appointments over the past days; one in ten is not honoured, one in twenty was removed.
fn rdvs(banc: &Banc, n: usize) -> Vec<Rdv> {
    let now = Clock::system().now();
    let one = |k: usize| {
        let rang = i64::try_from(k).expect("small");
        let medecin = rang % MEDECINS;
        let avant = 1 + (k as u64 / 4) % JOURS + 1;
        let matin = paris_at(banc.jour(avant), "08:00:00".parse().expect("a time"));
        let debut: DateTime<Utc> = matin + TimeDelta::minutes(rang % 570);
        Rdv {
            id: 10_000 + rang,
            agent: (100 + medecin, courriel(medecin)),
            debut,
            pris_le: now - TimeDelta::hours(2) + TimeDelta::seconds(rang % 3_000),
            statut: if k % 10 == 3 { "excused" } else { "seen" },
            supprime: k % 20 == 7,
        }
    };
    (0..n).map(one).collect()
}

fn attendus(rdvs: &[Rdv]) -> BTreeMap<(String, NaiveDate), u32> {
    let mut all = BTreeMap::new();
    for rdv in rdvs {
        let key = (engagement(rdv.agent.0 - 100), paris_date(rdv.debut));
        *all.entry(key).or_default() += u32::from(rdv.statut == "seen" && !rdv.supprime);
    }
    all
}

/// `WEBHOOKS=10000` is the whole of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_and_a_kill_lose_nothing_double_nothing_and_keep_no_patient() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let demandes: Option<usize> = variable("WEBHOOKS").and_then(|n| n.parse().ok());
    let mut banc = Banc::monter(serveurs, cellule).await;
    banc.provisionner().await;
    let envoyeur = Envoyeur::new(format!("{}/hooks/rdvsp/{LIEU}", banc.poste.url()), SECRET);
    banc.ouvrir(&envoyeur).await;
    // Two deliveries each, and a third for those that were removed.
    let rdvs = rdvs(&banc, demandes.unwrap_or(600) * 20 / 41);
    refuser(&banc, &envoyeur, &rdvs[0]).await;
    let before = banc.memoire().0;

    let acquittes = AtomicUsize::new(0);
    let total: usize = rdvs.iter().map(|r| 2 + usize::from(r.supprime)).sum();
    let started = Instant::now();
    let tuer = async {
        let half = attendre(PATIENCE * 4, || acquittes.load(Ordering::SeqCst) >= total / 2).await;
        assert!(half, "too slow\n{}", banc.plaintes());
        let most = banc.memoire().1;
        banc.process.tuer();
        let en_vol = total - acquittes.load(Ordering::SeqCst);
        banc.process = banc.poste.lancer(Some(banc.clock));
        banc.poste.attendre_pret(&mut banc.process).await;
        (most, en_vol)
    };
    let (bilan, (most, en_vol)) = tokio::join!(envoyeur.rafale(&rdvs, OUVRIERS, &acquittes), tuer);
    let duree = started.elapsed();
    assert!(bilan.echecs > 0, "the kill was not noticed");

    let attendus = attendus(&rdvs);
    let started = Instant::now();
    loop {
        banc.temoin.voir().await;
        if banc.temoin.honores() == attendus {
            break;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{:?}\nnot {attendus:?}\nin the store: {:#?}\n{}",
            banc.temoin.honores(),
            banc.ecarts(&rdvs).await,
            banc.plaintes()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let most = most.max(banc.memoire().1);
    eprintln!(
        "{total} webhooks of {} bytes in {duree:?}, {en_vol} left at the kill, {} repeated; \
         {:?} then {:?} for 50 and 99 of 100; {before} KiB then {most} at most",
        rdv_json(&rdvs[0], "seen").to_string().len(),
        bilan.echecs,
        bilan.centile(50),
        bilan.centile(99),
    );
    assert!(most < before + 60_000, "memory grows: {before} then {most} KiB");
    banc.temoin.sans_double();
    let mut base = banc.sql().await;
    let waiting = sqlx::query("select count(*) from input where kind = 'event'");
    let waiting: i64 = waiting.fetch_one(&mut base).await.expect("a count").get(0);
    assert_eq!(waiting, 0, "everything was decided");
    calme(&envoyeur, &rdvs, demandes.is_some()).await;
    sans_patient(&banc).await;
    banc.demonter().await;
}

/// What must not be taken, whoever is in it.
async fn refuser(banc: &Banc, envoyeur: &Envoyeur, rdv: &Rdv) {
    let now = Clock::system().now();
    let body = corps("Rdv", "updated", now, &rdv_json(rdv, "seen"));
    let wrong = "00".repeat(32);
    assert_eq!(envoyeur.poster_signe(body.clone(), &wrong).await, Some(400));
    assert_eq!(envoyeur.poster_signe(body.clone(), "").await, Some(400));
    let ailleurs = Envoyeur::new(format!("{}/hooks/rdvsp/ailleurs", banc.poste.url()), SECRET);
    assert_eq!(ailleurs.poster(body).await, Some(400), "another site has another secret");
    let user = json!({ "id": 1, "first_name": PATIENT[0] });
    assert_eq!(envoyeur.poster(corps("User", "created", now, &user)).await, Some(200));
    let purge = corps("Rdv", "destroyed", now, &rdv_json(rdv, "seen"));
    let purge = purge.replace("\"webhook_reason\":null", "\"webhook_reason\":\"rgpd\"");
    assert!(purge.contains("rgpd"));
    assert_eq!(envoyeur.poster(purge).await, Some(200));
    let large = json!({ "id": rdv.id, "context": PATIENT[0].repeat(20_000) });
    // By a sender of its own: a connection whose body was not read is closed after the answer.
    let autre = Envoyeur::new(format!("{}/hooks/rdvsp/{LIEU}", banc.poste.url()), SECRET);
    assert_eq!(autre.poster(corps("Rdv", "updated", now, &large)).await, Some(413));
    let illisible = json!({ "id": PATIENT[0], "status": PATIENT[0] });
    assert_eq!(envoyeur.poster(corps("Rdv", "updated", now, &illisible)).await, Some(200));
    let pannes = banc.poste.pannes(1).await;
    let codes: Vec<_> = pannes.iter().map(|p| p.code.as_str()).collect();
    assert!(codes.contains(&"webhook-illisible"), "{codes:?}");
}

/// One at a time, an answer takes less than 100 ms; beside other tests only less than a second.
async fn calme(envoyeur: &Envoyeur, rdvs: &[Rdv], mesure: bool) {
    // Older than what is known: they change nothing, and cost as much to store.
    let older = rdvs.iter().filter(|r| r.supprime).take(30);
    let older = older.map(|r| corps("Rdv", "created", r.pris_le, &rdv_json(r, "unknown")));
    let durees = envoyeur.un_par_un(older.collect()).await;
    let most = durees[durees.len() * 9 / 10];
    let limit = Duration::from_millis(if mesure { 100 } else { 1_000 });
    eprintln!(
        "one at a time: {:?} for half of them, {most:?} for 9 of 10",
        durees[durees.len() / 2]
    );
    assert!(most < limit, "{durees:?}");
}

/// Nothing about patients: in the store, in the log, in what was published. What must be there is,
/// so that the search itself is known to work.
async fn sans_patient(banc: &Banc) {
    assert_ne!(banc.trouver(&courriel(0)).await, [], "the search finds what is there");
    let log = banc.process.sortie();
    assert!(log.contains("DEBUG"), "the log says everything");
    let said = |word: &str| banc.temoin.contient(word);
    assert!(said(&engagement(0)).is_some());
    for word in PATIENT {
        assert_eq!(banc.trouver(word).await, [], "{word} is in the store");
        let line = log.lines().find(|l| l.contains(word));
        assert!(line.is_none(), "{word} is in the log: {line:?}");
        assert!(said(word).is_none(), "{word} was published: {:?}", said(word));
    }
}
