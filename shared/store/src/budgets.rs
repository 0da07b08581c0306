//! Budgets of calls, in the memory of the only process that spends them.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::rows;

/// When each agency's window began, and the calls in it.
#[derive(Debug, Default)]
pub(crate) struct Budgets(HashMap<String, (DateTime<Utc>, u32)>);

impl Budgets {
    /// Takes one call from the budget of `agency`; else the instant at which to ask again. A window
    /// begins with the first call after the one before has ended; a call that is made `anyway` may
    /// be one too many: the window then lasts longer.
    pub(crate) fn take(
        &mut self,
        agency: &str,
        now: DateTime<Utc>,
        (window, limit): (Duration, u32),
        anyway: bool,
    ) -> Option<DateTime<Utc>> {
        let window = rows::window_us(window);
        if limit == 0 {
            return Some(now + TimeDelta::microseconds(window));
        }
        let (started, used) = self.0.entry(agency.to_owned()).or_insert((now, 0));
        let lasts = window.saturating_mul(i64::from(limit.max(*used))) / i64::from(limit);
        let ends = *started + TimeDelta::microseconds(lasts);
        if ends <= now {
            (*started, *used) = (now, 0);
        } else if *used >= limit && !anyway {
            return Some(ends);
        }
        *used += 1;
        None
    }
}
