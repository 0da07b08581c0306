//! The conformance suite: what every transport must do, whatever it is made of. A transport that
//! passes it can carry Relais.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use contracts::{Agence, Envelope, Flux};
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::{Confirmation, Consumer, Delivery, Publication, QueueSpec, SharedTransport};

mod agencies;
mod delivery;
mod lifecycle;
mod routing;

/// Longest time that one case may take on a busy machine.
const CASE_PATIENCE: Duration = Duration::from_mins(1);
/// How long nothing must come before « nothing comes » is believed. It can only make a case pass
/// that should fail, never the reverse.
const SILENCE: Duration = Duration::from_millis(150);

/// An empty broker, of its own for each case.
#[async_trait]
pub trait Ground: Send + Sync {
    /// A connection of a service.
    async fn service(&self, name: &str) -> SharedTransport;
    /// A connection of an agency.
    async fn agency(&self, agence: Agence) -> SharedTransport;
    /// Called when the case is over, with the queues that it may have made.
    async fn leave(&self, queues: &[QueueSpec]);
}

type Case = for<'a> fn(&'a dyn Ground) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Lists cases by the name of their function.
macro_rules! cases {
    ($($module:ident :: $case:ident),+ $(,)?) => {
        &[$((stringify!($case), |ground| Box::pin($module::$case(ground)))),+]
    };
}

const CASES: &[(&str, Case)] = cases![
    delivery::what_is_published_arrives_whole_and_once,
    delivery::what_a_lost_consumer_held_comes_again_in_order,
    delivery::what_is_released_comes_again,
    delivery::a_queue_keeps_the_order,
    delivery::a_lone_message_comes_at_once,
    delivery::a_batch_takes_what_is_there_up_to_its_bound,
    delivery::prefetch_bounds_what_is_unsettled,
    delivery::a_large_prefetch_is_filled_and_settled_in_any_order,
    delivery::a_cancelled_wait_loses_nothing,
    delivery::two_consumers_share_a_queue,
    delivery::an_invalid_envelope_arrives_rejected_with_its_body,
    routing::patterns_choose_the_queues,
    routing::a_fact_reaches_every_queue_bound_to_it,
    routing::a_mandatory_message_without_queue_comes_back,
    routing::returns_are_told_apart_in_a_pipeline,
    agencies::an_agency_and_a_service_talk,
    agencies::an_agency_reads_and_writes_only_what_is_its_own,
    agencies::a_forged_answer_arrives_rejected,
    lifecycle::a_closed_transport_does_nothing_more,
    lifecycle::readiness_is_answered,
];

/// Runs every case on a ground of its own.
///
/// # Panics
/// When a case fails, with its name; all of them are run first.
pub async fn suite<F>(open: impl Fn(&'static str) -> F)
where
    F: Future<Output = Box<dyn Ground>>,
{
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let ground = open(name).await;
        let run = AssertUnwindSafe(timeout(CASE_PATIENCE, case(&*ground))).catch_unwind();
        match run.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => failed.push(format!("{name} (longer than {CASE_PATIENCE:?})")),
            Err(_) => failed.push((*name).to_owned()),
        }
        ground.leave(&queues()).await;
    }
    assert!(failed.is_empty(), "cases that failed: {}", failed.join(", "));
}

/// Every queue that a case may make.
fn queues() -> Vec<QueueSpec> {
    let agences = ["cpam.631", "cpam.751"].map(|a| QueueSpec::agence(&agence(a)));
    let services = ["un", "deux", "trois"].map(|name| queue(name, &[]));
    services.into_iter().chain(agences).collect()
}

/// A name that no other ground of this process or of another has.
pub fn unique_prefix(case: &str, now: DateTime<Utc>) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let rank = NEXT.fetch_add(1, Ordering::Relaxed);
    let parts = [case, &std::process::id().to_string(), &rank.to_string(), &now.to_rfc3339()];
    format!("essai-{}.", kernel::short_id(&parts))
}

