//! Brings a broker to a topology, or says how it differs from it.

use std::collections::BTreeSet;

use kernel::Secret;

use super::{
    Topology,
    change::{Action, Change, Step},
    diff::{Found, changes, size, unknown},
    management::{Api, Management},
    password::fits,
};
use crate::BusError;

/// What [`apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was found wrong and is corrected, in order.
    pub corrected: Vec<Step>,
}

/// What [`apply`] would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which it would be done.
    pub steps: Vec<Step>,
    /// How many things are as they should be.
    pub same: usize,
    /// What the topology knows nothing about and leaves alone; in French, one line each.
    pub unknown: Vec<String>,
}

/// Says what [`apply`] would do, and changes nothing.
///
/// # Errors
/// [`BusError::Away`] when the broker does not answer, [`BusError::Topology`] when it refuses.
pub async fn plan(management: &Management, topology: &Topology) -> Result<Plan, BusError> {
    let api = Api::new(management)?;
    let found = api.found().await?;
    let list = differences(management, topology, &found);
    let mut steps: Vec<Step> = list.iter().map(Change::step).collect();
    let about_wanted = |step: &&Step| step.action != Action::Remove;
    let differing = steps.iter().filter(about_wanted).count();
    let same = size(topology, management.passwords.is_some()).saturating_sub(differing);
    if !api.has_vhost().await? {
        steps.insert(0, new_vhost(management));
    }
    Ok(Plan { steps, same, unknown: unknown(topology, &found, api.user()) })
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
    refuse_unknown_passwords(management, &list)?;
    let mut report = Report::default();
    if api.ensure_vhost().await? {
        report.corrected.push(new_vhost(management));
    }
    for change in &list {
        api.make(change, |user| password(management, user)).await?;
        report.corrected.push(change.step());
    }
    Ok(report)
}

/// What differs from the topology; empty when nothing does.
///
/// # Errors
/// [`BusError::Away`] when the broker does not answer, [`BusError::Topology`] when it refuses.
pub async fn verify(management: &Management, topology: &Topology) -> Result<Vec<Step>, BusError> {
    let found = Api::new(management)?.found().await?;
    Ok(differences(management, topology, &found).iter().map(Change::step).collect())
}

/// The names of the broker's users, whatever their virtual host.
///
/// # Errors
/// As [`plan`].
pub async fn users(management: &Management) -> Result<BTreeSet<String>, BusError> {
    Api::new(management)?.user_names().await
}

fn new_vhost(management: &Management) -> Step {
    let what = format!("hôte virtuel {}", management.vhost);
    Step { action: Action::Create, what, about_users: false }
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
    let lines: Vec<String> = conflicts.map(|change| change.step().to_string()).collect();
    if lines.is_empty() { Ok(()) } else { Err(BusError::Topology(lines.join("\n"))) }
}

fn refuse_unknown_passwords(management: &Management, list: &[Change]) -> Result<(), BusError> {
    let unknown = list.iter().filter_map(|change| match change {
        Change::User { name, found: None, .. } if password(management, name).is_none() => {
            Some(name.as_str())
        }
        Change::User { .. }
        | Change::Exchange(_)
        | Change::Queue(..)
        | Change::Policy { .. }
        | Change::Bind(..)
        | Change::Unbind { .. }
        | Change::Answers { .. }
        | Change::Permission { .. }
        | Change::Revoke(_)
        | Change::Conflict(_) => None,
    });
    let names: Vec<&str> = unknown.collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    Err(BusError::Topology(format!("a password must be given for each of: {names}")))
}
