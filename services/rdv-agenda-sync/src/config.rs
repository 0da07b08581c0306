//! Settings of the service.

use std::collections::BTreeMap;

use agency::HttpSettings;
use chrono::NaiveTime;
use contact::Echelle;
use contracts::LieuId;
use kernel::Secret;
use serde::{Deserialize, Serialize};

/// Settings of `rdv-agenda-sync`.
///
/// ```toml
/// # Where sites and RDV Service Public reach Relais: webhooks arrive at <public_url>/hooks/rdvsp/<lieu>.
/// public_url = "https://relais.example"
/// # At least 32 characters each; the endpoints' secrets and the tokens' key are derived from them.
/// webhook_secret = "0123456789abcdef0123456789abcdef"
/// credential_key = "fedcba9876543210fedcba9876543210"
/// client_id = "relais"
/// client_secret = "donné par RDV Service Public"
/// # The consent of the DNS's service agent is given with « relais rdv login ». Instead of it:
/// # refresh_token_initial, or authorization_code and redirect_uri.
/// operations_par_minute = 12
///
/// [api]
/// base_url = "https://rdv.anct.gouv.fr"
/// timeout_ms = 15000
///
/// # Sites whose organisation the DNS already made; the others become tasks.
/// [organisations]
/// msp-demo = 1042
///
/// # What the API may do (« api ») and what a person does (« manual »).
/// [capacites]
/// webhook = "api"
/// lieu = "api"
/// motif = "api"
/// agent = "api"
///
/// # Who manages the agenda of a site beside its doctors: they are invited as « admin ».
/// [cogestionnaires]
/// msp-demo = ["accueil@msp-demo.example"]
///
/// [motif]
/// nom = "Consultation de médecine générale"
/// duree_min = 20
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach RDV Service Public; its calls last at most `timeout_ms`.
    pub api: HttpSettings,
    /// The OAuth application, registered by mail with RDV Service Public.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// First refresh token. A value that was not seen before is a new consent: it replaces what
    /// is stored.
    #[serde(default)]
    pub refresh_token_initial: Option<Secret>,
    /// Authorization code of a consent just given, instead of `refresh_token_initial`.
    #[serde(default)]
    pub authorization_code: Option<Secret>,
    /// Where a consent ends, as registered with the application; `<public_url>/rdv/consentement` by
    /// default, a page that the service shows.
    #[serde(default)]
    pub redirect_uri: Option<String>,
    /// What the stored tokens are encrypted with; at least 32 characters.
    pub credential_key: Secret,
    /// What the endpoints' secrets are derived from; at least 32 characters.
    pub webhook_secret: Secret,
    /// Secrets of endpoints that were registered by hand.
    #[serde(default)]
    pub webhook_secrets: BTreeMap<LieuId, Secret>,
    /// Base of the webhooks' addresses.
    pub public_url: String,
    /// Organisation of each site on RDV Service Public, where it is known.
    #[serde(default)]
    pub organisations: BTreeMap<LieuId, i64>,
    /// What the API may do.
    #[serde(default)]
    pub capacites: Capacites,
    /// The reason for consultation created at each site.
    #[serde(default)]
    pub motif: Motif,
    /// Rights of an invited doctor: `basic` (their own agenda) or `admin` (the site's).
    #[serde(default = "niveau_acces")]
    pub niveau_acces: NiveauAcces,
    /// Operations per minute. One makes at most 4 calls as a rule, and RDV Service Public once
    /// announced 50 calls a minute (their pull request 5325): 12 by default.
    #[serde(default = "operations_par_minute")]
    pub operations_par_minute: u32,
    /// Paris time that parts morning and afternoon; 13:00 by default.
    #[serde(default = "bascule")]
    pub bascule: NaiveTime,
    /// Paris time, on the next day, at which a vacation is held; 06:00 by default.
    #[serde(default = "realisation_a")]
    pub realisation_a: NaiveTime,
    /// Paris time at which a changed planning goes out, once a day; 18:00 by default.
    #[serde(default = "planning_a")]
    pub planning_a: NaiveTime,
    /// Attach the planning as a PDF to be read or printed, beside the calendar; true by default.
    #[serde(default = "planning_imprime")]
    pub planning_imprime: bool,
    /// Days ahead for which vacations are announced; 90 by default.
    #[serde(default = "horizon_jours")]
    pub horizon_jours: u32,
    /// Days during which a past vacation is still corrected; 120 by default.
    #[serde(default = "retention_jours")]
    pub retention_jours: u32,
    /// Hours between two looks at the account that acts, 1 to 24; 4 by default. While only a person
    /// can help, it is looked at every 10 minutes.
    #[serde(default = "verification_heures")]
    pub verification_heures: u32,
    /// Paris time from which the sites are read again, one after the other over two hours; 02:00 by
    /// default.
    #[serde(default = "reconciliation_a")]
    pub reconciliation_a: NaiveTime,
    /// Days between two readings of a site; 1 by default, 30 at most.
    #[serde(default = "reconciliation_jours")]
    pub reconciliation_jours: u32,
    /// Days without a webhook of a site after which everything is asked for again, and its absence
    /// told to the DNS; 7 by default.
    #[serde(default = "silence_jours")]
    pub silence_jours: u32,
    /// Who manages the agenda of each site beside its doctors, by address.
    #[serde(default)]
    pub cogestionnaires: BTreeMap<LieuId, Vec<String>>,
    /// When an invited doctor who opened nothing is reminded, then the DNS told; after 7 and 14
    /// days, then 21, by default.
    #[serde(default)]
    pub relances: Echelle,
}

