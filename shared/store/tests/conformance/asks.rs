//! Asks: claims, answers, ambiguity, cancellation.

use chrono::TimeDelta;
use store::{AnswerRow, AskRow, Leased, RowContext, SharedStore, StoreError, Writes};

use crate::fixtures::{ask, assert_json, at, commit, failure, id, lease, message, only, put_asks};

async fn claim(store: &SharedStore, seconds: i64) -> Vec<Leased<AskRow>> {
    let (now, until) = lease(seconds);
    store.claim_asks(now, until, &[], 99).await.expect("claims")
}

async fn answers(store: &SharedStore, seconds: i64) -> Vec<Leased<AnswerRow>> {
    let (now, until) = lease(seconds);
    store.claim_answers(now, until, 99).await.expect("claims")
}

async fn done(store: &SharedStore, n: u128, lease: i64) -> Result<(), StoreError> {
    commit(store, Writes { done_answers: vec![(id(n), lease)], ..Writes::default() }).await
}

pub(crate) async fn asks_are_claimed_when_due_and_not_paused(a: SharedStore, b: SharedStore) {
    let due = |n, agency, seconds| AskRow { due_at: at(seconds), ..ask("k", "lire", agency, n) };
    put_asks(&a, vec![due(1, "ds", 5), due(2, "smtp", 3), due(3, "ds", 4), due(4, "ds", 9)]).await;
    let (now, until) = lease(5);
    let paused = ["ds".to_owned(), "rdvsp".to_owned()];
    let rows = b.claim_asks(now, until, &paused, 9).await.expect("claims");
    assert_eq!(only(rows).row.id, id(2));
    let rows = b.claim_asks(now, until, &[], 1).await.expect("claims");
    assert_eq!(only(rows).row.id, id(3), "oldest first, at most one");
    assert_eq!(only(claim(&b, 5).await).row.id, id(1));
    assert_eq!(only(claim(&b, 9).await).row.id, id(4));
}

pub(crate) async fn an_ask_comes_back_as_it_was_written(a: SharedStore, b: SharedStore) {
    let written = AskRow {
        attempts: 3,
        ambiguous: true,
        last_error: Some("ds-timeout".to_owned()),
        due_at: at(0) + TimeDelta::microseconds(1),
        created_at: at(-7) + TimeDelta::microseconds(999_999),
        context: RowContext {
            traceparent: Some("00-11-22-01".to_owned()),
            correlation_id: Some("1".to_owned()),
        },
        ..ask("dossier/1", "lire", "ds", 1)
    };
    put_asks(&a, vec![written.clone()]).await;
    let read = only(claim(&b, 1).await).row;
    assert_eq!(read.id, written.id);
    assert_eq!((read.key, read.kind, read.agency), (written.key, written.kind, written.agency));
    assert_json(&read.body, &written.body);
    assert_eq!((read.due_at, read.created_at), (written.due_at, written.created_at));
    assert_eq!((read.attempts, read.ambiguous), (3, true));
    assert_eq!(read.last_error, written.last_error);
    assert_eq!((read.cause, read.context), (written.cause, written.context));
}

pub(crate) async fn an_answer_is_stored_then_claimed_then_consumed(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 2), ask("k", "lire", "ds", 1)]).await;
    for asked in claim(&a, 0).await {
        assert!(answers(&b, 0).await.is_empty(), "nothing is answered yet");
        let stored = a.ask_answered(asked.row.id, asked.lease, r#"{"oui":true}"#, None).await;
        assert!(stored.expect("stores"));
        if asked.row.id == id(2) {
            let answered = only(answers(&b, 0).await);
            assert_json(&answered.row.answer, r#"{"oui":true}"#);
            assert_eq!((answered.row.ask.id, answered.row.ask.kind.as_str()), (id(2), "lire"));
            assert!(answers(&a, 59).await.is_empty(), "claimed");
            let again = only(answers(&a, 60).await);
            assert!(again.lease > answered.lease);
            let late = done(&b, 2, answered.lease).await;
            assert!(matches!(late, Err(StoreError::Conflict)));
            done(&a, 2, again.lease).await.expect("consumes");
            let twice = done(&a, 2, again.lease).await;
            assert!(matches!(twice, Err(StoreError::Conflict)));
        }
    }
    assert!(claim(&a, 600).await.is_empty(), "an answered ask is not asked again");
    assert_eq!(only(answers(&a, 600).await).row.ask.id, id(1));
}

pub(crate) async fn an_answer_may_stay_with_who_stored_it(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1), ask("k", "lire", "ds", 2)]).await;
    let asked = claim(&a, 0).await;
    for held in &asked {
        let stored = a.ask_answered(held.row.id, held.lease, "{}", Some(at(40))).await;
        assert!(stored.expect("stores"));
    }
    assert!(answers(&b, 39).await.is_empty(), "held");
    done(&a, 1, asked[0].lease).await.expect("consumes");
    let taken_over = only(answers(&b, 40).await);
    assert_eq!(taken_over.row.ask.id, id(2), "its lease has run out");
    let late = done(&a, 2, asked[1].lease).await;
    assert!(matches!(late, Err(StoreError::Conflict)));
    done(&b, 2, taken_over.lease).await.expect("consumes");
}

