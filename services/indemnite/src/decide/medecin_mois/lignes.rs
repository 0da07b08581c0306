//! What becomes of lines: paid, rejected, stated again, corrected. A line is never edited; what
//! changes an amount is a new line that names the one it corrects.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contracts::{
    Centimes, VacationId,
    messages::{IndemniteCorrigee, IndemnitePayee, IndemniteRejetee},
};
use kernel::derive_id;
use service::{Decision, Effect, Refusal};
use uuid::Uuid;

use super::{attente, confirmation, fact_of, hand_over, settle};
use crate::{
    decide::{Cx, Decided, Effects, close_task, month_of, next, open_task},
    state::{LigneDue, MedecinMois, Origine, Sort, State, Tache, Tenue},
};

/// The CPAM paid a line.
pub(in crate::decide) fn payee(state: Option<&State>, ligne: Uuid, date: NaiveDate) -> Decided {
    let mut month = month_of(state)?;
    let due = line_mut(&mut month, ligne)?;
    if due.sort != Sort::Due {
        return Ok(Decision::Ignore("deja-reglee"));
    }
    due.sort = Sort::Payee { le: date };
    let fact = IndemnitePayee { ligne, date };
    Ok(Decision::next(State::MedecinMois(month)).publish(&fact))
}

/// The CPAM rejected a line: it was not paid, it is still owed, and a person decides.
pub(in crate::decide) fn rejetee(
    state: Option<&State>,
    ligne: Uuid,
    code: String,
    cx: &Cx<'_>,
) -> Decided {
    let mut month = month_of(state)?;
    let due = line_mut(&mut month, ligne)?;
    if due.sort != Sort::Due {
        return Ok(Decision::Ignore("deja-reglee"));
    }
    due.sort = Sort::Rejetee { code: code.clone() };
    let due = due.clone();
    let mut effects = vec![Effect::publish(&IndemniteRejetee { ligne, code: code.clone() })];
    let tenue = tenue_of(&month, &due)?;
    let champs = [
        ("ligne", ligne.to_string()),
        ("code", code),
        ("medecin", tenue.nom.clone()),
        ("rpps", tenue.rpps.to_string()),
        ("lieu", tenue.lieu_nom.clone()),
        ("date", due.date.to_string()),
        ("demi_journee", due.demi_journee.as_str().to_owned()),
        ("centimes", due.centimes.0.to_string()),
        ("decision", "representer".to_owned()),
    ];
    let objet = format!("ligne/{ligne}");
    let tache = open_task(cx, "ligne-rejetee", objet, &champs, &mut effects);
    month.taches.insert(tache, Tache::LigneRejetee(ligne));
    Ok(next(State::MedecinMois(month), effects))
}

/// An operator corrects a line: a new line carries the difference.
pub(in crate::decide) fn corriger(
    state: Option<&State>,
    ligne: Uuid,
    centimes: Centimes,
    motif: &str,
    par: &str,
    cx: &Cx<'_>,
) -> Decided {
    let mut month = month_of(state)?;
    let base = line_mut(&mut month, ligne)?.clone();
    match base.sort {
        Sort::Due | Sort::Payee { .. } => {}
        Sort::Rejetee { .. } | Sort::Representee { .. } | Sort::Abandonnee { .. } => {
            let reason = "une ligne rejetée se représente ou s'abandonne, elle ne se corrige pas";
            return Err(Refusal::new("ligne-rejetee", reason));
        }
    }
    // The same correction asked twice is one correction: an operator's double click.
    let (target, amount) = (ligne.to_string(), centimes.0.to_string());
    let id = derive_id(&["indemnite", "correction", &target, motif, &amount]);
    if month.lignes.contains_key(&id) {
        return Ok(Decision::Ignore("correction-connue"));
    }
    let rate = cx.config.bareme(base.date).unwrap_or(base.centimes);
    let total = balance(&month, ligne) + centimes;
    if centimes.0 == 0 || total.0 < 0 || total.0 > 2 * rate.0 {
        let reason = "après correction, une demi-journée vaut de zéro à un jour entier";
        return Err(Refusal::new("correction-hors-bornes", reason));
    }
    let origine = Origine::Correction { de: ligne, motif: motif.to_owned(), par: par.to_owned() };
    let due = LigneDue { centimes, origine, cpam: None, sort: Sort::Due, ..base };
    let mut effects = Effects::new();
    add_line(&mut month, id, due, cx, &mut effects)?;
    Ok(next(State::MedecinMois(month), effects))
}

