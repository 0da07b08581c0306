//! What differs between two extracts: rows are a multiset. Equal rows cancel out; of what is left of
//! one identity, as many as both days have are modifications, the rest additions or removals. The
//! order of rows and the form of the header do not count.
//!
//! The service compares reduced rows within one person, from its sorted index ([`crate::vue`]);
//! [`fichiers`] compares whole files, or a file with the digest kept of another one.

use std::{cmp::Ordering, io, iter::Peekable};

mod annulation;
pub mod condense;
pub mod fichiers;
mod lecture;
mod restes;
mod seaux;
mod sortie;

/// A row as it is compared.
pub trait Comparable: Copy {
    /// Whose row it is.
    type Identite: Ord + Copy;
    /// What it says.
    type Contenu: Ord;

    /// Whose row it is.
    fn identite(&self) -> Self::Identite;

    /// What it says; equal ones of one identity cancel out.
    fn contenu(&self) -> Self::Contenu;
}

/// How many rows differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ecarts {
    /// Rows added.
    pub ajouts: u64,
    /// Rows removed.
    pub retraits: u64,
    /// Rows modified.
    pub modifications: u64,
}

impl Ecarts {
    /// Rows that differ, whatever the nature.
    pub fn total(&self) -> u64 {
        self.ajouts + self.retraits + self.modifications
    }
}

/// The rows of one identity, when some differ.
#[derive(Clone, Copy, Debug)]
pub struct Groupe<'a, E> {
    /// All those of before.
    pub anciennes: &'a [E],
    /// All those of after.
    pub nouvelles: &'a [E],
    /// Those of before without an equal after, in the order of their contents.
    pub disparues: &'a [E],
    /// Those of after without an equal before, in the same order.
    pub apparues: &'a [E],
}

/// Compares rows sorted by identity, then by content; gives each identity with a difference to
/// `chaque`.
///
/// # Errors
/// When the rows of before cannot be read, or what `chaque` says.
pub fn comparer<E: Comparable>(
    avant: impl Iterator<Item = io::Result<E>>,
    apres: &[E],
    mut chaque: impl FnMut(Groupe<'_, E>) -> io::Result<()>,
) -> io::Result<Ecarts> {
    let mut ecarts = Ecarts::default();
    let (mut avant, mut apres) = (avant.peekable(), apres);
    let (mut anciennes, mut disparues, mut apparues) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let identite = match (tete(&mut avant)?, apres.first().map(E::identite)) {
            (None, None) => return Ok(ecarts),
            (Some(a), None) => a,
            (None, Some(b)) => b,
            (Some(a), Some(b)) => a.min(b),
        };
        anciennes.clear();
        while tete(&mut avant)? == Some(identite) {
            anciennes.extend(avant.next().transpose()?);
        }
        let count = apres.iter().take_while(|e| e.identite() == identite).count();
        let (nouvelles, reste) = apres.split_at(count);
        apres = reste;
        annuler(&anciennes, nouvelles, &mut disparues, &mut apparues);
        if disparues.is_empty() && apparues.is_empty() {
            continue;
        }
        let modifiees = disparues.len().min(apparues.len());
        ecarts.modifications += modifiees as u64;
        ecarts.retraits += (disparues.len() - modifiees) as u64;
        ecarts.ajouts += (apparues.len() - modifiees) as u64;
        chaque(Groupe {
            anciennes: &anciennes,
            nouvelles,
            disparues: &disparues,
            apparues: &apparues,
        })?;
    }
}

/// Identity of the next row, if there is one.
fn tete<E: Comparable>(
    lignes: &mut Peekable<impl Iterator<Item = io::Result<E>>>,
) -> io::Result<Option<E::Identite>> {
    match lignes.next_if(Result::is_err) {
        Some(Err(e)) => Err(e),
        Some(Ok(_)) | None => Ok(lignes.peek().and_then(|e| e.as_ref().ok()).map(E::identite)),
    }
}

/// Crosses out the equal rows of one identity, both lists sorted by content.
fn annuler<E: Comparable>(
    anciennes: &[E],
    nouvelles: &[E],
    disparues: &mut Vec<E>,
    apparues: &mut Vec<E>,
) {
    disparues.clear();
    apparues.clear();
    let (mut i, mut j) = (0, 0);
    while i < anciennes.len() && j < nouvelles.len() {
        let (a, b) = (anciennes[i], nouvelles[j]);
        match a.contenu().cmp(&b.contenu()) {
            Ordering::Equal => (i, j) = (i + 1, j + 1),
            Ordering::Less => {
                disparues.push(a);
                i += 1;
            }
            Ordering::Greater => {
                apparues.push(b);
                j += 1;
            }
        }
    }
    disparues.extend_from_slice(&anciennes[i..]);
    apparues.extend_from_slice(&nouvelles[j..]);
}

#[cfg(test)]
mod tests;
