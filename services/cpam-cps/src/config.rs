//! Business settings of the service: delays, and where the DNS reads its mail.

use std::path::PathBuf;

use serde::Deserialize;

/// Business settings; every field has a default.
///
/// ```toml
/// [cpam-cps]
/// # without the RPPS record, the number is asked for anyway, in days after the authorisation;
/// # 0 never waits for the record
/// attente_rpps_jours = 10
/// # reminders to the CPAM, in days after the request, moved to the next working day
/// relances_jours = [7, 14]
/// # a task for the DNS, in days after the request
/// escalade_jours = 21
/// # once the DNS closed that task without an answer, the next one comes after
/// nouvelle_escalade_jours = 7
/// # while bank details are missing, the doctor and the CPAM are asked again every
/// relance_rib_jours = 7
/// # after that many reminders, a task for the DNS
/// escalade_rib_relances = 3
/// # a new CPS card is late after, counted from the number
/// carte_attendue_jours = 21
/// # while it is late, that is said again every
/// relance_carte_jours = 7
/// # a numéro AM with a doubtful key or département: "avertir" (a task) or "refuser" (a failure)
/// numero_douteux = "avertir"
/// # receives a mail besides the task when something is escalated
/// dns_courriel = "solidarite@dns.example"
/// # mails to the doctor: the notice to begin on paper, the bank details that are missing
/// courriels_medecin = true
/// # days during which the answer link of a mail to a CPAM is good
/// lien_jours = 45
/// # folder of the CPAM whose channel is « fichier », a folder under it for each, by its code
/// # repertoire_echanges = "/var/lib/relais/echanges"
/// # minutes between two looks at it
/// depot_minutes = 15
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Days after the authorisation at which the number is asked for without the RPPS record.
    pub attente_rpps_jours: u32,
    /// Days after the request at which the CPAM is reminded; increasing, before the escalation.
    pub relances_jours: Vec<u32>,
    /// Days after the request at which the DNS gets a task.
    pub escalade_jours: u32,
    /// Days after an escalation closed without a number at which the next one is opened.
    pub nouvelle_escalade_jours: u32,
    /// Days between two requests for missing bank details.
    pub relance_rib_jours: u32,
    /// Reminders about missing bank details after which the DNS gets a task.
    pub escalade_rib_relances: u32,
    /// Days after the number at which the card is late: « 2 à 3 semaines » (ARS, CDOM 93).
    pub carte_attendue_jours: u32,
    /// Days between two reports of a late card.
    pub relance_carte_jours: u32,
    /// What a doubtful number leads to.
    pub numero_douteux: NumeroDouteux,
    /// Where the DNS reads escalations; they are tasks in any case.
    pub dns_courriel: Option<String>,
    /// Writes to the doctor.
    pub courriels_medecin: bool,
    /// Days during which the answer link of a mail to a CPAM is good.
    pub lien_jours: u32,
    /// Folder exchanged with the CPAM whose channel is `fichier`; without it, a person asks them.
    pub repertoire_echanges: Option<PathBuf>,
    /// Minutes between two looks at a CPAM's folder.
    pub depot_minutes: u32,
}

/// What a number leads to whose key or département is not the expected one. Both rules are inferred
/// from public data, no official text was found: by default they only warn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumeroDouteux {
    /// It is published, and a task asks the DNS to check it.
    Avertir,
    /// It is a failure.
    Refuser,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attente_rpps_jours: 10,
            relances_jours: vec![7, 14],
            escalade_jours: 21,
            nouvelle_escalade_jours: 7,
            relance_rib_jours: 7,
            escalade_rib_relances: 3,
            carte_attendue_jours: 21,
            relance_carte_jours: 7,
            numero_douteux: NumeroDouteux::Avertir,
            dns_courriel: None,
            courriels_medecin: true,
            lien_jours: 45,
            repertoire_echanges: None,
            depot_minutes: 15,
        }
    }
}

impl Config {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn check(&self) -> Result<(), String> {
        let steps: Vec<u32> =
            self.relances_jours.iter().copied().chain([self.escalade_jours]).collect();
        if steps.first() == Some(&0) || steps.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("relances_jours puis escalade_jours doivent croître à partir de 1".into());
        }
        let periods = [
            ("nouvelle_escalade_jours", self.nouvelle_escalade_jours),
            ("relance_rib_jours", self.relance_rib_jours),
            ("relance_carte_jours", self.relance_carte_jours),
            ("lien_jours", self.lien_jours),
            ("depot_minutes", self.depot_minutes),
        ];
        if let Some((name, _)) = periods.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} vaut au moins 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The TOML block of the doc comment above.
    fn documented() -> String {
        let lines = include_str!("config.rs").lines().filter_map(|l| l.strip_prefix("/// "));
        lines.skip_while(|l| *l != "```toml").skip(1).take_while(|l| *l != "```").fold(
            String::new(),
            |mut text, line| {
                text.push_str(line);
                text.push('\n');
                text
            },
        )
    }

    #[test]
    fn the_documented_example_is_the_default_with_an_address() {
        let tables: BTreeMap<String, Config> = toml::from_str(&documented()).expect("parses");
        let expected =
            Config { dns_courriel: Some("solidarite@dns.example".into()), ..Config::default() };
        assert_eq!(tables.get("cpam-cps"), Some(&expected));
        assert_eq!(expected.check(), Ok(()));
    }

    #[test]
    fn unknown_fields_and_disordered_delays_are_refused() {
        assert!(toml::from_str::<Config>("relance_jours = [7]").is_err());
        let disordered = Config { relances_jours: vec![14, 7], ..Config::default() };
        assert!(disordered.check().is_err());
        let never_again = Config { relance_rib_jours: 0, ..Config::default() };
        assert!(never_again.check().is_err());
    }
}
