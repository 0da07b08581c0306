//! Crosses out the rows that two files have in common, by their fingerprints, bucket by bucket.

use std::{
    cmp::Ordering as Rang,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::seaux::{SEAUX, Tri, place, reste};

/// Places of the rows that are left, ascending.
#[derive(Debug, Default)]
pub(super) struct Restes {
    pub(super) avant: Vec<u64>,
    pub(super) apres: Vec<u64>,
}

/// What adds the marks of a bucket to a list.
pub(super) trait Source: Fn(usize, &mut Vec<u128>) -> io::Result<()> + Sync {}
impl<F: Fn(usize, &mut Vec<u128>) -> io::Result<()> + Sync> Source for F {}

/// What a thread works with; made before it starts, like that of reading.
struct Memoire {
    anciennes: Vec<u128>,
    nouvelles: Vec<u128>,
    tri: Tri,
}

/// Crosses out equal fingerprints, as often as both sides have them; `lignes` is about how many
/// rows a side has.
pub(super) fn annuler(
    avant: impl Source,
    apres: impl Source,
    fils: usize,
    lignes: u64,
) -> io::Result<Restes> {
    let prochain = AtomicUsize::new(0);
    let fil = |memoire: &mut Memoire| {
        let Memoire { anciennes, nouvelles, tri } = memoire;
        let mut restes = Restes::default();
        loop {
            let seau = prochain.fetch_add(1, Ordering::Relaxed);
            if seau >= SEAUX {
                return Ok(restes);
            }
            anciennes.clear();
            nouvelles.clear();
            avant(seau, anciennes)?;
            apres(seau, nouvelles)?;
            tri.trier(anciennes);
            tri.trier(nouvelles);
            croiser(anciennes, nouvelles, &mut restes);
        }
    };
    // Fingerprints are uniform: a bucket is seldom an eighth above the mean.
    let place = usize::try_from(lignes / SEAUX as u64 * 9 / 8).unwrap_or_default();
    let memoire = |_| Memoire {
        anciennes: Vec::with_capacity(place),
        nouvelles: Vec::with_capacity(place),
        tri: Tri::pour(place),
    };
    let mut memoires: Vec<Memoire> = (0..fils.max(1)).map(memoire).collect();
    let par_fil: Vec<io::Result<Restes>> = thread::scope(|scope| {
        let fil = &fil;
        let fils: Vec<_> =
            memoires.iter_mut().map(|memoire| scope.spawn(move || fil(memoire))).collect();
        let join = |fil: thread::ScopedJoinHandle<'_, _>| {
            fil.join().unwrap_or_else(|e| std::panic::resume_unwind(e))
        };
        fils.into_iter().map(join).collect()
    });
    let mut restes = Restes::default();
    for un in par_fil {
        let un = un?;
        restes.avant.extend(un.avant);
        restes.apres.extend(un.apres);
    }
    restes.avant.sort_unstable();
    restes.apres.sort_unstable();
    Ok(restes)
}

fn croiser(anciennes: &[u128], nouvelles: &[u128], restes: &mut Restes) {
    let (mut i, mut j) = (0, 0);
    while i < anciennes.len() && j < nouvelles.len() {
        match reste(anciennes[i]).cmp(&reste(nouvelles[j])) {
            Rang::Equal => (i, j) = (i + 1, j + 1),
            Rang::Less => {
                restes.avant.push(place(anciennes[i]));
                i += 1;
            }
            Rang::Greater => {
                restes.apres.push(place(nouvelles[j]));
                j += 1;
            }
        }
    }
    restes.avant.extend(anciennes[i..].iter().map(|marque| place(*marque)));
    restes.apres.extend(nouvelles[j..].iter().map(|marque| place(*marque)));
}
