//! Business settings of the service: delays, and where the DNS reads its mail.

use std::{collections::BTreeMap, path::PathBuf};

use contracts::{CodeCpam, Referentiel};
use serde::Deserialize;

mod delais;

pub use delais::{Delais, Propres};

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
///
/// # the delays and reminders above that are another CPAM's own, by its code
/// # [cpam-cps.par_cpam.631]
/// # relances_jours = [3, 10]
/// # escalade_jours = 15
/// # carte_attendue_jours = 28
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
    /// Delays and reminders of one CPAM, by its code, instead of the general ones above.
    pub par_cpam: BTreeMap<CodeCpam, Propres>,
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
            par_cpam: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The delays that apply to a CPAM; the general ones while none is known.
    pub fn delais(&self, cpam: Option<&CodeCpam>) -> Delais<'_> {
        Delais::new(self, cpam.and_then(|code| self.par_cpam.get(code)))
    }

    /// Checks what the types cannot say. A CPAM that the register does not know would have delays
    /// that never apply.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn check(&self, referentiel: &Referentiel) -> Result<(), String> {
        self.delais(None).check()?;
        for code in self.par_cpam.keys() {
            let named = |error| format!("cpam-cps.par_cpam.{code} : {error}");
            self.delais(Some(code)).check().map_err(named)?;
            if referentiel.cpam(code).is_none() {
                return Err(named("cette caisse n'est pas dans le référentiel".to_owned()));
            }
        }
        let periods = [("lien_jours", self.lien_jours), ("depot_minutes", self.depot_minutes)];
        match periods.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("{name} vaut au moins 1")),
            None => Ok(()),
        }
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
        assert_eq!(expected.check(&Referentiel::default()), Ok(()));
    }

    #[test]
    fn unknown_fields_and_disordered_delays_are_refused() {
        assert!(toml::from_str::<Config>("relance_jours = [7]").is_err());
        let disordered = Config { relances_jours: vec![14, 7], ..Config::default() };
        assert!(disordered.check(&Referentiel::default()).is_err());
        let never_again = Config { relance_rib_jours: 0, ..Config::default() };
        assert!(never_again.check(&Referentiel::default()).is_err());
    }

    #[test]
    fn a_cpam_has_its_own_delays_and_the_general_ones_for_the_rest() {
        let demo = Referentiel::demo();
        let code = |text: &str| text.parse::<CodeCpam>().expect("a CPAM");
        let own = demo.cpams().next().expect("the demo has some").clone();
        let text = format!("[par_cpam.{own}]\nrelances_jours = [3]\ncarte_attendue_jours = 28\n");
        let config: Config = toml::from_str(&text).expect("valid settings");
        assert_eq!(config.check(&demo), Ok(()));
        let (general, theirs) = (config.delais(None), config.delais(Some(&own)));
        assert_eq!((general.relances_jours, general.carte_attendue_jours), (&[7, 14][..], 21));
        let expected = Delais { relances_jours: &[3], carte_attendue_jours: 28, ..general.clone() };
        assert_eq!(theirs, expected);
        assert_eq!(config.delais(Some(&code("999"))), general);

        let unknown: Config =
            toml::from_str("[par_cpam.999]\nescalade_jours = 30\n").expect("valid settings");
        assert!(unknown.check(&demo).is_err_and(|e| e.contains("par_cpam.999")));
        // Its escalation would come before the general reminders.
        let text = format!("[par_cpam.{own}]\nescalade_jours = 10\n");
        let disordered: Config = toml::from_str(&text).expect("valid settings");
        assert!(disordered.check(&demo).is_err_and(|e| e.contains(own.as_str())));
        assert!(toml::from_str::<Config>("[par_cpam.631]\nlien_jours = 3\n").is_err());
        assert!(toml::from_str::<Config>("[par_cpam.puy-de-dome]\n").is_err());
    }
}
