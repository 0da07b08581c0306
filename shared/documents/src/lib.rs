//! Documents that people read on paper or with a screen reader: accessible PDF (PDF/UA-1), A4, in
//! French, from a list of blocks. The same document always gives the same bytes: nothing is drawn
//! at random, and the only date is the caller's.

mod mise_en_page;
mod police;
mod rendu;
mod tableau;
#[cfg(test)]
mod tests;
mod texte;
pub mod typo;

use chrono::NaiveDate;

/// A document, from its title down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The title: first heading, metadata and foot of each page. Not empty.
    pub title: String,
    /// What it is about, in one sentence: metadata only; may be empty.
    pub subject: String,
    /// Who answers for it: metadata only; may be empty.
    pub author: String,
    /// The day it is made, in its metadata and at the foot of each page.
    pub date: NaiveDate,
    /// What it says, in reading order.
    pub blocs: Vec<Bloc>,
}

impl Document {
    /// Its tables, in their order.
    pub fn tableaux(&self) -> impl DoubleEndedIterator<Item = &Tableau> {
        self.blocs.iter().filter_map(|bloc| match bloc {
            Bloc::Tableau(tableau) => Some(tableau),
            Bloc::Titre(_)
            | Bloc::Paragraphe(_)
            | Bloc::Champs(_)
            | Bloc::Liste(_)
            | Bloc::Cadres { .. }
            | Bloc::Mention(_) => None,
        })
    }
}

/// A part of a document. Every text is plain French with ordinary spaces: the spaces that must not
/// break are put where French wants them ([`typo::espaces`]), a line break is `\n`, and a character
/// that the font does not have is shown as `�`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bloc {
    /// A heading of the second level.
    Titre(String),
    /// A paragraph.
    Paragraphe(String),
    /// Labels and their values, one pair a line. A label needs no colon.
    Champs(Vec<(String, String)>),
    /// A bulleted list.
    Liste(Vec<String>),
    /// A table.
    Tableau(Tableau),
    /// Boxes side by side to be filled in by hand, each under its label.
    Cadres {
        /// The labels.
        libelles: Vec<String>,
        /// Height of the boxes in millimetres, at most 200.
        hauteur_mm: u16,
    },
    /// Small print.
    Mention(String),
}

/// A table. Its headers are repeated on each page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tableau {
    /// What it shows, for those who do not see it.
    pub resume: String,
    /// The header of each column, at least one.
    pub entetes: Vec<String>,
    /// The alignment of each column; those that are missing are to the left.
    pub alignements: Vec<Alignement>,
    /// The rows, each with a cell per column; a cell may be empty.
    pub lignes: Vec<Vec<String>>,
    /// The rows of totals, at the end of the table, in bold; their first cell is their header.
    pub totaux: Vec<Vec<String>>,
}

/// How the cells of a column are aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alignement {
    /// To the left: texts.
    #[default]
    Gauche,
    /// To the right: numbers.
    Droite,
    /// Centred.
    Centre,
}

/// Why a document cannot be made: each is a mistake of the caller, not of the data, but the last.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document without a title is not accessible.
    #[error("un document a un titre")]
    SansTitre,
    /// A row of a table has more or fewer cells than the table has columns.
    #[error("une ligne de tableau a {cellules} cellules pour {colonnes} colonnes")]
    LigneInegale {
        /// Cells of the row.
        cellules: usize,
        /// Columns of the table.
        colonnes: usize,
    },
    /// A table without a column.
    #[error("un tableau a au moins une colonne")]
    SansColonne,
    /// The library that writes the file refused it.
    #[error("le document ne peut pas être écrit en PDF")]
    Ecriture(#[source] krilla::error::KrillaError),
}

/// The document as a PDF file: tagged, its fonts embedded in part, its pages numbered.
///
/// # Errors
/// [`Error`].
pub fn pdf(document: &Document) -> Result<Vec<u8>, Error> {
    let composition = mise_en_page::composer(document)?;
    rendu::ecrire(document, &composition)
}
