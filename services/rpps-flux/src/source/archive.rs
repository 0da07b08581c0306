//! The zip in which the ANS publishes its extracts, one or several to an archive.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use zip::ZipArchive;

use crate::{
    extraction::{LectureError, Refus},
    wire::Extrait,
};

/// How a zip with an entry begins (APPNOTE 6.3.10, section 4.3.7).
const SIGNATURE: [u8; 4] = *b"PK\x03\x04";

/// Bytes copied at a time.
const BLOC: usize = 128 * 1024;

/// Says whether a file is a zip, by its first bytes or by its name.
///
/// # Errors
/// When it cannot be read.
pub(super) fn est_zip(fichier: &Path) -> io::Result<bool> {
    let mut debut = Vec::new();
    File::open(fichier)?.take(SIGNATURE.len() as u64).read_to_end(&mut debut)?;
    Ok(debut == SIGNATURE || fichier.extension().is_some_and(|e| e == "zip"))
}

/// Writes the extract that an archive holds to `destination`. The checksum of the archive is
/// verified; a text larger than `taille_max` is refused, whatever the archive announces.
///
/// # Errors
/// [`LectureError`].
pub(super) fn extraire(
    extrait: Extrait,
    fichier: &Path,
    taille_max: u64,
    destination: &Path,
) -> Result<(), LectureError> {
    let illisible = || LectureError::Refus(Refus::ArchiveIllisible);
    let mut archive =
        ZipArchive::new(BufReader::new(File::open(fichier)?)).map_err(|_| illisible())?;
    let mut rangs = (0..archive.len()).filter(|rang| {
        let chemin = archive.name_for_index(*rang).and_then(Result::ok).unwrap_or_default();
        Extrait::de_fichier(chemin.rsplit('/').next().unwrap_or_default()) == Some(extrait)
    });
    let (Some(rang), None) = (rangs.next(), rangs.next()) else { return Err(illisible()) };
    let mut entree = archive.by_index(rang).map_err(|_| illisible())?;
    let mut texte = BufWriter::new(File::create(destination)?);
    let (mut bloc, mut total) = (vec![0; BLOC], 0);
    loop {
        // A read that fails is an archive that is damaged, or not whole yet.
        let lus = entree.read(&mut bloc).map_err(|_| illisible())?;
        if lus == 0 {
            break;
        }
        total += lus as u64;
        if total > taille_max {
            return Err(LectureError::Refus(Refus::TropGrande));
        }
        texte.write_all(&bloc[..lus])?;
    }
    Ok(texte.flush()?)
}
