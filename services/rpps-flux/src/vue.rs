//! The local view of an extract: reduced rows in one file, and an index of fixed-size entries
//! sorted by RPPS number in another, so that one doctor is found by a binary search on disk.
//!
//! A view is written beside the one in use, then a small manifest is replaced by a rename. It is
//! a cache: a view that is absent, of another version or of another size is built again.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    diff::Comparable,
    wire::{Extrait, Ligne},
};

mod comptes;

pub use comptes::Comptes;

/// Version of the three files' form.
const VERSION: u32 = 1;

/// Bytes of an entry of the index, three big-endian 64-bit numbers.
const TAILLE: usize = 24;

/// Marks an entry whose change is told, in [`Entree::place`].
const UTILE: u64 = 1 << 63;

/// One row in the index. Entries are sorted by RPPS number, then by fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entree {
    /// The RPPS number.
    pub rpps: u64,
    /// Fingerprint of the reduced row.
    pub empreinte: u64,
    /// Offset of the row, and the [`UTILE`] mark.
    place: u64,
}

impl Entree {
    /// An entry.
    pub fn new(rpps: u64, empreinte: u64, debut: u64, utile: bool) -> Self {
        Self { rpps, empreinte, place: if utile { debut | UTILE } else { debut } }
    }

    /// A doctor's row, or a CPS card.
    pub fn utile(self) -> bool {
        self.place & UTILE != 0
    }

    fn debut(self) -> u64 {
        self.place & !UTILE
    }

    fn to_bytes(self) -> [u8; TAILLE] {
        let mut bytes = [0; TAILLE];
        bytes[..8].copy_from_slice(&self.rpps.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.empreinte.to_be_bytes());
        bytes[16..].copy_from_slice(&self.place.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; TAILLE]) -> Self {
        let number =
            |at: usize| bytes[at..at + 8].iter().fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
        Self { rpps: number(0), empreinte: number(8), place: number(16) }
    }
}

/// A row of the view is its person's, and says what its fingerprint says.
impl Comparable for Entree {
    type Identite = u64;
    type Contenu = u64;

    fn identite(&self) -> u64 {
        self.rpps
    }

    fn contenu(&self) -> u64 {
        self.empreinte
    }
}

/// FNV-1a, 64 bits: stable across versions and machines, compared only between rows of one person.
pub fn empreinte(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What a view is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifeste {
    /// Version of the files' form.
    version: u32,
    /// Canonical name of the extract.
    pub fichier: String,
    /// Its stamp, digits only: orders the extracts.
    pub horodatage: String,
    /// Its day.
    pub jour: NaiveDate,
    /// Rows of the extract.
    pub lignes: u64,
    /// Rows added since the previous extract.
    pub ajouts: u64,
    /// Rows removed.
    pub retraits: u64,
    /// Rows modified.
    pub modifications: u64,
    /// SHA-256 of the file as it came, in hexadecimal; absent in views of earlier versions.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Entries of the index.
    entrees: u64,
    /// Bytes of the reduced rows.
    octets: u64,
}

/// Identifies an extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Titre {
    /// Which extract.
    pub extrait: Extrait,
    /// Canonical name.
    pub fichier: String,
    /// Stamp.
    pub horodatage: String,
    /// Day.
    pub jour: NaiveDate,
}

impl Titre {
    fn chemin(&self, dossier: &Path, suffixe: &str) -> PathBuf {
        chemin(dossier, self.extrait, &self.horodatage, suffixe)
    }
}

fn chemin(dossier: &Path, extrait: Extrait, horodatage: &str, suffixe: &str) -> PathBuf {
    dossier.join(format!("{}-{horodatage}.{suffixe}", extrait.as_str()))
}

/// A view being written.
#[derive(Debug)]
pub struct Chantier {
    lignes: BufWriter<File>,
    octets: u64,
    index: Vec<Entree>,
}

