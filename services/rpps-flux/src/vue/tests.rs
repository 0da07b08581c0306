use proptest::prelude::*;

use super::*;

fn titre(horodatage: &str) -> Titre {
    let fichier = format!("{}_{horodatage}.txt", Extrait::Activites.prefixe());
    let jour = "2026-01-05".parse().expect("a day");
    Titre { extrait: Extrait::Activites, fichier, horodatage: horodatage.to_owned(), jour }
}

fn installer(dossier: &Path, horodatage: &str, lignes: &[(u64, String)], changes: &[u64]) {
    let titre = titre(horodatage);
    let mut chantier = Chantier::new(dossier, &titre).expect("a writable folder");
    for (rpps, texte) in lignes {
        let ligne = Ligne { rpps: *rpps, utile: rpps % 2 == 0, texte: texte.clone() };
        chantier.ajouter(&ligne).expect("written");
    }
    let comptes = Comptes { changes: changes.to_vec(), ..Comptes::default() };
    let trie = chantier.trier().expect("sorted");
    trie.installer(dossier, &titre, &comptes, "ab".to_owned()).expect("installed");
}

fn ouvrir(dossier: &Path) -> Option<Vue> {
    Vue::ouvrir(dossier, Extrait::Activites).expect("readable")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_look_up_finds_exactly_the_rows_of_one_person(
        lignes in prop::collection::vec((0_u64..12, "[A-ZÉ|]{0,300}"), 0..40)
    ) {
        let dossier = tempfile::tempdir().expect("a folder");
        installer(dossier.path(), "202601050000", &lignes, &[]);
        let vue = ouvrir(dossier.path()).expect("installed");
        for rpps in 0..13 {
            let mut expected: Vec<_> =
                lignes.iter().filter(|(r, _)| *r == rpps).map(|(_, t)| t.clone()).collect();
            let mut found = vue.lignes_de(rpps).expect("readable");
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_new_view_replaces_the_former_and_its_files() {
    let dossier = tempfile::tempdir().expect("a folder");
    assert!(ouvrir(dossier.path()).is_none());
    installer(dossier.path(), "202601050000", &[(1, "A".to_owned())], &[]);
    let former = ouvrir(dossier.path()).expect("installed");
    installer(dossier.path(), "202601060000", &[(1, "B".to_owned())], &[]);
    assert_eq!(ouvrir(dossier.path()).expect("installed").lignes_de(1).expect("read"), ["B"]);
    // Whoever reads the former one goes on reading it.
    assert_eq!(former.lignes_de(1).expect("read"), ["A"]);
    let names: Vec<_> = fs::read_dir(dossier.path())
        .expect("readable")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn a_damaged_view_is_none() {
    let dossier = tempfile::tempdir().expect("a folder");
    installer(dossier.path(), "202601050000", &[(1, "A".to_owned())], &[]);
    let index = dossier.path().join("activites-202601050000.index");
    let bytes = fs::read(&index).expect("readable");
    fs::write(&index, &bytes[..bytes.len() - 1]).expect("writable");
    assert!(ouvrir(dossier.path()).is_none());
    fs::remove_file(&index).expect("removable");
    assert!(ouvrir(dossier.path()).is_none());
    fs::write(dossier.path().join("activites.json"), "{").expect("writable");
    assert!(ouvrir(dossier.path()).is_none());
}

#[test]
fn changes_are_given_a_bounded_number_at_a_time() {
    let dossier = tempfile::tempdir().expect("a folder");
    installer(dossier.path(), "202601050000", &[], &[3, 5, 8]);
    let vue = ouvrir(dossier.path()).expect("installed");
    assert_eq!(vue.changements(0, 2).expect("read"), (vec![3, 5], Some(2)));
    assert_eq!(vue.changements(2, 2).expect("read"), (vec![8], None));
    assert_eq!(vue.changements(0, 3).expect("read"), (vec![3, 5, 8], None));
    assert_eq!(vue.changements(9, 2).expect("read"), (vec![], None));
}
