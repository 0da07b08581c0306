//! What an operator does with the command line, against a service that runs: failures and tasks,
//! as separate processes.

mod commun;

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use commun::{JETON, Service, erreurs, texte};
use serde_json::{Value, json};
use store::{FailureRow, Store, Writes, sqlite::SqliteStore};
use uuid::Uuid;

const GENRE: &str = "activite.autorisee.v1";

/// A message that the service kept as a failure.
#[expect(clippy::disallowed_methods, reason = "the store is filled before any service runs")]
fn panne(n: u128, code: &str, sequence: u32, body: &str) -> FailureRow {
    let meta = json!({
        "origin": "message",
        "exchange": "relais.evenements",
        "routing_key": GENRE,
        "agence": null,
        "envelope": {
            "specversion": "1.0", "id": format!("m{n}"), "source": "/relais/ordinal-adapter",
            "type": GENRE, "subject": "activite/k7m2q9x4t1", "time": "2026-01-22T09:30:00Z",
            "sequence": format!("{sequence:020}"), "data": "",
        },
    });
    FailureRow {
        id: Uuid::from_u128(n),
        key: Some("engagement/k7m2q9x4t1".to_owned()),
        origin: "message".to_owned(),
        kind: GENRE.to_owned(),
        code: code.to_owned(),
        reason: "pour l'essai".to_owned(),
        body: body.as_bytes().to_vec(),
        meta: meta.to_string(),
        first_seen: Utc::now() - TimeDelta::minutes(60 - i64::try_from(n).expect("small")),
        attempts: 1,
        outcome: None,
    }
}

/// An activity at a site whose CPAM nobody knows: the service opens a task.
fn activite() -> String {
    let exemple = include_str!("../../../contracts/exemples/activite.autorisee.v1.json");
    let mut activite: Value = serde_json::from_str(exemple).expect("JSON");
    activite["data"]["lieu"]["id"] = "lieu-sans-cpam".into();
    activite["data"]["lieu"]["cpam"] = Value::Null;
    activite["data"].to_string()
}

async fn remplir(folder: &Path) {
    let path = folder.join("cpam-cps.sqlite");
    let store = SqliteStore::open(&path).await.expect("opens");
    store.migrate().await.expect("migrates");
    let mut failures = vec![
        panne(1, "corps-invalide", 1, "{MARQUEUR"),
        panne(2, "corps-invalide", 2, "{MARQUEUR"),
        panne(3, "une-raison", 9, &activite()),
    ];
    failures.extend((4..9).map(|n| panne(n, "en-serie", 5, &activite())));
    let mut writes = Some(Writes { failures, ..Writes::default() });
    let mut fold = |_| writes.take().expect("folded once");
    store.transact(&[], &[], &mut fold).await.expect("commits");
    store.close().await;
}

fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

