//! Messages to publish.

use chrono::TimeDelta;
use contracts::Envelope;
use store::{Leased, OutboxRow, SharedStore, Writes};

use crate::fixtures::{at, failure, id, lease, message, only, put_outbox};

async fn claim(store: &SharedStore, seconds: i64) -> Vec<Leased<OutboxRow>> {
    let (now, until) = lease(seconds);
    store.claim_outbox(now, until, 99).await.expect("claims")
}

fn ids(rows: &[Leased<OutboxRow>]) -> Vec<u128> {
    rows.iter().map(|row| row.row.id.as_u128()).collect()
}

pub(crate) async fn messages_come_back_byte_for_byte(a: SharedStore, b: SharedStore) {
    let bodies: [&[u8]; 5] =
        [br#"{ "b":1, "a": "\u0000" }"#, "« é »".as_bytes(), &[0xff, 0xfe, 0x00], b"a\0b", b""];
    let written: Vec<OutboxRow> = (1..)
        .zip(bodies)
        .map(|(n, data)| {
            let plain = message(n);
            OutboxRow {
                mandatory: n % 2 == 0,
                envelope: Envelope {
                    data: data.to_vec(),
                    time: at(0) + TimeDelta::nanoseconds(123_456_789),
                    sequence: Some(u64::MAX),
                    subject: None,
                    correlation_id: Some("dossier".to_owned()),
                    causation_id: Some("cause".to_owned()),
                    traceparent: Some("00-11-22-01".to_owned()),
                    ..plain.envelope
                },
                ..plain
            }
        })
        .collect();
    put_outbox(&a, written.clone()).await;
    let read = claim(&b, 1).await;
    assert_eq!(read.len(), written.len());
    for (read, written) in read.into_iter().map(|row| row.row).zip(written) {
        assert_eq!(read.id, written.id);
        assert_eq!(read.exchange, written.exchange);
        assert_eq!(read.routing_key, written.routing_key);
        assert_eq!(read.mandatory, written.mandatory);
        assert_eq!(read.envelope, written.envelope);
    }
}

pub(crate) async fn a_message_is_claimed_once_and_deleted_on_confirm(
    a: SharedStore,
    b: SharedStore,
) {
    put_outbox(&a, vec![message(3), message(1), message(2)]).await;
    let (now, until) = lease(0);
    let first = a.claim_outbox(now, until, 2).await.expect("claims");
    assert_eq!(ids(&first), [3, 1], "in the order of insertion");
    assert_eq!(ids(&claim(&b, 59).await), [2]);
    let second = claim(&b, 60).await;
    assert_eq!(ids(&second), [3, 1]);
    a.outbox_done(&[(id(3), first[0].lease), (id(1), first[1].lease)]).await.expect("runs");
    assert_eq!(b.stats().await.expect("counts").outbox, 3, "an older lease deletes nothing");
    b.outbox_done(&[(id(3), second[0].lease), (id(1), second[1].lease)]).await.expect("runs");
    assert_eq!(ids(&claim(&a, 600).await), [2]);
}

pub(crate) async fn a_message_written_twice_goes_out_at_least_once(a: SharedStore, b: SharedStore) {
    put_outbox(&a, vec![message(1), message(1)]).await;
    put_outbox(&b, vec![message(1), message(2)]).await;
    let mut rows = claim(&a, 0).await;
    a.outbox_done(&rows.iter().map(|row| (row.row.id, row.lease)).collect::<Vec<_>>())
        .await
        .expect("runs");
    assert!(claim(&b, 600).await.is_empty(), "all of it is settled");
    rows.dedup_by_key(|row| row.row.id);
    assert_eq!(ids(&rows), [1, 2]);
}

pub(crate) async fn messages_given_back_wait(a: SharedStore, b: SharedStore) {
    put_outbox(&a, vec![message(1), message(2)]).await;
    let rows = claim(&a, 0).await;
    let given = [(id(1), rows[0].lease)];
    a.outbox_later(&given, at(300), vec![failure(1)], vec![message(9)]).await.expect("runs");
    a.outbox_done(&given).await.expect("runs");
    assert_eq!(ids(&claim(&b, 299).await), [2, 9], "the other one's lease ran out");
    assert_eq!(ids(&claim(&b, 300).await), [1], "its spent token deleted nothing");
    assert_eq!(b.failures(true, 9).await.expect("lists").len(), 1);
}

pub(crate) async fn failures_of_a_lost_lease_are_not_kept(a: SharedStore, b: SharedStore) {
    put_outbox(&a, vec![message(1)]).await;
    let lost = only(claim(&a, 0).await);
    let held = only(claim(&b, 60).await);
    a.outbox_later(&[(id(1), lost.lease)], at(0), vec![failure(1)], vec![message(9)])
        .await
        .expect("runs");
    assert!(b.failures(false, 9).await.expect("lists").is_empty());
    assert!(claim(&a, 61).await.is_empty(), "still held by the other");
    b.outbox_done(&[(id(1), held.lease)]).await.expect("runs");
    assert_eq!(b.stats().await.expect("counts").outbox, 0, "nor announced");
}

pub(crate) async fn next_due_follows_messages_and_leases(a: SharedStore, b: SharedStore) {
    let next = async || b.next_due(&[]).await.expect("reads").outbox;
    assert_eq!(next().await, None);
    put_outbox(&a, vec![message(1)]).await;
    assert_eq!(next().await, Some(at(0)));
    let claimed = only(claim(&a, 5).await);
    assert_eq!(next().await, Some(at(65)));
    a.outbox_later(&[(id(1), claimed.lease)], at(40), Vec::new(), Vec::new()).await.expect("runs");
    assert_eq!(next().await, Some(at(40)));
    let claimed = only(claim(&a, 40).await);
    a.outbox_done(&[(id(1), claimed.lease)]).await.expect("runs");
    assert_eq!(next().await, None);
}

pub(crate) async fn a_message_born_under_a_lease_is_its_writers(a: SharedStore, b: SharedStore) {
    let (_, until) = lease(0);
    let mut writes = Some(Writes {
        outbox: vec![message(1), message(2)].into(),
        outbox_lease: Some((-7, until)),
        ..Writes::default()
    });
    a.transact(&[], &[], &mut |_| writes.take().expect("once")).await.expect("commits");
    assert_eq!(ids(&claim(&b, 1).await), [0; 0], "nobody else publishes it");
    let next = b.next_due(&[]).await.expect("reads").outbox;
    assert_eq!(next, Some(until), "until its writer must be dead");
    a.outbox_done(&[(id(1), -7)]).await.expect("settles");
    let taken = claim(&b, 60).await;
    assert_eq!(ids(&taken), [2], "what its writer did not settle");
    a.outbox_done(&[(id(2), -7)]).await.expect("settles nothing");
    assert_eq!(ids(&claim(&b, 120).await), [2], "its lease was not its writer's any more");
}
