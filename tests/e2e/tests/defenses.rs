//! What the broker lets pass, a service refuses: the binary `cpam-cps` over the broker, and two
//! agencies of which one is hostile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bus::{
    Confirmation, Consumer, Identity, Publication, QueueSpec, RabbitBus, RabbitOptions, Transport,
};
use chrono::{NaiveDate, NaiveTime};
use contracts::{Agence, Envelope, Flux};
use e2e::{Cellule, Poste};
use harness::Serveurs;
use kernel::{Acceleration, Clock, Secret, paris_at};
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueuePurgeOptions},
    types::{AMQPValue, FieldArray, FieldTable},
};
use serde_json::{Value, json};
use store::Store;

/// Business seconds per real second: a day lasts 4 s, and a reminder comes in some 8.
const FACTEUR: u32 = 21_600;
/// Longest wait for something that a service or the broker does in its own time.
const PATIENCE: Duration = Duration::from_secs(90);
const CREE: &str = "numero-am-cree.v1";
const DEMANDEE: &str = "numero-am-demande.v1";
const ENGAGEMENT: &str = "k7m2q9x4t1";

fn agence(text: &str) -> Agence {
    text.parse().expect("an agency")
}

/// One user's transport.
struct Banc {
    cellule: Cellule,
    serveurs: Serveurs,
    clock: Clock,
}

impl Banc {
    async fn bus(&self, identity: Identity) -> Arc<RabbitBus> {
        let url = Secret::new(self.cellule.url(&self.serveurs.amqp, &identity.user()));
        let options = RabbitOptions::new(url, identity, self.clock.clone());
        RabbitBus::connect(options).await.expect("a connection")
    }

    async fn brute(&self, user: &str) -> Connection {
        let url = self.cellule.url(&self.serveurs.amqp, user);
        Connection::connect(&url, ConnectionProperties::default()).await.expect("a connection")
    }

    /// An example of the contracts, of today, for the CPAM 981.
    fn fait(&self, exemple: &str) -> Publication {
        let mut value: Value = serde_json::from_str(exemple).expect("JSON");
        value["time"] = json!(self.clock.now().to_rfc3339());
        if value["data"].get("lieu").is_some_and(Value::is_object) {
            value["data"]["lieu"]["cpam"] = json!("981");
        }
        let envelope = Envelope::from_structured(value.to_string().as_bytes()).expect("ours");
        let (flux, routing_key) = (Flux::Evenements, envelope.message_type.clone());
        Publication { flux, routing_key, envelope, mandatory: true }
    }

    /// An answer of an agency to a request.
    fn reponse(&self, de: &Agence, id: &str, demande: &Value) -> Publication {
        let data = json!({
            "demande": demande["demande"], "engagement": ENGAGEMENT, "numero_am": "631990017",
            "rib": "manquant",
        });
        let envelope = Envelope {
            id: id.to_owned(),
            source: de.source(),
            message_type: CREE.to_owned(),
            subject: Some(format!("facturation/{ENGAGEMENT}")),
            time: self.clock.now(),
            sequence: None,
            correlation_id: Some("1042".to_owned()),
            causation_id: None,
            traceparent: None,
            data: data.to_string().into_bytes(),
        };
        let (flux, routing_key) = (Flux::Reponses, de.routing_key(CREE));
        Publication { flux, routing_key, envelope, mandatory: true }
    }
}

