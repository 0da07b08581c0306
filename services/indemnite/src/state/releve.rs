//! What a statement keeps of its emission.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contracts::{CodeCpam, LieuId, messages::EtatMensuel};
use serde::{Deserialize, Serialize};

/// A statement as it was sent, with what its documents say besides: whatever the register becomes,
/// they can be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releve {
    /// The CPAM.
    pub cpam: CodeCpam,
    /// Its name; empty when the register did not know it.
    pub cpam_nom: String,
    /// The day, in Paris.
    pub emis_le: NaiveDate,
    /// The name of each site; its id when the register did not know it.
    pub lieux: BTreeMap<LieuId, String>,
    /// What was sent.
    pub etat: EtatMensuel,
}