pub(crate) async fn an_answer_is_stored_once_under_the_last_lease(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    let first = only(claim(&a, 0).await);
    let second = only(claim(&b, 60).await);
    assert!(!a.ask_answered(id(1), first.lease, "1", None).await.expect("runs"));
    assert!(!a.ask_later(id(1), first.lease, at(0), "e", true).await.expect("runs"));
    let failed = a.ask_failed(id(1), first.lease, failure(9), vec![message(9)]).await;
    assert!(!failed.expect("runs"));
    assert!(b.failures(false, 9).await.expect("lists").is_empty(), "nothing was changed");
    assert_eq!(b.stats().await.expect("counts").outbox, 0);
    assert!(b.ask_answered(id(1), second.lease, "2", None).await.expect("runs"));
    assert!(!b.ask_answered(id(1), second.lease, "3", None).await.expect("runs"), "once");
    assert!(!b.ask_later(id(1), second.lease, at(0), "e", true).await.expect("runs"));
    let spent = done(&b, 1, second.lease).await;
    assert!(matches!(spent, Err(StoreError::Conflict)), "the call's token consumes no answer");
    assert_eq!(only(answers(&a, 61).await).row.answer, "2");
}

pub(crate) async fn a_lease_that_runs_out_makes_an_ask_ambiguous(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    assert!(!only(claim(&a, 0).await).row.ambiguous);
    let second = only(claim(&b, 60).await);
    assert!(second.row.ambiguous);
    assert_eq!(second.row.attempts, 0, "it did not end with a result");
    assert!(b.ask_later(id(1), second.lease, at(70), "ds-503", true).await.expect("runs"));
    let third = only(claim(&a, 70).await);
    assert!(!third.row.ambiguous, "an attempt with a result is clean");
    assert_eq!((third.row.attempts, third.row.last_error.as_deref()), (1, Some("ds-503")));
}

pub(crate) async fn only_a_result_clears_ambiguity(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    claim(&a, 0).await;
    let second = only(claim(&b, 60).await);
    assert!(b.ask_later(id(1), second.lease, at(70), "disjoncteur", false).await.expect("runs"));
    let third = only(claim(&a, 70).await);
    assert!(third.row.ambiguous, "no attempt was made since");
    let fourth = only(claim(&b, 130).await);
    assert!(fourth.row.ambiguous, "twice without a result");
    // answered after all: the answer says nothing of it
    assert!(b.ask_answered(id(1), fourth.lease, "{}", None).await.expect("runs"));
    claim(&a, 200).await;
    answers(&a, 200).await;
    assert_eq!(only(answers(&a, 260).await).row.ask.attempts, 0);
}

pub(crate) async fn a_failed_attempt_is_counted_unless_not_made(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    for (attempted, attempts, at_s) in [(true, 1, 10), (false, 1, 20), (true, 2, 30)] {
        let claimed = only(claim(&a, at_s - 10).await);
        let noted = a.ask_later(id(1), claimed.lease, at(at_s), "e\0", attempted).await;
        assert!(noted.expect("runs"));
        assert!(!a.ask_later(id(1), claimed.lease, at(0), "e", true).await.expect("runs"), "once");
        assert!(claim(&b, at_s - 1).await.is_empty(), "not before its time");
        let (now, _) = lease(at_s);
        let seen = only(b.claim_asks(now, now, &[], 9).await.expect("claims"));
        assert_eq!(seen.row.attempts, attempts);
        assert!(seen.row.last_error.is_some_and(|e| e.starts_with('e')));
        assert_eq!(seen.row.due_at, at(at_s));
        let back = b.ask_later(id(1), seen.lease, at(at_s), "e", false).await;
        assert!(back.expect("runs"));
    }
}

pub(crate) async fn a_failed_ask_becomes_a_failure_with_its_messages(
    a: SharedStore,
    b: SharedStore,
) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    let claimed = only(claim(&a, 0).await);
    let failed = a.ask_failed(id(1), claimed.lease, failure(8), vec![message(9)]).await;
    assert!(failed.expect("runs"));
    assert!(claim(&b, 600).await.is_empty());
    let failures = b.failures(true, 9).await.expect("lists");
    assert_eq!((failures.len(), failures[0].id), (1, id(8)));
    let (now, until) = lease(600);
    assert_eq!(only(b.claim_outbox(now, until, 9).await.expect("claims")).row.id, id(9));
    let again = a.ask_failed(id(1), claimed.lease, failure(8), vec![message(10)]).await;
    assert!(!again.expect("runs"));
    assert_eq!(b.failures(true, 9).await.expect("lists")[0].attempts, 1, "nothing was changed");
}

