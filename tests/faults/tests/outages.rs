//! RabbitMQ and PostgreSQL stopped, killed, cut, filled up and made read-only under a service that
//! works. The servers are this test's own, so that nobody else loses theirs: one broker and one
//! database, case after case. Everything comes back by itself, nothing is lost, nothing is doubled,
//! nothing is acknowledged that is not committed.

use std::{panic::AssertUnwindSafe, pin::Pin, time::Duration};

use agency::{HttpClient, HttpSettings};
use bus::{Identity, QueueSpec, RabbitBus, RabbitOptions, Transport};
use contracts::{
    Agence, Flux, Message,
    messages::{CandidatureIncomplete, CandidatureRetiree, PanneClose, PanneOuverte},
};
use faults::{Banc, Entree, PATIENCE, Replique, melange};
use futures_util::FutureExt;
use harness::{Prives, attendre, variable};
use kernel::Clock;
use reqwest::Method;

type Case = for<'a> fn(&'a mut Prives, &'a Banc) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Lists cases by the name of their function.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        &[$((stringify!($case), |prives, banc| Box::pin($case(prives, banc)))),+]
    };
}

const CASES: &[(&str, Case)] = cases![
    the_broker_stops_and_starts,
    the_broker_is_killed,
    connections_are_closed_by_force,
    a_channel_is_refused,
    the_queue_is_at_its_limit,
    the_broker_is_out_of_memory,
    the_queue_is_deleted,
    nobody_takes_a_request,
    a_consumer_falls_silent,
    the_database_stops_and_starts,
    the_database_is_killed,
    backends_are_terminated,
    the_database_is_read_only,
    a_table_is_locked,
    the_disk_is_full,
];

/// `CASE=name` runs one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages() {
    let Some(mut prives) = Prives::demarrer().await else { return };
    let only = variable("CASE");
    let mut failed = Vec::new();
    for (name, case) in CASES.iter().filter(|(n, _)| only.as_ref().is_none_or(|o| o == n)) {
        let started = std::time::Instant::now();
        let banc = Banc::monter(&prives.serveurs.clone(), "panne").await;
        let run = AssertUnwindSafe(case(&mut prives, &banc)).catch_unwind();
        if run.await.is_err() {
            failed.push(*name);
        }
        say(&format!("  {name}: {:.1?}\n", started.elapsed()));
        banc.demonter().await;
    }
    prives.arreter().await;
    assert!(failed.is_empty(), "cases that failed: {}", failed.join(", "));
}

/// Past the harness, which hides what a test that passes prints.
fn say(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
}

// --- RabbitMQ ---

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
    assert_eq!(banc.nombre("select count(*) from outbox").await, 1, "the request is kept");
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

// --- PostgreSQL ---

async fn the_database_stops_and_starts(prives: &mut Prives, banc: &Banc) {
    database_away(prives, banc, "stop").await;
}

async fn the_database_is_killed(prives: &mut Prives, banc: &Banc) {
    database_away(prives, banc, "kill").await;
}

async fn database_away(prives: &mut Prives, banc: &Banc, how: &str) {
    let replique = banc.replique().await;
    banc.publier(&melange("avant", 24)).await;
    prives.ordonner(&format!("{how} postgres")).await;
    assert!(until(|| async { !ready(&replique).await }).await, "not ready");
    // As many as this, on top of what was not settled before, can be committed by nobody.
    banc.publier(&melange("pendant", 48)).await;
    let held = messages(banc).await;
    assert!(held >= 48, "{held} messages are left: some were acknowledged");
    prives.ordonner("start postgres").await;
    banc.verifier().await.expect("everything comes back");
    assert!(until(|| async { ready(&replique).await }).await, "ready again");
    replique.arreter().await;
}

async fn backends_are_terminated(_: &mut Prives, banc: &Banc) {
    let replique = banc.replique().await;
    for lot in 0..8 {
        banc.publier(&melange(&format!("lot{lot}"), 24)).await;
        let kill = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{}'",
            banc.application()
        );
        banc.executer(&kill).await;
    }
    banc.verifier().await.expect("everything comes back");
    replique.arreter().await;
}

