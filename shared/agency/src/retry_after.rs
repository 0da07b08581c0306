//! When an agency asks to be called again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that an agency can impose; beyond it, asking again once a day does no harm.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// Above this, `RateLimit-Reset` is a Unix time in seconds (RDV Service Public's rack-attack,
/// Rails habit); below, a number of seconds (IETF draft `ratelimit-headers`). 2001-09-09.
const UNIX_TIME_FROM: i64 = 1_000_000_000;

/// The wait that an answer asks for, at most one day: `Retry-After` (RFC 9110, section 10.2.3: a
/// number of seconds or an HTTP date), else `RateLimit-Reset`.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let wait = wait_of(headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()), now, |_| false)
        .or_else(|| {
            let reset = headers.get("ratelimit-reset").and_then(|v| v.to_str().ok());
            wait_of(reset, now, |seconds| seconds >= UNIX_TIME_FROM)
        })?;
    wait.clamp(TimeDelta::zero(), LONGEST).to_std().ok()
}

fn wait_of(
    value: Option<&str>,
    now: DateTime<Utc>,
    is_instant: impl Fn(i64) -> bool,
) -> Option<TimeDelta> {
    let value = value?.trim();
    match value.parse::<i64>() {
        Ok(seconds) if is_instant(seconds) => Some(DateTime::from_timestamp(seconds, 0)? - now),
        Ok(seconds) => Some(TimeDelta::try_seconds(seconds).unwrap_or(LONGEST)),
        Err(_) => {
            let date = DateTime::parse_from_rfc2822(value).ok()?;
            Some(date.with_timezone(&Utc) - now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_bounded() {
        let now = "2026-03-02T08:00:00Z".parse().expect("instant");
        let cases = [
            ("retry-after", "120", Some(120)),
            ("retry-after", "0", Some(0)),
            ("retry-after", "-5", Some(0)),
            ("retry-after", "99999999999", Some(86_400)),
            ("retry-after", "Mon, 02 Mar 2026 08:01:30 GMT", Some(90)),
            ("retry-after", "Mon, 02 Mar 2026 07:00:00 GMT", Some(0)),
            ("retry-after", "bientôt", None),
            ("ratelimit-reset", "1772438460", Some(60)),
            ("ratelimit-reset", "45", Some(45)),
            ("x-other", "45", None),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            let value = reqwest::header::HeaderValue::from_bytes(value.as_bytes()).expect("value");
            headers.insert(name, value.clone());
            let found = retry_after(&headers, now).map(|d| d.as_secs());
            assert_eq!(found, expected, "{name}: {value:?}");
        }
    }

    #[test]
    fn retry_after_wins_over_ratelimit_reset() {
        let now = "2026-03-02T08:00:00Z".parse().expect("instant");
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().expect("value"));
        headers.insert("ratelimit-reset", "45".parse().expect("value"));
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(7)));
    }
}
