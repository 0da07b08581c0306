//! The published artefacts say what the types say: schemas, examples, the README's catalogue.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use contracts::{
    Agence, Envelope,
    messages::{Entry, Flux, catalogue},
};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a folder, by message type.
fn files(name: &str) -> BTreeMap<String, String> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("a readable folder").path();
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (stem, fs::read_to_string(path).expect("a readable file"))
    };
    fs::read_dir(folder(name)).expect("the folder exists").map(read).collect()
}

fn types() -> BTreeSet<String> {
    catalogue().iter().map(|e| e.message_type.to_owned()).collect()
}

fn examples() -> Vec<(Entry, Value)> {
    let mut files = files("exemples");
    assert_eq!(files.keys().cloned().collect::<BTreeSet<_>>(), types());
    let example = |entry: Entry| {
        let text = files.remove(entry.message_type).expect("compared above");
        (entry, serde_json::from_str(&text).expect("valid JSON"))
    };
    catalogue().into_iter().map(example).collect()
}

#[test]
fn the_catalogue_has_every_type_once() {
    assert_eq!(types().len(), catalogue().len());
    assert_eq!(types().len(), 51);
}

#[test]
fn schemas_on_disk_are_those_of_the_types() {
    let on_disk = files("schemas");
    assert_eq!(on_disk.keys().cloned().collect::<BTreeSet<_>>(), types());
    for entry in catalogue() {
        assert_eq!(
            on_disk[entry.message_type],
            entry.schema_text(),
            "{}: run `cargo run -p contracts --example schemas`",
            entry.message_type
        );
    }
}

#[test]
fn schemas_are_valid_and_name_themselves() {
    for entry in catalogue() {
        let schema: Value = serde_json::from_str(&entry.schema_text()).expect("valid JSON");
        jsonschema::meta::validate(&schema).expect("a valid JSON Schema");
        assert_eq!(schema["$id"], format!("urn:relais:schema:{}", entry.message_type));
    }
}

#[test]
fn examples_satisfy_their_schema_and_lose_nothing() {
    for (entry, event) in examples() {
        let schema = serde_json::to_value(&entry.schema).expect("a schema is JSON");
        let validator = jsonschema::validator_for(&schema).expect("a valid schema");
        let problems: Vec<_> =
            validator.iter_errors(&event["data"]).map(|e| e.to_string()).collect();
        assert_eq!(problems, [""; 0], "{}", entry.message_type);
        let again = (entry.round_trip)(&event["data"]).expect("decodes");
        assert_eq!(again, event["data"], "{}", entry.message_type);
    }
}

#[test]
fn a_field_less_or_of_another_type_is_refused_by_schema_and_decoder_alike() {
    for (entry, event) in examples() {
        let schema = serde_json::to_value(&entry.schema).expect("a schema is JSON");
        let validator = jsonschema::validator_for(&schema).expect("a valid schema");
        let data = event["data"].as_object().expect("an object");
        for field in data.keys().filter(|field| !data[*field].is_null()) {
            let mut wrong = data.clone();
            wrong.insert(field.clone(), Value::Bool(false));
            if data[field].is_boolean() {
                wrong.insert(field.clone(), Value::from("faux"));
            }
            let wrong = Value::Object(wrong);
            assert!(!validator.is_valid(&wrong), "{} {field}", entry.message_type);
            assert!((entry.round_trip)(&wrong).is_err(), "{} {field}", entry.message_type);
            let mut less = data.clone();
            less.remove(field);
            let less = Value::Object(less);
            let accepted = (entry.round_trip)(&less).is_ok();
            assert_eq!(validator.is_valid(&less), accepted, "{} {field}", entry.message_type);
        }
    }
}

#[test]
fn examples_are_structured_cloud_events() {
    let mut ids = BTreeSet::new();
    for (entry, event) in examples() {
        let name = entry.message_type;
        let envelope = Envelope::from_structured(event.to_string().as_bytes()).expect("ours");
        assert_eq!(envelope.to_structured(), event, "{name}");
        assert_eq!(envelope.message_type, name);
        assert_eq!(envelope.subject, Some((entry.subject)(&event["data"]).expect("decodes")));
        assert_eq!(envelope.sequence.is_some(), entry.flux == Flux::Evenements, "{name}");
        assert!(ids.insert(envelope.id), "{name}: an id is used twice");
        match entry.flux {
            Flux::Evenements | Flux::Demandes => assert!(envelope.source.starts_with("/relais/")),
            Flux::Reponses => {
                let user = envelope.source.strip_prefix("/agences/").expect("an agency");
                let agence = Agence::from_user(user).expect("a known form");
                assert_eq!(Some(agence.famille), entry.famille, "{name}");
            }
        }
    }
}

#[test]
fn examples_name_nobody() {
    for (name, text) in files("exemples") {
        for at in text.match_indices('@').map(|(i, _)| i) {
            let domain: String = text[at + 1..].chars().take_while(|c| *c != '"').collect();
            assert!(domain.ends_with(".example"), "{name}: {domain}");
        }
        assert!(!text.contains("\"rpps\": \"10"), "{name}: real RPPS numbers begin with 10");
    }
}

#[test]
fn the_readme_lists_every_message() {
    let readme = fs::read_to_string(folder("README.md")).expect("the README exists");
    for name in types() {
        assert!(readme.contains(&format!("| `{name}` |")), "{name} is not in the catalogue");
    }
}
