//! What crosses the service's edge besides messages: answers behind a link, operators' fields, and
//! the statement as files.

mod csv;
pub mod documents;

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::NaiveDate;
use contracts::{
    Centimes, CodeCpam, EngagementId, Mois,
    messages::{FacturationOuverte, LigneEtat},
};
use serde::{Deserialize, Serialize};
use service::OperatorAction;
use uuid::Uuid;

pub use self::csv::{csv, sha256_hex};
use crate::state::Tenue;

/// What one state tells another, and what comes from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// An engagement to a doctor's month: a day of consultation.
    Tenue(Box<Tenue>),
    /// An engagement to a site's day: the same.
    AAttester(Box<Tenue>),
    /// An engagement to a doctor's month: how the doctor bills.
    Facturation {
        /// The engagement's count: a reader keeps the greatest.
        version: u64,
        /// The snapshot.
        facturation: Box<FacturationOuverte>,
    },
    /// A site's day to a doctor's month: what the site attests.
    Presence {
        /// The engagement.
        engagement: EngagementId,
        /// The day.
        date: NaiveDate,
        /// Present.
        present: bool,
    },
    /// A doctor's month to a CPAM: a line for the next closing.
    Ligne {
        /// The CPAM.
        cpam: CodeCpam,
        /// The line.
        ligne: Box<LigneEtat>,
    },
    /// A CPAM's closing to a new statement: its content.
    Emettre {
        /// The CPAM.
        cpam: CodeCpam,
        /// Its month.
        mois: Mois,
        /// Its rank within the month.
        rang: u32,
        /// Its lines, sorted.
        lignes: Vec<LigneEtat>,
    },
    /// A statement to a doctor's month: the CPAM paid a line.
    Payee {
        /// The line.
        ligne: Uuid,
        /// The day of payment.
        date: NaiveDate,
    },
    /// A statement to a doctor's month: the CPAM rejected a line.
    Rejetee {
        /// The line.
        ligne: Uuid,
        /// Its reason, as a code.
        code: String,
    },
    /// A site answers a question.
    Attestee {
        /// The question, from 1.
        question: u32,
        /// The answer.
        choix: Choix,
    },
    /// A doctor answers a question about the half-days of a month.
    Confirmee {
        /// The question, from 1.
        question: u32,
        /// They are right.
        confirme: bool,
    },
    /// An operator closes a task.
    TacheFermee {
        /// The task.
        tache: Uuid,
        /// The values that the operator filled in.
        champs: BTreeMap<String, String>,
        /// Who.
        par: String,
    },
    /// An operator corrects a line.
    Corriger {
        /// The line.
        ligne: Uuid,
        /// What is added to it; negative to take back.
        centimes: Centimes,
        /// Why, as a code.
        motif: String,
        /// Who.
        par: String,
    },
    /// An operator closes a CPAM's statement before its day.
    Cloturer {
        /// Who.
        par: String,
    },
    /// An operator saw that a CPAM without a queue paid.
    PaiementConstate {
        /// The lines; none means all that are still expected.
        lignes: Vec<Uuid>,
        /// The day of payment.
        date: NaiveDate,
    },
    /// An operator saw that a CPAM without a queue rejected a line.
    RejetConstate {
        /// The line.
        ligne: Uuid,
        /// Its reason, as a code.
        code: String,
    },
}

/// What a site may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Choix {
    /// Every doctor still asked about was present.
    Presents,
    /// None was.
    Absents,
    /// This one was absent; the others are still asked about.
    Absent(EngagementId),
}

impl fmt::Display for Choix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presents => f.write_str("presents"),
            Self::Absents => f.write_str("absents"),
            Self::Absent(engagement) => write!(f, "absent:{engagement}"),
        }
    }
}

impl FromStr for Choix {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "presents" => Ok(Self::Presents),
            None if text == "absents" => Ok(Self::Absents),
            Some(("absent", engagement)) => {
                engagement.parse().map(Self::Absent).map_err(|e| e.to_string())
            }
            None | Some(_) => {
                Err("réponse attendue : presents, absents ou absent:<engagement>".to_owned())
            }
        }
    }
}

