//! What is published on a virtual host, kept by a queue of the test's own.

use std::{collections::BTreeMap, time::Duration};

use chrono::NaiveDate;
use contracts::{Envelope, Message, messages::VacationRealisee};
use harness::Serveurs;
use kernel::Clock;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::Cellule;

/// The queue, and what was taken from it: the message, and all of it as text.
pub struct Temoin {
    connection: Connection,
    channel: Channel,
    vus: Vec<(Envelope, String)>,
}

impl Temoin {
    /// Keeps every fact that is published from now on.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn ouvrir(cellule: &Cellule, serveurs: &Serveurs) -> Self {
        let mut admin: reqwest::Url = serveurs.amqp.expose().parse().expect("a URL");
        admin.set_path(&format!("/{}", cellule.nom));
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(admin.as_str(), properties).await.expect("an admin");
        let channel = connection.create_channel().await.expect("a channel");
        let (queue, options) = ("temoin".into(), QueueDeclareOptions::default());
        channel.queue_declare(queue, options, FieldTable::default()).await.expect("a queue");
        let (queue, exchange, key) = ("temoin".into(), "relais.evenements".into(), "#".into());
        let (options, table) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue, exchange, key, options, table).await.expect("bound");
        Self { connection, channel, vus: Vec::new() }
    }

    /// The first message that contains a word, whole.
    pub fn contient(&self, word: &str) -> Option<&str> {
        self.vus.iter().map(|(_, whole)| whole.as_str()).find(|whole| whole.contains(word))
    }

    /// Leaves; lapin may never say that a connection is closed.
    pub async fn fermer(self) {
        let closed = self.connection.close(200, "OK".into());
        let _ = tokio::time::timeout(Duration::from_secs(5), closed).await;
    }

    /// Takes what was published.
    ///
    /// # Panics
    /// When the queue is gone.
    pub async fn voir(&mut self) {
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) =
            self.channel.basic_get("temoin".into(), options).await.expect("a queue")
        {
            let headers = message.delivery.properties.headers().clone().unwrap_or_default();
            let text = |name: &str| {
                let value = headers.inner().get(format!("cloudEvents_{name}").as_str());
                let value = value.and_then(AMQPValue::as_long_string);
                value.map(ToString::to_string)
            };
            let envelope = Envelope {
                id: text("id").expect("an id"),
                source: text("source").unwrap_or_default(),
                message_type: text("type").expect("a type"),
                subject: text("subject"),
                time: Clock::system().now(),
                sequence: text("sequence").and_then(|s| s.parse().ok()),
                correlation_id: None,
                causation_id: None,
                traceparent: None,
                data: message.delivery.data,
            };
            let whole = format!("{headers:?} {}", String::from_utf8_lossy(&envelope.data));
            self.vus.push((envelope, whole));
        }
    }

    /// Honoured appointments of each day, as last said.
    ///
    /// # Panics
    /// When a fact does not decode.
    pub fn honores(&self) -> BTreeMap<(String, NaiveDate), u32> {
        let mut last = BTreeMap::new();
        for (envelope, _) in &self.vus {
            if envelope.message_type != VacationRealisee::TYPE {
                continue;
            }
            let v: VacationRealisee = serde_json::from_slice(&envelope.data).expect("decodes");
            let known = last.entry((v.0.engagement.to_string(), v.0.date)).or_insert((None, 0));
            if known.0 <= envelope.sequence {
                *known = (envelope.sequence, v.0.rdv_honores);
            }
        }
        last.into_iter().map(|(key, (_, n))| (key, n)).collect()
    }

    /// No version of a fact was said under two ids, or with two contents.
    ///
    /// # Panics
    /// When one was.
    pub fn sans_double(&self) {
        let mut said = BTreeMap::new();
        for (envelope, _) in &self.vus {
            let key = (envelope.message_type.clone(), envelope.subject.clone(), envelope.sequence);
            let other = said.insert(key, (envelope.id.clone(), envelope.data.clone()));
            let same = (envelope.id.clone(), envelope.data.clone());
            assert!(other.is_none_or(|o| o == same), "said twice: {envelope:?}");
        }
    }
}
