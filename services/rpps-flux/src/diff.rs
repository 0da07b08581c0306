//! Compares two extracts through their sorted indexes, in one pass and in bounded memory.
//!
//! Rows have no identity of their own: within one person, rows are compared as a multiset. A row
//! that disappears while another appears is a modification. The order of rows, their unread
//! columns and the form of the header do not count.

use std::{io, iter::Peekable};

use crate::vue::{Comptes, Entree};

/// Counts what differs and lists the persons with a change that is told.
///
/// # Errors
/// When the previous index cannot be read.
pub fn comparer(
    avant: impl Iterator<Item = io::Result<Entree>>,
    apres: &[Entree],
) -> io::Result<Comptes> {
    let mut comptes = Comptes::default();
    let (mut avant, mut apres) = (avant.peekable(), apres);
    let mut anciennes = Vec::new();
    loop {
        let rpps = match (tete(&mut avant)?, apres.first()) {
            (None, None) => return Ok(comptes),
            (Some(a), None) => a,
            (None, Some(b)) => b.rpps,
            (Some(a), Some(b)) => a.min(b.rpps),
        };
        anciennes.clear();
        while tete(&mut avant)? == Some(rpps) {
            anciennes.extend(avant.next().transpose()?);
        }
        let count = apres.iter().take_while(|e| e.rpps == rpps).count();
        let (nouvelles, reste) = apres.split_at(count);
        apres = reste;
        compter(rpps, &anciennes, nouvelles, &mut comptes);
    }
}

/// RPPS number of the next entry, if there is one.
fn tete(
    entrees: &mut Peekable<impl Iterator<Item = io::Result<Entree>>>,
) -> io::Result<Option<u64>> {
    match entrees.next_if(Result::is_err) {
        Some(Err(e)) => Err(e),
        Some(Ok(_)) | None => Ok(entrees.peek().and_then(|e| e.as_ref().ok()).map(|e| e.rpps)),
    }
}

/// Compares the rows of one person, both lists sorted by fingerprint.
fn compter(rpps: u64, anciennes: &[Entree], nouvelles: &[Entree], comptes: &mut Comptes) {
    let (mut disparues, mut apparues) = (0_u64, 0_u64);
    let (mut i, mut j) = (0, 0);
    while i < anciennes.len() || j < nouvelles.len() {
        match (anciennes.get(i), nouvelles.get(j)) {
            (Some(a), Some(b)) if a.empreinte == b.empreinte => (i, j) = (i + 1, j + 1),
            (Some(a), b) if b.is_none_or(|b| a.empreinte < b.empreinte) => {
                (i, disparues) = (i + 1, disparues + 1);
            }
            _ => (j, apparues) = (j + 1, apparues + 1),
        }
    }
    let modifiees = disparues.min(apparues);
    comptes.modifications += modifiees;
    comptes.retraits += disparues - modifiees;
    comptes.ajouts += apparues - modifiees;
    let concernes = anciennes.iter().chain(nouvelles).any(|e| e.utile());
    if disparues + apparues > 0 && concernes {
        comptes.changes.push(rpps);
    }
}

#[cfg(test)]
mod tests;
