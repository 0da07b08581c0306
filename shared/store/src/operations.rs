//! What operators see and leave behind: failures, the journal, open tasks.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What could not be handled, kept whole.
#[derive(Clone, Debug)]
pub struct FailureRow {
    /// Its id.
    pub id: Uuid,
    /// The state it concerns, when known.
    pub key: Option<String>,
    /// `message`, `event`, `wake`, `answer`, `ask`, `outbox`.
    pub origin: String,
    /// The type of message or the kind of ask.
    pub kind: String,
    /// Stable code.
    pub code: String,
    /// What is wrong, without any value.
    pub reason: String,
    /// The body, as bytes.
    pub body: Vec<u8>,
    /// What a replay needs besides the body (JSON): envelope without data, ask row, …
    pub meta: String,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
    /// Attempts so far.
    pub attempts: i32,
    /// `None` while open; `rejouee`, `depassee`, `ecartee`.
    pub outcome: Option<String>,
}

/// Which failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureFilter {
    /// Open ones only.
    pub open_only: bool,
    /// Of this code.
    pub code: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// First seen at or after.
    pub since: Option<DateTime<Utc>>,
    /// Those that follow this one in a list.
    pub after: Option<Uuid>,
}

/// A failure without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureHead {
    /// Its id.
    pub id: Uuid,
    /// The state it concerns, when known.
    pub key: Option<String>,
    /// As [`FailureRow::origin`].
    pub origin: String,
    /// The type of message or the kind of ask.
    pub kind: String,
    /// Stable code.
    pub code: String,
    /// What is wrong, without any value.
    pub reason: String,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
    /// Attempts so far.
    pub attempts: i32,
    /// `None` while open.
    pub outcome: Option<String>,
    /// Size of its body.
    pub body_bytes: i64,
}

/// Failures of one code and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// Stable code.
    pub code: String,
    /// The type of message or the kind of ask.
    pub kind: String,
    /// How many.
    pub count: i64,
    /// When the first of them was first seen.
    pub oldest: DateTime<Utc>,
    /// When the last of them was first seen.
    pub newest: DateTime<Utc>,
}

/// What somebody did; never changed once written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub par: String,
    /// What.
    pub action: String,
    /// On what.
    pub objet: String,
    /// Why, when it was said.
    pub motif: Option<String>,
}

/// A row of the journal, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place: grows with every row.
    pub seq: i64,
    /// The row.
    pub row: JournalRow,
}

/// A task that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Its id.
    pub id: Uuid,
    /// Its kind.
    pub gabarit: String,
    /// The state it belongs to.
    pub key: String,
    /// What it is about.
    pub objet: String,
    /// What the person needs, a JSON object of texts.
    pub champs: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
}
