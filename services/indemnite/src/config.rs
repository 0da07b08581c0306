//! Business settings of the indemnity. What no public text fixes is here, with its default.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use contracts::Centimes;
use serde::Deserialize;

/// Business settings, table `[indemnite]`; every field has a default.
///
/// ```toml
/// jour_de_cloture = 5
/// heure_de_cloture = "09:00:00"
/// heure_des_courriels = "08:00:00"
/// relances_jours = [3, 7]
/// validite_lien_jours = 60
/// rdv_minimum = 1
/// delai_sans_attestation_jours = 10
/// delai_facturation_jours = 30
/// delai_paiement_jours = 30
/// lignes_max_par_etat = 2000
/// # plafond_jours_par_mois = 2
/// confirmation_medecin = false
///
/// [[baremes]]
/// a_partir_du = "2025-09-01"
/// demi_journee_centimes = 10000
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Day of the month on which statements are closed, 1 to 28.
    pub jour_de_cloture: u32,
    /// Hour of the closing, in Paris.
    pub heure_de_cloture: NaiveTime,
    /// Hour at which sites are written to, in Paris.
    pub heure_des_courriels: NaiveTime,
    /// Days after the question on which a site is reminded, increasing; moved to working days.
    pub relances_jours: Vec<u32>,
    /// Days during which the link of a question can be answered.
    pub validite_lien_jours: u32,
    /// Honoured appointments that make up for a missing attestation, at least 1.
    pub rdv_minimum: u32,
    /// Days after the vacation that a site has to contradict the agenda.
    pub delai_sans_attestation_jours: u32,
    /// Days that an owed half-day waits for a numéro AM or bank details before a task is opened.
    pub delai_facturation_jours: u32,
    /// Days that a CPAM has to pay a statement before a task is opened.
    pub delai_paiement_jours: u32,
    /// Lines of one statement; more lines make several statements of the same month.
    pub lignes_max_par_etat: usize,
    /// Days of a month beyond which a person is told, half-days counting for a half; payment goes
    /// on. « Jusqu'à deux jours par mois » (Pacte de lutte contre les déserts médicaux) is no
    /// stated cap of payment: none by default.
    pub plafond_jours_par_mois: Option<u32>,
    /// Asks the doctor to confirm the half-days of a month before they are stated.
    pub confirmation_medecin: bool,
    /// Amounts, by date of the vacation, increasing.
    pub baremes: Vec<Bareme>,
}

/// What a half-day is worth from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bareme {
    /// First day.
    pub a_partir_du: NaiveDate,
    /// Cents of euro for a half-day.
    pub demi_journee_centimes: i64,
}

impl Default for Config {
    /// 100 € a half-day since 1 September 2025: « 200 € d'indemnité forfaitaire (ou 100 € la
    /// demi-journée) », ARS Grand Est, appel aux médecins volontaires.
    fn default() -> Self {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN);
        Self {
            jour_de_cloture: 5,
            heure_de_cloture: time(9),
            heure_des_courriels: time(8),
            relances_jours: vec![3, 7],
            validite_lien_jours: 60,
            rdv_minimum: 1,
            delai_sans_attestation_jours: 10,
            delai_facturation_jours: 30,
            delai_paiement_jours: 30,
            lignes_max_par_etat: 2000,
            plafond_jours_par_mois: None,
            confirmation_medecin: false,
            baremes: vec![Bareme {
                a_partir_du: NaiveDate::from_ymd_opt(2025, 9, 1).unwrap_or(NaiveDate::MIN),
                demi_journee_centimes: 10_000,
            }],
        }
    }
}

impl Config {
    /// Says what makes no sense, for the operator.
    ///
    /// # Errors
    /// A sentence in French.
    pub fn check(&self) -> Result<(), String> {
        let increasing = |days: &[u32]| days.windows(2).all(|w| w[0] < w[1]);
        if !(1..=28).contains(&self.jour_de_cloture) {
            return Err("jour_de_cloture doit être compris entre 1 et 28".to_owned());
        }
        if self.rdv_minimum == 0 {
            return Err("rdv_minimum doit valoir au moins 1".to_owned());
        }
        if self.lignes_max_par_etat == 0 {
            return Err("lignes_max_par_etat doit valoir au moins 1".to_owned());
        }
        if self.relances_jours.first() == Some(&0) || !increasing(&self.relances_jours) {
            return Err("relances_jours doit être une suite croissante de jours".to_owned());
        }
        let dates = self.baremes.windows(2).all(|w| w[0].a_partir_du < w[1].a_partir_du);
        if self.baremes.is_empty() || !dates {
            return Err("baremes doit compter au moins une ligne, par dates croissantes".to_owned());
        }
        if self.baremes.iter().any(|b| !(1..=1_000_000).contains(&b.demi_journee_centimes)) {
            return Err("demi_journee_centimes doit être compris entre 1 et 1000000".to_owned());
        }
        Ok(())
    }

