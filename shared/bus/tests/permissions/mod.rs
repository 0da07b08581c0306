//! An agency with its own user, on a virtual host made by `topology::apply`.

use bus::topology::{Management, Step, Topology, apply, verify};
use contracts::{
    Referentiel,
    referentiel::{Canal, FicheAgence},
};
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldArray, FieldTable},
};
use serde_json::json;

use super::*;

/// Codes and a name that nothing else uses: users belong to the whole broker.
fn register() -> Referentiel {
    let cpam = ["997", "998"].map(|code| {
        let fiche = FicheAgence {
            code: code.to_owned(),
            nom: format!("CPAM fictive {code}"),
            canal: Canal::File,
            courriel: None,
            source: "fictif".to_owned(),
        };
        (code.parse().expect("a code"), fiche)
    });
    Referentiel::new([], cpam, [])
}

fn reader() -> QueueSpec {
    let answers = (Flux::Reponses, "cpam.*.numero-am-cree.v1".to_owned());
    QueueSpec::service("essai-droits", vec![answers])
}

/// The broker's URL for another user of another virtual host.
fn url_for(url: &str, user: &str, vhost: &str) -> String {
    let mut url: Url = url.parse().expect("a URL");
    url.set_username(user).expect("a user");
    url.set_password(Some(&format!("mdp-{user}"))).expect("a password");
    url.set_path(&format!("/{vhost}"));
    url.to_string()
}

#[tokio::test]
async fn the_broker_keeps_an_agency_to_its_own() {
    let (Some(url), Some(management)) = (server_url("AMQP_URL"), server_url("AMQP_MGMT_URL"))
    else {
        return;
    };
    crypto();
    let _turn = broker_users(&management);
    let vhost = unique_prefix("droits", Clock::system().now()).trim_end_matches('.').to_owned();
    let topology = Topology::new(&[reader()], &register());
    let users: Vec<String> = topology.users.keys().cloned().collect();
    for user in &users {
        // An earlier run may have left them.
        let anybody = Some(json!({ "password": "x", "tags": "" }));
        manage(&management, Method::PUT, &["users", user], anybody).await;
        manage(&management, Method::DELETE, &["users", user], None).await;
    }
    let managed = Management {
        passwords: Some(passwords(users.clone())),
        ..Management::new(Secret::new(management.clone()), vhost.clone())
    };
    applied_once_and_for_all(&managed, &management, &topology).await;

    let connect = |user: &str, identity| {
        let url = Secret::new(url_for(&url, user, &vhost));
        RabbitBus::connect(RabbitOptions::new(url, identity, Clock::system()))
    };
    let service = Identity::Service("essai-droits".to_owned());
    let service = connect("essai-droits", service).await.expect("a service");
    let agency = Identity::Agence(agence("cpam.997"));
    let agency = connect("cpam-997", agency).await.expect("an agency");
    let mut answers = service.consume(&reader(), 10).await.expect("a consumer");
    let mut inbox =
        agency.consume(&QueueSpec::agence(&agence("cpam.997")), 10).await.expect("a consumer");

    let mut request = fact("numero-am-demande.v1", "1");
    request.flux = Flux::Demandes;
    request.routing_key = agence("cpam.997").routing_key("numero-am-demande.v1");
    request.mandatory = true;
    assert_eq!(service.publish(vec![request]).await, [Confirmation::Confirmed]);
    assert_eq!(next(&mut *inbox).await[0].envelope.id, "1");

    let mut answer = fact("numero-am-cree.v1", "2");
    answer.flux = Flux::Reponses;
    answer.routing_key = agence("cpam.997").routing_key("numero-am-cree.v1");
    answer.envelope.source = agence("cpam.997").source();
    assert_eq!(agency.publish(vec![answer]).await, [Confirmation::Confirmed]);
    let received = next(&mut *answers).await;
    assert_eq!(received[0].rejection, None);
    assert_eq!(received[0].origin, bus::Origin::Agence(agence("cpam.997")));

    escapes(&url_for(&url, "cpam-997", &vhost), &mut *answers).await;
    for bus in [service, agency] {
        bus.close().await;
    }
    manage(&management, Method::DELETE, &["vhosts", &vhost], None).await;
    for user in users {
        manage(&management, Method::DELETE, &["users", &user], None).await;
    }
}

