//! A bounded run of what `fuzz/` does without end: whatever DS or a webhook sends, reading ends,
//! and what is read may be decided, stored and shown.
#![cfg(feature = "simulator")]

mod commun;

use commun::referentiel;
use ds_intake::{
    Answer, Ask, Config, DsIntake, State,
    config::champs_par_defaut,
    webhook,
    wire::{
        Lecture, Mutation, ResultatDemarche, ResultatDossier, ResultatEtat, ResultatFormulaire,
        decoder, dossier_du_curseur,
    },
};
use kernel::Secret;
use proptest::prelude::*;
use serde_json::{Value, json};
use service::{Context, Decision, Input, Service};

/// A dossier with a champ of each type that is asked for.
fn dossier() -> Value {
    let champ = |n: u64, kind: &str, typed: Value| {
        let mut champ = json!({ "__typename": kind,
            "champDescriptorId": ds_intake::config::champ_descriptor_id(n), "stringValue": "x" });
        if let (Value::Object(all), Value::Object(typed)) = (&mut champ, typed) {
            all.extend(typed);
        }
        champ
    };
    json!({ "data": { "dossier": {
        "number": 7, "state": "en_construction",
        "dateDepot": "2026-02-03T10:15:42+01:00",
        "datePassageEnConstruction": "2026-02-05T09:00:00+01:00",
        "dateDerniereModification": "2026-02-05T09:00:00+01:00", "dateTraitement": null,
        "deposeParUnTiers": false, "usager": { "email": "compte@medecins.example" },
        "demandeur": { "__typename": "PersonnePhysique", "civilite": "Mme", "nom": "EXEMPLE",
            "prenom": "Anne", "email": null },
        "demarche": { "revision": { "id": "r" } },
        "groupeInstructeur": { "instructeurs": [{ "id": "i", "email": "a@cdom.example" }] },
        "traitements": [{ "event": "depose", "emailAgentTraitant": null,
            "dateTraitement": "2026-02-03T10:15:42+01:00" }],
        "messages": [{ "body": "…", "discardedAt": null, "correction": { "dateResolution": null } }],
        "champs": [
            champ(4_100_002, "TextChamp", json!({ "texte": "99790000014" })),
            champ(4_100_002, "RppsanteChamp", json!({ "rpps": { "identifiant_pp": 1 } })),
            champ(4_100_006, "DropDownListChamp", json!({ "choix": "Retraité" })),
            champ(4_100_007, "DepartementChamp", json!({ "departement": { "code": "2A" } })),
            champ(4_100_010, "MultipleDropDownListChamp", json!({ "values": ["ambert"] })),
            champ(4_100_011, "RepetitionChamp", json!({ "rows": [{ "champs": [
                champ(4_100_012, "DatetimeChamp", json!({ "instant": "2026-03-02T09:00:00+01:00" })),
                champ(4_100_013, "TextChamp", json!({ "texte": "Matin" })) ] }] })),
            champ(4_100_014, "YesNoChamp", json!({ "choisi": null })),
        ],
    } } })
}

fn anything() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        ".{0,40}",
        Just("\u{0}\u{1}\u{7f}\u{85}\u{202e}\u{feff}".to_owned()),
        Just("9".repeat(60_000)),
        Just("2026-02-30T25:61:61+99:99".to_owned()),
        Just("+262143-12-31T23:59:59Z".to_owned()),
        Just("-262143-01-01T00:00:00Z".to_owned()),
        "[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-zA-Z]{1,8}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Puts `with` in the place of the n-th value.
fn replace(value: &mut Value, n: &mut usize, with: &Value) {
    if *n == 0 {
        *value = with.clone();
    }
    *n = n.wrapping_sub(1);
    match value {
        Value::Array(all) => all.iter_mut().for_each(|v| replace(v, n, with)),
        Value::Object(all) => all.values_mut().for_each(|v| replace(v, n, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads as every answer; what is a dossier goes all the way to its decision.
fn lire(bytes: &[u8]) {
    let _ = decoder::<ResultatDemarche>(bytes);
    let _ = decoder::<ResultatEtat>(bytes);
    let _ = decoder::<ResultatFormulaire>(bytes);
    let _ = decoder::<Mutation>(bytes).map(Mutation::refus);
    if let Ok(resultat) = decoder::<ResultatDossier>(bytes) {
        let dossier = resultat.dossier;
        let _ = dossier.decide_par_son_cdom("robot");
        decider(dossier.lecture(&champs_par_defaut()));
    }
}

fn decider(lecture: Lecture) {
    let config = Config::new("http://127.0.0.1:1", 1, Secret::new("x"), "robot");
    let referentiel = referentiel();
    let shown = serde_json::to_string(&lecture.formulaire).expect("encodes");
    assert!(!shown.contains("\\u0000"), "a database would refuse it");
    let cx = Context {
        now: commun::debut(),
        config: &config,
        referentiel: &referentiel,
        key: "dossier/7",
        cause: "essai",
    };
    let (ask, id) = (Ask::Lire { numero: 7 }, uuid::Uuid::nil());
    let answer = Answer::Lu(Box::new(lecture));
    let input = Input::Answer { ask, answer, id };
    if let Decision::Next { state, .. } = DsIntake::decide(None, input, &cx).expect("no refusal") {
        let json = serde_json::to_string(&state).expect("encodes");
        assert_eq!(serde_json::from_str::<State>(&json).expect("decodes"), state);
    }
}

#[test]
fn the_dossier_itself_is_read() {
    let bytes = dossier().to_string();
    let read = decoder::<ResultatDossier>(bytes.as_bytes()).expect("decodes");
    let form = read.dossier.lecture(&champs_par_defaut()).formulaire;
    assert_eq!(form.creneaux[0].date, "2026-03-02");
    lire(bytes.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_dossier_with_anything_in_it(changes in proptest::collection::vec((0..140_usize, anything()), 1..4)) {
        let mut value = dossier();
        for (mut n, with) in changes {
            replace(&mut value, &mut n, &with);
        }
        lire(value.to_string().as_bytes());
    }

    #[test]
    fn a_dossier_cut_and_stained(cut in 0..3000_usize, at in 0..3000_usize, byte in any::<u8>()) {
        let mut bytes = dossier().to_string().into_bytes();
        bytes.truncate(cut);
        if let Some(stained) = bytes.get_mut(at) {
            *stained = byte;
        }
        lire(&bytes);
    }

    #[test]
    fn a_webhook_or_a_cursor_of_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        let _ = webhook::demarche(&bytes);
        let _ = webhook::demarche(format!("procedure_id={text}").as_bytes());
        let _ = dossier_du_curseur(&text);
    }
}