impl Chantier {
    /// Starts the view of an extract.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn new(dossier: &Path, titre: &Titre) -> io::Result<Self> {
        let lignes = BufWriter::new(File::create(titre.chemin(dossier, "lignes"))?);
        Ok(Self { lignes, octets: 0, index: Vec::new() })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub fn ajouter(&mut self, ligne: &Ligne) -> io::Result<()> {
        let texte = &ligne.texte;
        self.index.push(Entree::new(
            ligne.rpps,
            empreinte(texte.as_bytes()),
            self.octets,
            ligne.utile,
        ));
        self.lignes.write_all(texte.as_bytes())?;
        self.lignes.write_all(b"\n")?;
        self.octets += texte.len() as u64 + 1;
        Ok(())
    }

    /// Sorts the index; 24 bytes a row stay in memory until the view is in place.
    ///
    /// # Errors
    /// When the rows cannot be written.
    pub fn trier(mut self) -> io::Result<Trie> {
        self.lignes.flush()?;
        self.index.sort_unstable();
        Ok(Trie { index: self.index, octets: self.octets })
    }
}

/// A view whose rows are written and whose index is sorted.
#[derive(Debug)]
pub struct Trie {
    /// The entries, sorted.
    pub index: Vec<Entree>,
    octets: u64,
}

impl Trie {
    /// Puts the view in place of the previous one, whose files are then removed.
    ///
    /// # Errors
    /// When a file cannot be written; the previous view then stays.
    pub fn installer(
        self,
        dossier: &Path,
        titre: &Titre,
        comptes: &Comptes,
        sha256: String,
    ) -> io::Result<()> {
        let entrees = self.index.iter().map(|entree| entree.to_bytes());
        ecrire(&titre.chemin(dossier, "index"), entrees)?;
        let changes = comptes.changes.iter().map(|rpps| rpps.to_be_bytes());
        ecrire(&titre.chemin(dossier, "changements"), changes)?;
        let manifeste = Manifeste {
            version: VERSION,
            fichier: titre.fichier.clone(),
            horodatage: titre.horodatage.clone(),
            jour: titre.jour,
            lignes: comptes.lignes,
            ajouts: comptes.ajouts,
            retraits: comptes.retraits,
            modifications: comptes.modifications,
            sha256: Some(sha256),
            entrees: self.index.len() as u64,
            octets: self.octets,
        };
        let provisoire = dossier.join(format!("{}.json.nouveau", titre.extrait.as_str()));
        fs::write(&provisoire, serde_json::to_vec(&manifeste)?)?;
        fs::rename(provisoire, dossier.join(format!("{}.json", titre.extrait.as_str())))?;
        nettoyer(dossier, titre.extrait, Some(&titre.horodatage))
    }
}

fn ecrire<const N: usize>(chemin: &Path, blocs: impl Iterator<Item = [u8; N]>) -> io::Result<()> {
    let mut fichier = BufWriter::new(File::create(chemin)?);
    for bloc in blocs {
        fichier.write_all(&bloc)?;
    }
    fichier.flush()
}

/// Removes the files of every other view of this extract.
///
/// # Errors
/// When the folder cannot be read.
pub fn nettoyer(dossier: &Path, extrait: Extrait, garder: Option<&str>) -> io::Result<()> {
    let prefixe = format!("{}-", extrait.as_str());
    for entree in fs::read_dir(dossier)? {
        let nom = entree?.file_name().to_string_lossy().into_owned();
        let Some(reste) = nom.strip_prefix(&prefixe) else { continue };
        let horodatage = reste.split_once('.').map(|(h, _)| h);
        if horodatage != garder {
            // Gone already, or removed at the next integration.
            let _ = fs::remove_file(dossier.join(&nom));
        }
    }
    Ok(())
}

/// Removes the view in use of an extract.
///
/// # Errors
/// When the folder cannot be read.
pub fn oublier(dossier: &Path, extrait: Extrait) -> io::Result<()> {
    // Usually there is none.
    let _ = fs::remove_file(dossier.join(format!("{}.json", extrait.as_str())));
    nettoyer(dossier, extrait, None)
}

/// The view in use.
#[derive(Debug)]
pub struct Vue {
    /// What it is of.
    pub manifeste: Manifeste,
    extrait: Extrait,
    dossier: PathBuf,
    index: File,
    lignes: File,
}

