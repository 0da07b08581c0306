//! What a doctor files.

use chrono::NaiveDate;

/// What a doctor files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depot {
    /// The number that DS gives to the dossier.
    pub numero: u64,
    /// `M` or `Mme`.
    pub civilite: String,
    /// Family name of the demandeur.
    pub nom: String,
    /// First name of the demandeur.
    pub prenom: String,
    /// The demandeur's address, when the form knows it.
    pub courriel: Option<String>,
    /// The account's address.
    pub usager: String,
    /// Filed by somebody else for the doctor.
    pub par_un_tiers: bool,
    /// The form.
    pub champs: Champs,
}

impl Depot {
    /// What the fictive doctor « Anne EXEMPLE » files for herself.
    pub fn exemple(numero: u64, champs: Champs) -> Self {
        Self {
            numero,
            civilite: "Mme".to_owned(),
            nom: "EXEMPLE".to_owned(),
            prenom: "Anne".to_owned(),
            courriel: Some("anne.exemple@medecins.example".to_owned()),
            usager: "compte@medecins.example".to_owned(),
            par_un_tiers: false,
            champs,
        }
    }
}

/// The form, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Champs {
    /// RPPS number.
    pub rpps: String,
    /// Phone.
    pub telephone: String,
    /// Professional e-mail; blank when empty.
    pub courriel: String,
    /// Label of the list, e.g. « Libéral installé ».
    pub mode_exercice: String,
    /// Code of the département, e.g. `63`; not answered when empty.
    pub departement: String,
    /// Text, e.g. « 63 - Puy-de-Dôme ».
    pub cdom: String,
    /// Choices of the list of sites.
    pub lieux: Vec<String>,
    /// Day and label of the half-day, one row each.
    pub creneaux: Vec<(NaiveDate, String)>,
    /// Yes, no, or not answered.
    pub remplacement: Option<bool>,
}
