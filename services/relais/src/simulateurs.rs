//! `relais simulators`: the simulated agencies and the people alone, for services that run in
//! other processes.

use std::{
    collections::BTreeMap, fmt::Write as _, fs::File, process::ExitCode, sync::Arc, time::Duration,
};

use contracts::Referentiel;
use kernel::{Acceleration, Clock, Secret, Tasks, paris_date};
use serde::Serialize;
use simulators::{
    Courtier, Monde, Options,
    monde::{JETON_DS, ROBOT},
    registre::{Comptes, Registre},
};

use crate::{
    cli::SimulatorsArgs,
    plateforme::{noms, rang_de_rdv},
};

/// Number of the simulated démarche.
pub(crate) const DEMARCHE: u64 = 123_456;
/// Port of the first service of `relais run`.
const PORT_SERVICES: u16 = 8080;

/// Why the agencies could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimulateursError {
    /// An option is wrong.
    #[error("{0}")]
    Usage(String),
    /// A port or a file could not be had.
    #[error("un port ou un fichier n'a pas pu être utilisé")]
    Io(#[from] std::io::Error),
    /// The broker could not be used.
    #[error("le courtier n'a pas pu être utilisé")]
    Bus(#[from] bus::BusError),
}

/// What is printed at the end.
#[derive(Serialize)]
struct Bilan {
    #[serde(flatten)]
    comptes: Comptes,
    pannes_causees: u64,
    conforme: bool,
}

/// Runs until asked to stop, then prints what was seen.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) async fn simulateurs(args: SimulatorsArgs) -> Result<ExitCode, SimulateursError> {
    let acceleration = args.clock.as_deref().map(horloge).transpose()?;
    let services = adresses(&args.services)?;
    let clock = acceleration.map_or_else(Clock::system, Clock::accelerated);
    let tasks = Tasks::new();
    let options = Options {
        seed: args.seed,
        medecins: args.medecins,
        debut: paris_date(clock.now()),
        port: args.port,
        pannes: args.pannes,
        demarche: DEMARCHE,
    };
    let referentiel = Arc::new(Referentiel::demo());
    let monde = Monde::start(clock.clone(), &tasks, referentiel, options).await?;
    monde.set_services(services, Secret::new(args.operator_token.clone()));
    if let Some(path) = &args.messages {
        monde.set_journal(File::create(path)?);
    }
    let courtier = match &args.amqp {
        Some(url) => {
            let url = Secret::new(url.clone());
            Some(Courtier::ouvrir(&monde, url, &args.amqp_prefix, &clock, &tasks).await?)
        }
        None => None,
    };
    println!("{}", reglages(&args, &monde, acceleration));
    service::stop_signal().await;
    if let Some(courtier) = courtier {
        courtier.fermer().await;
    }
    tasks.stop(Duration::from_secs(5)).await;
    monde.clore_journal()?;
    let attendu = monde.attendu();
    let bilan = Bilan {
        comptes: monde.avec_registre(Registre::comptes),
        pannes_causees: monde.pannes_causees(),
        conforme: monde.avec_registre(|r| r.ecarts(&attendu).is_empty()),
    };
    println!("{}", serde_json::to_string(&bilan).expect("counts encode"));
    Ok(ExitCode::SUCCESS)
}

/// Reads `<real start>/<epoch>/<factor>`.
fn horloge(text: &str) -> Result<Acceleration, SimulateursError> {
    let wrong = || {
        SimulateursError::Usage(format!(
            "--clock {text} : attendu « <début réel RFC 3339>/<époque RFC 3339>/<facteur> »"
        ))
    };
    let parts: Vec<_> = text.split('/').collect();
    let [started_at, epoch, factor] = parts.as_slice() else { return Err(wrong()) };
    Ok(Acceleration {
        started_at: started_at.parse().map_err(|_| wrong())?,
        epoch: epoch.parse().map_err(|_| wrong())?,
        factor: factor.parse().ok().filter(|f| *f > 0).ok_or_else(wrong)?,
    })
}

