//! What a batch is given, and what it writes.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{AskRow, Etape, FailureRow, InputRow, JournalRow, OutboxRow, TaskRow};

/// Marks a message as received: (UTC day of the envelope's `time`, source, id).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// UTC day of the envelope's `time`.
    pub day: NaiveDate,
    /// The authenticated source.
    pub source: String,
    /// The message's id.
    pub id: String,
}

/// A state as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// Its key.
    pub key: String,
    /// Increased by at least 1 at each change; the first version is 1 or more.
    pub version: i64,
    /// JSON.
    pub body: String,
}

/// What a batch found when its transaction began.
#[derive(Debug)]
pub struct Loaded {
    /// For each mark given, in order: true when it was new. Duplicates inside the batch: only the
    /// first is new.
    pub fresh: Vec<bool>,
    /// The states that exist, in no particular order.
    pub states: Vec<StateRow>,
}

/// A state to save, only if its stored version is `expected` (`None`: only if it does not exist).
#[derive(Clone, Debug)]
pub struct StateWrite {
    /// Its key.
    pub key: String,
    /// The version it was decided on.
    pub expected: Option<i64>,
    /// The new version.
    pub version: i64,
    /// JSON.
    pub body: String,
    /// Its stage, when it has one.
    pub etape: Option<Etape>,
}

/// Everything one batch changes; committed together or not at all.
#[derive(Debug, Default)]
pub struct Writes {
    /// At most one per key.
    pub states: Vec<StateWrite>,
    /// Messages to publish; one that is there already may go out twice, under its one id. Shared, so
    /// that who writes them publishes them afterwards without a copy.
    pub outbox: Arc<Vec<OutboxRow>>,
    /// The lease under which `outbox` is born, and its end: its writer publishes it from memory.
    /// A token below 0, where no claim's is. Without one, it is due at once.
    pub outbox_lease: Option<(i64, DateTime<Utc>)>,
    /// Asks; a row whose id already exists is kept as it is.
    pub asks: Vec<AskRow>,
    /// Cancels the unanswered asks of (key, kind) that are older than this batch.
    pub cancel_asks: Vec<(String, String)>,
    /// Inputs; a wake-up replaces the one of the same (key, reason), an event whose id already
    /// exists is kept as it is.
    pub inputs: Vec<InputRow>,
    /// Wake-ups to forget: (key, reason).
    pub cancel_wakes: Vec<(String, String)>,
    /// Input rows consumed: (id, lease). Fewer deleted than given is a conflict.
    pub done_inputs: Vec<(Uuid, i64)>,
    /// Answered asks consumed: (id, lease). Fewer deleted than given is a conflict.
    pub done_answers: Vec<(Uuid, i64)>,
    /// Failures to keep; a row whose id already exists counts one more attempt and is open again.
    pub failures: Vec<FailureRow>,
    /// Failures to close: (id, outcome).
    pub close_failures: Vec<(Uuid, String)>,
    /// What operators did.
    pub journal: Vec<JournalRow>,
    /// Tasks opened; a row whose id already exists is kept as it is.
    pub open_tasks: Vec<TaskRow>,
    /// Tasks closed, after those that are opened.
    pub close_tasks: Vec<Uuid>,
}

/// What a batch is given.
#[derive(Debug)]
pub enum Found {
    /// What was there when its transaction began. May be given again: everything is then decided
    /// from the start.
    Begun(Loaded),
    /// The states that it asked for and that exist, in no particular order.
    More(Vec<StateRow>),
}

/// What a batch does with what it was given.
#[derive(Debug)]
pub enum Step {
    /// It needs these states too; a key is asked for once.
    Read(Vec<String>),
    /// This is what it changes.
    Write(Box<Writes>),
}

/// Decides a batch in memory, step by step, inside the transaction.
pub type Decide<'a> = dyn FnMut(Found) -> Step + Send + 'a;

/// Decides in one step a batch that needs no other state than those of its keys.
pub type Fold<'a> = dyn FnMut(Loaded) -> Writes + Send + 'a;

/// A batch that reads nothing more.
pub(crate) fn in_one_step(
    mut fold: impl FnMut(Loaded) -> Writes + Send,
) -> impl FnMut(Found) -> Step + Send {
    move |found| match found {
        Found::Begun(loaded) => Step::Write(Box::new(fold(loaded))),
        Found::More(_) => unreachable!("nothing more was asked for"),
    }
}
