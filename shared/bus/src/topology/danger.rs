//! What would lose messages: limits that a queue really has, from its arguments and from the
//! policies that apply to it; pure.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::{Policy, Table, Topology, diff::Found};
use crate::is_dead_letter_queue;

/// Policies with their patterns ready.
pub(super) struct Policies<'a>(Vec<(&'a str, &'a Policy, Pattern)>);

impl<'a> Policies<'a> {
    pub(super) fn new(policies: &'a BTreeMap<String, Policy>) -> Self {
        let ready = policies.iter().map(|(n, p)| (n.as_str(), p, Pattern::new(&p.pattern)));
        Self(ready.collect())
    }

    /// The policy that applies to a queue: the highest priority, then the first name.
    pub(super) fn of(&self, queue: &str) -> Option<(&'a str, &'a Policy)> {
        let matching = self.0.iter().filter(|(_, policy, pattern)| {
            policy.apply_to != "exchanges" && pattern.matches(queue)
        });
        matching
            .map(|(name, policy, _)| (*name, *policy))
            .reduce(|best, next| if next.1.priority > best.1.priority { next } else { best })
    }
}

/// What is in force for a queue, its operator's policy included; `None` when no policy applies.
pub(super) fn in_force(
    policies: &Policies<'_>,
    operators: &Policies<'_>,
    queue: &str,
) -> Option<Table> {
    let policy = policies.of(queue).map(|(_, policy)| &policy.definition);
    match operators.of(queue) {
        Some((_, imposed)) => Some(merged(policy, &imposed.definition)),
        None => policy.cloned(),
    }
}

/// (policy, exchange) of every policy that gives one of our exchanges an alternate.
pub(super) fn alternates<'a>(wanted: &'a Topology, found: &'a Found) -> Vec<(&'a str, &'a str)> {
    let mut list = Vec::new();
    for (name, policy) in &found.policies {
        let applies = ["all", "exchanges"].contains(&policy.apply_to.as_str());
        if applies && policy.definition.contains_key("alternate-exchange") {
            let pattern = Pattern::new(&policy.pattern);
            let ours = wanted.exchanges.iter().filter(|e| pattern.matches(e));
            list.extend(ours.map(|exchange| (name.as_str(), exchange.as_str())));
        }
    }
    list
}

/// The definition that is in force under an operator's policy: the smaller of two numbers.
fn merged(policy: Option<&Table>, imposed: &Table) -> Table {
    let mut merged = policy.cloned().unwrap_or_default();
    for (name, value) in imposed {
        let present = merged.get(name).and_then(Value::as_i64);
        let smaller = present.zip(value.as_i64()).is_none_or(|(ours, theirs)| theirs < ours);
        if smaller {
            merged.insert(name.clone(), value.clone());
        }
    }
    merged
}

/// Why messages of this queue could be lost, one line each. `policy` is the definition in force;
/// `None` when no policy applies.
pub(super) fn dangers_of(queue: &str, arguments: &Table, policy: Option<&Table>) -> Vec<String> {
    let limit = Limits { arguments, policy };
    let mut list = Vec::new();
    match limit.number("delivery-limit") {
        None => list.push(format!("file {queue} : aucune limite de livraisons")),
        Some(limit) if limit < 1 => list.push(format!(
            "file {queue} : limite de livraisons {limit}, avec laquelle RabbitMQ 3 jette un \
             message au premier échec et RabbitMQ 4 le livre sans fin"
        )),
        Some(_) => {}
    }
    let refuses = limit.text("overflow").as_deref() == Some("reject-publish");
    let bounds = ["max-length", "max-length-bytes"];
    if !refuses && bounds.iter().any(|name| limit.number(name).is_some()) {
        list.push(format!("file {queue} : pleine, elle jette ses plus vieux messages"));
    }
    if is_dead_letter_queue(queue) {
        return list;
    }
    // Without `reject-publish` the broker falls back to at-most-once, without a word.
    let safe = limit.text("dead-letter-strategy").as_deref() == Some("at-least-once") && refuses;
    if limit.text("dead-letter-exchange").is_none() {
        list.push(format!("file {queue} : ce qui est livré trop souvent est jeté"));
    } else if !safe {
        list.push(format!("file {queue} : ce qui est livré trop souvent peut se perdre"));
    }
    list
}

/// A queue's arguments and policy together.
struct Limits<'a> {
    arguments: &'a Table,
    policy: Option<&'a Table>,
}

