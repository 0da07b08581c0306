//! Reads one daily extract, line by line, in bounded memory; refuses it as a whole when it cannot
//! be what it should be.

use std::{borrow::Cow, io};

use memchr::memchr;

use crate::wire::{Entete, Extrait, Lecture, Ligne};

mod blocs;
pub mod epreuve;

pub use blocs::{BLOC, Bloc, Decoupe, LIGNE_MAX, Octets, Tampon};

/// Why an extract is refused; the previous view stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refus {
    /// A required column is missing or appears twice.
    EnteteInconnue,
    /// The last line does not end.
    Tronquee,
    /// A header and no row, or nothing at all.
    Vide,
    /// Too many rows without the number of columns that the header announces.
    LignesIllisibles,
    /// Too many rows differ from the previous extract.
    EcartExcessif,
    /// Larger than the configured limit.
    TropGrande,
    /// The archive is damaged, not whole yet, or holds no such extract, or two.
    ArchiveIllisible,
    /// Neither its name nor its date of modification says of which day it is.
    SansHorodatage,
}

impl Refus {
    /// The stable code, `raison` of `rpps.extraction-refusee`.
    pub fn code(self) -> &'static str {
        match self {
            Self::EnteteInconnue => "entete-inconnue",
            Self::Tronquee => "tronquee",
            Self::Vide => "vide",
            Self::LignesIllisibles => "lignes-illisibles",
            Self::EcartExcessif => "ecart-excessif",
            Self::TropGrande => "trop-grande",
            Self::ArchiveIllisible => "archive-illisible",
            Self::SansHorodatage => "sans-horodatage",
        }
    }

    /// Says whether reading the same file again may help: it was still being written or sent.
    pub fn passager(self) -> bool {
        match self {
            Self::Tronquee | Self::Vide | Self::ArchiveIllisible | Self::SansHorodatage => true,
            Self::EnteteInconnue
            | Self::LignesIllisibles
            | Self::EcartExcessif
            | Self::TropGrande => false,
        }
    }
}

/// Why an extract was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum LectureError {
    /// It is refused.
    #[error("extract refused: {}", .0.code())]
    Refus(Refus),
    /// The file cannot be read, or the view not written.
    #[error("local file")]
    Local(#[from] io::Error),
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Releve {
    /// Rows, the header excluded.
    pub lignes: u64,
    /// Rows skipped because of their number of columns.
    pub illisibles: u64,
    /// At least one line was not UTF-8 and was read as Windows-1252.
    pub windows_1252: bool,
}

/// An extract whose header was read.
#[derive(Clone, Debug)]
pub struct Ouverture {
    /// Its columns.
    pub entete: Entete,
    /// The header is in Windows-1252.
    pub windows_1252: bool,
    /// How the rest is cut.
    pub decoupe: Decoupe,
}

/// Reads the header of an extract, with or without BOM.
///
/// # Errors
/// [`LectureError`].
pub fn ouvrir(
    extrait: Extrait,
    source: &(impl Octets + ?Sized),
    bloc: usize,
) -> Result<Ouverture, LectureError> {
    let taille = source.taille()?;
    let mut octets = vec![0; LIGNE_MAX];
    let lus = source.lire_a(&mut octets, 0)?;
    let debut = &octets[..lus];
    if debut.is_empty() {
        return Err(LectureError::Refus(Refus::Vide));
    }
    let fin = memchr(b'\n', debut).ok_or(LectureError::Refus(Refus::Tronquee))?;
    let ligne = debut[..fin].strip_suffix(b"\r").unwrap_or(&debut[..fin]);
    let mut releve = Releve::default();
    let texte = decoder(ligne.strip_prefix(b"\xef\xbb\xbf").unwrap_or(ligne), &mut releve);
    let entete = Entete::lire(extrait, &texte).ok_or(LectureError::Refus(Refus::EnteteInconnue))?;
    let decoupe = Decoupe::new(fin as u64 + 1, taille, bloc);
    Ok(Ouverture { entete, windows_1252: releve.windows_1252, decoupe })
}

/// Reads every row of an extract and gives each one that Relais may need to `chaque`.
///
/// # Errors
/// [`LectureError`] when the extract is refused or a file cannot be read or written.
pub fn parcourir(
    extrait: Extrait,
    source: &(impl Octets + ?Sized),
    illisibles_max_pour_mille: u64,
    mut chaque: impl FnMut(Ligne) -> io::Result<()>,
) -> Result<Releve, LectureError> {
    let Ouverture { entete, windows_1252, decoupe } = ouvrir(extrait, source, BLOC)?;
    let mut releve = Releve { windows_1252, ..Releve::default() };
    let mut tampon = Tampon::pour(decoupe.bloc());
    for rang in decoupe.blocs() {
        decoupe.lire(source, rang, &mut tampon)?.chaque(|_, ligne| {
            releve.lignes += 1;
            match entete.ligne(&decoder(ligne, &mut releve)) {
                Lecture::Ligne(ligne) => chaque(ligne)?,
                Lecture::Autre => {}
                Lecture::Illisible => releve.illisibles += 1,
            }
            Ok(())
        })?;
    }
    releve.juger(illisibles_max_pour_mille)?;
    Ok(releve)
}

/// The line at a place, without its end.
///
/// # Errors
/// [`Refus::Tronquee`] when it does not end, or is too long.
pub(crate) fn ligne_a<'t>(
    source: &(impl Octets + ?Sized),
    place: u64,
    tampon: &'t mut Vec<u8>,
) -> Result<&'t [u8], LectureError> {
    for taille in [2 * 1024, LIGNE_MAX] {
        tampon.resize(taille, 0);
        let lus = source.lire_a(tampon, place)?;
        if let Some(fin) = memchr(b'\n', &tampon[..lus]) {
            let ligne = &tampon[..fin];
            return Ok(ligne.strip_suffix(b"\r").unwrap_or(ligne));
        }
    }
    Err(LectureError::Refus(Refus::Tronquee))
}

impl Releve {
    /// Refuses an extract without rows, or with too many that cannot be read.
    ///
    /// # Errors
    /// [`LectureError::Refus`].
    pub fn juger(&self, illisibles_max_pour_mille: u64) -> Result<(), LectureError> {
        if self.lignes == 0 {
            return Err(LectureError::Refus(Refus::Vide));
        }
        if self.illisibles * 1_000 > self.lignes * illisibles_max_pour_mille {
            return Err(LectureError::Refus(Refus::LignesIllisibles));
        }
        Ok(())
    }
}

/// UTF-8, or else Windows-1252: one ANS test extract (CT-AMAR, 3-UPDATES) is not UTF-8.
pub(crate) fn decoder<'a>(octets: &'a [u8], releve: &mut Releve) -> Cow<'a, str> {
    if let Ok(texte) = str::from_utf8(octets) {
        return Cow::Borrowed(texte);
    }
    releve.windows_1252 = true;
    Cow::Owned(octets.iter().copied().map(windows_1252).collect())
}

/// Windows-1252 is Latin-1 but for 0x80 to 0x9F, which hold letters that French uses.
fn windows_1252(octet: u8) -> char {
    match octet {
        0x80 => '€',
        0x8a => 'Š',
        0x8c => 'Œ',
        0x8e => 'Ž',
        0x91 | 0x92 => '\'',
        0x96 | 0x97 => '-',
        0x9a => 'š',
        0x9c => 'œ',
        0x9e => 'ž',
        0x9f => 'Ÿ',
        0x81..=0x9f => '\u{fffd}',
        latin_1 => char::from(latin_1),
    }
}

#[cfg(test)]
mod tests;
