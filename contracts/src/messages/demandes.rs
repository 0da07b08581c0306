//! Requests to agencies (`relais.demandes`). Every request carries its `demande`.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Famille, MedecinIdentifie, faits::data, message};
use crate::{
    ids::{Centimes, DossierId, EngagementId, LieuId, Mois, NumeroAm, Rpps},
    valeurs::{Demande, DemiJournee, Lieu, Medecin},
};

data! {
    /// Asks the CDOM of registration to verify an applicant.
    VerificationDemandee {
        /// The request.
        demande: Demande,
        /// The dossier.
        dossier: DossierId,
        /// The doctor.
        medecin: Medecin,
        /// The sites wished.
        lieux: Vec<Lieu>,
        /// Wants to be replaced at the main practice meanwhile.
        remplacement_souhaite: bool,
        /// What the RPPS says: information, never a decision.
        identite: Option<MedecinIdentifie>,
        /// The day by which an answer is hoped for.
        reponse_attendue_le: NaiveDate,
    }
}
message!(
    VerificationDemandee,
    "verification-demandee.v1",
    Demandes,
    Some(Famille::Cdom),
    |m| format!("dossier/{}", m.dossier),
    dossier | m | Some(m.dossier)
);

data! {
    /// Tells the CDOM of a site that a doctor will practise there.
    ActiviteNotifiee {
        /// The request.
        demande: Demande,
        /// The engagement.
        engagement: EngagementId,
        /// The doctor.
        medecin: Medecin,
        /// The site.
        lieu: Lieu,
    }
}
message!(ActiviteNotifiee, "activite-notifiee.v1", Demandes, Some(Famille::Cdom), |m| format!(
    "activite/{}",
    m.engagement
));

data! {
    /// Asks the CPAM of a site for a numéro AM specific to the mission.
    NumeroAmDemande {
        /// The request.
        demande: Demande,
        /// The engagement.
        engagement: EngagementId,
        /// The doctor.
        medecin: Medecin,
        /// The site.
        lieu: Lieu,
        /// The day the activity was seen in the RPPS; absent when it was not seen.
        constat_rpps: Option<NaiveDate>,
    }
}
message!(NumeroAmDemande, "numero-am-demande.v1", Demandes, Some(Famille::Cpam), |m| format!(
    "facturation/{}",
    m.engagement
));

data! {
    /// Asks the CPAM to obtain the doctor's bank details.
    RibDemande {
        /// The request.
        demande: Demande,
        /// The engagement.
        engagement: EngagementId,
    }
}
message!(RibDemande, "rib-demande.v1", Demandes, Some(Famille::Cpam), |m| format!(
    "facturation/{}",
    m.engagement
));

data! {
    /// One line of a monthly statement.
    LigneEtat {
        /// Its id.
        ligne: Uuid,
        /// The doctor.
        rpps: Rpps,
        /// The doctor's name as the CPAM should read it.
        nom: String,
        /// The number that the mission is billed under.
        numero_am: NumeroAm,
        /// The site.
        lieu: LieuId,
        /// The day.
        date: NaiveDate,
        /// The half of it.
        demi_journee: DemiJournee,
        /// The amount; negative for a correction that takes back.
        centimes: Centimes,
        /// The line that this one corrects.
        corrige: Option<Uuid>,
    }
}

data! {
    /// The monthly statement of a CPAM.
    EtatMensuel {
        /// The request.
        demande: Demande,
        /// The month of the statement.
        mois: Mois,
        /// 1, or more when a month needs a further statement.
        rang: u32,
        /// The lines, by date, doctor, half-day.
        lignes: Vec<LigneEtat>,
        /// Their sum.
        total_centimes: Centimes,
        /// SHA-256 of the CSV statement.
        sha256: String,
    }
}
message!(EtatMensuel, "etat-mensuel.v1", Demandes, Some(Famille::Cpam), |m| format!(
    "etat/{}-{}",
    m.mois, m.rang
));
