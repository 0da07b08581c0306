//! Business dates are days of Europe/Paris; instants are UTC.

use chrono::{
    DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Europe::Paris;

/// The day in Paris at this instant.
pub fn paris_date(t: DateTime<Utc>) -> NaiveDate {
    t.with_timezone(&Paris).date_naive()
}

/// The local date and time in Paris at this instant.
pub fn paris_time(t: DateTime<Utc>) -> NaiveDateTime {
    t.with_timezone(&Paris).naive_local()
}

/// The instant of a local time in Paris. A time that the spring change skips is taken one hour
/// later; a time that the autumn change repeats is taken the first time.
pub fn paris_at(day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let local = day.and_time(time);
    match Paris.from_local_datetime(&local) {
        MappedLocalTime::Single(t) | MappedLocalTime::Ambiguous(t, _) => t.with_timezone(&Utc),
        MappedLocalTime::None => Paris
            .from_local_datetime(&(local + TimeDelta::hours(1)))
            .earliest()
            .map_or_else(|| local.and_utc(), |t| t.with_timezone(&Utc)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clock_changes_are_total() {
        let at = |d: &str, t: &str| {
            paris_at(d.parse().expect("date"), t.parse().expect("time")).to_rfc3339()
        };
        assert_eq!(at("2026-03-29", "02:30:00"), "2026-03-29T01:30:00+00:00");
        assert_eq!(at("2026-10-25", "02:30:00"), "2026-10-25T00:30:00+00:00");
        assert_eq!(at("2026-01-05", "08:00:00"), "2026-01-05T07:00:00+00:00");
    }
}