/// Waits until it is so.
fn attendre(what: &str, so: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_mins(1);
    while !so() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn an_operator_deals_with_failures_and_tasks() {
    let folder = tempfile::tempdir().expect("a folder");
    remplir(folder.path()).await;
    let service =
        Service::demarrer("cpam-cps", folder.path(), "[cpam-cps]\nattente_rpps_jours = 0\n");
    lire(&service);
    rejouer(&service);
    taches(&service);
    ecarter(&service);
    journal(&service);
}

fn lire(service: &Service) {
    let groupes = service.json(&["failures", "list"]);
    let comptes: Vec<_> = groupes
        .as_array()
        .expect("a list")
        .iter()
        .map(|g| (g["code"].as_str().expect("a code"), g["nombre"].as_i64()))
        .collect();
    let attendu = [("en-serie", Some(5)), ("corps-invalide", Some(2)), ("une-raison", Some(1))];
    assert_eq!(comptes, attendu);
    let text = texte(&service.relais(&["failures", "list"]));
    assert!(text.starts_with("SERVICE ") && text.ends_with("8 pannes ouvertes\n"), "{text}");
    let detail = service.json(&["failures", "list", "--detail", "--code", "corps-invalide"]);
    let ids: Vec<_> = detail.as_array().expect("a list").iter().map(|p| p["id"].clone()).collect();
    assert_eq!(ids, [id(1), id(2)]);
    assert_eq!(service.json(&["failures", "list", "--since", "10m"]), json!([]));
    let shown = texte(&service.relais(&["failures", "show", &id(1)]));
    assert!(shown.contains("9 octets") && shown.contains("activite/k7m2q9x4t1"), "{shown}");
    assert!(!shown.contains("MARQUEUR"), "{shown}");
    let corps = service.json(&["failures", "show", &id(1), "--corps"]);
    assert_eq!(corps["corps"], "{MARQUEUR");
    let unknown = service.relais(&["failures", "show", &id(99)]);
    assert_eq!(unknown.status.code(), Some(1));
}

fn rejouer(service: &Service) {
    let failed = service.relais(&["failures", "replay", "--code", "corps-invalide"]);
    let text = texte(&failed);
    assert_eq!(failed.status.code(), Some(1), "{text}");
    assert!(text.contains("l'éclaireuse n'est pas passée") && text.contains("1 autre laissée"));
    let essais = |n| service.json(&["failures", "show", &id(n)])["tentatives"].as_i64();
    assert_eq!((essais(1), essais(2)), (Some(2), Some(1)), "only the first was tried");
    let one = service.json(&["failures", "replay", &id(3)]);
    assert_eq!(one, json!({ "issue": "close", "comme": "rejouee" }));
    let closed = service.relais(&["failures", "replay", &id(3)]);
    assert_eq!(closed.status.code(), Some(1));
    assert!(erreurs(&closed).contains("panne déjà close"), "{}", erreurs(&closed));
    let started = Instant::now();
    let series = service.json(&["failures", "replay", "--code", "en-serie", "--rate", "10/s"]);
    assert_eq!((&series[0]["faites"], &series[0]["laissees"]), (&json!(5), &json!(0)), "{series}");
    assert!(started.elapsed() >= Duration::from_millis(300), "four after the first, 100 ms apart");
    attendre("the series is closed", || {
        service.json(&["failures", "list", "--code", "en-serie"]) == json!([])
    });
    assert_eq!(service.json(&["failures", "show", &id(8)])["issue"], "depassee");
}

fn taches(service: &Service) {
    let taches = service.json(&["tasks", "list", "--gabarit", "lieu-cpam-manquante"]);
    assert_eq!(taches.as_array().map(Vec::len), Some(1), "{taches}");
    let tache = taches[0]["tache"].as_str().expect("an id");
    let fiche = texte(&service.relais(&["tasks", "show", tache]));
    assert!(fiche.contains("à recopier") && fiche.contains("engagement/k7m2q9x4t1"), "{fiche}");
    let wrong = service.relais(&["tasks", "close", tache, "--champ", "cpam=x"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(erreurs(&wrong).contains("champ « cpam »"), "{}", erreurs(&wrong));
    let done = service.json(&["tasks", "close", tache, "--champ", "cpam=631"]);
    assert_eq!(done["close"], true);
    let left = service.json(&["tasks", "list", "--gabarit", "lieu-cpam-manquante"]);
    assert_eq!(left, json!([]));
    assert_eq!(service.relais(&["tasks", "show", tache]).status.code(), Some(1));
}

fn ecarter(service: &Service) {
    let args = ["failures", "discard", "--code", "corps-invalide", "--motif", "essai"];
    let text = texte(&service.relais(&args));
    assert_eq!(text, "2 pannes écartées\n");
    assert_eq!(service.json(&["failures", "list"]), json!([]));
    assert_eq!(
        service.json(&["failures", "list", "--all", "--detail"]).as_array().map(Vec::len),
        Some(8)
    );
}

fn journal(service: &Service) {
    let journal = service.json(&["failures", "journal"]);
    let lignes = journal.as_array().expect("a list");
    assert!(lignes.iter().all(|l| l["par"] == "a.martin"), "{journal}");
    let actions: Vec<_> = lignes.iter().rev().map(|l| l["action"].as_str().expect("one")).collect();
    let rejeux = ["rejeu"; 7];
    let attendu =
        [&["lecture-corps"][..], &rejeux, &["fermer-tache"], &["mise-a-l-ecart"; 2]].concat();
    assert_eq!(actions, attendu, "everything that was taken, and nothing else");
    assert_eq!(lignes[0]["motif"], "essai");
}

#[test]
fn wrong_use_is_one_line_and_code_64() {
    let uuid = id(1);
    let wrong: [&[&str]; 9] = [
        &["failures"],
        &["failures", "replay"],
        &["failures", "replay", &uuid, "--code", "x"],
        &["failures", "replay", "--code", "x", "--rate", "vite"],
        &["failures", "discard", &uuid],
        &["failures", "discard", &uuid, "--motif", " "],
        &["failures", "show", "pas-un-id"],
        &["failures", "list", "--since", "hier"],
        &["tasks", "close", &uuid, "--champ", "sans-valeur"],
    ];
    for args in wrong {
        let output = Command::new(env!("CARGO_BIN_EXE_relais"))
            .args(args)
            .env("RELAIS_OPERATOR_TOKEN", JETON)
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", erreurs(&output));
        if args.len() > 1 {
            assert_eq!(erreurs(&output).lines().count(), 1, "{args:?}: {}", erreurs(&output));
        }
    }
    let without = Command::new(env!("CARGO_BIN_EXE_relais"))
        .args(["tasks", "list"])
        .env_remove("RELAIS_OPERATOR_TOKEN")
        .output()
        .expect("runs");
    assert_eq!(without.status.code(), Some(64));
    assert!(erreurs(&without).contains("aucun jeton d'opérateur"), "{}", erreurs(&without));
}

#[test]
fn a_service_that_does_not_answer_is_told_and_the_exit_code_says_so() {
    // port 1 of this machine: nobody listens
    let output = Command::new(env!("CARGO_BIN_EXE_relais"))
        .args(["failures", "list", "--service", "cpam-cps=http://127.0.0.1:1"])
        .env("RELAIS_OPERATOR_TOKEN", JETON)
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(erreurs(&output), "erreur : cpam-cps est injoignable\n");
}
