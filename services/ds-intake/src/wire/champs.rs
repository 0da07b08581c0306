//! A value of the form, whatever its type: an unknown `__typename` is read as a text.

use serde::Deserialize;

/// A champ of any type.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChampLu {
    pub(super) champ_descriptor_id: String,
    string_value: Option<String>,
    texte: Option<String>,
    date: Option<String>,
    coche: Option<bool>,
    choisi: Option<bool>,
    civilite: Option<String>,
    departement: Option<Departement>,
    values: Option<Vec<String>>,
    secondary_value: Option<String>,
    pub(super) rows: Option<Vec<Ligne>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Departement {
    code: String,
}

/// A row of a repetition.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ligne {
    pub(super) champs: Vec<ChampLu>,
}

impl ChampLu {
    /// The most precise text: typed value first, what the screen shows last.
    pub(super) fn texte(&self) -> Option<String> {
        let typed = [
            self.date.as_deref(),
            self.civilite.as_deref(),
            self.departement.as_ref().map(|d| d.code.as_str()),
            self.secondary_value.as_deref(),
            self.texte.as_deref(),
            self.string_value.as_deref(),
        ];
        typed.into_iter().find_map(propre)
    }

    /// The choices of a list; of a repetition, the first value of each row.
    pub(super) fn choix(&self) -> Vec<String> {
        if let Some(values) = &self.values {
            return values.iter().filter_map(|v| propre(Some(v))).collect();
        }
        if let Some(rows) = &self.rows {
            return rows.iter().filter_map(|r| r.champs.iter().find_map(Self::texte)).collect();
        }
        self.texte().into_iter().collect()
    }

    /// Yes, no, or not answered.
    pub(super) fn oui_non(&self) -> Option<bool> {
        self.choisi.or(self.coche)
    }
}

/// Trims, and drops control characters: what people type may hold any of them.
pub(super) fn propre(text: Option<&str>) -> Option<String> {
    let clean: String = text?.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let trimmed = clean.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}
