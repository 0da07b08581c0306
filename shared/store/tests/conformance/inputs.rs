//! Inputs: claims, leases, wake-ups, ingress.

use chrono::TimeDelta;
use store::{InputKind, InputRow, NextDue, RowContext, SharedStore, StoreError, Writes};

use crate::fixtures::{assert_json, at, commit, event, id, lease, only, put_inputs, wake};

async fn done(store: &SharedStore, n: u128, lease: i64) -> Result<(), StoreError> {
    commit(store, Writes { done_inputs: vec![(id(n), lease)], ..Writes::default() }).await
}

async fn claim(store: &SharedStore, seconds: i64) -> Vec<store::Leased<InputRow>> {
    let (now, until) = lease(seconds);
    store.claim_inputs(now, until, 99).await.expect("claims")
}

pub(crate) async fn inputs_are_claimed_oldest_first_when_due(a: SharedStore, b: SharedStore) {
    let due = |n, seconds| InputRow { due_at: at(seconds), ..event("k", n) };
    put_inputs(&a, vec![due(1, 5), due(2, 3), due(3, 5), due(4, 9)]).await;
    assert!(claim(&b, 2).await.is_empty(), "nothing is due");
    let (now, until) = lease(5);
    let first = b.claim_inputs(now, until, 2).await.expect("claims");
    assert_eq!(first.iter().map(|row| row.row.id).collect::<Vec<_>>(), [id(2), id(1)]);
    let rest = b.claim_inputs(now, until, 9).await.expect("claims");
    assert_eq!(rest.iter().map(|row| row.row.id).collect::<Vec<_>>(), [id(3)]);
}

pub(crate) async fn rows_come_back_as_they_were_written(a: SharedStore, b: SharedStore) {
    let written = InputRow {
        id: id(1),
        key: "dossier/1".to_owned(),
        kind: InputKind::Event,
        name: "nom".to_owned(),
        due_at: at(0) + TimeDelta::microseconds(123_456),
        body: r#"{"texte":"é « \" \\ » \n 😀","nombre":12345678901234567890}"#.to_owned(),
        cause: "cause-1".to_owned(),
        context: RowContext {
            traceparent: Some("00-11-22-01".to_owned()),
            correlation_id: Some("1".to_owned()),
        },
    };
    a.add_inputs(vec![written.clone()]).await.expect("adds");
    let read = only(claim(&b, 1).await).row;
    assert_eq!(read.id, written.id);
    assert_eq!(read.key, written.key);
    assert_eq!(read.kind, written.kind);
    assert_eq!(read.name, written.name);
    assert_eq!(read.due_at, written.due_at);
    assert_json(&read.body, &written.body);
    assert_eq!(read.cause, written.cause);
    assert_eq!(read.context, written.context);
}

pub(crate) async fn a_claimed_input_is_invisible_until_its_lease_runs_out(
    a: SharedStore,
    b: SharedStore,
) {
    put_inputs(&a, vec![event("k", 1)]).await;
    let first = only(claim(&a, 0).await);
    assert!(claim(&b, 59).await.is_empty());
    let second = only(claim(&b, 60).await);
    assert!(second.lease > first.lease, "a lease is a growing token");
}

pub(crate) async fn an_older_lease_settles_nothing(a: SharedStore, b: SharedStore) {
    put_inputs(&a, vec![event("k", 1)]).await;
    let first = only(claim(&a, 0).await);
    let second = only(claim(&b, 60).await);
    assert!(matches!(done(&a, 1, first.lease).await, Err(StoreError::Conflict)));
    done(&b, 1, second.lease).await.expect("settles");
    assert!(matches!(done(&b, 1, second.lease).await, Err(StoreError::Conflict)), "once");
    // the same id again is another row: no old token opens it
    put_inputs(&a, vec![event("k", 1)]).await;
    let third = only(claim(&a, 200).await);
    assert!(third.lease > second.lease);
    assert!(matches!(done(&a, 1, second.lease).await, Err(StoreError::Conflict)));
}

pub(crate) async fn ingress_is_idempotent(a: SharedStore, b: SharedStore) {
    a.add_inputs(vec![event("k", 1), event("other", 1)]).await.expect("adds");
    b.add_inputs(vec![event("third", 1)]).await.expect("adds");
    assert_eq!(only(claim(&a, 0).await).row.key, "k");
    // a claimed one is still the same
    b.add_inputs(vec![event("k", 1)]).await.expect("adds");
    assert!(claim(&a, 1).await.is_empty());
}

pub(crate) async fn a_wake_is_replaced(a: SharedStore, b: SharedStore) {
    put_inputs(
        &a,
        vec![
            wake("k", "relance", 1, at(5)),
            wake("k", "autre", 2, at(5)),
            wake("j", "relance", 3, at(5)),
        ],
    )
    .await;
    // the last of a batch wins, whatever was stored
    put_inputs(&b, vec![wake("k", "relance", 4, at(1)), wake("k", "relance", 5, at(20))]).await;
    let due: Vec<_> = claim(&a, 5).await.into_iter().map(|row| row.row.id).collect();
    assert_eq!(due, [id(2), id(3)]);
    let last = only(claim(&a, 20).await).row;
    assert_eq!((last.id, last.due_at, last.body.as_str()), (id(5), at(20), ""));
    assert_eq!((last.kind, last.name.as_str()), (InputKind::Wake, "relance"));
}

