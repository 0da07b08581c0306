//! Brings a broker to a topology, or says how it differs from it.

use kernel::Secret;

use super::{
    Topology,
    diff::{Change, Found, changes},
    management::{Api, Management, fits},
};
use crate::BusError;

/// What [`apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was found wrong and is corrected, one line each.
    pub corrected: Vec<String>,
}

/// Brings the broker to the topology. Idempotent; nothing that holds messages is ever deleted.
/// Agencies get their permissions after the queues and bindings that receive their answers.
///
/// # Errors
/// [`BusError::Topology`] when only a person can solve it, before anything is changed: a queue of
/// another kind, a user without a password. [`BusError::Away`] when the broker does not answer.
pub async fn apply(management: &Management, topology: &Topology) -> Result<Report, BusError> {
    let api = Api::new(management)?;
    let found = api.found().await?;
    let list = differences(management, topology, &found);
    refuse_conflicts(&list)?;
    refuse_unknown_passwords(management, &found, &list)?;
    let mut report = Report::default();
    if api.ensure_vhost().await? {
        report.corrected.push(format!("virtual host {} is missing", management.vhost));
    }
    for change in &list {
        api.make(change, |user| password(management, user)).await?;
        report.corrected.push(change.to_string());
    }
    Ok(report)
}

/// What differs from the topology, one line each; empty when nothing does.
///
/// # Errors
/// [`BusError::Away`] when the broker does not answer, [`BusError::Topology`] when it refuses.
pub async fn verify(management: &Management, topology: &Topology) -> Result<Vec<String>, BusError> {
    let found = Api::new(management)?.found().await?;
    Ok(differences(management, topology, &found).iter().map(Change::to_string).collect())
}

fn differences(management: &Management, topology: &Topology, found: &Found) -> Vec<Change> {
    let fits = |user: &str, stored: &str| {
        password(management, user).is_none_or(|password| fits(stored, &password))
    };
    let looks_at_users = management.passwords.is_some();
    changes(topology, found, looks_at_users.then_some(&fits))
}

fn password(management: &Management, user: &str) -> Option<Secret> {
    management.passwords.as_ref()?.get(user).cloned()
}

fn refuse_conflicts(list: &[Change]) -> Result<(), BusError> {
    let conflicts = list.iter().filter(|change| matches!(change, Change::Conflict(_)));
    let lines: Vec<String> = conflicts.map(Change::to_string).collect();
    if lines.is_empty() { Ok(()) } else { Err(BusError::Topology(lines.join("; "))) }
}

fn refuse_unknown_passwords(
    management: &Management,
    found: &Found,
    list: &[Change],
) -> Result<(), BusError> {
    let unknown = list.iter().filter_map(|change| match change {
        Change::User(name) if password(management, name).is_none() => Some(name.as_str()),
        Change::User(_)
        | Change::Exchange(_)
        | Change::Queue(..)
        | Change::Policy(..)
        | Change::Bind(..)
        | Change::Unbind { .. }
        | Change::Answers { .. }
        | Change::Permission(..)
        | Change::Revoke(_)
        | Change::Conflict(_) => None,
    });
    let names: Vec<&str> = unknown.filter(|name| !found.users.contains_key(*name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    Err(BusError::Topology(format!("a password must be given for each of: {names}")))
}
