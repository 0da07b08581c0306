//! Working days in France: Monday to Friday, public holidays excepted.
//!
//! Public holidays are those of article L. 3133-1 of the Code du travail. The two days that
//! Alsace-Moselle adds and the commemoration days overseas are not known here: a reminder may go
//! out on such a day, which harms nobody.

use chrono::{Datelike, Days, NaiveDate, Weekday};

/// Says whether a day is a working day.
pub fn est_ouvre(jour: NaiveDate) -> bool {
    !matches!(jour.weekday(), Weekday::Sat | Weekday::Sun) && !est_ferie(jour)
}

/// Says whether a day is a public holiday.
pub fn est_ferie(jour: NaiveDate) -> bool {
    let fixed = matches!(
        (jour.month(), jour.day()),
        (1 | 11, 1) | (5, 1 | 8) | (7, 14) | (8, 15) | (11, 11) | (12, 25)
    );
    // Easter Monday, Ascension Day, Whit Monday: days after Easter Sunday.
    let moving = paques(jour.year()).is_some_and(|paques| {
        [1, 39, 50].into_iter().any(|days| paques.checked_add_days(Days::new(days)) == Some(jour))
    });
    fixed || moving
}

/// The day itself when it is a working day, else the next one.
pub fn jour_ouvre_suivant(jour: NaiveDate) -> NaiveDate {
    // No run of days off is longer than four days; the bound only matters at the end of time.
    jour.iter_days().take(10).find(|day| est_ouvre(*day)).unwrap_or(jour)
}

/// The `nombre`th working day after a day; 0 gives the day itself, or the next working day.
pub fn ajouter_jours_ouvres(jour: NaiveDate, nombre: u32) -> NaiveDate {
    (0..nombre)
        .fold(jour_ouvre_suivant(jour), |day, _| jour_ouvre_suivant(day.succ_opt().unwrap_or(day)))
}

/// A date as it is written in a letter: « lundi 2 mars 2026 », « jeudi 1er janvier 2026 ».
pub fn date_en_lettres(date: NaiveDate) -> String {
    format!("{} {}", kernel::jour_de_semaine(date), kernel::date_en_lettres(date))
}

/// Easter Sunday of a year of the Gregorian calendar (Meeus, Jones and Butcher's algorithm).
fn paques(annee: i32) -> Option<NaiveDate> {
    let (golden, century, year) = (annee % 19, annee / 100, annee % 100);
    let skipped = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - skipped + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (year / 4) - epact - year % 4) % 7;
    let correction = (golden + 11 * epact + 22 * weekday) / 451;
    let position = epact + weekday - 7 * correction + 114;
    let (month, day) = (u32::try_from(position / 31).ok()?, u32::try_from(position % 31).ok()?);
    NaiveDate::from_ymd_opt(annee, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jour(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    /// Every holiday of three years, from the ministry's calendar (education and labour).
    #[test]
    fn holidays_of_2026_to_2028() {
        let expected = [
            "2026-01-01",
            "2026-04-06",
            "2026-05-01",
            "2026-05-08",
            "2026-05-14",
            "2026-05-25",
            "2026-07-14",
            "2026-08-15",
            "2026-11-01",
            "2026-11-11",
            "2026-12-25",
            "2027-01-01",
            "2027-03-29",
            "2027-05-01",
            "2027-05-06",
            "2027-05-08",
            "2027-05-17",
            "2027-07-14",
            "2027-08-15",
            "2027-11-01",
            "2027-11-11",
            "2027-12-25",
            "2028-01-01",
            "2028-04-17",
            "2028-05-01",
            "2028-05-08",
            "2028-05-25",
            "2028-06-05",
            "2028-07-14",
            "2028-08-15",
            "2028-11-01",
            "2028-11-11",
            "2028-12-25",
        ];
        let end = jour("2028-12-31");
        let found: Vec<_> = jour("2026-01-01")
            .iter_days()
            .take_while(|day| *day <= end)
            .filter(|day| est_ferie(*day))
            .map(|day| day.to_string())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn easter_of_known_years() {
        for date in ["1961-04-02", "2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31"] {
            assert_eq!(paques(jour(date).year()), Some(jour(date)));
        }
    }

    #[test]
    fn next_working_days() {
        let cases = [
            ("2026-03-02", "2026-03-02"),
            ("2026-03-07", "2026-03-09"),
            // Easter weekend, then a long weekend around a Friday holiday.
            ("2026-04-04", "2026-04-07"),
            ("2026-05-01", "2026-05-04"),
            ("2026-12-25", "2026-12-28"),
        ];
        for (from, expected) in cases {
            assert_eq!(jour_ouvre_suivant(jour(from)), jour(expected), "{from}");
        }
    }

    #[test]
    fn counted_working_days() {
        let cases = [
            ("2026-03-02", 0, "2026-03-02"),
            ("2026-03-02", 5, "2026-03-09"),
            ("2026-05-06", 2, "2026-05-11"),
            ("2026-03-07", 0, "2026-03-09"),
        ];
        for (from, count, expected) in cases {
            assert_eq!(ajouter_jours_ouvres(jour(from), count), jour(expected), "{from} + {count}");
        }
    }

    #[test]
    fn dates_read_as_in_a_letter() {
        assert_eq!(date_en_lettres(jour("2026-01-01")), "jeudi 1er janvier 2026");
        assert_eq!(date_en_lettres(jour("2026-08-30")), "dimanche 30 août 2026");
    }
}