/// Where each service is reached: as told, else where `relais run` puts them.
fn adresses(told: &[String]) -> Result<BTreeMap<String, String>, SimulateursError> {
    let mut services: BTreeMap<String, String> = (PORT_SERVICES..)
        .zip(noms())
        .map(|(port, name)| (name.to_owned(), format!("http://127.0.0.1:{port}")))
        .collect();
    for pair in told {
        match pair.split_once('=') {
            Some((name, url)) if services.contains_key(name) => {
                services.insert(name.to_owned(), url.trim_end_matches('/').to_owned());
            }
            Some(_) | None => {
                let text = format!("--services {pair} : attendu <service>=<url>");
                return Err(SimulateursError::Usage(text));
            }
        }
    }
    Ok(services)
}

/// The settings with which `relais run` meets these agencies.
fn reglages(args: &SimulatorsArgs, monde: &Monde, clock: Option<Acceleration>) -> String {
    let mut text = format!(
        "# Réglages de « relais run --config », depuis la racine du dépôt\n\
         listen = \"127.0.0.1:{PORT_SERVICES}\"\n\
         referentiel = \"contracts/referentiel/demo\"\n\
         operator_token = \"{}\"\n",
        args.operator_token
    );
    if args.amqp.is_some() {
        let _ = write!(
            text,
            "# amqp_url : par l'environnement, RELAIS__AMQP_URL\n\
             amqp_prefix = \"{}\"\namqp_declare = true\namqp_identity_header = true\n",
            args.amqp_prefix
        );
    }
    let rdv = usize::from(PORT_SERVICES) + rang_de_rdv();
    text.push_str(&agences(monde, &format!("http://127.0.0.1:{rdv}")));
    if let Some(clock) = clock {
        let _ = write!(
            text,
            "\n[clock]\nstarted_at = \"{}\"\nepoch = \"{}\"\nfactor = {}\n",
            clock.started_at.to_rfc3339(),
            clock.epoch.to_rfc3339(),
            clock.factor
        );
    }
    text
}

/// What the services have to know of the simulated agencies, and rdv-agenda-sync of itself.
pub(crate) fn agences(monde: &Monde, rdv: &str) -> String {
    format!(
        "\n[links]\nkey = \"cle-fictive-des-liens\"\n\n\
         [smtp]\nurl = \"{}\"\nfrom = \"relais@relais.example\"\n\n\
         [ds-intake]\ndemarche = {DEMARCHE}\njeton = \"{JETON_DS}\"\ninstructeur_id = \"{ROBOT}\"\n\
         http = {{ base_url = \"{}\" }}\n\n\
         [rpps-flux]\nbase_url = \"{}\"\ncle_pseudonymes = \"cle-fictive-des-pseudonymes\"\n\n\
         [rdv-agenda-sync]\npublic_url = \"{rdv}\"\n\
         webhook_secret = \"secret-fictif-des-webhooks-simules\"\n\
         credential_key = \"cle-fictive-des-jetons-des-agences-simulees\"\n\
         client_id = \"relais\"\nclient_secret = \"secret-fictif\"\n\
         refresh_token_initial = \"consentement-fictif\"\n\
         api = {{ base_url = \"{}\" }}\n",
        monde.url_smtp(),
        monde.url_ds(),
        monde.url_rpps(),
        monde.url_rdv(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_has_three_parts() {
        let read = horloge("2026-01-05T08:00:00Z/2026-03-01T00:00:00Z/3600").expect("a clock");
        assert_eq!(read.factor, 3_600);
        for wrong in [
            "",
            "2026-01-05T08:00:00Z/3600",
            "a/b/c",
            "2026-01-05T08:00:00Z/2026-03-01T00:00:00Z/0",
        ] {
            assert!(horloge(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn services_are_where_run_puts_them_unless_told() {
        let services = adresses(&["indemnite=http://h:1/".to_owned()]).expect("addresses");
        assert_eq!(services["ds-intake"], "http://127.0.0.1:8080");
        assert_eq!(services["indemnite"], "http://h:1");
        assert!(adresses(&["autre=http://h".to_owned()]).is_err());
    }
}
