//! What must change on a broker for it to be as the topology says; pure.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Agence, Flux};

use super::{
    AUDIT, Permission, Policy, Table, Topology, User,
    change::Change,
    danger::{Policies, alternates, dangers_of, in_force},
};

/// What a broker's virtual host holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Name → type and whether it is durable.
    pub(super) exchanges: BTreeMap<String, (String, bool)>,
    pub(super) queues: BTreeMap<String, Table>,
    /// (exchange, queue, pattern) → the broker's own name of the binding.
    pub(super) bindings: BTreeMap<(String, String, String), String>,
    /// The same, from exchange to exchange.
    pub(super) relays: BTreeMap<(String, String, String), String>,
    pub(super) policies: BTreeMap<String, Policy>,
    /// What the broker's administrator imposes over policies.
    pub(super) operator_policies: BTreeMap<String, Policy>,
    /// Users of the whole broker, with the stored form of their password and their tags.
    pub(super) users: BTreeMap<String, (String, String)>,
    pub(super) permissions: BTreeMap<String, Permission>,
    /// (user, exchange) → (write, read).
    pub(super) topic_permissions: BTreeMap<(String, String), (String, String)>,
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
        let present = found.policies.get(name);
        if present != Some(policy) {
            let found = present.cloned();
            list.push(Change::Policy { name: name.clone(), wanted: policy.clone(), found });
        }
    }
    overridden(wanted, found, &mut list);
    bindings(wanted, found, &mut list);
    if let Some(password_fits) = password_fits {
        for (name, user) in &wanted.users {
            self::user(name, user, found, password_fits, &mut list);
        }
        let strangers = found.permissions.keys().filter(|name| is_former_agency(name, wanted));
        list.extend(strangers.cloned().map(Change::Revoke));
    }
    list
}

/// What the topology knows nothing about and leaves alone, one line each.
pub(super) fn unknown(wanted: &Topology, found: &Found, administrator: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let builtin = |name: &str| name.is_empty() || name.starts_with("amq.");
    let exchanges = found.exchanges.keys().filter(|n| !wanted.exchanges.contains(*n));
    lines.extend(exchanges.filter(|n| !builtin(n)).map(|n| format!("échange {n}")));
    let queues = found.queues.keys().filter(|n| !wanted.queues.contains_key(*n));
    lines.extend(queues.map(|n| format!("file {n}")));
    let policies = found.policies.keys().filter(|n| !wanted.policies.contains_key(*n));
    lines.extend(policies.map(|n| format!("politique {n}")));
    let operators = found.operator_policies.keys();
    lines.extend(operators.map(|n| format!("politique d'opérateur {n}")));
    let users = found.permissions.keys().filter(|n| {
        !wanted.users.contains_key(*n) && !is_former_agency(n, wanted) && *n != administrator
    });
    lines.extend(users.map(|n| format!("droits de l'utilisateur {n}")));
    lines
}

/// How many things the topology wants.
pub(super) fn size(wanted: &Topology, looks_at_users: bool) -> usize {
    let answers = wanted.users.values().filter(|user| user.answers.is_some()).count();
    let users = if looks_at_users { 2 * wanted.users.len() + answers } else { 0 };
    wanted.exchanges.len()
        + wanted.queues.len()
        + wanted.bindings.len()
        + wanted.policies.len()
        + users
}

fn is_former_agency(user: &str, wanted: &Topology) -> bool {
    Agence::from_user(user).is_some() && !wanted.users.contains_key(user)
}

fn exchanges(wanted: &Topology, found: &Found, list: &mut Vec<Change>) {
    for name in &wanted.exchanges {
        match found.exchanges.get(name) {
            None => list.push(Change::Exchange(name.clone())),
            Some((kind, true)) if kind == "topic" => {}
            Some((kind, _)) => list.push(Change::Conflict(format!(
                "échange {name} : n'est pas un « topic » durable mais « {kind} » ; supprimez-le"
            ))),
        }
    }
    let alternate = alternates(wanted, found).into_iter();
    list.extend(alternate.map(|(policy, exchange)| {
        Change::Conflict(format!(
            "échange {exchange} : la politique {policy} donne un échange de secours, et un \
             message sans destinataire ne serait plus vu ; retirez-la"
        ))
    }));
}

