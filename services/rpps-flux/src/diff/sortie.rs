//! Writes the rows that differ: their nature, then the values that were compared.

use std::io::{self, Write};

use super::{
    Groupe,
    fichiers::Cote,
    lecture::{Fichier, rpps},
    restes::Reste,
};
use crate::extraction::Octets;

/// The file of the rows that differ.
pub(super) struct Sortie<'a, O: ?Sized> {
    /// None when only a digest was kept: of its rows only the RPPS number is known.
    pub(super) avant: Option<&'a Fichier<'a, O>>,
    pub(super) apres: &'a Fichier<'a, O>,
    pub(super) fichier: &'a mut dyn Write,
}

impl<O: Octets + ?Sized> Sortie<'_, O> {
    /// The names of the columns, as the newer file has them.
    pub(super) fn entete(&mut self) -> io::Result<()> {
        write!(self.fichier, "Nature|")?;
        for libelle in self.apres.libelles() {
            write!(self.fichier, "{libelle}|")?;
        }
        writeln!(self.fichier)
    }

    /// The rows of one identity: modified ones two by two, then removed or added ones.
    pub(super) fn groupe(&mut self, groupe: &Groupe<'_, Reste>) -> io::Result<()> {
        let modifiees = groupe.disparues.len().min(groupe.apparues.len());
        for (avant, apres) in groupe.disparues.iter().zip(groupe.apparues) {
            self.ligne("avant", Cote::Avant, avant)?;
            self.ligne("apres", Cote::Apres, apres)?;
        }
        for reste in &groupe.disparues[modifiees..] {
            self.ligne("retrait", Cote::Avant, reste)?;
        }
        for reste in &groupe.apparues[modifiees..] {
            self.ligne("ajout", Cote::Apres, reste)?;
        }
        Ok(())
    }

    fn ligne(&mut self, nature: &str, cote: Cote, reste: &Reste) -> io::Result<()> {
        let fichier = match cote {
            Cote::Avant => self.avant,
            Cote::Apres => Some(self.apres),
        };
        let texte = match fichier {
            Some(fichier) => {
                let mut tampon = Vec::new();
                // Read once already: only a file that changes meanwhile fails.
                let ligne = fichier.ligne(reste.place, &mut tampon).map_err(io::Error::other)?;
                fichier.texte(&ligne).unwrap_or_else(|| ligne.into_owned())
            }
            None => self.apres.seul_identifiant(rpps(reste.lue.identite)),
        };
        writeln!(self.fichier, "{nature}|{texte}")
    }
}
