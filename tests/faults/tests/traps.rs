//! The traps that a review of the design found, each caused on a real broker and a real database.
//! Where else a trap is caused is said in the README.

use std::time::{Duration, Instant};

use bus::{QueueSpec, Transport};
use contracts::Flux;
use faults::{Attendu, Banc, Cable, Entree, Genre, JETON, PATIENCE};
use harness::{Serveurs, attendre};
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicGetOptions, BasicNackOptions},
};
use reqwest::Method;

/// The delivery limit of every queue (`shared/bus/src/limits.rs`).
const LIMITE: usize = 50;

fn directs(lot: &str, n: usize, dossiers: u64) -> Vec<Entree> {
    let one = |rang| Entree::new(format!("{lot}-{rang}"), rang as u64 % dossiers, "direct");
    (0..n).map(one).collect()
}

/// Rows locks do not protect what does not exist: every key here is new, and both replicas meet it
/// at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_create_the_same_states_at_once() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "creation").await;
    let (a, b) = tokio::join!(banc.replique(), banc.replique());
    for tour in 0..10_u64 {
        let meme =
            |rang: u64| Entree::new(format!("{tour}-{rang}"), tour * 10 + rang % 10, "direct");
        banc.publier(&(0..60).map(meme).collect::<Vec<_>>()).await;
    }
    banc.verifier().await.expect("every input counted once");
    assert_eq!(banc.nombre("select count(*) from state").await, 100);
    tokio::join!(a.arreter(), b.arreter());
    banc.demonter().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_many_times_in_a_batch() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "meme").await;
    let mut entrees = directs("m", 300, 1);
    banc.publier(&entrees).await;
    // And each of them again: duplicates, in the same batch or in the next.
    entrees.truncate(200);
    banc.publier_tels(entrees.iter().map(Entree::publication).collect()).await;
    let replique = banc.replique().await;
    banc.verifier().await.expect("every input counted once");
    assert_eq!(banc.nombre("select (body->'s'->>'compte')::bigint from state").await, 300);
    replique.arreter().await;
    banc.demonter().await;
}

/// Every lost connection counts against all that was delivered on it. A service that waits for its
/// database must not hold messages that it would lose again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_again_and_again_buries_no_innocent() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "coupures").await;
    let cable = Cable::tirer(&serveurs.amqp, &banc.tasks).await;
    let replique = banc.replique_par(banc.transport(cable.url()).await).await;
    // The database takes nothing: batches wait, the prefetch is full.
    banc.executer("alter table inbox rename to inbox_ailleurs").await;
    banc.publier(&directs("m", 600, 20)).await;
    let mut cuts = 0;
    // Cut each time that they were delivered again, until nobody takes them any more.
    while cuts < LIMITE + 10 && sont_prises(&banc).await {
        cable.couper();
        cuts += 1;
    }
    assert!((1..10).contains(&cuts), "delivered {cuts} times to a service that handles nothing");
    banc.executer("alter table inbox_ailleurs rename to inbox").await;
    banc.verifier().await.expect("every input counted once, none buried");
    // And while it works: cut during its work, it goes on.
    for lot in 0..10 {
        banc.publier(&directs(&format!("n{lot}"), 60, 20)).await;
        cable.couper();
    }
    banc.verifier().await.expect("every input counted once, none buried");
    replique.arreter().await;
    banc.demonter().await;
}

