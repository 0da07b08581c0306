//! The front door, as a process: what the doctor receives when the service dies between the send
//! and the commit, how fast it imports a démarche, and 2,000 dossiers with faults.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use agency::faults::FaultKind;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::Referentiel;
use ds_intake::simulator::{self as ds, Etat, Evenement};
use e2e::{Porte, depot, reglages_ds};
use harness::{attendre, variable};
use kernel::{Acceleration, Clock, Draw, Tasks, paris_at};
use simulators::{Monde, Options, population::Profil};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

fn jour(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// Time that runs faster from now on.
fn acceleration(epoch: DateTime<Utc>, factor: u32) -> Acceleration {
    Acceleration { started_at: Clock::system().now(), epoch, factor }
}

/// How much faster than real time the import lives.
const FACTEUR: u32 = 2;

/// Calls a minute of the import's clock.
fn debit(calls: u64, elapsed: Duration) -> u64 {
    calls * 60_000
        / u64::from(FACTEUR)
        / u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1)
}

async fn ecouter(clock: &Clock, tasks: &Tasks) -> ds::Simulateur {
    ds::start(clock.clone(), tasks, ds::Options::default()).await.expect("a simulator")
}

const DEMO: &str =
    concat!("referentiel = \"", env!("CARGO_MANIFEST_DIR"), "/../../contracts/referentiel/demo\"");

/// DS has sent the mail, or changed the state, and the service dies before it hears of it: once it
/// is back, everything is done, and the doctor received one mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_send_and_the_commit_the_doctor_hears_once() {
    let clock = acceleration(paris_at(jour("2026-03-02"), chrono::NaiveTime::MIN), 60);
    let (tasks, time) = (Tasks::new(), Clock::accelerated(clock));
    let sim = ecouter(&time, &tasks).await;
    let tables =
        reglages_ds(&sim.config(), "poll_interval_s = 30\nwebhook_jeton = \"jeton-du-webhook\"");
    let mut porte = Porte::preparer(&["ds-intake"], Some(clock), DEMO, &tables);
    // The first message and the first change of state each stop DS before its answer, until the
    // process is dead.
    let (told, hear) = mpsc::channel::<()>();
    let (dead, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let kills = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&kills);
    sim.set_hook(move |event| {
        let kind = match event {
            Evenement::MessageAuDossier { .. } => "message",
            Evenement::EtatChange { .. } => "etat",
        };
        if seen.lock().unwrap_or_else(PoisonError::into_inner).insert(kind) {
            told.send(()).expect("the test listens");
            let wait = wait.lock().unwrap_or_else(PoisonError::into_inner);
            wait.recv_timeout(PATIENCE).expect("the process is killed");
        }
    });
    porte.lancer().await;
    let today = time.now().date_naive();
    sim.deposer(depot(1, "12", today));
    sim.deposer(depot(2, "06 00 00 00 00", today));
    for _ in 0..2 {
        let heard = tokio::task::block_in_place(|| hear.recv_timeout(PATIENCE));
        assert!(heard.is_ok(), "nothing was sent\n{}", porte.journal());
        porte.tuer();
        dead.send(()).expect("DS waits");
        porte.lancer().await;
    }
    // What was in flight is taken up again once its lease has run out.
    let started = Instant::now();
    loop {
        let pending = porte.appels_en_attente().await;
        let done = pending.is_some_and(|n| n < 1.0) && sim.etat(2) == Some(Etat::EnInstruction);
        if done && sim.nombre_messages(1) > 0 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{pending:?} asks wait\n{}", porte.journal());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((sim.nombre_messages(1), sim.nombre_courriels(1)), (1, 1), "one mail");
    assert_eq!(sim.nombre_courriels(2), 0, "a verification begins silently");
    assert_eq!(kills.lock().unwrap_or_else(PoisonError::into_inner).len(), 2, "both were killed");
    // A webhook with the right token wakes the poll up; with another one it is none.
    let body = "procedure_id=123456&dossier_id=1&state=en_construction&updated_at=x";
    assert_eq!(porte.poster("/hooks/ds/jeton-du-webhook", body).await, Some(204));
    assert_eq!(porte.poster("/hooks/ds/un-autre-jeton", body).await, Some(404));
    assert_eq!(porte.poster("/hooks/ds/jeton-du-webhook", "procedure_id=1").await, Some(400));
    // The corrected dossier resumes by itself.
    assert!(sim.redeposer(1, Some(depot(1, "06 00 00 00 00", today).champs)));
    let resumed = attendre(PATIENCE, || sim.etat(1) == Some(Etat::EnInstruction)).await;
    assert!(resumed, "{}", porte.journal());
    assert_eq!(sim.nombre_courriels(1), 1);
    tasks.ask_to_stop();
}

