//! The open extracts of the Annuaire Santé, row by row: columns are found by their normalised
//! name, because the header is not stable (52 or 56 columns, renamed ones), and each row is reduced
//! to the few values that Relais needs.
//!
//! Source: ANS, « Extractions en libre accès » of the Annuaire Santé; headers of variants read
//! between 2022 and 2026. Separator `|`, no quoting, often a trailing `|`.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::state::{Carte, Fiche};

mod entete;
pub mod fhir;

pub use entete::Entete;
pub(crate) use entete::numero_rpps;

/// NOS TRE_G15: doctor.
pub const PROFESSION_MEDECIN: &str = "10";

/// TRE_G08: the identifier of the row is an RPPS number; ADELI rows (0) are legacy.
const TYPE_RPPS: &str = "8";

/// Which of the daily extracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extrait {
    /// `PS_LibreAcces_Personne_activite`: one row per activity, 2.2 million rows.
    Activites,
    /// `PS_LibreAcces_SavoirFaire`: one row per speciality, 430 thousand rows. For the extracts of
    /// activities that come without their columns of savoir-faire.
    SavoirFaire,
    /// `porteurs-cps-cpf`: one row per card, about a million rows.
    Cartes,
}

impl Extrait {
    /// All of them, in the order in which they are integrated.
    pub const TOUS: [Self; 3] = [Self::Activites, Self::SavoirFaire, Self::Cartes];

    /// `activites`, `savoir-faire` or `cartes`: names local files and wake-ups.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activites => "activites",
            Self::SavoirFaire => "savoir-faire",
            Self::Cartes => "cartes",
        }
    }

    /// How the name of its files begins.
    pub fn prefixe(self) -> &'static str {
        match self {
            Self::Activites => "PS_LibreAcces_Personne_activite",
            Self::SavoirFaire => "PS_LibreAcces_SavoirFaire",
            Self::Cartes => "porteurs-cps-cpf",
        }
    }

    /// The extract that a file name belongs to.
    pub fn de_fichier(nom: &str) -> Option<Self> {
        Self::TOUS.into_iter().find(|e| nom.starts_with(e.prefixe()))
    }

    /// Says whether a file is, or may hold, this extract: the ANS also publishes the extracts in
    /// one archive, `PS_LibreAcces_<stamp>.zip`.
    pub fn est_dans(self, nom: &str) -> bool {
        let ensemble = || {
            let stem = nom.strip_prefix("PS_LibreAcces").and_then(|r| r.strip_suffix(".zip"));
            stem.is_some_and(|s| s.chars().all(|c| c == '_' || c.is_ascii_digit()))
        };
        match self {
            Self::Activites | Self::SavoirFaire if ensemble() => true,
            Self::Activites | Self::SavoirFaire | Self::Cartes => nom.starts_with(self.prefixe()),
        }
    }

    /// Normalised names of the columns that are read, and whether each is required.
    fn colonnes(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Activites => &[
                ("typedidentifiantpp", false),
                ("identifiantpp", true),
                ("nomdexercice", true),
                ("prenomdexercice", true),
                ("codeprofession", true),
                ("codesavoirfaire", false),
                ("numerofinesssite", true),
                ("identifianttechniquedelastructure", true),
            ],
            Self::SavoirFaire => &[
                ("typedidentifiantpp", false),
                ("identifiantpp", true),
                ("codeprofession", true),
                ("codesavoirfaire", true),
            ],
            Self::Cartes => &[
                ("typedidentifiantpp", false),
                ("identifiantpp", true),
                ("codetypedecarte", true),
                ("numerocarte", true),
                ("datedebutvalidite", true),
                ("datefinvalidite", false),
                ("dateopposition", false),
            ],
        }
    }
}

/// One row, reduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ligne {
    /// The RPPS number.
    pub rpps: u64,
    /// A doctor's row, or a CPS card: what Relais reacts to.
    pub utile: bool,
    /// What Relais needs of the row, `|` between values: hashed for the diff, kept in the view.
    pub texte: String,
}

/// What a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lecture {
    /// A row of somebody identified by an RPPS number.
    Ligne(Ligne),
    /// A row of somebody else (ADELI): counted, not kept.
    Autre,
    /// Not the number of columns that the header announced.
    Illisible,
}

/// TRE_R87: the card of a practising professional; CPF is held in training.
const TYPE_CPS: &str = "CPS";

