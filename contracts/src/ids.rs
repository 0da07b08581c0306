//! Identifiers, parsed at the edge; inside, no bare `String` stands for one of them.
//!
//! Each rule names its source. Rules that are only inferred from public data warn
//! ([`Finess::key_is_valid`], [`NumeroAm::key_is_valid`]); they never refuse.

use std::{fmt, str::FromStr};

use chrono::{Datelike, NaiveDate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it should be; the message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 11 digits.
    #[error("un numéro RPPS compte 11 chiffres")]
    RppsForme,
    /// The Luhn key is wrong.
    #[error("la clé du numéro RPPS est fausse : vérifiez les chiffres saisis")]
    RppsCle,
    /// An ADELI number was given (9 digits, or `0` + 9 digits).
    #[error(
        "ceci est un numéro ADELI, remplacé par le RPPS : saisissez le numéro RPPS à 11 chiffres"
    )]
    RppsAdeli,
    /// A SIRET was given (14 digits).
    #[error("ceci est un numéro SIRET : saisissez le numéro RPPS à 11 chiffres")]
    RppsSiret,
    /// Any other identifier; says what it should look like.
    #[error("{quoi} : {attendu}")]
    Forme {
        /// The identifier's name.
        quoi: &'static str,
        /// What was expected.
        attendu: &'static str,
    },
}

/// Luhn's key over ASCII digits, the last one being the key.
pub(crate) fn luhn(digits: &str) -> bool {
    let mut sum = 0;
    for (rank, byte) in digits.bytes().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(byte - b'0');
        sum += match (rank % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        };
    }
    sum % 10 == 0
}

