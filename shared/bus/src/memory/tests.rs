use contracts::{Envelope, Flux};

use super::*;

fn fact(key: &str, id: &str) -> Publication {
    Publication {
        flux: Flux::Evenements,
        routing_key: key.to_owned(),
        envelope: Envelope {
            id: id.to_owned(),
            source: "/relais/essai".to_owned(),
            message_type: key.to_owned(),
            subject: None,
            time: "2026-01-05T08:00:00Z".parse().expect("an instant"),
            sequence: None,
            correlation_id: None,
            causation_id: None,
            traceparent: None,
            data: b"{}".to_vec(),
        },
        mandatory: false,
    }
}

fn queue(name: &str) -> QueueSpec {
    QueueSpec::service(name, vec![(Flux::Evenements, "fait.#".to_owned())])
}

#[tokio::test]
async fn a_publication_waits_for_the_commit_of_every_queue() {
    let bus = MemoryBus::new(Clock::system());
    let mut first = bus.consume(&queue("un"), 10).await.expect("a consumer");
    let mut second = bus.consume(&queue("deux"), 10).await.expect("a consumer");
    let mut sending = std::pin::pin!(bus.publish(vec![fact("fait.v1", "1")]));
    assert!(futures_util::poll!(sending.as_mut()).is_pending());
    let tag = first.next_batch(8).await.expect("a batch")[0].tag;
    first.ack(&[tag]).await.expect("an ack");
    assert!(futures_util::poll!(sending.as_mut()).is_pending());
    let tag = second.next_batch(8).await.expect("a batch")[0].tag;
    second.ack(&[tag]).await.expect("an ack");
    assert_eq!(sending.await, vec![Confirmation::Confirmed]);
}

#[tokio::test]
async fn virtual_time_waits_for_what_somebody_reads_and_for_nothing_else() {
    let (clock, driver) = Clock::virtual_at("2026-01-05T08:00:00Z".parse().expect("an instant"));
    let bus = MemoryBus::new(clock);
    let mut consumer = bus.consume(&queue("un"), 10).await.expect("a consumer");
    let mut sending = std::pin::pin!(bus.publish(vec![fact("fait.v1", "1")]));
    assert!(futures_util::poll!(sending.as_mut()).is_pending());
    assert!(futures_util::poll!(std::pin::pin!(driver.quiet())).is_pending(), "waits in a queue");
    let batch = consumer.next_batch(8).await.expect("a batch");
    let tags: Vec<u64> = batch.iter().map(|d| d.tag).collect();
    drop(batch);
    assert!(futures_util::poll!(std::pin::pin!(driver.quiet())).is_pending(), "not acknowledged");
    drop(consumer);
    driver.quiet().await;
    let mut consumer = bus.consume(&queue("un"), 10).await.expect("a consumer");
    assert!(futures_util::poll!(std::pin::pin!(driver.quiet())).is_pending(), "read again");
    assert_eq!(consumer.next_batch(8).await.expect("a batch")[0].tag, tags[0]);
    consumer.ack(&tags).await.expect("an ack");
    driver.quiet().await;
    assert_eq!(sending.await, vec![Confirmation::Confirmed]);
}

#[tokio::test]
async fn closing_fails_what_is_pending() {
    let bus = MemoryBus::new(Clock::system());
    bus.declare(&queue("un"));
    let mut sending = std::pin::pin!(bus.publish(vec![fact("fait.v1", "1")]));
    assert!(futures_util::poll!(sending.as_mut()).is_pending());
    bus.close().await;
    assert_eq!(sending.await, vec![Confirmation::Failed]);
    assert_eq!(bus.publish(vec![fact("fait.v1", "2")]).await, vec![Confirmation::Failed]);
}
