//! Compares an extract of activities with an earlier one, or with its digest: equal rows cancel
//! out by their fingerprints, so that only those that are left are read value by value.

use std::{
    fs::File,
    io::{self, Write},
};

use super::{
    Ecarts,
    annulation::{self, Restes},
    condense::{Condense, CondenseError, Ecriture, Manifeste},
    lecture::{self, Fichier, Lu, Lue, Moyens},
    restes::{self, Reste},
    seaux::{Marque, Remplissage, SEAUX, marque, seau_de},
    sortie::Sortie,
};
use crate::extraction::{BLOC, LectureError, Octets, Releve};

/// Rows that cannot be read, per thousand, beyond which a file is refused; the service's default.
const ILLISIBLES_MAX_POUR_MILLE: u64 = 1;

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cote {
    /// The older one.
    Avant,
    /// The newer one.
    Apres,
}

/// A file that was not read to its end.
#[derive(Debug)]
pub(super) struct Echec {
    /// Its rank among those read together.
    pub(super) fichier: usize,
    pub(super) cause: LectureError,
}

/// Why files are not compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A file is refused or cannot be read.
    #[error("extract")]
    Lecture(Cote, #[source] LectureError),
    /// The digest cannot be used.
    #[error("digest")]
    Condense(#[from] CondenseError),
    /// The digest was made of these columns, which the newer file lacks.
    #[error("columns that the newer extract lacks")]
    Colonnes(Vec<String>),
    /// Two different rows have nearly the same fingerprint: rows that cancelled out were not equal.
    #[error("two rows with one fingerprint")]
    Collision,
    /// What differs cannot be written.
    #[error("output")]
    Sortie(#[source] io::Error),
}

/// What the newer file is compared with.
#[derive(Debug)]
pub enum Reference<'a, O: ?Sized> {
    /// The older file.
    Extrait(&'a O),
    /// What was kept of it.
    Condense(&'a Condense),
}

/// How to compare.
pub struct Options<'a> {
    /// Threads.
    pub fils: usize,
    /// Bytes of a block; [`BLOC`] but in tests.
    pub bloc: usize,
    /// Told the bytes that were read, by any thread.
    pub progres: &'a (dyn Fn(u64) + Sync),
    /// Where the rows that differ are written.
    pub sortie: Option<&'a mut dyn Write>,
    /// Where the digest of the newer file is written.
    pub condense: Option<File>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { fils: fils(), bloc: BLOC, progres: &|_| {}, sortie: None, condense: None }
    }
}

/// Threads that the machine runs at once, at most 8: more would wait for memory.
pub fn fils() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bilan {
    /// How many rows differ.
    pub ecarts: Ecarts,
    /// What was read of the older file.
    pub avant: Releve,
    /// What was read of the newer file.
    pub apres: Releve,
    /// Columns that only one of them has, which were not compared.
    pub colonnes_ecartees: Vec<String>,
}

/// Compares.
///
/// # Errors
/// [`DiffError`].
pub fn comparer<O: Octets + ?Sized>(
    reference: &Reference<'_, O>,
    apres: &O,
    options: Options<'_>,
) -> Result<Bilan, DiffError> {
    let Options { fils, bloc, progres, sortie, condense } = options;
    let moyens = Moyens { fils, progres };
    let mut apres = Fichier::ouvrir(apres, bloc).map_err(|e| DiffError::Lecture(Cote::Apres, e))?;
    let mut bilan = Bilan::default();
    let Anciennes { fichier, disparues, places, annulees } = match reference {
        Reference::Extrait(avant) => avec_extrait(*avant, bloc, &mut apres, moyens, &mut bilan)?,
        Reference::Condense(ancien) => avec_condense(ancien, &mut apres, moyens, &mut bilan)?,
    };
    let (apparues, restent) = du_fichier(Cote::Apres, &apres, &places.apres, &mut bilan.apres)?;
    if annulees.0 != annulees.1.wrapping_sub(restent) {
        return Err(DiffError::Collision);
    }
    let mut sortie = sortie.map(|fichier_de_sortie| Sortie {
        avant: fichier.as_ref(),
        apres: &apres,
        fichier: fichier_de_sortie,
    });
    if let Some(sortie) = &mut sortie {
        sortie.entete().map_err(DiffError::Sortie)?;
    }
    let lignes = disparues.into_iter().map(Ok);
    let ecarts = super::comparer(lignes, &apparues, |groupe| match &mut sortie {
        Some(sortie) => sortie.groupe(&groupe),
        None => Ok(()),
    });
    bilan.ecarts = ecarts.map_err(DiffError::Sortie)?;
    match (condense, reference) {
        (None, _) => {}
        (Some(fichier), Reference::Condense(ancien)) => {
            let lues: Vec<Lue> = apparues.iter().map(|reste| reste.lue).collect();
            let manifeste = Manifeste::new(&bilan.apres, ancien.manifeste.colonnes.clone());
            ancien.suivant(&manifeste, &places.avant, lues, fichier)?;
        }
        (Some(fichier), Reference::Extrait(_)) => {
            // In its own columns, all of them.
            let entier = Fichier::ouvrir(apres.source, bloc);
            let entier = entier.map_err(|e| DiffError::Lecture(Cote::Apres, e))?;
            condenser_fichier(&entier, moyens, fichier)?;
        }
    }
    Ok(bilan)
}

/// Makes the digest of an extract; returns what was read.
///
/// # Errors
/// [`DiffError`].
pub fn condenser<O: Octets + ?Sized>(
    source: &O,
    options: &Options<'_>,
    fichier: File,
) -> Result<Releve, DiffError> {
    let moyens = Moyens { fils: options.fils, progres: options.progres };
    let source = Fichier::ouvrir(source, options.bloc);
    let source = source.map_err(|e| DiffError::Lecture(Cote::Apres, e))?;
    condenser_fichier(&source, moyens, fichier)
}

/// What the newer file is compared with, once equal rows are crossed out.
struct Anciennes<'a, O: ?Sized> {
    fichier: Option<Fichier<'a, O>>,
    /// Rows of before that are left.
    disparues: Vec<Reste>,
    places: Restes,
    /// Sum of the fingerprints that cancelled out before, and of all of them after.
    annulees: (u128, u128),
}

