//! Business settings of the service: delays, and where the DNS reads its mail.

use serde::Deserialize;

/// Business settings; every field has a default.
///
/// ```toml
/// [ordinal-adapter]
/// # without an answer of the RPPS, the CDOM is asked anyway after
/// attente_identite_jours = 3
/// # with an unknown or inactive RPPS, the doctor's correction is awaited for
/// attente_correction_jours = 15
/// # reminders to the CDOM, in days after the request, moved to the next working day
/// relances_jours = [7, 14]
/// # a task for the DNS, in days after the request
/// escalade_jours = 21
/// # once the DNS closed that task without an answer, the next one comes after
/// nouvelle_escalade_jours = 7
/// # how long the answer link of a CDOM works
/// lien_verification_jours = 60
/// # how long the doctor's link to withdraw works
/// lien_retrait_jours = 365
/// # the authorisation of an earlier application is enough for another site: same CDOM, an
/// # engagement still open, no suspension, no replacement wished
/// reutilise_autorisation = false
/// # receives a mail besides the task when something is escalated
/// dns_courriel = "solidarite@dns.example"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Days to wait for the RPPS's answer before the CDOM is asked without it.
    pub attente_identite_jours: u32,
    /// Days to wait for a corrected RPPS number before the CDOM is asked with what is known.
    pub attente_correction_jours: u32,
    /// Days after the request at which the CDOM is reminded; increasing, before the escalation.
    pub relances_jours: Vec<u32>,
    /// Days after the request at which the DNS gets a task.
    pub escalade_jours: u32,
    /// Days after an escalation closed without an answer at which the next one is opened.
    pub nouvelle_escalade_jours: u32,
    /// Days during which an answer link of a CDOM works.
    pub lien_verification_jours: u32,
    /// Days during which the doctor's link to withdraw works.
    pub lien_retrait_jours: u32,
    /// Authorises another site without asking the CDOM again, while its earlier authorisation holds.
    pub reutilise_autorisation: bool,
    /// Where the DNS reads escalations; they are tasks in any case.
    pub dns_courriel: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attente_identite_jours: 3,
            attente_correction_jours: 15,
            relances_jours: vec![7, 14],
            escalade_jours: 21,
            nouvelle_escalade_jours: 7,
            lien_verification_jours: 60,
            lien_retrait_jours: 365,
            reutilise_autorisation: false,
            dns_courriel: None,
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
        if self.nouvelle_escalade_jours == 0 || self.lien_verification_jours == 0 {
            return Err(
                "nouvelle_escalade_jours et lien_verification_jours valent au moins 1".into()
            );
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
        assert_eq!(tables.get("ordinal-adapter"), Some(&expected));
        assert_eq!(expected.check(), Ok(()));
    }

    #[test]
    fn unknown_fields_and_disordered_delays_are_refused() {
        assert!(toml::from_str::<Config>("relance_jours = [7]").is_err());
        let disordered = Config { relances_jours: vec![14, 7], ..Config::default() };
        assert!(disordered.check().is_err());
        let late = Config { escalade_jours: 14, ..Config::default() };
        assert!(late.check().is_err());
    }
}
