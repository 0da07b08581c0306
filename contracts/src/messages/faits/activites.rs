//! Engagements, opened, changed and ended by the Order.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{data, snapshot};
use crate::{
    ids::{DossierId, EngagementId},
    messages::message,
    valeurs::{Creneau, Lieu, Medecin},
};

/// Where an engagement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// The doctor may practise.
    Ouverte,
    /// Suspended by the Order from `a_compter_du` on.
    Suspendue,
    /// Ended from `a_compter_du` on.
    Terminee,
}

data! {
    /// Days on which the doctor may not practise, whatever came after.
    Interruption {
        /// The first day.
        du: NaiveDate,
        /// The first day after it; none as long as it lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        au: Option<NaiveDate>,
    }
}

data! {
    /// An engagement: a doctor authorised at a site. The whole state, whatever the message.
    Activite {
        /// The engagement.
        engagement: EngagementId,
        /// The dossier that opened it.
        dossier: DossierId,
        /// The doctor.
        medecin: Medecin,
        /// The site.
        lieu: Lieu,
        /// The half-days wished.
        creneaux_souhaites: Vec<Creneau>,
        /// May be replaced at the main practice meanwhile (art. R.4127-65 CSP).
        remplacement_autorise: bool,
        /// Where it stands.
        situation: Situation,
        /// The first day on which `situation` holds; half-days held before stay owed.
        a_compter_du: NaiveDate,
        /// Why it ended: `retrait`, `radiation`, `decision-dns`.
        cause: Option<String>,
        /// Suspensions, lifted or not, and what lay between an end and another opening, by first
        /// day: a reader that has only the last snapshot knows which days were worked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interruptions: Vec<Interruption>,
    }
}

impl Activite {
    /// Whether the doctor has the right to practise on `date`, as this snapshot alone tells it.
    pub fn autorise(&self, date: NaiveDate) -> bool {
        let holds = self.situation == Situation::Ouverte || date < self.a_compter_du;
        holds && !self.interruptions.iter().any(|i| i.contient(date))
    }
}

impl Interruption {
    fn contient(&self, date: NaiveDate) -> bool {
        date >= self.du && self.au.is_none_or(|au| date < au)
    }
}

macro_rules! activite {
    ($($(#[$doc:meta])* $name:ident $type:literal),* $(,)?) => {
        $(
            snapshot! { $(#[$doc])* $name(Activite) }
            message!($name, $type, Evenements, None,
                |m| format!("activite/{}", m.0.engagement), dossier |m| Some(m.0.dossier));
        )*
    };
}
activite! {
    /// The Order authorised the activity at this site.
    ActiviteAutorisee "activite.autorisee.v1",
    /// Something of it changed (contact, dates), not where it stands.
    ActiviteModifiee "activite.modifiee.v1",
    /// The Order suspended it.
    ActiviteSuspendue "activite.suspendue.v1",
    /// The suspension was lifted.
    ActiviteRetablie "activite.retablie.v1",
    /// It ended.
    ActiviteTerminee "activite.terminee.v1",
}
