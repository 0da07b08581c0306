//! Settings: how to reach Démarches simplifiées, and where each value is in the form.

use std::collections::{BTreeMap, BTreeSet};

use agency::HttpSettings;
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::LieuId;
use kernel::Secret;
use serde::Deserialize;
use service::Limit;

use crate::agency::Cible;

mod noms;

pub use noms::{Annotation, Champ, Jalon};

/// Settings of the service.
///
/// ```toml
/// demarche = 123456
/// # A token of a technical administrateur, with write access; better given by the environment.
/// jeton = "jeton-fictif"
/// # Its last day, as DS shows it: a task asks for a new one 30 days before.
/// jeton_expire_le = "2027-03-31"
/// # The robot instructeur; it must belong to every groupe instructeur of the démarche.
/// instructeur_id = "SW5zdHJ1Y3RldXItOTAwMg=="
/// poll_interval_s = 60
/// write_back = true
/// # What the doctor is told in the thread of the dossier, besides what is to be corrected.
/// messages = ["autorisation", "agenda", "facturation", "teletransmission"]
///
/// [http]
/// base_url = "https://demarche.numerique.gouv.fr"
/// timeout_ms = 40000
///
/// [champs]
/// rpps = "Q2hhbXAtNDEwMDAwMg=="
/// telephone = "Q2hhbXAtNDEwMDAwMw=="
/// mode_exercice = "Q2hhbXAtNDEwMDAwNg=="
/// departement_exercice_principal = "Q2hhbXAtNDEwMDAwNw=="
/// lieux_souhaites = "Q2hhbXAtNDEwMDAxMA=="
///
/// [annotations]
/// avancement = "Q2hhbXAtNDIwMDAwMQ=="
///
/// [lieux]
/// "Ambert (63)" = "ambert"
///
/// # In this revision of the form, another field took the place of one of `champs`.
/// [revisions."UHJvY2VkdXJlUmV2aXNpb24tMTYyOTUz"]
/// telephone = "Q2hhbXAtNDEwMDAwNQ=="
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of the démarche.
    pub demarche: u64,
    /// Where the API is; the path `/api/v2/graphql` is added. DS itself gives up after 30 s: a
    /// longer `timeout_ms` lets its own answer arrive.
    pub http: HttpSettings,
    /// Which of the two platforms it is (`demarche-numerique`).
    #[serde(default)]
    pub plateforme: Plateforme,
    /// The API token.
    pub jeton: Secret,
    /// Another token, valid at the same time: it takes over when DS refuses the first one.
    #[serde(default)]
    pub jeton_suivant: Option<Secret>,
    /// Last day of `jeton`: DS has no API that tells it, and a token lasts a year at most.
    #[serde(default)]
    pub jeton_expire_le: Option<NaiveDate>,
    /// Days before `jeton_expire_le` at which a task asks for another one (30).
    #[serde(default = "default_jeton_alerte_jours")]
    pub jeton_alerte_jours: u32,
    /// What the address of the webhook ends with: DS does not sign it, so nobody else may know it.
    /// Without it there is no webhook.
    #[serde(default)]
    pub webhook_jeton: Option<Secret>,
    /// GraphQL id (`Instructeur-<n>` in base 64) of the robot that writes.
    pub instructeur_id: String,
    /// Time between two polls, in seconds (60).
    #[serde(default = "default_poll_interval_s")]
    pub poll_interval_s: u32,
    /// How far before the last modification seen the next poll begins, in seconds (600): a slow
    /// transaction on DS can appear behind a date that was already passed.
    #[serde(default = "default_overlap_s")]
    pub overlap_s: u32,
    /// Dossiers per page, 1 to 100 (100, the most that DS gives).
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// Hours between two complete lists (24; 0 for never): the date of modification is not a
    /// complete feed of changes.
    #[serde(default = "default_reconcile_every_h")]
    pub reconcile_every_h: u32,
    /// Modifications before this instant are not looked at (2025-01-01).
    #[serde(default = "default_since")]
    pub since: DateTime<Utc>,
    /// Changes the state of dossiers on DS (true).
    #[serde(default = "default_write_back")]
    pub write_back: bool,
    /// The only changes of state that are written, when not all of them are.
    #[serde(default)]
    pub write_back_only: Option<BTreeSet<Cible>>,
    /// What the doctor is told in the thread of the dossier, besides what is to be corrected: none
    /// by default. DS sends each message by e-mail too.
    #[serde(default)]
    pub messages: BTreeSet<Jalon>,
    /// Calls per minute over all replicas (384); DS refuses more than 400 per token.
    #[serde(default = "default_calls_per_minute")]
    pub calls_per_minute: u32,
    /// Where each value is: `champDescriptorId` of the form, by name. A field that is not listed
    /// is not asked of the doctor; the default is the form of the simulator.
    #[serde(default = "champs_par_defaut")]
    pub champs: BTreeMap<Champ, String>,
    /// Private annotations to fill, by name; their type on DS is « texte ». None by default.
    #[serde(default)]
    pub annotations: BTreeMap<Annotation, String>,
    /// Sites by the label of the form, when it is neither the site's id nor its name.
    #[serde(default)]
    pub lieux: BTreeMap<String, LieuId>,
    /// By revision of the form (its GraphQL id): fields of `champs` that have another id there.
    #[serde(default)]
    pub revisions: BTreeMap<String, BTreeMap<Champ, String>>,
}

