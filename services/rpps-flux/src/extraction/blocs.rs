//! Cuts an extract into blocks of whole lines, which threads read each for themselves.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt};

use memchr::{memchr, memchr_iter};

use super::{LectureError, Refus};

/// Longest line accepted, in bytes, its end included; real ones have about 430.
pub const LIGNE_MAX: usize = 64 * 1024;

/// Bytes of a block. A block stays in the processor's cache between the reading and the hashing.
pub const BLOC: usize = 512 * 1024;

/// Bytes read at a time to complete the last line of a block.
const RALLONGE: usize = 2 * 1024;

/// Memory pages: a copy from the page cache is four to five times slower to an address that is not
/// aligned as its source.
const PAGE: usize = 4096;

/// What an extract is read from.
pub trait Octets: Sync {
    /// Its size in bytes.
    ///
    /// # Errors
    /// When it cannot be known.
    fn taille(&self) -> io::Result<u64>;

    /// Fills as much of `tampon` as there is from `debut` on.
    ///
    /// # Errors
    /// When it cannot be read.
    fn lire_a(&self, tampon: &mut [u8], debut: u64) -> io::Result<usize>;
}

impl Octets for File {
    fn taille(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn lire_a(&self, tampon: &mut [u8], debut: u64) -> io::Result<usize> {
        let mut lus = 0;
        while lus < tampon.len() {
            match self.read_at(&mut tampon[lus..], debut + lus as u64) {
                Ok(0) => break,
                Ok(n) => lus += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(lus)
    }
}

impl Octets for [u8] {
    fn taille(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn lire_a(&self, tampon: &mut [u8], debut: u64) -> io::Result<usize> {
        let reste = usize::try_from(debut).ok().and_then(|debut| self.get(debut..));
        let reste = reste.unwrap_or_default();
        let lus = reste.len().min(tampon.len());
        tampon[..lus].copy_from_slice(&reste[..lus]);
        Ok(lus)
    }
}

/// Memory that a thread reads blocks into.
#[derive(Debug)]
pub struct Tampon {
    octets: Vec<u8>,
    debut: usize,
}

impl Tampon {
    /// Memory for blocks of so many bytes.
    pub fn pour(bloc: usize) -> Self {
        let octets = vec![0; bloc + LIGNE_MAX + RALLONGE + PAGE];
        let debut = octets.as_ptr().align_offset(PAGE).min(PAGE);
        Self { octets, debut }
    }
}

/// How one file is cut. A line belongs to the block after whose first byte it starts, up to the
/// first byte of the next one: whether it does is seen without reading what precedes the block.
#[derive(Clone, Copy, Debug)]
pub struct Decoupe {
    debut: u64,
    taille: u64,
    bloc: usize,
}

impl Decoupe {
    /// Cuts what lies between the end of the header, `debut`, and the end of the file.
    pub fn new(debut: u64, taille: u64, bloc: usize) -> Self {
        Self { debut, taille, bloc }
    }

    /// Ranks of its blocks.
    pub fn blocs(&self) -> Range<u64> {
        let bloc = self.bloc as u64;
        self.debut / bloc..self.taille.div_ceil(bloc)
    }

    /// Bytes of the file.
    pub fn taille(&self) -> u64 {
        self.taille
    }

    /// Bytes of its blocks.
    pub fn bloc(&self) -> usize {
        self.bloc
    }

    /// Bytes of one block; the last one is shorter.
    pub fn octets(&self, rang: u64) -> u64 {
        let debut = rang * self.bloc as u64;
        (debut + self.bloc as u64).min(self.taille) - debut
    }

    /// Reads the lines of a block.
    ///
    /// # Errors
    /// [`Refus::Tronquee`] when its last line does not end, or is too long.
    pub fn lire<'t>(
        &self,
        source: &(impl Octets + ?Sized),
        rang: u64,
        tampon: &'t mut Tampon,
    ) -> Result<Bloc<'t>, LectureError> {
        let from = rang * self.bloc as u64;
        let longueur = usize::try_from(self.octets(rang)).unwrap_or(self.bloc);
        let octets = &mut tampon.octets[tampon.debut..];
        if source.lire_a(&mut octets[..longueur], from)? < longueur {
            // Shorter than when it was opened.
            return Err(LectureError::Refus(Refus::Tronquee));
        }
        let first = if self.debut >= from {
            usize::try_from(self.debut - from).unwrap_or(longueur)
        } else {
            // Without any end of line, all of it belongs to a line of an earlier block.
            memchr(b'\n', &octets[..longueur]).map_or(longueur, |i| i + 1)
        };
        let dernier = from + longueur as u64 == self.taille;
        let fin = if dernier {
            if longueur > first && octets[longueur - 1] != b'\n' {
                return Err(LectureError::Refus(Refus::Tronquee));
            }
            longueur
        } else if self.debut < from && first == longueur && octets[longueur - 1] != b'\n' {
            longueur
        } else {
            completer(source, octets, longueur, from)?
        };
        Ok(Bloc { debut: from + first as u64, octets: &octets[first..fin] })
    }
}

/// Reads on to the end of the line that goes over the end of the block; returns where it ends.
fn completer(
    source: &(impl Octets + ?Sized),
    octets: &mut [u8],
    longueur: usize,
    from: u64,
) -> Result<usize, LectureError> {
    let mut fin = longueur;
    while fin < longueur + LIGNE_MAX {
        let lus = source.lire_a(&mut octets[fin..fin + RALLONGE], from + fin as u64)?;
        if let Some(at) = memchr(b'\n', &octets[fin..fin + lus]) {
            return Ok(fin + at + 1);
        }
        fin += lus;
        if lus < RALLONGE {
            break;
        }
    }
    Err(LectureError::Refus(Refus::Tronquee))
}

/// Whole lines of an extract.
#[derive(Debug)]
pub struct Bloc<'t> {
    debut: u64,
    octets: &'t [u8],
}

impl<'t> Bloc<'t> {
    /// Gives each line that is not empty, without its end, LF or CRLF, with its place in the file.
    ///
    /// # Errors
    /// [`Refus::Tronquee`] at a line that is too long, or what `chaque` says.
    #[inline]
    pub fn chaque(
        &self,
        mut chaque: impl FnMut(u64, &'t [u8]) -> Result<(), LectureError>,
    ) -> Result<(), LectureError> {
        let mut debut = 0;
        for fin in memchr_iter(b'\n', self.octets) {
            let ligne = &self.octets[debut..fin];
            let place = self.debut + debut as u64;
            debut = fin + 1;
            if ligne.len() >= LIGNE_MAX {
                return Err(LectureError::Refus(Refus::Tronquee));
            }
            let ligne = ligne.strip_suffix(b"\r").unwrap_or(ligne);
            if !ligne.is_empty() {
                chaque(place, ligne)?;
            }
        }
        Ok(())
    }
}
