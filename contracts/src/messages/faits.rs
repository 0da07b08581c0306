//! Facts (`relais.evenements`). Each carries the whole state of its subject; a reader that knows
//! a later `sequence` of the same (source, subject) ignores it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::message;
use crate::{
    ids::{
        Centimes, CodeCdom, CodeCpam, DossierId, EngagementId, LieuId, Mois, NumeroAm, Rpps,
        VacationId,
    },
    valeurs::{Creneau, DemiJournee, Lieu, Medecin, Plage, Rib},
};

macro_rules! snapshot {
    ($(#[$doc:meta])* $name:ident($inner:ident)) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

macro_rules! data {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }
    };
}
pub(super) use data;

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

/// Where an engagement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// The doctor may practise.
    Ouverte,
    /// Suspended by the Order from `a_compter_du` on.
    Suspendue,
    /// Ended from `a_compter_du` on.
    Terminee,
}

data! {
    /// An engagement: a doctor authorised at a site. The whole state, whatever the message.
    Activite {
        /// The engagement.
        engagement: EngagementId,
        /// The dossier that opened it.
        dossier: DossierId,
        /// The doctor.
        medecin: Medecin,
        /// The site.
        lieu: Lieu,
        /// The half-days wished.
        creneaux_souhaites: Vec<Creneau>,
        /// May be replaced at the main practice meanwhile (art. R.4127-65 CSP).
        remplacement_autorise: bool,
        /// Where it stands.
        situation: Situation,
        /// The first day on which `situation` holds; half-days held before stay owed.
        a_compter_du: NaiveDate,
        /// Why it ended: `retrait`, `radiation`, `decision-dns`.
        cause: Option<String>,
    }
}

