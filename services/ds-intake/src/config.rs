//! Settings: how to reach Démarches simplifiées, and where each value is in the form.

use std::{collections::BTreeMap, fmt, str::FromStr};

use agency::HttpSettings;
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::LieuId;
use kernel::Secret;
use serde::{Deserialize, Serialize};

/// Settings of the service.
///
/// ```toml
/// demarche = 123456
/// # A token of a technical administrateur, with write access; better given by the environment.
/// jeton = "jeton-fictif"
/// # The robot instructeur; it must belong to every groupe instructeur of the démarche.
/// instructeur_id = "SW5zdHJ1Y3RldXItOTAwMg=="
/// poll_interval_s = 60
/// write_back = true
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
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of the démarche.
    pub demarche: u64,
    /// Where the API is; the path `/api/v2/graphql` is added. DS itself gives up after 30 s: a
    /// longer `timeout_ms` lets its own answer arrive.
    pub http: HttpSettings,
    /// The API token.
    pub jeton: Secret,
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
    /// Calls per minute over all replicas (350); DS refuses more than 400 per token.
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
    350
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
            jeton,
            instructeur_id: robot.to_owned(),
            poll_interval_s: default_poll_interval_s(),
            overlap_s: default_overlap_s(),
            page_size: default_page_size(),
            reconcile_every_h: default_reconcile_every_h(),
            since: default_since(),
            write_back: default_write_back(),
            calls_per_minute: default_calls_per_minute(),
            champs: champs_par_defaut(),
            annotations: BTreeMap::new(),
            lieux: BTreeMap::new(),
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
        Ok(())
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident($quoi:literal) { $($(#[$vdoc:meta])* $variant:ident = $text:literal, $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in settings and messages.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// What people read.
            pub fn libelle(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|n| n.as_str() == text);
                found.copied().ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|n| n.as_str()).collect();
                    format!(concat!($quoi, " inconnu : « {} » (connus : {})"), text, known.join(", "))
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// A value that the form gives.
    Champ("champ") {
        /// RPPS number, text.
        Rpps = "rpps", "Numéro RPPS";
        /// Civility; from the demandeur unless mapped.
        Civilite = "civilite", "Civilité";
        /// Family name; from the demandeur unless mapped.
        Nom = "nom", "Nom";
        /// First name; from the demandeur unless mapped.
        Prenom = "prenom", "Prénom";
        /// E-mail; from the demandeur or the usager unless mapped.
        Courriel = "courriel", "Adresse électronique";
        /// Phone number.
        Telephone = "telephone", "Téléphone";
        /// How the doctor practises: a list.
        ModeExercice = "mode_exercice", "Mode d’exercice";
        /// Département of the main practice.
        DepartementExercicePrincipal = "departement_exercice_principal",
            "Département d’exercice principal";
        /// CDOM of registration; the main practice's département unless mapped.
        CdomInscription = "cdom_inscription", "Conseil départemental d’inscription à l’Ordre";
        /// The sites: a list with several choices, or a repetition.
        LieuxSouhaites = "lieux_souhaites", "Lieux souhaités";
        /// The half-days: a repetition of the next two, or a text with one a line.
        Creneaux = "creneaux", "Créneaux souhaités";
        /// In the repetition: the day.
        CreneauDate = "creneau_date", "Date du créneau";
        /// In the repetition: the half-day.
        CreneauDemiJournee = "creneau_demi_journee", "Demi-journée du créneau";
        /// Wants to be replaced meanwhile: yes or no.
        RemplacementSouhaite = "remplacement_souhaite", "Remplacement souhaité";
    }
}

names! {
    /// A private annotation that Relais can fill.
    Annotation("annotation") {
        /// Where the application stands.
        Avancement = "avancement", "Avancement";
        /// What the RPPS says.
        Identite = "identite", "Identité RPPS";
        /// Whether the doctor can bill.
        Facturation = "facturation", "Facturation";
        /// Whether the agenda is open.
        Agenda = "agenda", "Agenda";
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
        assert!(!format!("{config:?}").contains("jeton-fictif"));
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let text = example().replace("avancement =", "avancment =");
        let error = toml::from_str::<Config>(&text).expect_err("unknown annotation").to_string();
        assert!(error.contains("avancment") && error.contains("facturation"), "{error}");
        assert!(toml::from_str::<Config>(&format!("inconnu = 1\n{}", example())).is_err());
    }
}
