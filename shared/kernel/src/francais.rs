//! Dates as they are written in French, for people.

use chrono::{Datelike, NaiveDate};

const JOURS: [&str; 7] = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"];
const MOIS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// « lundi », « mardi », …
pub fn jour_de_semaine(date: NaiveDate) -> &'static str {
    JOURS[date.weekday().num_days_from_monday() as usize]
}

/// « 3 mars 2026 », « 1er janvier 2026 ».
pub fn date_en_lettres(date: NaiveDate) -> String {
    let rang = if date.day() == 1 { "1er".to_owned() } else { date.day().to_string() };
    format!("{rang} {}", mois_en_lettres(date))
}

/// The month of a day: « mars 2026 ».
pub fn mois_en_lettres(date: NaiveDate) -> String {
    format!("{} {}", MOIS[date.month0() as usize], date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_in_a_letter() {
        let at = |text: &str| text.parse::<NaiveDate>().expect("date");
        assert_eq!(date_en_lettres(at("2026-03-03")), "3 mars 2026");
        assert_eq!(date_en_lettres(at("2026-08-01")), "1er août 2026");
        assert_eq!(mois_en_lettres(at("2028-02-29")), "février 2028");
        assert_eq!(jour_de_semaine(at("2026-03-02")), "lundi");
    }
}