/// An operator closes a task.
pub(in crate::decide) fn tache_fermee(
    month: &MedecinMois,
    tache: Uuid,
    champs: &BTreeMap<String, String>,
    par: &str,
    cx: &Cx<'_>,
) -> Decided {
    let mut month = month.clone();
    let Some(about) = month.taches.remove(&tache) else {
        return Ok(Decision::Ignore("tache-close"));
    };
    let mut effects = Effects::new();
    close_task(tache, par, &mut effects);
    let decision = champs.get("decision").map(String::as_str);
    match about {
        Tache::LigneRejetee(ligne) => match decision {
            None | Some("representer") => restate(&mut month, ligne, par, cx, &mut effects)?,
            Some("abandonner") => give_up(&mut month, ligne, par)?,
            Some(_) => return Err(unknown_decision("representer ou abandonner")),
        },
        Tache::PresenceContestee(id) => match decision {
            None | Some("refuser") => {}
            Some("payer") => {
                if let Some(suivi) = month.vacations.get_mut(&id) {
                    suivi.presence = Some(true);
                }
                settle(&mut month, &id, cx, &mut effects)?;
            }
            Some(_) => return Err(unknown_decision("payer ou refuser")),
        },
        Tache::FacturationManquante(engagement) => {
            // Still waiting: counted anew.
            if month.attentes.contains_key(&engagement) {
                attente::armer(&mut month, &engagement, cx, &mut effects);
            }
        }
        Tache::Confirmation(number) => {
            let Some(confirme) = champs.get("choix").and_then(|text| confirmation::choix(text))
            else {
                return Err(Refusal::new("choix-inconnu", "« choix » : confirme ou conteste"));
            };
            confirmation::noter(&mut month, number, confirme, cx, &mut effects);
        }
        Tache::ConfirmationRefusee(number) => match decision {
            None | Some("payer") => {
                confirmation::noter(&mut month, number, true, cx, &mut effects);
            }
            Some("abandonner") => {
                for ligne in confirmation::lignes(&month, number) {
                    give_up(&mut month, ligne, par)?;
                }
                confirmation::transmettre(&mut month, number, cx, &mut effects);
            }
            Some(_) => return Err(unknown_decision("payer ou abandonner")),
        },
        Tache::DoublePresence(_) | Tache::AVerifier(_) | Tache::PlafondDepasse => {}
    }
    Ok(next(State::MedecinMois(month), effects))
}

/// States a rejected line again, under a new id.
fn restate(
    month: &mut MedecinMois,
    ligne: Uuid,
    par: &str,
    cx: &Cx<'_>,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let id = derive_id(&["indemnite", "representation", &ligne.to_string()]);
    let rejected = line_mut(month, ligne)?;
    let origine = Origine::Representation { de: ligne, par: par.to_owned() };
    let due = LigneDue { origine, cpam: None, sort: Sort::Due, ..rejected.clone() };
    rejected.sort = Sort::Representee { par: id };
    add_line(month, id, due, cx, effects)
}

/// Gives a rejected line up; what remains must not be negative.
fn give_up(month: &mut MedecinMois, ligne: Uuid, par: &str) -> Result<(), Refusal> {
    line_mut(month, ligne)?.sort = Sort::Abandonnee { par: par.to_owned() };
    if balance(month, ligne).0 < 0 {
        let reason = "une correction reprend déjà cette ligne : compensez-la d'abord";
        return Err(Refusal::new("solde-negatif", reason));
    }
    Ok(())
}

fn add_line(
    month: &mut MedecinMois,
    id: Uuid,
    due: LigneDue,
    cx: &Cx<'_>,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let rpps = tenue_of(month, &due)?.rpps.clone();
    effects.push(Effect::publish(&IndemniteCorrigee(fact_of(id, &due, &rpps))));
    let engagement = due.engagement.clone();
    month.lignes.insert(id, due);
    hand_over(month, &engagement, cx, effects);
    Ok(())
}

/// What a half-day is worth today: its line, what replaced it, and every correction of them.
fn balance(month: &MedecinMois, ligne: Uuid) -> Centimes {
    let root = root_of(month, ligne);
    let counts = |due: &LigneDue| match due.sort {
        Sort::Due | Sort::Payee { .. } | Sort::Rejetee { .. } => true,
        Sort::Representee { .. } | Sort::Abandonnee { .. } => false,
    };
    let chain = month.lignes.iter().filter(|(id, _)| root_of(month, **id) == root);
    chain.filter(|(_, due)| counts(due)).map(|(_, due)| due.centimes).sum()
}

/// The retained line that a line goes back to. A line only names lines that existed before it, so
/// the walk ends.
fn root_of(month: &MedecinMois, ligne: Uuid) -> Uuid {
    let mut id = ligne;
    while let Some(due) = month.lignes.get(&id) {
        match &due.origine {
            Origine::Retenue => break,
            Origine::Correction { de, .. } | Origine::Representation { de, .. } => id = *de,
        }
    }
    id
}

fn line_mut(month: &mut MedecinMois, ligne: Uuid) -> Result<&mut LigneDue, Refusal> {
    let unknown = || Refusal::new("ligne-inconnue", "ce mois n'a pas cette ligne");
    month.lignes.get_mut(&ligne).ok_or_else(unknown)
}

fn tenue_of<'a>(month: &'a MedecinMois, due: &LigneDue) -> Result<&'a Tenue, Refusal> {
    let id = VacationId::new(&due.engagement, due.date);
    let tenue = month.vacations.get(&id).and_then(|suivi| suivi.tenue.as_ref());
    tenue.ok_or_else(|| Refusal::new("vacation-inconnue", "cette ligne n'a pas de vacation"))
}

fn unknown_decision(expected: &str) -> Refusal {
    Refusal::new("decision-inconnue", format!("décision attendue : {expected}"))
}
