//! A budget of calls per window, for one process; the one that replicas share is the store's.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// At most `calls` per window; a window opens with its first call. Pure: its time is given.
#[derive(Clone, Debug)]
pub struct CallWindow {
    calls: u32,
    window: TimeDelta,
    opened_at: Option<DateTime<Utc>>,
    taken: u32,
}

impl CallWindow {
    /// A budget of `calls` (at least 1) per `window`.
    pub fn new(calls: u32, window: Duration) -> Self {
        let window = TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX);
        Self { calls: calls.max(1), window, opened_at: None, taken: 0 }
    }

    /// Takes one call.
    ///
    /// # Errors
    /// The instant at which to ask again, later than `now`, when the budget is spent.
    pub fn take(&mut self, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        let ends = |start: DateTime<Utc>| {
            start.checked_add_signed(self.window).unwrap_or(DateTime::<Utc>::MAX_UTC)
        };
        match self.opened_at.map(ends).filter(|end| now < *end) {
            Some(end) if self.taken >= self.calls => Err(end),
            Some(_) => {
                self.taken += 1;
                Ok(())
            }
            None => {
                (self.opened_at, self.taken) = (Some(now), 1);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_budget_in_a_window() {
        let at = |s: i64| DateTime::from_timestamp(1_772_438_400 + s, 0).expect("instant");
        let mut window = CallWindow::new(2, Duration::from_mins(1));
        assert_eq!(window.take(at(0)), Ok(()));
        assert_eq!(window.take(at(59)), Ok(()));
        assert_eq!(window.take(at(59)), Err(at(60)));
        assert_eq!(window.take(at(60)), Ok(()));
        assert_eq!(window.take(at(200)), Ok(()));
    }
}