fn avec_extrait<'a, O: Octets + ?Sized>(
    avant: &'a O,
    bloc: usize,
    apres: &mut Fichier<'_, O>,
    moyens: Moyens<'_>,
    bilan: &mut Bilan,
) -> Result<Anciennes<'a, O>, DiffError> {
    let avant = Fichier::ouvrir(avant, bloc);
    let mut avant = avant.map_err(|e| DiffError::Lecture(Cote::Avant, e))?;
    bilan.colonnes_ecartees = projeter(&mut avant, apres);
    let (places, sommes) = {
        let [anciennes, nouvelles] =
            empreintes([&avant, apres], [Cote::Avant, Cote::Apres], moyens)?;
        (bilan.avant, bilan.apres) = (anciennes.releve, nouvelles.releve);
        let places = annulation::annuler(
            anciennes.source(),
            nouvelles.source(),
            moyens.fils,
            bilan.apres.lignes,
        );
        let places = places.map_err(|e| DiffError::Lecture(Cote::Avant, e.into()))?;
        (places, (anciennes.somme, nouvelles.somme))
    };
    let (disparues, restent) = du_fichier(Cote::Avant, &avant, &places.avant, &mut bilan.avant)?;
    let annulees = (sommes.0.wrapping_sub(restent), sommes.1);
    Ok(Anciennes { fichier: Some(avant), disparues, places, annulees })
}

fn avec_condense<'a, O: Octets + ?Sized>(
    avant: &Condense,
    apres: &mut Fichier<'_, O>,
    moyens: Moyens<'_>,
    bilan: &mut Bilan,
) -> Result<Anciennes<'a, O>, DiffError> {
    let colonnes = &avant.manifeste.colonnes;
    let propres = apres.ouverture.entete.colonnes();
    let manquent: Vec<String> = sauf(colonnes, propres).collect();
    if !manquent.is_empty() {
        return Err(DiffError::Colonnes(manquent));
    }
    bilan.colonnes_ecartees = sauf(propres, colonnes).collect();
    apres.projeter(colonnes);
    let [nouvelles] = empreintes([apres], [Cote::Apres], moyens)?;
    (bilan.avant, bilan.apres) = (avant.manifeste.releve(), nouvelles.releve);
    let anciennes = |seau, marques: &mut Vec<u128>| avant.marques(seau, marques);
    let places =
        annulation::annuler(anciennes, nouvelles.source(), moyens.fils, bilan.apres.lignes)
            .map_err(CondenseError::from)?;
    let (disparues, restent) = restes::du_condense(avant, &places.avant)?;
    let annulees = (avant.somme.wrapping_sub(restent), nouvelles.somme);
    Ok(Anciennes { fichier: None, disparues, places, annulees })
}

