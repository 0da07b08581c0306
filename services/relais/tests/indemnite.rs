//! Statements from the command line, against a service that runs, as separate processes: a month
//! closed, its documents made twice, what the CPAM paid taken from a file, a line corrected.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use contracts::{
    DemiJournee, Mois, Rib,
    messages::{FacturationOuverte, ModeFacturation},
};
use indemnite::{
    Event,
    state::{Tenue, cle_medecin_mois},
};
use serde_json::Value;
use store::{InputKind, InputRow, RowContext, Store, Writes, sqlite::SqliteStore};
use uuid::Uuid;

const JETON: &str = "jeton-de-a-martin";
const RPPS: &str = "99790000014";

fn id<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("identifier")
}

/// A day of the month before.
#[expect(clippy::disallowed_methods, reason = "the services of this test are on the real clock")]
fn jour() -> (DateTime<Utc>, NaiveDate) {
    let now = Utc::now();
    let first = kernel::paris_date(now).with_day(1).expect("a first day");
    (now, (first - TimeDelta::days(10)))
}

/// A doctor held a day, the site attested it, the CPAM has the number and the bank details.
async fn remplir(folder: &Path) {
    let (now, date) = jour();
    let tenue = Tenue {
        version: 1,
        engagement: id("0aaaaaaaaa"),
        rpps: id(RPPS),
        nom: "FICTIF Zoé".to_owned(),
        medecin_courriel: String::new(),
        lieu: id("ambert"),
        lieu_nom: "Maison de santé".to_owned(),
        contact_courriel: None,
        date,
        demi_journees: vec![DemiJournee::Matin, DemiJournee::ApresMidi],
        rdv_honores: 3,
    };
    let facturation = FacturationOuverte {
        engagement: id("0aaaaaaaaa"),
        rpps: id(RPPS),
        cpam: id("631"),
        lieu: id("ambert"),
        numero_am: id("631990017"),
        numero_cree_le: date,
        rib: Rib::Present,
        mode: ModeFacturation::Papier,
    };
    let events = [
        Event::Tenue(Box::new(tenue)),
        Event::Facturation { version: 1, facturation: Box::new(facturation) },
        Event::Presence { engagement: id("0aaaaaaaaa"), date, present: true },
    ];
    let row = |(n, event): (u128, &Event)| InputRow {
        id: Uuid::from_u128(n),
        key: cle_medecin_mois(&id(RPPS), date),
        kind: InputKind::Event,
        name: String::new(),
        due_at: now - TimeDelta::minutes(10),
        body: serde_json::to_string(event).expect("encodes"),
        cause: n.to_string(),
        context: RowContext::default(),
    };
    let store = SqliteStore::open(&folder.join("indemnite.sqlite")).await.expect("opens");
    store.migrate().await.expect("migrates");
    let inputs = (1..).zip(&events).map(row).collect();
    let mut writes = Some(Writes { inputs, ..Writes::default() });
    let mut fold = |_| writes.take().expect("folded once");
    store.transact(&[], &[], &mut fold).await.expect("commits");
    store.close().await;
}

/// `relais run`, stopped with the test.
struct Service {
    child: Child,
    url: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing can be done about one that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn demarrer(folder: &Path) -> Self {
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\n[operator_tokens]\n\"a.martin\" = \"{JETON}\"\n",
            folder.display()
        );
        let path = folder.join("relais.toml");
        fs::write(&path, config).expect("writes");
        let mut child = Command::new(env!("CARGO_BIN_EXE_relais"))
            .args(["run", "--services", "indemnite", "--config"])
            .arg(path)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let url = lines
            .by_ref()
            .map(|line| line.expect("text"))
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).ok()?;
                line["url"].as_str().map(str::to_owned)
            })
            .expect("it says where it listens");
        // What it logs later is read, so that it never waits for its reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, url }
    }

    fn relais(&self, args: &[&str]) -> Output {
        let service = format!("indemnite={}", self.url);
        Command::new(env!("CARGO_BIN_EXE_relais"))
            .arg("indemnite")
            .args(args)
            .args(["--service", &service])
            .env("RELAIS_OPERATOR_TOKEN", JETON)
            .output()
            .expect("runs")
    }

    fn bien(&self, args: &[&str]) -> String {
        let output = self.relais(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn mal(&self, args: &[&str]) -> String {
        let output = self.relais(args);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("text")
    }

    fn etats(&self) -> Value {
        let text = self.bien(&["etats", "--cpam", "631", "--json"]);
        serde_json::from_str(&text).expect("JSON")
    }
}

/// Every file under a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for part in ["etats", "formulaires"] {
        for entry in fs::read_dir(folder.join(part)).expect("a folder") {
            let path = entry.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            found.insert(format!("{part}/{name}"), fs::read(path).expect("reads"));
        }
    }
    found
}

