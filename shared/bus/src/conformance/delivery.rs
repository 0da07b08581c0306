//! Publishing, consuming, settling, batches.

use std::collections::BTreeSet;

use tokio::time::timeout;

use super::{
    Ground, SILENCE, assert_empty, drain, fact, facts, ids, numbers, publish_all, queue, settle,
    take,
};
use crate::{Confirmation, Origin};

pub(super) async fn what_is_published_arrives_whole_and_once(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let spec = queue("un", &["fait.v1"]);
    let mut consumer = bus.consume(&spec, 10).await.expect("a consumer");
    let mut sent = facts("fait.v1", 0..3);
    sent[1].envelope.subject = None;
    sent[1].envelope.sequence = None;
    sent[1].envelope.correlation_id = None;
    sent[1].envelope.causation_id = None;
    sent[1].envelope.traceparent = None;
    sent[2].envelope.data = vec![0, 159, 146, 150];
    let ((), received) =
        tokio::join!(publish_all(&bus, sent.clone()), drain(&mut *consumer, sent.len()));
    for (publication, delivery) in sent.iter().zip(&received) {
        assert_eq!(delivery.envelope, publication.envelope);
        assert_eq!(delivery.flux, publication.flux);
        assert_eq!(delivery.routing_key, publication.routing_key);
        assert_eq!(delivery.origin, Origin::Relais);
        assert_eq!(delivery.rejection, None);
    }
    drop(consumer);
    let mut consumer = bus.consume(&spec, 10).await.expect("a consumer");
    assert_empty(&bus, &mut *consumer, "fait.v1").await;
}

pub(super) async fn what_a_lost_consumer_held_comes_again_in_order(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let spec = queue("un", &["fait.v1"]);
    let mut consumer = bus.consume(&spec, 10).await.expect("a consumer");
    let survive = async {
        let held = take(&mut *consumer, 3).await;
        consumer.ack(&[held[1].tag]).await.expect("an acknowledgement");
        drop(consumer);
        let mut consumer = bus.consume(&spec, 10).await.expect("a consumer");
        let again = drain(&mut *consumer, 2).await;
        assert_eq!(ids(&again), ["0", "2"]);
        consumer
    };
    let ((), mut consumer) = tokio::join!(publish_all(&bus, facts("fait.v1", 0..3)), survive);
    assert_empty(&bus, &mut *consumer, "fait.v1").await;
}

pub(super) async fn what_is_released_comes_again(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.v1"]), 10).await.expect("a consumer");
    let give_back = async {
        let held = take(&mut *consumer, 2).await;
        consumer.release(&[held[0].tag]).await.expect("a release");
        consumer.ack(&[held[1].tag]).await.expect("an acknowledgement");
        let again = drain(&mut *consumer, 1).await;
        assert_eq!(ids(&again), ["0"]);
    };
    tokio::join!(publish_all(&bus, facts("fait.v1", 0..2)), give_back);
}

pub(super) async fn a_queue_keeps_the_order(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.#"]), 50).await.expect("a consumer");
    let publish = async {
        publish_all(&bus, facts("fait.v1", 0..450)).await;
        publish_all(&bus, facts("fait.v2", 450..500)).await;
    };
    let receive = async {
        let mut received = Vec::new();
        while received.len() < 500 {
            let batch = consumer.next_batch(64).await.expect("a batch");
            received.extend(ids(&batch).into_iter().map(str::to_owned));
            settle(&mut *consumer, &batch).await;
        }
        received
    };
    let ((), received) = tokio::join!(publish, receive);
    assert_eq!(received, numbers(0..500));
}

pub(super) async fn a_lone_message_comes_at_once(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.v1"]), 500).await.expect("a consumer");
    let receive = async {
        let batch = consumer.next_batch(256).await.expect("a batch");
        assert_eq!(ids(&batch), ["0"]);
        settle(&mut *consumer, &batch).await;
    };
    tokio::join!(publish_all(&bus, facts("fait.v1", 0..1)), receive);
}

