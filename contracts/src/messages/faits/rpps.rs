//! What the RPPS shows.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data;
use crate::{
    ids::{DossierId, EngagementId, Rpps},
    messages::message,
};

data! {
    /// What the RPPS says of an applicant.
    MedecinIdentifie {
        /// The dossier.
        dossier: DossierId,
        /// The number that was looked up.
        rpps: Rpps,
        /// The number exists in the RPPS.
        trouve: bool,
        /// At least one activity as a doctor (profession 10) is known.
        actif: bool,
        /// NOS TRE_G15 code of the profession: 10 is a doctor.
        profession: Option<String>,
        /// NOS TRE_R38 codes: SM54, SM53 and SM26 are general practice.
        savoir_faire: Vec<String>,
        /// Name and first name agree with the application; absent when not found.
        concordance_identite: Option<bool>,
    }
}
message!(
    MedecinIdentifie,
    "medecin.identifie.v1",
    Evenements,
    None,
    |m| format!("identite/{}", m.dossier),
    dossier | m | Some(m.dossier)
);

data! {
    /// The RPPS says something else than before of a doctor who applied.
    MedecinRppsDivergent {
        /// What it says, complete.
        identite: MedecinIdentifie,
        /// What differs: `nom`, `profession`, `plus-actif`, `disparu`, `activite-disparue` (a row
        /// at an authorised site is not there any more).
        divergences: Vec<String>,
    }
}
message!(
    MedecinRppsDivergent,
    "medecin.rpps-divergent.v1",
    Evenements,
    None,
    |m| format!("identite/{}", m.identite.dossier),
    dossier | m | Some(m.identite.dossier)
);

/// Where an observation of the RPPS comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceRpps {
    /// The daily open extract.
    Extraction,
    /// The FHIR API of the Annuaire Santé.
    Fhir,
}

data! {
    /// The authorised activity appeared in the RPPS at the site.
    ActiviteEnregistreeRpps {
        /// The engagement.
        engagement: EngagementId,
        /// The doctor.
        rpps: Rpps,
        /// The structure as the RPPS names it (FINESS or RPPS-rang).
        structure: String,
        /// Day of the extract where it was first seen: the open data carries no dates.
        constatee_le: NaiveDate,
        /// Where it was seen.
        source: SourceRpps,
    }
}
message!(ActiviteEnregistreeRpps, "activite.enregistree-rpps.v1", Evenements, None, |m| format!(
    "rpps/{}",
    m.engagement
));

data! {
    /// A CPS card of a doctor was seen.
    CarteCpsConstatee {
        /// The doctor.
        rpps: Rpps,
        /// The doctor's pseudonym, for the subject.
        pseudonyme: String,
        /// The last 4 characters of the card's number.
        numero_carte: String,
        /// First day of validity.
        debut_validite: NaiveDate,
        /// Last day of validity.
        fin_validite: Option<NaiveDate>,
    }
}
message!(CarteCpsConstatee, "carte-cps.constatee.v1", Evenements, None, |m| format!(
    "carte/{}/{}",
    m.pseudonyme, m.numero_carte
));

data! {
    /// A daily extract was integrated.
    RppsExtractionIntegree {
        /// Name of the file.
        fichier: String,
        /// Rows read.
        lignes: u64,
        /// Rows added since the previous one.
        ajouts: u64,
        /// Rows removed.
        retraits: u64,
        /// Rows modified.
        modifications: u64,
        /// SHA-256 of the file as it came, compressed or not.
        sha256: Option<String>,
        /// Who accepted its differences, when they were too many to be taken as they are.
        acceptee_par: Option<String>,
    }
}
message!(RppsExtractionIntegree, "rpps.extraction-integree.v1", Evenements, None, |m| format!(
    "extraction/{}",
    m.fichier
));

data! {
    /// A daily extract was refused as a whole; the previous view stays.
    RppsExtractionRefusee {
        /// Name of the file.
        fichier: String,
        /// Why: `entete-inconnue`, `tronquee`, `vide`, `lignes-illisibles`, `ecart-excessif`,
        /// `trop-grande`, `archive-illisible`, `sans-horodatage`.
        raison: String,
    }
}
message!(RppsExtractionRefusee, "rpps.extraction-refusee.v1", Evenements, None, |m| format!(
    "extraction/{}",
    m.fichier
));
