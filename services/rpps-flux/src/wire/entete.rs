//! The header of an extract and the rows under it: columns are found by their normalised name.

use super::{
    Extrait, Lecture, Ligne, PROFESSION_MEDECIN, TYPE_CPS, TYPE_RPPS, carte_reduite, sans_accent,
};

/// Names under which a column was published before, and the present one, both normalised.
const ANCIENS_NOMS: [(&str, &str); 6] = [
    ("coderole", "codefonction"),
    ("libellerole", "libellefonction"),
    ("codegenreactivite", "codegenredactivite"),
    ("libellegenreactivite", "libellegenredactivite"),
    ("codedepartementstructure", "codedepartementcoordstructure"),
    ("libelledepartementstructure", "libelledepartementcoordstructure"),
];

/// What identifies a row of activities; everything else is its content.
const IDENTITE: [&str; 6] = [
    "identifiantpp",
    "identifianttechniquedelastructure",
    "codeprofession",
    "codemodeexercice",
    "codefonction",
    "codegenredactivite",
];

/// Where the values are in the rows of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entete {
    extrait: Extrait,
    libelles: Vec<String>,
    colonnes: Vec<String>,
    rangs: Vec<Option<usize>>,
    /// The header ends with a separator.
    separateur_final: bool,
}

impl Entete {
    /// Finds the columns; `None` when a required one is missing or appears twice.
    pub fn lire(extrait: Extrait, ligne: &str) -> Option<Self> {
        let mut colonnes: Vec<String> = ligne.split('|').map(nom_de_colonne).collect();
        let separateur_final = colonnes.last().is_some_and(String::is_empty);
        if separateur_final {
            colonnes.pop();
        }
        let libelles = ligne.split('|').take(colonnes.len()).map(str::to_owned).collect();
        let mut rangs = Vec::new();
        for (voulue, requise) in extrait.colonnes() {
            let mut found = colonnes.iter().enumerate().filter(|(_, nom)| nom == voulue);
            match (found.next(), found.next(), requise) {
                (Some((rang, _)), None, _) => rangs.push(Some(rang)),
                (None, _, false) => rangs.push(None),
                (None, _, true) | (Some(_), Some(_), _) => return None,
            }
        }
        Some(Self { extrait, libelles, colonnes, rangs, separateur_final })
    }

    /// The names of the columns, as the file has them.
    pub fn libelles(&self) -> &[String] {
        &self.libelles
    }

    /// The present, normalised names of the columns.
    pub fn colonnes(&self) -> &[String] {
        &self.colonnes
    }

    /// Ranks of the columns that identify a row of activities; `None` when one is missing or
    /// appears twice.
    pub fn identite(&self) -> Option<[usize; 6]> {
        let mut rangs = [0; 6];
        for (rang, voulue) in rangs.iter_mut().zip(IDENTITE) {
            let mut found = (0..self.colonnes.len()).filter(|i| self.colonnes[*i] == voulue);
            match (found.next(), found.next()) {
                (Some(only), None) => *rang = only,
                (None, _) | (Some(_), Some(_)) => return None,
            }
        }
        Some(rangs)
    }

    /// The values of a row, with or without a trailing separator; `None` when it has not the number
    /// of columns that the header announces. Under a header with a trailing separator, a row that
    /// ends with one too and has a separator less has lost a value: it is not taken for a row whose
    /// last value is empty.
    pub fn valeurs<'t>(&self, ligne: &'t str) -> Option<Vec<&'t str>> {
        let mut valeurs: Vec<&str> = ligne.split('|').collect();
        let vide = valeurs.last() == Some(&"");
        if valeurs.len() == self.colonnes.len() + 1 && vide {
            valeurs.pop();
            return Some(valeurs);
        }
        let entiere = valeurs.len() == self.colonnes.len() && !(vide && self.separateur_final);
        entiere.then_some(valeurs)
    }

    /// Reads one row.
    pub fn ligne(&self, ligne: &str) -> Lecture {
        let Some(valeurs) = self.valeurs(ligne) else { return Lecture::Illisible };
        let lues: Vec<&str> =
            self.rangs.iter().map(|r| r.map_or("", |rang| valeurs[rang].trim())).collect();
        if !lues[0].is_empty() && lues[0] != TYPE_RPPS {
            return Lecture::Autre;
        }
        let Some(rpps) = numero_rpps(lues[1]) else { return Lecture::Autre };
        let (utile, texte) = match self.extrait {
            Extrait::Activites => (lues[4] == PROFESSION_MEDECIN, lues[2..].join("|")),
            Extrait::SavoirFaire => {
                (lues[2] == PROFESSION_MEDECIN && !lues[3].is_empty(), lues[2..].join("|"))
            }
            Extrait::Cartes => (lues[2] == TYPE_CPS, carte_reduite(&lues)),
        };
        let texte = texte.chars().filter(|c| !c.is_control()).collect();
        Lecture::Ligne(Ligne { rpps, utile, texte })
    }
}

/// 11 digits, or an IDNPS (`8` + RPPS). The key is not checked here: nobody follows a wrong number.
pub(crate) fn numero_rpps(texte: &str) -> Option<u64> {
    let digits = match texte.len() {
        11 => texte,
        12 => texte.strip_prefix('8')?,
        _ => return None,
    };
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Lower case, without accents, letters and digits only, under its present name:
/// `Code Département (structure)` becomes `codedepartementcoordstructure`.
fn nom_de_colonne(nom: &str) -> String {
    let nom = nom
        .chars()
        .map(sans_accent)
        .collect::<String>()
        .to_ascii_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "");
    match ANCIENS_NOMS.iter().find(|(ancien, _)| *ancien == nom) {
        Some((_, present)) => (*present).to_owned(),
        None => nom,
    }
}
