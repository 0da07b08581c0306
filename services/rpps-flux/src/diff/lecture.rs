//! Reads extracts in several threads: the fingerprint of each row, dealt into buckets.

use std::{
    borrow::Cow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use memchr::memchr_iter;
use twox_hash::XxHash3_128;

use super::{
    annulation::Source,
    fichiers::Echec,
    seaux::{EMPREINTE_BITS, Marque, Remplissage, Seaux, TAILLE_MAX},
};
use crate::{
    extraction::{self, LectureError, Octets, Ouverture, Releve, Tampon},
    wire::numero_rpps,
};

/// Bits of an identity that are a hash; the RPPS number is above them.
const IDENTITE_BITS: u32 = 88;

/// One file, and how its rows are read.
#[derive(Debug)]
pub(super) struct Fichier<'a, O: ?Sized> {
    pub(super) source: &'a O,
    pub(super) ouverture: Ouverture,
    identite: [usize; 6],
    /// Ranks of the compared columns; `None` when a row is compared as it stands.
    projection: Option<Vec<usize>>,
}

/// A row, read value by value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lue {
    /// The RPPS number, 0 for who has none, above a hash of the six values that identify the row:
    /// two identities of one person are taken for one with a probability of 2^-88.
    pub(super) identite: u128,
    /// The fingerprint.
    pub(super) empreinte: u128,
}

impl<'a, O: Octets + ?Sized> Fichier<'a, O> {
    /// Reads the header; all columns are compared as they stand.
    pub(super) fn ouvrir(source: &'a O, bloc: usize) -> Result<Self, LectureError> {
        let extrait = crate::wire::Extrait::Activites;
        let ouverture = extraction::ouvrir(extrait, source, bloc)?;
        if ouverture.decoupe.taille() >= TAILLE_MAX {
            return Err(LectureError::Refus(extraction::Refus::TropGrande));
        }
        let inconnue = LectureError::Refus(extraction::Refus::EnteteInconnue);
        let identite = ouverture.entete.identite().ok_or(inconnue)?;
        let mut fichier = Self { source, ouverture, identite, projection: None };
        let colonnes = fichier.ouverture.entete.colonnes().to_vec();
        fichier.projeter(&colonnes);
        Ok(fichier)
    }

    /// Compares these columns only, in this order; those that the file lacks are left out.
    pub(super) fn projeter(&mut self, colonnes: &[String]) {
        let propres = self.ouverture.entete.colonnes();
        let identique = propres == colonnes && !self.ouverture.windows_1252;
        let rang = |nom: &String| propres.iter().position(|propre| propre == nom);
        self.projection = (!identique).then(|| colonnes.iter().filter_map(rang).collect());
    }

    /// The fingerprint of a row, and whether it can be read. Rows that stand as they are compared
    /// are not cut into values.
    #[inline]
    pub(super) fn empreinte(&self, ligne: &[u8], releve: &mut Releve) -> u128 {
        if self.projection.is_none() {
            let separateurs = memchr_iter(b'|', ligne).count();
            let colonnes = self.ouverture.entete.colonnes().len();
            if separateurs == colonnes && ligne.last() == Some(&b'|') {
                return hacher(ligne);
            }
        }
        let texte = extraction::decoder(ligne, releve);
        if let Some(texte) = self.texte(&texte) {
            return hacher(texte.as_bytes());
        }
        releve.illisibles += 1;
        hacher(texte.as_bytes())
    }

    /// The identity of a row and its fingerprint; a row that cannot be read is its own identity.
    pub(super) fn lire(&self, ligne: &[u8], releve: &mut Releve) -> Lue {
        let texte = extraction::decoder(ligne, releve);
        let Some(valeurs) = self.ouverture.entete.valeurs(&texte) else {
            releve.illisibles += 1;
            let empreinte = hacher(texte.as_bytes());
            return Lue { identite: empreinte & ((1 << IDENTITE_BITS) - 1), empreinte };
        };
        let qui: Vec<&str> = self.identite.iter().map(|rang| valeurs[*rang]).collect();
        let rpps = numero_rpps(qui[0].trim()).unwrap_or_default();
        let hash = XxHash3_128::oneshot(qui.join("|").as_bytes()) & ((1 << IDENTITE_BITS) - 1);
        let identite = u128::from(rpps) << IDENTITE_BITS | hash;
        let empreinte = hacher(self.assembler(&valeurs).as_bytes());
        Lue { identite, empreinte }
    }

