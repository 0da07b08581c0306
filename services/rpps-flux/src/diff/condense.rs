//! The digest of an extract, kept so that the next one is compared without reading this one again:
//! of each row its fingerprint and its identity, 28 bytes, sorted by fingerprint.
//!
//! A line that names the format, a line of JSON, a table of buckets (entries, check), the sum of all
//! fingerprints, then the entries; numbers are big-endian. Each bucket is checked when it is read.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::{
    lecture::Lue,
    seaux::{SEAUX, marque, seau_de},
};
use crate::extraction::{Octets, Releve};

/// How a digest begins.
const FORMAT: &[u8] = b"relais-rpps-condense 1\n";

/// Bytes of an entry: a fingerprint of 12 bytes, an identity of 16.
const ENTREE: usize = 28;

/// Bytes of a bucket in the table: 64-bit number of entries, 64-bit check.
const SEAU: usize = 16;

/// Bytes of the table, the sum of fingerprints included.
const TABLE: usize = SEAUX * SEAU + 16;

/// Why a digest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CondenseError {
    /// It is not one, or of another version.
    #[error("not a digest of this version")]
    Inconnu,
    /// What it holds is not what was written.
    #[error("damaged digest")]
    Abime,
    /// It cannot be read or written.
    #[error("digest")]
    Local(#[from] io::Error),
}

/// What a digest is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifeste {
    /// Rows of the extract.
    pub(super) lignes: u64,
    /// Those that cannot be read.
    pub(super) illisibles: u64,
    /// Something was read as Windows-1252.
    pub(super) windows_1252: bool,
    /// The columns that were compared, normalised, in order.
    pub(super) colonnes: Vec<String>,
}

impl Manifeste {
    pub(super) fn new(releve: &Releve, colonnes: Vec<String>) -> Self {
        let Releve { lignes, illisibles, windows_1252 } = *releve;
        Self { lignes, illisibles, windows_1252, colonnes }
    }

    /// What was read of the extract.
    pub(super) fn releve(&self) -> Releve {
        let Self { lignes, illisibles, windows_1252, .. } = *self;
        Releve { lignes, illisibles, windows_1252 }
    }
}

/// A digest that was kept.
#[derive(Debug)]
pub struct Condense {
    fichier: File,
    pub(super) manifeste: Manifeste,
    /// Where the entries begin.
    base: u64,
    /// Rank of the first entry of each bucket, and of the end.
    debuts: Vec<u64>,
    controles: Vec<u64>,
    /// Of the fingerprints of all entries.
    pub(super) somme: u128,
}

impl Condense {
    /// Says whether a file is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn reconnait(fichier: &File) -> io::Result<bool> {
        let mut debut = vec![0; FORMAT.len()];
        Ok(fichier.lire_a(&mut debut, 0)? == debut.len() && debut == FORMAT)
    }

    /// Opens one.
    ///
    /// # Errors
    /// [`CondenseError`].
    pub fn ouvrir(mut fichier: File) -> Result<Self, CondenseError> {
        if !Self::reconnait(&fichier)? {
            return Err(CondenseError::Inconnu);
        }
        let mut tete = vec![0; 64 * 1024];
        let lus = fichier.lire_a(&mut tete, FORMAT.len() as u64)?;
        let fin = memchr::memchr(b'\n', &tete[..lus]).ok_or(CondenseError::Abime)?;
        let manifeste: Manifeste =
            serde_json::from_slice(&tete[..fin]).map_err(|_| CondenseError::Abime)?;
        let table_at = (FORMAT.len() + fin + 1) as u64;
        let mut table = vec![0; TABLE];
        fichier.seek(SeekFrom::Start(table_at))?;
        fichier.read_exact(&mut table).map_err(|_| CondenseError::Abime)?;
        let (mut debuts, mut controles) = (vec![0], Vec::new());
        let (seaux, somme) = table.split_at(SEAUX * SEAU);
        let mut total = 0_u64;
        for seau in seaux.chunks_exact(SEAU) {
            total = total.checked_add(nombre(&seau[..8])).ok_or(CondenseError::Abime)?;
            debuts.push(total);
            controles.push(nombre(&seau[8..]));
        }
        let base = table_at + table.len() as u64;
        let whole = total == manifeste.lignes
            && total
                .checked_mul(ENTREE as u64)
                .is_some_and(|octets| fichier.taille().is_ok_and(|taille| taille == base + octets));
        if !whole {
            return Err(CondenseError::Abime);
        }
        let somme = grand(somme);
        Ok(Self { fichier, manifeste, base, debuts, controles, somme })
    }

    /// Adds the marks of a bucket to `dans`; the place of an entry is its rank.
    pub(super) fn marques(&self, seau: usize, dans: &mut Vec<u128>) -> io::Result<()> {
        let octets = self.octets_du_seau(seau)?;
        for (rang, entree) in (self.debuts[seau]..).zip(octets.chunks_exact(ENTREE)) {
            dans.push(marque(grand(&entree[..12]), rang));
        }
        Ok(())
    }

    /// The entries of a bucket.
    pub(super) fn seau(&self, seau: usize) -> io::Result<Vec<Lue>> {
        Ok(self.octets_du_seau(seau)?.chunks_exact(ENTREE).map(lire).collect())
    }

    fn octets_du_seau(&self, seau: usize) -> io::Result<Vec<u8>> {
        let (debut, fin) = (self.debuts[seau], self.debuts[seau + 1]);
        let mut octets = vec![0; usize::try_from(fin - debut).unwrap_or_default() * ENTREE];
        let lus = self.fichier.lire_a(&mut octets, self.base + debut * ENTREE as u64)?;
        if lus < octets.len() || controle(&octets) != self.controles[seau] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, CondenseError::Abime));
        }
        Ok(octets)
    }

    /// All of its bytes.
    #[cfg(test)]
    pub(super) fn octets(&self) -> Vec<u8> {
        let taille = self.fichier.taille().expect("readable");
        let mut octets = vec![0; usize::try_from(taille).expect("small")];
        self.fichier.lire_a(&mut octets, 0).expect("readable");
        octets
    }

    /// One entry; its bucket was checked before.
    pub(super) fn entree(&self, rang: u64) -> Result<Lue, CondenseError> {
        let mut octets = [0; ENTREE];
        self.fichier.lire_a(&mut octets, self.base + rang * ENTREE as u64)?;
        Ok(lire(&octets))
    }

    /// Writes the digest that follows: this one without the entries of `disparues` (ascending
    /// ranks), with those of `apparues`.
    pub(super) fn suivant(
        &self,
        manifeste: &Manifeste,
        disparues: &[u64],
        mut apparues: Vec<Lue>,
        fichier: File,
    ) -> Result<(), CondenseError> {
        apparues.sort_unstable_by_key(|lue| lue.empreinte);
        let (mut disparues, mut apparues) = (disparues.iter().peekable(), apparues.as_slice());
        let mut ecriture = Ecriture::new(fichier, manifeste)?;
        for seau in 0..SEAUX {
            let mut entrees = Vec::new();
            for (rang, lue) in (self.debuts[seau]..).zip(self.seau(seau)?) {
                if disparues.next_if(|disparue| **disparue == rang).is_none() {
                    entrees.push(lue);
                }
            }
            let count = apparues.iter().take_while(|l| seau_de(l.empreinte) == seau).count();
            entrees.extend_from_slice(&apparues[..count]);
            apparues = &apparues[count..];
            ecriture.seau(&mut entrees)?;
        }
        ecriture.finir()
    }
}

