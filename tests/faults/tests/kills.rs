//! The service killed at every await between receive, commit, publish, confirm, delete and
//! acknowledge, and at random moments under load: nothing is lost, nothing is done twice.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use bus::{QueueSpec, Transport};
use chrono::TimeDelta;
use contracts::Agence;
use faults::{Banc, Entree, Genre, PATIENCE, melange, mourir};
use futures_util::{StreamExt, stream};
use harness::{Processus, Serveurs, attendre, variable};
use kernel::{Clock, Draw, FAILPOINTS};

/// Points tried at the same time: most of a run is waiting.
const ENSEMBLE: usize = 6;
/// How much later a killed process comes back: every lease has run out.
const PLUS_TARD: TimeDelta = TimeDelta::minutes(10);
/// Kills at random moments in a normal run; `KILLS` asks for more.
const KILLS: u64 = 20;

/// Inputs without their effect, under load.
const EN_COURS: usize = 600;

fn victime() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_victime"))
}

fn arme(point: &str, passage: u64) -> [(&'static str, String); 1] {
    [("RELAIS_FAILPOINT", format!("{point}@{passage}"))]
}

/// `PASSAGES=n` kills at the n-th passage instead of the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_await_it_loses_nothing_and_repeats_nothing() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let passage = variable("PASSAGES").and_then(|n| n.parse().ok()).unwrap_or(1);
    let only = variable("POINT");
    let points = FAILPOINTS.iter().filter(|p| only.as_ref().is_none_or(|only| only == *p));
    let runs =
        stream::iter(
            points.map(|point| {
                let serveurs = serveurs.clone();
                async move {
                    un_point(&serveurs, point, passage).await.map_err(|e| format!("{point}: {e}"))
                }
            }),
        );
    let results: Vec<_> = runs.buffer_unordered(ENSEMBLE).collect().await;
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

async fn un_point(serveurs: &Serveurs, point: &str, passage: u64) -> Result<(), String> {
    let banc = Banc::monter(serveurs, "point").await;
    let result = vies(&banc, point, passage).await;
    banc.demonter().await;
    result
}

/// One life that ends at the point, one that puts everything right.
async fn vies(banc: &Banc, point: &str, passage: u64) -> Result<(), String> {
    banc.publier(&melange("a", 12)).await;
    if point.starts_with("return-") {
        return vies_sans_file(banc, point, passage).await;
    }
    let mut killed = banc.enfant(victime(), &arme(point, passage));
    mourir(&mut killed, point, PATIENCE).await?;
    banc.avancer(PLUS_TARD);
    let mut next = banc.enfant(victime(), &[]);
    banc.publier(&melange("b", 12)).await;
    verifier(banc, &mut next).await
}

/// The same with a request whose queue does not exist at first: it comes back, is kept, and goes
/// out once.
async fn vies_sans_file(banc: &Banc, point: &str, passage: u64) -> Result<(), String> {
    let agence: Agence = "cpam.631".parse().expect("an agency");
    let file = QueueSpec::agence(&agence);
    banc.publier(&[Entree::new("requete", 9, format!("requete:{agence}"))]).await;
    let kept_first = point == "return-kept";
    let mut first =
        banc.enfant(victime(), &if kept_first { arme(point, passage) } else { arme("", 0) });
    if kept_first {
        mourir(&mut first, point, PATIENCE).await?;
    } else if !sans_file(banc).await {
        return Err(format!("nothing came back\n{}", first.journal()));
    }
    first.tuer();
    let mut requetes = banc.bus.consume(&file, 100).await.expect("a consumer");
    banc.avancer(PLUS_TARD);
    if !kept_first {
        let mut killed = banc.enfant(victime(), &arme(point, passage));
        mourir(&mut killed, point, PATIENCE).await?;
        banc.avancer(PLUS_TARD);
    }
    let mut last = banc.enfant(victime(), &[]);
    verifier(banc, &mut last).await?;
    let mut sent = BTreeSet::new();
    let batch = tokio::time::timeout(PATIENCE, requetes.next_batch(100)).await;
    let batch = batch.map_err(|_| "the request is lost")?;
    sent.extend(batch.expect("a batch").into_iter().map(|d| d.envelope.id));
    match sent.len() {
        1 => Ok(()),
        n => Err(format!("the request was sent under {n} ids")),
    }
}

/// The request came back: nobody reads its queue yet.
async fn sans_file(banc: &Banc) -> bool {
    for _ in 0..600 {
        if banc.pannes().await.contains(&"non-routable".to_owned()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

async fn verifier(banc: &Banc, enfant: &mut Processus) -> Result<(), String> {
    banc.verifier().await.map_err(|e| format!("{e}\n{}", enfant.journal()))?;
    appels(banc)?;
    match enfant.terminer(PATIENCE).await {
        Some(status) if status.success() => Ok(()),
        other => Err(format!("it ends with {other:?}\n{}", enfant.journal())),
    }
}

/// What the agency was asked: once, even where doing it twice would show.
fn appels(banc: &Banc) -> Result<(), String> {
    let twice: Vec<_> =
        banc.agence.faits(Genre::Relecture).into_iter().filter(|(_, n)| *n != 1).collect();
    if twice.is_empty() { Ok(()) } else { Err(format!("done twice, though read back: {twice:?}")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_under_load_it_loses_nothing_and_repeats_nothing() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let kills = variable("KILLS").and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let seed = variable("FAULTS_SEED").and_then(|n| n.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let banc = Arc::new(Banc::monter(&serveurs, "hasard").await);
    let mut replicas = [banc.enfant(victime(), &[]), banc.enfant(victime(), &[])];
    let load = Arc::clone(&banc);
    let (done, mut stopped) = tokio::sync::watch::channel(false);
    let (sent, received) = tokio::sync::oneshot::channel();
    banc.tasks.spawn(async move {
        let mut lot = 0_u64;
        while !*stopped.borrow_and_update() {
            // As much as it can take, and not more: the killed must come back to work, not to a
            // heap that grows.
            if load.en_cours() < EN_COURS {
                load.publier(&melange(&format!("lot{lot}"), 24)).await;
                lot += 1;
            }
            let pause = Duration::from_millis(100);
            let _ = tokio::time::timeout(pause, stopped.wait_for(|done| *done)).await;
        }
        let _ = sent.send(lot);
    });
    for kill in 0..kills {
        let draw = |what| Draw::of(seed, &[what, &kill.to_string()]);
        tokio::time::sleep(Duration::from_millis(draw("quand").between(50, 700))).await;
        let who = usize::try_from(draw("qui").below(2)).expect("0 or 1");
        let ended = replicas[who].fini();
        assert!(ended.is_none(), "ended by itself: {ended:?}\n{}", replicas[who].journal());
        replicas[who].tuer();
        replicas[who] = banc.enfant(victime(), &[]);
    }
    done.send_replace(true);
    let lots = received.await.expect("the load ends");
    let result = banc.verifier().await.and_then(|()| appels(&banc));
    let redites = banc.recolte.redites();
    let log = replicas[0].journal();
    drop(replicas);
    let banc = Arc::into_inner(banc).expect("the load has ended");
    banc.demonter().await;
    let inputs = lots * 24;
    println_err(&format!(
        "{kills} kills under load, {inputs} inputs, seed {seed}; {redites} messages came again \
         under a known id\n"
    ));
    if let Err(text) = result {
        panic!("seed {seed}: {text}\n{log}");
    }
}

/// Past the harness, which hides what a test that passes prints.
fn println_err(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// An ask whose process died between the call and its result: done again, read back, or done again
/// under the same id, as its kind says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_whose_process_died_after_the_call_is_repeated_as_its_kind_allows() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    for (genre, expected) in [(Genre::Idempotent, 2), (Genre::Relecture, 1), (Genre::Peutetre, 2)] {
        let banc = Banc::monter(&serveurs, "appel").await;
        banc.publier(&[Entree::new("m", 1, format!("appel:{}", genre.nom()))]).await;
        let mut killed = banc.enfant(victime(), &arme("ask-called", 1));
        mourir(&mut killed, "ask-called", PATIENCE).await.expect("dies there");
        assert_eq!(banc.agence.faits(genre).values().sum::<u32>(), 1);
        assert_eq!(banc.nombre("select count(*) from ask where answer is null").await, 1);
        banc.avancer(PLUS_TARD);
        let _next = banc.enfant(victime(), &[]);
        banc.verifier().await.expect("one effect");
        let faits = banc.agence.faits(genre);
        assert_eq!(faits.len(), 1, "{genre:?}: under one id");
        assert_eq!(faits.values().sum::<u32>(), expected, "{genre:?}");
        banc.demonter().await;
    }
}

/// A lease that is still held is respected: the answer that a dead process had stored is decided by
/// another replica, once, when it runs out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_living_replica_takes_over_what_a_dead_one_held() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "relais").await;
    let mut killed = banc.enfant(victime(), &arme("answers-taken", 1));
    banc.publier(&melange("a", 24)).await;
    mourir(&mut killed, "answers-taken", PATIENCE).await.expect("dies there");
    let started = Clock::system().now();
    let replique = banc.replique().await;
    let all = attendre(PATIENCE, || banc.recolte.arrives() > 0).await;
    assert!(all, "the living one works");
    banc.verifier().await.expect("nothing lost, nothing twice");
    assert!(Clock::system().now() - started < TimeDelta::minutes(1), "it waits for one lease");
    replique.arreter().await;
    banc.demonter().await;
}
