//! Numéro AM and CPS card: how the doctor may bill.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data;
use crate::{
    ids::{CodeCpam, EngagementId, LieuId, NumeroAm, Rpps},
    messages::message,
    valeurs::Rib,
};

/// How the doctor may bill.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ModeFacturation {
    /// On paper: the numéro AM exists.
    Papier,
    /// By télétransmission: a card valid from a later day than the number was seen.
    Teletransmission,
}

data! {
    /// The doctor can bill at the site; republished as it changes.
    FacturationOuverte {
        /// The engagement.
        engagement: EngagementId,
        /// The doctor.
        rpps: Rpps,
        /// The CPAM of the site.
        cpam: CodeCpam,
        /// The site.
        lieu: LieuId,
        /// The number created for the mission.
        numero_am: NumeroAm,
        /// Day on which it was created.
        numero_cree_le: NaiveDate,
        /// What is known of the bank details.
        rib: Rib,
        /// How the doctor may bill.
        mode: ModeFacturation,
    }
}
message!(FacturationOuverte, "facturation.ouverte.v1", Evenements, None, |m| format!(
    "facturation/{}",
    m.engagement
));

data! {
    /// The CPS card is later than the delay announced.
    CpsEnRetard {
        /// The engagement.
        engagement: EngagementId,
        /// The day it was expected.
        attendue_le: NaiveDate,
        /// Days late.
        jours_de_retard: u32,
    }
}
message!(CpsEnRetard, "cps.en-retard.v1", Evenements, None, |m| format!(
    "facturation/{}/cps",
    m.engagement
));
