//! What holds of any bytes read as an extract: the target of the fuzzer (`fuzz/`), and of a bounded
//! run in the tests.

use super::{BLOC, Decoupe, LectureError, Tampon, ouvrir, parcourir};
use crate::{
    diff::fichiers::{self, DiffError, Options, Reference},
    wire::Extrait,
};

/// Sizes of blocks, from one byte to more than a small file.
const BLOCS: [usize; 4] = [1, 7, 64, BLOC];

/// Reads bytes in every way that an extract is read.
///
/// # Panics
/// When two ways disagree.
pub fn eprouver(octets: &[u8]) {
    for extrait in Extrait::TOUS {
        eprouver_un(extrait, octets);
    }
    for bloc in [7, BLOC] {
        let options = || Options { fils: 1, bloc, ..Options::default() };
        let seul = fichiers::comparer(&Reference::Extrait(octets), octets, options());
        match seul {
            Ok(bilan) => {
                assert_eq!(bilan.ecarts.total(), 0, "a file differs from itself");
                assert_eq!(bilan.avant, bilan.apres);
            }
            Err(DiffError::Lecture(_, LectureError::Refus(_))) => {}
            Err(e) => panic!("{e:?}"),
        }
    }
}

fn eprouver_un(extrait: Extrait, octets: &[u8]) {
    let mut lignes = 0;
    let lu = parcourir(extrait, octets, 1_000, |ligne| {
        assert!(!ligne.texte.contains(['\n', '\r']), "a row is one line");
        lignes += 1;
        Ok(())
    });
    let Ok(releve) = lu else { return };
    assert!(lignes + releve.illisibles <= releve.lignes);
    let mut trouvees = Vec::new();
    for bloc in BLOCS {
        let Ok(ouverture) = ouvrir(extrait, octets, bloc) else { panic!("read once") };
        trouvees.push(decouper(octets, &ouverture.decoupe).expect("cut once"));
    }
    assert!(trouvees.windows(2).all(|deux| deux[0] == deux[1]), "the blocks count");
    assert_eq!(trouvees[0].len() as u64, releve.lignes);
}

/// Places and lengths of the lines.
fn decouper(octets: &[u8], decoupe: &Decoupe) -> Result<Vec<(u64, usize)>, LectureError> {
    let mut lignes = Vec::new();
    let mut tampon = Tampon::pour(decoupe.bloc());
    for rang in decoupe.blocs() {
        decoupe.lire(octets, rang, &mut tampon)?.chaque(|place, ligne| {
            lignes.push((place, ligne.len()));
            Ok(())
        })?;
    }
    Ok(lignes)
}
