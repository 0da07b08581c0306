//! `transact`: all or nothing, marks, versions.

use store::{Found, SharedStore, Step, StoreError, Writes};

use crate::fixtures::{
    at, commit, event, failure, id, lease, mark, message, put_inputs, save, version,
};

pub(crate) async fn a_batch_marks_loads_folds_and_writes(a: SharedStore, b: SharedStore) {
    commit(&a, Writes { states: vec![save("k1", None, 1)], ..Writes::default() })
        .await
        .expect("commits");
    let mut called = 0;
    a.transact(&[mark("s", "1")], &["k1".to_owned(), "k2".to_owned()], &mut |loaded| {
        called += 1;
        assert_eq!(loaded.fresh, [true]);
        assert_eq!(loaded.states.len(), 1);
        assert_eq!((loaded.states[0].key.as_str(), loaded.states[0].version), ("k1", 1));
        Writes {
            states: vec![save("k1", Some(1), 4), save("k2", None, 1)],
            outbox: vec![message(1)].into(),
            inputs: vec![event("k3", 2)],
            ..Writes::default()
        }
    })
    .await
    .expect("commits");
    assert_eq!(called, 1);
    assert_eq!(version(&b, "k1").await, Some(4));
    assert_eq!(version(&b, "k2").await, Some(1));
    let (now, until) = lease(1);
    assert_eq!(b.claim_outbox(now, until, 9).await.expect("claims").len(), 1);
    assert_eq!(b.claim_inputs(now, until, 9).await.expect("claims").len(), 1);
}

pub(crate) async fn a_batch_reads_on_before_it_writes(a: SharedStore, b: SharedStore) {
    let states = vec![save("k1", None, 1), save("k2", None, 1)];
    commit(&a, Writes { states, ..Writes::default() }).await.expect("commits");
    let begin = ["k1".to_owned()];
    let write = |expected| Writes {
        states: vec![save("k1", Some(1), 2), save("k2", Some(expected), 2), save("k3", None, 1)],
        ..Writes::default()
    };
    let run = async |expected| {
        let mut given = Vec::new();
        let done = a
            .batch(&[mark("s", "1")], &begin, &mut |found| {
                let (states, next) = match found {
                    Found::Begun(loaded) => (loaded.states, vec!["k2".to_owned(), "k3".to_owned()]),
                    Found::More(states) => (states, Vec::new()),
                };
                given.push(states.into_iter().map(|s| (s.key, s.version)).collect::<Vec<_>>());
                if next.is_empty() {
                    Step::Write(Box::new(write(expected)))
                } else {
                    Step::Read(next)
                }
            })
            .await;
        (given, done)
    };
    let (_, refused) = run(7).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(version(&b, "k3").await, None, "nothing was changed");
    let (given, done) = run(1).await;
    done.expect("commits");
    assert_eq!(given, [[("k1".to_owned(), 1)], [("k2".to_owned(), 1)]], "k3 does not exist");
    for (key, at) in [("k1", 2), ("k2", 2), ("k3", 1)] {
        assert_eq!(version(&b, key).await, Some(at), "{key}");
    }
    let (_, refused) = run(1).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "all have moved: {refused:?}");
}

pub(crate) async fn marks_are_new_once(a: SharedStore, b: SharedStore) {
    let fresh = async |store: &SharedStore, marks: &[store::Mark]| {
        let mut seen = Vec::new();
        store
            .transact(marks, &[], &mut |loaded| {
                seen = loaded.fresh;
                Writes::default()
            })
            .await
            .expect("commits");
        seen
    };
    let marks = [mark("s", "1"), mark("s", "2"), mark("s", "1"), mark("t", "1")];
    assert_eq!(fresh(&a, &marks).await, [true, true, false, true]);
    assert_eq!(fresh(&b, &marks).await, [false, false, false, false]);
    let mut tomorrow = mark("s", "1");
    tomorrow.day = tomorrow.day.succ_opt().expect("in range");
    assert_eq!(fresh(&b, &[mark("s", "3"), tomorrow]).await, [true, true]);
}