pub(crate) async fn a_wake_armed_by_the_batch_that_consumes_it_stays(
    a: SharedStore,
    b: SharedStore,
) {
    // a new id each time, and the same id each time
    for next in [2, 1] {
        put_inputs(&a, vec![wake("k", "sonder", 1, at(0))]).await;
        let claimed = only(claim(&a, 0).await);
        let writes = Writes {
            done_inputs: vec![(id(1), claimed.lease)],
            inputs: vec![wake("k", "sonder", next, at(30))],
            ..Writes::default()
        };
        commit(&a, writes).await.expect("commits");
        assert!(claim(&b, 29).await.is_empty());
        let again = only(claim(&b, 30).await);
        assert_eq!(again.row.id, id(next));
        done(&b, next, again.lease).await.expect("settles");
    }
}

pub(crate) async fn the_claim_of_a_replaced_wake_settles_nothing(a: SharedStore, b: SharedStore) {
    for next in [2, 1] {
        put_inputs(&a, vec![wake("k", "sonder", 1, at(0))]).await;
        let old = only(claim(&a, 0).await);
        put_inputs(&b, vec![wake("k", "sonder", next, at(0))]).await;
        assert!(matches!(done(&a, next, old.lease).await, Err(StoreError::Conflict)));
        // it is free at once: the lease of the one before does not hide it
        let new = only(claim(&b, 1).await);
        assert!(new.lease > old.lease);
        assert!(matches!(done(&a, next, old.lease).await, Err(StoreError::Conflict)));
        done(&b, next, new.lease).await.expect("settles");
    }
}

pub(crate) async fn wakes_are_cancelled(a: SharedStore, b: SharedStore) {
    let replay = InputRow { kind: InputKind::Replay, name: "relance".to_owned(), ..event("k", 4) };
    let wakes = ["relance", "autre"];
    let mut rows: Vec<_> =
        (1..).zip(wakes).map(|(n, reason)| wake("k", reason, n, at(0))).collect();
    rows.push(wake("j", "relance", 3, at(0)));
    rows.push(replay);
    put_inputs(&a, rows).await;
    let claimed = claim(&a, 0).await;
    assert_eq!(claimed.len(), 4);
    let cancel_wakes =
        vec![("k".to_owned(), "relance".to_owned()), ("absent".to_owned(), "x".to_owned())];
    commit(&b, Writes { cancel_wakes, ..Writes::default() }).await.expect("cancels");
    let left: Vec<_> = claim(&a, 60).await.into_iter().map(|row| row.row.id).collect();
    assert_eq!(left, [id(2), id(3), id(4)]);
    let lease = claimed[0].lease;
    assert!(matches!(done(&a, 1, lease).await, Err(StoreError::Conflict)), "it is gone");
    // cancelled, then armed: armed
    let writes = Writes {
        cancel_wakes: vec![("k".to_owned(), "autre".to_owned())],
        inputs: vec![wake("k", "autre", 9, at(100))],
        ..Writes::default()
    };
    commit(&a, writes).await.expect("commits");
    assert_eq!(only(claim(&b, 100).await).row.id, id(9));
}

pub(crate) async fn a_replay_is_not_a_wake(a: SharedStore, b: SharedStore) {
    let replay =
        |n| InputRow { kind: InputKind::Replay, name: id(77).to_string(), ..event("k", n) };
    put_inputs(&a, vec![replay(1), replay(2)]).await;
    let rows = claim(&b, 0).await;
    assert_eq!(rows.len(), 2, "only wake-ups replace each other");
    assert_eq!(rows[0].row.kind, InputKind::Replay);
    assert_eq!(rows[0].row.name, id(77).to_string());
}

pub(crate) async fn next_due_follows_inputs_and_leases(a: SharedStore, b: SharedStore) {
    let next = async |store: &SharedStore| store.next_due(&[]).await.expect("reads").inputs;
    assert_eq!(a.next_due(&[]).await.expect("reads"), NextDue::default());
    put_inputs(&a, vec![wake("k", "r", 1, at(50)), event("k", 2)]).await;
    assert_eq!(next(&b).await, Some(at(0)));
    let claimed = only(claim(&a, 0).await);
    assert_eq!(next(&b).await, Some(at(50)), "the claimed one waits for its lease");
    put_inputs(&a, vec![wake("k", "r", 1, at(80))]).await;
    assert_eq!(next(&b).await, Some(at(60)), "the lease runs out first");
    done(&a, 2, claimed.lease).await.expect("settles");
    assert_eq!(next(&b).await, Some(at(80)));
    let cancel_wakes = vec![("k".to_owned(), "r".to_owned())];
    commit(&a, Writes { cancel_wakes, ..Writes::default() }).await.expect("cancels");
    assert_eq!(next(&b).await, None);
}