impl Vue {
    /// Opens the view in use; `None` when there is none that can be used.
    ///
    /// # Errors
    /// When a file exists but cannot be read.
    pub fn ouvrir(dossier: &Path, extrait: Extrait) -> io::Result<Option<Self>> {
        // Twice: the files may be replaced between the manifest and them.
        for _ in 0..2 {
            match Self::essayer(dossier, extrait) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                result => return result,
            }
        }
        Ok(None)
    }

    fn essayer(dossier: &Path, extrait: Extrait) -> io::Result<Option<Self>> {
        let texte = fs::read(dossier.join(format!("{}.json", extrait.as_str())))?;
        let Ok(manifeste) = serde_json::from_slice::<Manifeste>(&texte) else { return Ok(None) };
        let open = |suffixe| File::open(chemin(dossier, extrait, &manifeste.horodatage, suffixe));
        let (index, lignes) = (open("index")?, open("lignes")?);
        let whole = manifeste.version == VERSION
            && index.metadata()?.len() == manifeste.entrees * TAILLE as u64
            && lignes.metadata()?.len() == manifeste.octets;
        let dossier = dossier.to_owned();
        Ok(whole.then_some(Self { manifeste, extrait, dossier, index, lignes }))
    }

    /// The reduced rows of one person: a binary search, then one read per row.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn lignes_de(&self, rpps: u64) -> io::Result<Vec<String>> {
        let (mut low, mut high) = (0, self.manifeste.entrees);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entree(middle)?.rpps < rpps {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut lignes = Vec::new();
        for rang in low..self.manifeste.entrees {
            let entree = self.entree(rang)?;
            if entree.rpps != rpps {
                break;
            }
            lignes.push(self.ligne(entree.debut())?);
        }
        Ok(lignes)
    }

    /// The entries of the index, in order, read as they come.
    ///
    /// # Errors
    /// When the index cannot be opened.
    pub fn entrees(&self) -> io::Result<impl Iterator<Item = io::Result<Entree>> + use<>> {
        let path = chemin(&self.dossier, self.extrait, &self.manifeste.horodatage, "index");
        let mut index = BufReader::new(File::open(path)?);
        let mut bytes = [0; TAILLE];
        Ok((0..self.manifeste.entrees)
            .map(move |_| index.read_exact(&mut bytes).map(|()| Entree::from_bytes(&bytes))))
    }

    /// RPPS numbers that changed with this extract, from a rank on, at most `nombre`; and the rank
    /// of the next ones.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn changements(&self, depuis: u64, nombre: usize) -> io::Result<(Vec<u64>, Option<u64>)> {
        let path = chemin(&self.dossier, self.extrait, &self.manifeste.horodatage, "changements");
        let liste = File::open(path)?;
        let total = liste.metadata()?.len() / 8;
        let fin = total.min(depuis.saturating_add(nombre as u64));
        let mut changes = Vec::new();
        let mut bytes = [0; 8];
        for rang in depuis..fin {
            liste.read_exact_at(&mut bytes, rang * 8)?;
            changes.push(u64::from_be_bytes(bytes));
        }
        Ok((changes, (fin < total).then_some(fin)))
    }

    fn entree(&self, rang: u64) -> io::Result<Entree> {
        let mut bytes = [0; TAILLE];
        self.index.read_exact_at(&mut bytes, rang * TAILLE as u64)?;
        Ok(Entree::from_bytes(&bytes))
    }

    fn ligne(&self, debut: u64) -> io::Result<String> {
        let mut ligne = Vec::new();
        let mut bloc = [0; 256];
        loop {
            let lus = self.lignes.read_at(&mut bloc, debut + ligne.len() as u64)?;
            if lus == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match bloc[..lus].iter().position(|byte| *byte == b'\n') {
                Some(fin) => {
                    ligne.extend_from_slice(&bloc[..fin]);
                    return String::from_utf8(ligne).map_err(|_| ErrorKind::InvalidData.into());
                }
                None => ligne.extend_from_slice(&bloc[..lus]),
            }
        }
    }
}

#[cfg(test)]
mod tests;
