//! Where the doctor's confirmation is on: one question a month, on the first day of the next one,
//! about the half-days that were retained. They count at once; they are stated once confirmed. What
//! an operator decides (corrections, rejected lines stated again) needs no confirmation.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use contact::{Courriel, Lien, Modele, Question};
use contracts::{DemiJournee, Mois, messages::RelanceEnvoyee};
use service::{Decision, Effect, Refusal};
use uuid::Uuid;

use super::{close_about, hand_over};
use crate::{
    agency::{Ask, COURRIEL},
    config::plus,
    decide::{Cx, Decided, Effects, month_of, next, open_task},
    state::{Confirmation, MedecinMois, Origine, Sort, State, Tache, Tenue},
};

/// What the link of a question is about.
pub(crate) const CONFIRMATION: &str = "confirmation";
/// Reason of the wake-up that asks.
pub(super) const DEMANDER: &str = "confirmer";
/// Reason of the wake-up that reminds, followed by the question.
pub(super) const RAPPEL: &str = "confirmer/";

/// What an answer says.
pub(crate) fn choix(text: &str) -> Option<bool> {
    match text {
        "confirme" => Some(true),
        "conteste" => Some(false),
        _ => None,
    }
}

/// The lines that are not stated before the doctor confirms them.
pub(super) fn attendues(month: &MedecinMois, cx: &Cx<'_>) -> BTreeSet<Uuid> {
    if !cx.config.confirmation_medecin {
        return BTreeSet::new();
    }
    let confirmed = month.confirmations.iter().filter(|q| q.reponse == Some(true));
    let confirmed: BTreeSet<_> = confirmed.flat_map(|q| &q.lignes).collect();
    let retained = month.lignes.iter().filter(|(_, due)| due.origine == Origine::Retenue);
    retained.map(|(id, _)| id).filter(|id| !confirmed.contains(id)).copied().collect()
}

/// A half-day was retained: the doctor is asked once the month is over.
pub(super) fn armer(tenue: &Tenue, cx: &Cx<'_>, effects: &mut Effects) {
    if cx.config.confirmation_medecin {
        let first = Mois::of(tenue.date).suivant().premier_jour();
        let at = cx.config.courriel_le(first, 0).max(cx.now);
        effects.push(Effect::WakeAt { at, reason: DEMANDER.to_owned() });
    }
}

/// Asks about every retained line that was not asked about.
pub(super) fn demander(month: &mut MedecinMois, cx: &Cx<'_>, effects: &mut Effects) {
    let asked: BTreeSet<_> = month.confirmations.iter().flat_map(|q| &q.lignes).copied().collect();
    let due = month.lignes.iter().filter(|(id, due)| {
        due.origine == Origine::Retenue && due.sort == Sort::Due && !asked.contains(*id)
    });
    let lignes: Vec<_> = due.map(|(id, _)| *id).collect();
    let Some(tenue) = someone(month).filter(|_| !lignes.is_empty()).cloned() else { return };
    let question = Confirmation { posee_le: cx.now, relances: 0, lignes, reponse: None };
    month.confirmations.push(question.clone());
    let number = u32::try_from(month.confirmations.len()).unwrap_or(u32::MAX);
    if tenue.medecin_courriel.is_empty() {
        let tache = task("confirmation-manuelle", number, &tenue, cx, effects);
        month.taches.insert(tache, Tache::Confirmation(number));
    } else {
        let modele = Modele::ConfirmationDemandee { mois: tenue.date };
        effects.push(Effect::Ask(mail(modele, &tenue, number, 0, cx)));
        effects.extend(reminder(&question, number, cx));
    }
}

/// Reminds the doctor of a question without an answer.
pub(super) fn rappeler(month: &mut MedecinMois, number: &str, cx: &Cx<'_>, effects: &mut Effects) {
    let Ok(number) = number.parse() else { return };
    let Some(tenue) = someone(month).cloned() else { return };
    let Some(question) = question_mut(month, number).filter(|q| q.reponse.is_none()) else {
        return;
    };
    question.relances += 1;
    let modele = Modele::ConfirmationRelance { mois: tenue.date };
    effects.push(Effect::Ask(mail(modele, &tenue, number, question.relances, cx)));
    effects.extend(reminder(question, number, cx));
}

/// The mail server took a mail: a reminder is announced.
pub(in crate::decide) fn envoyee(month: &MedecinMois, ask: &Ask, cx: &Cx<'_>) -> Decided {
    if ask.relance == 0 {
        return Ok(Decision::Ignore("courriel-parti"));
    }
    let relance = RelanceEnvoyee {
        relance: cx.id(&format!("relance {} {}", ask.courriel.reference, ask.relance)),
        destinataire: "medecin".to_owned(),
        canal: "courriel".to_owned(),
        rang: ask.relance,
        objet: ask.courriel.reference.clone(),
    };
    Ok(Decision::next(State::MedecinMois(month.clone())).publish(&relance))
}

/// The doctor answers.
pub(in crate::decide) fn repondre(
    state: Option<&State>,
    number: u32,
    confirme: bool,
    cx: &Cx<'_>,
) -> Decided {
    let mut month = month_of(state)?;
    match question_mut(&mut month, number) {
        None => return Err(Refusal::new("question-inconnue", "rien n'a été demandé au médecin")),
        Some(question) if question.reponse.is_some() => {
            return Ok(Decision::Ignore("question-close"));
        }
        Some(_) => {}
    }
    let mut effects = Effects::new();
    noter(&mut month, number, confirme, cx, &mut effects);
    Ok(next(State::MedecinMois(month), effects))
}

