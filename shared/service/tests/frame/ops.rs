//! What operators see and do.

use contracts::{
    Message,
    messages::{PanneClose, TacheFaite},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::banc::{Banc, JETON, JETON_MARTIN, banc};

/// Three failures: two of one kind, whose bodies hold a marker, and one of another.
async fn trois_pannes() -> Banc {
    let mut banc = banc().await;
    for id in ["b1", "b2"] {
        banc.publier_corps(id, 1, b"{MARQUEUR".to_vec()).await;
    }
    banc.publier("b3", 3, "refus").await;
    banc.temoins().await;
    banc
}

fn ids(pannes: &Value) -> Vec<String> {
    let pannes = pannes.as_array().expect("a list");
    pannes.iter().map(|p| p["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn failures_are_listed_grouped_filtered_and_paged() {
    let banc = trois_pannes().await;
    let all = ids(&banc.lire("/ops/pannes").await);
    assert_eq!(all.len(), 3);
    let groups = banc.lire("/ops/pannes/groupes").await;
    let of = |n: usize| (groups[n]["code"].as_str(), groups[n]["nombre"].as_i64());
    assert_eq!(of(0), (Some("corps-invalide"), Some(2)));
    assert_eq!(of(1), (Some("cause-refusee"), Some(1)));
    let filtered = banc.lire("/ops/pannes?code=corps-invalide&genre=candidature.retiree.v1").await;
    assert_eq!(filtered[0]["empreinte"], groups[0]["empreinte"]);
    assert_eq!(ids(&filtered), all[..2]);
    let first = ids(&banc.lire("/ops/pannes?max=1").await);
    let rest = ids(&banc.lire(&format!("/ops/pannes?apres={}", first[0])).await);
    assert_eq!([first, rest].concat(), all);
    assert_eq!(banc.lire("/ops/pannes?depuis=2030-01-01T00:00:00Z").await, json!([]));
    let (status, _) = banc.ops(JETON, Method::GET, "/ops/pannes?codes=x", None).await;
    assert_eq!(status, 400, "an unknown filter does not mean « all »");
}

#[tokio::test]
async fn a_body_is_given_out_only_with_a_line_in_the_journal() {
    let banc = trois_pannes().await;
    let id = ids(&banc.lire("/ops/pannes").await).remove(0);
    let shown = banc.lire(&format!("/ops/pannes/{id}")).await;
    assert_eq!(shown["octets"], 9);
    assert_eq!(shown["contexte"]["enveloppe"]["subject"], "dossier/1");
    assert!(!shown.to_string().contains("MARQUEUR"), "{shown}");
    assert_eq!(banc.lire("/ops/journal").await, json!([]), "nothing to say yet");
    let path = format!("/ops/pannes/{id}/corps");
    assert_eq!(banc.ops("autre", Method::GET, &path, None).await.0, 401);
    let (status, body) = banc.ops(JETON_MARTIN, Method::GET, &path, None).await;
    assert_eq!((status, body.as_slice()), (200, b"{MARQUEUR".as_slice()));
    let journal = banc.lire("/ops/journal").await;
    assert_eq!(journal.as_array().map(Vec::len), Some(1), "{journal}");
    assert_eq!(journal[0]["par"], "a.martin");
    assert_eq!(journal[0]["action"], "lecture-corps");
    let objet = format!("panne {id} (corps-invalide, candidature.retiree.v1)");
    assert_eq!(journal[0]["objet"], objet);
    let unknown = "/ops/pannes/00000000-0000-0000-0000-000000000000/corps";
    assert_eq!(banc.ops(JETON, Method::GET, unknown, None).await.0, 404);
}

#[tokio::test]
async fn setting_aside_needs_a_reason_and_is_journalled() {
    let mut banc = trois_pannes().await;
    let id = ids(&banc.lire("/ops/pannes").await).remove(0);
    let path = format!("/ops/pannes/{id}/mise-a-l-ecart");
    let post = async |banc: &Banc, motif: &str| {
        banc.ops(JETON_MARTIN, Method::POST, &path, Some(json!({ "motif": motif }))).await.0
    };
    assert_eq!(post(&banc, "  ").await, 422);
    assert_eq!(post(&banc, "doublon").await, 202);
    assert_eq!(post(&banc, "doublon").await, 409, "closed already");
    let told = banc.temoins().await;
    assert_eq!(told.iter().filter(|e| e.message_type == PanneClose::TYPE).count(), 1);
    assert_eq!(ids(&banc.lire("/ops/pannes").await).len(), 2);
    assert_eq!(ids(&banc.lire("/ops/pannes?toutes=true").await).len(), 3);
    let journal = banc.lire("/ops/journal").await;
    let lines: Vec<_> = journal
        .as_array()
        .expect("a list")
        .iter()
        .map(|l| (l["action"].as_str(), l["motif"].as_str()))
        .collect();
    assert_eq!(lines, [(Some("mise-a-l-ecart"), Some("doublon"))]);
}

#[tokio::test]
async fn a_task_is_listed_from_its_opening_to_its_end() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "tache").await;
    banc.temoins().await;
    let tasks = banc.lire("/ops/taches").await;
    assert_eq!(tasks.as_array().map(Vec::len), Some(1), "{tasks}");
    let task = &tasks[0];
    assert_eq!((&task["gabarit"], &task["cle"]), (&json!("compter"), &json!("dossier/1")));
    assert_eq!(task["champs"], json!({ "a-copier": "valeur" }));
    let action = json!({
        "action": "fermer-tache", "cle": "dossier/1", "par": "c.petit",
        "champs": { "tache": task["tache"], "reponse": "oui" },
    });
    let wrong = json!({ "action": "fermer-tache", "cle": "dossier/1", "champs": {} });
    let post = async |banc: &Banc, jeton, action: &Value| {
        banc.ops(jeton, Method::POST, "/ops/actions", Some(action.clone())).await.0
    };
    assert_eq!(post(&banc, JETON, &wrong).await, 422);
    assert_eq!(post(&banc, JETON, &action).await, 202);
    let told = banc.temoins().await;
    let done: TacheFaite = serde_json::from_slice(&told[0].data).expect("decodes");
    assert_eq!(done.faite_par, "c.petit", "whoever shares a token says who they are");
    assert_eq!(banc.lire("/ops/taches").await, json!([]));
    let line = banc.lire("/ops/journal").await[0].clone();
    assert_eq!(line["par"], "operateur (dit être c.petit)");
    assert_eq!(line["action"], "fermer-tache");
    let objet = line["objet"].as_str().expect("a text");
    assert!(objet.starts_with("dossier/1, tâche ") && objet.ends_with(" (reponse)"), "{objet}");
    assert_eq!(post(&banc, JETON_MARTIN, &action).await, 202);
    let told = banc.temoins().await;
    let done: TacheFaite = serde_json::from_slice(&told[0].data).expect("decodes");
    assert_eq!(done.faite_par, "a.martin", "a proven name wins over what is said");
}

#[tokio::test]
async fn a_state_is_given_out_only_with_a_line_in_the_journal() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "tache").await;
    banc.temoins().await;
    let path = "/ops/etats/dossier/1";
    assert_eq!(banc.ops("autre", Method::GET, path, None).await.0, 401);
    assert_eq!(banc.ops(JETON, Method::GET, "/ops/etats/dossier/2", None).await.0, 404);
    assert_eq!(banc.lire("/ops/journal").await, json!([]), "nothing was given out");
    let state = banc.lire(path).await;
    assert!(
        state.is_object() && state.get("vus").is_none(),
        "the service's, not the frame's: {state}"
    );
    let journal = banc.lire("/ops/journal").await;
    let line = |name: &str| journal[0][name].as_str().expect("a text");
    assert_eq!(
        (line("par"), line("action"), line("objet")),
        ("a.martin", "lecture-etat", "dossier/1")
    );
}
