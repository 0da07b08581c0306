//! Settings of the service.

use std::path::PathBuf;

use chrono::NaiveTime;
use kernel::Secret;
use serde::Deserialize;

use crate::wire::Extrait;

/// Settings of rpps-flux, table `[rpps-flux]` of the configuration.
///
/// ```toml
/// [rpps-flux]
/// # where the extracts are: a base URL, or else a folder in which they are dropped
/// base_url = "https://annuaire.example/extractions"
/// # repertoire = "/var/lib/relais/rpps"
/// # key of the pseudonyms in the subjects of carte-cps.constatee; never changes
/// cle_pseudonymes = "change-moi"
/// # paths under base_url, of a text or of a zip; the same archive may hold several extracts
/// chemin_activites = "/PS_LibreAcces_Personne_activite.txt"
/// chemin_cartes = "/porteurs-cps-cpf.txt"
/// # reads PS_LibreAcces_SavoirFaire too: where the activities come without these columns
/// savoir_faire = false
/// chemin_savoir_faire = "/PS_LibreAcces_SavoirFaire.txt"
/// heure_extraction = "06:30"
/// reessai_s = 7200
/// ecart_max_pour_cent = 20
/// ecart_lignes_min = 1000
/// illisibles_max_pour_mille = 1
/// relecture_jours = 15
/// constat_attendu_jours = 10
/// timeout_ms = 30000
/// taille_max_octets = 4294967296
///
/// # the API of the Annuaire Santé, besides the extracts: sooner, for who is followed
/// # [rpps-flux.fhir]
/// # base_url = "https://gateway.api.esante.gouv.fr/fhir/v2"
/// # cle = "change-moi"
/// # delta_minutes = 60
/// # page = 200
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the extracts are served, without a trailing slash; excludes `repertoire`.
    pub base_url: Option<String>,
    /// Folder in which the extracts are dropped; the newest stamp is read. Excludes `base_url`.
    pub repertoire: Option<PathBuf>,
    /// Key of the doctors' pseudonyms in message subjects. Changing it breaks the continuity of
    /// `carte/…` subjects.
    pub cle_pseudonymes: Secret,
    /// Path of the activities under `base_url`.
    #[serde(default = "chemin_activites")]
    pub chemin_activites: String,
    /// Path of the cards under `base_url`.
    #[serde(default = "chemin_cartes")]
    pub chemin_cartes: String,
    /// Reads the extract of specialities too.
    #[serde(default)]
    pub savoir_faire: bool,
    /// Path of the specialities under `base_url`.
    #[serde(default = "chemin_savoir_faire")]
    pub chemin_savoir_faire: String,
    /// Time in Paris at which the day's extracts are read.
    #[serde(default = "heure_extraction")]
    pub heure_extraction: NaiveTime,
    /// Business seconds before a file that is late, or came truncated, is read again.
    #[serde(default = "reessai_s")]
    pub reessai_s: u32,
    /// Share of rows, in percent of the previous extract, that may differ (rows added, removed or
    /// modified); beyond it the extract is refused. 20 % is what the ANS's own loader
    /// (psc-rass-loader) uses in its qualification set.
    #[serde(default = "ecart_max_pour_cent")]
    pub ecart_max_pour_cent: u8,
    /// Rows that the previous extract must have for that share to be judged.
    #[serde(default = "ecart_lignes_min")]
    pub ecart_lignes_min: u64,
    /// Rows with a wrong number of columns, per thousand, that are skipped without refusing all.
    #[serde(default = "illisibles_max_pour_mille")]
    pub illisibles_max_pour_mille: u64,
    /// Days after which a doctor with an open engagement is looked up again even if no change was
    /// seen: covers a local view that was lost.
    #[serde(default = "relecture_jours")]
    pub relecture_jours: u16,
    /// Days after which an authorised activity that the RPPS does not show becomes a task for the
    /// DNS.
    #[serde(default = "constat_attendu_jours")]
    pub constat_attendu_jours: u16,
    /// Longest silence of the source, connection included, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// Largest extract accepted, in bytes, once it is text.
    #[serde(default = "taille_max_octets")]
    pub taille_max_octets: u64,
    /// The API of the Annuaire Santé; without it only the extracts are read.
    #[serde(default)]
    pub fhir: Option<Fhir>,
}

/// How the API of the Annuaire Santé is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fhir {
    /// Base URL, version included.
    pub base_url: String,
    /// Key of the application, from the portal of the ANS.
    pub cle: Secret,
    /// Business minutes between two readings of what changed.
    #[serde(default = "delta_minutes")]
    pub delta_minutes: u32,
    /// People on a page.
    #[serde(default = "page")]
    pub page: u16,
}

fn delta_minutes() -> u32 {
    60
}

fn page() -> u16 {
    200
}

fn chemin_activites() -> String {
    "/PS_LibreAcces_Personne_activite.txt".to_owned()
}

fn chemin_cartes() -> String {
    "/porteurs-cps-cpf.txt".to_owned()
}

fn chemin_savoir_faire() -> String {
    "/PS_LibreAcces_SavoirFaire.txt".to_owned()
}

fn heure_extraction() -> NaiveTime {
    NaiveTime::from_hms_opt(6, 30, 0).unwrap_or_default()
}

fn reessai_s() -> u32 {
    7_200
}

fn ecart_max_pour_cent() -> u8 {
    20
}

fn ecart_lignes_min() -> u64 {
    1_000
}

fn illisibles_max_pour_mille() -> u64 {
    1
}

fn relecture_jours() -> u16 {
    15
}

fn constat_attendu_jours() -> u16 {
    10
}

fn timeout_ms() -> u64 {
    30_000
}

fn taille_max_octets() -> u64 {
    4 * 1024 * 1024 * 1024
}

impl Config {
    /// The extracts that are read, in the order in which they are integrated.
    pub fn extraits(&self) -> impl Iterator<Item = Extrait> + use<'_> {
        let read = |extrait: &Extrait| match extrait {
            Extrait::Activites | Extrait::Cartes => true,
            Extrait::SavoirFaire => self.savoir_faire,
        };
        Extrait::TOUS.into_iter().filter(read)
    }

    /// Path of an extract under `base_url`.
    pub fn chemin(&self, extrait: Extrait) -> &str {
        match extrait {
            Extrait::Activites => &self.chemin_activites,
            Extrait::SavoirFaire => &self.chemin_savoir_faire,
            Extrait::Cartes => &self.chemin_cartes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation_is_the_default() {
        let comment = include_str!("config.rs").lines().filter_map(|l| l.strip_prefix("/// "));
        let example: Vec<&str> = comment
            .skip_while(|l| !l.starts_with("```toml"))
            .skip(1)
            .take_while(|l| !l.starts_with("```"))
            .collect();
        let table: toml::Table = example.join("\n").parse().expect("valid TOML");
        let read: Config = table["rpps-flux"].clone().try_into().expect("valid settings");
        let minimal =
            "base_url = \"https://annuaire.example/extractions\"\ncle_pseudonymes = \"x\"";
        let default: Config = toml::from_str(minimal).expect("valid settings");
        assert_eq!(format!("{read:?}"), format!("{default:?}"));
        assert!(toml::from_str::<Config>("base = 1\ncle_pseudonymes = \"x\"").is_err());
    }
}