/// The URL of a server for tests. Unset, the test is skipped, loudly; `RELAIS_REQUIRE_SERVERS=1`
/// makes that a failure.
///
/// # Panics
/// When the server is required and its URL is not set.
#[expect(clippy::disallowed_methods, reason = "tests are told about their servers by variables")]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn server_url(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        let required = std::env::var("RELAIS_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        assert!(!required, "{variable} is not set and RELAIS_REQUIRE_SERVERS=1");
        eprintln!("SKIPPED: {variable} is not set (tests/servers.sh exec cargo test ...)");
    }
    url
}

/// Takes the turn of those who make users on a broker, until the file is dropped: users belong to
/// the whole broker, and tests run in several processes.
///
/// # Panics
/// When the lock cannot be taken.
pub fn broker_users(management_url: &str) -> std::fs::File {
    let host = management_url.rsplit('@').next().unwrap_or_default();
    let name: String = host.chars().filter(char::is_ascii_alphanumeric).collect();
    let path = std::env::temp_dir().join(format!("relais-users-{name}.lock"));
    let file = std::fs::File::options().create(true).append(true).open(path);
    let file = file.expect("a lock file");
    file.lock().expect("the turn");
    file
}

// --- what the cases are made of ---

fn agence(text: &str) -> Agence {
    text.parse().expect("an agency")
}

fn queue(name: &str, patterns: &[&str]) -> QueueSpec {
    let bindings = patterns.iter().map(|p| (Flux::Evenements, (*p).to_owned())).collect();
    QueueSpec::service(name, bindings)
}

/// A fact of type `key`, with `id`.
pub fn fact(key: &str, id: &str) -> Publication {
    let envelope = Envelope {
        id: id.to_owned(),
        source: "/relais/essai".to_owned(),
        message_type: key.to_owned(),
        subject: Some(format!("chose/{id}")),
        time: "2026-01-05T08:00:00.25Z".parse().expect("an instant"),
        sequence: Some(7),
        correlation_id: Some("dossier-12".to_owned()),
        causation_id: Some("cause-é".to_owned()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        data: format!("{{\"rang\":\"{id}\"}}").into_bytes(),
    };
    let routing_key = key.to_owned();
    Publication { flux: Flux::Evenements, routing_key, envelope, mandatory: false }
}

fn facts(key: &str, ids: std::ops::Range<u32>) -> Vec<Publication> {
    ids.map(|id| fact(key, &id.to_string())).collect()
}

/// Takes and acknowledges `count` deliveries.
async fn drain(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let taken = take(consumer, count).await;
    settle(consumer, &taken).await;
    taken
}

/// Takes `count` deliveries, without settling them.
async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = consumer.next_batch(count - taken.len()).await.expect("a batch");
        assert!(!batch.is_empty(), "the connection was lost");
        taken.extend(batch);
    }
    taken
}

async fn settle(consumer: &mut dyn Consumer, deliveries: &[Delivery]) {
    let tags: Vec<u64> = deliveries.iter().map(|d| d.tag).collect();
    consumer.ack(&tags).await.expect("an acknowledgement");
}

/// Publishes while somebody else consumes: a transport may confirm only what was acknowledged.
async fn publish_all(transport: &SharedTransport, messages: Vec<Publication>) {
    let count = messages.len();
    let confirmations = transport.publish(messages).await;
    assert_eq!(confirmations, vec![Confirmation::Confirmed; count]);
}

/// Nothing is left in the queue: the next delivery is a marker published now.
async fn assert_empty(transport: &SharedTransport, consumer: &mut dyn Consumer, key: &str) {
    let marker = fact(key, "marque");
    let ((), next) = tokio::join!(publish_all(transport, vec![marker]), drain(consumer, 1));
    assert_eq!(ids(&next), ["marque"]);
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|d| d.envelope.id.as_str()).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}