/// Notes an answer, the doctor's or a person's.
pub(super) fn noter(
    month: &mut MedecinMois,
    number: u32,
    confirme: bool,
    cx: &Cx<'_>,
    effects: &mut Effects,
) {
    let Some(question) = question_mut(month, number) else { return };
    question.reponse = Some(confirme);
    effects.push(Effect::CancelWake(format!("{RAPPEL}{number}")));
    if month.confirmations.iter().all(|q| q.reponse.is_some()) {
        effects.push(Effect::CancelAsks(COURRIEL));
    }
    close_about(month, effects, |t| *t == Tache::Confirmation(number));
    if confirme {
        transmettre(month, number, cx, effects);
    } else if let Some(tenue) = someone(month).cloned() {
        let tache = task("confirmation-refusee", number, &tenue, cx, effects);
        month.taches.insert(tache, Tache::ConfirmationRefusee(number));
    }
}

/// Gives what may be stated of a question to the next statements.
pub(super) fn transmettre(
    month: &mut MedecinMois,
    number: u32,
    cx: &Cx<'_>,
    effects: &mut Effects,
) {
    let lignes = lignes(month, number);
    let engagements = lignes.iter().filter_map(|id| month.lignes.get(id));
    let engagements: BTreeSet<_> = engagements.map(|due| due.engagement.clone()).collect();
    for engagement in engagements {
        hand_over(month, &engagement, cx, effects);
    }
}

/// The lines of a question.
pub(super) fn lignes(month: &MedecinMois, number: u32) -> Vec<Uuid> {
    let index = usize::try_from(number).unwrap_or(0).checked_sub(1);
    let question = index.and_then(|index| month.confirmations.get(index));
    question.map(|q| q.lignes.clone()).unwrap_or_default()
}

fn question_mut(month: &mut MedecinMois, number: u32) -> Option<&mut Confirmation> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    month.confirmations.get_mut(index)
}

/// Who the month is about: with an address, when one is known.
fn someone(month: &MedecinMois) -> Option<&Tenue> {
    let all = || month.vacations.values().filter_map(|suivi| suivi.tenue.as_ref());
    all().find(|tenue| !tenue.medecin_courriel.is_empty()).or_else(|| all().next())
}

fn mail(modele: Modele, of: &Tenue, number: u32, relance: u32, cx: &Cx<'_>) -> Ask {
    let lien = Lien {
        sujet: CONFIRMATION.to_owned(),
        cle: cx.key.to_owned(),
        question: number.to_string(),
        expire_le: cx.now + TimeDelta::days(i64::from(cx.config.validite_lien_jours)),
    };
    let reference = format!("confirmation {} {}", Mois::of(of.date), of.engagement);
    let (a, lien) = (of.medecin_courriel.clone(), Some(lien));
    Ask { courriel: Courriel { a, modele, reference, lien }, relance }
}

/// The next reminder of a question, if there is one: on a working day.
fn reminder(question: &Confirmation, number: u32, cx: &Cx<'_>) -> Option<Effect<crate::Indemnite>> {
    let sent = usize::try_from(question.relances).ok()?;
    let days = *cx.config.relances_jours.get(sent)?;
    let day = contact::jour_ouvre_suivant(plus(kernel::paris_date(question.posee_le), days));
    let at = kernel::paris_at(day, cx.config.heure_des_courriels);
    Some(Effect::WakeAt { at, reason: format!("{RAPPEL}{number}") })
}

fn task(gabarit: &str, number: u32, of: &Tenue, cx: &Cx<'_>, effects: &mut Effects) -> Uuid {
    let mois = Mois::of(of.date);
    let champs = [
        ("medecin", of.nom.clone()),
        ("rpps", of.rpps.to_string()),
        ("mois", mois.to_string()),
        ("question", number.to_string()),
    ];
    open_task(cx, gabarit, format!("confirmation/{mois}/{}", of.engagement), &champs, effects)
}

/// The page behind the link of a question.
pub(crate) fn question(month: &MedecinMois, number: u32) -> Option<Question> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let posed = month.confirmations.get(index)?;
    let titre = "Confirmation de vos présences".to_owned();
    if posed.reponse.is_some() {
        let texte = vec!["Cette question a déjà reçu une réponse.".to_owned()];
        return Some(Question { titre, texte, choix: Vec::new(), champs: Vec::new() });
    }
    let mut days: Vec<(NaiveDate, DemiJournee, String)> = Vec::new();
    for due in posed.lignes.iter().filter_map(|id| month.lignes.get(id)) {
        let all = month.vacations.values().filter_map(|suivi| suivi.tenue.as_ref());
        let of = all.into_iter().find(|t| t.engagement == due.engagement && t.date == due.date);
        days.push((due.date, due.demi_journee, of.map(|t| t.lieu_nom.clone()).unwrap_or_default()));
    }
    days.sort();
    let line = |(date, half, lieu): &(NaiveDate, DemiJournee, String)| {
        let half = match half {
            DemiJournee::Matin => "matin",
            DemiJournee::ApresMidi => "après-midi",
        };
        format!("{}, {half}, {lieu}", contact::date_en_lettres(*date))
    };
    let mut texte = vec!["Vos consultations solidaires :".to_owned()];
    texte.extend(days.iter().map(line));
    let choix = [("confirme", "Tout est exact"), ("conteste", "Une présence est inexacte")];
    let choix = choix.map(|(code, text)| (code.to_owned(), text.to_owned())).to_vec();
    Some(Question { titre, texte, choix, champs: Vec::new() })
}
