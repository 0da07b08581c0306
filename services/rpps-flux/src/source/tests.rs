use std::io::{Cursor, Write};

use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const ACTIVITES: &str = "PS_LibreAcces_Personne_activite_202601050000.txt";
const SAVOIR_FAIRE: &str = "PS_LibreAcces_SavoirFaire_202601050000.txt";

fn zip(entrees: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (nom, octets) in entrees {
        archive.start_file(*nom, SimpleFileOptions::default()).expect("in memory");
        archive.write_all(octets).expect("in memory");
    }
    archive.finish().expect("in memory").into_inner()
}

struct Depot(TempDir);

impl Depot {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn deposer(&self, nom: &str, octets: &[u8]) -> PathBuf {
        let path = self.0.path().join(nom);
        fs::write(&path, octets).expect("writable");
        path
    }

    fn extraire(&self, octets: &[u8], extrait: Extrait, max: u64) -> Result<Vec<u8>, Refus> {
        let fichier = self.deposer("archive", octets);
        match en_clair(extrait, &fichier, max, &self.0.path().join("texte")) {
            Ok(path) => Ok(fs::read(path).expect("readable")),
            Err(LectureError::Refus(refus)) => Err(refus),
            Err(LectureError::Local(e)) => panic!("{e}"),
        }
    }
}

#[test]
fn a_zip_is_read_like_the_text_that_it_holds() {
    let depot = Depot::new();
    let texte = "a|b|\n".repeat(100_000);
    let octets = zip(&[
        ("lisez-moi.txt", b"x"),
        (SAVOIR_FAIRE, b"y\n"),
        (&format!("dossier/{ACTIVITES}"), texte.as_bytes()),
    ]);
    assert!(octets.len() < texte.len() / 10);
    let max = texte.len() as u64;
    assert!(depot.extraire(&octets, Extrait::Activites, max) == Ok(texte.clone().into_bytes()));
    assert_eq!(depot.extraire(&octets, Extrait::SavoirFaire, max), Ok(b"y\n".to_vec()));
    let plain = depot.extraire(texte.as_bytes(), Extrait::Cartes, max);
    assert!(plain == Ok(texte.into_bytes()));
}

#[test]
fn a_zip_that_is_damaged_short_or_of_something_else_is_refused() {
    let depot = Depot::new();
    // Values that do not compress: a byte that changes is noticed by the checksum alone.
    let texte: Vec<u8> =
        (0..20_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let whole = zip(&[(ACTIVITES, &texte)]);
    let refused = Err(Refus::ArchiveIllisible);
    let read = |octets: &[u8]| depot.extraire(octets, Extrait::Activites, 1 << 20);
    assert!(read(&whole).as_ref() == Ok(&texte));
    for end in [4, 100, whole.len() / 2, whole.len() - 1] {
        assert!(read(&whole[..end]) == refused, "cut at {end}");
    }
    for at in (100..whole.len() - 200).step_by(997) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        assert!(read(&damaged) == refused, "changed at {at}");
    }
    assert_eq!(read(&zip(&[(SAVOIR_FAIRE, b"y\n")])), refused);
    let deux = zip(&[(ACTIVITES, &texte), (&format!("autre/{ACTIVITES}"), &texte)]);
    assert_eq!(read(&deux), refused);
}

#[test]
fn an_archive_larger_than_it_says_is_not_written_to_its_end() {
    let depot = Depot::new();
    let bomb = zip(&[(ACTIVITES, &vec![b'\n'; 50_000_000])]);
    assert!(bomb.len() < 100_000);
    assert_eq!(depot.extraire(&bomb, Extrait::Activites, 1_000_000), Err(Refus::TropGrande));
    let written = fs::metadata(depot.0.path().join("texte")).expect("begun").len();
    assert!(written <= 1_000_000, "{written} bytes");
}

#[test]
fn the_newest_stamp_of_a_folder_is_read_text_or_zip() {
    let depot = Depot::new();
    depot.deposer(ACTIVITES, b"x");
    depot.deposer("PS_LibreAcces_202601060000.zip", b"x");
    depot.deposer("PS_LibreAcces_Dipl_AutExerc_202601070000.zip", b"x");
    depot.deposer("PS_LibreAcces_SavoirFaire_202601040000.zip", b"x");
    depot.deposer("porteurs-cps-cpf_202601030000.zip", b"x");
    depot.deposer("porteurs-cps-cpf_202601080000.pdf", b"x");
    let newest = |extrait| dernier_du_repertoire(depot.0.path(), extrait).expect("one").titre;
    assert_eq!(
        newest(Extrait::Activites).fichier,
        "PS_LibreAcces_Personne_activite_202601060000.txt"
    );
    assert_eq!(newest(Extrait::SavoirFaire).horodatage, "202601060000");
    assert_eq!(newest(Extrait::Cartes).horodatage, "202601030000");
}

#[test]
fn the_checksum_is_the_one_of_the_file_as_it_came() {
    let depot = Depot::new();
    // FIPS 180-4, example of SHA-256.
    let file = depot.deposer("abc", b"abc");
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(somme(&file).expect("readable"), sum);
}
