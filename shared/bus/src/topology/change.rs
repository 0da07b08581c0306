//! One thing to change on a broker, and how it is told to a person.

use std::fmt;

use serde_json::Value;

use super::{Permission, Policy, Table};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Makes what is missing.
    Create,
    /// Corrects what differs.
    Change,
    /// Takes away what must not be; nothing that holds messages.
    Remove,
    /// Nothing: only a person can solve it.
    Conflict,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "création",
            Self::Change => "modification",
            Self::Remove => "retrait",
            Self::Conflict => "conflit",
        })
    }
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// To what; in French, for the operator.
    pub what: String,
    /// About users and what they may do, not about what carries messages.
    pub about_users: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} : {}", self.action, self.what)
    }
}

/// One thing to change, in the order in which changes are made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Exchange(String),
    Queue(String, Table),
    Policy {
        name: String,
        wanted: Policy,
        found: Option<Policy>,
    },
    Bind(String, String, String),
    Unbind {
        exchange: String,
        destination: String,
        pattern: String,
        broker_name: String,
        to_exchange: bool,
    },
    User {
        name: String,
        tags: String,
        /// The stored form of the password, and the tags.
        found: Option<(String, String)>,
    },
    Answers {
        user: String,
        write: String,
        exists: bool,
    },
    Permission {
        user: String,
        wanted: Permission,
        exists: bool,
    },
    Revoke(String),
    /// Only a person can solve it: a queue of another kind holds messages.
    Conflict(String),
}

impl Change {
    /// How it is told.
    pub(super) fn step(&self) -> Step {
        let about_users = match self {
            Self::User { .. }
            | Self::Answers { .. }
            | Self::Permission { .. }
            | Self::Revoke(_) => true,
            Self::Exchange(_)
            | Self::Queue(..)
            | Self::Policy { .. }
            | Self::Bind(..)
            | Self::Unbind { .. }
            | Self::Conflict(_) => false,
        };
        Step { action: self.action(), what: self.what(), about_users }
    }

    fn action(&self) -> Action {
        let made = |exists: bool| if exists { Action::Change } else { Action::Create };
        match self {
            Self::Exchange(_) | Self::Queue(..) | Self::Bind(..) => Action::Create,
            Self::Policy { found, .. } => made(found.is_some()),
            Self::User { found, .. } => made(found.is_some()),
            Self::Answers { exists, .. } | Self::Permission { exists, .. } => made(*exists),
            Self::Unbind { .. } | Self::Revoke(_) => Action::Remove,
            Self::Conflict(_) => Action::Conflict,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Exchange(name) => format!("échange {name}"),
            Self::Queue(name, _) => format!("file {name}"),
            Self::Policy { name, wanted, found: None } => {
                format!("politique {name} sur {}", wanted.pattern)
            }
            Self::Policy { name, wanted, found: Some(found) } => {
                format!("politique {name} : {}", between(found, wanted))
            }
            Self::Bind(exchange, queue, pattern) => {
                format!("liaison {exchange} → {queue} ({pattern})")
            }
            Self::Unbind { exchange, destination, pattern, to_exchange, .. } => {
                let kind = if *to_exchange { "échange " } else { "" };
                format!("liaison {exchange} → {kind}{destination} ({pattern})")
            }
            Self::User { name, tags, found: Some((_, present)) } if present != tags => {
                format!("utilisateur {name} : étiquettes « {present} », attendu « {tags} »")
            }
            Self::User { name, found: Some(_), .. } => {
                format!("utilisateur {name} : son mot de passe diffère")
            }
            Self::User { name, found: None, .. } => format!("utilisateur {name}"),
            Self::Answers { user, write, exists } => {
                let now = if *exists { " ; il a d'autres clés" } else { " ; il les a toutes" };
                format!("clés de réponse de {user} : {write}{now}")
            }
            Self::Permission { user, wanted, .. } => format!(
                "droits de {user} : écrit {}, lit {}, configure {}",
                wanted.write, wanted.read, wanted.configure
            ),
            Self::Revoke(user) => {
                format!("droits de {user}, qui n'est plus une agence à file du référentiel")
            }
            Self::Conflict(text) => text.clone(),
        }
    }
}

fn between(found: &Policy, wanted: &Policy) -> String {
    let mut told = Vec::new();
    let mut compare = |name: &str, found: Option<&Value>, wanted: Option<&Value>| {
        let text = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
        if found != wanted {
            told.push(format!("{name} vaut {}, attendu {}", text(found), text(wanted)));
        }
    };
    let text = |text: &str| Some(Value::from(text));
    compare("motif", text(&found.pattern).as_ref(), text(&wanted.pattern).as_ref());
    compare("portée", text(&found.apply_to).as_ref(), text(&wanted.apply_to).as_ref());
    let priority = |policy: &Policy| Some(Value::from(policy.priority));
    compare("priorité", priority(found).as_ref(), priority(wanted).as_ref());
    let names: std::collections::BTreeSet<_> =
        found.definition.keys().chain(wanted.definition.keys()).collect();
    for name in names {
        compare(name, found.definition.get(name), wanted.definition.get(name));
    }
    told.join(", ")
}
