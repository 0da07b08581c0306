//! Patterns, fan-out, returns.

use super::{Ground, assert_empty, drain, fact, facts, ids, publish_all, queue};
use crate::{Confirmation, Publication};

pub(super) async fn patterns_choose_the_queues(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let spec = queue("un", &["activite.*.v1", "vacation.#", "exact.v1"]);
    let mut consumer = bus.consume(&spec, 100).await.expect("a consumer");
    let keys = [
        ("activite.autorisee.v1", true),
        ("activite.autorisee.v2", false),
        ("activite.v1", false),
        ("vacation", true),
        ("vacation.realisee.v1", true),
        ("exact.v1", true),
        ("exact.v1.suite", false),
        ("autre.v1", false),
    ];
    let messages: Vec<Publication> = keys.iter().map(|(key, _)| fact(key, key)).collect();
    let expected: Vec<&str> = keys.iter().filter(|(_, yes)| *yes).map(|(key, _)| *key).collect();
    let ((), received) =
        tokio::join!(publish_all(&bus, messages), drain(&mut *consumer, expected.len()));
    assert_eq!(ids(&received), expected);
    assert_empty(&bus, &mut *consumer, "exact.v1").await;
}

pub(super) async fn a_fact_reaches_every_queue_bound_to_it(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut one = bus.consume(&queue("un", &["fait.v1"]), 100).await.expect("a consumer");
    // Bound twice: still one copy.
    let twice = queue("deux", &["fait.*", "#"]);
    let mut two = bus.consume(&twice, 100).await.expect("a consumer");
    let ((), first, second) = tokio::join!(
        publish_all(&bus, facts("fait.v1", 0..20)),
        drain(&mut *one, 20),
        drain(&mut *two, 20)
    );
    assert_eq!(ids(&first), ids(&second));
    let both = async {
        drain(&mut *one, 1).await;
        assert_eq!(ids(&drain(&mut *two, 1).await), ["fin"]);
    };
    tokio::join!(publish_all(&bus, vec![fact("fait.v1", "fin")]), both);
}

pub(super) async fn a_mandatory_message_without_queue_comes_back(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut request = fact("cpam.631.numero-am-demande.v1", "1");
    request.flux = contracts::Flux::Demandes;
    request.mandatory = true;
    let fact = fact("personne.v1", "2");
    assert_eq!(
        bus.publish(vec![request.clone(), fact]).await,
        vec![Confirmation::Returned, Confirmation::Confirmed]
    );
    let agence = super::agence("cpam.631");
    let reader = ground.agency(agence.clone()).await;
    let spec = crate::QueueSpec::agence(&agence);
    let mut consumer = reader.consume(&spec, 10).await.expect("a consumer");
    tokio::join!(publish_all(&bus, vec![request]), drain(&mut *consumer, 1));
}

pub(super) async fn returns_are_told_apart_in_a_pipeline(ground: &dyn Ground) {
    let bus = ground.service("essai").await;
    let mut consumer = bus.consume(&queue("un", &["fait.v1"]), 500).await.expect("a consumer");
    let is_lost = |n: u32| n.is_multiple_of(3) || n % 7 == 1;
    let messages = |from: u32| -> Vec<Publication> {
        let one = |n: u32| {
            let key = if is_lost(n) { "personne.v1" } else { "fait.v1" };
            Publication { mandatory: true, ..fact(key, &n.to_string()) }
        };
        (from..from + 300).map(one).collect()
    };
    let expected = |from: u32| -> Vec<Confirmation> {
        let one = |n| if is_lost(n) { Confirmation::Returned } else { Confirmation::Confirmed };
        (from..from + 300).map(one).collect()
    };
    let routed = (0..600).filter(|n| !is_lost(*n)).count();
    // Two calls at once: the returns of one are not those of the other.
    let (first, second, _) = tokio::join!(
        bus.publish(messages(0)),
        bus.publish(messages(300)),
        drain(&mut *consumer, routed)
    );
    assert_eq!(first, expected(0));
    assert_eq!(second, expected(300));
}
