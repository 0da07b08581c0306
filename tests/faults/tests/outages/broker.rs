//! What happens to RabbitMQ.

use std::time::Duration;

use bus::{Identity, QueueSpec, RabbitBus, RabbitOptions, Transport};
use contracts::{
    Agence, Flux, Message,
    messages::{CandidatureIncomplete, CandidatureRetiree, PanneClose, PanneOuverte},
};
use faults::{Banc, Entree, PATIENCE, melange};
use harness::{Prives, attendre};
use kernel::Clock;

use crate::{
    Case,
    regard::{consumer_up, ready, until},
};

pub(crate) const CASES: &[(&str, Case)] = cases![
    the_broker_stops_and_starts,
    the_broker_is_killed,
    connections_are_closed_by_force,
    a_channel_is_refused,
    the_queue_is_at_its_limit,
    the_broker_is_out_of_memory,
    the_queue_is_deleted,
    nobody_takes_a_request,
    a_consumer_falls_silent,
];

async fn the_broker_stops_and_starts(prives: &mut Prives, banc: &Banc) {
    broker_away(prives, banc, "stop").await;
}

async fn the_broker_is_killed(prives: &mut Prives, banc: &Banc) {
    // The broker writes the names of its queues to the disk with a delay, and a quorum queue whose
    // name is lost never comes back. Ours are older than that when a broker is killed.
    let write = "[ok = dets:sync(Table) || Table <- dets:all()], mnesia:sync_log().";
    prives.ordonner(&format!("rabbitmqctl eval '{write}'")).await;
    broker_away(prives, banc, "kill").await;
}

async fn broker_away(prives: &mut Prives, banc: &Banc, how: &str) {
    let replique = banc.replique().await;
    banc.publier(&melange("avant", 48)).await;
    prives.ordonner(&format!("{how} rabbitmq")).await;
    assert!(until(|| async { consumer_up(&replique).await == Some(false) }).await, "seen as down");
    assert!(until(|| async { !ready(&replique).await }).await, "not ready");
    prives.ordonner("start rabbitmq").await;
    banc.publier(&melange("apres", 48)).await;
    banc.verifier().await.expect("everything comes back");
    assert!(until(|| async { consumer_up(&replique).await == Some(true) }).await, "seen as up");
    assert!(until(|| async { ready(&replique).await }).await, "ready again");
    replique.arreter().await;
}

