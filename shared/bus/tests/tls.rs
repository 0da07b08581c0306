//! `amqps://` with a private authority and client certificates, on a real broker that wants both.

use std::path::PathBuf;

use bus::{
    BusError, Confirmation, Identity, QueueSpec, RabbitBus, RabbitOptions, Transport,
    conformance::{fact, server_url, unique_prefix},
    tls::{Certificates, expiries, expiry_of_server},
};
use contracts::Flux;
use kernel::{Clock, Secret};

struct Broker {
    url: Secret,
    folder: PathBuf,
}

impl Broker {
    fn find() -> Option<Self> {
        let (url, folder) = (server_url("AMQPS_URL")?, server_url("AMQP_TLS_DIR")?);
        Some(Self { url: Secret::new(url), folder: folder.into() })
    }

    fn certificates(&self, ca: &str, client: Option<&str>) -> Certificates {
        let file = |name: String| self.folder.join(name);
        Certificates {
            ca: Some(file(format!("{ca}.pem"))),
            cert: client.map(|name| file(format!("{name}.pem"))),
            key: client.map(|name| file(format!("{name}.key"))),
        }
    }

    fn options(&self, certificates: Certificates, prefix: &str) -> RabbitOptions {
        let identity = Identity::Service("essai".to_owned());
        let clock = Clock::system();
        let base = RabbitOptions::demo(self.url.clone(), identity, clock, prefix);
        RabbitOptions { certificates, ..base }
    }

    async fn refusal(&self, ca: &str, client: Option<&str>) -> String {
        let prefix = unique_prefix("tls-refus", Clock::system().now());
        let options = self.options(self.certificates(ca, client), &prefix);
        match RabbitBus::connect(options).await {
            Err(BusError::Tls(text)) => text,
            other => panic!("{ca} and {client:?} gave {other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_go_over_a_private_authority() {
    let Some(broker) = Broker::find() else { return };
    let prefix = unique_prefix("tls", Clock::system().now());
    let certificates = broker.certificates("ca", Some("client"));
    let bus = RabbitBus::connect(broker.options(certificates, &prefix)).await.expect("connected");
    let queue = QueueSpec::service("un", vec![(Flux::Evenements, "fait.#".to_owned())]);
    let mut consumer = bus.consume(&queue, 10).await.expect("a consumer");
    assert_eq!(bus.publish(vec![fact("fait.v1", "1")]).await, [Confirmation::Confirmed]);
    let batch = consumer.next_batch(10).await.expect("a batch");
    assert_eq!(batch[0].envelope.id, "1");
    consumer.ack(&[batch[0].tag]).await.expect("an acknowledgement");
    bus.erase(&[queue]).await.expect("everything is deleted");
    bus.close().await;
}

#[tokio::test]
async fn a_wrong_authority_is_refused() {
    let Some(broker) = Broker::find() else { return };
    let text = broker.refusal("autre-ca", Some("client")).await;
    assert!(text.contains("amqp_ca"), "{text}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let Some(broker) = Broker::find() else { return };
    let text = broker.refusal("ca", None).await;
    assert!(text.contains("amqp_cert"), "{text}");
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_refused() {
    let Some(broker) = Broker::find() else { return };
    let text = broker.refusal("ca", Some("autre")).await;
    assert!(text.contains("amqp_cert"), "{text}");
}

#[tokio::test]
async fn ends_are_read() {
    let Some(broker) = Broker::find() else { return };
    let now = Clock::system().now();
    let certificates = broker.certificates("ca", Some("client"));
    let shown = expiry_of_server(&broker.url, &certificates).await.expect("an answer");
    let shown = shown.expect("a certificate");
    assert_eq!(shown.subject, "CN=serveur");
    assert!(shown.not_after > now);
    let own = expiries(certificates.cert.as_deref().expect("a file")).expect("a certificate");
    assert_eq!(own[0].subject, "CN=client");
    assert!(expiries(certificates.key.as_deref().expect("a file")).is_err());
    let wrong = broker.certificates("autre-ca", None);
    assert!(matches!(expiry_of_server(&broker.url, &wrong).await, Err(BusError::Tls(_))));
}
