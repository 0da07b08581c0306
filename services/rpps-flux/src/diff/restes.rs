//! The rows that are left when equal ones were crossed out: few, and only these are read value by
//! value.

use super::{
    Comparable,
    condense::{Condense, CondenseError},
    lecture::{Fichier, Lue},
};
use crate::extraction::{self, LectureError, Octets, Releve};

/// A row that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reste {
    pub(super) lue: Lue,
    /// Its place in the file, or its rank in the digest.
    pub(super) place: u64,
}

impl Comparable for Reste {
    type Identite = u128;
    type Contenu = u128;

    fn identite(&self) -> u128 {
        self.lue.identite
    }

    fn contenu(&self) -> u128 {
        self.lue.empreinte
    }
}

/// Reads the rows at these places of a file; sorted.
pub(super) fn du_fichier<O: Octets + ?Sized>(
    fichier: &Fichier<'_, O>,
    places: &[u64],
    releve: &mut Releve,
) -> Result<Vec<Reste>, LectureError> {
    let mut restes = Vec::with_capacity(places.len());
    let mut tampon = Vec::new();
    for place in places {
        let ligne = extraction::ligne_a(fichier.source, *place, &mut tampon)?;
        restes.push(Reste { lue: fichier.lire(ligne, releve), place: *place });
    }
    Ok(trier(restes))
}

/// The rows of these ranks of a digest; sorted.
pub(super) fn du_condense(condense: &Condense, rangs: &[u64]) -> Result<Vec<Reste>, CondenseError> {
    let mut restes = Vec::with_capacity(rangs.len());
    for rang in rangs {
        restes.push(Reste { lue: condense.entree(*rang)?, place: *rang });
    }
    Ok(trier(restes))
}

fn trier(mut restes: Vec<Reste>) -> Vec<Reste> {
    restes.sort_unstable_by_key(|reste| (reste.lue.identite, reste.lue.empreinte, reste.place));
    restes
}