    /// A row as it is compared: each value followed by a separator. `None` when it cannot be read.
    pub(super) fn texte(&self, ligne: &str) -> Option<String> {
        Some(self.assembler(&self.ouverture.entete.valeurs(ligne)?))
    }

    fn assembler(&self, valeurs: &[&str]) -> String {
        match &self.projection {
            None => valeurs.iter().flat_map(|valeur| [*valeur, "|"]).collect(),
            Some(rangs) => rangs.iter().flat_map(|rang| [valeurs[*rang], "|"]).collect(),
        }
    }

    /// The names of the compared columns, as the file has them.
    pub(super) fn libelles(&self) -> Vec<&str> {
        let libelles = self.ouverture.entete.libelles();
        match &self.projection {
            None => libelles.iter().map(String::as_str).collect(),
            Some(rangs) => rangs.iter().map(|rang| libelles[*rang].as_str()).collect(),
        }
    }

    /// A row as it is compared, of which only the RPPS number is known; 0 for none.
    pub(super) fn seul_identifiant(&self, rpps: u64) -> String {
        let rpps = if rpps == 0 { String::new() } else { format!("{rpps:011}") };
        let mut valeurs = vec![""; self.ouverture.entete.colonnes().len()];
        valeurs[self.identite[0]] = &rpps;
        self.assembler(&valeurs)
    }

    /// The row at a place, decoded, without its end.
    pub(super) fn ligne<'t>(
        &self,
        place: u64,
        tampon: &'t mut Vec<u8>,
    ) -> Result<Cow<'t, str>, LectureError> {
        let ligne = extraction::ligne_a(self.source, place, tampon)?;
        Ok(extraction::decoder(ligne, &mut Releve::default()))
    }
}

/// The RPPS number in an identity.
pub(super) fn rpps(identite: u128) -> u64 {
    (identite >> IDENTITE_BITS) as u64
}

fn hacher(texte: &[u8]) -> u128 {
    XxHash3_128::oneshot(texte) >> (u128::BITS - EMPREINTE_BITS)
}

/// What was read of one file, by each thread.
#[derive(Debug)]
pub(super) struct Lu<T> {
    pub(super) seaux: Vec<Seaux<T>>,
    pub(super) releve: Releve,
    /// Of the fingerprints of all rows.
    pub(super) somme: u128,
}

impl<T: Copy> Lu<T> {
    /// Adds the rows of a bucket to a list.
    pub(super) fn vider<U: From<T>>(&self, seau: usize, dans: &mut Vec<U>) {
        for seaux in &self.seaux {
            seaux.vider(seau, dans);
        }
    }
}

impl Lu<Marque> {
    /// What gives the marks of a bucket.
    pub(super) fn source(&self) -> impl Source {
        |seau, dans: &mut Vec<u128>| {
            self.vider(seau, dans);
            Ok(())
        }
    }
}

/// How files are read.
#[derive(Clone, Copy)]
pub(super) struct Moyens<'a> {
    pub(super) fils: usize,
    pub(super) progres: &'a (dyn Fn(u64) + Sync),
}

/// What a thread works with. All of it is made before any thread starts: memory that threads ask
/// for themselves is spread over large pages that are mostly empty.
struct Memoire<T, const N: usize> {
    tampon: Tampon,
    lus: [(Remplissage<T>, Releve, u128); N],
}

/// Blocks to read, which threads take one after the other.
struct Travail<'a, O: ?Sized, P, const N: usize> {
    fichiers: [&'a Fichier<'a, O>; N],
    blocs: Vec<(usize, u64)>,
    prochain: AtomicUsize,
    arret: AtomicBool,
    echec: Mutex<Option<Echec>>,
    poser: P,
    progres: &'a (dyn Fn(u64) + Sync),
}

