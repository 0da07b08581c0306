//! What a broker says of itself, and whether the queues of a service can lose messages as they
//! are. For this a user with the tag `monitoring` is enough.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    Policy, Table,
    danger::{Policies, dangers_of, in_force},
    management::{Api, Management},
};
use crate::{BusError, QueueSpec};

/// The first version with streams and at-least-once dead letters.
const OLDEST: Version = Version(3, 10);

/// A version of RabbitMQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// From `3.10.8`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(['.', '-', '+']).map(str::parse);
        Some(Self(parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What a broker says of itself.
#[derive(Clone, Debug)]
pub struct Health {
    /// Its version; `None` when it is not understood.
    pub version: Option<Version>,
    /// Its version, as it says it.
    pub version_text: String,
    /// Its time, to the second.
    pub now: Option<DateTime<Utc>>,
    /// Whether a dead letter can wait until it is taken over (feature `stream_queue` before 4.0).
    pub at_least_once: bool,
    /// Nodes that block publishers: memory or disk.
    pub alarms: Vec<String>,
}

/// Asks a broker about itself.
///
/// # Errors
/// [`BusError::Away`] when the broker does not answer, [`BusError::Topology`] when it refuses.
pub async fn health(management: &Management) -> Result<Health, BusError> {
    let api = Api::new(management)?;
    let (overview, now): (Overview, _) = api.get_dated(&["overview"]).await?;
    // For administrators only.
    let features: Option<Vec<Feature>> = api.get(&["feature-flags"]).await.unwrap_or_default();
    let nodes: Vec<Node> = api.get(&["nodes"]).await?.unwrap_or_default();
    let version = Version::parse(&overview.rabbitmq_version);
    let features = features.unwrap_or_default();
    let streams = features.iter().find(|f| f.name == "stream_queue");
    let blocked = nodes.into_iter().filter(|n| n.mem_alarm || n.disk_free_alarm);
    Ok(Health {
        version,
        version_text: overview.rabbitmq_version,
        now,
        // What every broker has is no longer listed.
        at_least_once: streams.is_none_or(|f| f.state == "enabled"),
        alarms: blocked.map(|n| n.name).collect(),
    })
}

impl Health {
    /// What makes this broker unfit; in French, one line each.
    pub fn dangers(&self) -> Vec<String> {
        let mut list = Vec::new();
        if self.version.is_some_and(|version| version < OLDEST) {
            list.push(format!("RabbitMQ {} : il faut au moins {OLDEST}", self.version_text));
        }
        if !self.at_least_once {
            let text = "la fonctionnalité stream_queue n'est pas activée, et ce qui est livré \
                        trop souvent peut se perdre";
            list.push(text.to_owned());
        }
        list
    }
}

/// Why the broker, as it is now, could lose messages of these queues or of their dead letters; in
/// French, one line each. A queue that is missing is one of them, unless the client declares it.
///
/// # Errors
/// [`BusError::Away`] when the broker does not answer, [`BusError::Topology`] when it refuses.
pub async fn dangers(
    management: &Management,
    prefix: &str,
    queues: &[QueueSpec],
    declared_later: bool,
) -> Result<Vec<String>, BusError> {
    let api = Api::new(management)?;
    let mut list = health(management).await?.dangers();
    let policies: BTreeMap<String, Policy> = api.policies("policies").await?;
    let operators = api.policies("operator-policies").await?;
    let (policies, operators) = (Policies::new(&policies), Policies::new(&operators));
    for spec in queues {
        for name in [&spec.name, &spec.morts().name] {
            let name = format!("{prefix}{name}");
            let found: Option<Queue> = api.get(&["queues", &management.vhost, &name]).await?;
            match found {
                Some(queue) => {
                    let policy = in_force(&policies, &operators, &name);
                    list.extend(dangers_of(&name, &queue.arguments, policy.as_ref()));
                }
                None if declared_later => {}
                None => list.push(format!("file {name} : elle n'existe pas")),
            }
        }
    }
    Ok(list)
}

#[derive(Deserialize)]
struct Overview {
    rabbitmq_version: String,
}

#[derive(Deserialize)]
struct Feature {
    name: String,
    state: String,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(default)]
    mem_alarm: bool,
    #[serde(default)]
    disk_free_alarm: bool,
}

#[derive(Deserialize)]
struct Queue {
    #[serde(default)]
    arguments: Table,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(Version::parse("3.10.8"), Some(Version(3, 10)));
        assert_eq!(Version::parse("4.3-rc.1"), Some(Version(4, 3)));
        assert_eq!(Version::parse("inconnue"), None);
        assert!(Version(3, 9) < Version(3, 10));
        assert!(Version(4, 0) > Version(3, 13));
    }
}