/// A first full import: at least 95 % of what DS allows, never one call too many, resumed after a
/// kill, in constant memory. `DOSSIERS=20000` is the whole of it. A few seconds beside other tests
/// only show that the rate does not collapse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_import_keeps_to_the_rate_and_goes_on_after_a_kill() {
    let asked: Option<u64> = variable("DOSSIERS").and_then(|n| n.parse().ok());
    let (dossiers, percent) = asked.map_or((200, 70), |n| (n, 95));
    // DS allows 400; scaled up, as far as a debug build with eight calls in flight goes.
    let par_minute: u32 = if dossiers > 5_000 { 5_000 } else { 1_500 };
    // An accelerated clock has short leases: what a killed process held is free again after seconds.
    let clock = acceleration(Clock::system().now(), FACTEUR);
    let (tasks, time) = (Tasks::new(), Clock::accelerated(clock));
    let sim = ecouter(&time, &tasks).await;
    sim.limiter_debit(par_minute);
    let today = time.now().date_naive();
    for numero in 1..=dossiers {
        sim.deposer(depot(numero, "06 00 00 00 00", today));
    }
    let calls = u64::from(par_minute) * 390 / 400;
    let plus = format!("calls_per_minute = {calls}\npoll_interval_s = 5");
    let tables = reglages_ds(&sim.config(), &plus);
    let mut porte = Porte::preparer(&["ds-intake"], Some(clock), DEMO, &tables);
    let read = |sim: &ds::Simulateur| {
        (1..=dossiers).filter(|n| sim.etat(*n) == Some(Etat::EnInstruction)).count() as u64
    };
    porte.lancer().await;
    let (from, before) = (Instant::now(), sim.appels());
    assert!(attendre(PATIENCE * 10, || sim.appels() - before > dossiers / 2).await, "too slow");
    let early = porte.memoire_kib();
    let first = debit(sim.appels() - before, from.elapsed());
    porte.tuer();
    porte.lancer().await;
    let (from, before) = (Instant::now(), sim.appels());
    assert!(attendre(PATIENCE * 10, || sim.appels() - before > dossiers).await, "too slow");
    let second = debit(sim.appels() - before, from.elapsed());
    let late = porte.memoire_kib();
    let done = attendre(PATIENCE * 10, || read(&sim) == dossiers).await;
    assert!(done, "{} of {dossiers}\n{}", read(&sim), porte.journal());
    eprintln!("{first} then {second} calls/min of {par_minute}; {early} then {late} KiB");
    let least = u64::from(par_minute) * percent / 100;
    assert!(second >= least, "{second} of {par_minute} calls a minute");
    assert_eq!(sim.de_trop(), 0, "DS never had to refuse");
    assert!(late < early + 20_000, "memory grows: {early} then {late} KiB");
    // A reading, a change of state, and the reading of that change; what the kill interrupted; the
    // polls.
    let most = dossiers * 3 + dossiers / 50 + 300;
    assert!(sim.appels() < most, "{} calls: what was read is read again", sim.appels());
    tasks.ask_to_stop();
}

/// The demo's register, where each CDOM reads its mail: an embedded run has no queue for it.
fn registre(porte: &Porte) {
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/referentiel/demo");
    let folder = porte.chemin("referentiel");
    fs::create_dir_all(&folder).expect("a folder");
    for name in ["lieux.csv", "cpam.csv", "cdom.csv"] {
        let text = fs::read_to_string(format!("{from}/{name}")).expect("the register");
        let text = if name == "cdom.csv" { text.replace(",file,", ",courriel,") } else { text };
        fs::write(folder.join(name), text).expect("a file");
    }
}

/// What DS must show in the end, and how many mails it may have sent to the doctor.
fn attendu(profil: Profil) -> (&'static [Option<Etat>], usize) {
    const ACCEPTE: &[Option<Etat>] = &[Some(Etat::Accepte)];
    const REFUSE: &[Option<Etat>] = &[Some(Etat::Refuse)];
    match profil {
        // No rpps-flux here: nobody tells the doctor that a number is unknown.
        Profil::Normal | Profil::RppsInconnuCorrige => (ACCEPTE, 1),
        Profil::RppsInconnuAbandon | Profil::Refus => (REFUSE, 1),
        Profil::RppsFauxCorrige | Profil::Complement => (ACCEPTE, 2),
        Profil::RppsFauxAbandon => (&[Some(Etat::EnConstruction)], 1),
        Profil::Retrait => (&[None], 1),
    }
}

