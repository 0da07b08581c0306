//! What the service remembers: five kinds of state, by the prefix of their key.
//!
//! `engagement/<id>` knows which half-days were held and whether they may be owed;
//! `medecin-mois/<rpps>/<aaaa-mm>` turns them into lines, one per (doctor, day, half-day) whatever
//! the sites; `attestation/<lieu>/<date>` asks the site; `etat/<cpam>` gathers lines until the next
//! closing; `etat-emis/<demande>` follows one statement until its last line is settled.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    Centimes, CodeCpam, DemiJournee, EngagementId, LieuId, Mois, Rpps, VacationId,
    messages::{Activite, FacturationOuverte, LigneEtat},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod confirmation;
mod etapes;
mod releve;

pub use self::{confirmation::Confirmation, releve::Releve};

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// `engagement/<id>`.
    Engagement(Box<Engagement>),
    /// `medecin-mois/<rpps>/<aaaa-mm>`.
    MedecinMois(MedecinMois),
    /// `attestation/<lieu>/<date>`.
    Attestation(Attestation),
    /// `etat/<cpam>`.
    Etat(Etat),
    /// `etat-emis/<demande>`.
    EtatEmis(EtatEmis),
}

/// Key of an engagement.
pub fn cle_engagement(engagement: &EngagementId) -> String {
    format!("engagement/{engagement}")
}

/// Key of a doctor's month.
pub fn cle_medecin_mois(rpps: &Rpps, date: NaiveDate) -> String {
    format!("medecin-mois/{rpps}/{}", Mois::of(date))
}

/// Key of a site's day.
pub fn cle_attestation(lieu: &LieuId, date: NaiveDate) -> String {
    format!("attestation/{lieu}/{date}")
}

/// Key of what waits for a CPAM's next closing.
pub fn cle_etat(cpam: &CodeCpam) -> String {
    format!("etat/{cpam}")
}

/// The request that a statement is.
pub fn demande_de_l_etat(cpam: &CodeCpam, mois: Mois, rang: u32) -> Uuid {
    let parts = ["indemnite", "etat", cpam.as_str(), &mois.to_string(), &rang.to_string()];
    kernel::derive_id(&parts)
}

/// Key of a statement sent.
pub fn cle_etat_emis(demande: Uuid) -> String {
    format!("etat-emis/{demande}")
}

/// A doctor at a site: what was held, and from when on nothing is owed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engagement {
    /// The last snapshot; nothing is told before the first.
    pub activite: Option<Activite>,
    /// The last snapshot of how the doctor bills.
    pub facturation: Option<FacturationOuverte>,
    /// Days of consultation, as the agenda last told them.
    pub vacations: BTreeMap<NaiveDate, VacationConnue>,
    /// Counts what was told, so that its readers keep the latest.
    pub version: u64,
}

/// A day of consultation, as the agenda last told it, and as it was last told further.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VacationConnue {
    /// Past and not cancelled.
    pub realisee: bool,
    /// Its half-days, sorted.
    pub demi_journees: Vec<DemiJournee>,
    /// Honoured appointments.
    pub rdv_honores: u32,
    /// What the doctor's month and the attestation were told: half-days that count, appointments.
    pub dit: Option<(Vec<DemiJournee>, u32)>,
}

/// A day of consultation, as an engagement tells it to the doctor's month and to the attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenue {
    /// The engagement's count: a reader keeps the greatest.
    pub version: u64,
    /// The engagement.
    pub engagement: EngagementId,
    /// The doctor.
    pub rpps: Rpps,
    /// The doctor's name, « NOM Prénom ».
    pub nom: String,
    /// Where the doctor reads mail; empty when it is not known.
    #[serde(default)]
    pub medecin_courriel: String,
    /// The site.
    pub lieu: LieuId,
    /// Its name.
    pub lieu_nom: String,
    /// Where it reads its mail, as the engagement's snapshot says.
    pub contact_courriel: Option<String>,
    /// The day.
    pub date: NaiveDate,
    /// The half-days that count, sorted; none when nothing is owed.
    pub demi_journees: Vec<DemiJournee>,
    /// Honoured appointments.
    pub rdv_honores: u32,
}

impl Tenue {
    /// The vacation.
    pub fn vacation(&self) -> VacationId {
        VacationId::new(&self.engagement, self.date)
    }
}

/// A doctor's month: every claim and every line, whatever the sites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MedecinMois {
    /// The days of consultation.
    pub vacations: BTreeMap<VacationId, Suivi>,
    /// How the doctor bills, by engagement, with the version it was told under.
    pub facturations: BTreeMap<EngagementId, (u64, FacturationOuverte)>,
    /// Everything owed, rejected or corrected.
    pub lignes: BTreeMap<Uuid, LigneDue>,
    /// Engagements whose lines wait for a number or for bank details, and since when.
    #[serde(default)]
    pub attentes: BTreeMap<EngagementId, NaiveDate>,
    /// Open tasks.
    pub taches: BTreeMap<Uuid, Tache>,
    /// Somebody was told that the cap is passed: once a month.
    #[serde(default)]
    pub plafond_dit: bool,
    /// The questions asked to the doctor; question 1 is the first.
    #[serde(default)]
    pub confirmations: Vec<Confirmation>,
}

