//! `relais ds`: the settings of ds-intake beside the form of the démarche. Reads, never writes.

use std::{fmt::Write as _, process::ExitCode};

use agency::HttpError;
use contracts::Referentiel;
use ds_intake::{
    Client, Config, DsIntake,
    agency::Erreur,
    config::Champ,
    formulaire::{Gravite, examiner, proposer},
    wire::{ChampDecrit, FormulaireDs},
};
use kernel::Clock;
use service::{backends, config as configuration};

use crate::cli::{DsArgs, DsCommande};

/// Why nothing could be said of the form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DsError {
    /// The settings make no sense.
    #[error("{0}")]
    Reglages(String),
    /// 401.
    #[error("DS refuse le jeton : il a expiré ; donnez-en un autre (jeton)")]
    JetonExpire,
    /// 403.
    #[error(
        "DS refuse le jeton : il est inconnu ou révoqué, ou cette machine n’est pas dans les réseaux \
         qu’il admet"
    )]
    JetonRefuse,
    /// Anything else.
    #[error("DS n’a pas décrit la démarche")]
    Agence(#[source] Erreur),
}

impl From<Erreur> for DsError {
    fn from(erreur: Erreur) -> Self {
        match statut(&erreur) {
            Some(401) => Self::JetonExpire,
            Some(403) => Self::JetonRefuse,
            Some(_) | None => Self::Agence(erreur),
        }
    }
}

/// The HTTP status that refused the call, if one did.
fn statut(erreur: &Erreur) -> Option<u16> {
    if let Erreur::Http(HttpError::Status { status, .. }) = erreur { Some(*status) } else { None }
}

