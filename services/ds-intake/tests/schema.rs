//! The documents only use fields, arguments and types of the published schema. Skipped where the
//! reference is not beside the checkout.

use std::{collections::BTreeSet, path::Path};

use ds_intake::wire::documents::DOCUMENTS;

/// Words of a text, comments and strings left out.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect()
}

#[test]
fn documents_only_name_what_the_schema_has() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/ds");
    let Ok(schema) = std::fs::read_to_string(folder.join("schema.graphql")) else { return };
    let known = words(&schema);
    // Words of the language, names of our own, and variables.
    let ours = [
        "query",
        "mutation",
        "fragment",
        "on",
        "include",
        "if",
        "RelaisChamp",
        "texte",
        "coche",
        "choisi",
        "resultat",
        "__typename",
        "100",
    ];
    for document in DOCUMENTS {
        let variables: BTreeSet<&str> = document
            .texte
            .split('$')
            .skip(1)
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next())
            .collect();
        for word in words(document.texte) {
            let own = word == document.operation || ours.contains(&word);
            let variable = variables.contains(word);
            assert!(own || variable || known.contains(word), "{}: {word}", document.operation);
        }
    }
    for (kind, field) in [
        ("type Demarche ", "pendingDeletedDossiers("),
        ("type Dossier ", "dateDerniereModification:"),
        ("type DeletedDossier ", "dateSupression:"),
        ("type Message ", "discardedAt:"),
        ("type Correction ", "dateResolution:"),
        ("type Traitement ", "event:"),
        ("type MultipleDropDownListChamp ", "values:"),
        ("type RepetitionChamp ", "rows:"),
        ("type YesNoChamp ", "value:"),
        ("input DossierEnvoyerMessageInput ", "correction:"),
        ("input DossierPasserEnInstructionInput ", "disableNotification:"),
        ("input DossierRefuserInput ", "motivation:"),
    ] {
        let at = schema.find(kind).unwrap_or_else(|| panic!("{kind}"));
        let body = schema[at..].split("\n}").next().unwrap_or_default();
        assert!(body.contains(field), "{kind}{field}");
    }
}