pub(crate) async fn a_key_given_twice_is_loaded_once(a: SharedStore, _b: SharedStore) {
    commit(&a, Writes { states: vec![save("k", None, 1)], ..Writes::default() })
        .await
        .expect("commits");
    let keys = ["k".to_owned(), "absent".to_owned(), "k".to_owned()];
    a.transact(&[], &keys, &mut |loaded| {
        assert_eq!(loaded.states.len(), 1);
        Writes::default()
    })
    .await
    .expect("commits");
}

pub(crate) async fn versions_are_checked(a: SharedStore, b: SharedStore) {
    let write = async |store: &SharedStore, expected, version| {
        let states = vec![save("k", expected, version)];
        commit(store, Writes { states, ..Writes::default() }).await
    };
    write(&a, None, 1).await.expect("creates");
    assert!(matches!(write(&b, None, 1).await, Err(StoreError::Conflict)), "exists already");
    write(&b, Some(1), 2).await.expect("changes");
    assert!(matches!(write(&a, Some(1), 2).await, Err(StoreError::Conflict)), "moved meanwhile");
    assert_eq!(version(&a, "k").await, Some(2));
}

pub(crate) async fn a_missing_state_is_not_changed(a: SharedStore, _b: SharedStore) {
    let states = vec![save("k", Some(1), 2)];
    let refused = commit(&a, Writes { states, ..Writes::default() }).await;
    assert!(matches!(refused, Err(StoreError::Conflict)));
    assert_eq!(version(&a, "k").await, None);
}

pub(crate) async fn a_conflict_changes_nothing(a: SharedStore, b: SharedStore) {
    put_inputs(&a, vec![event("k", 7)]).await;
    let (now, until) = lease(0);
    let claimed = a.claim_inputs(now, until, 1).await.expect("claims");
    commit(&a, Writes { states: vec![save("old", None, 1)], ..Writes::default() })
        .await
        .expect("commits");
    let refused = a
        .transact(&[mark("s", "1")], &[], &mut |_| Writes {
            states: vec![save("new", None, 1), save("old", Some(9), 10)],
            outbox: vec![message(1)].into(),
            inputs: vec![event("k", 8)],
            done_inputs: vec![(id(7), claimed[0].lease)],
            failures: vec![failure(3)],
            ..Writes::default()
        })
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict)));
    assert_eq!(version(&b, "new").await, None);
    assert_eq!(version(&b, "old").await, Some(1));
    let (now, until) = lease(120);
    assert!(b.claim_outbox(now, until, 9).await.expect("claims").is_empty());
    assert_eq!(b.claim_inputs(now, until, 9).await.expect("claims").len(), 1, "the claimed one");
    assert!(b.failures(false, 9).await.expect("lists").is_empty());
    b.transact(&[mark("s", "1")], &[], &mut |loaded| {
        assert_eq!(loaded.fresh, [true], "the mark was rolled back");
        Writes::default()
    })
    .await
    .expect("commits");
}