async fn applied_once_and_for_all(managed: &Management, api: &str, topology: &Topology) {
    let without = Management { passwords: Some(BTreeMap::new()), ..managed.clone() };
    let refused = apply(&without, topology).await.expect_err("passwords are not invented");
    assert!(
        refused.to_string().contains("cpam-997, cpam-998, essai-droits, relais-supervision"),
        "{refused}"
    );
    assert!(!verify(managed, topology).await.expect("an answer").is_empty());
    let first = apply(managed, topology).await.expect("a report");
    assert!(lines(&first.corrected).contains(&"création : file agence.cpam.997".to_owned()));
    let second = apply(managed, topology).await.expect("a report");
    assert_eq!(second.corrected, []);
    assert_eq!(verify(managed, topology).await.expect("an answer"), []);

    let topic = ["topic-permissions", &managed.vhost, "cpam-997"];
    manage(api, Method::DELETE, &topic, None).await;
    let wide = ["bindings", &managed.vhost, "e", "relais.reponses", "q", "essai-droits"];
    manage(api, Method::POST, &wide, Some(json!({ "routing_key": "#" }))).await;
    let drift = verify(managed, topology).await.expect("an answer");
    assert_eq!(
        lines(&drift),
        [
            "retrait : liaison relais.reponses → essai-droits (#)",
            "création : clés de réponse de cpam-997 : ^cpam\\.997\\. ; il les a toutes",
        ]
    );
    assert_eq!(apply(managed, topology).await.expect("a report").corrected, drift);
    assert_eq!(verify(managed, topology).await.expect("an answer"), []);
}

fn lines(steps: &[Step]) -> Vec<String> {
    steps.iter().map(Step::to_string).collect()
}

/// What a hostile agency tries with a client of its own.
async fn escapes(url: &str, answers: &mut dyn Consumer) {
    let connection =
        Connection::connect(url, ConnectionProperties::default()).await.expect("a connection");
    let own = "cpam.997.numero-am-cree.v1";
    let publish = async |key: &str, properties: BasicProperties| {
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let options = BasicPublishOptions::default();
        let sent =
            channel.basic_publish("relais.reponses".into(), key.into(), options, b"{}", properties);
        sent.await.expect("sent").await.is_ok_and(|confirmation| confirmation.is_ack())
    };
    let named = || BasicProperties::default().with_user_id("cpam-997".into());
    let other = "cpam.998.numero-am-cree.v1";
    assert!(!publish(other, named()).await, "published under the key of another");
    let forged = BasicProperties::default().with_user_id("cpam-998".into());
    assert!(!publish(own, forged).await, "published as another user");
    for stolen in ["agence.cpam.998", "essai-droits", "audit"] {
        let channel = connection.create_channel().await.expect("a channel");
        let consumed = channel.basic_consume(
            stolen.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        assert!(consumed.await.is_err(), "{stolen} was readable");
    }

    assert!(publish(own, BasicProperties::default()).await, "the broker accepts no user at all");
    let rejection = next(answers).await.remove(0).rejection.expect("a rejection");
    assert_eq!(rejection.code, "enveloppe-invalide");

    let structured = |source: &str| {
        let mut headers = FieldTable::default();
        let mut put = |name: &str, value: &str| {
            let name = format!("cloudEvents_{name}");
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        };
        put("specversion", "1.0");
        put("id", "3");
        put("source", source);
        put("type", "numero-am-cree.v1");
        put("time", "2026-01-05T08:00:00Z");
        headers
    };
    let nameless = BasicProperties::default().with_headers(structured("/agences/cpam-997"));
    assert!(publish(own, nameless).await);
    let rejection = next(answers).await.remove(0).rejection.expect("a rejection");
    assert_eq!(rejection.code, "agence-non-authentifiee");

    let mut headers = structured("/agences/cpam-997");
    let copies = FieldArray::from(vec![AMQPValue::LongString(other.into())]);
    headers.insert("CC".into(), AMQPValue::FieldArray(copies));
    assert!(publish(own, named().with_headers(headers)).await);
    let rejection = next(answers).await.remove(0).rejection.expect("a rejection");
    assert_eq!(rejection.code, "cc-interdit");

    let usurped = named().with_headers(structured("/agences/cpam-998"));
    assert!(publish(own, usurped).await);
    let rejection = next(answers).await.remove(0).rejection.expect("a rejection");
    assert_eq!(rejection.code, "agence-usurpee");
    // Its refused channels may still be closing: whatever comes of it, the connection goes.
    let _ = connection.close(200, "OK".into()).await;
}