/// The next request in a queue; what is taken is acknowledged.
async fn demande(consumer: &mut dyn Consumer) -> Value {
    let wait = async {
        loop {
            let batch = consumer.next_batch(1).await.expect("a batch");
            for delivery in batch {
                consumer.ack(&[delivery.tag]).await.expect("an acknowledgement");
                if delivery.envelope.message_type == DEMANDEE {
                    return serde_json::from_slice(&delivery.envelope.data).expect("JSON");
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("a request")
}

/// Publishes with a client of its own; true when the broker took it.
async fn publier(
    connection: &Connection,
    message: &Publication,
    user: Option<&str>,
    copies: Option<(&str, &str)>,
) -> bool {
    let envelope = &message.envelope;
    let mut headers = FieldTable::default();
    let time = envelope.time.to_rfc3339();
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", &envelope.id),
        ("source", &envelope.source),
        ("type", &envelope.message_type),
        ("subject", envelope.subject.as_deref().unwrap_or_default()),
        ("time", &time),
    ] {
        let value = AMQPValue::LongString(value.into());
        headers.insert(format!("cloudEvents_{name}").into(), value);
    }
    if let Some((header, key)) = copies {
        let keys = FieldArray::from(vec![AMQPValue::LongString(key.into())]);
        headers.insert(header.into(), AMQPValue::FieldArray(keys));
    }
    let mut properties = BasicProperties::default()
        .with_headers(headers)
        .with_content_type("application/json".into());
    if let Some(user) = user {
        properties = properties.with_user_id(user.into());
    }
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let sent = channel.basic_publish(
        message.flux.exchange().into(),
        message.routing_key.as_str().into(),
        BasicPublishOptions::default(),
        &envelope.data,
        properties,
    );
    sent.await.expect("sent").await.is_ok_and(|confirmation| confirmation.is_ack())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_agency_gains_nothing() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let Some(cellule) = Cellule::ouvrir().await else { return };
    let (code, text) = cellule.topology("apply", &[]);
    assert_eq!(code, Some(0), "{text}");
    let monday = NaiveDate::from_ymd_opt(2026, 1, 19).expect("a date");
    let acceleration = Acceleration {
        started_at: Clock::system().now(),
        epoch: paris_at(monday, NaiveTime::MIN),
        factor: FACTEUR,
    };
    let url = cellule.url(&serveurs.amqp, "cpam-cps");
    let poste = Poste::preparer(&cellule, &serveurs, "cpam-cps", &url, "").await;
    poste.ajouter(
        "[cpam-cps]\nrelances_jours = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30, 40, 50]\n\
         escalade_jours = 60",
    );
    let mut process = poste.lancer(Some(acceleration));
    poste.attendre_pret(&mut process).await;
    let banc = Banc { cellule, serveurs, clock: Clock::accelerated(acceleration) };

    let (own, other) = (agence("cpam.981"), agence("cpam.982"));
    let ordre = banc.bus(Identity::Service("ordinal-adapter".to_owned())).await;
    let rpps = banc.bus(Identity::Service("rpps-flux".to_owned())).await;
    let caisse = banc.bus(Identity::Agence(own.clone())).await;
    let voisine = banc.bus(Identity::Agence(other.clone())).await;
    let mut file = caisse.consume(&QueueSpec::agence(&own), 10).await.expect("a consumer");
    let activite = include_str!("../../../contracts/exemples/activite.autorisee.v1.json");
    let constat = include_str!("../../../contracts/exemples/activite.enregistree-rpps.v1.json");
    assert_eq!(ordre.publish(vec![banc.fait(activite)]).await, [Confirmation::Confirmed]);
    assert_eq!(rpps.publish(vec![banc.fait(constat)]).await, [Confirmation::Confirmed]);
    let recue = demande(&mut *file).await;

    // The broker lets it pass: its own key, its own name, but another agency was asked.
    let vol = banc.reponse(&other, "vol", &recue);
    assert_eq!(voisine.publish(vec![vol]).await, [Confirmation::Confirmed]);
    let brute = banc.brute("cpam-982").await;
    let user = Some("cpam-982");
    // Refused by the broker: the key of another, the name of another.
    let cle_volee = banc.reponse(&own, "cle", &recue);
    assert!(!publier(&brute, &cle_volee, user, None).await, "the key of another agency");
    let vraie = banc.reponse(&other, "nom", &recue);
    assert!(!publier(&brute, &vraie, Some("cpam-981"), None).await, "the name of another agency");
    // Taken by the broker, refused by the service.
    let anonyme = banc.reponse(&other, "anonyme", &recue);
    assert!(publier(&brute, &anonyme, None, None).await);
    let usurpee = Publication {
        routing_key: other.routing_key(CREE),
        ..banc.reponse(&own, "usurpee", &recue)
    };
    assert!(publier(&brute, &usurpee, user, None).await);
    let copies = own.routing_key(CREE);
    let copiee = Publication {
        routing_key: other.routing_key("inconnu"),
        ..banc.reponse(&own, "copiee", &recue)
    };
    assert!(publier(&brute, &copiee, user, Some(("CC", &copies))).await);
    // The broker takes a BCC away before it delivers; what arrives has its true key and user.
    let cachee = Publication {
        routing_key: other.routing_key("inconnu"),
        ..banc.reponse(&own, "cachee", &recue)
    };
    assert!(publier(&brute, &cachee, user, Some(("BCC", &copies))).await);
    let _ = brute.close(200, "OK".into()).await;

    let mut codes: Vec<String> = poste.pannes(5).await.into_iter().map(|p| p.code).collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            "agence-non-authentifiee",
            "agence-usurpee",
            "agence-usurpee",
            "cc-interdit",
            "mauvaise-agence"
        ]
    );

    drop(file);
    purge_et_relance(&banc, &poste, &caisse, &own).await;
    assert_eq!(poste.pannes(5).await.len(), 5, "{}", process.journal());
    for bus in [ordre, rpps, caisse, voisine] {
        bus.close().await;
    }
    let ended = process.terminer(PATIENCE).await;
    assert!(ended.is_some_and(|status| status.success()), "{}", process.journal());
    poste.effacer().await;
    banc.cellule.fermer().await;
}

/// An agency may empty its own queue; the next reminder brings the request back, and its answer is
/// taken.
async fn purge_et_relance(banc: &Banc, poste: &Poste, caisse: &RabbitBus, own: &Agence) {
    // Its consumer is gone: what the service asks now waits in the queue.
    caisse.close().await;
    let brute = banc.brute("cpam-981").await;
    let channel = brute.create_channel().await.expect("a channel");
    let started = Instant::now();
    loop {
        let purged = channel.queue_purge(own.queue().as_str().into(), QueuePurgeOptions::default());
        if purged.await.expect("allowed") > 0 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "nothing to purge");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _ = brute.close(200, "OK".into()).await;
    let caisse = banc.bus(Identity::Agence(own.clone())).await;
    let mut file = caisse.consume(&QueueSpec::agence(own), 10).await.expect("a consumer");
    let relancee = demande(&mut *file).await;
    let answer = banc.reponse(own, "bonne", &relancee);
    assert_eq!(caisse.publish(vec![answer]).await, [Confirmation::Confirmed]);
    let store = poste.store().await;
    let started = Instant::now();
    loop {
        let state = store.state(&format!("engagement/{ENGAGEMENT}")).await.expect("an answer");
        if state.is_some_and(|state| state.body.contains("631990017")) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the number was not taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    store.close().await;
    caisse.close().await;
}
