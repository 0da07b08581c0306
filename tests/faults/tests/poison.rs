//! What cannot be right harms only itself: one failure row each, the batch goes on.

use std::time::{Duration, Instant};

use bus::Publication;
use contracts::{
    CodeCdom, Flux, Message,
    messages::{CandidatureRetiree, VerificationRendue},
};
use faults::{Banc, Entree, Genre, PATIENCE};
use harness::{Serveurs, attendre, variable};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};

/// Poisoned messages of the flood.
const FLOT: usize = 10_000;
/// 1 MiB, the broker's hard cap on a message's body.
const MIO: usize = 1 << 20;

/// Every kind of poison, between good ones, in one batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_poison_is_one_failure_and_the_batch_goes_on() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "poison").await;
    let corps = |cause: &str| format!(r#"{{"dossier":3,"rpps":null,"cause":"{cause}"}}"#);
    let big = format!("\"{}", "x".repeat(MIO - 1));
    let poison = |id: &str, code| Entree::new(id, 3, "x").en_panne(code);
    let mut entrees = vec![
        poison("octets", "corps-invalide").avec_corps(vec![0xff, 0xfe, 0x00]),
        poison("vide", "corps-invalide").avec_corps(""),
        poison("schema", "corps-invalide").avec_corps(r#"{"dossier":"trois"}"#),
        poison("gros", "corps-invalide").avec_corps(big),
        // What PostgreSQL refuses inside a JSON value, so that the whole statement fails.
        poison("nul", "valeur-refusee").avec_corps(corps("texte:a\\u0000b")),
        poison("nul-cle", "valeur-refusee").avec_corps(corps("cle:a\\u0000b")),
        // What only what it tells makes of it: the state that told it keeps its own.
        Entree::new("gater", 3, "gater").en_panne("valeur-refusee"),
        Entree::new("dire", 7, "dire"),
        poison("demi", "corps-invalide").avec_corps(corps("texte:\\ud800")),
        Entree { message_type: Some("candidature.retiree.v9"), ..poison("v9", "version-inconnue") },
        Entree { message_type: Some("inconnu.v1"), ..poison("type", "type-inconnu") },
        Entree::new("panique", 3, "panique").en_panne("panique"),
        Entree::new("refus", 3, "refus").en_panne("cause-refusee"),
        Entree::new("agence", 3, format!("appel:{}", Genre::Refus.nom())).en_panne("http-refus"),
    ];
    // A body of 1 MiB that is right is decided like any other.
    let cause = format!("texte:{}", "é".repeat(MIO / 2 - 100));
    entrees.push(Entree::new("gros-et-bon", 4, cause));
    let good = (0..40).map(|n| Entree::new(format!("bon-{n}"), 3, "direct"));
    let mut all: Vec<_> = good.collect();
    for (place, entree) in entrees.into_iter().enumerate() {
        all.insert(place * 3, entree);
    }
    banc.publier(&all).await;
    let replique = banc.replique().await;
    banc.verifier().await.expect("one failure for each poison, one effect for each good one");
    replique.arreter().await;
    banc.demonter().await;
}

/// An id or a source that a database refuses must not be tried for ever: every message of its batch
/// would wait behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_the_database_refuses_is_a_failure_too() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "enveloppe").await;
    let replique = banc.replique().await;
    let raw = brut(&serveurs).await;
    let exchange = banc.echange(Flux::Evenements);
    for (id, source) in [("a\0b", "/relais/essai"), ("c", "/relais/\0")] {
        let headers = [
            ("specversion", "1.0"),
            ("id", id),
            ("source", source),
            ("type", CandidatureRetiree::TYPE),
            ("time", ""),
        ];
        let body = br#"{"dossier":1,"rpps":null,"cause":"direct"}"#;
        let time = kernel::Clock::system().now().to_rfc3339();
        let headers = headers.map(|(n, v)| if n == "time" { (n, time.as_str()) } else { (n, v) });
        publier_brut(&raw, &exchange, CandidatureRetiree::TYPE, &headers, body).await;
    }
    let good: Vec<_> = (0..40).map(|n| Entree::new(format!("bon-{n}"), n, "direct")).collect();
    banc.publier(&good).await;
    let all = attendre(PATIENCE, || banc.recolte.arrives() >= 40).await;
    assert!(all, "the good ones are not held up: {} of 40", banc.recolte.arrives());
    while banc.pannes().await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(banc.pannes().await, ["enveloppe-invalide", "enveloppe-invalide"]);
    replique.arreter().await;
    banc.demonter().await;
}

