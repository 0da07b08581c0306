//! What the management API answers, as far as it is read.

use serde::Deserialize;

use super::{Policy, Table};

#[derive(Deserialize)]
pub(super) struct ExchangeRow {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) durable: bool,
}

#[derive(Deserialize)]
pub(super) struct QueueRow {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Table,
}

#[derive(Deserialize)]
pub(super) struct BindingRow {
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) destination_type: String,
    pub(super) routing_key: String,
    pub(super) properties_key: String,
}

#[derive(Deserialize)]
pub(super) struct PolicyRow {
    pub(super) name: String,
    pub(super) pattern: String,
    #[serde(rename = "apply-to")]
    pub(super) apply_to: String,
    pub(super) priority: i64,
    pub(super) definition: Table,
}

impl PolicyRow {
    pub(super) fn named(self) -> (String, Policy) {
        let Self { name, pattern, apply_to, priority, definition } = self;
        (name, Policy { pattern, apply_to, priority, definition })
    }
}

#[derive(Deserialize)]
pub(super) struct UserRow {
    pub(super) name: String,
    #[serde(default)]
    pub(super) password_hash: String,
    #[serde(default)]
    pub(super) tags: Tags,
}

/// A list since 3.9, a text with commas before and in some answers.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Tags {
    List(Vec<String>),
    Text(String),
}

impl Default for Tags {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Tags {
    pub(super) fn text(self) -> String {
        match self {
            Self::List(list) => list.join(","),
            Self::Text(text) => text,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct PermissionRow {
    pub(super) user: String,
    pub(super) configure: String,
    pub(super) write: String,
    pub(super) read: String,
}

#[derive(Deserialize)]
pub(super) struct TopicRow {
    pub(super) user: String,
    pub(super) exchange: String,
    pub(super) write: String,
    pub(super) read: String,
}
