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

/// Reads the rows at these places of a file; sorted, with the sum of their fingerprints.
pub(super) fn du_fichier<O: Octets + ?Sized>(
    fichier: &Fichier<'_, O>,
    places: &[u64],
    releve: &mut Releve,
) -> Result<(Vec<Reste>, u128), LectureError> {
    let mut restes = Vec::with_capacity(places.len());
    let (mut tampon, mut somme) = (Vec::new(), 0_u128);
    for place in places {
        let ligne = extraction::ligne_a(fichier.source, *place, &mut tampon)?;
        // As it was counted: in another encoding than its file's, a row is read otherwise.
        somme = somme.wrapping_add(fichier.empreinte(ligne, &mut Releve::default()));
        restes.push(Reste { lue: fichier.lire(ligne, releve), place: *place });
    }
    Ok((trier(restes), somme))
}

/// The rows of these ranks of a digest; sorted, with the sum of their fingerprints.
pub(super) fn du_condense(
    condense: &Condense,
    rangs: &[u64],
) -> Result<(Vec<Reste>, u128), CondenseError> {
    let mut restes = Vec::with_capacity(rangs.len());
    let mut somme = 0_u128;
    for rang in rangs {
        let lue = condense.entree(*rang)?;
        somme = somme.wrapping_add(lue.empreinte);
        restes.push(Reste { lue, place: *rang });
    }
    Ok((trier(restes), somme))
}

fn trier(mut restes: Vec<Reste>) -> Vec<Reste> {
    restes.sort_unstable_by_key(|reste| (reste.lue.identite, reste.lue.empreinte, reste.place));
    restes
}
