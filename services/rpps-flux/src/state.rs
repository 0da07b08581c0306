//! The three kinds of state: the extracts (`extraction`), an application (`dossier/<n>`) and a
//! doctor who is followed (`medecin/<rpps>`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    DossierId, EngagementId, Lieu, Rpps,
    messages::{MedecinIdentifie, SourceRpps},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Ressource,
    wire::{Extrait, PROFESSION_MEDECIN, normaliser_nom},
};

mod etapes;

/// One state of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "etat", rename_all = "snake_case")]
pub enum State {
    /// `extraction`: which files were integrated.
    Extraction(Extraction),
    /// `fhir`: how far the API was read.
    Fhir(FluxFhir),
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
    /// Those of which the day's file has not come yet.
    #[serde(default)]
    pub attendus: BTreeSet<Extrait>,
}

/// What is known of one extract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suivi {
    /// The last file integrated.
    pub fichier: Option<String>,
    /// The last file refused and why, so that it is announced once.
    pub refuse: Option<(String, String)>,
    /// The last file whose differences an operator accepted, and who: told with its integration.
    #[serde(default)]
    pub accepte: Option<(String, String)>,
}

/// How far the API of the Annuaire Santé was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FluxFhir {
    /// Every change before this instant was read.
    pub acquis: Option<DateTime<Utc>>,
    /// The reading that goes on.
    pub en_cours: Option<Lecture>,
}

/// One reading of what changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lecture {
    /// When it began.
    pub debut: DateTime<Utc>,
    /// Changes from this instant on; `None`: every doctor.
    pub depuis: Option<DateTime<Utc>>,
    /// What is being read.
    pub ressource: Ressource,
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
    /// Day of the extract that said it, or on which the API did.
    pub jour: Option<NaiveDate>,
    /// The API said it: an extract of that day or earlier is not fresher.
    #[serde(default)]
    pub par_fhir: bool,
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
    /// What the extracts said last.
    #[serde(default)]
    pub extrait: Option<Resume>,
    /// What the API said last.
    #[serde(default)]
    pub fhir: Option<Resume>,
    /// Tasks that are open: kind, and the engagement that it is about.
    #[serde(default)]
    pub taches: BTreeMap<Uuid, (String, Option<EngagementId>)>,
    /// How many tasks were opened, so that each has its own id.
    #[serde(default)]
    pub taches_ouvertes: u32,
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
            extrait: None,
            fhir: None,
            taches: BTreeMap::new(),
            taches_ouvertes: 0,
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
    /// The application.
    #[serde(default)]
    pub dossier: Option<DossierId>,
    /// Id of the site, for who is asked about it.
    #[serde(default)]
    pub lieu: String,
    /// The CDOM that records the activity: the owner of this step.
    #[serde(default)]
    pub cdom: String,
    /// Day from which the row was awaited.
    #[serde(default)]
    pub attendue: Option<NaiveDate>,
    /// Day on which a row that had been seen was not there any more.
    #[serde(default)]
    pub disparue: Option<NaiveDate>,
}

/// What one source said last of a doctor, as far as two sources are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Day of the extract, or day of the API's answer.
    pub jour: NaiveDate,
    /// Fingerprint of the identity part.
    pub identite: u64,
    /// What it says, comparable between sources.
    #[serde(flatten)]
    pub dit: Dit,
}

/// What must be the same whatever the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dit {
    /// At least one row as a doctor.
    pub actif: bool,
    /// Normalised names.
    pub noms: BTreeSet<(String, String)>,
    /// Sites, among those that are watched.
    pub structures: BTreeSet<String>,
    /// The latest start of validity among the CPS cards.
    pub carte: Option<NaiveDate>,
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
    /// Day of the extract of activities, or day on which the API answered.
    pub jour: NaiveDate,
    /// Which of them.
    #[serde(default = "par_extraction")]
    pub source: SourceRpps,
    /// What it says; `None` when the number is not there.
    pub fiche: Option<Fiche>,
}

fn par_extraction() -> SourceRpps {
    SourceRpps::Extraction
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