pub(crate) async fn an_ask_made_again_has_a_lease_of_its_own(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    let lost = only(claim(&a, 0).await);
    let last = only(claim(&b, 60).await);
    let failed = b.ask_failed(id(1), last.lease, failure(8), Vec::new()).await;
    assert!(failed.expect("runs"));
    // an operator replays it: the same id, another row
    put_asks(&b, vec![ask("k", "lire", "ds", 1)]).await;
    let again = only(claim(&b, 100).await);
    assert!(!again.row.ambiguous);
    assert!(again.lease > last.lease && last.lease > lost.lease);
    for old in [lost.lease, last.lease] {
        assert!(!a.ask_answered(id(1), old, "{}", None).await.expect("runs"));
    }
    assert!(b.ask_answered(id(1), again.lease, "{}", None).await.expect("runs"));
}

pub(crate) async fn cancelling_spares_new_and_answered_asks(a: SharedStore, b: SharedStore) {
    put_asks(
        &a,
        vec![
            ask("k", "lire", "ds", 1),
            ask("k", "lire", "ds", 2),
            ask("k", "ecrire", "ds", 3),
            ask("j", "lire", "ds", 4),
        ],
    )
    .await;
    let claimed = claim(&a, 0).await;
    assert!(a.ask_answered(id(1), claimed[0].lease, "{}", None).await.expect("stores"));
    let writes = Writes {
        cancel_asks: vec![("k".to_owned(), "lire".to_owned())],
        asks: vec![ask("k", "lire", "ds", 5)],
        ..Writes::default()
    };
    commit(&b, writes).await.expect("cancels");
    let left: Vec<_> = claim(&a, 60).await.into_iter().map(|row| row.row.id).collect();
    assert_eq!(left, [id(3), id(4), id(5)]);
    assert_eq!(only(answers(&a, 60).await).row.ask.id, id(1));
}

pub(crate) async fn a_cancelled_ask_takes_no_answer(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1)]).await;
    let claimed = only(claim(&a, 0).await);
    let cancel_asks = vec![("k".to_owned(), "lire".to_owned())];
    commit(&b, Writes { cancel_asks, ..Writes::default() }).await.expect("cancels");
    assert!(!a.ask_answered(id(1), claimed.lease, "{}", None).await.expect("runs"));
    assert!(!a.ask_later(id(1), claimed.lease, at(0), "e", true).await.expect("runs"));
    // and the same ask made again is not the one that was called
    put_asks(&b, vec![ask("k", "lire", "ds", 1)]).await;
    assert!(!a.ask_answered(id(1), claimed.lease, "{}", None).await.expect("runs"));
}

pub(crate) async fn an_ask_whose_id_exists_is_kept(a: SharedStore, b: SharedStore) {
    put_asks(&a, vec![ask("k", "lire", "ds", 1), ask("k", "autre", "ds", 1)]).await;
    put_asks(&b, vec![ask("k", "autre", "ds", 1), ask("k", "autre", "ds", 2)]).await;
    let kinds: Vec<_> = claim(&a, 0).await.into_iter().map(|row| row.row.kind).collect();
    assert_eq!(kinds, ["lire", "autre"]);
}

pub(crate) async fn next_due_follows_asks_answers_and_leases(a: SharedStore, b: SharedStore) {
    let paused = ["ds".to_owned()];
    let next = async |paused: &[String]| {
        let due = b.next_due(paused).await.expect("reads");
        (due.answers, due.asks)
    };
    let late = AskRow { due_at: at(90), ..ask("k", "envoyer", "smtp", 2) };
    put_asks(&a, vec![ask("k", "lire", "ds", 1), late]).await;
    assert_eq!(next(&[]).await, (None, Some(at(0))));
    assert_eq!(next(&paused).await, (None, Some(at(90))));
    let claimed = only(claim(&a, 0).await);
    assert_eq!(next(&[]).await, (None, Some(at(60))), "when its lease runs out");
    assert_eq!(next(&paused).await, (None, Some(at(90))));
    assert!(a.ask_answered(id(1), claimed.lease, "{}", None).await.expect("stores"));
    assert_eq!(next(&paused).await, (Some(at(0)), Some(at(90))), "an answer is due at once");
    let answer = only(answers(&a, 10).await);
    assert_eq!(next(&[]).await, (Some(at(70)), Some(at(90))));
    done(&a, 1, answer.lease).await.expect("consumes");
    assert_eq!(next(&[]).await, (None, Some(at(90))));
}
