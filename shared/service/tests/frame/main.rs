//! The frame, on the in-process transport and SQLite, in virtual time: what it promises to every
//! service, each promise caused.

mod banc;
mod compteur;
mod ops;
mod suites;
mod versions;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use contracts::{
    Message,
    messages::{CandidatureRefusee, PanneClose, PanneOuverte},
};
use kernel::Fault;
use service::{Attempt, Limit};
use tokio::sync::Semaphore;

use crate::banc::{Banc, JETON, banc, debut, demarre};

#[tokio::test]
async fn a_message_becomes_an_ask_an_answer_and_a_fact() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    let seen = banc.temoins().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].message_type, CandidatureRefusee::TYPE);
    assert_eq!(seen[0].source, "/relais/compteur");
    assert!(seen[0].sequence.is_some());
    let etat = banc.etat().await;
    assert_eq!((etat.retraits, etat.confirmes, etat.reveils), (1, 1, 0));
    assert!(banc.running.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn duplicates_and_older_snapshots_have_no_second_effect() {
    let mut banc = banc().await;
    banc.publier("m2", 2, "choix").await;
    banc.publier("m2", 2, "choix").await;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    assert_eq!(banc.etat().await.retraits, 1);
    banc.publier("m3", 3, "choix").await;
    banc.temoins().await;
    assert_eq!(banc.etat().await.retraits, 2);
}

#[tokio::test]
async fn an_ignored_snapshot_is_not_undone_by_an_older_one() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    banc.publier("m3", 3, "ignore").await;
    banc.publier("m2", 2, "choix").await;
    banc.temoins().await;
    assert_eq!(banc.etat().await.retraits, 1);
}

#[tokio::test]
async fn bad_input_harms_only_itself_and_is_announced() {
    let mut banc = banc().await;
    banc.publier_corps("b1", 1, b"{not json".to_vec()).await;
    banc.publier("b2", 2, "panique").await;
    banc.publier("b3", 3, "refus").await;
    banc.publier("m4", 4, "choix").await;
    let seen = banc.temoins().await;
    let pannes: Vec<PanneOuverte> = seen
        .iter()
        .filter(|e| e.message_type == PanneOuverte::TYPE)
        .map(|e| serde_json::from_slice(&e.data).expect("decodes"))
        .collect();
    let codes: Vec<_> = pannes.iter().map(|p| p.code.as_str()).collect();
    assert_eq!(codes, ["corps-invalide", "panique", "cause-refusee"]);
    assert_eq!(banc.etat().await.retraits, 1);
    let kept = banc.store.failures(true, 10).await.expect("read");
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().any(|f| f.body == b"{not json"));
}

#[tokio::test]
async fn a_transient_fault_is_retried_until_it_passes() {
    let mut banc = banc().await;
    let pannes = (0..3).map(|_| Fault::transient("coupure", "down")).collect();
    banc.agence.lock().expect("lock").pannes = pannes;
    banc.publier("m1", 1, "choix").await;
    for _ in 0..3 {
        banc.temoins().await;
        banc.avancer().await.expect("a retry is due");
    }
    assert_eq!(banc.temoins().await.len(), 1);
    let appels = banc.agence.lock().expect("lock").appels.clone();
    assert_eq!(appels.len(), 4);
    assert_eq!(appels[0].1, Attempt::First);
    assert!(appels[1..].iter().all(|(id, a)| *a == Attempt::AfterClean && *id == appels[0].0));
}

/// What a slow agency cannot take yet is not claimed: it waits in the store, where its lease cannot
/// run out.
#[tokio::test]
async fn no_more_is_claimed_than_an_agency_takes() {
    const ASKS: u32 = 400;
    let mut banc = banc().await;
    let retenue = Arc::new(Semaphore::new(0));
    banc.agence.lock().expect("lock").retenue = Some(Arc::clone(&retenue));
    for n in 0..ASKS {
        banc.publier(&format!("m{n}"), u64::from(n) + 1, "choix").await;
    }
    let appels = || banc.agence.lock().expect("lock").appels.len();
    let en_vol = Limit::default().in_flight;
    let counted = async || {
        let stats = banc.running.stats().await.expect("counts");
        stats.asks.iter().map(|(_, count, _)| *count).sum::<i64>()
    };
    let waits = async {
        while counted().await < i64::from(ASKS) || appels() < en_vol {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waits).await.expect("every slot is taken");
    let (now, until) = (banc.clock.now(), banc.clock.now() + TimeDelta::seconds(1));
    let free = banc.store.claim_asks(now, until, &[], 1_000).await.expect("claims");
    let most = 2 * en_vol + 64;
    let waiting = free.len();
    assert!(waiting >= usize::try_from(ASKS).expect("small") - most, "{waiting} in the store");
    assert_eq!(appels(), en_vol);
    for ask in free {
        banc.store.ask_later(ask.row.id, ask.lease, now, "", false).await.expect("given back");
    }
    retenue.close();
    // One more, for the service to look at the store.
    banc.publier("plus", u64::from(ASKS) + 1, "choix").await;
    while banc.etat().await.confirmes <= ASKS {
        banc.temoins().await;
        if banc.etat().await.confirmes <= ASKS {
            banc.avancer().await.expect("the budget of calls is renewed");
        }
    }
}

#[tokio::test]
async fn a_permanent_fault_becomes_a_failure_that_an_operator_replays() {
    let mut banc = banc().await;
    banc.agence.lock().expect("lock").pannes = vec![Fault::permanent("refus", "no")];
    banc.publier("m1", 1, "choix").await;
    let seen = banc.temoins().await;
    assert_eq!(seen.len(), 1);
    let panne: PanneOuverte = serde_json::from_slice(&seen[0].data).expect("decodes");
    let path = format!("/ops/pannes/{}/rejeu", panne.panne);
    let post =
        async |banc: &Banc, jeton| banc.ops(jeton, reqwest::Method::POST, &path, None).await.0;
    assert_eq!(post(&banc, "autre").await, 401, "a wrong token is refused");
    assert_eq!(post(&banc, JETON).await, 202);
    let seen = banc.temoins().await;
    let types: Vec<_> = seen.iter().map(|e| e.message_type.as_str()).collect();
    assert!(
        types.contains(&PanneClose::TYPE) && types.contains(&CandidatureRefusee::TYPE),
        "{types:?}"
    );
    assert!(banc.store.failures(true, 10).await.expect("read").is_empty());
    assert_eq!(post(&banc, JETON).await, 409, "a closed failure is not replayed");
}

#[tokio::test]
async fn a_wake_up_fires_once_at_its_instant() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    while banc.etat().await.reveils == 0 {
        banc.avancer().await.expect("the wake-up is due");
        banc.temoins().await;
    }
    assert!(banc.clock.now() >= debut() + TimeDelta::days(3));
    assert!(banc.clock.now() < debut() + TimeDelta::days(3) + TimeDelta::minutes(2));
    assert_eq!(banc.etat().await.reveils, 1);
}

