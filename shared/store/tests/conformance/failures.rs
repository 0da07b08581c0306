//! Failures and counts.

use chrono::TimeDelta;
use store::{AskRow, FailureRow, SharedStore, Stats, Writes};

use crate::fixtures::{
    ask, assert_json, at, commit, failure, id, lease, message, put_asks, put_outbox,
};

async fn keep(store: &SharedStore, failures: Vec<FailureRow>) {
    commit(store, Writes { failures, ..Writes::default() }).await.expect("commits");
}

async fn read(store: &SharedStore, n: u128) -> FailureRow {
    store.failure(id(n)).await.expect("reads").expect("exists")
}

pub(crate) async fn a_failure_counts_attempts_and_reopens(a: SharedStore, b: SharedStore) {
    keep(&a, vec![failure(1)]).await;
    let close_failures = vec![(id(1), "rejouee".to_owned()), (id(99), "rejouee".to_owned())];
    commit(&b, Writes { close_failures, ..Writes::default() }).await.expect("closes");
    assert_eq!(read(&a, 1).await.outcome.as_deref(), Some("rejouee"));
    assert!(a.failures(true, 9).await.expect("lists").is_empty());
    let again = FailureRow {
        code: "inconnu".to_owned(),
        reason: "autre raison".to_owned(),
        first_seen: at(50),
        ..failure(1)
    };
    keep(&b, vec![again]).await;
    let row = read(&a, 1).await;
    assert_eq!((row.attempts, row.outcome), (2, None));
    assert_eq!((row.code.as_str(), row.reason.as_str()), ("inconnu", "autre raison"));
    assert_eq!(row.first_seen, at(0), "when it was first seen");
    keep(&a, vec![failure(1), failure(2), failure(2)]).await;
    assert_eq!(read(&b, 1).await.attempts, 3);
    assert_eq!(read(&b, 2).await.attempts, 2, "twice in one batch");
}

pub(crate) async fn a_failure_comes_back_as_it_was_written(a: SharedStore, b: SharedStore) {
    let written = FailureRow {
        key: None,
        body: vec![0, 0xff, b'{'],
        meta: r#"{"b":1,"a":"\u0000"}"#.to_owned(),
        first_seen: at(0) + TimeDelta::microseconds(1),
        attempts: 4,
        outcome: Some("ecartee".to_owned()),
        ..failure(1)
    };
    keep(&a, vec![written.clone()]).await;
    let row = read(&b, 1).await;
    assert_eq!((row.id, row.key), (written.id, None));
    assert_eq!((row.origin, row.kind), (written.origin, written.kind));
    assert_eq!((row.code, row.reason), (written.code, written.reason));
    assert_eq!(row.body, written.body);
    assert_json(&row.meta, &written.meta);
    assert_eq!(row.first_seen, written.first_seen);
    assert_eq!((row.attempts, row.outcome), (4, written.outcome));
    assert!(b.failure(id(2)).await.expect("reads").is_none());
}

/// A failure is where refused values end: it must not be refused for them.
pub(crate) async fn a_failure_is_always_kept(a: SharedStore, b: SharedStore) {
    let awkward = FailureRow {
        key: Some("k\0".to_owned()),
        origin: "o\0".to_owned(),
        kind: "t\0".to_owned(),
        code: "c\0".to_owned(),
        reason: "r\0".to_owned(),
        meta: "not JSON\0".to_owned(),
        body: b"\0\xff".to_vec(),
        ..failure(1)
    };
    keep(&a, vec![awkward]).await;
    let row = read(&b, 1).await;
    assert_eq!(row.key.as_deref(), Some("k\u{fffd}"));
    assert_eq!(row.meta, "not JSON\u{fffd}");
    assert_eq!(row.body, b"\0\xff");
}

pub(crate) async fn failures_are_listed_newest_first(a: SharedStore, b: SharedStore) {
    let seen = |n, seconds| FailureRow { first_seen: at(seconds), ..failure(n) };
    keep(&a, vec![seen(1, 5), seen(2, 9), seen(3, 5), seen(4, 1)]).await;
    let close_failures = vec![(id(2), "ecartee".to_owned())];
    commit(&a, Writes { close_failures, ..Writes::default() }).await.expect("closes");
    let ids = async |open_only, max| -> Vec<u128> {
        let rows = b.failures(open_only, max).await.expect("lists");
        rows.into_iter().map(|row| row.id.as_u128()).collect()
    };
    assert_eq!(ids(false, 9).await, [2, 3, 1, 4]);
    assert_eq!(ids(true, 9).await, [3, 1, 4]);
    assert_eq!(ids(true, 2).await, [3, 1]);
    assert_eq!(ids(false, 0).await, [0; 0]);
}

pub(crate) async fn stats_count_what_waits(a: SharedStore, b: SharedStore) {
    assert_eq!(b.stats().await.expect("counts"), Stats::default());
    put_outbox(&a, vec![message(1), message(2)]).await;
    let older = AskRow { created_at: at(-60), ..ask("k", "lire", "ds", 2) };
    put_asks(
        &a,
        vec![
            ask("k", "lire", "ds", 1),
            older,
            ask("k", "envoyer", "smtp", 3),
            ask("k", "x", "smtp", 4),
        ],
    )
    .await;
    let (now, until) = lease(0);
    let claimed = a.claim_asks(now, until, &["ds".to_owned()], 1).await.expect("claims");
    assert!(a.ask_answered(id(3), claimed[0].lease, "{}", None).await.expect("stores"));
    let coded = |n, code: &str| FailureRow { code: code.to_owned(), ..failure(n) };
    keep(&a, vec![coded(1, "b"), coded(2, "a"), coded(3, "b"), coded(4, "c")]).await;
    let close_failures = vec![(id(4), "rejouee".to_owned())];
    commit(&a, Writes { close_failures, ..Writes::default() }).await.expect("closes");
    let stats = b.stats().await.expect("counts");
    assert_eq!((stats.outbox, stats.outbox_oldest), (2, Some(at(0))));
    let asks = [("ds".to_owned(), 2, Some(at(-60))), ("smtp".to_owned(), 1, Some(at(0)))];
    assert_eq!(stats.asks, asks);
    assert_eq!(stats.failures, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}