/// Most of the messages are delivered; false when that does not come in three seconds, which is
/// twenty times what a consumer needs that comes back at once.
async fn sont_prises(banc: &Banc) -> bool {
    let started = Instant::now();
    while banc.en_file("victime").await > 300 {
        if started.elapsed() > Duration::from_secs(3) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

/// A message that the broker gave up on, because whoever held it died fifty times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_gives_up_on_becomes_a_failure_that_can_be_replayed() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "morts").await;
    banc.publier_tels(vec![Entree::new("maudite", 1, "direct").publication()]).await;
    let options = ConnectionProperties::default();
    let other = Connection::connect(serveurs.amqp.expose(), options).await.expect("connects");
    let channel = other.create_channel().await.expect("a channel");
    let mut given = 0;
    while given <= LIMITE {
        let queue = banc.file().as_str().into();
        let got = channel.basic_get(queue, BasicGetOptions::default()).await.expect("an answer");
        if let Some(message) = got {
            given += 1;
            let back = BasicNackOptions { requeue: true, multiple: false };
            channel.basic_nack(message.delivery.delivery_tag, back).await.expect("given back");
        }
    }
    other.close(200, "OK".into()).await.expect("closes");
    let replique = banc.replique().await;
    while banc.pannes().await != ["livraisons-epuisees"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rejouer_tout(replique.running.addr()).await;
    assert!(attendre(PATIENCE, || banc.recolte.a("maudite")).await, "replayed");
    assert_eq!(banc.pannes().await, Vec::<String>::new());
    replique.arreter().await;
    banc.demonter().await;
}

/// The publication is refused as a whole and made again: the queue that has room receives it again
/// under the same id, nothing is lost for the one that has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_beside_one_that_is_not() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "pleine").await;
    let lent = QueueSpec::service(
        "lent",
        vec![(Flux::Evenements, "candidature.incomplete.v1".to_owned())],
    );
    banc.bus.declare(&lent).await.expect("a queue");
    banc.gestion.borner(&format!("{}lent", banc.prefixe), 5).await;
    let replique = banc.replique().await;
    banc.publier(&directs("m", 20, 5)).await;
    // A limit is enforced with a delay: what comes once the queue is full is refused.
    while banc.en_file("lent").await < 5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    banc.publier(&directs("n", 40, 5)).await;
    let all = attendre(PATIENCE, || banc.recolte.arrives() == 60).await;
    assert!(all, "the queue that has room misses nothing");
    let kept = banc.nombre("select count(*) from outbox").await;
    assert!(kept > 0, "what was refused stays in the outbox");
    banc.gestion.deborner(&format!("{}lent", banc.prefixe)).await;
    banc.verifier().await.expect("one effect each");
    let mut reader = banc.bus.consume(&lent, 500).await.expect("a consumer");
    let mut ids = std::collections::BTreeSet::new();
    while ids.len() < 60 {
        let batch = tokio::time::timeout(PATIENCE, reader.next_batch(500)).await;
        let batch = batch.expect("nothing is lost for the slow one").expect("a batch");
        ids.extend(batch.into_iter().map(|d| d.envelope.id));
    }
    replique.arreter().await;
    drop(reader);
    banc.bus.erase(&[lent]).await.expect("deleted");
    banc.demonter().await;
}

/// The agency answers while the state goes on: the answer is decided on the new state, and the call
/// is never made again. An ask that was cancelled meanwhile takes no answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_while_its_state_moves_on() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "reponse").await;
    let (a, b) = tokio::join!(banc.replique(), banc.replique());
    let appel = |id: &str, dossier| Entree::new(id, dossier, "appel:retenu");
    let annule = Entree { attendu: Attendu::Rien, ..appel("annule", 2) };
    banc.publier(&[appel("appel", 1), annule]).await;
    let asked = || banc.agence.faits(Genre::Retenu).len() == 2;
    assert!(attendre(PATIENCE, asked).await, "both calls are made");
    banc.publier(&[Entree::new("fin", 2, "annule")]).await;
    let cancelled = || banc.recolte.a("fin");
    assert!(attendre(PATIENCE, cancelled).await, "cancelled");
    // The answer arrives in the middle of these.
    for lot in 0..10 {
        banc.publier(&directs(&format!("m{lot}"), 20, 2)).await;
        if lot == 4 {
            banc.agence.lacher();
        }
    }
    banc.verifier().await.expect("one effect each, none of the cancelled one");
    let faits = banc.agence.faits(Genre::Retenu);
    assert!(faits.values().all(|n| *n == 1), "no call was made again: {faits:?}");
    tokio::join!(a.arreter(), b.arreter());
    banc.demonter().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_failure_older_than_what_is_known_is_closed_as_superseded() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "depassee").await;
    let replique = banc.replique().await;
    let version =
        |id: &str, n, cause: &str| Entree { sequence: Some(n), ..Entree::new(id, 1, cause) };
    banc.publier(&[Entree { attendu: Attendu::Rien, ..version("v1", 1, "refus") }]).await;
    while banc.pannes().await != ["cause-refusee"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    banc.publier(&[version("v2", 2, "direct")]).await;
    assert!(attendre(PATIENCE, || banc.recolte.a("v2")).await);
    rejouer_tout(replique.running.addr()).await;
    let closed = || banc.recolte.closes().into_values().collect::<Vec<_>>() == ["depassee"];
    assert!(attendre(PATIENCE, closed).await, "{:?}", banc.recolte.closes());
    banc.verifier().await.expect("v2 alone has an effect");
    replique.arreter().await;
    banc.demonter().await;
}

/// Two replicas, one key: every commit of one is a conflict for the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_conflict_over_one_state_lose_nothing() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let banc = Banc::monter(&serveurs, "conflits").await;
    let (a, b) = tokio::join!(banc.replique(), banc.replique());
    for lot in 0..20 {
        banc.publier(&directs(&format!("m{lot}"), 25, 1)).await;
    }
    banc.verifier().await.expect("every input counted once");
    tokio::join!(a.arreter(), b.arreter());
    banc.demonter().await;
}

/// Every open failure, by the operators' endpoint.
async fn rejouer_tout(addr: std::net::SocketAddr) {
    let client = agency::HttpClient::new(agency::HttpSettings {
        base_url: format!("http://{addr}/ops/pannes"),
        timeout_ms: 10_000,
        max_body_bytes: 1 << 20,
    })
    .expect("a client");
    let get = client.request(Method::GET, "").bearer_auth(JETON);
    let list = client.send(get).await.expect("the failures");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&list.body).expect("a list");
    assert!(!rows.is_empty());
    for row in rows {
        let path = format!("/{}/rejeu", row["id"].as_str().expect("an id"));
        client.send(client.request(Method::POST, &path).bearer_auth(JETON)).await.expect("taken");
    }
}