/// Runs the command.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) async fn ds(commande: DsCommande) -> Result<ExitCode, DsError> {
    match commande {
        DsCommande::Check(args) => {
            let (config, referentiel, form) = lire(&args).await?;
            let (text, sound) = examen(&config, &form, &referentiel);
            print!("{text}");
            Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        DsCommande::Schema(args) => {
            let (config, _, form) = lire(&args).await?;
            print!("{}", schema(&config, &form));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn lire(args: &DsArgs) -> Result<(Config, Referentiel, FormulaireDs), DsError> {
    let source = configuration::load(args.config.as_deref()).map_err(DsError::Reglages)?;
    let (frame, config) = configuration::parse::<DsIntake>(&source).map_err(DsError::Reglages)?;
    config.verifier().map_err(DsError::Reglages)?;
    let referentiel =
        backends::referentiel(&frame).map_err(|e| DsError::Reglages(e.to_string()))?;
    let client = Client::new(&config, Clock::system()).map_err(DsError::Reglages)?;
    let form = client.formulaire().await?;
    Ok((config, referentiel, form))
}

fn titre(config: &Config, form: &FormulaireDs) -> String {
    format!("démarche {} « {} », révision {}", config.demarche, form.titre, form.revision)
}

/// The findings, one a line, and whether the service may read the form.
fn examen(config: &Config, form: &FormulaireDs, referentiel: &Referentiel) -> (String, bool) {
    let constats = examiner(config, form, Some(referentiel));
    let mut text = format!("{}\n", titre(config, form));
    for constat in &constats {
        let gravite = match constat.gravite {
            Gravite::Erreur => "erreur",
            Gravite::Attention => "attention",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{gravite:<9}  {}", constat.texte);
    }
    let errors = constats.iter().filter(|c| c.gravite == Gravite::Erreur).count();
    let _ = match (errors, constats.len()) {
        (0, 0) => writeln!(text, "ok         les réglages conviennent au formulaire"),
        (0, n) => writeln!(text, "les réglages conviennent ; {n} point(s) à regarder"),
        (n, _) => writeln!(text, "{n} erreur(s) : ds-intake ne lira rien avant leur correction"),
    };
    (text, errors == 0)
}

/// The form as comments, and a table to complete.
fn schema(config: &Config, form: &FormulaireDs) -> String {
    let mut text = format!("# {}\n#\n# Champs du formulaire :\n", titre(config, form));
    for champ in &form.champs {
        let _ = writeln!(text, "#   {}", ligne(champ));
    }
    text.push_str("#\n# Annotations privées :\n");
    for annotation in &form.annotations {
        let _ = writeln!(text, "#   {}", ligne(annotation));
    }
    text.push_str(
        "#\n# Proposition, d’après les types et les libellés : à relire, puis « relais ds check ».\n\
         # Un champ laissé en commentaire n’est pas demandé au médecin.\n\n[ds-intake.champs]\n",
    );
    let proposed = proposer(form);
    for champ in Champ::ALL {
        match proposed.get(champ) {
            Some(id) => {
                let field = form.champs.iter().find(|c| c.id == *id);
                let label = field.map(|c| une_ligne(&c.libelle)).unwrap_or_default();
                let _ = writeln!(text, "{champ} = \"{id}\" # {label}");
            }
            None => {
                let _ = writeln!(text, "# {champ} = \"\" # {}", champ.libelle());
            }
        }
    }
    text
}

fn ligne(champ: &ChampDecrit) -> String {
    let indent = if champ.dans.is_some() { "  " } else { "" };
    let required = if champ.obligatoire { "obligatoire" } else { "facultatif" };
    let label = une_ligne(&champ.libelle);
    let mut text = format!("{indent}{}  {}  {required}  {label}", champ.id, champ.genre);
    if !champ.options.is_empty() {
        let _ = write!(text, "  ({} choix)", champ.options.len());
    }
    text
}

/// A label may hold anything: a line break would end the comment.
fn une_ligne(text: &str) -> String {
    text.split(|c: char| c.is_control()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use ds_intake::simulator::{self, Options};
    use kernel::{Secret, Tasks};

    use super::*;

    async fn decrit(adapt: impl FnOnce(&simulator::Simulateur)) -> (Config, FormulaireDs) {
        let tasks = Tasks::new();
        let sim = simulator::start(Clock::system(), &tasks, Options::default()).await;
        let sim = sim.expect("simulator");
        adapt(&sim);
        let config = sim.config();
        let client = Client::new(&config, Clock::system()).expect("client");
        let form = client.formulaire().await.expect("described");
        tasks.ask_to_stop();
        (config, form)
    }

    #[tokio::test]
    async fn check_says_whether_the_service_may_read() {
        let (config, form) = decrit(|_| {}).await;
        let (text, sound) = examen(&config, &form, &Referentiel::demo());
        assert!(sound && text.contains("démarche 123456"), "{text}");
        let (config, form) = decrit(|sim| sim.retoucher(4_100_002, None)).await;
        let (text, sound) = examen(&config, &form, &Referentiel::demo());
        assert!(!sound && text.contains("erreur     champs.rpps"), "{text}");
        assert!(text.ends_with("1 erreur(s) : ds-intake ne lira rien avant leur correction\n"));
    }

    #[tokio::test]
    async fn schema_is_a_table_that_the_settings_read() {
        let (config, mut form) = decrit(|_| {}).await;
        form.champs[1].libelle.push_str("\nmaintenant = \"x\"");
        let text = schema(&config, &form);
        let read: toml::Table = text.parse().expect("TOML");
        let champs = read["ds-intake"]["champs"]
            .clone()
            .try_into::<std::collections::BTreeMap<Champ, String>>();
        assert_eq!(champs.expect("names"), config.champs);
        assert!(text.contains("# nom = \"\" # Nom"), "{text}");
    }

    #[tokio::test]
    async fn refusals_of_the_token_are_told_apart() {
        let tasks = Tasks::new();
        let sim = simulator::start(Clock::system(), &tasks, Options::default()).await;
        let sim = sim.expect("simulator");
        let mut config = sim.config();
        config.jeton = Secret::new("jeton-suivant");
        for (status, part) in [(401, "expiré"), (403, "révoqué")] {
            sim.refuser_jeton("jeton-suivant", status);
            let client = Client::new(&config, Clock::system()).expect("client");
            let error = DsError::from(client.formulaire().await.expect_err("refused"));
            assert!(error.to_string().contains(part), "{error}");
        }
        tasks.ask_to_stop();
    }
}
