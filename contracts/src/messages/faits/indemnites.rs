//! The money.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{data, snapshot};
use crate::{
    ids::{Centimes, CodeCpam, EngagementId, Mois, Rpps},
    messages::message,
    valeurs::DemiJournee,
};

data! {
    /// A half-day that is owed, or a correction of one.
    Ligne {
        /// Its id.
        ligne: Uuid,
        /// The doctor.
        rpps: Rpps,
        /// The day.
        date: NaiveDate,
        /// The half of it.
        demi_journee: DemiJournee,
        /// The engagement.
        engagement: EngagementId,
        /// The amount; negative for a correction that takes back.
        centimes: Centimes,
    }
}
snapshot! {
    /// A half-day is owed.
    IndemniteRetenue(Ligne)
}
message!(IndemniteRetenue, "indemnite.retenue.v1", Evenements, None, |m| format!(
    "ligne/{}",
    m.0.ligne
));
snapshot! {
    /// A line corrects another, in a later statement.
    IndemniteCorrigee(Ligne)
}
message!(IndemniteCorrigee, "indemnite.corrigee.v1", Evenements, None, |m| format!(
    "ligne/{}",
    m.0.ligne
));

data! {
    /// The statement of a month went to a CPAM.
    EtatMensuelEmis {
        /// The CPAM.
        cpam: CodeCpam,
        /// The month of the statement.
        mois: Mois,
        /// 1, or more when a month needs a further statement.
        rang: u32,
        /// Number of lines.
        lignes: u32,
        /// Their sum.
        total_centimes: Centimes,
        /// SHA-256 of the CSV statement, lower-case hexadecimal.
        sha256: String,
    }
}
message!(EtatMensuelEmis, "etat-mensuel.emis.v1", Evenements, None, |m| format!(
    "etat/{}-{}-{}",
    m.cpam, m.mois, m.rang
));

data! {
    /// The CPAM paid a line.
    IndemnitePayee {
        /// The line.
        ligne: Uuid,
        /// The day of payment.
        date: NaiveDate,
    }
}
message!(IndemnitePayee, "indemnite.payee.v1", Evenements, None, |m| format!(
    "ligne/{}/paiement",
    m.ligne
));

data! {
    /// The CPAM rejected a line.
    IndemniteRejetee {
        /// The line.
        ligne: Uuid,
        /// Its reason, as a code.
        code: String,
    }
}
message!(IndemniteRejetee, "indemnite.rejetee.v1", Evenements, None, |m| format!(
    "ligne/{}/paiement",
    m.ligne
));