/// Reads files to their end, block by block, whichever thread is free. `poser` deals out a row, and
/// returns its fingerprint.
pub(super) fn lire<O: Octets + ?Sized, T: Copy + Default + Send, const N: usize>(
    fichiers: [&Fichier<'_, O>; N],
    moyens: Moyens<'_>,
    poser: impl Fn(usize, &mut Releve, u64, &[u8], &mut Remplissage<T>) -> u128 + Sync,
) -> Result<[Lu<T>; N], Echec> {
    let fils = moyens.fils.max(1);
    let mut travail = Travail {
        fichiers,
        blocs: Vec::new(),
        prochain: AtomicUsize::new(0),
        arret: AtomicBool::new(false),
        echec: Mutex::new(None),
        poser,
        progres: moyens.progres,
    };
    for (n, fichier) in fichiers.iter().enumerate() {
        travail.blocs.extend(fichier.ouverture.decoupe.blocs().map(|bloc| (n, bloc)));
    }
    let mut memoires: Vec<_> = (0..fils).map(|_| Memoire::pour(fichiers, fils)).collect();
    thread::scope(|scope| {
        for memoire in &mut memoires {
            scope.spawn(|| travail.fil(memoire));
        }
    });
    if let Some(echec) = travail.echec.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(echec);
    }
    let mut lus: [_; N] = std::array::from_fn(|n| {
        let windows_1252 = fichiers[n].ouverture.windows_1252;
        let releve = Releve { windows_1252, ..Releve::default() };
        Lu { seaux: Vec::new(), releve, somme: 0 }
    });
    for memoire in memoires {
        for (lu, (remplissage, releve, somme)) in lus.iter_mut().zip(memoire.lus) {
            lu.somme = lu.somme.wrapping_add(somme);
            lu.seaux.push(remplissage.figer());
            lu.releve.lignes += releve.lignes;
            lu.releve.illisibles += releve.illisibles;
            lu.releve.windows_1252 |= releve.windows_1252;
        }
    }
    Ok(lus)
}

impl<T: Copy + Default, const N: usize> Memoire<T, N> {
    fn pour<O: Octets + ?Sized>(fichiers: [&Fichier<'_, O>; N], fils: usize) -> Self {
        let bloc = fichiers.iter().map(|fichier| fichier.ouverture.decoupe.bloc()).max();
        let lus = fichiers.map(|fichier| {
            let part = fichier.ouverture.decoupe.taille() / fils as u64;
            (Remplissage::new(part), Releve::default(), 0)
        });
        Self { tampon: Tampon::pour(bloc.unwrap_or_default()), lus }
    }
}

impl<O: Octets + ?Sized, P, const N: usize> Travail<'_, O, P, N> {
    /// What one thread does.
    fn fil<T: Copy + Default>(&self, memoire: &mut Memoire<T, N>)
    where
        P: Fn(usize, &mut Releve, u64, &[u8], &mut Remplissage<T>) -> u128,
    {
        while !self.arret.load(Ordering::Relaxed) {
            let rang = self.prochain.fetch_add(1, Ordering::Relaxed);
            let Some((n, bloc)) = self.blocs.get(rang).copied() else { break };
            let Fichier { source, ouverture, .. } = self.fichiers[n];
            let (remplissage, releve, somme) = &mut memoire.lus[n];
            let lu = ouverture.decoupe.lire(*source, bloc, &mut memoire.tampon).and_then(|bloc| {
                bloc.chaque(|place, ligne| {
                    releve.lignes += 1;
                    let empreinte = (self.poser)(n, releve, place, ligne, remplissage);
                    *somme = somme.wrapping_add(empreinte);
                    Ok(())
                })
            });
            if let Err(cause) = lu {
                self.arret.store(true, Ordering::Relaxed);
                let mut premier = self.echec.lock().unwrap_or_else(PoisonError::into_inner);
                premier.get_or_insert(Echec { fichier: n, cause });
            }
            (self.progres)(ouverture.decoupe.octets(bloc));
        }
    }
}
