use serde_json::json;

use super::*;

fn rpps() -> Rpps {
    "99790000014".parse().expect("a number")
}

fn lire(resources: Value, next: Option<&str>) -> Bundle {
    let all = resources.as_array().cloned().unwrap_or_else(|| vec![resources]);
    let entries: Vec<Value> = all.into_iter().map(|r| json!({ "resource": r })).collect();
    let links: Vec<Value> =
        next.map(|url| json!({ "relation": "next", "url": url })).into_iter().collect();
    let bundle = json!({ "resourceType": "Bundle", "link": links, "entry": entries });
    Bundle::lire(bundle.to_string().as_bytes()).expect("a page")
}

/// An identifier as the samples of the documentation write it, or as the guide does.
fn identifiant(code: &str, system: &str, value: &str) -> Value {
    json!({ "type": { "coding": [{ "code": code }] }, "system": system, "value": value })
}

fn carte(nature: &str, numero: &str, debut: &str) -> Value {
    json!({
        "url": "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-smartcard",
        "extension": [
            { "url": "type", "valueCodeableConcept": { "coding": [{ "code": nature }] } },
            { "url": "number", "valueString": numero },
            { "url": "period", "valuePeriod": { "start": debut, "end": "2029-01-01" } },
        ],
    })
}

#[test]
fn a_person_is_recognised_by_the_type_of_the_identifier_whatever_its_system() {
    for identifier in [
        identifiant("RPPS", "https://rpps.esante.gouv.fr", "99790000014"),
        identifiant("RPPS", "http://rpps.fr", " 99790000014"),
        identifiant("IDNPS", "urn:oid:1.2.250.1.71.4.2.1", "899790000014"),
    ] {
        let page = lire(
            json!({ "resourceType": "Practitioner", "id": "1", "identifier": [identifier] }),
            None,
        );
        assert!(page.praticien(&rpps()).is_some(), "{page:?}");
        assert_eq!(page.numeros(), BTreeSet::from([rpps()]));
    }
    for identifier in [
        identifiant("ADELI", "https://rpps.esante.gouv.fr", "99790000014"),
        identifiant("RPPS", "https://rpps.esante.gouv.fr", "99790000022"),
        identifiant("RPPS", "https://rpps.esante.gouv.fr", "99790000015"),
    ] {
        let page =
            lire(json!({ "resourceType": "Practitioner", "identifier": [identifier] }), None);
        assert_eq!(page.praticien(&rpps()), None, "{page:?}");
    }
}

#[test]
fn what_is_left_of_a_deletion_is_nobody_but_has_changed() {
    let identifier = identifiant("RPPS", "https://rpps.esante.gouv.fr", "99790000014");
    let page = lire(
        json!({
            "resourceType": "Practitioner", "id": "1", "active": false, "identifier": [identifier],
        }),
        None,
    );
    assert_eq!(page.praticien(&rpps()), None);
    assert_eq!(page.numeros(), BTreeSet::from([rpps()]));
}

#[test]
fn cards_are_the_cps_with_their_last_characters() {
    let page = lire(
        json!({
            "resourceType": "Practitioner", "id": "1",
            "identifier": [identifiant("RPPS", "", "99790000014")],
            "extension": [
                carte("CPS", "2800999002", "2026-01-05"),
                carte("CPF", "2800999003", "2026-02-05"),
                carte("CPS", "é1", "2023-01-05"),
                carte("CPS", "2800999004", "unknown"),
                { "url": "https://example/other" },
            ],
        }),
        None,
    );
    let (_, fiche) = page.praticien(&rpps()).expect("known");
    let seen: Vec<_> =
        fiche.cartes.iter().map(|c| (c.numero.as_str(), c.debut.to_string())).collect();
    assert_eq!(seen, [("é1", "2023-01-05".to_owned()), ("9002", "2026-01-05".to_owned())]);
    assert_eq!(fiche.cartes[0].fin, jour("2029-01-01"));
}

#[test]
fn sites_are_those_of_active_roles_as_a_doctor() {
    let role = |active: bool, organisation: &str, code: &str| {
        json!({
            "resourceType": "PractitionerRole", "active": active,
            "organization": { "reference": format!("Organization/{organisation}") },
            "code": [{ "coding": [{ "system": "https://x/TRE_G15-ProfessionSante/y", "code": code }] }],
        })
    };
    let organisation = |id: &str, identifier: Value| json!({ "resourceType": "Organization", "id": id, "identifier": [identifier] });
    let page = lire(
        json!([
            role(true, "finess", "10"),
            role(true, "national", "10"),
            role(true, "rang", "10"),
            role(false, "ferme", "10"),
            role(true, "infirmier", "60"),
            role(true, "absente", "10"),
            { "resourceType": "PractitionerRole", "active": true },
            organisation("finess", identifiant("FINEG", "x", "639990019")),
            organisation("national", identifiant("IDNST", "x", "1039990015")),
            organisation("rang", identifiant("RPPSRG", "x", "R10100000990018")),
            organisation("ferme", identifiant("FINEG", "x", "029990017")),
            organisation("infirmier", identifiant("FINEG", "x", "809990013")),
            organisation("sans-role", identifiant("FINEG", "x", "439990011")),
        ]),
        Some("https://gateway/fhir/v2/_page?id=a%20b"),
    );
    let seen: Vec<_> = page.structures().into_iter().collect();
    assert_eq!(seen, ["039990015", "639990019", "R10100000990018"]);
    assert_eq!(page.suite(), Some("https://gateway/fhir/v2/_page?id=a%20b"));
}

#[test]
fn what_is_not_a_page_is_none_and_a_strange_resource_says_nothing() {
    for text in ["", "<html>", "{}", "[]", r#"{"resourceType":"OperationOutcome"}"#] {
        assert!(Bundle::lire(text.as_bytes()).is_none(), "{text}");
    }
    let page = lire(json!([{ "resourceType": "Practitioner", "identifier": 3 }, 7, null]), None);
    assert_eq!((page.praticien(&rpps()), page.numeros().len()), (None, 0));
}

/// The published synthetic sample, when the handbook is at hand.
#[test]
fn the_synthetic_sample_is_read() {
    let handbook = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/sante/SYNTHETIC_Bundle_Practitioner_revinclude_Role.json");
    let Ok(text) = std::fs::read(handbook) else { return };
    let page = Bundle::lire(&text).expect("a page");
    let (ids, fiche) = page.praticien(&rpps()).expect("known");
    assert_eq!(ids, ["003-990001-990001"]);
    assert!(fiche.est_medecin());
    assert_eq!(fiche.noms, BTreeSet::from([("EXEMPLE".to_owned(), "ANNE".to_owned())]));
    assert_eq!(fiche.cartes.len(), 2);
}
