//! The broker's management API, for what only an operator can do to it.

use std::time::Duration;

use kernel::Secret;
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

/// A client of the virtual host `/`.
#[derive(Clone, Debug)]
pub struct Gestion {
    client: Client,
    base: Url,
    user: String,
    password: Secret,
}

impl Gestion {
    /// Of the broker that `url` manages.
    ///
    /// # Panics
    /// When the URL is not `http://user:password@host:port`.
    pub fn new(url: &Secret) -> Self {
        agency::install_crypto_provider();
        let mut base: Url = url.expose().parse().expect("a URL");
        let user = base.username().to_owned();
        let password = Secret::new(base.password().unwrap_or_default());
        base.set_username("").and_then(|()| base.set_password(None)).expect("a plain URL");
        let builder = Client::builder().timeout(Duration::from_secs(20)).tls_certs_only([]);
        Self { client: builder.build().expect("a client"), base, user, password }
    }

    /// One call; the body of its answer, `Null` when it has none.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn appeler(&self, method: Method, path: &[&str], body: Option<Value>) -> Value {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("a path").pop_if_empty().push("api").extend(path);
        let mut request =
            self.client.request(method, url).basic_auth(&self.user, Some(self.password.expose()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        assert!(status.is_success(), "{path:?}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Bounds a queue at this many messages.
    pub async fn borner(&self, queue: &str, messages: u32) {
        let body = json!({
            "pattern": format!("^{}$", queue.replace('.', "\\.")),
            "definition": { "max-length": messages, "overflow": "reject-publish" },
            "apply-to": "queues", "priority": 50,
        });
        self.appeler(Method::PUT, &["policies", "/", queue], Some(body)).await;
    }

    /// Forgets [`Gestion::borner`].
    pub async fn deborner(&self, queue: &str) {
        self.appeler(Method::DELETE, &["policies", "/", queue], None).await;
    }

    /// Deletes a queue, messages and consumers included.
    pub async fn supprimer_file(&self, queue: &str) {
        self.appeler(Method::DELETE, &["queues", "/", queue], None).await;
    }

    /// Deletes an exchange, bindings included.
    pub async fn supprimer_echange(&self, exchange: &str) {
        self.appeler(Method::DELETE, &["exchanges", "/", exchange], None).await;
    }

    /// Creates a durable topic exchange.
    pub async fn creer_echange(&self, exchange: &str) {
        let body = json!({ "type": "topic", "durable": true });
        self.appeler(Method::PUT, &["exchanges", "/", exchange], Some(body)).await;
    }

    /// Binds a queue.
    pub async fn lier(&self, exchange: &str, queue: &str, key: &str) {
        let path = ["bindings", "/", "e", exchange, "q", queue];
        self.appeler(Method::POST, &path, Some(json!({ "routing_key": key }))).await;
    }

    /// Closes every connection whose name contains `name`; how many there were.
    pub async fn fermer_connexions(&self, name: &str) -> usize {
        let list = self.appeler(Method::GET, &["connections"], None).await;
        let rows = list.as_array().cloned().unwrap_or_default();
        let ours: Vec<_> = rows
            .iter()
            .filter(|row| {
                let given = &row["client_properties"]["connection_name"];
                given.as_str().is_some_and(|given| given.contains(name))
            })
            .filter_map(|row| row["name"].as_str())
            .collect();
        for connection in &ours {
            let mut url = self.base.clone();
            url.path_segments_mut().expect("a path").extend(["api", "connections", connection]);
            let request = self.client.delete(url);
            // Already gone is gone.
            let _ = request.basic_auth(&self.user, Some(self.password.expose())).send().await;
        }
        ours.len()
    }
}
