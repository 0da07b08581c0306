//! Six services as separate processes over RabbitMQ and PostgreSQL; one is killed with SIGKILL in
//! the middle of its work and restarted. Nothing is lost, nothing is done twice, and everything
//! that does not depend on timing is as in the embedded demo.

use std::{panic::AssertUnwindSafe, path::Path, process::Stdio, time::Duration};

use chrono::NaiveDate;
use e2e::{Banc, Scenario, doubles, par_type};
use futures_util::FutureExt;
use harness::{Serveurs, binaire, variable};
use kernel::Draw;
use serde_json::Value;
use simulators::{
    modele::Fin,
    registre::{Comptes, Registre},
};
use tokio::process::{Child, Command};

/// Business seconds per real second: a day lasts 2 s.
const FACTEUR: u32 = 43_200;
/// The end comes after some 65 business days, that is 130 s; this is for a machine that is late.
const PATIENCE: Duration = Duration::from_mins(7);
/// Doctors, and the seed of who they are: every end of a dossier is among them, and a withdrawal
/// after some vacations, a second site, missing bank details.
const MEDECINS: u32 = 12;
const POPULATION: u64 = 349;

/// A service to kill, and how far the programme is then.
type Victime = (&'static str, fn(&Comptes) -> usize, usize);

/// Each is killed in the middle of its own work.
const VICTIMES: [Victime; 4] = [
    ("ds-intake", |c| c.candidatures_deposees, 6),
    ("ordinal-adapter", |c| c.activites_autorisees, 4),
    ("cpam-cps", |c| c.numeros_am, 5),
    ("indemnite", |c| c.vacations_realisees, 12),
];

/// Counts that do not depend on when things happen.
const SANS_HORLOGE: [&str; 9] = [
    "candidatures_deposees",
    "candidatures_incompletes",
    "candidatures_refusees",
    "candidatures_retirees",
    "activites_autorisees",
    "numeros_am",
    "agendas_ouverts",
    "vacations_realisees",
    "indemnites_centimes",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_killed_in_the_middle_loses_nothing_and_repeats_nothing() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let out = tempfile::tempdir().expect("a folder");
    let demo = demo(out.path());
    let scenario = Scenario {
        seed: POPULATION,
        medecins: MEDECINS,
        facteur: FACTEUR,
        debut: NaiveDate::from_ymd_opt(2026, 1, 5).expect("the demo's first day"),
    };
    // Each run tells another story, and says which.
    let graine = variable("E2E_SEED")
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    let victime = *Draw::of(graine, &["victime"]).pick(&VICTIMES);
    eprintln!("E2E_SEED={graine}: {} will be killed", victime.0);
    let mut banc = Banc::monter(serveurs, scenario).await;
    let outcome = AssertUnwindSafe(jouer(&mut banc, victime, demo)).catch_unwind().await;
    if outcome.is_err() {
        eprintln!("E2E_SEED={graine}, {} was killed\n{}", victime.0, banc.journaux());
    }
    banc.demonter().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn jouer(banc: &mut Banc, (service, compte, seuil): Victime, demo: Child) {
    banc.attendre("the middle", PATIENCE, |r| compte(&r.comptes()) >= seuil).await;
    banc.tuer(service);
    banc.lancer(service).await;

    let attendu = banc.monde.attendu();
    for fin in [Fin::Incomplete, Fin::Refusee, Fin::Retiree, Fin::Autorisee] {
        assert!(attendu.compte(fin) > 0, "{fin:?} is missing from the population");
    }
    let complete = |r: &Registre| r.est_complet(&attendu) && r.ecarts(&attendu).is_empty();
    banc.attendre("the end", PATIENCE, complete).await;
    banc.terminer().await;

    let registre = banc.monde.registre();
    assert_eq!(registre.ecarts(&attendu), Vec::<String>::new(), "still so once all have stopped");
    let messages = banc.messages();
    eprintln!("{:?}", par_type(&messages));
    assert_eq!(doubles(&messages, &registre), Vec::<String>::new());
    for dossier in attendu.dossiers.keys() {
        let mut texts: Vec<_> =
            banc.monde.ds().messages(dossier.0).into_iter().map(|m| m.corps).collect();
        let sent = texts.len();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), sent, "a doctor is told the same twice about {dossier}");
    }
    let demo = resultat(demo).await;
    let comptes = serde_json::to_value(registre.comptes()).expect("counts encode");
    for name in SANS_HORLOGE {
        assert_eq!(comptes[name], demo[name], "{name}, compared with the embedded demo");
    }
    eprintln!("{comptes}");
}

/// Starts the embedded demo with the same people.
fn demo(out: &Path) -> Child {
    let (seed, medecins) = (POPULATION.to_string(), MEDECINS.to_string());
    Command::new(binaire("relais"))
        .args(["demo", "--json", "--seed", &seed, "--medecins", &medecins, "--out"])
        .arg(out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the demo starts")
}

/// The last line of the demo.
async fn resultat(demo: Child) -> Value {
    let output = demo.wait_with_output().await.expect("the demo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed:\n{errors}");
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).expect("the demo's last line is its result")
}