impl Limits<'_> {
    /// The smaller of the two, as RabbitMQ does.
    fn number(&self, name: &str) -> Option<i64> {
        let of = |table: &Table, name: &str| table.get(name).and_then(Value::as_i64);
        let argument = of(self.arguments, &format!("x-{name}"));
        let policy = self.policy.and_then(|table| of(table, name));
        [argument, policy].into_iter().flatten().min()
    }

    /// The argument, which wins over the policy.
    fn text(&self, name: &str) -> Option<String> {
        let argument = self.arguments.get(&format!("x-{name}"));
        let value = argument.or_else(|| self.policy.and_then(|table| table.get(name)));
        value.and_then(Value::as_str).map(str::to_owned)
    }
}

/// The broker searches anywhere in a name. A pattern that cannot be read here is taken to match:
/// somebody must look at it.
struct Pattern(Option<Regex>);

impl Pattern {
    fn new(pattern: &str) -> Self {
        Self(Regex::new(pattern).ok())
    }

    fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|pattern| pattern.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(value: Value) -> Table {
        serde_json::from_value(value).expect("an object")
    }

    fn policy(pattern: &str, priority: i64, definition: Value) -> Policy {
        let apply_to = "queues".to_owned();
        Policy { pattern: pattern.to_owned(), apply_to, priority, definition: table(definition) }
    }

    #[test]
    fn the_highest_policy_wins_and_does_not_add_up() {
        let named = |name: &str, policy| (name.to_owned(), policy);
        let policies = BTreeMap::from([
            named("a", policy("^file$", 0, json!({ "delivery-limit": 50 }))),
            named("b", policy("fil", 5, json!({ "max-length": 1 }))),
            named("c", policy("autre", 9, json!({}))),
        ]);
        assert_eq!(Policies::new(&policies).of("file").map(|(name, _)| name), Some("b"));
        assert_eq!(Policies::new(&policies).of("rien"), None);
        let unreadable = BTreeMap::from([named("d", policy("(?<!x", 0, json!({})))]);
        assert!(Policies::new(&unreadable).of("file").is_some());
    }

    #[test]
    fn every_way_to_lose_a_message_is_told() {
        let good = json!({
            "delivery-limit": 50, "dead-letter-exchange": "", "dead-letter-routing-key": "f.morts",
            "dead-letter-strategy": "at-least-once", "overflow": "reject-publish",
            "max-length-bytes": 1000,
        });
        let none = Table::new();
        let told = |queue: &str, arguments: &Table, change: fn(&mut Table)| {
            let mut policy = table(good.clone());
            change(&mut policy);
            dangers_of(queue, arguments, Some(&policy)).len()
        };
        assert_eq!(told("f", &none, |_| {}), 0);
        assert_eq!(told("f", &none, |p| drop(p.remove("delivery-limit"))), 1);
        assert_eq!(told("f", &none, |p| drop(p.insert("delivery-limit".into(), json!(-1)))), 1);
        assert_eq!(told("f", &table(json!({ "x-delivery-limit": -1 })), |_| {}), 1);
        assert_eq!(told("f", &none, |p| drop(p.remove("dead-letter-exchange"))), 1);
        assert_eq!(told("f.morts", &none, |p| drop(p.remove("dead-letter-exchange"))), 0);
        assert_eq!(told("f", &none, |p| drop(p.remove("dead-letter-strategy"))), 1);
        assert_eq!(told("f", &none, |p| drop(p.remove("overflow"))), 2);
        assert_eq!(told("f.morts", &none, |p| drop(p.remove("overflow"))), 1);
        // Declared by the client, all as arguments.
        let declared: Table =
            table(good.clone()).into_iter().map(|(k, v)| (format!("x-{k}"), v)).collect();
        assert_eq!(dangers_of("f", &declared, None), Vec::<String>::new());
        assert_eq!(dangers_of("f", &none, None).len(), 2);
    }

    #[test]
    fn an_operator_can_only_tighten() {
        let ours = table(json!({ "delivery-limit": 50, "overflow": "reject-publish" }));
        let imposed = table(json!({ "delivery-limit": 100, "max-length": 5 }));
        let merged = merged(Some(&ours), &imposed);
        assert_eq!(merged["delivery-limit"], json!(50));
        assert_eq!(merged["max-length"], json!(5));
    }
}
