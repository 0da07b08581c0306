//! States that another version of the program wrote.

use serde_json::{Value, json};
use store::{StateWrite, Writes};

use crate::banc::{Banc, banc};

/// The store holds a state of `version`.
async fn ecrire(banc: &Banc, version: u32, s: Value) {
    let body = json!({ "v": version, "vus": { "ailleurs 1": 7 }, "s": s });
    let row = StateWrite {
        key: "dossier/1".to_owned(),
        expected: None,
        version: 1,
        body: body.to_string(),
        etape: None,
    };
    let mut rows = vec![row];
    let keys = ["dossier/1".to_owned()];
    let mut write = |_| Writes { states: std::mem::take(&mut rows), ..Writes::default() };
    banc.store.transact(&[], &keys, &mut write).await.expect("writes");
}

#[tokio::test]
async fn a_state_of_an_older_version_is_brought_to_the_present_one() {
    let mut banc = banc().await;
    let text = "é « \u{1f600} » \"\\";
    let s = json!({ "retires": 4, "confirmes": 3, "reveils": 0, "texte": text });
    ecrire(&banc, 1, s).await;
    let seen = banc.lire("/ops/etats/dossier/1").await;
    assert_eq!(seen["retraits"], 4, "{seen}");
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    let etat = banc.etat().await;
    assert_eq!((etat.retraits, etat.confirmes), (5, 4));
    assert_eq!(etat.texte, text);
    let row = banc.store.state("dossier/1").await.expect("reads").expect("is there");
    let body: Value = serde_json::from_str(&row.body).expect("JSON");
    assert_eq!((&body["v"], &body["vus"]["ailleurs 1"]), (&json!(2), &json!(7)));
}

#[tokio::test]
async fn a_state_of_a_newer_program_is_left_alone_and_what_concerns_it_is_a_failure() {
    let mut banc = banc().await;
    let s = json!({ "retraits": 4, "confirmes": 3, "reveils": 0, "texte": "", "nouveau": 5 });
    ecrire(&banc, 3, s).await;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    let kept = banc.store.failures(true, 10).await.expect("reads");
    let codes: Vec<_> = kept.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["etat-illisible"]);
    let row = banc.store.state("dossier/1").await.expect("reads").expect("is there");
    assert!(row.body.contains("\"nouveau\":5"), "{}", row.body);
}