#[tokio::test]
async fn a_month_is_closed_documented_paid_and_corrected() {
    let folder = tempfile::tempdir().expect("a folder");
    remplir(folder.path()).await;
    let service = Service::demarrer(folder.path());
    let mois = Mois::of(jour().1).to_string();
    // What was stored before the start is decided first.
    let emis = service.bien(&["cloturer", "--cpam", "631"]);
    assert_eq!(emis, format!("état 631-{mois}-1 : émis\n"));
    assert!(service.mal(&["cloturer", "--cpam", "631"]).contains("rien à clôturer"));

    let texte = documents(&service, folder.path(), &mois);
    importer(&service, folder.path(), &texte);

    let ligne = texte.lines().nth(1).expect("a line").split(';').nth(3).expect("its id");
    let corriger = ["corriger", "--ligne", ligne, "--rpps", RPPS, "--mois", &mois, "--motif"];
    let less = [&corriger[..], &["erreur-saisie", "--centimes", "-2500"]].concat();
    assert!(service.bien(&less).contains("-25,00\u{202f}€"));
    let emis = service.bien(&["cloturer", "--cpam", "631"]);
    assert_eq!(emis, format!("état 631-{mois}-2 : émis\n"), "in a later statement");
    assert_eq!(service.etats()[1]["enonce"], -2_500);
    assert_eq!(service.etats()[0]["enonce"], 20_000, "what was stated does not change");
}

fn documents(service: &Service, folder: &Path, mois: &str) -> String {
    let make = |name: &str| {
        let out = folder.join(name);
        let out_text = out.to_string_lossy().into_owned();
        service.bien(&["documents", "--cpam", "631", "--mois", mois, "--out", &out_text]);
        files(&out)
    };
    let (first, again) = (make("un"), make("deux"));
    let names: Vec<_> = first.keys().cloned().collect();
    let expected = [
        format!("etats/631-{mois}-1.csv"),
        format!("etats/631-{mois}-1.pdf"),
        format!("formulaires/631-{mois}-1-{RPPS}.pdf"),
    ];
    assert_eq!(names, expected);
    assert_eq!(first, again, "the same bytes");
    String::from_utf8(first[&expected[0]].clone()).expect("UTF-8")
}

/// The CPAM gives the file back: a wrong one changes nothing, the right one is taken once.
fn importer(service: &Service, folder: &Path, texte: &str) {
    let (header, rows) = texte.split_once('\n').expect("a header");
    let file = folder.join("retour.csv");
    let path = file.to_string_lossy().into_owned();
    let write = |first: &str, second: &str, rows: &str| {
        let mut lines = rows.lines();
        let mut row = |end| format!("{};{end}\n", lines.next().expect("a row"));
        let body = format!("{header};issue;paye_le;code\n{}{}", row(first), row(second));
        fs::write(&file, body).expect("writes");
    };
    write("payee;2026-03-12;", "rejetee;;rib-invalide", &rows.replacen("10000", "9999", 1));
    assert!(service.mal(&["import", &path]).contains("rangée 2 : le montant"));
    write("payee;2026-03-12;", "rejetee;;", rows);
    assert!(service.mal(&["import", &path]).contains("rangée 3 : un rejet porte un « code »"));
    write("payee;2026-03-12;", "rejetee;;rib-invalide", rows);
    assert!(service.bien(&["import", &path, "--essai"]).contains("2 lignes à reprendre"));
    assert_eq!(service.etats()[0]["attendu"], 20_000, "nothing was taken so far");
    assert!(service.bien(&["import", &path]).contains("2 lignes reprises"));
    let sums = |etat: &Value| ["paye", "rejete", "attendu"].map(|name| etat[name].as_i64());
    assert_eq!(sums(&service.etats()[0]), [Some(10_000), Some(10_000), Some(0)]);
    assert!(service.bien(&["import", &path]).contains("0 ligne reprise, 2 déjà connues"));
    write("rejetee;;x", "rejetee;;rib-invalide", rows);
    assert!(service.mal(&["import", &path]).contains("rangée 2 : elle est connue comme payée"));
}