    /// What a half-day of `date` is worth; `None` before the first scale.
    pub fn bareme(&self, date: NaiveDate) -> Option<Centimes> {
        let applicable = self.baremes.iter().rev().find(|b| b.a_partir_du <= date);
        applicable.map(|b| Centimes(b.demi_journee_centimes))
    }

    /// The instant of the closing of a day.
    pub fn instant_de_cloture(&self, jour: NaiveDate) -> DateTime<Utc> {
        kernel::paris_at(jour, self.heure_de_cloture)
    }

    /// The first closing day whose instant is later than `now`.
    pub fn prochaine_cloture(&self, now: DateTime<Utc>) -> NaiveDate {
        let today = kernel::paris_date(now);
        let candidate = today.with_day(self.jour_de_cloture).unwrap_or(today);
        if self.instant_de_cloture(candidate) > now {
            candidate
        } else {
            Self::cloture_suivante(candidate)
        }
    }

    /// The closing day of the month after.
    pub fn cloture_suivante(jour: NaiveDate) -> NaiveDate {
        jour.checked_add_months(Months::new(1)).unwrap_or(jour)
    }

    /// The hour of mails on a day that is `jours` after `date`.
    pub fn courriel_le(&self, date: NaiveDate, jours: u32) -> DateTime<Utc> {
        kernel::paris_at(plus(date, jours), self.heure_des_courriels)
    }
}

/// `date` plus a number of days.
pub(crate) fn plus(date: NaiveDate, jours: u32) -> NaiveDate {
    date.checked_add_days(Days::new(u64::from(jours))).unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation of [`Config`].
    fn example() -> String {
        include_str!("config.rs")
            .lines()
            .skip_while(|l| *l != "/// ```toml")
            .skip(1)
            .take_while(|l| *l != "/// ```")
            .map(|l| l.trim_start_matches("///").trim_start().to_owned() + "\n")
            .collect()
    }

    #[test]
    fn the_documented_example_is_the_default() {
        let read: Config = toml::from_str(&example()).expect("the example parses");
        assert_eq!(read, Config::default());
        assert_eq!(toml::from_str::<Config>("").expect("empty"), Config::default());
        assert!(toml::from_str::<Config>("inconnu = 1").is_err());
        read.check().expect("the defaults make sense");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "jour_de_cloture = 0",
            "jour_de_cloture = 31",
            "rdv_minimum = 0",
            "lignes_max_par_etat = 0",
            "relances_jours = [7, 3]",
            "relances_jours = [0]",
            "baremes = []",
            "baremes = [{ a_partir_du = \"2025-09-01\", demi_journee_centimes = 0 }]",
        ] {
            let config: Config = toml::from_str(text).expect("parses");
            assert!(config.check().is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_follow_the_date_of_the_vacation() {
        let mut config = Config::default();
        let day = |s: &str| s.parse::<NaiveDate>().expect("date");
        config
            .baremes
            .push(Bareme { a_partir_du: day("2026-03-01"), demi_journee_centimes: 12_500 });
        assert_eq!(config.bareme(day("2025-08-31")), None);
        assert_eq!(config.bareme(day("2026-02-28")), Some(Centimes(10_000)));
        assert_eq!(config.bareme(day("2026-03-01")), Some(Centimes(12_500)));
    }

    #[test]
    fn closings_are_the_fifth_at_nine_in_paris_through_both_clock_changes() {
        let config = Config::default();
        let at = |s: &str| s.parse::<DateTime<Utc>>().expect("instant");
        for (now, expected, instant) in [
            ("2026-01-01T00:00:00Z", "2026-01-05", "2026-01-05T08:00:00Z"),
            ("2026-01-05T07:59:59Z", "2026-01-05", "2026-01-05T08:00:00Z"),
            ("2026-01-05T08:00:00Z", "2026-02-05", "2026-02-05T08:00:00Z"),
            ("2026-03-31T22:30:00Z", "2026-04-05", "2026-04-05T07:00:00Z"),
            ("2025-12-31T23:30:00Z", "2026-01-05", "2026-01-05T08:00:00Z"),
        ] {
            let jour = config.prochaine_cloture(at(now));
            assert_eq!(jour.to_string(), expected, "{now}");
            assert_eq!(config.instant_de_cloture(jour), at(instant), "{now}");
        }
    }
}
