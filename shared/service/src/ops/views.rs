//! What operators' routes take and give, as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::{FailureFilter, FailureGroup, FailureHead, FailureRow, JournalEntry, TaskRow};
use uuid::Uuid;

use crate::engine::{context, empreinte};

/// A failure as an operator reads it: never its body.
#[derive(Serialize)]
pub(super) struct Failure {
    pub(super) service: &'static str,
    pub(super) id: Uuid,
    pub(super) cle: Option<String>,
    pub(super) origine: String,
    pub(super) genre: String,
    pub(super) code: String,
    pub(super) empreinte: String,
    pub(super) raison: String,
    pub(super) depuis: DateTime<Utc>,
    pub(super) tentatives: i32,
    pub(super) issue: Option<String>,
    pub(super) octets: i64,
}

impl Failure {
    pub(super) fn of(service: &'static str, f: FailureHead) -> Self {
        Self {
            service,
            id: f.id,
            cle: f.key,
            empreinte: empreinte(service, &f.code, &f.kind),
            origine: f.origin,
            genre: f.kind,
            code: f.code,
            raison: f.reason,
            depuis: f.first_seen,
            tentatives: f.attempts,
            issue: f.outcome,
            octets: f.body_bytes,
        }
    }
}

/// Which failures are asked for.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FailureQuery {
    pub(super) code: Option<String>,
    pub(super) genre: Option<String>,
    pub(super) depuis: Option<DateTime<Utc>>,
    pub(super) apres: Option<Uuid>,
    pub(super) max: Option<usize>,
    pub(super) toutes: bool,
}

impl FailureQuery {
    pub(super) fn filter(self) -> FailureFilter {
        FailureFilter {
            open_only: !self.toutes,
            code: self.code,
            kind: self.genre,
            since: self.depuis,
            after: self.apres,
        }
    }
}

/// Failures of one code and kind.
#[derive(Serialize)]
pub(super) struct Group {
    pub(super) service: &'static str,
    pub(super) code: String,
    pub(super) genre: String,
    pub(super) empreinte: String,
    pub(super) nombre: i64,
    pub(super) premiere: DateTime<Utc>,
    pub(super) derniere: DateTime<Utc>,
}

impl Group {
    pub(super) fn of(service: &'static str, g: FailureGroup) -> Self {
        Self {
            service,
            empreinte: empreinte(service, &g.code, &g.kind),
            code: g.code,
            genre: g.kind,
            nombre: g.count,
            premiere: g.oldest,
            derniere: g.newest,
        }
    }
}

/// A failure with where it comes from.
#[derive(Serialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    pub(super) panne: Failure,
    pub(super) contexte: serde_json::Value,
}

impl Detail {
    pub(super) fn of(service: &'static str, row: FailureRow) -> Self {
        let contexte = context(&row.meta);
        let body_bytes = i64::try_from(row.body.len()).unwrap_or(i64::MAX);
        let head = FailureHead {
            id: row.id,
            key: row.key,
            origin: row.origin,
            kind: row.kind,
            code: row.code,
            reason: row.reason,
            first_seen: row.first_seen,
            attempts: row.attempts,
            outcome: row.outcome,
            body_bytes,
        };
        Self { panne: Failure::of(service, head), contexte }
    }
}

/// A line of the journal.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) service: &'static str,
    pub(super) rang: i64,
    pub(super) le: DateTime<Utc>,
    pub(super) par: String,
    pub(super) action: String,
    pub(super) objet: String,
    pub(super) motif: Option<String>,
}

impl Line {
    pub(super) fn of(service: &'static str, JournalEntry { seq, row }: JournalEntry) -> Self {
        Self {
            service,
            rang: seq,
            le: row.at,
            par: row.par,
            action: row.action,
            objet: row.objet,
            motif: row.motif,
        }
    }
}

/// Which lines of the journal are asked for.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JournalQuery {
    pub(super) avant: Option<i64>,
    pub(super) max: Option<usize>,
}

/// An open task, with what the person needs.
#[derive(Serialize)]
pub(super) struct Task {
    pub(super) service: &'static str,
    pub(super) tache: Uuid,
    pub(super) gabarit: String,
    pub(super) cle: String,
    pub(super) objet: String,
    pub(super) champs: BTreeMap<String, String>,
    pub(super) depuis: DateTime<Utc>,
}

impl Task {
    pub(super) fn of(service: &'static str, row: TaskRow) -> Self {
        Self {
            service,
            tache: row.id,
            gabarit: row.gabarit,
            cle: row.key,
            objet: row.objet,
            champs: serde_json::from_str(&row.champs).unwrap_or_default(),
            depuis: row.opened_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_of_a_failure_leaves_out_what_was_asked() {
        let meta = serde_json::json!({
            "origin": "ask", "id": Uuid::nil(), "key": "dossier/1", "kind": "courriel",
            "agency": "smtp", "ask": "{\"a\":\"MARQUEUR@exemple.fr\"}",
            "created_at": "2026-01-05T08:00:00Z", "cause": "c", "correlation_id": null,
            "answered": false,
        });
        let shown = context(&meta.to_string());
        assert_eq!(shown["agence"], "smtp");
        assert!(!shown.to_string().contains("MARQUEUR"), "{shown}");
        assert_eq!(context("not JSON"), serde_json::Value::Null);
    }
}
