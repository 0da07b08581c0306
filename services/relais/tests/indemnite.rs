//! Statements from the command line, against a service that runs, as separate processes: a month
//! closed, its documents made twice, what the CPAM paid taken from a file, a line corrected.

mod commun;

use std::{collections::BTreeMap, fs, path::Path};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use commun::{Service, erreurs, texte};
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

/// A doctor held a day at a site, the morning of the day before at the site of another CPAM; the
/// sites attested it, the CPAM have the number and the bank details.
async fn remplir(folder: &Path) {
    use DemiJournee::{ApresMidi, Matin};
    let (now, date) = jour();
    let mut events = tenu("0aaaaaaaaa", ("ambert", "631", "631990017"), date, &[Matin, ApresMidi]);
    let before = date - TimeDelta::days(1);
    events.extend(tenu("0bbbbbbbbb", ("bourbon", "031", "031990013"), before, &[Matin]));
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

/// A vacation held, attested, whose number and bank details are known.
fn tenu(
    engagement: &str,
    (lieu, cpam, numero_am): (&str, &str, &str),
    date: NaiveDate,
    demi_journees: &[DemiJournee],
) -> Vec<Event> {
    let tenue = Tenue {
        version: 1,
        engagement: id(engagement),
        rpps: id(RPPS),
        nom: "FICTIF Zoé".to_owned(),
        medecin_courriel: String::new(),
        lieu: id(lieu),
        lieu_nom: "Maison de santé".to_owned(),
        contact_courriel: None,
        date,
        demi_journees: demi_journees.to_vec(),
        rdv_honores: 3,
    };
    let facturation = FacturationOuverte {
        engagement: id(engagement),
        rpps: id(RPPS),
        cpam: id(cpam),
        lieu: id(lieu),
        numero_am: id(numero_am),
        numero_cree_le: date,
        rib: Rib::Present,
        mode: ModeFacturation::Papier,
    };
    vec![
        Event::Tenue(Box::new(tenue)),
        Event::Facturation { version: 1, facturation: Box::new(facturation) },
        Event::Presence { engagement: id(engagement), date, present: true },
    ]
}

/// Runs `relais indemnite`, which must succeed; what it says.
fn bien(service: &Service, args: &[&str]) -> String {
    let output = service.relais(&[&["indemnite"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", erreurs(&output));
    texte(&output)
}

/// Runs `relais indemnite`, which must fail; what it complains of.
fn mal(service: &Service, args: &[&str]) -> String {
    let output = service.relais(&[&["indemnite"], args].concat());
    assert_eq!(output.status.code(), Some(1), "{}", texte(&output));
    erreurs(&output)
}

fn etats(service: &Service) -> Value {
    service.json(&["indemnite", "etats", "--cpam", "631"])
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
    let service = Service::demarrer("indemnite", folder.path(), "");
    let mois = Mois::of(jour().1).to_string();
    // What was stored before the start is decided first.
    let emis = bien(&service, &["cloturer", "--cpam", "631"]);
    assert_eq!(emis, format!("état 631-{mois}-1 : émis\n"));
    assert!(mal(&service, &["cloturer", "--cpam", "631"]).contains("rien à clôturer"));

    let texte = documents(&service, folder.path(), &mois);
    importer(&service, folder.path(), &texte);

    let ligne = texte.lines().nth(1).expect("a line").split(';').nth(3).expect("its id");
    let corriger = ["corriger", "--ligne", ligne, "--rpps", RPPS, "--mois", &mois, "--motif"];
    let less = [&corriger[..], &["erreur-saisie", "--centimes", "-2500"]].concat();
    assert!(bien(&service, &less).contains("-25,00\u{202f}€"));
    let emis = bien(&service, &["cloturer", "--cpam", "631"]);
    assert_eq!(emis, format!("état 631-{mois}-2 : émis\n"), "in a later statement");
    assert_eq!(etats(&service)[1]["enonce"], -2_500);
    assert_eq!(etats(&service)[0]["enonce"], 20_000, "what was stated does not change");
    every_form_of_the_month(&service, folder.path(), &mois);
}

/// The doctor has lines in three statements of the month: of two CPAM, and a late correction. Each
/// has its form, and none of them replaces another, nor that which was made before.
fn every_form_of_the_month(service: &Service, folder: &Path, mois: &str) {
    bien(service, &["cloturer", "--cpam", "031"]);
    let out = folder.join("un");
    let before = files(&out);
    let out_text = out.to_string_lossy().into_owned();
    let both = ["documents", "--cpam", "631", "--cpam", "031", "--mois", mois];
    let said = bien(service, &[&both[..], &["--out", &out_text]].concat());
    assert!(said.contains("3 états, 3 formulaires"), "{said}");
    let after = files(&out);
    let forms: Vec<_> = after.keys().filter(|name| name.starts_with("formulaires/")).collect();
    let form = |of: &str| format!("formulaires/{of}-{RPPS}.pdf");
    let numbers = [format!("031-{mois}-1"), format!("631-{mois}-1"), format!("631-{mois}-2")];
    assert_eq!(forms, numbers.each_ref().map(|n| form(n)).iter().collect::<Vec<_>>());
    for (name, bytes) in &before {
        assert!(after[name] == *bytes, "{name} is as it was");
    }
}

fn documents(service: &Service, folder: &Path, mois: &str) -> String {
    let make = |name: &str| {
        let out = folder.join(name);
        let out_text = out.to_string_lossy().into_owned();
        bien(service, &["documents", "--cpam", "631", "--mois", mois, "--out", &out_text]);
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
    assert!(mal(service, &["import", &path]).contains("rangée 2 : le montant"));
    write("payee;2026-03-12;", "rejetee;;", rows);
    assert!(mal(service, &["import", &path]).contains("rangée 3 : un rejet porte un « code »"));
    write("payee;2026-03-12;", "rejetee;;rib-invalide", rows);
    assert!(bien(service, &["import", &path, "--essai"]).contains("2 lignes à reprendre"));
    assert_eq!(etats(service)[0]["attendu"], 20_000, "nothing was taken so far");
    assert!(bien(service, &["import", &path]).contains("2 lignes reprises"));
    let sums = |etat: &Value| ["paye", "rejete", "attendu"].map(|name| etat[name].as_i64());
    assert_eq!(sums(&etats(service)[0]), [Some(10_000), Some(10_000), Some(0)]);
    assert!(bien(service, &["import", &path]).contains("0 ligne reprise, 2 déjà connues"));
    write("rejetee;;x", "rejetee;;rib-invalide", rows);
    assert!(mal(service, &["import", &path]).contains("rangée 2 : elle est connue comme payée"));
}
