//! What must exist on the broker: exchanges, queues, bindings, policies, users and permissions,
//! computed from what the services read and from the register. [`Topology`] is pure; [`plan`],
//! [`apply`] and [`verify`] compare it with a broker, through its management API; [`definitions`]
//! is what a broker can boot from.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Agence, Famille, Flux, Referentiel, referentiel::Canal};
use serde_json::{Value, json};

use crate::{
    QueueSpec,
    limits::{DEAD_LETTER_DELIVERY_LIMIT, DELIVERY_LIMIT, MAX_LENGTH_BYTES},
    topic_matches,
};

mod apply;
mod change;
mod danger;
mod diff;
mod export;
mod health;
mod management;
mod password;
mod rows;

pub use apply::{Plan, Report, apply, plan, users, verify};
pub use change::{Action, Step};
pub use export::definitions;
pub use health::{Health, Version, dangers, health};
pub use management::Management;
pub use password::generated;

/// Name of the audit stream: every fact, read by offset, so that its readers block nobody.
pub const AUDIT: &str = "audit";
/// Bounds of the audit stream.
const AUDIT_MAX_AGE: &str = "30D";
const AUDIT_MAX_BYTES: i64 = 10 << 30;
/// Who reads the dead letters of the agencies' queues.
const FAMILY_OWNERS: [(Famille, &str); 2] =
    [(Famille::Cpam, "cpam-cps"), (Famille::Cdom, "ordinal-adapter")];
/// Looks at queues and policies, and may neither read nor write a message.
pub const SUPERVISION: &str = "relais-supervision";
/// A permission that nothing matches.
const NOTHING: &str = "^$";

/// An argument table, of a queue or of a policy.
pub type Table = BTreeMap<String, Value>;

/// Limits given to queues by the broker's operator, not by its clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Regular expression on the queue's name.
    pub pattern: String,
    /// `queues`: to queues of every type.
    pub apply_to: String,
    /// The highest that matches wins; policies do not add up.
    pub priority: i64,
    /// The limits.
    pub definition: Table,
}

impl Policy {
    fn of_queues(pattern: String, priority: i64, definition: Table) -> Self {
        Self { pattern, apply_to: "queues".to_owned(), priority, definition }
    }
}

/// Regular expressions on the names a user may configure, write to, read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Never anything: the topology is the operator's.
    pub configure: String,
    /// Exchanges.
    pub write: String,
    /// Queues.
    pub read: String,
}

/// A user of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// On exchanges and queues.
    pub permission: Permission,
    /// Regular expression on the routing keys it may publish on [`Flux::Reponses`]; agencies only.
    pub answers: Option<String>,
    /// What it may see of the management API: nothing (empty), or `monitoring`.
    pub tags: String,
}

/// Everything that must exist on the broker, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// Durable topic exchanges.
    pub exchanges: BTreeSet<String>,
    /// Queues, with the arguments that can never change; limits are policies.
    pub queues: BTreeMap<String, Table>,
    /// (exchange, queue, routing key pattern).
    pub bindings: BTreeSet<(String, String, String)>,
    /// By name.
    pub policies: BTreeMap<String, Policy>,
    /// By name.
    pub users: BTreeMap<String, User>,
}

impl Topology {
    /// The topology of these services and of the register's agencies that have a queue.
    pub fn new(services: &[QueueSpec], register: &Referentiel) -> Self {
        let mut topology = Self::default();
        for flux in [Flux::Evenements, Flux::Demandes, Flux::Reponses] {
            topology.exchanges.insert(flux.exchange().to_owned());
        }
        for service in services {
            topology.add_service(service);
        }
        for (famille, _) in FAMILY_OWNERS {
            topology.add_family(famille);
        }
        let on_the_bus = register.agences().filter(|(_, fiche)| fiche.canal == Canal::File);
        for (agence, _) in on_the_bus {
            topology.add_agency(&agence);
        }
        topology.add_audit();
        topology.add_supervision();
        topology
    }

    /// The queues that a routing key reaches, in order.
    pub fn route(&self, flux: Flux, key: &str) -> Vec<String> {
        let bound = self.bindings.iter().filter(|(exchange, _, pattern)| {
            exchange == flux.exchange() && topic_matches(pattern, key)
        });
        let names: BTreeSet<&String> = bound.map(|(_, queue, _)| queue).collect();
        names.into_iter().cloned().collect()
    }

    /// A user who may do anything on the virtual host, for a broker that boots from definitions.
    pub fn add_administrator(&mut self, name: &str) {
        let all = || ".*".to_owned();
        let permission = Permission { configure: all(), write: all(), read: all() };
        let user = User { permission, answers: None, tags: "administrator".to_owned() };
        self.users.insert(name.to_owned(), user);
    }

