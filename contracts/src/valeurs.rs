//! Values that several messages share.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{CodeCdom, CodeCpam, Departement, Finess, LieuId, Rpps, RppsRang};

/// Civility, as Démarches simplifiées gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Civilite {
    /// Madame.
    Mme,
    /// Monsieur.
    M,
}

/// How the doctor practises (NOS TRE_R23 and the programme's texts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeExercice {
    /// Libéral.
    Liberal,
    /// Salarié.
    Salarie,
    /// Hospitalier.
    Hospitalier,
    /// Remplaçant.
    Remplacant,
    /// Retraité.
    Retraite,
}

/// Half of a day; the unit of the indemnity.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DemiJournee {
    /// Morning.
    Matin,
    /// Afternoon.
    ApresMidi,
}

impl DemiJournee {
    /// `matin` or `apres_midi`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matin => "matin",
            Self::ApresMidi => "apres_midi",
        }
    }
}

/// A half-day that the doctor wishes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Creneau {
    /// The day.
    pub date: NaiveDate,
    /// The half of it.
    pub demi_journee: DemiJournee,
}

/// An interval of time, start included.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Plage {
    /// Start.
    pub debut: DateTime<Utc>,
    /// End, later than the start.
    pub fin: DateTime<Utc>,
}

/// The doctor who applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Medecin {
    /// RPPS number.
    pub rpps: Rpps,
    /// Civility.
    pub civilite: Civilite,
    /// Family name.
    pub nom: String,
    /// First name.
    pub prenom: String,
    /// E-mail address.
    pub courriel: String,
    /// Phone number.
    pub telephone: String,
    /// How the doctor practises.
    pub mode_exercice: ModeExercice,
    /// Département of the main practice, or of the last one when retired.
    pub departement_exercice_principal: Departement,
    /// The CDOM where the doctor is registered.
    pub cdom_inscription: CodeCdom,
}

/// A site, as the register described it when the message was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lieu {
    /// Id in the register.
    pub id: LieuId,
    /// Name.
    pub nom: String,
    /// Street address; may be empty when no source gives it.
    pub adresse: String,
    /// Commune; may be empty when no source gives it.
    pub commune: String,
    /// Département.
    pub departement: Departement,
    /// FINESS number, when the site has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finess: Option<Finess>,
    /// RPPS-rang, when the site has no FINESS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpps_rang: Option<RppsRang>,
    /// The CPAM of the site: from the register, never computed from the département.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpam: Option<CodeCpam>,
    /// The CDOM of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdom: Option<CodeCdom>,
    /// Where the site reads its mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_courriel: Option<String>,
}

/// Identifies a request to an agency; a reminder is the same request with the next `rang`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Demande {
    /// Id of the request, the same for its reminders.
    pub id: Uuid,
    /// 1 for the request, 2 for the first reminder, …
    pub rang: u32,
}

/// What is known of the doctor's bank details; the details themselves never enter Relais.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rib {
    /// Not known yet.
    Inconnu,
    /// The CPAM says that it has none.
    Manquant,
    /// The CPAM has it.
    Present,
}
