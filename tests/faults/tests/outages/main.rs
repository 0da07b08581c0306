//! RabbitMQ and PostgreSQL stopped, killed, cut, filled up and made read-only under a service that
//! works. The servers are each test's own, so that nobody else loses theirs: one broker and one
//! database, case after case. Everything comes back by itself, nothing is lost, nothing is doubled,
//! nothing is acknowledged that is not committed.

/// Lists cases by the name of their function.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        &[$((stringify!($case), |prives, banc| Box::pin($case(prives, banc)))),+]
    };
}

mod broker;
mod database;
mod regard;

use std::{panic::AssertUnwindSafe, pin::Pin};

use faults::Banc;
use futures_util::FutureExt;
use harness::{Prives, variable};

type Case = for<'a> fn(&'a mut Prives, &'a Banc) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_fails() {
    outages(broker::CASES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_fails() {
    outages(database::CASES).await;
}

/// `CASE=name` runs one.
async fn outages(cases: &[(&str, Case)]) {
    let only = variable("CASE");
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let cases: Vec<_> = cases.iter().filter(|(name, _)| wanted(name)).collect();
    if cases.is_empty() {
        return;
    }
    let Some(mut prives) = Prives::demarrer().await else { return };
    let mut failed = Vec::new();
    for (name, case) in cases {
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