/// Many writers of one key that does not exist yet: whoever conflicts runs again.
pub(crate) async fn two_handles_never_lose_an_update(a: SharedStore, b: SharedStore) {
    const EACH: usize = 20;
    let add = async |store: &SharedStore| {
        for _ in 0..EACH {
            loop {
                let keys = ["k".to_owned()];
                let done = store
                    .transact(&[], &keys, &mut |loaded| {
                        let now = loaded.states.first().map(|state| state.version);
                        let states = vec![save("k", now, now.unwrap_or(0) + 1)];
                        Writes { states, ..Writes::default() }
                    })
                    .await;
                match done {
                    Ok(()) => break,
                    Err(StoreError::Conflict) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    };
    tokio::join!(add(&a), add(&b), add(&a), add(&b));
    assert_eq!(version(&a, "k").await, Some(4 * i64::try_from(EACH).expect("small")));
}

pub(crate) async fn a_refused_value_rolls_everything_back(a: SharedStore, b: SharedStore) {
    let refused = a
        .transact(&[mark("s", "1")], &[], &mut |_| Writes {
            states: vec![save("good", None, 1), save("b\0ad", None, 1)],
            outbox: vec![message(1)].into(),
            ..Writes::default()
        })
        .await;
    assert!(matches!(refused, Err(StoreError::Data(_))), "{refused:?}");
    let marks = [mark("s", "1")];
    let refused = a.transact(&marks, &["k\0".to_owned()], &mut |_| Writes::default()).await;
    assert!(matches!(refused, Err(StoreError::Data(_))));
    assert_eq!(version(&b, "good").await, None);
    b.transact(&[mark("s", "1")], &[], &mut |loaded| {
        assert_eq!(loaded.fresh, [true]);
        Writes { states: vec![save("good", None, 1)], ..Writes::default() }
    })
    .await
    .expect("the rest of the batch goes on");
}

/// A batch whose future is dropped, or whose fold panics, leaves neither rows nor a lock.
pub(crate) async fn a_dropped_batch_changes_nothing(a: SharedStore, b: SharedStore) {
    for polls in 1..40 {
        let mut fold = |_| Writes { states: vec![save("k", Some(0), 1)], ..Writes::default() };
        let batch = a.transact(&[], &[], &mut fold);
        tokio::pin!(batch);
        for _ in 0..polls {
            tokio::select! {
                biased;
                done = &mut batch => {
                    assert!(matches!(done, Err(StoreError::Conflict)));
                    break;
                }
                () = tokio::task::yield_now() => {}
            }
        }
    }
    for handle in [a.clone(), b.clone()] {
        let panicked = std::panic::AssertUnwindSafe(async {
            handle.transact(&[mark("s", "1")], &[], &mut |_| panic!("a fold that breaks")).await
        });
        let caught = futures_catch(panicked).await;
        assert!(caught, "the panic goes through");
    }
    for handle in [&a, &b] {
        handle
            .transact(&[mark("s", "1")], &["k".to_owned()], &mut |loaded| {
                assert!(loaded.states.is_empty());
                assert_eq!(loaded.fresh.len(), 1);
                Writes::default()
            })
            .await
            .expect("works on");
    }
}

/// Whether a future panics.
async fn futures_catch<T>(future: std::panic::AssertUnwindSafe<impl Future<Output = T>>) -> bool {
    let mut future = Box::pin(future.0);
    std::future::poll_fn(move |cx| {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            future.as_mut().poll(cx).map(|_| false)
        }));
        polled.unwrap_or(std::task::Poll::Ready(true))
    })
    .await
}

pub(crate) async fn an_empty_batch_is_fine(a: SharedStore, _b: SharedStore) {
    a.transact(&[], &[], &mut |loaded| {
        assert!(loaded.fresh.is_empty() && loaded.states.is_empty());
        Writes::default()
    })
    .await
    .expect("commits");
    a.add_inputs(Vec::new()).await.expect("adds nothing");
    a.outbox_done(&[]).await.expect("settles nothing");
    a.outbox_later(&[], at(0), Vec::new(), Vec::new()).await.expect("settles nothing");
}

pub(crate) async fn the_inbox_is_purged_by_day(a: SharedStore, b: SharedStore) {
    let old = mark("s", "old");
    let mut new = mark("s", "new");
    new.day = new.day.succ_opt().expect("in range");
    let marks = [old, new.clone()];
    a.transact(&marks, &[], &mut |_| Writes::default()).await.expect("commits");
    b.purge_inbox(new.day).await.expect("purges");
    a.transact(&marks, &[], &mut |loaded| {
        assert_eq!(loaded.fresh, [true, false]);
        Writes::default()
    })
    .await
    .expect("commits");
}