async fn connections_are_closed_by_force(_: &mut Prives, banc: &Banc) {
    let replique = banc.replique().await;
    let name = format!("{}victime", banc.prefixe);
    for lot in ["a", "b"] {
        banc.publier(&melange(lot, 24)).await;
        // The broker lists connections with a delay.
        while banc.gestion.fermer_connexions(&name).await == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    banc.publier(&melange("c", 24)).await;
    banc.verifier().await.expect("everything comes back");
    replique.arreter().await;
}

/// Publishing to an exchange that is gone closes the channel (404).
async fn a_channel_is_refused(_: &mut Prives, banc: &Banc) {
    let replique = banc.replique().await;
    let exchange = banc.echange(Flux::Evenements);
    // In the queue before the exchange goes: their effects find none.
    banc.executer("alter table inbox rename to inbox_ailleurs").await;
    banc.publier(&melange("avant", 24)).await;
    banc.gestion.supprimer_echange(&exchange).await;
    banc.executer("alter table inbox_ailleurs rename to inbox").await;
    let refused = || async { banc.nombre("select count(*) from outbox").await > 0 };
    assert!(until(refused).await, "what is refused stays in the outbox");
    // What goes out between the creation of an exchange and its bindings has no reader: it is
    // confirmed and gone. Nothing goes out meanwhile.
    banc.executer("alter table outbox rename to outbox_ailleurs").await;
    banc.gestion.creer_echange(&exchange).await;
    for (queue, key) in [
        ("victime", CandidatureRetiree::TYPE),
        ("recolte", CandidatureIncomplete::TYPE),
        ("recolte", PanneOuverte::TYPE),
        ("recolte", PanneClose::TYPE),
    ] {
        banc.gestion.lier(&exchange, &format!("{}{queue}", banc.prefixe), key).await;
    }
    banc.executer("alter table outbox_ailleurs rename to outbox").await;
    banc.publier(&melange("apres", 24)).await;
    banc.verifier().await.expect("everything comes back");
    replique.arreter().await;
}

/// The service's own queue refuses: the sender keeps what it has.
async fn the_queue_is_at_its_limit(_: &mut Prives, banc: &Banc) {
    banc.gestion.borner(&banc.file(), 10).await;
    let more: Vec<_> = (0..60).map(|n| Entree::new(format!("m{n}"), n, "direct")).collect();
    // Nobody reads: the queue fills up, and the rest is refused until somebody does.
    let publish = banc.publier(&more);
    let read = async {
        let full = || async { banc.en_file("victime").await >= 10 };
        assert!(until(full).await, "the queue fills up");
        banc.replique().await
    };
    let ((), replique) = tokio::join!(publish, read);
    banc.verifier().await.expect("what was refused came later");
    banc.gestion.deborner(&banc.file()).await;
    replique.arreter().await;
}

/// The alarm blocks connections that publish, not those that consume.
async fn the_broker_is_out_of_memory(prives: &mut Prives, banc: &Banc) {
    let replique = banc.replique().await;
    banc.publier(&melange("avant", 24)).await;
    banc.verifier().await.expect("it works");
    // Committed, but not published yet: the relay's claims find the table elsewhere.
    banc.executer("alter table outbox rename to outbox_ailleurs").await;
    banc.publier(&melange("pendant", 24)).await;
    prives.ordonner("rabbitmqctl set_vm_memory_high_watermark absolute 1MB").await;
    banc.executer("alter table outbox_ailleurs rename to outbox").await;
    let waits = || async { banc.nombre("select count(*) from outbox").await > 0 };
    assert!(until(waits).await, "publications are blocked: the outbox keeps them");
    assert!(until(|| async { !ready(&replique).await }).await, "readiness falls");
    prives.ordonner("rabbitmqctl set_vm_memory_high_watermark 0.4").await;
    banc.verifier().await.expect("everything goes out");
    assert!(until(|| async { ready(&replique).await }).await, "ready again");
    replique.arreter().await;
}

async fn the_queue_is_deleted(_: &mut Prives, banc: &Banc) {
    let replique = banc.replique().await;
    banc.publier(&melange("avant", 24)).await;
    banc.verifier().await.expect("it works");
    banc.gestion.supprimer_file(&banc.file()).await;
    // Mandatory: the sender learns that the queue is not there yet.
    banc.publier(&melange("apres", 24)).await;
    banc.verifier().await.expect("the queue is made again and read");
    replique.arreter().await;
}

async fn nobody_takes_a_request(_: &mut Prives, banc: &Banc) {
    let agence: Agence = "cpam.631".parse().expect("an agency");
    let replique = banc.replique().await;
    banc.publier(&melange("a", 24)).await;
    banc.publier(&[Entree::new("requete", 1, format!("requete:{agence}"))]).await;
    let kept = || async { banc.pannes().await.contains(&"non-routable".to_owned()) };
    assert!(until(kept).await, "a failure");
    let others = || banc.recolte.a("requete") && banc.recolte.a("a-0");
    assert!(attendre(PATIENCE, others).await, "other messages go on");
    // What was confirmed goes a moment after its confirm.
    let alone = || async { banc.nombre("select count(*) from outbox").await == 1 };
    assert!(until(alone).await, "the request is kept");
    // Five minutes of business time later it is tried again.
    let file = QueueSpec::agence(&agence);
    let mut requests = banc.bus.consume(&file, 10).await.expect("a consumer");
    let batch = tokio::time::timeout(PATIENCE, requests.next_batch(10)).await;
    assert_eq!(batch.expect("it comes").expect("a batch").len(), 1);
    banc.verifier().await.expect("and its failure is closed");
    drop(requests);
    banc.bus.erase(&[file]).await.expect("deleted");
    replique.arreter().await;
}

/// The broker forgets a consumer without a word: messages are ready, none is delivered, and nothing
/// on the connection says so.
async fn a_consumer_falls_silent(prives: &mut Prives, banc: &Banc) {
    let identity = Identity::Service("victime".to_owned());
    let amqp = prives.serveurs.amqp.clone();
    let options = RabbitOptions {
        silence: Duration::from_secs(1),
        ..RabbitOptions::demo(amqp, identity, Clock::system(), &banc.prefixe)
    };
    let transport = RabbitBus::connect(options).await.expect("connects");
    let replique = banc.replique_par(transport).await;
    banc.publier(&melange("avant", 24)).await;
    banc.verifier().await.expect("it works");
    // As the consumer's channel would, in its name: the queue's state machine drops the consumer.
    let forget = format!(
        "Name = rabbit_misc:r(<<\"/\">>, queue, <<\"{}\">>), \
         {{ok, Q}} = rabbit_amqqueue:lookup(Name), Leader = amqqueue:get_pid(Q), \
         [ra:process_command(Leader, rabbit_fifo:make_checkout({{Tag, Pid}}, cancel, #{{}})) \
          || {{Pid, Tag, _, _, _, _, _, _}} <- rabbit_amqqueue:consumers(Q)], \
         [] = rabbit_amqqueue:consumers(Q).",
        banc.file()
    );
    prives.ordonner(&format!("rabbitmqctl eval '{forget}'")).await;
    banc.publier(&melange("apres", 24)).await;
    banc.verifier().await.expect("the silence is noticed");
    replique.arreter().await;
}
