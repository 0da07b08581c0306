//! The three kinds of state: the extracts (`extraction`), an application (`dossier/<n>`) and a
//! doctor who is followed (`medecin/<rpps>`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use contracts::{DossierId, EngagementId, Lieu, Rpps, messages::MedecinIdentifie};
use serde::{Deserialize, Serialize};

use crate::wire::{Extrait, PROFESSION_MEDECIN, normaliser_nom};

mod etapes;

/// One state of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "etat", rename_all = "snake_case")]
pub enum State {
    /// `extraction`: which files were integrated.
    Extraction(Extraction),
    /// `dossier/<n>`: an applicant to identify, then to watch.
    Dossier(Dossier),
    /// `dossier/<n>`, refused or withdrawn: never identified again.
    DossierClos,
    /// `medecin/<rpps>`: what is awaited of a doctor in the RPPS.
    Medecin(Medecin),
}

/// Which files were integrated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extraction {
    /// By extract; absent before the first file.
    pub extraits: BTreeMap<Extrait, Suivi>,
}

/// What is known of one extract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suivi {
    /// The last file integrated.
    pub fichier: Option<String>,
    /// The last file refused and why, so that it is announced once.
    pub refuse: Option<(String, String)>,
}

/// An applicant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier {
    /// Who applies.
    pub candidat: Candidat,
    /// An identification is owed to the readers.
    pub attendue: bool,
    /// What was said last.
    pub identite: Option<MedecinIdentifie>,
    /// Day of the extract that said it.
    pub jour: Option<NaiveDate>,
}

/// Who applies, as the form says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidat {
    /// RPPS number.
    pub rpps: Rpps,
    /// Family name.
    pub nom: String,
    /// First name.
    pub prenom: String,
}

/// A doctor who is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medecin {
    /// RPPS number.
    pub rpps: Rpps,
    /// The applications to keep informed.
    #[serde(default)]
    pub dossiers: BTreeSet<DossierId>,
    /// The engagements.
    #[serde(default)]
    pub engagements: BTreeMap<EngagementId, Veille>,
    /// The cards already announced.
    #[serde(default)]
    pub cartes: Vec<Carte>,
    /// The identity part that the applications were told last: a fingerprint.
    #[serde(default)]
    pub dite: Option<u64>,
    /// Day of the last extract that was taken into account.
    #[serde(default)]
    pub jour: Option<NaiveDate>,
}

impl Medecin {
    /// A doctor of whom nothing is awaited yet.
    pub fn nouveau(rpps: Rpps) -> Self {
        Self {
            rpps,
            dossiers: BTreeSet::new(),
            engagements: BTreeMap::new(),
            cartes: Vec::new(),
            dite: None,
            jour: None,
        }
    }

    /// Says whether an engagement is still open: cards and site are watched.
    pub fn veille(&self) -> bool {
        self.engagements.values().any(|v| !v.close)
    }
}

/// What is awaited for one engagement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veille {
    /// The site as the RPPS may name it; empty when the register knows neither FINESS nor
    /// RPPS-rang: the row cannot be recognised.
    pub structures: BTreeSet<String>,
    /// Day of the extract where the row was first seen.
    pub enregistree: Option<NaiveDate>,
    /// The engagement ended: nothing is awaited any more.
    pub close: bool,
}

/// The names that the RPPS may give to a site.
pub fn structures(lieu: &Lieu) -> BTreeSet<String> {
    let finess = lieu.finess.as_ref().map(ToString::to_string);
    finess.into_iter().chain(lieu.rpps_rang.as_ref().map(ToString::to_string)).collect()
}

/// A CPS card in force, as the open extract shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carte {
    /// The last 4 characters of its number.
    pub numero: String,
    /// First day of validity.
    pub debut: NaiveDate,
    /// Last day of validity.
    pub fin: Option<NaiveDate>,
}

/// Everything that the extracts say of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fiche {
    /// (family name, first name), usually one.
    pub noms: BTreeSet<(String, String)>,
    /// NOS TRE_G15 codes.
    pub professions: BTreeSet<String>,
    /// NOS TRE_R38 codes of the rows as a doctor.
    pub savoir_faire: BTreeSet<String>,
    /// Sites of the rows as a doctor: FINESS or RPPS-rang.
    pub structures: BTreeSet<String>,
    /// CPS cards not opposed, by start of validity.
    pub cartes: Vec<Carte>,
}

impl Fiche {
    /// At least one row as a doctor, whatever its activity columns: retired volunteers have none.
    pub fn est_medecin(&self) -> bool {
        self.professions.contains(PROFESSION_MEDECIN)
    }
}

/// One person, as the extracts of a day show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The number looked up.
    pub rpps: Rpps,
    /// Day of the extract of activities.
    pub jour: NaiveDate,
    /// What it says; `None` when the number is not there.
    pub fiche: Option<Fiche>,
}

/// What the RPPS says of an applicant.
pub fn identifier(
    dossier: DossierId,
    candidat: &Candidat,
    fiche: Option<&Fiche>,
) -> MedecinIdentifie {
    let meme = |noms: &(String, String)| {
        normaliser_nom(&noms.0) == normaliser_nom(&candidat.nom)
            && normaliser_nom(&noms.1) == normaliser_nom(&candidat.prenom)
    };
    let actif = fiche.is_some_and(Fiche::est_medecin);
    MedecinIdentifie {
        dossier,
        rpps: candidat.rpps.clone(),
        trouve: fiche.is_some(),
        actif,
        profession: match fiche {
            Some(_) if actif => Some(PROFESSION_MEDECIN.to_owned()),
            Some(f) => f.professions.first().cloned(),
            None => None,
        },
        savoir_faire: fiche.map(|f| f.savoir_faire.iter().cloned().collect()).unwrap_or_default(),
        concordance_identite: fiche.map(|f| f.noms.iter().any(meme)),
    }
}

/// What got worse between two identifications, as the codes of `medecin.rpps-divergent`.
pub fn divergences(avant: &MedecinIdentifie, apres: &MedecinIdentifie) -> Vec<String> {
    let lost = |was: Option<bool>, is: Option<bool>| was == Some(true) && is == Some(false);
    let all = [
        ("disparu", avant.trouve && !apres.trouve),
        ("plus-actif", avant.actif && apres.trouve && !apres.actif),
        ("profession", apres.trouve && avant.trouve && avant.profession != apres.profession),
        ("nom", lost(avant.concordance_identite, apres.concordance_identite)),
    ];
    all.iter().filter(|(_, diverges)| *diverges).map(|(code, _)| (*code).to_owned()).collect()
}