    fn add_service(&mut self, spec: &QueueSpec) {
        let morts = spec.morts().name;
        let name = exactly(&spec.name);
        self.add_queue(spec);
        self.queues.insert(morts.clone(), quorum());
        self.policies.insert(
            format!("relais-{}", spec.name),
            Policy::of_queues(format!("^{name}$"), 0, limits(&morts)),
        );
        let owned = FAMILY_OWNERS.iter().filter(|(_, owner)| *owner == spec.name);
        let families = owned.map(|(famille, _)| QueueSpec::morts_of(*famille).name);
        let readable: Vec<String> =
            [spec.name.clone(), morts].into_iter().chain(families).map(|n| exactly(&n)).collect();
        let permission = Permission {
            configure: NOTHING.to_owned(),
            write: r"^relais\.(evenements|demandes)$".to_owned(),
            read: format!("^({})$", readable.join("|")),
        };
        self.users
            .insert(spec.name.clone(), User { permission, answers: None, tags: String::new() });
    }

    fn add_family(&mut self, famille: Famille) {
        let morts = QueueSpec::morts_of(famille).name;
        let pattern = format!(r"^agence\.{}\.[^.]+$", famille.as_str());
        let definition = limits(&morts);
        let name = format!("relais-agences-{}", famille.as_str());
        self.policies.insert(name, Policy::of_queues(pattern, 0, definition));
        self.queues.insert(morts, quorum());
        let definition = table(&[
            ("delivery-limit", json!(DEAD_LETTER_DELIVERY_LIMIT)),
            ("overflow", json!("reject-publish")),
            ("max-length-bytes", json!(MAX_LENGTH_BYTES)),
        ]);
        // Above the family's policy, whose pattern fits `agence.<famille>.morts` as well.
        let policy = Policy::of_queues(r"\.morts$".to_owned(), 10, definition);
        self.policies.insert("relais-morts".to_owned(), policy);
    }

    fn add_agency(&mut self, agence: &Agence) {
        self.add_queue(&QueueSpec::agence(agence));
        let permission = Permission {
            configure: NOTHING.to_owned(),
            write: r"^relais\.reponses$".to_owned(),
            read: format!("^{}$", exactly(&agence.queue())),
        };
        let answers = Some(format!(r"^{}\.", exactly(&agence.to_string())));
        self.users.insert(agence.user(), User { permission, answers, tags: String::new() });
    }

    /// Bound to facts only: a catch-all on requests or answers would make every publication
    /// routable, and `mandatory` would never warn.
    fn add_audit(&mut self) {
        let stream = table(&[("x-queue-type", json!("stream"))]);
        self.queues.insert(AUDIT.to_owned(), stream);
        let definition = table(&[
            ("max-age", json!(AUDIT_MAX_AGE)),
            ("max-length-bytes", json!(AUDIT_MAX_BYTES)),
        ]);
        let policy = Policy::of_queues(format!("^{AUDIT}$"), 0, definition);
        self.policies.insert("relais-audit".to_owned(), policy);
        let exchange = Flux::Evenements.exchange().to_owned();
        self.bindings.insert((exchange, AUDIT.to_owned(), "#".to_owned()));
    }

    /// Without an entry for the virtual host, it would not see it.
    fn add_supervision(&mut self) {
        let nothing = || NOTHING.to_owned();
        let permission = Permission { configure: nothing(), write: nothing(), read: nothing() };
        let user = User { permission, answers: None, tags: "monitoring".to_owned() };
        self.users.insert(SUPERVISION.to_owned(), user);
    }

    fn add_queue(&mut self, spec: &QueueSpec) {
        self.queues.insert(spec.name.clone(), quorum());
        for (flux, pattern) in &spec.bindings {
            let exchange = flux.exchange().to_owned();
            self.bindings.insert((exchange, spec.name.clone(), pattern.clone()));
        }
    }
}

/// A name inside a regular expression: only dots mean something else in our names.
fn exactly(name: &str) -> String {
    name.replace('.', r"\.")
}

fn quorum() -> Table {
    table(&[("x-queue-type", json!("quorum"))])
}

fn limits(morts: &str) -> Table {
    table(&[
        ("delivery-limit", json!(DELIVERY_LIMIT)),
        ("dead-letter-exchange", json!("")),
        ("dead-letter-routing-key", json!(morts)),
        ("dead-letter-strategy", json!("at-least-once")),
        ("overflow", json!("reject-publish")),
        ("max-length-bytes", json!(MAX_LENGTH_BYTES)),
    ])
}

fn table(entries: &[(&str, Value)]) -> Table {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
