//! What reaches a person: mail, signed answer links, reminder ladders on French working days.
//!
//! A mail carries a link and a short id, nothing personal. Following a link (GET) only shows a
//! question; answering it (POST) decides: mail scanners follow links.

mod jours;
mod links;
mod mail_error;
mod mailer;
mod page;
mod relances;
mod smtp;
mod textes;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

pub use jours::{ajouter_jours_ouvres, date_en_lettres, est_ferie, est_ouvre, jour_ouvre_suivant};
pub use links::{LienError, Links};
pub use mailer::{Mailer, MailerSettings};
pub use page::{EN_TETES, page_erreur, page_merci, page_question};
pub use relances::{Echelle, Etape};
pub use textes::Texte;

/// A mail to send; stored in an ask, so that it holds no secret, no link yet and no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Courriel {
    /// The address.
    pub a: String,
    /// What it says.
    pub modele: Modele,
    /// A short id of what it is about, e.g. `dossier 1042`.
    pub reference: String,
    /// The question that its link asks, if it asks one.
    pub lien: Option<Lien>,
}

/// The texts that exist; each is a template in French.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "modele", rename_all = "snake_case")]
pub enum Modele {
    /// To a CDOM: an application waits for its verification.
    VerificationDemandee,
    /// To a CDOM: the same, again.
    VerificationRelance {
        /// 1 for the first reminder.
        rang: u32,
    },
    /// To the CDOM of a site: a doctor will practise there.
    ActiviteNotifiee,
    /// To the doctor: the activity is authorised; the link lets the doctor withdraw.
    EngagementOuvert,
    /// To a CPAM: a number is to be created.
    NumeroAmDemande,
    /// To a CPAM: the same, again.
    NumeroAmRelance {
        /// 1 for the first reminder.
        rang: u32,
    },
    /// To the doctor: the number exists, paper may be used; the notice is attached.
    DebutPapier,
    /// To the doctor: the CPAM lacks the bank details.
    RibADonner {
        /// 0 for the first mail, then 1 for the first reminder.
        rang: u32,
    },
    /// To a CPAM: it lacks the bank details of a doctor.
    RibDemande {
        /// 0 for the first mail, then 1 for the first reminder.
        rang: u32,
    },
    /// To the doctor: the agenda is open, the invitation must be accepted.
    AgendaOuvert,
    /// To the doctor: the invitation is still not accepted.
    AgendaRelance {
        /// 1 for the first reminder.
        rang: u32,
    },
    /// To a site: attest the presence of a day.
    AttestationDemandee {
        /// The day.
        date: NaiveDate,
    },
    /// To a site: the same, again.
    AttestationRelance {
        /// The day.
        date: NaiveDate,
    },
    /// To a doctor: confirm the half-days of a month.
    ConfirmationDemandee {
        /// A day of the month.
        mois: NaiveDate,
    },
    /// To a doctor: the same, again.
    ConfirmationRelance {
        /// A day of the month.
        mois: NaiveDate,
    },
    /// To a site: its planning, attached as a calendar.
    PlanningPublie {
        /// First day.
        du: NaiveDate,
        /// Last day.
        au: NaiveDate,
        /// A PDF is attached too.
        #[serde(default)]
        imprime: bool,
    },
    /// To the DNS: something needs a person.
    Escalade {
        /// The kind of task.
        gabarit: String,
    },
}

/// A file that goes with a mail, made from what the ask holds when the mail is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fichier {
    /// Its name.
    pub nom: String,
    /// Its type, e.g. `application/pdf`, `text/calendar; charset=utf-8`.
    pub type_mime: String,
    /// What it holds.
    pub octets: Vec<u8>,
}

/// What an answer link asks, once signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lien {
    /// The kind of question: `verification`, `retrait`, `attestation`.
    pub sujet: String,
    /// The state that waits for the answer.
    pub cle: String,
    /// The question, unique within the state; answered once.
    pub question: String,
    /// After this instant the link shows a page that says so.
    pub expire_le: DateTime<Utc>,
}

/// The page behind a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Title.
    pub titre: String,
    /// What the reader must know, one paragraph each.
    pub texte: Vec<String>,
    /// The possible answers: (code, label). Empty when the question is closed.
    pub choix: Vec<(String, String)>,
    /// What the reader may have to write besides the choice.
    pub champs: Vec<Champ>,
}

/// A field of the page behind a link. What is written is checked by the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Champ {
    /// Its name; neither `choix` nor empty.
    pub nom: String,
    /// Its label.
    pub libelle: String,
    /// What is written in it, and when, in a few words.
    pub aide: String,
    /// Longest text, in characters.
    pub longueur_max: u16,
}
