//! `definitions.json`: what a broker can boot from (`load_definitions`), or import.

use std::collections::BTreeMap;

use kernel::Secret;
use serde_json::{Value, json};

use super::{NOTHING, Topology, User, password};
use crate::BusError;

/// The topology as a broker's definitions, for one virtual host. Passwords are stored salted and
/// hashed, never in clear; a stored form of an earlier export (`previous`) is kept where it is
/// still the password's, so that the same topology gives the same file.
///
/// # Errors
/// [`BusError::Topology`] names the users without a password.
pub fn definitions(
    topology: &Topology,
    vhost: &str,
    passwords: &BTreeMap<String, Secret>,
    previous: Option<&Value>,
) -> Result<Value, BusError> {
    let missing: Vec<&str> = topology
        .users
        .keys()
        .filter(|name| !passwords.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let names = missing.join(", ");
        return Err(BusError::Topology(format!("a password must be given for each of: {names}")));
    }
    let users = topology.users.iter().map(|(name, user)| {
        let password = &passwords[name];
        let known = previous.and_then(|file| known_hash(file, name));
        let hash = match known.filter(|hash| password::fits(hash, password)) {
            Some(hash) => hash.to_owned(),
            None => password::stored(password)?,
        };
        Ok(user_of(name, user, &hash))
    });
    let users = users.collect::<Result<Vec<Value>, BusError>>()?;
    let exchanges = topology.exchanges.iter().map(|name| {
        json!({
            "name": name, "vhost": vhost, "type": "topic", "durable": true, "auto_delete": false,
            "internal": false, "arguments": {},
        })
    });
    let queues = topology.queues.iter().map(|(name, arguments)| {
        json!({
            "name": name, "vhost": vhost, "durable": true, "auto_delete": false,
            "arguments": arguments,
        })
    });
    let bindings = topology.bindings.iter().map(|(exchange, queue, pattern)| {
        json!({
            "source": exchange, "vhost": vhost, "destination": queue, "destination_type": "queue",
            "routing_key": pattern, "arguments": {},
        })
    });
    let policies = topology.policies.iter().map(|(name, policy)| {
        json!({
            "vhost": vhost, "name": name, "pattern": policy.pattern, "apply-to": policy.apply_to,
            "priority": policy.priority, "definition": policy.definition,
        })
    });
    Ok(json!({
        "users": users,
        "vhosts": [{ "name": vhost }],
        "permissions": permissions(topology, vhost),
        "topic_permissions": topic_permissions(topology, vhost),
        "parameters": [],
        "global_parameters": [],
        "policies": policies.collect::<Vec<_>>(),
        "queues": queues.collect::<Vec<_>>(),
        "exchanges": exchanges.collect::<Vec<_>>(),
        "bindings": bindings.collect::<Vec<_>>(),
    }))
}

fn known_hash<'a>(file: &'a Value, user: &str) -> Option<&'a str> {
    let users = file.get("users")?.as_array()?;
    let known = users.iter().find(|u| u.get("name").and_then(Value::as_str) == Some(user))?;
    known.get("password_hash")?.as_str()
}

fn user_of(name: &str, user: &User, hash: &str) -> Value {
    let tags: Vec<&str> = user.tags.split(',').filter(|tag| !tag.is_empty()).collect();
    json!({
        "name": name, "password_hash": hash,
        "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": tags, "limits": {},
    })
}

fn permissions(topology: &Topology, vhost: &str) -> Vec<Value> {
    let of = |(name, user): (&String, &User)| {
        let allowed = &user.permission;
        json!({
            "user": name, "vhost": vhost, "configure": allowed.configure, "write": allowed.write,
            "read": allowed.read,
        })
    };
    topology.users.iter().map(of).collect()
}

fn topic_permissions(topology: &Topology, vhost: &str) -> Vec<Value> {
    let exchange = contracts::Flux::Reponses.exchange();
    let of = |(name, user): (&String, &User)| {
        let write = user.answers.as_ref()?;
        Some(json!({
            "user": name, "vhost": vhost, "exchange": exchange, "write": write, "read": NOTHING,
        }))
    };
    topology.users.iter().filter_map(of).collect()
}
