//! Fixtures in the shapes of the facts of the API (sections 1 to 3); every person is fictive.

use serde_json::{Value, json};

use super::{documents::DOCUMENTS, *};
use crate::config::{Champ, champ_descriptor_id, champs_par_defaut};

fn champ(stable_id: u64, typename: &str, typed: Value) -> Value {
    let mut champ = json!({
        "__typename": typename,
        "champDescriptorId": champ_descriptor_id(stable_id),
        "stringValue": null,
    });
    if let (Value::Object(all), Value::Object(typed)) = (&mut champ, typed) {
        all.extend(typed);
    }
    champ
}

fn dossier(champs: &[Value]) -> Value {
    json!({ "data": { "dossier": {
        "number": 26_000_001,
        "state": "en_construction",
        "dateDepot": "2026-02-03T10:15:42+01:00",
        "datePassageEnConstruction": "2026-02-05T09:00:00+01:00",
        "dateDerniereModification": "2026-02-05T09:00:00+01:00",
        "dateTraitement": null,
        "deposeParUnTiers": null,
        "usager": { "email": "compte@medecins.example" },
        "demandeur": {
            "__typename": "PersonnePhysique",
            "civilite": "Mme", "nom": " EXEMPLE\u{7} ", "prenom": "Anne", "email": null,
        },
        "traitements": [
            { "event": "depose", "dateTraitement": "2026-02-03T10:15:42+01:00" },
            { "event": "passe_en_instruction", "dateTraitement": "2026-02-03T11:00:00+01:00" },
            { "event": "repasse_en_construction", "dateTraitement": "2026-02-05T09:00:00+01:00" },
        ],
        "messages": [
            { "body": "…", "discardedAt": null, "correction": null },
            { "body": "…", "discardedAt": null, "correction": { "dateResolution": null } },
        ],
        "champs": champs,
    } } })
}

fn lire(value: &Value) -> Lecture {
    let resultat: ResultatDossier =
        decoder(value.to_string().as_bytes()).expect("the fixture decodes");
    resultat.dossier.lecture(&champs_par_defaut())
}

#[test]
fn a_dossier_is_read_with_every_type_of_champ() {
    let row = |date: &str, half: &str| {
        json!({ "champs": [
            champ(4_100_012, "DateChamp", json!({ "date": date })),
            champ(4_100_013, "TextChamp", json!({ "texte": half })),
        ] })
    };
    let lecture = lire(&dossier(&[
        champ(4_100_001, "HeaderSectionChamp", json!({ "stringValue": "" })),
        champ(4_100_002, "TextChamp", json!({ "texte": "9979 0000 014" })),
        champ(4_100_003, "PhoneChampDeDemain", json!({ "stringValue": "06 00 00 00 00" })),
        champ(4_100_006, "TextChamp", json!({ "texte": "Retraité" })),
        champ(4_100_007, "DepartementChamp", json!({ "departement": { "code": "2A" } })),
        champ(4_100_010, "MultipleDropDownListChamp", json!({ "values": ["ambert", " "] })),
        champ(
            4_100_011,
            "RepetitionChamp",
            json!({ "rows": [row("2026-03-02", "Matin"), row("", "")] }),
        ),
        champ(4_100_014, "YesNoChamp", json!({ "choisi": null })),
    ]));
    let form = &lecture.formulaire;
    assert_eq!(form.rpps.as_deref(), Some("9979 0000 014"));
    assert_eq!(form.telephone.as_deref(), Some("06 00 00 00 00"), "an unknown type is a text");
    assert_eq!(form.nom.as_deref(), Some("EXEMPLE"), "control characters are dropped");
    assert_eq!(form.courriel.as_deref(), Some("compte@medecins.example"));
    assert_eq!(form.departement.as_deref(), Some("2A"));
    assert_eq!(form.cdom, None, "a hidden champ is absent");
    assert_eq!(form.lieux, ["ambert"]);
    assert_eq!(form.creneaux.len(), 1, "an empty row is nothing");
    assert_eq!(form.creneaux[0].date, "2026-03-02");
    assert_eq!(form.remplacement, None);
    assert!(lecture.correction_en_attente);
    assert_eq!(lecture.depots, 1);
    assert_eq!(
        lecture.soumis_le.to_rfc3339(),
        "2026-02-03T09:15:42+00:00",
        "a dossier sent back for correction was not deposited again"
    );
}

