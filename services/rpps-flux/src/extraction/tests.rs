use super::*;
use crate::exemples::{Variante, activite, entete, fichier};

fn lire(texte: &[u8]) -> Result<(Releve, Vec<Ligne>), Refus> {
    let mut lignes = Vec::new();
    let result = parcourir(Extrait::Activites, texte, 1, |ligne| {
        lignes.push(ligne);
        Ok(())
    });
    match result {
        Ok(releve) => Ok((releve, lignes)),
        Err(LectureError::Refus(refus)) => Err(refus),
        Err(LectureError::Local(e)) => panic!("{e}"),
    }
}

fn exemple(lignes: usize) -> String {
    let header = entete(Variante::Actuelle);
    let row = |i: usize| activite(&header, "99790000014", &format!("LEFÈVRE{i}"), "639990019", "");
    fichier(&header, &(0..lignes).map(row).collect::<Vec<_>>())
}

#[test]
fn bom_and_line_ends_do_not_count() {
    let plain = exemple(3);
    let windows = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    let (releve, lignes) = lire(plain.as_bytes()).expect("accepted");
    assert_eq!((releve.lignes, releve.windows_1252, lignes.len()), (3, false, 3));
    assert_eq!(lire(windows.as_bytes()).expect("accepted"), (releve, lignes));
}

#[test]
fn another_encoding_is_read_and_flagged() {
    let plain = exemple(2);
    let latin: Vec<u8> =
        plain.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    let (releve, lignes) = lire(&latin).expect("accepted");
    assert!(releve.windows_1252);
    assert_eq!(lignes, lire(plain.as_bytes()).expect("accepted").1);
    assert_eq!(windows_1252(0x9c), 'œ');
    assert_eq!(windows_1252(0xe9), 'é');
}

#[test]
fn a_file_that_breaks_off_is_refused_wherever_it_does() {
    let whole = exemple(3);
    for end in 1..whole.len() - 1 {
        let cut = &whole.as_bytes()[..end];
        match lire(cut) {
            Err(Refus::Tronquee | Refus::Vide | Refus::EnteteInconnue) => {}
            // Cut exactly between two rows: only the comparison with yesterday can tell.
            Ok((releve, _)) => assert!(cut.ends_with(b"\n") && releve.lignes < 3),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_not_an_extract_is_refused() {
    assert_eq!(lire(b""), Err(Refus::Vide));
    assert_eq!(lire(exemple(0).as_bytes()), Err(Refus::Vide));
    assert_eq!(lire(b"<html>\nmaintenance\n</html>\n"), Err(Refus::EnteteInconnue));
    assert_eq!(lire(&vec![b'x'; 300_000]), Err(Refus::Tronquee));
    let other = exemple(3).replace("Code profession|", "Profession|");
    assert_eq!(lire(other.as_bytes()), Err(Refus::EnteteInconnue));
}

#[test]
fn a_few_unreadable_rows_are_skipped_many_refuse_the_file() {
    let few = format!("{}8|99790000022|trop court|\n", exemple(1_000));
    let (releve, lignes) = lire(few.as_bytes()).expect("accepted");
    assert_eq!((releve.lignes, releve.illisibles, lignes.len()), (1_001, 1, 1_000));
    let many = format!("{few}8|99790000022|trop court|\n");
    assert_eq!(lire(many.as_bytes()), Err(Refus::LignesIllisibles));
}