/// `relais run --services ds-intake,ordinal-adapter` against the simulated world with faults at
/// 10 %: every dossier ends as it must, and nobody receives anything twice. `DOSSIERS=2000` is the
/// whole of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_faults_nothing_is_missed_and_nothing_is_sent_twice() {
    let medecins: u32 = variable("DOSSIERS").and_then(|n| n.parse().ok()).unwrap_or(40);
    let debut = jour("2026-03-02");
    // Slow enough for a debug build to keep up: the leases of an accelerated clock last five real
    // seconds, and more calls due at once than a third of that allows would be put back for ever.
    let facteur = match medecins {
        0..=100 => 40_000,
        101..=500 => 7_200,
        _ => 1_800,
    };
    let before = TimeDelta::seconds(10) * i32::try_from(facteur).expect("a factor");
    let clock = acceleration(paris_at(debut, chrono::NaiveTime::MIN) - before, facteur);
    let (tasks, time) = (Tasks::new(), Clock::accelerated(clock));
    let options = Options { seed: 7, medecins, debut, port: 0, pannes: false, demarche: 123_456 };
    let register = Arc::new(Referentiel::demo());
    let monde = Monde::start(time.clone(), &tasks, register, options).await.expect("a world");
    monde.ds().faults().set(|call, n| {
        let draw = Draw::of(7, &["ds", call, &n.to_string()]).below(1_000);
        match draw {
            0..35 => Some(FaultKind::Status(502)),
            35..60 => Some(FaultKind::TooMany(30)),
            60..80 => Some(FaultKind::Down),
            80..97 => Some(FaultKind::Wrong),
            // Done, and the answer comes too late: it must not be done again.
            97..100 => Some(FaultKind::Slow(Duration::from_millis(2_400))),
            _ => None,
        }
    });
    monde.smtp().faults().set(|call, n| {
        let draw = Draw::of(7, &["smtp", call, &n.to_string()]);
        draw.percent(10).then_some(FaultKind::Status(451))
    });
    let ds = monde.ds().config();
    let smtp = monde.url_smtp();
    let tables = format!(
        "[links]\nkey = \"cle-fictive-des-liens\"\n\n\
         [smtp]\nurl = \"{smtp}\"\nfrom = \"relais@relais.example\"\n\n{}",
        reglages_ds(&ds, "poll_interval_s = 900")
    );
    let mut porte = Porte::preparer(
        &["ds-intake", "ordinal-adapter"],
        Some(clock),
        "referentiel = \"REGISTRE\"",
        &tables,
    );
    registre(&porte);
    let config = fs::read_to_string(porte.chemin("relais.toml")).expect("the settings");
    let folder = porte.chemin("referentiel").display().to_string();
    fs::write(porte.chemin("relais.toml"), config.replace("REGISTRE", &folder)).expect("a file");
    porte.lancer().await;

    let dossiers: Vec<_> = monde
        .population()
        .iter()
        .flat_map(|p| &p.dossiers)
        .map(|d| (d.numero.0, attendu(d.profil), d.depose_le))
        .collect();
    let last = dossiers.iter().map(|(_, _, at)| *at).max().expect("dossiers");
    let wrong = || -> Vec<_> {
        let ended = |(n, (states, _), _): &&(u64, (&[Option<Etat>], usize), _)| {
            !states.contains(&monde.ds().etat(*n)) || monde.ds().nombre_courriels(*n) == 0
        };
        dossiers.iter().filter(ended).map(|(n, _, _)| (*n, monde.ds().etat(*n))).collect()
    };
    let patience = PATIENCE * 3 + Duration::from_secs(u64::from(medecins));
    let complete = attendre(patience, || time.now() > last && wrong().is_empty()).await;
    assert!(complete, "missed: {:?}\n{}", wrong(), porte.journal());
    let mails: Vec<_> = dossiers
        .iter()
        .filter(|(n, (_, most), _)| monde.ds().nombre_courriels(*n) > *most)
        .map(|(n, (_, most), _)| (*n, monde.ds().nombre_courriels(*n), *most))
        .collect();
    assert!(mails.is_empty(), "(dossier, mails, most): {mails:?}");
    let count = monde.smtp().compte();
    assert_eq!(count.recus, count.distincts, "a mail came twice");
    let caused = monde.pannes_causees();
    let calls = monde.ds().appels() + count.recus;
    eprintln!("{} dossiers, {calls} calls, {caused} faults, {} mails", dossiers.len(), count.recus);
    assert!(caused * 100 > calls * 5, "{caused} faults of {calls} calls");
    tasks.ask_to_stop();
}
