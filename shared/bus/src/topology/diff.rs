//! What must change on a broker for it to be as the topology says; pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use contracts::{Agence, Flux};

use super::{Permission, Policy, Table, Topology, User};

/// What a broker's virtual host holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Name → type and whether it is durable.
    pub(super) exchanges: BTreeMap<String, (String, bool)>,
    pub(super) queues: BTreeMap<String, Table>,
    /// (exchange, queue, pattern) → the broker's own name of the binding.
    pub(super) bindings: BTreeMap<(String, String, String), String>,
    pub(super) policies: BTreeMap<String, Policy>,
    /// Users of the whole broker, with the stored form of their password.
    pub(super) users: BTreeMap<String, String>,
    pub(super) permissions: BTreeMap<String, Permission>,
    /// (user, exchange) → (write, read).
    pub(super) topic_permissions: BTreeMap<(String, String), (String, String)>,
}

/// One thing to change, in the order in which changes are made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Exchange(String),
    Queue(String, Table),
    Policy(String, Policy),
    Bind(String, String, String),
    Unbind {
        exchange: String,
        queue: String,
        pattern: String,
        broker_name: String,
    },
    User(String),
    Answers {
        user: String,
        write: String,
    },
    Permission(String, Permission),
    Revoke(String),
    /// Only a person can solve it: a queue of another kind holds messages.
    Conflict(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(name) => write!(f, "exchange {name} is missing"),
            Self::Queue(name, _) => write!(f, "queue {name} is missing"),
            Self::Policy(name, _) => write!(f, "policy {name} is missing or differs"),
            Self::Bind(exchange, queue, pattern) => {
                write!(f, "binding {exchange} → {queue} ({pattern}) is missing")
            }
            Self::Unbind { exchange, queue, pattern, .. } => {
                write!(f, "binding {exchange} → {queue} ({pattern}) must not exist")
            }
            Self::User(name) => write!(f, "user {name} is missing, or its password differs"),
            Self::Answers { user, .. } => {
                write!(f, "user {user} may publish under the keys of others")
            }
            Self::Permission(user, _) => write!(f, "permissions of {user} differ"),
            Self::Revoke(user) => write!(f, "{user} is no agency of the register any more"),
            Self::Conflict(text) => f.write_str(text),
        }
    }
}

/// Says whether the stored form of a user's password is the password that was given.
pub(super) type PasswordFits<'a> = &'a dyn Fn(&str, &str) -> bool;

/// What differs, in the order of [`Change`]: who may answer comes after what receives the answers.
/// Users are not looked at without `password_fits`.
pub(super) fn changes(
    wanted: &Topology,
    found: &Found,
    password_fits: Option<PasswordFits<'_>>,
) -> Vec<Change> {
    let mut list = Vec::new();
    exchanges(wanted, found, &mut list);
    queues(wanted, found, &mut list);
    for (name, policy) in &wanted.policies {
        if found.policies.get(name) != Some(policy) {
            list.push(Change::Policy(name.clone(), policy.clone()));
        }
    }
    bindings(wanted, found, &mut list);
    if let Some(password_fits) = password_fits {
        for (name, user) in &wanted.users {
            self::user(name, user, found, password_fits, &mut list);
        }
        let strangers = found
            .permissions
            .keys()
            .filter(|name| Agence::from_user(name).is_some() && !wanted.users.contains_key(*name));
        list.extend(strangers.cloned().map(Change::Revoke));
    }
    list
}

fn exchanges(wanted: &Topology, found: &Found, list: &mut Vec<Change>) {
    for name in &wanted.exchanges {
        match found.exchanges.get(name) {
            None => list.push(Change::Exchange(name.clone())),
            Some((kind, true)) if kind == "topic" => {}
            Some((kind, _)) => list.push(Change::Conflict(format!(
                "exchange {name} is not a durable topic but {kind}: delete it"
            ))),
        }
    }
}

fn queues(wanted: &Topology, found: &Found, list: &mut Vec<Change>) {
    for (name, arguments) in &wanted.queues {
        match found.queues.get(name) {
            None => list.push(Change::Queue(name.clone(), arguments.clone())),
            Some(present) if present == arguments => {}
            Some(_) => list.push(Change::Conflict(format!(
                "queue {name} has other arguments: empty it, delete it, apply again"
            ))),
        }
    }
}

fn bindings(wanted: &Topology, found: &Found, list: &mut Vec<Change>) {
    for (exchange, queue, pattern) in &wanted.bindings {
        let binding = (exchange.clone(), queue.clone(), pattern.clone());
        if !found.bindings.contains_key(&binding) {
            list.push(Change::Bind(exchange.clone(), queue.clone(), pattern.clone()));
        }
    }
    let guarded: BTreeSet<&str> =
        [Flux::Demandes, Flux::Reponses].into_iter().map(Flux::exchange).collect();
    for (binding, broker_name) in &found.bindings {
        let (exchange, queue, pattern) = binding;
        // Others may listen to facts; requests and answers are for those who are meant.
        let ours = wanted.queues.contains_key(queue) && wanted.exchanges.contains(exchange);
        let concerns = ours || guarded.contains(exchange.as_str());
        if concerns && !wanted.bindings.contains(binding) {
            list.push(Change::Unbind {
                exchange: exchange.clone(),
                queue: queue.clone(),
                pattern: pattern.clone(),
                broker_name: broker_name.clone(),
            });
        }
    }
}

/// The key limits come before the permissions: without one, every key would be accepted.
fn user(
    name: &str,
    wanted: &User,
    found: &Found,
    password_fits: PasswordFits<'_>,
    list: &mut Vec<Change>,
) {
    let stored = found.users.get(name);
    if !stored.is_some_and(|stored| password_fits(name, stored)) {
        list.push(Change::User(name.to_owned()));
    }
    if let Some(write) = &wanted.answers {
        let key = (name.to_owned(), Flux::Reponses.exchange().to_owned());
        let present = found.topic_permissions.get(&key);
        if present.is_none_or(|(w, r)| w != write || r != super::NOTHING) {
            list.push(Change::Answers { user: name.to_owned(), write: write.clone() });
        }
    }
    if found.permissions.get(name) != Some(&wanted.permission) {
        list.push(Change::Permission(name.to_owned(), wanted.permission.clone()));
    }
}