/// The platforms that serve the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plateforme {
    /// demarche.numerique.gouv.fr, formerly demarches-simplifiees.fr.
    #[default]
    DemarcheNumerique,
    /// demat.social.gouv.fr, the fork of the social ministries: champs have no
    /// `champDescriptorId` there, and a type of their own for the RPPS.
    DematSocial,
}

fn default_jeton_alerte_jours() -> u32 {
    30
}

fn default_poll_interval_s() -> u32 {
    60
}

fn default_overlap_s() -> u32 {
    600
}

fn default_page_size() -> u32 {
    100
}

fn default_reconcile_every_h() -> u32 {
    24
}

fn default_since() -> DateTime<Utc> {
    DateTime::from_timestamp(1_735_689_600, 0).unwrap_or_default()
}

fn default_write_back() -> bool {
    true
}

fn default_calls_per_minute() -> u32 {
    384
}

impl Config {
    /// Settings with every default, for a démarche reached at `base_url`.
    pub fn new(base_url: impl Into<String>, demarche: u64, jeton: Secret, robot: &str) -> Self {
        Self {
            demarche,
            http: HttpSettings {
                base_url: base_url.into(),
                timeout_ms: 40_000,
                max_body_bytes: 8 * 1024 * 1024,
            },
            plateforme: Plateforme::default(),
            jeton,
            jeton_suivant: None,
            jeton_expire_le: None,
            jeton_alerte_jours: default_jeton_alerte_jours(),
            webhook_jeton: None,
            instructeur_id: robot.to_owned(),
            poll_interval_s: default_poll_interval_s(),
            overlap_s: default_overlap_s(),
            page_size: default_page_size(),
            reconcile_every_h: default_reconcile_every_h(),
            since: default_since(),
            write_back: default_write_back(),
            write_back_only: None,
            messages: BTreeSet::new(),
            calls_per_minute: default_calls_per_minute(),
            champs: champs_par_defaut(),
            annotations: BTreeMap::new(),
            lieux: BTreeMap::new(),
            revisions: BTreeMap::new(),
        }
    }

    /// Key of the state that polls.
    pub fn cle_demarche(&self) -> String {
        format!("demarche/{}", self.demarche)
    }

    /// Time between two polls, at least one second.
    pub fn poll_interval(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.poll_interval_s.max(1)))
    }

    /// How far a poll goes back.
    pub fn overlap(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.overlap_s))
    }

    /// The page size, within what DS accepts.
    pub fn taille_page(&self) -> u32 {
        self.page_size.clamp(1, 100)
    }

    /// The calls that DS bears, in windows so short that no minute, wherever it begins, holds more
    /// than one window above `calls_per_minute`, and the calls that an ask makes after its first one:
    /// 390 with 384, and as many as are in flight.
    pub fn limite(&self) -> Limit {
        const FENETRES_PAR_MINUTE: u32 = 60;
        let per_minute = self.calls_per_minute.max(1);
        let calls = (per_minute / FENETRES_PAR_MINUTE).max(1);
        let window = std::time::Duration::from_mins(1) * calls / per_minute;
        Limit { in_flight: 8, calls, window }
    }

    /// Where each value is in this revision of the form.
    pub fn champs_de(&self, revision: Option<&str>) -> BTreeMap<Champ, String> {
        let mut champs = self.champs.clone();
        if let Some(other) = revision.and_then(|r| self.revisions.get(r)) {
            champs.extend(other.iter().map(|(champ, id)| (*champ, id.clone())));
        }
        champs
    }

    /// Says whether Relais brings dossiers to that state on DS.
    pub fn ecrit(&self, cible: Cible) -> bool {
        self.write_back && self.write_back_only.as_ref().is_none_or(|only| only.contains(&cible))
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn verifier(&self) -> Result<(), String> {
        if !self.champs.contains_key(&Champ::Rpps)
            || !self.champs.contains_key(&Champ::LieuxSouhaites)
        {
            return Err("champs : rpps et lieux_souhaites sont indispensables".to_owned());
        }
        if self.instructeur_id.trim().is_empty() {
            return Err("instructeur_id est vide".to_owned());
        }
        if self.calls_per_minute == 0 {
            return Err("calls_per_minute vaut au moins 1".to_owned());
        }
        let mut others = self.revisions.values().flat_map(BTreeMap::keys);
        if let Some(champ) = others.find(|champ| !self.champs.contains_key(champ)) {
            return Err(format!(
                "revisions : {champ} n’est pas dans champs ; une révision change la place d’un \
                 champ, elle n’en ajoute pas"
            ));
        }
        let short = |secret: &Secret| secret.expose().len() < 16;
        if self.webhook_jeton.as_ref().is_some_and(short) {
            return Err("webhook_jeton compte au moins 16 caractères".to_owned());
        }
        Ok(())
    }
}

