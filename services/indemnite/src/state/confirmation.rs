//! What a doctor is asked, where the confirmation of the doctor is on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A question put to a doctor about half-days of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// When.
    pub posee_le: DateTime<Utc>,
    /// Reminders sent.
    pub relances: u32,
    /// The lines asked about; none is in two questions.
    pub lignes: Vec<Uuid>,
    /// What the doctor answered, or a person instead.
    pub reponse: Option<bool>,
}
