use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use contracts::{Envelope, Flux};
use futures_util::poll;
use kernel::VirtualDriver;

use super::*;
use crate::MemoryBus;

/// A transport that confirms at once, as a broker does, and keeps no time: the in-process one,
/// on another clock, published to without waiting for its confirmations.
struct Broker {
    inner: Arc<MemoryBus>,
    answer: Confirmation,
}

#[async_trait]
impl Transport for Broker {
    async fn publish(&self, messages: Vec<Publication>) -> Vec<Confirmation> {
        let count = messages.len();
        if self.answer == Confirmation::Confirmed {
            // Enqueued at the first poll; nobody waits for the acknowledgement.
            let _ = poll!(self.inner.publish(messages));
        }
        vec![self.answer; count]
    }

    async fn consume(&self, q: &QueueSpec, prefetch: u16) -> Result<Box<dyn Consumer>, BusError> {
        self.inner.consume(q, prefetch).await
    }

    async fn ready(&self, limit: Duration) -> bool {
        self.inner.ready(limit).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn fact(id: &str) -> Publication {
    Publication {
        flux: Flux::Evenements,
        routing_key: "fait.v1".to_owned(),
        envelope: Envelope {
            id: id.to_owned(),
            source: "/relais/essai".to_owned(),
            message_type: "fait.v1".to_owned(),
            subject: None,
            time: start(),
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
    QueueSpec::service(name, vec![(Flux::Evenements, "fait.v1".to_owned())])
}

fn start() -> DateTime<Utc> {
    "2026-01-05T08:00:00Z".parse().expect("an instant")
}

async fn is_quiet(driver: &VirtualDriver) -> bool {
    poll!(std::pin::pin!(driver.quiet())).is_ready()
}

fn observed(answer: Confirmation) -> (SharedTransport, VirtualDriver, Arc<AtomicUsize>) {
    let (clock, driver) = Clock::virtual_at(start());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let watch = Watch::holding_time(clock, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let inner = MemoryBus::new(Clock::system());
    (watch.over(Arc::new(Broker { inner, answer })), driver, count)
}

#[tokio::test]
async fn time_stands_still_until_every_reader_has_acknowledged() {
    let (bus, driver, published) = observed(Confirmation::Confirmed);
    let mut one = bus.consume(&queue("un"), 10).await.expect("a consumer");
    let mut two = bus.consume(&queue("deux"), 10).await.expect("a consumer");
    // Sent twice: told once, awaited twice.
    bus.publish(vec![fact("1"), fact("1")]).await;
    assert_eq!(published.load(Ordering::Relaxed), 1);
    for consumer in [&mut one, &mut two] {
        assert!(!is_quiet(&driver).await);
        let tags: Vec<u64> =
            consumer.next_batch(10).await.expect("a batch").iter().map(|d| d.tag).collect();
        consumer.ack(&tags[..1]).await.expect("an acknowledgement");
        assert!(!is_quiet(&driver).await);
        consumer.ack(&tags[1..]).await.expect("an acknowledgement");
    }
    assert!(is_quiet(&driver).await);
}

#[tokio::test]
async fn what_never_arrives_is_not_awaited() {
    for answer in [Confirmation::Failed, Confirmation::Returned] {
        let (bus, driver, published) = observed(answer);
        let _one = bus.consume(&queue("un"), 10).await.expect("a consumer");
        assert_eq!(bus.publish(vec![fact("1")]).await, [answer]);
        assert!(is_quiet(&driver).await);
        assert_eq!(published.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn what_waits_for_a_stopped_reader_is_awaited_again_when_it_comes_back() {
    let (bus, driver, _) = observed(Confirmation::Confirmed);
    let mut reader = bus.consume(&queue("un"), 10).await.expect("a consumer");
    bus.publish(vec![fact("1"), fact("2")]).await;
    let held = reader.next_batch(10).await.expect("a batch");
    reader.ack(&[held[0].tag]).await.expect("an acknowledgement");
    drop(held);
    drop(reader);
    assert!(is_quiet(&driver).await);
    let mut reader = bus.consume(&queue("un"), 10).await.expect("a consumer");
    assert!(!is_quiet(&driver).await);
    let again = reader.next_batch(10).await.expect("a batch");
    reader.ack(&[again[0].tag]).await.expect("an acknowledgement");
    assert!(is_quiet(&driver).await);
}

#[tokio::test]
async fn a_dead_letter_is_not_awaited_where_it_was() {
    let (bus, driver, _) = observed(Confirmation::Confirmed);
    let _reader = bus.consume(&queue("un"), 10).await.expect("a consumer");
    bus.publish(vec![fact("1")]).await;
    let mut morts = queue("un").morts();
    assert_eq!(morts.name, "un.morts");
    // Bound by hand: nothing dies on the in-process transport.
    morts.bindings.push((Flux::Evenements, "mort.v1".to_owned()));
    let mut dead = bus.consume(&morts, 10).await.expect("a consumer");
    let mut letter = fact("1");
    letter.routing_key = "mort.v1".to_owned();
    assert!(!is_quiet(&driver).await);
    bus.publish(vec![letter]).await;
    let buried = dead.next_batch(10).await.expect("a batch");
    assert_eq!(buried[0].rejection.as_ref().map(|r| r.code), Some("livraisons-epuisees"));
    dead.ack(&[buried[0].tag]).await.expect("an acknowledgement");
    assert!(is_quiet(&driver).await);
}
