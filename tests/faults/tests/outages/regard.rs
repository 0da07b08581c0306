//! What the cases look at.

use std::time::Duration;

use agency::{HttpClient, HttpSettings};
use faults::{Banc, PATIENCE, Replique};
use reqwest::Method;

/// Messages of the service's queue, ready or delivered, once the broker's statistics say the same
/// twice.
pub(crate) async fn messages(banc: &Banc) -> u64 {
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

pub(crate) async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) -> bool {
    let started = std::time::Instant::now();
    while !condition().await {
        if started.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

pub(crate) async fn ops(replique: &Replique, path: &str) -> Option<String> {
    let client = HttpClient::new(HttpSettings {
        base_url: format!("http://{}", replique.running.addr()),
        timeout_ms: 5_000,
        max_body_bytes: 1 << 20,
    })
    .expect("a client");
    let answer = client.send(client.request(Method::GET, path)).await.ok()?;
    Some(String::from_utf8_lossy(&answer.body).into_owned())
}

pub(crate) async fn ready(replique: &Replique) -> bool {
    ops(replique, "/readyz").await.is_some()
}

/// `relais_consumer_up` of the service's queue.
pub(crate) async fn consumer_up(replique: &Replique) -> Option<bool> {
    let metrics = ops(replique, "/metrics").await?;
    let line = metrics
        .lines()
        .find(|l| l.starts_with("relais_consumer_up{") && l.contains("queue=\"victime\""))?;
    Some(line.ends_with(" 1"))
}
