//! `relais topology` against a real broker, in a virtual host of the test's own.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use e2e::Cellule;
use reqwest::Method;
use serde_json::{Value, json};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_is_verified_and_a_second_time_changes_nothing() {
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let (code, text) = cellule.topology("verify", &[]);
    assert_eq!(code, Some(1), "nothing exists yet: {text}");
    let (code, text) = cellule.topology("plan", &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("création      file agence.cpam.981\n"), "{text}");
    assert!(!cellule.chemin("secrets").exists(), "a plan makes no password");
    let (code, applied) = cellule.topology("apply", &[]);
    assert_eq!(code, Some(0), "{applied}");
    assert!(applied.contains("création : utilisateur cpam-981\n"), "{applied}");
    assert!(applied.contains("10 mots de passe créés dans "), "{applied}");
    let password = cellule.mot_de_passe("cpam-981");
    assert_eq!(password.len(), 43);
    assert!(!applied.contains(&password), "a password was printed");
    assert_eq!(mode(&cellule.chemin("secrets")), 0o700);
    assert_eq!(mode(&cellule.chemin("secrets/cpam-981")), 0o600);
    assert_eq!(cellule.topology("verify", &[]), (Some(0), "aucun écart\n".to_owned()));
    assert_eq!(cellule.topology("apply", &[]), (Some(0), "aucune correction\n".to_owned()));
    assert_eq!(cellule.mot_de_passe("cpam-981"), password, "kept");
    let (code, text) = cellule.topology("plan", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("aucune création, aucune modification, "), "{text}");
    cellule.fermer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_drift_is_seen_and_corrected() {
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let (code, text) = cellule.topology("apply", &[]);
    assert_eq!(code, Some(0), "{text}");
    let vhost = cellule.nom.clone();
    let vhost = vhost.as_str();
    // An agency that may publish under every key; another password; a limit taken away.
    cellule.gerer(Method::DELETE, &["topic-permissions", vhost, "cpam-981"], None).await;
    let known = json!({ "password": "devine", "tags": "" });
    cellule.gerer(Method::PUT, &["users", "cpam-982"], Some(known)).await;
    let weak = json!({ "pattern": "^cpam-cps$", "apply-to": "queues", "priority": 0,
        "definition": { "delivery-limit": 3 } });
    cellule.gerer(Method::PUT, &["policies", vhost, "relais-cpam-cps"], Some(weak)).await;
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    cellule.gerer(Method::PUT, &["permissions", vhost, "cdom-976"], Some(all)).await;
    let spy = ["bindings", vhost, "e", "relais.reponses", "q", "audit"];
    cellule.gerer(Method::POST, &spy, Some(json!({ "routing_key": "#" }))).await;
    let (code, text) = cellule.topology("verify", &[]);
    assert_eq!(code, Some(1), "{text}");
    let expected = [
        "création : clés de réponse de cpam-981 : ^cpam\\.981\\. ; il les a toutes",
        "modification : utilisateur cpam-982 : son mot de passe diffère",
        "modification : politique relais-cpam-cps : dead-letter-exchange vaut absent, attendu \"\"",
        "modification : droits de cdom-976",
        "retrait : liaison relais.reponses → audit (#)",
        "5 écarts",
    ];
    for line in expected {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    let (code, text) = cellule.topology("apply", &[]);
    assert_eq!((code, text.contains("5 corrections")), (Some(0), true), "{text}");
    assert_eq!(cellule.topology("verify", &[]), (Some(0), "aucun écart\n".to_owned()));
    // A stronger policy of somebody else: only a person can take it away.
    let strong = json!({ "pattern": "^cpam", "apply-to": "queues", "priority": 20,
        "definition": { "max-length": 10 } });
    cellule.gerer(Method::PUT, &["policies", vhost, "intruse"], Some(strong)).await;
    let (code, text) = cellule.topology("plan", &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("conflit       file cpam-cps : la politique intruse"), "{text}");
    assert_eq!(cellule.topology("apply", &[]).0, Some(1));
    cellule.fermer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_make_a_broker_that_has_no_drift() {
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let out = cellule.chemin("definitions.json");
    let args = ["--out", out.to_str().expect("UTF-8"), "--administrateur", "relais-chef"];
    let (code, text) = cellule.topology("export", &args);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(mode(&out), 0o600);
    let file = fs::read_to_string(&out).expect("text");
    for user in ["cpam-981", "relais-chef", "indemnite"] {
        let password = cellule.mot_de_passe(user);
        assert!(!file.contains(&password) && !text.contains(&password), "{user} in clear");
    }
    assert_eq!(cellule.topology("export", &args).0, Some(0));
    assert_eq!(fs::read_to_string(&out).expect("text"), file, "the same topology, another file");
    let definitions: Value = serde_json::from_str(&file).expect("JSON");
    cellule.gerer(Method::POST, &["definitions"], Some(definitions)).await;
    // The tests' administrator sees the virtual host too.
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    cellule.gerer(Method::PUT, &["permissions", &cellule.nom, "guest"], Some(all)).await;
    assert_eq!(cellule.topology("verify", &[]), (Some(0), "aucun écart\n".to_owned()));
    assert_eq!(cellule.topology("apply", &[]), (Some(0), "aucune correction\n".to_owned()));
    cellule.fermer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_secrets_are_made_once() {
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let file = cellule.chemin("secrets.json");
    let args = ["--kubernetes", file.to_str().expect("UTF-8")];
    let (code, text) = cellule.topology("apply", &args);
    assert_eq!(code, Some(0), "{text}");
    let first = fs::read_to_string(&file).expect("text");
    let list: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(list["kind"], json!("List"));
    assert_eq!(list["items"].as_array().map(Vec::len), Some(10));
    assert_eq!(mode(&file), 0o600);
    assert_eq!(cellule.topology("apply", &args), (Some(0), "aucune correction\n".to_owned()));
    assert_eq!(fs::read_to_string(&file).expect("text"), first);
    // Once the file is lost, users keep the password that they have.
    fs::remove_file(&file).expect("removed");
    let (code, text) = cellule.topology("apply", &args);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("attention : cpam-981 existe déjà"), "{text}");
    assert!(text.contains("aucune correction\n"), "{text}");
    assert!(!file.exists());
    cellule.fermer().await;
}