/// The GraphQL id of a field of the form: `Champ-<stable id>` in base 64.
pub fn champ_descriptor_id(stable_id: u64) -> String {
    BASE64_STANDARD.encode(format!("Champ-{stable_id}"))
}

/// The form of the simulator: stable ids 4100002 to 4100015.
pub fn champs_par_defaut() -> BTreeMap<Champ, String> {
    let ids = [
        (Champ::Rpps, 4_100_002),
        (Champ::Telephone, 4_100_003),
        (Champ::Courriel, 4_100_004),
        (Champ::ModeExercice, 4_100_006),
        (Champ::DepartementExercicePrincipal, 4_100_007),
        (Champ::CdomInscription, 4_100_008),
        (Champ::LieuxSouhaites, 4_100_010),
        (Champ::Creneaux, 4_100_011),
        (Champ::CreneauDate, 4_100_012),
        (Champ::CreneauDemiJournee, 4_100_013),
        (Champ::RemplacementSouhaite, 4_100_014),
    ];
    ids.into_iter().map(|(champ, id)| (champ, champ_descriptor_id(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation of [`Config`].
    fn example() -> String {
        let source = include_str!("config.rs");
        let lines = source.lines().skip_while(|l| *l != "/// ```toml").skip(1);
        let text = lines.take_while(|l| *l != "/// ```");
        text.map(|l| l.trim_start_matches("///").trim_start()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_documented_example_is_read() {
        let config: Config = toml::from_str(&example()).expect("the example parses");
        assert_eq!(config.demarche, 123_456);
        assert_eq!(config.champs[&Champ::Rpps], champ_descriptor_id(4_100_002));
        assert_eq!(config.overlap(), TimeDelta::minutes(10));
        assert_eq!(config.since.to_rfc3339(), "2025-01-01T00:00:00+00:00");
        assert_eq!(config.lieux["Ambert (63)"].as_str(), "ambert");
        assert!(config.verifier().is_ok());
        assert_eq!(config.jeton_expire_le.map(|d| d.to_string()).as_deref(), Some("2027-03-31"));
        let revision = config.revisions.keys().next().map(String::as_str);
        assert_eq!(config.champs_de(revision)[&Champ::Telephone], champ_descriptor_id(4_100_005));
        assert_eq!(config.champs_de(None), config.champs);
        assert_eq!(config.messages.len(), Jalon::ALL.len());
        assert!(!format!("{config:?}").contains("jeton-fictif"));
    }

    #[test]
    fn no_minute_holds_more_calls_than_ds_bears() {
        let mut config: Config = toml::from_str(&example()).expect("the example parses");
        for (per_minute, most) in [(384, 390), (390, 396), (350, 355), (20, 21), (7, 8)] {
            config.calls_per_minute = per_minute;
            let limit = config.limite();
            let windows = 60.0 / limit.window.as_secs_f64();
            assert!((windows * f64::from(limit.calls) - f64::from(per_minute)).abs() < 0.01);
            // A minute that begins within a window touches one more.
            assert!((windows + 1.0) * f64::from(limit.calls) < f64::from(most) + 0.01);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let good: Config = toml::from_str(&example()).expect("the example parses");
        let wrong = |adapt: fn(&mut Config)| {
            let mut config = good.clone();
            adapt(&mut config);
            config.verifier().expect_err("refused")
        };
        assert!(wrong(|c| c.calls_per_minute = 0).contains("calls_per_minute"));
        assert!(wrong(|c| c.webhook_jeton = Some(Secret::new("court"))).contains("16"));
        let unknown = wrong(|c| {
            let ids = BTreeMap::from([(Champ::Nom, "x".to_owned())]);
            c.revisions = BTreeMap::from([("r".to_owned(), ids)]);
        });
        assert!(unknown.contains("nom n’est pas dans champs"), "{unknown}");
    }

    #[test]
    fn changes_of_state_are_chosen_one_by_one() {
        let text = format!("write_back_only = [\"accepte\"]\n{}", example());
        let mut config: Config = toml::from_str(&text).expect("parses");
        assert!(config.ecrit(Cible::Accepte) && !config.ecrit(Cible::Refuse));
        config.write_back = false;
        assert!(!config.ecrit(Cible::Accepte));
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let text = example().replace("avancement =", "avancment =");
        let error = toml::from_str::<Config>(&text).expect_err("unknown annotation").to_string();
        assert!(error.contains("avancment") && error.contains("facturation"), "{error}");
        assert!(toml::from_str::<Config>(&format!("inconnu = 1\n{}", example())).is_err());
    }
}
