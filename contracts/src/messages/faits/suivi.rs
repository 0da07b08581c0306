//! What a person must see: tasks, failures, reminders.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::data;
use crate::messages::message;

data! {
    /// Something that a person must do, because no machine can.
    TacheOuverte {
        /// Its id.
        tache: Uuid,
        /// What kind of task: `rdv-organisation`, `cdom-escalade`, …
        gabarit: String,
        /// The service that opened it, where it is closed.
        service: String,
        /// The state that waits for it.
        cle: String,
        /// What it is about: a subject, e.g. `lieu/ambert`.
        objet: String,
        /// Everything to copy, pre-filled.
        champs: BTreeMap<String, String>,
    }
}
message!(TacheOuverte, "tache.ouverte.v1", Evenements, None, |m| format!("tache/{}", m.tache));

data! {
    /// A task is done, or no longer needed.
    TacheFaite {
        /// Its id.
        tache: Uuid,
        /// Who did it: an operator's name, or `observe` when Relais saw the result.
        faite_par: String,
    }
}
message!(TacheFaite, "tache.faite.v1", Evenements, None, |m| format!("tache/{}", m.tache));

data! {
    /// Something could not be handled; it is kept and can be replayed.
    PanneOuverte {
        /// Its id.
        panne: Uuid,
        /// The service that keeps it.
        service: String,
        /// Its stable code.
        code: String,
        /// Groups failures of the same kind.
        empreinte: String,
        /// The type of message or the kind of ask.
        message_type: String,
        /// What it is about, when known.
        subject: Option<String>,
        /// When it was first seen.
        depuis: DateTime<Utc>,
    }
}
message!(PanneOuverte, "panne.ouverte.v1", Evenements, None, |m| format!("panne/{}", m.panne));

data! {
    /// A failure is closed.
    PanneClose {
        /// Its id.
        panne: Uuid,
        /// How: `rejouee`, `depassee`, `ecartee`.
        issue: String,
    }
}
message!(PanneClose, "panne.close.v1", Evenements, None, |m| format!("panne/{}", m.panne));

data! {
    /// Somebody was reminded.
    RelanceEnvoyee {
        /// Its id.
        relance: Uuid,
        /// The role of who was reminded: `cdom`, `cpam`, `lieu`, `medecin`, `dns`.
        destinataire: String,
        /// How: `courriel`, `file`.
        canal: String,
        /// 1 for the first reminder, …
        rang: u32,
        /// What it was about: a subject.
        objet: String,
    }
}
message!(RelanceEnvoyee, "relance.envoyee.v1", Evenements, None, |m| format!(
    "relance/{}",
    m.relance
));