/// A digest being written, bucket by bucket.
#[derive(Debug)]
pub(super) struct Ecriture {
    fichier: BufWriter<File>,
    table_at: u64,
    table: Vec<u8>,
    somme: u128,
}

impl Ecriture {
    pub(super) fn new(fichier: File, manifeste: &Manifeste) -> Result<Self, CondenseError> {
        let mut fichier = BufWriter::with_capacity(256 * 1024, fichier);
        let json = serde_json::to_vec(manifeste).map_err(io::Error::from)?;
        fichier.write_all(FORMAT)?;
        fichier.write_all(&json)?;
        fichier.write_all(b"\n")?;
        fichier.write_all(&vec![0; TABLE])?;
        let table_at = (FORMAT.len() + json.len() + 1) as u64;
        Ok(Self { fichier, table_at, table: Vec::new(), somme: 0 })
    }

    /// Writes the entries of the next bucket.
    pub(super) fn seau(&mut self, entrees: &mut [Lue]) -> io::Result<()> {
        entrees.sort_unstable_by_key(|lue| (lue.empreinte, lue.identite));
        let mut octets = Vec::with_capacity(entrees.len() * ENTREE);
        for lue in &*entrees {
            self.somme = self.somme.wrapping_add(lue.empreinte);
            octets.extend_from_slice(&lue.empreinte.to_be_bytes()[4..]);
            octets.extend_from_slice(&lue.identite.to_be_bytes());
        }
        self.table.extend_from_slice(&(entrees.len() as u64).to_be_bytes());
        self.table.extend_from_slice(&controle(&octets).to_be_bytes());
        self.fichier.write_all(&octets)
    }

    /// Writes the table.
    pub(super) fn finir(mut self) -> Result<(), CondenseError> {
        self.fichier.seek(SeekFrom::Start(self.table_at))?;
        self.fichier.write_all(&self.table)?;
        self.fichier.write_all(&self.somme.to_be_bytes())?;
        self.fichier.flush()?;
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "64 of the 128 bits are kept")]
fn controle(octets: &[u8]) -> u64 {
    XxHash3_128::oneshot(octets) as u64
}

fn lire(octets: &[u8]) -> Lue {
    Lue { empreinte: grand(&octets[..12]), identite: grand(&octets[12..ENTREE]) }
}

/// A number of at most 16 bytes.
fn grand(octets: &[u8]) -> u128 {
    let mut entier = [0; 16];
    entier[16 - octets.len()..].copy_from_slice(octets);
    u128::from_be_bytes(entier)
}

fn nombre(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |n, octet| (n << 8) | u64::from(*octet))
}