/// Who does each step of the provisioning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capacites {
    /// Registering the webhook: needs the rights of a territory's admin.
    pub webhook: Capacite,
    /// Creating the site's `lieu`.
    pub lieu: Capacite,
    /// Creating the `motif`.
    pub motif: Capacite,
    /// Inviting a doctor, or who else manages the agenda.
    pub agent: Capacite,
    /// Reading agents, absences and appointments every night; `manual` when the service agent may
    /// not.
    pub lecture: Capacite,
}

/// Who does a step. Most of these endpoints are undocumented: each can be handed to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacite {
    /// The API.
    #[default]
    Api,
    /// A person, through a task.
    Manual,
}

/// Rights of an agent in an organisation (`agent_role.rb`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NiveauAcces {
    /// Own agenda, and colleagues of the same service.
    Basic,
    /// Every agenda of the organisation.
    Admin,
}

impl NiveauAcces {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Admin => "admin",
        }
    }
}

/// The reason for consultation that patients book.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Motif {
    /// Its name.
    pub nom: String,
    /// Minutes of an appointment.
    pub duree_min: u32,
    /// The territory's service it belongs to, when the DNS has one.
    pub service_id: Option<i64>,
}

impl Default for Motif {
    fn default() -> Self {
        Self {
            nom: "Consultation de médecine générale".to_owned(),
            duree_min: 20,
            service_id: None,
        }
    }
}

impl Config {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn check(&self) -> Result<(), String> {
        let secrets =
            [("credential_key", &self.credential_key), ("webhook_secret", &self.webhook_secret)];
        for (name, secret) in secrets {
            if secret.expose().len() < SECRET_MIN {
                return Err(format!("{name} : au moins {SECRET_MIN} caractères sont nécessaires"));
            }
        }
        if !self.public_url.starts_with("https://") && !self.public_url.starts_with("http://") {
            return Err("public_url : une adresse http ou https est attendue".to_owned());
        }
        if self.authorization_code.is_some() && self.redirect_uri.is_none() {
            return Err("authorization_code : redirect_uri est nécessaire avec lui".to_owned());
        }
        let minutes = self.reconciliation_a.signed_duration_since(NaiveTime::MIN).num_minutes();
        if minutes > 20 * 60 {
            return Err("reconciliation_a : 20:00 au plus tard, les sites se suivent".to_owned());
        }
        if !(1..=30).contains(&self.reconciliation_jours) {
            return Err("reconciliation_jours : de 1 à 30".to_owned());
        }
        if !(1..=24).contains(&self.verification_heures) {
            return Err("verification_heures : de 1 à 24".to_owned());
        }
        if self.horizon_jours == 0 || self.operations_par_minute == 0 {
            return Err("horizon_jours et operations_par_minute : au moins 1".to_owned());
        }
        Ok(())
    }

    /// Where a consent ends.
    pub fn retour(&self) -> String {
        let base = self.public_url.trim_end_matches('/');
        self.redirect_uri.clone().unwrap_or_else(|| format!("{base}{RETOUR}"))
    }

    /// Where a doctor manages the slots of a site.
    pub fn url_agenda(&self, organisation: i64, agent: i64) -> String {
        let base = self.api.base_url.trim_end_matches('/');
        format!("{base}/admin/organisations/{organisation}/agent_agendas/{agent}")
    }
}

/// Path of the page where a consent ends.
pub const RETOUR: &str = "/rdv/consentement";

/// Fewest characters of a secret from which others are derived: 128 bits in hexadecimal.
const SECRET_MIN: usize = 32;

fn niveau_acces() -> NiveauAcces {
    NiveauAcces::Basic
}

fn operations_par_minute() -> u32 {
    12
}

const fn heure(heure: u32) -> NaiveTime {
    match NaiveTime::from_hms_opt(heure, 0, 0) {
        Some(time) => time,
        None => NaiveTime::MIN,
    }
}

fn bascule() -> NaiveTime {
    heure(13)
}

fn realisation_a() -> NaiveTime {
    heure(6)
}

fn planning_a() -> NaiveTime {
    heure(18)
}

fn planning_imprime() -> bool {
    true
}

fn verification_heures() -> u32 {
    4
}

fn reconciliation_a() -> NaiveTime {
    heure(2)
}

fn reconciliation_jours() -> u32 {
    1
}

fn silence_jours() -> u32 {
    7
}

fn horizon_jours() -> u32 {
    90
}

fn retention_jours() -> u32 {
    120
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The example of the documentation.
    pub(crate) fn exemple() -> Config {
        let source = include_str!("config.rs");
        let doc = source.lines().filter_map(|l| l.strip_prefix("///").map(str::trim_start));
        let toml: Vec<_> =
            doc.skip_while(|l| *l != "```toml").skip(1).take_while(|l| *l != "```").collect();
        toml::from_str(&toml.join("\n")).expect("the documented example parses")
    }

    #[test]
    fn the_documented_example_is_right() {
        let config = exemple();
        config.check().expect("valid");
        assert_eq!(config.organisations.len(), 1);
        assert_eq!(config.bascule, heure(13));
        assert_eq!(
            config.url_agenda(1042, 7),
            "https://rdv.anct.gouv.fr/admin/organisations/1042/agent_agendas/7"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_sentence() {
        let short = Config { webhook_secret: Secret::new("court"), ..exemple() };
        assert!(short.check().expect_err("short").contains("webhook_secret"));
        let code = Config { authorization_code: Some(Secret::new("x")), ..exemple() };
        assert!(code.check().expect_err("code").contains("redirect_uri"));
        for verification_heures in [0, 25] {
            let look = Config { verification_heures, ..exemple() };
            assert!(look.check().expect_err("bounds").contains("verification_heures"));
        }
        let url = Config { public_url: "relais.example".to_owned(), ..exemple() };
        assert!(url.check().is_err());
        assert!(toml::from_str::<Config>("inconnu = 1").is_err());
    }
}
