//! Closing and readiness.

use std::time::Duration;

use super::{Ground, fact, queue};
use crate::{BusError, Confirmation};

pub(super) async fn a_closed_transport_does_nothing_more(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let spec = queue("un", &["fait.v1"]);
    let mut consumer = bus.consume(&spec, 10).await.expect("a consumer");
    bus.close().await;
    assert!(matches!(consumer.next_batch(10).await, Err(BusError::Closed)));
    assert!(matches!(bus.consume(&spec, 10).await, Err(BusError::Closed)));
    let sent = bus.publish(vec![fact("fait.v1", "1"), fact("fait.v1", "2")]).await;
    assert_eq!(sent, [Confirmation::Failed, Confirmation::Failed]);
    assert!(!bus.ready(Duration::from_secs(1)).await);
    // Once more is harmless.
    bus.close().await;
}

pub(super) async fn readiness_is_answered(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    for _ in 0..3 {
        assert!(bus.ready(Duration::from_secs(10)).await);
    }
}