/// An answer whose publisher is nobody, or another than it says: the broker lets the first pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_wrong_user_is_a_failure() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "usurpe").await;
    let replique = banc.replique().await;
    let answer = |id: &str, source: &str| {
        let dossier = contracts::DossierId(5);
        let demande = contracts::valeurs::Demande { id: uuid::Uuid::nil(), rang: 1 };
        let body = VerificationRendue {
            demande,
            dossier,
            issue: contracts::messages::Issue::Favorable,
            champs: Vec::new(),
            rendue_le: kernel::Clock::system().now(),
            agent: "a".to_owned(),
        };
        let mut publication = Entree::new(id, 5, "x")
            .avec_corps(serde_json::to_vec(&body).expect("encodes"))
            .publication();
        source.clone_into(&mut publication.envelope.source);
        VerificationRendue::TYPE.clone_into(&mut publication.envelope.message_type);
        let cdom: CodeCdom = "63".parse().expect("a code");
        let routing_key = contracts::Agence::cdom(&cdom).routing_key(VerificationRendue::TYPE);
        Publication { flux: Flux::Reponses, routing_key, ..publication }
    };
    // By a service, which no agency is; then by the agency itself, in another's name.
    banc.publier_tels(vec![answer("service", "/agences/cdom-63")]).await;
    let agence = banc.bus.agency("cdom.63".parse().expect("an agency")).expect("its own handle");
    let forged = answer("autre", "/agences/cdom-75");
    assert_eq!(agence.publish(vec![forged]).await, [bus::Confirmation::Confirmed]);
    let right = answer("juste", "/agences/cdom-63");
    assert_eq!(agence.publish(vec![right]).await, [bus::Confirmation::Confirmed]);
    assert!(attendre(PATIENCE, || banc.recolte.a("juste")).await, "the right one is decided");
    while banc.pannes().await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(banc.pannes().await, ["agence-non-authentifiee", "agence-usurpee"]);
    replique.arreter().await;
    banc.demonter().await;
}

/// A flood of poison with a few good messages in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_poison_does_not_stop_the_good_ones() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let flot = variable("POISON").and_then(|n| n.parse().ok()).unwrap_or(FLOT);
    let banc = Banc::monter(&serveurs, "flot").await;
    let replique = banc.replique().await;
    let started = Instant::now();
    let mut sent: Vec<(String, Instant)> = Vec::new();
    let mut worst = Duration::ZERO;
    for lot in 0..flot / 500 {
        let mut entrees: Vec<_> = (0..500)
            .map(|n| {
                Entree::new(format!("p{lot}-{n}"), n, "x")
                    .avec_corps("{pas du JSON")
                    .en_panne("corps-invalide")
            })
            .collect();
        entrees.push(Entree::new(format!("bon-{lot}"), 1, "direct"));
        banc.publier(&entrees).await;
        sent.push((format!("bon-{lot}"), Instant::now()));
        sent.retain(|(id, at)| {
            let arrived = banc.recolte.a(id);
            worst = if arrived { worst.max(at.elapsed()) } else { worst };
            !arrived
        });
    }
    let published = started.elapsed();
    // Those that are still on their way: each is behind what was published before it, at most.
    while !sent.is_empty() {
        assert!(sent[0].1.elapsed() < PATIENCE, "a good one is stopped by the poison");
        tokio::time::sleep(Duration::from_millis(10)).await;
        sent.retain(|(id, at)| {
            let arrived = banc.recolte.a(id);
            worst = if arrived { worst.max(at.elapsed()) } else { worst };
            !arrived
        });
    }
    let text = format!(
        "{flot} poisoned messages published in {published:.1?}; good ones among them arrived \
         {worst:.1?} after their publication at the latest\n"
    );
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    banc.verifier().await.expect("one failure each");
    replique.arreter().await;
    banc.demonter().await;
}

async fn brut(serveurs: &Serveurs) -> Channel {
    let options = ConnectionProperties::default();
    let connection = Connection::connect(serveurs.amqp.expose(), options).await.expect("connects");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    // It lives as long as its channel is used.
    std::mem::forget(connection);
    channel
}

async fn publier_brut(
    channel: &Channel,
    exchange: &str,
    key: &str,
    attributes: &[(&str, &str)],
    body: &[u8],
) {
    let mut headers = FieldTable::default();
    for (name, value) in attributes {
        let name = format!("cloudEvents_{name}");
        headers.insert(name.as_str().into(), AMQPValue::LongString((*value).into()));
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_headers(headers);
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    channel
        .basic_publish(exchange.into(), key.into(), options, body, properties)
        .await
        .expect("sent")
        .await
        .expect("confirmed");
}