fn queues(wanted: &Topology, found: &Found, list: &mut Vec<Change>) {
    for (name, arguments) in &wanted.queues {
        match found.queues.get(name) {
            None => list.push(Change::Queue(name.clone(), arguments.clone())),
            Some(present) if present == arguments => {}
            Some(present) => list.push(Change::Conflict(format!(
                "file {name} : ses arguments sont {}, attendu {} ; videz-la, supprimez-la, puis \
                 recommencez",
                told(present),
                told(arguments)
            ))),
        }
    }
}

/// Another policy, or the broker's operator, that takes a queue's limits away once ours are made.
fn overridden(wanted: &Topology, found: &Found, list: &mut Vec<Change>) {
    let mut after = found.policies.clone();
    after.extend(wanted.policies.clone());
    let (ours, after) = (Policies::new(&wanted.policies), Policies::new(&after));
    let operators = Policies::new(&found.operator_policies);
    for name in wanted.queues.keys() {
        let first = after.of(name);
        if first.map(|(policy, _)| policy) != ours.of(name).map(|(policy, _)| policy) {
            let (other, policy) = first.expect("ours is among them");
            list.push(Change::Conflict(format!(
                "file {name} : la politique {other} (priorité {}) l'emporte ; retirez-la, ou \
                 abaissez sa priorité sous 0",
                policy.priority
            )));
        } else if let Some((operator, _)) = operators.of(name).filter(|_| name != AUDIT) {
            let effective = in_force(&after, &operators, name);
            let lost = dangers_of(name, &Table::new(), effective.as_ref());
            list.extend(lost.into_iter().map(|text| {
                Change::Conflict(format!("{text} (politique d'opérateur {operator})"))
            }));
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
    // Others may listen to facts; requests and answers are for those who are meant.
    let guarded: BTreeSet<&str> =
        [Flux::Demandes, Flux::Reponses].into_iter().map(Flux::exchange).collect();
    let unbind = |binding: &(String, String, String), broker_name: &String, to_exchange| {
        let (exchange, destination, pattern) = binding.clone();
        let broker_name = broker_name.clone();
        Change::Unbind { exchange, destination, pattern, broker_name, to_exchange }
    };
    for (binding, broker_name) in &found.bindings {
        let (exchange, queue, _) = binding;
        let ours = wanted.queues.contains_key(queue) && wanted.exchanges.contains(exchange);
        let concerns = ours || guarded.contains(exchange.as_str());
        if concerns && !wanted.bindings.contains(binding) {
            list.push(unbind(binding, broker_name, false));
        }
    }
    for (binding, broker_name) in &found.relays {
        let (from, to, _) = binding;
        if guarded.contains(from.as_str()) || wanted.exchanges.contains(to) {
            list.push(unbind(binding, broker_name, true));
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
    let tags = stored.map(|(_, tags)| tags.as_str());
    if tags != Some(&wanted.tags) || !stored.is_some_and(|(hash, _)| password_fits(name, hash)) {
        let found = stored.cloned();
        list.push(Change::User { name: name.to_owned(), tags: wanted.tags.clone(), found });
    }
    if let Some(write) = &wanted.answers {
        let key = (name.to_owned(), Flux::Reponses.exchange().to_owned());
        let present = found.topic_permissions.get(&key);
        if present.is_none_or(|(w, r)| w != write || r != super::NOTHING) {
            let (user, exists) = (name.to_owned(), present.is_some());
            list.push(Change::Answers { user, write: write.clone(), exists });
        }
    }
    let present = found.permissions.get(name);
    if present != Some(&wanted.permission) {
        let (user, exists) = (name.to_owned(), present.is_some());
        list.push(Change::Permission { user, wanted: wanted.permission.clone(), exists });
    }
}

fn told(arguments: &Table) -> String {
    let pairs: Vec<String> = arguments.iter().map(|(k, v)| format!("{k} = {v}")).collect();
    if pairs.is_empty() { "aucun".to_owned() } else { pairs.join(", ") }
}
