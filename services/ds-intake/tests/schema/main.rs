//! The documents are valid against the schema that DS publishes: fields, arguments, variables,
//! fragments, and no two answers of different shapes under one name. The reference is not part of
//! the project: `../shared/reference` beside the checkout, or `RELAIS_REFERENCE`.

mod graphql;
mod mots;

use std::path::{Path, PathBuf};

use ds_intake::wire::documents::{DOCUMENTS, LIRE_SOCIAL};
use graphql::{Schema, valider};

/// The published schema; says so when it is not there.
fn schema_publie() -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference");
    let folder = std::env::var_os("RELAIS_REFERENCE").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join("ds/schema.graphql")).ok();
    if text.is_none() {
        eprintln!("skipped: no schema of DS in {} (RELAIS_REFERENCE)", folder.display());
    }
    text
}

#[test]
fn every_document_is_valid_against_the_published_schema() {
    let Some(text) = schema_publie() else { return };
    let schema = Schema::lire(&text);
    for document in DOCUMENTS {
        assert_eq!(valider(&schema, document.texte), Vec::<String>::new(), "{document:?}");
    }
}

/// The fork of the social ministries publishes no schema: the common one, with what is known of
/// its differences (facts of the API, section 0).
#[test]
fn the_document_of_the_social_ministries_is_valid_against_their_differences() {
    let Some(text) = schema_publie() else { return };
    let kept = text.lines().filter(|line| line.trim() != "champDescriptorId: String!");
    let theirs: Vec<_> = kept.collect();
    let more = "type RppsanteChamp implements Champ { data: JSON id: ID! label: String! \
                prefilled: Boolean! stringValue: String updatedAt: ISO8601DateTime! }";
    let schema = Schema::lire(&format!("{}\n{more}\n", theirs.join("\n")));
    assert_eq!(valider(&schema, LIRE_SOCIAL.texte), Vec::<String>::new());
    let ours = DOCUMENTS.iter().filter(|d| d.texte.contains("champDescriptorId"));
    assert!(ours.into_iter().all(|d| !valider(&schema, d.texte).is_empty()), "they do differ");
}

#[test]
fn what_is_wrong_is_found() {
    let schema = Schema::lire(
        "\"\"\"the { root\"\"\" type Query { dossier(number: Int!): Dossier! }
         type Dossier { id: ID! champs(id: ID = 1): [Champ!]! state: Etat! }
         interface Champ { id: ID! } enum Etat { ouvert } scalar BigInt
         type Texte implements Champ { id: ID! value: String }
         type Nombre implements Champ { id: ID! value: BigInt }",
    );
    let ask = |body: &str| valider(&schema, body);
    let good = "query q($n: Int!) { dossier(number: $n) { id champs { ...f } } }
                fragment f on Champ { __typename ... on Texte { texte: value } }";
    assert_eq!(ask(good), Vec::<String>::new());
    for (wrong, why) in [
        ("query q { dossier { id } }", "number"),
        ("query q { dossier(numero: 1, number: 1) { id } }", "numero"),
        ("query q { dossier(number: $n) { id } }", "$n"),
        ("query q($n: ID!) { dossier(number: $n) { id } }", "$n"),
        ("query q($n: Int) { dossier(number: $n) { id } }", "$n"),
        ("query q { dossier(number: 1) { numero } }", "numero"),
        ("query q { dossier(number: 1) }", "dossier"),
        ("query q { dossier(number: 1) { state { x } } }", "state"),
        ("query q { dossier(number: 1) { champs { ... on Autre { id } } } }", "Autre"),
        ("query q { dossier(number: 1) { champs { ... on Dossier { id } } } }", "Dossier"),
        ("query q { dossier(number: 1) { champs { ...g } } }", "g"),
        (
            "query q { dossier(number: 1) { champs { ... on Texte { value } ... on Nombre { value } } } }",
            "value",
        ),
    ] {
        let found = ask(wrong).join("; ");
        assert!(found.contains(why), "{wrong}: {found:?}");
    }
}