/// Two starts decide the same thing of different states: their facts are two messages, of which a
/// reader's inbox must not take the second for the first.
#[tokio::test]
async fn what_a_start_publishes_has_an_id_of_its_own() {
    let amorces = || vec!["dossier/1".to_owned()];
    let mut banc = demarre(amorces()).await;
    let first = banc.temoins().await;
    let mut banc = banc.redemarrer(amorces()).await;
    let second = banc.temoins().await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].data, second[0].data, "two facts");
    assert_ne!(first[0].id, second[0].id, "under two ids");
    assert_eq!(banc.etat().await.reveils, 2);
}

/// Many at a time, on a store with one writer: the relay keeps each while others are on their way.
#[tokio::test]
async fn requests_that_nobody_takes_are_kept_and_a_stop_is_not_held_up() {
    const REQUESTS: usize = 600;
    let mut banc = demarre((0..REQUESTS).map(|n| format!("requete/{n}")).collect()).await;
    let told = tokio::time::timeout(Duration::from_mins(1), banc.temoins()).await;
    let told = told.expect("the relay goes on");
    assert_eq!(told.iter().filter(|e| e.message_type == PanneOuverte::TYPE).count(), REQUESTS);
    let open = banc.store.failures(true, REQUESTS + 1).await.expect("read");
    assert_eq!(open.iter().filter(|f| f.code == "non-routable").count(), REQUESTS);
    assert_eq!(banc.running.stats().await.expect("counts").outbox, 600, "all are kept");
    assert!(banc.running.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn probes_and_metrics_answer() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    let client = banc.client();
    for path in ["/livez", "/readyz", "/version"] {
        client.send(client.request(reqwest::Method::GET, path)).await.expect(path);
    }
    let text = banc.metriques().await;
    for name in
        ["relais_messages_total{outcome=\"fait\"", "relais_outbox_pending", "relais_consumer_up"]
    {
        assert!(text.contains(name), "{name} is missing from {text}");
    }
}

#[tokio::test]
async fn stages_are_counted_and_the_oldest_has_an_age() {
    let mut banc = banc().await;
    let pannes = (0..3).map(|_| Fault::transient("coupure", "down")).collect();
    banc.agence.lock().expect("lock").pannes = pannes;
    banc.publier("m1", 1, "choix").await;
    banc.temoins().await;
    let since = banc.clock.now();
    banc.avancer().await.expect("a retry is due");
    banc.temoins().await;
    banc.publier("m2", 2, "choix").await;
    banc.temoins().await;
    let text = banc.metriques().await;
    let waits = "relais_dossiers{etape=\"a-confirmer\",service=\"compteur\"} 1\n";
    assert!(text.contains(waits), "{text}");
    let age = text
        .lines()
        .find_map(|l| {
            l.strip_prefix("relais_etape_age_seconds{etape=\"a-confirmer\",service=\"compteur\"} ")
        })
        .and_then(|n| n.parse::<f64>().ok())
        .expect("an age");
    let waited = (banc.clock.now() - since).as_seconds_f64();
    assert!(
        waited > 0.0 && (age - waited).abs() < 0.001,
        "{age} for {waited}: a second message of the same stage does not begin it again"
    );
    while banc.etat().await.confirmes < 2 {
        banc.avancer().await.expect("a retry is due");
        banc.temoins().await;
    }
    let text = banc.metriques().await;
    assert!(
        text.contains("relais_dossiers{etape=\"confirme\",service=\"compteur\"} 1\n"),
        "{text}"
    );
    assert!(!text.contains("a-confirmer") && !text.contains("relais_etape_age_seconds{"), "{text}");
}
