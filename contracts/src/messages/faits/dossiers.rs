//! What happens to an application, until the Order has decided.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{data, snapshot};
use crate::{
    ids::{CodeCdom, DossierId, LieuId, Rpps},
    messages::message,
    valeurs::{Creneau, Medecin},
};

data! {
    /// One thing that is missing or wrong in an application.
    Manque {
        /// The field of the form, by its name in the mapping.
        champ: String,
        /// What is wrong: `manquant`, `rpps-cle`, `lieu-inconnu`, …
        code: String,
    }
}

data! {
    /// The application cannot be examined as it is; the doctor was told what to correct.
    CandidatureIncomplete {
        /// The dossier.
        dossier: DossierId,
        /// What is missing or wrong.
        manques: Vec<Manque>,
    }
}
message!(
    CandidatureIncomplete,
    "candidature.incomplete.v1",
    Evenements,
    None,
    |m| format!("dossier/{}", m.dossier),
    dossier | m | Some(m.dossier)
);

data! {
    /// A complete application.
    Candidature {
        /// The dossier.
        dossier: DossierId,
        /// The doctor.
        medecin: Medecin,
        /// The sites wished, at least one, each known to the register.
        lieux_souhaites: Vec<LieuId>,
        /// The half-days wished.
        creneaux_souhaites: Vec<Creneau>,
        /// Wants to be replaced at the main practice meanwhile (art. R.4127-65 CSP).
        remplacement_souhaite: bool,
        /// First deposit.
        depose_le: DateTime<Utc>,
    }
}
snapshot! {
    /// The first complete version of an application; published once.
    CandidatureDeposee(Candidature)
}
message!(
    CandidatureDeposee,
    "candidature.deposee.v1",
    Evenements,
    None,
    |m| format!("dossier/{}", m.0.dossier),
    dossier | m | Some(m.0.dossier)
);
snapshot! {
    /// A later complete version of an application.
    CandidatureModifiee(Candidature)
}
message!(
    CandidatureModifiee,
    "candidature.modifiee.v1",
    Evenements,
    None,
    |m| format!("dossier/{}", m.0.dossier),
    dossier | m | Some(m.0.dossier)
);

data! {
    /// The application was withdrawn before any authorisation.
    CandidatureRetiree {
        /// The dossier.
        dossier: DossierId,
        /// The doctor, when a complete version was ever published.
        rpps: Option<Rpps>,
        /// Why: `supprime-par-usager`, `classe-sans-suite`, `expire`, …
        cause: String,
    }
}
message!(
    CandidatureRetiree,
    "candidature.retiree.v1",
    Evenements,
    None,
    |m| format!("dossier/{}", m.dossier),
    dossier | m | Some(m.dossier)
);

data! {
    /// The dossier is no longer visible on Démarches simplifiées after an authorisation: for
    /// information, it never ends a mission.
    DossierDisparuDs {
        /// The dossier.
        dossier: DossierId,
        /// How it disappeared: `supprime`, `expire`, `introuvable`.
        voie: String,
    }
}
message!(
    DossierDisparuDs,
    "dossier.disparu-ds.v1",
    Evenements,
    None,
    |m| format!("dossier/{}", m.dossier),
    dossier | m | Some(m.dossier)
);

/// What a CDOM answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Issue {
    /// The activity is authorised.
    Favorable,
    /// It is not; the reason is never carried.
    Defavorable,
    /// The CDOM needs more from the doctor.
    Complement,
}

data! {
    /// A CDOM decided on Démarches simplifiées itself.
    DecisionLueDs {
        /// The dossier.
        dossier: DossierId,
        /// What it decided.
        issue: Issue,
        /// When.
        rendue_le: DateTime<Utc>,
    }
}
message!(
    DecisionLueDs,
    "decision.lue-ds.v1",
    Evenements,
    None,
    |m| format!("dossier/{}/decision", m.dossier),
    dossier | m | Some(m.dossier)
);

data! {
    /// The CDOM needs more from the doctor.
    ComplementDemande {
        /// The dossier.
        dossier: DossierId,
        /// 1 for the first time, 2 for the second, …
        rang: u32,
        /// What is needed, as codes of the form's fields or of documents.
        champs: Vec<String>,
    }
}
message!(
    ComplementDemande,
    "complement.demande.v1",
    Evenements,
    None,
    |m| format!("dossier/{}/complement", m.dossier),
    dossier | m | Some(m.dossier)
);

data! {
    /// The CDOM refused; the reason is never carried.
    CandidatureRefusee {
        /// The dossier.
        dossier: DossierId,
        /// The CDOM that refused.
        cdom: CodeCdom,
    }
}
message!(
    CandidatureRefusee,
    "candidature.refusee.v1",
    Evenements,
    None,
    |m| format!("dossier/{}/issue", m.dossier),
    dossier | m | Some(m.dossier)
);