fn is_digits(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| b.is_ascii_digit())
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, |$text:ident| $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str($text: &str) -> Result<Self, IdError> {
                $parse.map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

fn forme(
    ok: bool,
    text: &str,
    quoi: &'static str,
    attendu: &'static str,
) -> Result<String, IdError> {
    if ok { Ok(text.to_owned()) } else { Err(IdError::Forme { quoi, attendu }) }
}

string_id! {
    /// RPPS number: 11 digits with a Luhn key, permanent for life (SNDS, fiche « Numéro du PS »).
    /// Spaces and dots are stripped; the 12-digit IDNPS (`8` + RPPS, TRE_G08) is accepted.
    Rpps, "^[0-9]{11}$", |text| {
        let digits: String =
            text.chars().filter(|c| !c.is_whitespace() && *c != '.' && *c != '\u{a0}').collect();
        let candidate = match digits.strip_prefix('8') {
            Some(rest) if is_digits(&digits, 12) => rest.to_owned(),
            Some(_) | None => digits,
        };
        if is_digits(&candidate, 11) {
            if luhn(&candidate) { Ok(candidate) } else { Err(IdError::RppsCle) }
        } else if is_digits(&candidate, 9)
            || (is_digits(&candidate, 10) && candidate.starts_with('0'))
        {
            Err(IdError::RppsAdeli)
        } else if is_digits(&candidate, 14) {
            Err(IdError::RppsSiret)
        } else {
            Err(IdError::RppsForme)
        }
    }
}

string_id! {
    /// FINESS number of a site: 9 characters, département first (2A and 2B included).
    Finess, "^[0-9][0-9AB][0-9]{7}$", |text| {
        let ok = text.len() == 9
            && text.bytes().enumerate().all(|(i, b)| {
                b.is_ascii_digit() || (i == 1 && (b == b'A' || b == b'B'))
            });
        forme(ok, text, "numéro FINESS", "9 caractères, le département d'abord")
    }
}

impl Finess {
    /// The Luhn key holds for every real number checked; fictive ones often fail, and no official
    /// text was found: a wrong key is a warning. Not computed for Corsica's letters.
    pub fn key_is_valid(&self) -> bool {
        !is_digits(&self.0, 9) || luhn(&self.0)
    }
}

string_id! {
    /// RPPS-rang: technical number of a practice without FINESS (esante.gouv.fr, FAQ RPPS).
    RppsRang, "^R[0-9]{11,15}$", |text| {
        let ok = text.strip_prefix('R').is_some_and(|rest| {
            (11..=15).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
        });
        forme(ok, text, "RPPS-rang", "R suivi de 11 à 15 chiffres")
    }
}

string_id! {
    /// Numéro AM, key included: 9 digits, the third being the category (1 = doctor)
    /// (SNDS, « Numéro du professionnel de santé »; SESAM-Vitale [2S112]).
    NumeroAm, "^[0-9]{2}1[0-9]{6}$", |text| {
        let ok = is_digits(text, 9) && text.as_bytes()[2] == b'1';
        forme(ok, text, "numéro AM", "9 chiffres dont le troisième est 1 (médecin)")
    }
}

impl NumeroAm {
    /// Luhn, inferred from public ADELI numbers: a wrong key is a warning by default.
    pub fn key_is_valid(&self) -> bool {
        luhn(&self.0)
    }
}

string_id! {
    /// Département, COG: 01 to 95, 2A, 2B (no 20), 971 to 978, 984, 986 to 989.
    Departement, "^(0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|97[1-8]|98[46789])$", |text| {
        let upper = text.trim().to_ascii_uppercase();
        let ok = match upper.as_str() {
            "2A" | "2B" | "984" | "986" | "987" | "988" | "989" => true,
            "20" => false,
            t if is_digits(t, 2) => ("01"..="95").contains(&t),
            t if is_digits(t, 3) => ("971"..="978").contains(&t),
            _ => false,
        };
        forme(ok, &upper, "département", "un code du COG, par exemple 63, 2A ou 974")
    }
}

string_id! {
    /// Code of a CPAM or CGSS: 3 digits (département and caisse), without the régime prefix.
    CodeCpam, "^[0-9]{3}$", |text| forme(is_digits(text, 3), text, "code CPAM", "3 chiffres")
}

string_id! {
    /// Code of a conseil départemental de l'Ordre: its département.
    CodeCdom, "^[0-9A-B]{2,3}$", |text| text.parse::<Departement>().map(String::from)
}

string_id! {
    /// Id of a site in the register: lower-case letters, digits and hyphens, at most 64.
    LieuId, "^[a-z0-9-]{1,64}$", |text| {
        let ok = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        forme(ok, text, "identifiant de lieu", "minuscules, chiffres et tirets, 64 au plus")
    }
}

string_id! {
    /// Opaque id of an engagement: one per (doctor, site), for ever.
    EngagementId, "^[a-z0-9]{6,32}$", |text| {
        let ok = (6..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        forme(ok, text, "identifiant d'engagement", "6 à 32 minuscules ou chiffres")
    }
}

string_id! {
    /// Id of a vacation: `<engagement>-<date>`.
    VacationId, "^[a-z0-9]{6,32}-[0-9]{4}-[0-9]{2}-[0-9]{2}$", |text| {
        let ok = text.split_once('-').is_some_and(|(engagement, date)| {
            let day = date.parse::<NaiveDate>();
            engagement.parse::<EngagementId>().is_ok() && day.is_ok_and(|d| d.to_string() == date)
        });
        forme(ok, text, "identifiant de vacation", "<engagement>-<aaaa-mm-jj>")
    }
}

impl VacationId {
    /// The vacation of an engagement on a day.
    pub fn new(engagement: &EngagementId, date: NaiveDate) -> Self {
        Self(format!("{engagement}-{date}"))
    }
}

/// Number of a dossier on Démarches simplifiées.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct DossierId(pub u64);

impl fmt::Display for DossierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Money, in cents of euro.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Centimes(pub i64);

impl std::ops::Add for Centimes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::iter::Sum for Centimes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |a, b| a + b)
    }
}

/// A calendar month, written `2026-01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mois {
    annee: i32,
    mois: u32,
}

impl Mois {
    /// The month of a day.
    pub fn of(day: NaiveDate) -> Self {
        Self { annee: day.year(), mois: day.month() }
    }

    /// The first day of the month.
    ///
    /// # Panics
    /// Never: both constructors check the month.
    pub fn premier_jour(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.annee, self.mois, 1).expect("the month was checked")
    }

    /// The month after.
    #[must_use]
    pub fn suivant(self) -> Self {
        match self.mois {
            12 => Self { annee: self.annee + 1, mois: 1 },
            mois => Self { annee: self.annee, mois: mois + 1 },
        }
    }
}

impl FromStr for Mois {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let err = IdError::Forme { quoi: "mois", attendu: "aaaa-mm" };
        match format!("{text}-01").parse::<NaiveDate>().map(Self::of) {
            Ok(mois) if mois.to_string() == text => Ok(mois),
            Ok(_) | Err(_) => Err(err),
        }
    }
}

impl TryFrom<String> for Mois {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Mois> for String {
    fn from(mois: Mois) -> String {
        mois.to_string()
    }
}

impl fmt::Display for Mois {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.annee, self.mois)
    }
}

impl fmt::Debug for Mois {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mois({self})")
    }
}

impl JsonSchema for Mois {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mois".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$" })
    }
}

#[cfg(test)]
mod tests;
