//! Stages: since when, how many.

use chrono::{DateTime, Utc};
use store::{Etape, SharedStore, StateWrite, Writes};

use crate::fixtures::{at, commit, save};

/// Saves `key` at the stage `nom`, awaited as of `seconds`, or nothing awaited.
async fn put(
    store: &SharedStore,
    (key, version): (&str, i64),
    etape: Option<(&'static str, Option<i64>)>,
) {
    let etape = etape.map(|(nom, seconds)| Etape { nom, depuis: seconds.map(at) });
    let expected = (version > 1).then_some(version - 1);
    let states = vec![StateWrite { etape, ..save(key, expected, version) }];
    commit(store, Writes { states, ..Writes::default() }).await.expect("commits");
}

async fn counted(store: &SharedStore) -> Vec<(String, i64, Option<DateTime<Utc>>)> {
    store.stats().await.expect("counts").etapes
}

fn row(nom: &str, count: i64, seconds: Option<i64>) -> (String, i64, Option<DateTime<Utc>>) {
    (nom.to_owned(), count, seconds.map(at))
}

pub(crate) async fn a_stage_keeps_its_instant_while_it_lasts(a: SharedStore, b: SharedStore) {
    put(&a, ("k", 1), Some(("attente", Some(10)))).await;
    put(&b, ("k", 2), Some(("attente", Some(20)))).await;
    assert_eq!(counted(&a).await, [row("attente", 1, Some(10))]);
    put(&a, ("k", 3), Some(("autre", Some(30)))).await;
    assert_eq!(counted(&b).await, [row("autre", 1, Some(30))]);
    put(&a, ("k", 4), Some(("attente", Some(40)))).await;
    assert_eq!(counted(&b).await, [row("attente", 1, Some(40))], "left, then reached again");
    put(&a, ("k", 5), Some(("fin", None))).await;
    put(&a, ("k", 6), Some(("fin", None))).await;
    assert_eq!(counted(&b).await, [row("fin", 1, None)]);
    put(&a, ("k", 7), Some(("fin", Some(70)))).await;
    assert_eq!(counted(&b).await, [row("fin", 1, Some(70))], "a stage that is awaited from now on");
    put(&a, ("k", 8), Some(("fin", None))).await;
    assert_eq!(counted(&b).await, [row("fin", 1, None)], "and is not any more");
    put(&a, ("k", 9), None).await;
    assert_eq!(counted(&b).await, []);
}

pub(crate) async fn stages_are_counted_with_their_oldest(a: SharedStore, b: SharedStore) {
    for (key, seconds) in [("k1", 30), ("k2", 10), ("k3", 20)] {
        put(&a, (key, 1), Some(("attente", Some(seconds)))).await;
    }
    put(&a, ("k4", 1), Some(("fin", None))).await;
    put(&a, ("k5", 1), Some(("fin", None))).await;
    put(&a, ("k6", 1), None).await;
    assert_eq!(counted(&b).await, [row("attente", 3, Some(10)), row("fin", 2, None)]);
    put(&b, ("k2", 2), Some(("fin", None))).await;
    assert_eq!(counted(&a).await, [row("attente", 2, Some(20)), row("fin", 3, None)]);
}