/// Only the last 4 characters of a card's number are kept.
fn carte_reduite(lues: &[&str]) -> String {
    let numero = lues[3];
    let debut = numero.char_indices().rev().nth(3).map_or(0, |(i, _)| i);
    format!("{}|{}|{}", lues[2], &numero[debut..], lues[4..].join("|"))
}

fn valeurs(ligne: &str) -> Vec<&str> {
    ligne.split('|').collect()
}

/// A name as it is compared: upper case, without accents, hyphens, apostrophes and spaces.
pub fn normaliser_nom(nom: &str) -> String {
    let expanded = nom.replace(['œ', 'Œ'], "OE").replace(['æ', 'Æ'], "AE");
    let plain = expanded.chars().map(sans_accent).filter(|c| c.is_alphanumeric());
    plain.flat_map(char::to_uppercase).collect()
}

/// The letter without the accent that a name in French, or of a neighbouring language, may carry.
fn sans_accent(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'À' | 'Á' | 'Â' | 'Ã' | 'Ä' | 'Å' => 'A',
        'ç' => 'c',
        'Ç' => 'C',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'È' | 'É' | 'Ê' | 'Ë' => 'E',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'Ì' | 'Í' | 'Î' | 'Ï' => 'I',
        'ñ' => 'n',
        'Ñ' => 'N',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ö' | 'Ø' => 'O',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'Ù' | 'Ú' | 'Û' | 'Ü' => 'U',
        'ý' | 'ÿ' => 'y',
        'Ý' | 'Ÿ' => 'Y',
        other => other,
    }
}

/// Everything that the extracts say of one person; `None` when the activities say nothing.
pub fn fiche(activites: &[String], savoir_faire: &[String], cartes: &[String]) -> Option<Fiche> {
    if activites.is_empty() {
        return None;
    }
    let mut fiche = Fiche::default();
    for texte in activites {
        let v = valeurs(texte);
        let at = |rang: usize| v.get(rang).copied().unwrap_or_default();
        fiche.noms.insert((at(0).to_owned(), at(1).to_owned()));
        fiche.professions.insert(at(2).to_owned());
        if at(2) != PROFESSION_MEDECIN {
            continue;
        }
        if !at(3).is_empty() {
            fiche.savoir_faire.insert(at(3).to_owned());
        }
        fiche.structures.extend(structures(at(4), at(5)));
    }
    for texte in savoir_faire {
        if let Some((PROFESSION_MEDECIN, code)) = texte.split_once('|')
            && !code.is_empty()
        {
            fiche.savoir_faire.insert(code.to_owned());
        }
    }
    fiche.cartes = cartes.iter().filter_map(|texte| carte(texte)).collect();
    fiche.cartes.sort_by_key(|c| (c.debut, c.numero.clone()));
    Some(fiche)
}

/// The site as the RPPS names it: its FINESS number (also `F` + FINESS), or its RPPS-rang (`R…`).
fn structures(finess: &str, technique: &str) -> Vec<String> {
    let mut noms = vec![finess.to_owned()];
    match technique.strip_prefix('F') {
        Some(finess) => noms.push(finess.to_owned()),
        None => noms.push(technique.to_owned()),
    }
    noms.retain(|nom| !nom.is_empty());
    noms
}

/// A CPS card that is not opposed; anything else says nothing of how the doctor may bill.
fn carte(texte: &str) -> Option<Carte> {
    let v = valeurs(texte);
    let at = |rang: usize| v.get(rang).copied().unwrap_or_default();
    if at(0) != TYPE_CPS || !at(4).is_empty() {
        return None;
    }
    Some(Carte { numero: at(1).to_owned(), debut: jour(at(2))?, fin: jour(at(3)) })
}

/// A day, in one of the forms that the extracts have used.
pub fn jour(texte: &str) -> Option<NaiveDate> {
    let day = texte.get(..10).unwrap_or(texte);
    ["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(day, form).ok())
}

/// The stamp of a file: `PS_LibreAcces_Personne_activite_202609230000.txt` → `202609230000`.
pub fn horodatage(nom: &str) -> Option<&str> {
    let stem = nom.strip_suffix(".txt").or_else(|| nom.strip_suffix(".zip"))?;
    let start = stem.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |i| i + 1);
    let stamp = &stem[start..];
    (matches!(stamp.len(), 8 | 12 | 14) && jour(&stamp[..8]).is_some()).then_some(stamp)
}

#[cfg(test)]
mod tests;