#[test]
fn other_forms_of_the_same_answers_are_read() {
    let mut value = dossier(&[
        champ(4_100_007, "TextChamp", json!({ "stringValue": "57 - Moselle" })),
        champ(
            4_100_010,
            "RepetitionChamp",
            json!({ "rows": [{ "champs": [champ(4_100_019, "LinkedDropDownListChamp",
                json!({ "primaryValue": "57 - Moselle", "secondaryValue": "Bitche" }))] }] }),
        ),
        champ(
            4_100_011,
            "TextChamp",
            json!({ "texte": "02/03/2026 matin\n\n 2026-03-03 après-midi ; 04/03/2026" }),
        ),
        champ(4_100_014, "CheckboxChamp", json!({ "coche": true })),
    ]);
    value["data"]["dossier"]["deposeParUnTiers"] = json!(true);
    value["data"]["dossier"]["demandeur"] =
        json!({ "__typename": "PersonneMoraleIncomplete", "siret": "00000000000000" });
    value["data"]["dossier"]["traitements"] = json!([]);
    let lecture = lire(&value);
    let form = &lecture.formulaire;
    assert_eq!(form.lieux, ["Bitche"]);
    assert_eq!(form.departement.as_deref(), Some("57 - Moselle"));
    let dates: Vec<_> = form.creneaux.iter().map(|c| c.date.as_str()).collect();
    assert_eq!(dates, ["02/03/2026", "2026-03-03", "04/03/2026"]);
    assert_eq!(form.creneaux[1].demi_journee, "après-midi");
    assert_eq!(form.remplacement, Some(true));
    assert_eq!(form.courriel, None, "the usager of a third party is not the doctor");
    assert_eq!((form.nom.as_deref(), lecture.depots), (None, 0));
    assert_eq!(lecture.soumis_le.to_rfc3339(), "2026-02-05T08:00:00+00:00");
}

#[test]
fn the_fingerprint_depends_on_the_mapped_fields_only() {
    let with = |text: &str, other: &str| {
        lire(&dossier(&[
            champ(4_100_002, "TextChamp", json!({ "texte": text })),
            champ(4_199_999, "TextChamp", json!({ "texte": other })),
        ]))
        .empreinte()
    };
    assert_eq!(with("1", "a"), with("1", "b"));
    assert_ne!(with("1", "a"), with("2", "a"));
}

#[test]
fn a_page_survives_null_nodes_and_an_empty_cursor() {
    let body = json!({ "data": { "demarche": {
        "activeRevision": { "id": "UHJvY2VkdXJlUmV2aXNpb24tMQ==" },
        "dossiers": {
            "pageInfo": { "endCursor": null, "hasNextPage": false },
            "nodes": [null, { "number": 7, "state": "sans_suite",
                "dateDerniereModification": "2026-02-03T10:15:42+01:00" }],
        },
        "deletedDossiers": {
            "pageInfo": { "endCursor": null, "hasNextPage": false },
            "nodes": [{ "number": 6, "reason": "user_removed",
                "dateSupression": "2026-01-20T09:00:00+01:00" }],
        },
    } } });
    let lue: ResultatDemarche = decoder(body.to_string().as_bytes()).expect("decodes");
    let page = lue.demarche.dossiers.expect("page");
    let lines: Vec<_> = page.lignes().map(DossierListe::from).collect();
    assert_eq!((lines.len(), lines[0].etat), (1, EtatDs::SansSuite));
    let deleted = lue.demarche.deleted_dossiers.expect("page");
    let deleted: Vec<_> = deleted.lignes().map(DossierDisparu::from).collect();
    assert_eq!(deleted[0].raison, RaisonDisparition::SupprimeParUsager);
    assert!(lue.demarche.pending_deleted_dossiers.is_none());
}

#[test]
fn root_errors_win_over_any_partial_data() {
    let code = |body: Value| match decoder::<ResultatDossier>(body.to_string().as_bytes()) {
        Err(Illisible::Racine(code)) => code,
        other => panic!("{other:?}"),
    };
    let error = |code: &str| json!({ "message": "…", "extensions": { "code": code } });
    assert_eq!(code(json!({ "errors": [error("not_found")], "data": null })), CodeRacine::NotFound);
    assert_eq!(
        code(json!({ "errors": [error("invalid_null"), error("timeout")], "data": {} })),
        CodeRacine::Timeout
    );
    let mut whole = dossier(&[]);
    whole["errors"] = json!([error("timeout")]);
    assert_eq!(code(whole), CodeRacine::Timeout);
    assert_eq!(
        code(json!({ "errors": [{ "message": "No operation named" }] })),
        CodeRacine::Requete
    );
    assert_eq!(code(json!({ "errors": [error("undefinedField")] })), CodeRacine::Requete);
    assert_eq!(code(json!({ "errors": [error("unauthorized")] })), CodeRacine::Unauthorized);
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let of = |body: &str| decoder::<ResultatDossier>(body.as_bytes()).expect_err("no answer");
    assert!(matches!(of("<html>502</html>"), Illisible::PasJson));
    assert!(matches!(of(r#"{"data":{"dossier":{"number":"x"}}}"#), Illisible::Forme { .. }));
    assert!(matches!(of("{}"), Illisible::Forme { .. }));
}

#[test]
fn a_refused_mutation_gives_its_first_reason() {
    let of =
        |body: Value| decoder::<Mutation>(body.to_string().as_bytes()).expect("decodes").refus();
    let refused = json!({ "errors": [{ "message": "Le dossier est déjà accepté" }] });
    assert_eq!(
        of(json!({ "data": { "resultat": refused } })).as_deref(),
        Some("Le dossier est déjà accepté")
    );
    assert_eq!(of(json!({ "data": { "resultat": { "errors": null } } })), None);
}

#[test]
fn operations_are_named_after_their_document() {
    for document in DOCUMENTS {
        let named = document.texte.split_whitespace().nth(1).expect("a name");
        assert!(named.starts_with(&format!("{}(", document.operation)), "{named}");
        assert!(!document.texte.contains("edges"), "DS preloads `nodes` only");
    }
    assert_eq!(Champ::Rpps.as_str(), "rpps");
}