pub(super) async fn a_batch_takes_what_is_there_up_to_its_bound(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.v1"]), 500).await.expect("a consumer");
    let receive = async {
        let mut sizes = BTreeSet::new();
        let mut received = Vec::new();
        while received.len() < 100 {
            let batch = consumer.next_batch(8).await.expect("a batch");
            sizes.insert(batch.len());
            received.extend(batch);
            // Lets the rest arrive: a later batch must then be full.
            tokio::time::sleep(SILENCE / 10).await;
        }
        assert!(sizes.iter().all(|size| (1..=8).contains(size)), "{sizes:?}");
        assert!(sizes.contains(&8), "{sizes:?}");
        settle(&mut *consumer, &received).await;
    };
    tokio::join!(publish_all(&bus, facts("fait.v1", 0..100)), receive);
}

pub(super) async fn prefetch_bounds_what_is_unsettled(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.v1"]), 3).await.expect("a consumer");
    let receive = async {
        let held = take(&mut *consumer, 3).await;
        let more = timeout(SILENCE, consumer.next_batch(10)).await;
        assert!(more.is_err(), "a fourth delivery came before a settlement");
        consumer.ack(&[held[1].tag]).await.expect("an acknowledgement");
        let fourth = take(&mut *consumer, 1).await;
        assert_eq!(ids(&fourth), ["3"]);
        settle(&mut *consumer, &held[..1]).await;
        settle(&mut *consumer, &held[2..]).await;
        settle(&mut *consumer, &fourth).await;
        drain(&mut *consumer, 1).await;
    };
    tokio::join!(publish_all(&bus, facts("fait.v1", 0..5)), receive);
}

pub(super) async fn a_large_prefetch_is_filled_and_settled_in_any_order(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let spec = queue("un", &["fait.v1"]);
    let mut consumer = bus.consume(&spec, 2000).await.expect("a consumer");
    let receive = async {
        let mut held = take(&mut *consumer, 1500).await;
        held.reverse();
        let (first, second) = held.split_at(700);
        settle(&mut *consumer, second).await;
        settle(&mut *consumer, first).await;
    };
    tokio::join!(publish_all(&bus, facts("fait.v1", 0..1500)), receive);
    drop(consumer);
    let mut consumer = bus.consume(&spec, 2000).await.expect("a consumer");
    assert_empty(&bus, &mut *consumer, "fait.v1").await;
}

pub(super) async fn a_cancelled_wait_loses_nothing(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.v1"]), 100).await.expect("a consumer");
    let receive = async {
        let mut received = Vec::new();
        while received.len() < 200 {
            // Cancelled as often as not.
            let wait = timeout(SILENCE / 300, consumer.next_batch(5)).await;
            if let Ok(batch) = wait {
                let batch = batch.expect("a batch");
                received.extend(ids(&batch).into_iter().map(str::to_owned));
                settle(&mut *consumer, &batch).await;
            }
        }
        received
    };
    let ((), received) = tokio::join!(publish_all(&bus, facts("fait.v1", 0..200)), receive);
    assert_eq!(received, numbers(0..200));
}

pub(super) async fn two_consumers_share_a_queue(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let spec = queue("un", &["fait.v1"]);
    let mut first = bus.consume(&spec, 1).await.expect("a consumer");
    let mut second = bus.consume(&spec, 1).await.expect("a consumer");
    let receive = async {
        let one = take(&mut *first, 1).await;
        let other = take(&mut *second, 1).await;
        let both: BTreeSet<_> = [ids(&one), ids(&other)].concat().into_iter().collect();
        assert_eq!(both, BTreeSet::from(["0", "1"]));
        settle(&mut *first, &one).await;
        settle(&mut *second, &other).await;
    };
    tokio::join!(publish_all(&bus, facts("fait.v1", 0..2)), receive);
}

pub(super) async fn an_invalid_envelope_arrives_rejected_with_its_body(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.v1"]), 10).await.expect("a consumer");
    let mut nameless = fact("fait.v1", "");
    nameless.envelope.source = String::new();
    let body = nameless.envelope.data.clone();
    let send = bus.publish(vec![nameless, fact("fait.v1", "2")]);
    let (confirmations, received) = tokio::join!(send, drain(&mut *consumer, 2));
    assert_eq!(confirmations, vec![Confirmation::Confirmed; 2]);
    let rejection = received[0].rejection.as_ref().expect("a rejection");
    assert_eq!(rejection.code, "enveloppe-invalide");
    assert_eq!(received[0].envelope.data, body);
    assert!(!received[0].envelope.id.is_empty(), "an id is derived");
    assert_eq!(received[1].rejection, None);
}
