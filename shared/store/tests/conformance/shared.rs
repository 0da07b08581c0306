//! What replicas share: credentials, budgets, the file itself.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use store::{SharedStore, Store};

use crate::fixtures::{at, event, lease, put_inputs, wake};

pub(crate) async fn credentials_change_only_from_the_expected_version(
    a: SharedStore,
    b: SharedStore,
) {
    assert_eq!(a.credential("rdvsp").await.expect("reads"), None);
    assert!(!a.put_credential("rdvsp", Some(1), b"x").await.expect("runs"), "does not exist");
    assert!(a.put_credential("rdvsp", None, b"un\0\xff").await.expect("runs"));
    assert!(!b.put_credential("rdvsp", None, b"x").await.expect("runs"), "exists");
    let (version, value) = b.credential("rdvsp").await.expect("reads").expect("exists");
    assert_eq!(value, b"un\0\xff");
    assert!(b.put_credential("rdvsp", Some(version), b"deux").await.expect("runs"));
    assert!(!a.put_credential("rdvsp", Some(version), b"x").await.expect("runs"), "moved on");
    let (next, value) = a.credential("rdvsp").await.expect("reads").expect("exists");
    assert!(next > version);
    assert_eq!(value, b"deux");
    assert_eq!(a.credential("autre").await.expect("reads"), None);
}

pub(crate) async fn a_budget_is_shared(a: SharedStore, b: SharedStore) {
    let minute = Duration::from_mins(1);
    let take = async |store: &SharedStore, seconds| {
        store.take_budget("ds", at(seconds), minute, 3).await.expect("runs")
    };
    assert_eq!(take(&a, 0).await, None);
    assert_eq!(take(&b, 10).await, None);
    assert_eq!(take(&a, 20).await, None);
    assert_eq!(take(&b, 30).await, Some(at(60)));
    assert_eq!(take(&a, 59).await, Some(at(60)));
    assert_eq!(take(&b, -1).await, Some(at(60)), "a clock that is late takes nothing more");
    assert_eq!(take(&a, 75).await, None, "a window begins with its first call");
    assert_eq!(take(&b, 134).await, None);
    assert_eq!(take(&b, 134).await, None);
    assert_eq!(take(&a, 134).await, Some(at(135)));
    // many at once: never one too many
    let takes = (0..10).map(|n| if n % 2 == 0 { take(&a, 500) } else { take(&b, 500) });
    let mut taken = 0;
    for one in takes {
        taken += i32::from(one.await.is_none());
    }
    assert_eq!(taken, 3);
}

pub(crate) async fn a_budget_that_is_overspent_lasts_longer(a: SharedStore, b: SharedStore) {
    let minute = Duration::from_mins(1);
    let take = async |store: &SharedStore, seconds| {
        store.take_budget("ds", at(seconds), minute, 3).await.expect("runs")
    };
    let spend = async |store: &SharedStore, seconds| {
        store.spend_budget("ds", at(seconds), minute, 3).await.expect("runs");
    };
    spend(&a, 0).await;
    assert_eq!(take(&b, 1).await, None, "what is spent counts like what is taken");
    assert_eq!(take(&b, 2).await, None);
    for _ in 0..3 {
        spend(&a, 3).await;
    }
    assert_eq!(take(&b, 61).await, Some(at(120)), "six calls take two windows");
    spend(&b, 90).await;
    assert_eq!(take(&a, 139).await, Some(at(140)));
    assert_eq!(take(&a, 140).await, None);
    assert_eq!(take(&a, 199).await, None, "and then all is forgiven");
}

pub(crate) async fn budgets_are_apart(a: SharedStore, b: SharedStore) {
    let second = Duration::from_secs(1);
    assert_eq!(a.take_budget("ds", at(0), second, 1).await.expect("runs"), None);
    assert_eq!(b.take_budget("smtp", at(0), second, 1).await.expect("runs"), None);
    assert!(b.take_budget("ds", at(0), second, 1).await.expect("runs").is_some());
    let never = a.take_budget("rpps", at(0), second, 0).await.expect("runs");
    assert_eq!(never, Some(at(1)));
    // a limit that is raised counts at once
    assert_eq!(a.take_budget("ds", at(0), second, 2).await.expect("runs"), None);
}

pub(crate) async fn migrating_twice_is_fine(a: SharedStore, b: SharedStore) {
    put_inputs(&a, vec![event("k", 1)]).await;
    a.migrate().await.expect("nothing to do");
    b.migrate().await.expect("nothing to do");
    let (now, until) = lease(0);
    assert_eq!(a.claim_inputs(now, until, 9).await.expect("claims").len(), 1);
}

pub(crate) async fn an_instant_keeps_its_microseconds(a: SharedStore, b: SharedStore) {
    for (n, micros) in [(1, 1), (2, 999_999), (3, -1), (4, 1_000_001)] {
        let due = at(0) + TimeDelta::microseconds(micros);
        put_inputs(&a, vec![wake("k", &n.to_string(), n, due)]).await;
        let just_before = due - TimeDelta::microseconds(1);
        let until = due + TimeDelta::days(1);
        assert!(b.claim_inputs(just_before, until, 9).await.expect("claims").is_empty());
        let rows = b.claim_inputs(due, until, 9).await.expect("claims");
        assert_eq!((rows.len(), rows[0].row.due_at), (1, due));
    }
}

pub(crate) async fn a_closed_store_is_not_ready(a: SharedStore, b: SharedStore) {
    let limit = Duration::from_secs(1);
    assert!(a.ready(limit).await && b.ready(limit).await);
    a.close().await;
    assert!(!a.ready(limit).await);
    assert!(a.state("k").await.is_err());
    assert!(b.ready(limit).await, "the other replica goes on");
    a.close().await;
}

pub(crate) async fn two_handles_never_claim_the_same_row(a: SharedStore, b: SharedStore) {
    put_inputs(&a, (0..200).map(|n| event("k", n)).collect()).await;
    let take = async |store: &dyn Store| {
        let (now, until) = lease(0);
        let mut mine = Vec::new();
        loop {
            let rows = store.claim_inputs(now, until, 7).await.expect("claims");
            if rows.is_empty() {
                return mine;
            }
            mine.extend(rows.into_iter().map(|row| row.row.id));
        }
    };
    let (one, two, three) = tokio::join!(take(&*a), take(&*b), take(&*a));
    let all: Vec<_> = one.into_iter().chain(two).chain(three).collect();
    assert_eq!(all.len(), 200);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 200);
}