macro_rules! activite {
    ($($(#[$doc:meta])* $name:ident $type:literal),* $(,)?) => {
        $(
            snapshot! { $(#[$doc])* $name(Activite) }
            message!($name, $type, Evenements, None,
                |m| format!("activite/{}", m.0.engagement), dossier |m| Some(m.0.dossier));
        )*
    };
}
activite! {
    /// The Order authorised the activity at this site.
    ActiviteAutorisee "activite.autorisee.v1",
    /// Something of it changed (contact, dates), not where it stands.
    ActiviteModifiee "activite.modifiee.v1",
    /// The Order suspended it.
    ActiviteSuspendue "activite.suspendue.v1",
    /// The suspension was lifted.
    ActiviteRetablie "activite.retablie.v1",
    /// It ended.
    ActiviteTerminee "activite.terminee.v1",
}

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
        /// What differs: `nom`, `profession`, `plus-actif`, `disparu`.
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
        /// Why: `entete-inconnue`, `tronquee`, `ecart-excessif`, …
        raison: String,
    }
}
message!(RppsExtractionRefusee, "rpps.extraction-refusee.v1", Evenements, None, |m| format!(
    "extraction/{}",
    m.fichier
));

/// How the doctor may bill.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ModeFacturation {
    /// On paper: the numéro AM exists.
    Papier,
    /// By télétransmission: a card valid from a later day than the number was seen.
    Teletransmission,
}

data! {
    /// The doctor can bill at the site; republished as it changes.
    FacturationOuverte {
        /// The engagement.
        engagement: EngagementId,
        /// The doctor.
        rpps: Rpps,
        /// The CPAM of the site.
        cpam: CodeCpam,
        /// The site.
        lieu: LieuId,
        /// The number created for the mission.
        numero_am: NumeroAm,
        /// Day on which it was created.
        numero_cree_le: NaiveDate,
        /// What is known of the bank details.
        rib: Rib,
        /// How the doctor may bill.
        mode: ModeFacturation,
    }
}
message!(FacturationOuverte, "facturation.ouverte.v1", Evenements, None, |m| format!(
    "facturation/{}",
    m.engagement
));

data! {
    /// The CPS card is later than the delay announced.
    CpsEnRetard {
        /// The engagement.
        engagement: EngagementId,
        /// The day it was expected.
        attendue_le: NaiveDate,
        /// Days late.
        jours_de_retard: u32,
    }
}
message!(CpsEnRetard, "cps.en-retard.v1", Evenements, None, |m| format!(
    "facturation/{}/cps",
    m.engagement
));

data! {
    /// The doctor's access to the agenda of the site.
    Agenda {
        /// The engagement.
        engagement: EngagementId,
        /// Where the doctor manages the slots.
        url: String,
    }
}
snapshot! {
    /// The agenda is open to the doctor.
    AgendaOuvert(Agenda)
}
message!(AgendaOuvert, "agenda.ouvert.v1", Evenements, None, |m| format!(
    "agenda/{}",
    m.0.engagement
));
snapshot! {
    /// The agenda is closed.
    AgendaFerme(Agenda)
}
message!(AgendaFerme, "agenda.ferme.v1", Evenements, None, |m| format!(
    "agenda/{}",
    m.0.engagement
));

data! {
    /// A day of consultation of an engagement.
    Vacation {
        /// Its id.
        vacation: VacationId,
        /// The engagement.
        engagement: EngagementId,
        /// The day, in Paris.
        date: NaiveDate,
        /// Its half-days, sorted, at most two.
        demi_journees: Vec<DemiJournee>,
        /// Honoured appointments; 0 while planned.
        rdv_honores: u32,
        /// The slots.
        creneaux: Vec<Plage>,
    }
}
snapshot! {
    /// Slots are open on that day.
    VacationPlanifiee(Vacation)
}
message!(VacationPlanifiee, "vacation.planifiee.v1", Evenements, None, |m| format!(
    "vacation/{}",
    m.0.vacation
));
snapshot! {
    /// The slots of that day were cancelled.
    VacationAnnulee(Vacation)
}
message!(VacationAnnulee, "vacation.annulee.v1", Evenements, None, |m| format!(
    "vacation/{}",
    m.0.vacation
));
snapshot! {
    /// The day is past and was not cancelled; says nothing of what is payable.
    VacationRealisee(Vacation)
}
message!(VacationRealisee, "vacation.realisee.v1", Evenements, None, |m| format!(
    "vacation/{}",
    m.0.vacation
));

data! {
    /// One vacation on a site's planning.
    VacationAuPlanning {
        /// Its id.
        vacation: VacationId,
        /// The doctor, as the site should read it: « Dr Prénom Nom ».
        medecin: String,
        /// The day.
        date: NaiveDate,
        /// The slots.
        creneaux: Vec<Plage>,
        /// Cancelled: stays on the planning so that calendars remove it.
        annulee: bool,
        /// Version of this entry, increasing (iCalendar SEQUENCE).
        version: u32,
    }
}

data! {
    /// The planning of a site; never a patient.
    PlanningPublie {
        /// The site.
        lieu: LieuId,
        /// First day.
        du: NaiveDate,
        /// Last day.
        au: NaiveDate,
        /// The vacations, by date.
        vacations: Vec<VacationAuPlanning>,
    }
}
message!(PlanningPublie, "planning.publie.v1", Evenements, None, |m| format!(
    "planning/{}",
    m.lieu
));

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

data! {
    /// Something that a person must do, because no machine can.
    TacheOuverte {
        /// Its id.
        tache: Uuid,
        /// What kind of task: `rdv-organisation`, `cdom-escalade`, …
        gabarit: String,
        /// The service that opened it, where it is closed.
        service: String,
        /// The state that waits for it.
        cle: String,
        /// What it is about: a subject, e.g. `lieu/ambert`.
        objet: String,
        /// Everything to copy, pre-filled.
        champs: BTreeMap<String, String>,
    }
}
message!(TacheOuverte, "tache.ouverte.v1", Evenements, None, |m| format!("tache/{}", m.tache));

data! {
    /// A task is done, or no longer needed.
    TacheFaite {
        /// Its id.
        tache: Uuid,
        /// Who did it: an operator's name, or `observe` when Relais saw the result.
        faite_par: String,
    }
}
message!(TacheFaite, "tache.faite.v1", Evenements, None, |m| format!("tache/{}", m.tache));

data! {
    /// Something could not be handled; it is kept and can be replayed.
    PanneOuverte {
        /// Its id.
        panne: Uuid,
        /// The service that keeps it.
        service: String,
        /// Its stable code.
        code: String,
        /// Groups failures of the same kind.
        empreinte: String,
        /// The type of message or the kind of ask.
        message_type: String,
        /// What it is about, when known.
        subject: Option<String>,
        /// When it was first seen.
        depuis: DateTime<Utc>,
    }
}
message!(PanneOuverte, "panne.ouverte.v1", Evenements, None, |m| format!("panne/{}", m.panne));

data! {
    /// A failure is closed.
    PanneClose {
        /// Its id.
        panne: Uuid,
        /// How: `rejouee`, `depassee`, `ecartee`.
        issue: String,
    }
}
message!(PanneClose, "panne.close.v1", Evenements, None, |m| format!("panne/{}", m.panne));

data! {
    /// Somebody was reminded.
    RelanceEnvoyee {
        /// Its id.
        relance: Uuid,
        /// The role of who was reminded: `cdom`, `cpam`, `lieu`, `medecin`, `dns`.
        destinataire: String,
        /// How: `courriel`, `file`.
        canal: String,
        /// 1 for the first reminder, …
        rang: u32,
        /// What it was about: a subject.
        objet: String,
    }
}
message!(RelanceEnvoyee, "relance.envoyee.v1", Evenements, None, |m| format!(
    "relance/{}",
    m.relance
));