async fn the_database_is_read_only(_: &mut Prives, banc: &Banc) {
    let switch = |to: &str| {
        format!(
            "begin read write;
             alter role relais set default_transaction_read_only = {to};
             select pg_terminate_backend(pid) from pg_stat_activity
             where application_name = '{}';
             commit",
            banc.application()
        )
    };
    refused_then_accepted(banc, &switch("on"), &switch("off")).await;
}

async fn a_table_is_locked(_: &mut Prives, banc: &Banc) {
    let timeout = |ms: u32| {
        format!(
            "alter role relais set lock_timeout = {ms};
             select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{}'",
            banc.application()
        )
    };
    banc.executer(&timeout(200)).await;
    let mut other = banc.sql().await;
    sqlx::raw_sql("begin; lock table inbox in exclusive mode")
        .execute(&mut other)
        .await
        .expect("locks");
    let replique = banc.replique().await;
    nothing_is_acknowledged(banc).await;
    sqlx::raw_sql("rollback").execute(&mut other).await.expect("unlocks");
    banc.verifier().await.expect("everything comes back");
    banc.executer(&timeout(0)).await;
    replique.arreter().await;
}

/// SQLSTATE 53100, as PostgreSQL reports a full disk.
async fn the_disk_is_full(_: &mut Prives, banc: &Banc) {
    let full = "create function plein() returns trigger language plpgsql as
                $$ begin raise exception 'plein' using errcode = '53100'; end $$;
                create trigger plein before insert on outbox
                for each statement execute function plein()";
    refused_then_accepted(banc, full, "drop trigger plein on outbox").await;
}

async fn refused_then_accepted(banc: &Banc, refuse: &str, accept: &str) {
    let replique = banc.replique().await;
    banc.publier(&melange("avant", 24)).await;
    banc.verifier().await.expect("it works");
    banc.executer(refuse).await;
    nothing_is_acknowledged(banc).await;
    banc.executer(accept).await;
    banc.verifier().await.expect("everything comes back");
    replique.arreter().await;
}

/// Publishes what nobody can commit; all of it must be left on the broker.
async fn nothing_is_acknowledged(banc: &Banc) {
    let more: Vec<_> = (0..48).map(|n| Entree::new(format!("refuse-{n}"), n, "direct")).collect();
    banc.publier(&more).await;
    // Given to the service, which tries to commit them and cannot.
    assert!(until(|| async { banc.en_file("victime").await == 0 }).await, "taken");
    assert_eq!(messages(banc).await, 48, "nothing is acknowledged");
}

// --- what the cases look at ---

/// Messages of the service's queue, ready or delivered, once the broker's statistics say the same
/// twice.
async fn messages(banc: &Banc) -> u64 {
    let mut last = None;
    loop {
        let path = ["queues", "/", &banc.file()];
        let queue = banc.gestion.appeler(Method::GET, &path, None).await;
        let now = queue["messages"].as_u64();
        if now.is_some() && now == last && now != Some(0) {
            return now.unwrap_or_default();
        }
        last = now;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
}

async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) -> bool {
    let started = std::time::Instant::now();
    while !condition().await {
        if started.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

async fn ops(replique: &Replique, path: &str) -> Option<String> {
    let client = HttpClient::new(HttpSettings {
        base_url: format!("http://{}", replique.running.addr()),
        timeout_ms: 5_000,
        max_body_bytes: 1 << 20,
    })
    .expect("a client");
    let answer = client.send(client.request(Method::GET, path)).await.ok()?;
    Some(String::from_utf8_lossy(&answer.body).into_owned())
}

async fn ready(replique: &Replique) -> bool {
    ops(replique, "/readyz").await.is_some()
}

/// `relais_consumer_up` of the service's queue.
async fn consumer_up(replique: &Replique) -> Option<bool> {
    let metrics = ops(replique, "/metrics").await?;
    let line = metrics
        .lines()
        .find(|l| l.starts_with("relais_consumer_up{") && l.contains("queue=\"victime\""))?;
    Some(line.ends_with(" 1"))
}