/// How far a day of consultation is from being paid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suivi {
    /// What the engagement says of it.
    pub tenue: Option<Tenue>,
    /// The day it was first known as held: the site's delay does not start earlier.
    pub connue_le: Option<NaiveDate>,
    /// What the site attested.
    pub presence: Option<bool>,
    /// The half-days that were settled, once they were: never decided again.
    pub retenue: Option<Vec<DemiJournee>>,
    /// The contradiction between site and agenda was shown to a person.
    pub contestee: bool,
}

/// One line that is, was or will be in a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LigneDue {
    /// The engagement.
    pub engagement: EngagementId,
    /// The day.
    pub date: NaiveDate,
    /// The half of it.
    pub demi_journee: DemiJournee,
    /// The amount; negative for a correction that takes back.
    pub centimes: Centimes,
    /// Why it exists.
    pub origine: Origine,
    /// The CPAM whose statements it was given to; for ever.
    pub cpam: Option<CodeCpam>,
    /// What became of it.
    pub sort: Sort,
}

/// Why a line exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origine {
    /// A half-day was held.
    Retenue,
    /// An operator corrects another line.
    Correction {
        /// The line corrected.
        de: Uuid,
        /// Why, as a code.
        motif: String,
        /// Who decided it.
        par: String,
    },
    /// A rejected line, stated again under a new id.
    Representation {
        /// The rejected line.
        de: Uuid,
        /// Who decided it.
        par: String,
    },
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Owed.
    Due,
    /// Paid.
    Payee {
        /// On that day.
        le: NaiveDate,
    },
    /// Rejected by the CPAM, hence not paid; still owed, a person must decide.
    Rejetee {
        /// Its reason.
        code: String,
    },
    /// Rejected, and replaced by a new line.
    Representee {
        /// The new line.
        par: Uuid,
    },
    /// Rejected, and no longer owed.
    Abandonnee {
        /// Who decided it.
        par: String,
    },
}

/// What an open task of a doctor's month is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tache {
    /// The CPAM rejected a line: state it again, or give it up.
    LigneRejetee(Uuid),
    /// Two sites claim the same half-day.
    DoublePresence(VacationId),
    /// The site says absent, the agenda shows honoured appointments.
    PresenceContestee(VacationId),
    /// Something changed after the half-days were settled.
    AVerifier(VacationId),
    /// Owed half-days wait for a number or for bank details.
    FacturationManquante(EngagementId),
    /// More half-days are owed than the cap allows.
    PlafondDepasse,
    /// The doctor has no address: a person asks this question.
    Confirmation(u32),
    /// The doctor contests the half-days of this question.
    ConfirmationRefusee(u32),
}

/// A site's day: who must be attested, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The doctors of that day.
    pub presences: BTreeMap<EngagementId, Presence>,
    /// The questions asked, in order; question 1 is the first.
    pub questions: Vec<QuestionPosee>,
}

/// A doctor's presence at a site on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// What the engagement says of it.
    pub tenue: Tenue,
    /// The question that it is in, from 1.
    pub question: Option<u32>,
    /// What the site answered.
    pub reponse: Option<bool>,
}

/// A question put to a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionPosee {
    /// When.
    pub posee_le: DateTime<Utc>,
    /// Reminders sent.
    pub relances: u32,
    /// Answered, or without object.
    pub close: bool,
    /// The task that stands for the mail, when the site has no address.
    pub tache: Option<Uuid>,
}

/// What waits for a CPAM's next closing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Etat {
    /// The CPAM.
    pub cpam: CodeCpam,
    /// The lines.
    pub en_attente: BTreeMap<Uuid, LigneEtat>,
    /// The last rank of each month.
    pub rangs: BTreeMap<Mois, u32>,
    /// The closing that is armed.
    pub cloture: Option<NaiveDate>,
}

/// One statement, from its emission until its last line is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtatEmis {
    /// The CPAM.
    pub cpam: CodeCpam,
    /// Its month.
    pub mois: Mois,
    /// Its rank within the month.
    pub rang: u32,
    /// Its lines.
    pub lignes: BTreeMap<Uuid, LigneEmise>,
    /// What was sent, from which its documents are made again; absent before version 0.2.
    #[serde(default)]
    pub releve: Option<Box<Releve>>,
    /// The task to hand it over by hand, while it is open.
    pub a_transmettre: Option<Uuid>,
    /// The task for a late payment, while it is open.
    pub en_retard: Option<Uuid>,
}

/// One line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LigneEmise {
    /// The doctor.
    pub rpps: Rpps,
    /// The day.
    pub date: NaiveDate,
    /// What the CPAM did.
    pub reglement: Reglement,
}

/// What a CPAM did with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reglement {
    /// Nothing yet.
    Attendu,
    /// Paid.
    Paye,
    /// Rejected.
    Rejete,
}