/// Has both files compared on the columns that both have, in the order of the newer one; returns
/// the other columns.
fn projeter<O: Octets + ?Sized>(
    avant: &mut Fichier<'_, O>,
    apres: &mut Fichier<'_, O>,
) -> Vec<String> {
    let (anciennes, nouvelles) =
        (avant.ouverture.entete.colonnes().to_vec(), apres.ouverture.entete.colonnes().to_vec());
    let communes: Vec<String> =
        nouvelles.iter().filter(|nom| anciennes.contains(nom)).cloned().collect();
    avant.projeter(&communes);
    apres.projeter(&communes);
    sauf(&anciennes, &communes).chain(sauf(&nouvelles, &communes)).collect()
}

fn sauf(noms: &[String], autres: &[String]) -> impl Iterator<Item = String> {
    noms.iter().filter(|nom| !autres.contains(nom)).cloned()
}

/// Reads whole files: the marks of their rows.
fn empreintes<O: Octets + ?Sized, const N: usize>(
    fichiers: [&Fichier<'_, O>; N],
    cotes: [Cote; N],
    moyens: Moyens<'_>,
) -> Result<[Lu<Marque>; N], DiffError> {
    let poser = |n: usize, releve: &mut Releve, place, ligne: &[u8], seaux: &mut Remplissage<_>| {
        let empreinte = fichiers[n].empreinte(ligne, releve);
        seaux.poser(seau_de(empreinte), Marque::from(marque(empreinte, place)));
        empreinte
    };
    let lus = lecture::lire(fichiers, moyens, poser)
        .map_err(|echec| DiffError::Lecture(cotes[echec.fichier], echec.cause))?;
    for (lu, cote) in lus.iter().zip(cotes) {
        juger(cote, &lu.releve)?;
    }
    Ok(lus)
}

fn juger(cote: Cote, releve: &Releve) -> Result<(), DiffError> {
    releve.juger(ILLISIBLES_MAX_POUR_MILLE).map_err(|e| DiffError::Lecture(cote, e))
}

fn du_fichier<O: Octets + ?Sized>(
    cote: Cote,
    fichier: &Fichier<'_, O>,
    places: &[u64],
    releve: &mut Releve,
) -> Result<(Vec<Reste>, u128), DiffError> {
    let mut lu = Releve::default();
    let restes = restes::du_fichier(fichier, places, &mut lu);
    releve.windows_1252 |= lu.windows_1252;
    restes.map_err(|e| DiffError::Lecture(cote, e))
}

fn condenser_fichier<O: Octets + ?Sized>(
    fichier: &Fichier<'_, O>,
    moyens: Moyens<'_>,
    sortie: File,
) -> Result<Releve, DiffError> {
    let poser = |_, releve: &mut Releve, _, ligne: &[u8], seaux: &mut Remplissage<Lue>| {
        let lue = fichier.lire(ligne, releve);
        seaux.poser(seau_de(lue.empreinte), lue);
        lue.empreinte
    };
    let [lu] = lecture::lire([fichier], moyens, poser)
        .map_err(|echec| DiffError::Lecture(Cote::Apres, echec.cause))?;
    juger(Cote::Apres, &lu.releve)?;
    let colonnes = fichier.ouverture.entete.colonnes().to_vec();
    let mut ecriture = Ecriture::new(sortie, &Manifeste::new(&lu.releve, colonnes))?;
    let mut entrees = Vec::new();
    for seau in 0..SEAUX {
        entrees.clear();
        lu.vider(seau, &mut entrees);
        ecriture.seau(&mut entrees).map_err(CondenseError::from)?;
    }
    ecriture.finir()?;
    Ok(lu.releve)
}

#[cfg(test)]
mod tests;
