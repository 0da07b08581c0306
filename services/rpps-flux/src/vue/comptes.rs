//! What differs between the view in use and the one being built.

use std::io;

use super::Entree;
use crate::diff;

/// What is counted of an extract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comptes {
    /// Rows of the extract.
    pub lignes: u64,
    /// Rows added since the previous extract.
    pub ajouts: u64,
    /// Rows removed.
    pub retraits: u64,
    /// Rows modified.
    pub modifications: u64,
    /// RPPS numbers with a change that is told, ascending.
    pub changes: Vec<u64>,
}

impl Comptes {
    /// Counts what differs between two views, and lists the persons with a change that is told.
    ///
    /// # Errors
    /// When the previous index cannot be read.
    pub fn comparer(
        avant: impl Iterator<Item = io::Result<Entree>>,
        apres: &[Entree],
    ) -> io::Result<Self> {
        let mut changes = Vec::new();
        let ecarts = diff::comparer(avant, apres, |groupe| {
            let mut lignes = groupe.anciennes.iter().chain(groupe.nouvelles);
            if let Some(entree) = lignes.find(|entree| entree.utile()) {
                changes.push(entree.rpps);
            }
            Ok(())
        })?;
        Ok(Self {
            lignes: apres.len() as u64,
            ajouts: ecarts.ajouts,
            retraits: ecarts.retraits,
            modifications: ecarts.modifications,
            changes,
        })
    }
}
