//! What only a real broker does: connections cut by force, dead letters, users and permissions.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bus::{
    Confirmation, Consumer, Delivery, Identity, QueueSpec, RabbitBus, RabbitOptions, Transport,
    conformance::{broker_users, fact, server_url, unique_prefix},
};
use contracts::{Agence, Flux};
use kernel::{Clock, Secret};
use reqwest::{Client, Method, Url};
use serde_json::Value;

mod permissions;

/// Longest wait for something that the broker does in its own time.
const PATIENCE: Duration = Duration::from_mins(1);

fn agence(text: &str) -> Agence {
    text.parse().expect("an agency")
}

fn queue(name: &str) -> QueueSpec {
    QueueSpec::service(name, vec![(Flux::Evenements, "fait.#".to_owned())])
}

async fn demo(url: &str, name: &str, prefix: &str) -> Arc<RabbitBus> {
    let identity = Identity::Service(name.to_owned());
    let options = RabbitOptions::demo(Secret::new(url), identity, Clock::system(), prefix);
    RabbitBus::connect(options).await.expect("a connection")
}

/// The next deliveries that are not a lost connection.
async fn next(consumer: &mut dyn Consumer) -> Vec<Delivery> {
    let wait = async {
        loop {
            let batch = consumer.next_batch(100).await.expect("a batch");
            if !batch.is_empty() {
                return batch;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("a delivery")
}

/// A call to the management API.
async fn manage(url: &str, method: Method, path: &[&str], body: Option<Value>) -> Value {
    let mut url: Url = url.parse().expect("a URL");
    let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
    url.set_username("").and_then(|()| url.set_password(None)).expect("a plain URL");
    url.path_segments_mut().expect("a path").pop_if_empty().push("api").extend(path);
    let client = Client::builder().tls_certs_only([]).build().expect("a client");
    let mut request = client.request(method, url).basic_auth(user, password);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("an answer");
    assert!(response.status().is_success(), "{path:?}: {}", response.status());
    response.json().await.unwrap_or(Value::Null)
}

fn crypto() {
    // Another test of the process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Cuts every connection whose name begins with `name`, once the broker lists `expected` of them.
async fn cut(management: &str, name: &str, expected: usize) {
    let wait = async {
        loop {
            let list = manage(management, Method::GET, &["connections"], None).await;
            let rows = list.as_array().cloned().unwrap_or_default();
            let ours: Vec<String> = rows
                .iter()
                .filter(|row| {
                    let given = &row["client_properties"]["connection_name"];
                    given.as_str().is_some_and(|given| given.starts_with(name))
                })
                .filter_map(|row| row["name"].as_str().map(str::to_owned))
                .collect();
            if ours.len() >= expected {
                return ours;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    for connection in tokio::time::timeout(PATIENCE, wait).await.expect("connections") {
        manage(management, Method::DELETE, &["connections", &connection], None).await;
    }
}

#[tokio::test]
async fn a_cut_connection_comes_back_and_nothing_is_lost() {
    let (Some(url), Some(management)) = (server_url("AMQP_URL"), server_url("AMQP_MGMT_URL"))
    else {
        return;
    };
    crypto();
    let prefix = unique_prefix("cut", Clock::system().now());
    let name = format!("coupe-{}", prefix.trim_end_matches('.'));
    let bus = demo(&url, &name, &prefix).await;
    let mut consumer = bus.consume(&queue("un"), 100).await.expect("a consumer");
    let sent = bus.publish(vec![fact("fait.v1", "1"), fact("fait.v1", "2")]).await;
    assert_eq!(sent, [Confirmation::Confirmed; 2]);
    let mut held = next(&mut *consumer).await;
    while held.len() < 2 {
        held.extend(next(&mut *consumer).await);
    }
    cut(&management, &format!("{prefix}{name}"), 2).await;
    let lost = tokio::time::timeout(PATIENCE, consumer.next_batch(100)).await.expect("a signal");
    assert!(lost.expect("an empty batch").is_empty());
    // A tag of the lost connection settles nothing, and breaks nothing.
    consumer.ack(&[held[0].tag, held[1].tag]).await.expect("ignored");
    let mut again = next(&mut *consumer).await;
    while again.len() < 2 {
        again.extend(next(&mut *consumer).await);
    }
    let ids: Vec<&str> = again.iter().map(|d| d.envelope.id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
    consumer.ack(&[again[0].tag, again[1].tag]).await.expect("an acknowledgement");
    // The relay's way: what failed is published again, under the same id.
    while bus.publish(vec![fact("fait.v1", "3")]).await != [Confirmation::Confirmed] {}
    let third = next(&mut *consumer).await;
    assert_eq!(third[0].envelope.id, "3");
    assert!(bus.ready(PATIENCE).await);
    consumer.ack(&[third[0].tag]).await.expect("an acknowledgement");
    bus.erase(&[queue("un")]).await.expect("everything is deleted");
    bus.close().await;
}

#[tokio::test]
async fn what_is_delivered_too_often_is_read_among_the_dead() {
    let Some(url) = server_url("AMQP_URL") else { return };
    let prefix = unique_prefix("morts", Clock::system().now());
    let bus = demo(&url, "essai", &prefix).await;
    let here = agence("cpam.631");
    let agency = bus.agency(here.clone()).expect("an agency's handle");
    let spec = QueueSpec::agence(&here);
    let mut consumer = agency.consume(&spec, 10).await.expect("a consumer");
    let mut dead = bus.consume(&spec.morts(), 10).await.expect("a consumer");
    let mut request = fact("rib-demande.v1", "1");
    request.flux = Flux::Demandes;
    request.routing_key = here.routing_key("rib-demande.v1");
    request.mandatory = true;
    assert_eq!(bus.publish(vec![request.clone()]).await, [Confirmation::Confirmed]);
    let refuse = async {
        loop {
            for delivery in consumer.next_batch(10).await.expect("a batch") {
                consumer.release(&[delivery.tag]).await.expect("a release");
            }
        }
    };
    let buried = tokio::select! {
        () = refuse => unreachable!("it refuses for ever"),
        buried = next(&mut *dead) => buried,
    };
    assert_eq!(buried[0].rejection.as_ref().map(|r| r.code), Some("livraisons-epuisees"));
    assert_eq!(buried[0].flux, Flux::Demandes);
    assert_eq!(buried[0].routing_key, request.routing_key);
    assert_eq!(buried[0].envelope, request.envelope);
    dead.ack(&[buried[0].tag]).await.expect("an acknowledgement");
    bus.erase(&[spec]).await.expect("everything is deleted");
    bus.close().await;
}

#[tokio::test]
async fn an_acknowledgement_before_closing_counts() {
    let Some(url) = server_url("AMQP_URL") else { return };
    let prefix = unique_prefix("fermeture", Clock::system().now());
    let publisher = demo(&url, "essai", &prefix).await;
    let reader = demo(&url, "lecteur", &prefix).await;
    let mut consumer = reader.consume(&queue("un"), 10).await.expect("a consumer");
    let sent = publisher.publish(vec![fact("fait.v1", "1")]).await;
    assert_eq!(sent, [Confirmation::Confirmed]);
    let held = next(&mut *consumer).await;
    consumer.ack(&[held[0].tag]).await.expect("an acknowledgement");
    reader.close().await;
    let mut consumer = publisher.consume(&queue("un"), 10).await.expect("a consumer");
    publisher.publish(vec![fact("fait.v1", "2")]).await;
    assert_eq!(next(&mut *consumer).await[0].envelope.id, "2");
    publisher.erase(&[queue("un")]).await.expect("everything is deleted");
    publisher.close().await;
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let Some(url) = server_url("AMQP_URL") else { return };
    let identity = Identity::Service("essai".to_owned());
    let base = RabbitOptions::new(Secret::new(url.clone()), identity, Clock::system());
    let prefix = unique_prefix("absent", Clock::system().now());
    let missing = RabbitBus::connect(RabbitOptions { prefix, ..base.clone() }).await;
    let text = missing.expect_err("no exchange").to_string();
    assert!(text.contains("relais topology apply"), "{text}");
    let identity = Identity::Agence(agence("cpam.631"));
    let other = RabbitBus::connect(RabbitOptions { identity, ..base.clone() }).await;
    assert!(other.expect_err("another user").to_string().contains("not cpam-631"));
    let nobody = Secret::new("amqp://guest:guest@127.0.0.1:9/%2f");
    let away = RabbitBus::connect(RabbitOptions { url: nobody, ..base }).await;
    assert!(matches!(away, Err(bus::BusError::Away(_))));
}

fn passwords(users: impl IntoIterator<Item = String>) -> BTreeMap<String, Secret> {
    users.into_iter().map(|user| (user.clone(), Secret::new(format!("mdp-{user}")))).collect()
}
