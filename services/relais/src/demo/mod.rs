//! `relais demo`: the whole programme in one process, on a virtual clock, with fictive doctors and
//! simulated agencies; exit code 0 only if everything ended as a separate model expects.

mod affichage;
mod config;
mod reseau;
mod sortie;

use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::Referentiel;
use kernel::{Clock, Secret, Tasks, VirtualDriver};
use serde::Serialize;
use simulators::{Monde, Options, modele::Attendu, registre::Comptes};

use self::{affichage::Progres, reseau::Reseau};
use crate::{cli::DemoArgs, plateforme::Plateforme, simulateurs::DEMARCHE};

/// First day of the demo, a Monday.
const DEBUT: (i32, u32, u32) = (2026, 1, 5);
/// Business time after which a run that did not end as expected is given up.
const LIMITE_JOURS: i64 = 170;

/// Why the demo could not run at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The output folder holds something else.
    #[error("{0}")]
    Dossier(String),
    /// A file could not be written.
    #[error("un fichier n'a pas pu être écrit")]
    Io(#[from] std::io::Error),
    /// A service could not start.
    #[error("un service n'a pas pu démarrer")]
    Start(#[from] service::StartError),
    /// A store could not be used.
    #[error("une base n'a pas pu être utilisée")]
    Store(#[from] store::StoreError),
    /// The transport could not be used.
    #[error("le transport n'a pas pu être utilisé")]
    Bus(#[from] bus::BusError),
}

/// What `--json` prints.
#[derive(Serialize)]
struct Resultat {
    medecins: u32,
    #[serde(flatten)]
    comptes: Comptes,
    pannes_causees: u64,
    jours: i64,
    conforme: bool,
    duree_s: f64,
}

/// How a run ended.
struct Fin {
    now: DateTime<Utc>,
    ecarts: Vec<String>,
    interrompue: bool,
}

/// Runs the demo and prints its result.
pub(crate) async fn demo(args: DemoArgs) -> Result<ExitCode, DemoError> {
    let started = Instant::now();
    sortie::preparer(&args.out)?;
    let travail = tempfile::tempdir()?;
    let debut = NaiveDate::from_ymd_opt(DEBUT.0, DEBUT.1, DEBUT.2).unwrap_or_default();
    let (clock, driver) = Clock::virtual_at(kernel::paris_at(debut, NaiveTime::MIN));
    let referentiel = Arc::new(Referentiel::demo());
    let tasks = Tasks::new();
    let options = Options {
        seed: args.seed,
        medecins: args.medecins,
        debut,
        port: 0,
        pannes: true,
        demarche: DEMARCHE,
    };
    // Nothing moves before everything is there.
    let starting = clock.busy();
    let monde = Monde::start(clock.clone(), &tasks, Arc::clone(&referentiel), options).await?;
    monde.set_journal(std::fs::File::create(args.out.join("messages.ndjson"))?);
    let reseau = Reseau::new(&args, &clock, &monde).await?;
    let plateforme = lancer(&reseau, &monde, &clock, &referentiel, travail.path()).await?;
    let progres = Progres::new(&monde.attendu());
    drop(starting);
    let fin = jouer(&driver, &clock, &monde, &progres).await;
    progres.finir();
    let releves = sortie::releves(&reseau, &referentiel).await?;
    plateforme.arreter(Duration::from_secs(10)).await;
    tasks.stop(Duration::from_secs(5)).await;
    reseau.fermer().await?;
    monde.clore_journal()?;
    sortie::ecrire(&args.out, &monde, &referentiel, &releves)?;
    let resultat = Resultat {
        medecins: args.medecins,
        comptes: monde.avec_registre(simulators::registre::Registre::comptes),
        pannes_causees: monde.pannes_causees(),
        jours: (kernel::paris_date(fin.now) - debut).num_days(),
        conforme: fin.ecarts.is_empty() && !fin.interrompue,
        duree_s: started.elapsed().as_secs_f64(),
    };
    Ok(conclure(&args, &monde, &fin, &resultat))
}

/// Starts the agencies on their transports, then the services, the first of the chain last: what it
/// publishes then finds everybody listening.
async fn lancer(
    reseau: &Reseau,
    monde: &Monde,
    clock: &Clock,
    referentiel: &Arc<Referentiel>,
    travail: &Path,
) -> Result<Plateforme, DemoError> {
    for agence in monde.agences() {
        let transport = reseau.agence(agence.clone())?;
        monde.ouvrir_agence(agence, transport).await?;
    }
    let jeton = Secret::new("operateur-de-la-demonstration");
    let atelier = config::Atelier { reseau, monde, clock, referentiel, travail, jeton: &jeton };
    let plateforme = atelier.lancer_tout().await?;
    monde.set_services(plateforme.adresses(), jeton);
    Ok(plateforme)
}

/// Moves time until everything ended as the model expects, or the limit, or Ctrl-C.
async fn jouer(driver: &VirtualDriver, clock: &Clock, monde: &Monde, progres: &Progres) -> Fin {
    let limite = clock.now() + TimeDelta::days(LIMITE_JOURS);
    let attendu = monde.attendu();
    let interrupt = service::stop_signal();
    tokio::pin!(interrupt);
    let mut jour = kernel::paris_date(clock.now());
    loop {
        let moved = tokio::select! {
            biased;
            () = &mut interrupt => None,
            moved = driver.advance(limite) => Some(moved),
        };
        let now = clock.now();
        let Some(Some(_)) = moved else {
            let ecarts = monde.avec_registre(|r| r.ecarts(&attendu));
            return Fin { now, ecarts, interrompue: moved.is_none() };
        };
        if kernel::paris_date(now) == jour {
            continue;
        }
        jour = kernel::paris_date(now);
        driver.quiet().await;
        monde.avec_registre(|r| progres.montrer(jour, r));
        if termine(monde, &attendu) {
            return Fin { now, ecarts: Vec::new(), interrompue: false };
        }
    }
}

fn termine(monde: &Monde, attendu: &Attendu) -> bool {
    monde.avec_registre(|r| r.est_complet(attendu) && r.ecarts(attendu).is_empty())
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn conclure(args: &DemoArgs, monde: &Monde, fin: &Fin, resultat: &Resultat) -> ExitCode {
    affichage::tableau(&monde.registre(), resultat.pannes_causees, resultat.jours);
    if fin.interrompue {
        eprintln!("interrompue : les documents de {} sont partiels", args.out.display());
    }
    for ecart in fin.ecarts.iter().take(40) {
        eprintln!("écart : {ecart}");
    }
    if fin.ecarts.len() > 40 {
        eprintln!("… et {} autres écarts", fin.ecarts.len() - 40);
    }
    println!("Documents : {}", args.out.display());
    if args.json {
        println!("{}", serde_json::to_string(resultat).expect("a result encodes"));
    }
    if resultat.conforme { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