impl TryFrom<String> for Choix {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Choix> for String {
    fn from(choix: Choix) -> String {
        choix.to_string()
    }
}

impl Choix {
    /// What it says of one doctor of the question, if it says something.
    pub fn presence(&self, engagement: &EngagementId) -> Option<bool> {
        match self {
            Self::Presents => Some(true),
            Self::Absents => Some(false),
            Self::Absent(absent) => (absent == engagement).then_some(false),
        }
    }
}

/// The event that an operator's action is; its key is the action's `cle`.
///
/// # Errors
/// A sentence for the operator.
pub fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
    let (par, cle) = (action.par.clone(), &action.cle);
    let (expected, event) = match action.action.as_str() {
        "fermer-tache" => {
            let tache = field(action, "tache")?;
            ("", Event::TacheFermee { tache, champs: action.champs.clone(), par })
        }
        "corriger" => {
            let (ligne, centimes) = (field(action, "ligne")?, field(action, "centimes")?);
            let motif = code(action, "motif")?;
            let event = Event::Corriger { ligne, centimes: Centimes(centimes), motif, par };
            ("medecin-mois/", event)
        }
        "cloturer" => ("etat/", Event::Cloturer { par }),
        "constater-paiement" => {
            let listed = action.champs.get("lignes").map_or("", String::as_str);
            let lignes = listed.split([',', ' ']).filter(|t| !t.is_empty()).map(|t| {
                t.parse::<Uuid>().map_err(|_| "« lignes » : une liste d'identifiants".to_owned())
            });
            let lignes = lignes.collect::<Result<Vec<_>, _>>()?;
            ("etat-emis/", Event::PaiementConstate { lignes, date: field(action, "date")? })
        }
        "constater-rejet" => {
            let event = Event::RejetConstate {
                ligne: field(action, "ligne")?,
                code: code(action, "code")?,
            };
            ("etat-emis/", event)
        }
        other => return Err(format!("indemnite ne connaît pas l'action « {other} »")),
    };
    if !cle.starts_with(expected) {
        return Err(format!("« {} » s'adresse à une clé {expected}…", action.action));
    }
    Ok((cle.clone(), event))
}

fn field<T: FromStr>(action: &OperatorAction, name: &str) -> Result<T, String> {
    let text = action.champs.get(name).ok_or_else(|| format!("le champ « {name} » manque"))?;
    text.trim().parse().map_err(|_| format!("le champ « {name} » est illisible"))
}

fn code(action: &OperatorAction, name: &str) -> Result<String, String> {
    let text: String = field(action, name)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text)
    } else {
        Err(format!("« {name} » est un code : minuscules, chiffres et tirets, 64 au plus"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Champs<'a> = &'a [(&'a str, &'a str)];

    fn action(name: &str, cle: &str, champs: Champs<'_>) -> OperatorAction {
        OperatorAction {
            action: name.to_owned(),
            cle: cle.to_owned(),
            champs: champs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            par: "agent-1".to_owned(),
        }
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["presents", "absents", "absent:0abcdefghj"] {
            assert_eq!(text.parse::<Choix>().map(String::from).as_deref(), Ok(text));
        }
        for text in ["", "present", "absent:", "absent:É", "presents:x"] {
            assert!(text.parse::<Choix>().is_err(), "{text}");
        }
    }

    #[test]
    fn operator_actions_are_checked_before_they_are_stored() {
        let id = Uuid::from_u128(7).to_string();
        let month = "medecin-mois/99790000014/2026-02";
        let corriger = [("ligne", id.as_str()), ("centimes", "-10000"), ("motif", "erreur-lieu")];
        let (cle, event) = operator(&action("corriger", month, &corriger)).expect("accepted");
        assert_eq!(cle, month);
        let (ligne, centimes) = (Uuid::from_u128(7), Centimes(-10_000));
        let (motif, par) = ("erreur-lieu".to_owned(), "agent-1".to_owned());
        assert_eq!(event, Event::Corriger { ligne, centimes, motif, par });

        let refused: [(&str, &str, Champs<'_>); 7] = [
            ("corriger", "etat/631", &corriger),
            ("corriger", month, &corriger[..2]),
            ("corriger", month, &[("ligne", &id), ("centimes", "100,5"), ("motif", "x")]),
            ("corriger", month, &[("ligne", &id), ("centimes", "1"), ("motif", "Été 2026")]),
            ("fermer-tache", month, &[]),
            ("constater-paiement", "etat-emis/x", &[("date", "hier")]),
            ("danser", month, &[]),
        ];
        for (name, cle, champs) in refused {
            assert!(operator(&action(name, cle, champs)).is_err(), "{name} {cle}");
        }
        for (name, cle, champs) in [
            ("cloturer", "etat/631", vec![]),
            ("constater-paiement", "etat-emis/x", vec![("date", "2026-03-10"), ("lignes", &*id)]),
            ("constater-rejet", "etat-emis/x", vec![("ligne", &*id), ("code", "rib-invalide")]),
            ("fermer-tache", month, vec![("tache", &*id)]),
        ] {
            operator(&action(name, cle, &champs)).expect(name);
        }
    }
}
