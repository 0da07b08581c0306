//! The broker's management API, as far as the topology needs it (RabbitMQ 3.10 to 4.x).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use kernel::Secret;
use reqwest::{Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    NOTHING, Permission, Policy,
    change::Change,
    diff::Found,
    rows::{BindingRow, ExchangeRow, PermissionRow, PolicyRow, QueueRow, TopicRow, UserRow},
};
use crate::{
    BusError,
    tls::{Certificates, explain},
};

/// Longest wait for one call.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where and as whom to manage a broker.
#[derive(Clone, Debug)]
pub struct Management {
    /// `http://user:password@host:15672`, or `https://`; the user is an administrator.
    pub url: Secret,
    /// Whom to trust and what to show over `https://`.
    pub certificates: Certificates,
    /// The virtual host, `/` by default; created when it does not exist.
    pub vhost: String,
    /// Passwords by user. `None` leaves users and permissions alone. A user that exists and is not
    /// listed keeps its password; one that does not exist needs one here: none is ever invented.
    pub passwords: Option<BTreeMap<String, Secret>>,
}

impl Management {
    /// Without a private authority, and without users.
    pub fn new(url: Secret, vhost: impl Into<String>) -> Self {
        let (certificates, vhost) = (Certificates::default(), vhost.into());
        Self { url, certificates, vhost, passwords: None }
    }
}

/// A client of one virtual host.
pub(super) struct Api {
    client: Client,
    base: Url,
    user: String,
    password: Secret,
    vhost: String,
}

impl Api {
    pub(super) fn new(management: &Management) -> Result<Self, BusError> {
        let wrong = || {
            BusError::Topology("the management URL is not http(s)://user:password@host".to_owned())
        };
        let mut base: Url = management.url.expose().parse().map_err(|_| wrong())?;
        let user = decoded(base.username()).ok_or_else(wrong)?;
        let password = decoded(base.password().unwrap_or_default()).ok_or_else(wrong)?;
        base.set_username("").and_then(|()| base.set_password(None)).map_err(|()| wrong())?;
        // Harmless when the process already has a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().timeout(PATIENCE);
        let builder = if base.scheme() == "http" {
            builder.tls_certs_only([])
        } else {
            management.certificates.of_http(builder)?
        };
        let client = builder.build().map_err(away)?;
        let password = Secret::new(password);
        Ok(Self { client, base, user, password, vhost: management.vhost.clone() })
    }

    /// What the virtual host holds; nothing when it does not exist.
    pub(super) async fn found(&self) -> Result<Found, BusError> {
        if !self.has_vhost().await? {
            return Ok(Found { users: self.users().await?, ..Found::default() });
        }
        Ok(Found {
            exchanges: by_name(self.list::<ExchangeRow>("exchanges").await?, |e| {
                (e.name, (e.kind, e.durable))
            }),
            queues: by_name(self.list::<QueueRow>("queues").await?, |q| (q.name, q.arguments)),
            bindings: self.bindings("queue").await?,
            relays: self.bindings("exchange").await?,
            policies: self.policies("policies").await?,
            operator_policies: self.policies("operator-policies").await?,
            users: self.users().await?,
            permissions: self.permissions().await?,
            topic_permissions: self.topic_permissions().await?,
        })
    }

    /// Whom it speaks for.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Whether the virtual host exists.
    pub(super) async fn has_vhost(&self) -> Result<bool, BusError> {
        Ok(self.get::<Value>(&["vhosts", &self.vhost]).await?.is_some())
    }

    /// Creates the virtual host when it does not exist, readable by the administrator.
    pub(super) async fn ensure_vhost(&self) -> Result<bool, BusError> {
        if self.has_vhost().await? {
            return Ok(false);
        }
        self.send(Method::PUT, &["vhosts", &self.vhost], Some(json!({}))).await?;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.send(Method::PUT, &["permissions", &self.vhost, &self.user], Some(all)).await?;
        Ok(true)
    }

    /// Makes one change.
    pub(super) async fn make(
        &self,
        change: &Change,
        password: impl Fn(&str) -> Option<Secret>,
    ) -> Result<(), BusError> {
        let vhost = self.vhost.as_str();
        match change {
            Change::Exchange(name) => {
                let body = json!({ "type": "topic", "durable": true });
                self.send(Method::PUT, &["exchanges", vhost, name], Some(body)).await
            }
            Change::Queue(name, arguments) => {
                let body = json!({ "durable": true, "arguments": arguments });
                self.send(Method::PUT, &["queues", vhost, name], Some(body)).await
            }
            Change::Policy { name, wanted, .. } => {
                let Policy { pattern, apply_to, priority, definition } = wanted;
                let body = json!({
                    "pattern": pattern, "priority": priority, "definition": definition,
                    "apply-to": apply_to,
                });
                self.send(Method::PUT, &["policies", vhost, name], Some(body)).await
            }
            Change::Bind(exchange, queue, pattern) => {
                let body = json!({ "routing_key": pattern });
                let path = ["bindings", vhost, "e", exchange, "q", queue];
                self.send(Method::POST, &path, Some(body)).await
            }
            Change::Unbind { exchange, destination, broker_name, to_exchange, .. } => {
                let kind = if *to_exchange { "e" } else { "q" };
                let path = ["bindings", vhost, "e", exchange, kind, destination, broker_name];
                self.send(Method::DELETE, &path, None).await
            }
            Change::User { name, tags, found } => {
                let body = match (password(name), found) {
                    (Some(password), _) => json!({ "password": password.expose(), "tags": tags }),
                    (None, Some((hash, _))) => json!({ "password_hash": hash, "tags": tags }),
                    // Refused before anything was changed.
                    (None, None) => return Ok(()),
                };
                self.send(Method::PUT, &["users", name], Some(body)).await
            }
            Change::Answers { user, write, .. } => {
                let exchange = contracts::Flux::Reponses.exchange();
                let body = json!({ "exchange": exchange, "write": write, "read": NOTHING });
                self.send(Method::PUT, &["topic-permissions", vhost, user], Some(body)).await
            }
            Change::Permission { user, wanted, .. } => {
                let Permission { configure, write, read } = wanted;
                let body = json!({ "configure": configure, "write": write, "read": read });
                self.send(Method::PUT, &["permissions", vhost, user], Some(body)).await
            }
            Change::Revoke(user) => {
                self.send(Method::DELETE, &["permissions", vhost, user], None).await
            }
            Change::Conflict(text) => Err(BusError::Topology(text.clone())),
        }
    }

