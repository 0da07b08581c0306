//! Tokens: two at a time, their end announced, their refusals told apart; and the webhook.
#![cfg(feature = "simulator")]

mod commun;

use std::{path::PathBuf, sync::Arc};

use chrono::{NaiveDate, TimeDelta};
use commun::{Banc, champs, debut, depot, referentiel};
use contact::{Links, Mailer};
use contracts::messages::{TacheFaite, TacheOuverte};
use ds_intake::{Answer, Ask, Client, Event, agency::AGENCE, simulator::Options};
use kernel::Secret;
use service::{Attempt, Equipment};
use store::{SharedStore, sqlite::SqliteStore};
use uuid::Uuid;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

fn jour(text: &str) -> NaiveDate {
    text.parse().expect("day")
}

#[tokio::test]
async fn the_end_of_a_token_is_announced_once_and_its_renewal_is_seen() {
    assert_eq!(debut().date_naive(), jour("2026-03-02"));
    let mut b = Banc::avec(Options::default(), |c| {
        c.jeton_expire_le = Some(jour("2026-04-03"));
    })
    .await;
    b.attendre(TimeDelta::hours(20)).await;
    assert!(b.types().is_empty(), "more than 30 days are left");
    b.attendre(TimeDelta::hours(30)).await;
    assert_eq!(b.types(), ["tache.ouverte"]);
    let task = b.dernier::<TacheOuverte>();
    assert_eq!(task.gabarit, "ds-jeton-a-renouveler");
    assert_eq!(task.champs["expire_le"], "2026-04-03");
    b.config.jeton_expire_le = Some(jour("2027-03-01"));
    b.attendre(MINUTE * 5).await;
    assert_eq!(b.dernier::<TacheFaite>().tache, task.tache);
}

#[tokio::test]
async fn the_second_token_takes_over_whatever_the_refusal() {
    for status in [401, 403] {
        let mut b = Banc::avec(Options::default(), |c| {
            c.jeton_suivant = Some(Secret::new("jeton-suivant"));
        })
        .await;
        b.sim.ajouter_jeton("jeton-suivant");
        b.sim.deposer(depot(1, champs()));
        b.attendre(MINUTE * 2).await;
        assert_eq!(b.types(), ["candidature.deposee"], "the first one is enough");
        b.sim.refuser_jeton("jeton-fictif", status);
        b.sim.deposer(depot(2, champs()));
        b.attendre(MINUTE * 2).await;
        assert_eq!(b.types(), ["candidature.deposee", "tache.ouverte", "candidature.deposee"]);
        assert_eq!(b.dernier::<TacheOuverte>().gabarit, "ds-jeton-refuse");
        assert!(b.pannes.is_empty(), "{:?}", b.pannes);
    }
}

/// Asks that waited for each other's second call would never end.
#[tokio::test]
async fn the_second_call_of_an_ask_is_made_and_counted_though_the_budget_is_spent() {
    let b = Banc::avec(Options::default(), |c| {
        c.calls_per_minute = 1;
        c.jeton_suivant = Some(Secret::new("jeton-suivant"));
    })
    .await;
    b.sim.ajouter_jeton("jeton-suivant");
    b.sim.refuser_jeton("jeton-fictif", 401);
    b.sim.deposer(depot(1, champs()));
    let store: SharedStore = Arc::new(SqliteStore::in_memory().await.expect("opens"));
    store.migrate().await.expect("migrates");
    let equipment = Equipment {
        clock: b.clock().clone(),
        referentiel: Arc::new(referentiel()),
        store: Arc::clone(&store),
        mailer: Mailer::absent(),
        links: Links::new(
            Secret::new("une clé de liens, fictive, assez longue"),
            "http://127.0.0.1",
            "ds-intake",
        ),
        data_dir: PathBuf::new(),
    };
    let client = Client::with_equipment(&b.config, &equipment).expect("client");
    let limit = b.config.limite();
    let take = async |after| {
        let now = b.now() + after;
        store.take_budget(AGENCE, now, limit.window, limit.calls).await.expect("runs")
    };
    assert_eq!(take(TimeDelta::zero()).await, None, "the frame takes the first call");
    let before = b.sim.appels();
    let lue = client.ask(&Ask::Lire { numero: 1 }, Uuid::nil(), Attempt::First).await;
    assert!(!matches!(lue.expect("is read"), Answer::Introuvable));
    assert_eq!(b.sim.appels() - before, 2, "refused, then read with the other token");
    assert_eq!(take(MINUTE).await, Some(b.now() + MINUTE * 2), "two calls take two minutes");
}

#[tokio::test]
async fn without_another_token_each_refusal_has_its_own_failure() {
    for (status, code) in [(401, "ds-jeton-expire"), (403, "ds-interdit")] {
        let mut b = Banc::avec(Options::default(), |c| {
            c.jeton_suivant = Some(Secret::new("jeton-suivant"));
        })
        .await;
        b.sim.refuser_jeton("jeton-fictif", 403);
        b.sim.refuser_jeton("jeton-suivant", status);
        b.attendre(MINUTE).await;
        assert_eq!(b.pannes.first().map(|p| p.1), Some(code));
    }
}

#[tokio::test]
async fn a_webhook_wakes_the_poll_up_and_nothing_else() {
    let mut b = Banc::avec(Options::default(), |c| c.poll_interval_s = 3_600).await;
    b.attendre(MINUTE * 2).await;
    b.sim.deposer(depot(1, champs()));
    b.attendre(MINUTE * 2).await;
    assert!(b.types().is_empty(), "the next poll is far");
    let key = b.config.cle_demarche();
    b.evenement(&key, Event::Reveil).await;
    assert_eq!(b.types(), ["candidature.deposee"]);
}

#[tokio::test]
async fn an_idle_demarche_costs_one_call_per_interval() {
    let mut b = Banc::new().await;
    b.attendre(MINUTE * 5).await;
    let before = b.sim.appels();
    b.appels.clear();
    b.attendre(TimeDelta::hours(2)).await;
    assert_eq!((b.appels.len(), b.sim.appels() - before), (120, 120));
}
