use super::*;
use crate::exemples::{ENTETE_CARTES, VARIANTES, Variante, activite, carte, entete, ligne};

fn lire(entete: &Entete, texte: &str) -> Ligne {
    match entete.ligne(texte) {
        Lecture::Ligne(ligne) => ligne,
        other @ (Lecture::Autre | Lecture::Illisible) => panic!("{other:?}"),
    }
}

#[test]
fn every_header_variant_gives_the_same_row() {
    let counts = VARIANTES.map(|v| entete(v).split('|').count() - 1);
    assert_eq!(counts, [52, 56, 52]);
    for variante in VARIANTES {
        let header = entete(variante);
        let columns = Entete::lire(Extrait::Activites, &header).expect("known header");
        let row = lire(&columns, &activite(&header, "99790000014", "EXEMPLE", "639990019", ""));
        let savoir_faire = if variante == Variante::SansSavoirFaire { "" } else { "SM54" };
        assert_eq!(row.rpps, 99_790_000_014);
        assert!(row.utile);
        let expected = format!("EXEMPLE|ANNE-MARIE|10|{savoir_faire}|639990019|F639990019");
        assert_eq!(row.texte, expected, "{variante:?}");
    }
}

#[test]
fn column_names_are_compared_without_case_accents_and_punctuation() {
    let header = entete(Variante::Actuelle).to_uppercase().replace('É', "E").replace(' ', "  ");
    assert!(Entete::lire(Extrait::Activites, &header).is_some());
    assert!(Entete::lire(Extrait::Activites, header.trim_end_matches('|')).is_some());
}

#[test]
fn a_required_column_that_is_missing_renamed_or_twice_refuses_the_header() {
    let header = entete(Variante::Actuelle);
    for (from, to) in [
        ("Numéro FINESS site|", ""),
        ("Identifiant PP|", "Identifiant professionnel|"),
        ("Code profession|", "Code profession|Code profession|"),
        ("Identifiant technique de la structure|", "Structure|"),
    ] {
        let changed = header.replace(from, to);
        assert_ne!(changed, header);
        assert!(Entete::lire(Extrait::Activites, &changed).is_none(), "{from} -> {to}");
    }
    assert!(Entete::lire(Extrait::Cartes, &header).is_none());
    assert!(Entete::lire(Extrait::Activites, "<!DOCTYPE html>").is_none());
    assert!(Entete::lire(Extrait::Cartes, ENTETE_CARTES).is_some());
}

#[test]
fn rows_are_read_with_or_without_a_trailing_separator() {
    let header = entete(Variante::Actuelle);
    let columns = Entete::lire(Extrait::Activites, &header).expect("known header");
    let row = activite(&header, "99790000014", "EXEMPLE", "639990019", "");
    let bare_header = header.strip_suffix('|').expect("a trailing separator");
    let bare_columns = Entete::lire(Extrait::Activites, bare_header).expect("known header");
    let bare = row.strip_suffix('|').expect("a trailing separator");
    for read in [lire(&bare_columns, &row), lire(&bare_columns, bare)] {
        assert_eq!(read, lire(&columns, &row));
    }
    let full = format!("{bare}Activité de soin");
    assert_eq!(lire(&columns, &full), lire(&columns, &format!("{full}|")));
    assert_eq!(columns.ligne(&format!("{row}x|")), Lecture::Illisible);
    assert_eq!(columns.ligne("8|99790000014|"), Lecture::Illisible);
    // A value was lost: the others are not read one column too early.
    assert_eq!(columns.ligne(&row.replacen("|10|", "|", 1)), Lecture::Illisible);
}

#[test]
fn only_rpps_numbers_are_kept() {
    let header = entete(Variante::Actuelle);
    let columns = Entete::lire(Extrait::Activites, &header).expect("known header");
    let of = |kind: &str, number: &str| {
        let values = [("Type d'identifiant PP", kind), ("Identifiant PP", number)];
        columns.ligne(&ligne(&header, &values))
    };
    assert_eq!(of("0", "631234567"), Lecture::Autre);
    assert_eq!(of("8", "6312"), Lecture::Autre);
    assert_eq!(of("8", "9979000001X"), Lecture::Autre);
    assert!(matches!(of("8", "899790000014"), Lecture::Ligne(l) if l.rpps == 99_790_000_014));
    assert!(matches!(of("", "99790000014"), Lecture::Ligne(l) if !l.utile));
}

#[test]
fn only_the_end_of_a_card_number_is_kept_and_opposed_cards_say_nothing() {
    let columns = Entete::lire(Extrait::Cartes, ENTETE_CARTES).expect("known header");
    let row = |debut: &str, opposition: &str| {
        lire(&columns, &carte("99790000014", "2800999002", debut, opposition)).texte
    };
    assert_eq!(row("2025-11-20", ""), "CPS|9002|2025-11-20|2028-11-20|");
    let activites = ["EXEMPLE|ANNE|10|SM54||".to_owned()];
    let seen = |cartes: &[String]| fiche(&activites, &[], cartes).expect("known").cartes;
    assert_eq!(seen(&[row("2025-11-20", "2026-01-01")]), []);
    let two = seen(&[row("20/11/2025", ""), row("20230201", "")]);
    assert_eq!(
        two.iter().map(|c| c.debut.to_string()).collect::<Vec<_>>(),
        ["2023-02-01", "2025-11-20"]
    );
    assert_eq!(seen(&["CPF|9002|2025-11-20|2028-11-20|".to_owned()]), []);
    assert_eq!(seen(&["CPS|9002|bientôt|2028-11-20|".to_owned()]), []);
}

#[test]
fn a_record_gathers_the_rows_of_one_person() {
    assert_eq!(fiche(&[], &[], &[]), None);
    let rows = [
        "EXEMPLE|ANNE|10|SM54|639990019|F639990019".to_owned(),
        "EXEMPLE|ANNE|10|||R10100000990018".to_owned(),
        "EXEMPLE|ANNE|60||809990013|F809990013".to_owned(),
    ];
    let known = fiche(&rows, &[], &[]).expect("known");
    assert!(known.est_medecin());
    assert_eq!(known.noms.len(), 1);
    assert_eq!(known.structures.iter().collect::<Vec<_>>(), ["639990019", "R10100000990018"]);
    assert_eq!(known.professions.len(), 2);
}

#[test]
fn names_are_compared_without_accents_case_hyphens_and_spaces() {
    for (a, b) in [
        ("LEFEVRE", "Lefèvre"),
        ("DUPONT-MARTIN", "Dupont Martin"),
        ("D'ARGENT", "d’Argent"),
        ("JEAN-FRANCOIS", "Jean François"),
        ("COEUR", "Cœur"),
    ] {
        assert_eq!(normaliser_nom(a), normaliser_nom(b), "{a} / {b}");
    }
    assert_ne!(normaliser_nom("DUPONT"), normaliser_nom("DUPOND"));
}

#[test]
fn a_stamp_is_read_at_the_end_of_a_name() {
    let stamp = |nom| horodatage(nom);
    assert_eq!(stamp("PS_LibreAcces_Personne_activite_202609230000.txt"), Some("202609230000"));
    assert_eq!(stamp("porteurs-cps-cpf-20260923.txt"), Some("20260923"));
    assert_eq!(stamp("PS_LibreAcces_Personne_activite.txt"), None);
    assert_eq!(stamp("PS_LibreAcces_Personne_activite_202613990000.txt"), None);
    assert_eq!(stamp("PS_LibreAcces_202609230000.zip"), Some("202609230000"));
    assert_eq!(stamp("PS_LibreAcces_Personne_activite_202609230000.pdf"), None);
}
