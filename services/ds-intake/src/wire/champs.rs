//! A value of the form, whatever its type: an unknown `__typename` is read as a text.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;

/// A champ of any type.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChampLu {
    id: Option<String>,
    champ_descriptor_id: Option<String>,
    string_value: Option<String>,
    texte: Option<String>,
    date: Option<String>,
    coche: Option<bool>,
    choisi: Option<bool>,
    civilite: Option<String>,
    departement: Option<Departement>,
    choix: Option<String>,
    instant: Option<String>,
    commune: Option<Commune>,
    /// What the type of champ of the social ministries knows of a doctor.
    rpps: Option<Value>,
    values: Option<Vec<String>>,
    secondary_value: Option<String>,
    pub(super) rows: Option<Vec<Ligne>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Departement {
    code: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Commune {
    name: String,
}

/// A row of a repetition.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ligne {
    pub(super) champs: Vec<ChampLu>,
}

impl ChampLu {
    /// Says whether it is the field of this `champDescriptorId`. On the platform of the social
    /// ministries champs only have an id of their own, which in a repetition names the row after
    /// the field.
    pub(super) fn est(&self, descripteur: &str) -> bool {
        if let Some(known) = &self.champ_descriptor_id {
            return known == descripteur;
        }
        let Some(id) = &self.id else { return false };
        let decoded = BASE64_STANDARD.decode(id).ok().and_then(|b| String::from_utf8(b).ok());
        let field = decoded.as_deref().and_then(|text| text.split('|').next());
        id == descripteur || field.is_some_and(|f| BASE64_STANDARD.encode(f) == descripteur)
    }

    /// The number that a doctor chose in the directory.
    fn identifiant_pp(&self) -> Option<String> {
        match self.rpps.as_ref()?.get("identifiant_pp")? {
            Value::String(text) => propre(Some(text)),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The most precise text: typed value first, what the screen shows last.
    pub(super) fn texte(&self) -> Option<String> {
        if let Some(number) = self.identifiant_pp() {
            return Some(number);
        }
        let typed = [
            self.date.as_deref(),
            // The day of an instant, in Paris's time as DS writes it.
            self.instant.as_deref().and_then(|t| t.get(..10)),
            self.choix.as_deref(),
            self.commune.as_ref().map(|c| c.name.as_str()),
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

/// Trims, and drops what cannot be seen: what people paste may hold any of it.
pub(super) fn propre(text: Option<&str>) -> Option<String> {
    let invisible = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let clean: String = text?.chars().filter(|c| !invisible(*c)).collect();
    let trimmed = clean.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}
