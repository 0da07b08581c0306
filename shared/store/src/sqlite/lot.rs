//! Everything one batch changes, written by one statement (`lot.sql`): one round trip to the
//! connection's thread, atomic by itself.

use sqlx::SqliteConnection;

use super::params::{self, Bodies};
use crate::{FailureRow, InputRow, Mark, OutboxRow, StoreError, Writes, rows};

/// The view and the trigger behind it, made on each connection that writes.
pub(super) const SQL: &str = include_str!("lot.sql");

/// The parameters: each a JSON array of rows, or nothing.
#[derive(Default)]
pub(super) struct Lot {
    marks: Option<String>,
    done_inputs: Option<String>,
    done_answers: Option<String>,
    cancel_wakes: Option<String>,
    cancel_asks: Option<String>,
    created: Option<String>,
    changed: Option<String>,
    outbox: Option<String>,
    asks: Option<String>,
    wakes: Option<String>,
    inputs: Option<String>,
    closed: Option<String>,
    failures: Option<String>,
    opened: Option<String>,
    ended: Option<String>,
    journal: Option<String>,
    bodies: Bodies,
}

impl Lot {
    /// A whole batch: `marks` are those that are new.
    pub(super) fn batch(marks: &[&Mark], writes: Writes) -> Result<Self, StoreError> {
        let (created, changed) = rows::by_expectation(&writes.states);
        let done_inputs = rows::once(&writes.done_inputs);
        let done_answers = rows::once(&writes.done_answers);
        let mut lot = Self::inputs(writes.inputs)?;
        let bodies = &mut lot.bodies;
        let (created, changed) = (
            some(&created, |rows| params::created(rows, bodies))?,
            some(&changed, |rows| params::changed(rows, bodies))?,
        );
        let asks = some(&writes.asks, |rows| params::asks(rows, bodies))?;
        let lease = writes.outbox_lease;
        let outbox = some(&writes.outbox, |rows| params::outbox(rows, lease, bodies))?;
        let failures = rows::failures(writes.failures);
        let failures = some(&failures, |rows| params::failures(rows, bodies))?;
        Ok(Self {
            marks: some(marks, params::marks)?,
            done_inputs: some(&done_inputs, params::settled)?,
            done_answers: some(&done_answers, params::settled)?,
            cancel_wakes: some(&writes.cancel_wakes, params::array)?,
            cancel_asks: some(&writes.cancel_asks, params::array)?,
            created,
            changed,
            asks,
            closed: some(&writes.close_failures, params::array)?,
            opened: some(&writes.open_tasks, params::tasks)?,
            ended: some(&writes.close_tasks, params::array)?,
            journal: some(&rows::journal(writes.journal), params::journal)?,
            outbox,
            failures,
            ..lot
        })
    }

    /// Inputs alone.
    pub(super) fn inputs(inputs: Vec<InputRow>) -> Result<Self, StoreError> {
        let inputs = rows::Inputs::new(inputs);
        let mut bodies = Bodies::default();
        Ok(Self {
            wakes: some(&inputs.wakes, |rows| params::inputs(rows, &mut bodies))?,
            inputs: some(&inputs.others, |rows| params::inputs(rows, &mut bodies))?,
            bodies,
            ..Self::default()
        })
    }

    /// Failures, and messages to publish.
    pub(super) fn failures(
        failures: Vec<FailureRow>,
        outbox: &[OutboxRow],
    ) -> Result<Self, StoreError> {
        let mut bodies = Bodies::default();
        let failures = rows::failures(failures);
        Ok(Self {
            failures: some(&failures, |rows| params::failures(rows, &mut bodies))?,
            outbox: some(outbox, |rows| params::outbox(rows, None, &mut bodies))?,
            bodies,
            ..Self::default()
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a version, a lease or a mark is not the expected one;
    /// [`StoreError::Data`] when a value is refused. In both cases nothing was changed.
    pub(super) async fn write(self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(
            "insert into temp.lot (marks, done_inputs, done_answers, cancel_wakes, cancel_asks,
                                   created, changed, outbox, asks, wakes, inputs, closed, failures,
                                   opened, ended, journal, bodies)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )
        .bind(self.marks)
        .bind(self.done_inputs)
        .bind(self.done_answers)
        .bind(self.cancel_wakes)
        .bind(self.cancel_asks)
        .bind(self.created)
        .bind(self.changed)
        .bind(self.outbox)
        .bind(self.asks)
        .bind(self.wakes)
        .bind(self.inputs)
        .bind(self.closed)
        .bind(self.failures)
        .bind(self.opened)
        .bind(self.ended)
        .bind(self.journal)
        .bind(self.bodies.into_blob())
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// Nothing for no rows: its statements then cost next to nothing.
fn some<'a, R>(
    rows: &'a [R],
    encode: impl FnOnce(&'a [R]) -> Result<String, StoreError>,
) -> Result<Option<String>, StoreError> {
    if rows.is_empty() { Ok(None) } else { encode(rows).map(Some) }
}
