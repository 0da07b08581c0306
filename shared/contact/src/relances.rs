//! Reminder ladders: when to remind, when to escalate; pure.

use chrono::{DateTime, Days, NaiveTime, Utc};
use kernel::{paris_at, paris_date};
use serde::{Deserialize, Serialize};

use crate::jours::jour_ouvre_suivant;

/// A ladder of reminders after a request, in calendar days; each step moves to the next working
/// day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Echelle {
    /// Days after the request at which a reminder goes out, ascending.
    pub relances: Vec<u32>,
    /// Days after the request at which a person is told.
    pub escalade: u32,
}

/// What a ladder does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Etape {
    /// A reminder.
    Relance {
        /// 1 for the first.
        rang: u32,
    },
    /// A person is told.
    Escalade,
}

impl Default for Echelle {
    /// Reminders after 7 and 14 days, escalation after 21.
    fn default() -> Self {
        Self { relances: vec![7, 14], escalade: 21 }
    }
}

impl Echelle {
    /// The next step of a request made at `depuis`, when `rang_deja_envoye` steps were taken (0
    /// after the request itself), and its instant: 09:00 in Paris on a working day. `None` once
    /// the escalation was taken.
    pub fn prochaine(
        &self,
        depuis: DateTime<Utc>,
        rang_deja_envoye: u32,
    ) -> Option<(DateTime<Utc>, Etape)> {
        let index = usize::try_from(rang_deja_envoye).ok()?;
        let (days, etape) = match self.relances.get(index) {
            Some(days) => (*days, Etape::Relance { rang: rang_deja_envoye + 1 }),
            None if index == self.relances.len() => (self.escalade, Etape::Escalade),
            None => return None,
        };
        let jour = paris_date(depuis).checked_add_days(Days::new(u64::from(days)))?;
        let neuf_heures = NaiveTime::from_hms_opt(9, 0, 0)?;
        Some((paris_at(jour_ouvre_suivant(jour), neuf_heures), etape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_climbs_on_working_mornings_and_ends() {
        // A Friday; J+7 is Good Friday (a working day), J+14 a Friday, J+21 after the change to
        // summer time.
        let depuis: DateTime<Utc> = "2026-03-27T16:45:00Z".parse().expect("instant");
        let ladder = Echelle::default();
        let cases = [
            (0, Some(("2026-04-03T07:00:00Z", Etape::Relance { rang: 1 }))),
            (1, Some(("2026-04-10T07:00:00Z", Etape::Relance { rang: 2 }))),
            (2, Some(("2026-04-17T07:00:00Z", Etape::Escalade))),
            (3, None),
        ];
        for (sent, expected) in cases {
            let expected = expected.map(|(at, etape)| (at.parse().expect("instant"), etape));
            assert_eq!(ladder.prochaine(depuis, sent), expected, "after {sent}");
        }
    }

    #[test]
    fn a_step_on_a_day_off_moves_to_the_next_working_day() {
        let depuis: DateTime<Utc> = "2026-05-01T21:59:00Z".parse().expect("instant");
        let ladder = Echelle { relances: vec![7], escalade: 24 };
        // J+7 is the holiday of 8 May, a Friday: Monday 11. J+24 is Whit Monday: the Tuesday.
        let monday = "2026-05-11T07:00:00Z".parse().expect("instant");
        assert_eq!(ladder.prochaine(depuis, 0), Some((monday, Etape::Relance { rang: 1 })));
        let tuesday = "2026-05-26T07:00:00Z".parse().expect("instant");
        assert_eq!(ladder.prochaine(depuis, 1), Some((tuesday, Etape::Escalade)));
    }
}
