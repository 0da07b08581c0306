use proptest::prelude::*;

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

/// Bytes that look like an extract: a known header, then pieces of rows, ends of lines, encodings.
fn presque_un_extrait() -> impl Strategy<Value = Vec<u8>> {
    let row = activite(&entete(Variante::Actuelle), "99790000014", "LEFÈVRE", "639990019", "");
    let piece = prop_oneof![
        4 => Just(format!("{row}\n").into_bytes()),
        1 => Just(format!("{row}\r\n").into_bytes()),
        1 => Just(row.trim_end_matches('|').as_bytes().to_vec()),
        2 => prop::sample::select(vec![&b"\n"[..], b"\r", b"|", b"\xe9", b"\xef\xbb\xbf", b"8|99790000022|"])
            .prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..80),
        1 => (1_usize..70_000).prop_map(|n| vec![b'x'; n]),
    ];
    let header = prop_oneof![
        8 => Just(format!("{}\n", entete(Variante::Actuelle)).into_bytes()),
        1 => Just(format!("\u{feff}{}\r\n", entete(Variante::Ancienne)).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ];
    (header, prop::collection::vec(piece, 0..12))
        .prop_map(|(header, pieces)| [header, pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_bytes_are_read_the_same_way_or_refused(octets in presque_un_extrait()) {
        epreuve::eprouver(&octets);
    }
}
