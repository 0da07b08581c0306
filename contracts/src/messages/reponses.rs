//! What agencies answer (`relais.reponses`). An answer echoes the `demande` of its request.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Famille, Issue, faits::data, message};
use crate::{
    ids::{DossierId, EngagementId, LieuId, NumeroAm, Rpps},
    valeurs::{Demande, Rib},
};

data! {
    /// The CDOM of registration verified an applicant.
    VerificationRendue {
        /// The request it answers.
        demande: Demande,
        /// The dossier.
        dossier: DossierId,
        /// The decision, never its reason.
        issue: Issue,
        /// For a complement: what is needed, as codes.
        champs: Vec<String>,
        /// When.
        rendue_le: DateTime<Utc>,
        /// The agent, by an id that the CDOM chooses.
        agent: String,
    }
}
message!(
    VerificationRendue,
    "verification-rendue.v1",
    Reponses,
    Some(Famille::Cdom),
    |m| format!("dossier/{}", m.dossier),
    dossier | m | Some(m.dossier)
);

data! {
    /// The Order suspended a doctor; sent unasked by the CDOM of registration.
    SuspensionPrononcee {
        /// The doctor.
        rpps: Rpps,
        /// First day of the suspension.
        a_compter_du: NaiveDate,
    }
}
message!(SuspensionPrononcee, "suspension-prononcee.v1", Reponses, Some(Famille::Cdom), |_m| {
    "suspension".to_owned()
});

data! {
    /// The suspension is lifted.
    SuspensionLevee {
        /// The doctor.
        rpps: Rpps,
        /// First day without it.
        a_compter_du: NaiveDate,
    }
}
message!(SuspensionLevee, "suspension-levee.v1", Reponses, Some(Famille::Cdom), |_m| "suspension"
    .to_owned());

/// Why a mission ends for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CauseFin {
    /// The doctor told the CDOM.
    Retrait,
    /// The doctor is struck off, or left the profession.
    Radiation,
}

data! {
    /// A mission ends for good; sent unasked by the CDOM of registration. Half-days held before stay
    /// owed.
    FinPrononcee {
        /// The doctor.
        rpps: Rpps,
        /// The site, as `activite-notifiee` named it; absent: every site.
        lieu: Option<LieuId>,
        /// First day that is not worked any more.
        a_compter_du: NaiveDate,
        /// Why, never more than that.
        cause: CauseFin,
    }
}
message!(FinPrononcee, "fin-prononcee.v1", Reponses, Some(Famille::Cdom), |_m| "fin".to_owned());

data! {
    /// The CPAM created the number.
    NumeroAmCree {
        /// The request it answers.
        demande: Demande,
        /// The engagement.
        engagement: EngagementId,
        /// The number, key included.
        numero_am: NumeroAm,
        /// What the CPAM knows of the bank details.
        rib: Rib,
    }
}
message!(NumeroAmCree, "numero-am-cree.v1", Reponses, Some(Famille::Cpam), |m| format!(
    "facturation/{}",
    m.engagement
));

data! {
    /// The CPAM will not create a number.
    NumeroAmRefuse {
        /// The request it answers.
        demande: Demande,
        /// The engagement.
        engagement: EngagementId,
        /// Its reason, as a code.
        code: String,
    }
}
message!(NumeroAmRefuse, "numero-am-refuse.v1", Reponses, Some(Famille::Cpam), |m| format!(
    "facturation/{}",
    m.engagement
));

data! {
    /// The CPAM has the bank details now.
    RibRecu {
        /// The request it answers.
        demande: Demande,
        /// The engagement.
        engagement: EngagementId,
    }
}
message!(RibRecu, "rib-recu.v1", Reponses, Some(Famille::Cpam), |m| format!(
    "facturation/{}",
    m.engagement
));

data! {
    /// The CPAM paid lines of a statement.
    PaiementEffectue {
        /// The statement it answers.
        demande: Demande,
        /// The lines paid.
        lignes: Vec<Uuid>,
        /// The day of payment.
        date: NaiveDate,
    }
}
message!(PaiementEffectue, "paiement-effectue.v1", Reponses, Some(Famille::Cpam), |m| format!(
    "etat/{}",
    m.demande.id
));

data! {
    /// The CPAM rejected one line of a statement.
    PaiementRejete {
        /// The statement it answers.
        demande: Demande,
        /// The line.
        ligne: Uuid,
        /// Its reason, as a code.
        code: String,
    }
}
message!(PaiementRejete, "paiement-rejete.v1", Reponses, Some(Famille::Cpam), |m| format!(
    "etat/{}",
    m.demande.id
));
