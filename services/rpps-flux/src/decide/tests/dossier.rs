//! Applicants.

use super::*;

#[test]
fn an_applicant_is_identified_once_per_version() {
    let banc = Banc::new();
    let key = "dossier/1042";
    let mut state = None;
    let first = banc.vivre(key, &mut state, deposee("Éxemple", "99790000014"));
    assert_eq!(first.demandes, [Ask::Chercher { rpps: rpps("99790000014") }]);
    assert!(matches!(&first.dits[..], [(k, Event::Suivre { .. })] if k == CLE));
    let found = observation("2026-01-05", Some(fiche_a(&[])));
    let second = banc.vivre(key, &mut state, trouvee(found.clone()));
    assert_eq!(types(&second), ["medecin.identifie.v1"]);
    assert!(second.publies[0].contains("\"concordance_identite\":true"));
    assert!(second.publies[0].contains("\"savoir_faire\":[\"SM54\"]"));
    // The same again is nothing; a new version is identified again, even if nothing changed.
    assert_eq!(banc.vivre(key, &mut state, trouvee(found.clone())), Suite::default());
    let candidature = candidature_de("Exemple", "99790000014");
    let modified = message(Message::CandidatureModifiee(CandidatureModifiee(candidature)));
    assert_eq!(banc.vivre(key, &mut state, modified).demandes.len(), 1);
    assert_eq!(types(&banc.vivre(key, &mut state, trouvee(found))), ["medecin.identifie.v1"]);
}

#[test]
fn what_the_rpps_says_is_reported_as_it_is() {
    let banc = Banc::new();
    let other = Fiche { professions: BTreeSet::from(["60".to_owned()]), ..fiche_a(&[]) };
    for (nom, fiche, expected) in [
        ("Exemple", None, "\"trouve\":false,\"actif\":false,\"profession\":null"),
        ("Exemple", Some(other), "\"trouve\":true,\"actif\":false,\"profession\":\"60\""),
        ("Exemple", Some(fiche_a(&[])), "\"trouve\":true,\"actif\":true,\"profession\":\"10\""),
        ("Autre", Some(fiche_a(&[])), "\"concordance_identite\":false"),
    ] {
        let mut state = None;
        banc.vivre("dossier/1042", &mut state, deposee(nom, "99790000014"));
        let seen = trouvee(observation("2026-01-05", fiche));
        let suite = banc.vivre("dossier/1042", &mut state, seen);
        assert!(suite.publies[0].contains(expected), "{expected} in {}", suite.publies[0]);
    }
}

#[test]
fn a_corrected_number_replaces_the_wrong_one() {
    let banc = Banc::new();
    let (key, mut state) = ("dossier/1042", None);
    banc.vivre(key, &mut state, deposee("Exemple", "99790000014"));
    let candidature = candidature_de("Exemple", "99790000022");
    let modified = message(Message::CandidatureModifiee(CandidatureModifiee(candidature)));
    let suite = banc.vivre(key, &mut state, modified);
    assert_eq!(suite.demandes, [Ask::Chercher { rpps: rpps("99790000022") }]);
    let told: Vec<_> = suite.dits.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(told, ["medecin/99790000022", CLE]);
    // The answer about the wrong number comes late.
    let late = trouvee(observation("2026-01-05", Some(fiche_a(&[]))));
    assert_eq!(banc.vivre(key, &mut state, late), Suite::default());
}

#[test]
fn divergences_are_told_and_improvements_identify_again() {
    let banc = Banc::new();
    let (key, mut state) = ("dossier/1042", None);
    banc.vivre(key, &mut state, deposee("Exemple", "99790000014"));
    banc.vivre(key, &mut state, trouvee(observation("2026-01-05", Some(fiche_a(&[])))));
    let nurse = Fiche { professions: BTreeSet::from(["60".to_owned()]), ..fiche_a(&[]) };
    let renamed =
        Fiche { noms: BTreeSet::from([("AUTRE".to_owned(), "ANNE".to_owned())]), ..fiche_a(&[]) };
    for (day, fiche, expected) in [
        ("2026-01-06", Some(nurse), "[\"plus-actif\",\"profession\"]"),
        ("2026-01-07", None, "[\"disparu\"]"),
        ("2026-01-08", Some(fiche_a(&[])), "medecin.identifie.v1"),
        ("2026-01-09", Some(renamed), "[\"nom\"]"),
    ] {
        let suite = banc.vivre(key, &mut state, vue(observation(day, fiche)));
        assert_eq!(suite.publies.len(), 1, "{day}");
        assert!(suite.publies[0].contains(expected), "{expected} in {}", suite.publies[0]);
    }
    let late = vue(observation("2026-01-08", Some(fiche_a(&[]))));
    assert_eq!(banc.vivre(key, &mut state, late), Suite::default());
}

#[test]
fn a_closed_application_stays_closed() {
    let banc = Banc::new();
    let key = "dossier/1042";
    let refused = || {
        let cdom = "63".parse().expect("a CDOM");
        message(Message::CandidatureRefusee(CandidatureRefusee { dossier: DOSSIER, cdom }))
    };
    let withdrawn = || {
        let cause = "expire".to_owned();
        let fact = CandidatureRetiree { dossier: DOSSIER, rpps: None, cause };
        message(Message::CandidatureRetiree(fact))
    };
    for closing in [refused(), withdrawn()] {
        for known in [false, true] {
            let mut state = None;
            if known {
                banc.vivre(key, &mut state, deposee("Exemple", "99790000014"));
            }
            let suite = banc.vivre(key, &mut state, closing.clone());
            assert_eq!(suite.dits.len(), usize::from(known));
            assert_eq!(state, Some(State::DossierClos));
            let seen = observation("2026-01-05", Some(fiche_a(&[])));
            for late in [deposee("Exemple", "99790000014"), trouvee(seen.clone()), vue(seen)] {
                assert_eq!(banc.vivre(key, &mut state, late), Suite::default());
                assert_eq!(state, Some(State::DossierClos));
            }
        }
    }
}
