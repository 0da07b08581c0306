//! Reads one daily extract, line by line, in bounded memory; refuses it as a whole when it cannot
//! be what it should be.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

use crate::wire::{Entete, Extrait, Lecture, Ligne};

/// Longest line accepted, in bytes; real ones have about 500.
const LIGNE_MAX: u64 = 64 * 1024;

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
            Self::SansHorodatage => "sans-horodatage",
        }
    }

    /// Says whether reading the same file again may help: it was still being written or sent.
    pub fn passager(self) -> bool {
        match self {
            Self::Tronquee | Self::Vide | Self::SansHorodatage => true,
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

/// Reads every row of an extract and gives each one that Relais may need to `chaque`.
///
/// # Errors
/// [`LectureError`] when the extract is refused or a file cannot be read or written.
pub fn parcourir(
    extrait: Extrait,
    mut source: impl BufRead,
    illisibles_max_pour_mille: u64,
    mut chaque: impl FnMut(Ligne) -> io::Result<()>,
) -> Result<Releve, LectureError> {
    let mut releve = Releve::default();
    let mut tampon = Vec::new();
    if !lire_ligne(&mut source, &mut tampon)? {
        return Err(LectureError::Refus(Refus::Vide));
    }
    let entete = decoder(tampon.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&tampon), &mut releve);
    let Some(entete) = Entete::lire(extrait, &entete) else {
        return Err(LectureError::Refus(Refus::EnteteInconnue));
    };
    while lire_ligne(&mut source, &mut tampon)? {
        if tampon.is_empty() {
            continue;
        }
        releve.lignes += 1;
        match entete.ligne(&decoder(&tampon, &mut releve)) {
            Lecture::Ligne(ligne) => chaque(ligne)?,
            Lecture::Autre => {}
            Lecture::Illisible => releve.illisibles += 1,
        }
    }
    if releve.lignes == 0 {
        return Err(LectureError::Refus(Refus::Vide));
    }
    if releve.illisibles * 1_000 > releve.lignes * illisibles_max_pour_mille {
        return Err(LectureError::Refus(Refus::LignesIllisibles));
    }
    Ok(releve)
}

/// Reads the next line without its end; false after the last one.
fn lire_ligne(source: &mut impl BufRead, tampon: &mut Vec<u8>) -> Result<bool, LectureError> {
    tampon.clear();
    if source.take(LIGNE_MAX).read_until(b'\n', tampon)? == 0 {
        return Ok(false);
    }
    if tampon.pop() != Some(b'\n') {
        return Err(LectureError::Refus(Refus::Tronquee));
    }
    if tampon.last() == Some(&b'\r') {
        tampon.pop();
    }
    Ok(true)
}

/// UTF-8, or else Windows-1252: one ANS test extract (CT-AMAR, 3-UPDATES) is not UTF-8.
fn decoder<'a>(octets: &'a [u8], releve: &mut Releve) -> Cow<'a, str> {
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