    /// `policies` or `operator-policies`.
    pub(super) async fn policies(&self, kind: &str) -> Result<BTreeMap<String, Policy>, BusError> {
        Ok(by_name(self.list(kind).await?, PolicyRow::named))
    }

    /// The names of the broker's users.
    pub(super) async fn user_names(&self) -> Result<BTreeSet<String>, BusError> {
        Ok(self.users().await?.into_keys().collect())
    }

    async fn bindings(
        &self,
        destination: &str,
    ) -> Result<BTreeMap<(String, String, String), String>, BusError> {
        let rows = self.list::<BindingRow>("bindings").await?;
        // Every queue is bound to the default exchange, whose name is empty.
        let real = |b: &BindingRow| b.destination_type == destination && !b.source.is_empty();
        Ok(by_name(rows.into_iter().filter(real), |b| {
            ((b.source, b.destination, b.routing_key), b.properties_key)
        }))
    }

    async fn users(&self) -> Result<BTreeMap<String, (String, String)>, BusError> {
        let rows: Vec<UserRow> = self.get(&["users"]).await?.unwrap_or_default();
        Ok(by_name(rows, |u| (u.name, (u.password_hash, u.tags.text()))))
    }

    async fn permissions(&self) -> Result<BTreeMap<String, Permission>, BusError> {
        let path = ["vhosts", self.vhost.as_str(), "permissions"];
        let rows: Vec<PermissionRow> = self.get(&path).await?.unwrap_or_default();
        Ok(by_name(rows, |p| {
            let PermissionRow { user, configure, write, read } = p;
            (user, Permission { configure, write, read })
        }))
    }

    async fn topic_permissions(
        &self,
    ) -> Result<BTreeMap<(String, String), (String, String)>, BusError> {
        let path = ["vhosts", self.vhost.as_str(), "topic-permissions"];
        let rows: Vec<TopicRow> = self.get(&path).await?.unwrap_or_default();
        Ok(by_name(rows, |t| ((t.user, t.exchange), (t.write, t.read))))
    }

    async fn list<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>, BusError> {
        Ok(self.get(&[kind, &self.vhost]).await?.unwrap_or_default())
    }

    /// What is at a path, which exists, and when the broker answered.
    pub(super) async fn get_dated<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<(T, Option<DateTime<Utc>>), BusError> {
        let response = self.request(Method::GET, path)?.send().await.map_err(away)?;
        let response = accepted(response, path).await?;
        let date = response.headers().get(reqwest::header::DATE).and_then(|d| d.to_str().ok());
        let date = date.and_then(|text| DateTime::parse_from_rfc2822(text).ok());
        Ok((response.json().await.map_err(away)?, date.map(|d| d.with_timezone(&Utc))))
    }

    /// What is at a path, if it exists.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, BusError> {
        let request = self.request(Method::GET, path)?;
        let response = request.send().await.map_err(away)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = accepted(response, path).await?;
        response.json().await.map(Some).map_err(away)
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<(), BusError> {
        let mut request = self.request(method, path)?;
        if let Some(body) = body {
            request = request.json(&body);
        }
        accepted(request.send().await.map_err(away)?, path).await.map(|_| ())
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<reqwest::RequestBuilder, BusError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| BusError::Topology("the management URL has no path".to_owned()))?
            .pop_if_empty()
            .push("api")
            .extend(path);
        Ok(self.client.request(method, url).basic_auth(&self.user, Some(self.password.expose())))
    }
}

async fn accepted(
    response: reqwest::Response,
    path: &[&str],
) -> Result<reqwest::Response, BusError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let what = path.join("/");
    match status {
        StatusCode::UNAUTHORIZED => Err(BusError::Topology(
            "the management API refuses this user, or it is no administrator".to_owned(),
        )),
        _ if status.is_client_error() => {
            let reason = response.text().await.unwrap_or_default();
            Err(BusError::Topology(format!("{what}: {status} {reason}")))
        }
        _ => Err(BusError::Away(format!("{what}: {status}").into())),
    }
}

fn away(error: reqwest::Error) -> BusError {
    explain(Box::new(error.without_url()))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = tail.get(..2)?;
            bytes.extend(hex::decode(digits).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn by_name<T, K: Ord, V>(
    rows: impl IntoIterator<Item = T>,
    split: impl Fn(T) -> (K, V),
) -> BTreeMap<K, V> {
    rows.into_iter().map(split).collect()
}
