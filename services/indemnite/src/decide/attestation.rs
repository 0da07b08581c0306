//! A site's day: one mail asks the site who was there, two reminders follow, the answer is told to
//! each doctor's month. A doctor who appears after the mail is asked about in a further question.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use contact::{Courriel, Lien, Modele, Question};
use contracts::{DemiJournee, LieuId, messages::RelanceEnvoyee};
use service::{Decision, Effect, Refusal};
use uuid::Uuid;

use super::{Cx, Decided, Effects, OBSERVE, attestation_of, close_task, next, open_task, tell};
use crate::{
    agency::{Ask, COURRIEL},
    config::plus,
    state::{Attestation, Presence, QuestionPosee, State, Tenue, cle_medecin_mois},
    wire::{Choix, Event},
};

const DEMANDER: &str = "demander";
const RELANCE: &str = "relance/";

/// An engagement tells a day of consultation.
pub(super) fn a_attester(state: Option<&State>, tenue: Tenue, cx: &Cx<'_>) -> Decided {
    let known = attestation_of(state)?;
    let mut day =
        known.unwrap_or_else(|| Attestation { presences: BTreeMap::new(), questions: Vec::new() });
    let engagement = tenue.engagement.clone();
    let before = day.presences.get(&engagement);
    if before.is_some_and(|p| p.tenue.version >= tenue.version) {
        return Ok(Decision::Ignore("depasse"));
    }
    let (question, reponse) = before.map_or((None, None), |p| (p.question, p.reponse));
    let held = !tenue.demi_journees.is_empty();
    let date = tenue.date;
    // What is no longer held leaves its question; if it comes back, it is asked about anew.
    let question = question.filter(|_| held || reponse.is_some());
    day.presences.insert(engagement, Presence { tenue, question, reponse });
    let mut effects = Effects::new();
    if held && question.is_none() && reponse.is_none() {
        let at = cx.config.courriel_le(date, 1).max(cx.now);
        effects.push(Effect::WakeAt { at, reason: DEMANDER.to_owned() });
    }
    close_empty_questions(&mut day, &mut effects);
    Ok(next(State::Attestation(day), effects))
}

/// Time to ask, or to remind.
pub(super) fn wake(day: &Attestation, reason: &str, cx: &Cx<'_>) -> Decided {
    if reason == DEMANDER {
        return ask(day.clone(), cx);
    }
    match reason.strip_prefix(RELANCE).and_then(|n| n.parse().ok()) {
        Some(number) => remind(day.clone(), number, cx),
        None => Ok(Decision::Ignore("reveil-sans-objet")),
    }
}

fn ask(mut day: Attestation, cx: &Cx<'_>) -> Decided {
    let number = number_of(day.questions.len() + 1);
    let mut asked = Vec::new();
    for presence in day.presences.values_mut() {
        let held = !presence.tenue.demi_journees.is_empty();
        if held && presence.question.is_none() && presence.reponse.is_none() {
            presence.question = Some(number);
            asked.push(presence.tenue.clone());
        }
    }
    let Some(first) = asked.first() else {
        return Ok(Decision::Ignore("rien-a-attester"));
    };
    let mut effects = Effects::new();
    let mut posed = QuestionPosee { posee_le: cx.now, relances: 0, close: false, tache: None };
    match contact_of(first, cx) {
        Some(to) => {
            let modele = Modele::AttestationDemandee { date: first.date };
            effects.push(Effect::Ask(mail(to, modele, first, number, 0, cx)));
            effects.extend(reminder(&posed, number, cx));
        }
        None => posed.tache = Some(manual(&asked, first, cx, &mut effects)),
    }
    day.questions.push(posed);
    Ok(next(State::Attestation(day), effects))
}

fn remind(mut day: Attestation, number: u32, cx: &Cx<'_>) -> Decided {
    let first = members(&day, number).next().map(|p| p.tenue.clone());
    let question = question_mut(&mut day, number).filter(|q| !q.close);
    let (Some(question), Some(first)) = (question, first) else {
        return Ok(Decision::Ignore("question-close"));
    };
    let Some(to) = contact_of(&first, cx) else {
        return Ok(Decision::Ignore("sans-adresse"));
    };
    question.relances += 1;
    let (question, rang) = (question.clone(), question.relances);
    let modele = Modele::AttestationRelance { date: first.date };
    let mut effects = vec![Effect::Ask(mail(to, modele, &first, number, rang, cx))];
    effects.extend(reminder(&question, number, cx));
    Ok(next(State::Attestation(day), effects))
}

/// The mail server took a mail: a reminder is announced.
pub(super) fn envoyee(state: Option<&State>, ask: &Ask, cx: &Cx<'_>) -> Decided {
    let (Some(day), true) = (attestation_of(state)?, ask.relance > 0) else {
        return Ok(Decision::Ignore("courriel-parti"));
    };
    let question = ask.courriel.lien.as_ref().map_or("", |lien| lien.question.as_str());
    let relance = RelanceEnvoyee {
        relance: cx.id(&format!("relance {question} {}", ask.relance)),
        destinataire: "lieu".to_owned(),
        canal: "courriel".to_owned(),
        rang: ask.relance,
        objet: cx.key.to_owned(),
    };
    Ok(Decision::next(State::Attestation(day)).publish(&relance))
}

/// The site answers.
pub(super) fn attestee(state: Option<&State>, number: u32, choix: &Choix) -> Decided {
    let Some(day) = attestation_of(state)? else {
        return Err(Refusal::new("question-inconnue", "aucune attestation n'est attendue ici"));
    };
    answer(day, number, choix, OBSERVE)
}

/// An operator closes the task that stands for the mail; without an answer, the question stays
/// open.
pub(super) fn tache_fermee(
    day: &Attestation,
    tache: Uuid,
    champs: &BTreeMap<String, String>,
    par: &str,
) -> Decided {
    let open = day.questions.iter().position(|q| q.tache == Some(tache) && !q.close);
    let Some(index) = open else { return Ok(Decision::Ignore("tache-close")) };
    match champs.get("choix").map(|text| text.parse::<Choix>()) {
        Some(Ok(choix)) => answer(day.clone(), number_of(index + 1), &choix, par),
        Some(Err(reason)) => Err(Refusal::new("choix-inconnu", reason)),
        None => {
            let (mut day, mut effects) = (day.clone(), Effects::new());
            day.questions[index].tache = None;
            close_task(tache, par, &mut effects);
            Ok(next(State::Attestation(day), effects))
        }
    }
}

fn answer(mut day: Attestation, number: u32, choix: &Choix, par: &str) -> Decided {
    let Some(question) = question_mut(&mut day, number) else {
        return Ok(Decision::Ignore("question-inconnue"));
    };
    if question.close {
        return Ok(Decision::Ignore("question-close"));
    }
    let mut told = Effects::new();
    for (engagement, presence) in &mut day.presences {
        if presence.question != Some(number) || presence.reponse.is_some() {
            continue;
        }
        let Some(present) = choix.presence(engagement) else { continue };
        presence.reponse = Some(present);
        let Tenue { rpps, date, .. } = &presence.tenue;
        let event = Event::Presence { engagement: engagement.clone(), date: *date, present };
        told.push(tell(cle_medecin_mois(rpps, *date), event));
    }
    if told.is_empty() {
        return Ok(Decision::Ignore("rien-de-nouveau"));
    }
    let mut effects = Effects::new();
    // A doctor said to be absent leaves the others to be answered for.
    if members(&day, number).next().is_none() {
        close(&mut day, number, par, &mut effects);
    }
    effects.extend(told);
    Ok(next(State::Attestation(day), effects))
}

/// Closes a question: nobody is reminded of it any more.
fn close(day: &mut Attestation, number: u32, par: &str, effects: &mut Effects) {
    let Some(question) = question_mut(day, number) else { return };
    question.close = true;
    effects.push(Effect::CancelWake(format!("{RELANCE}{number}")));
    if let Some(tache) = question.tache.take() {
        close_task(tache, par, effects);
    }
    if day.questions.iter().all(|q| q.close) {
        effects.push(Effect::CancelAsks(COURRIEL));
    }
}

/// Questions without anybody left in them are closed, and nobody is reminded of them.
fn close_empty_questions(day: &mut Attestation, effects: &mut Effects) {
    for index in 0..day.questions.len() {
        let number = number_of(index + 1);
        if !day.questions[index].close && members(day, number).next().is_none() {
            close(day, number, OBSERVE, effects);
        }
    }
}

fn members(day: &Attestation, number: u32) -> impl Iterator<Item = &Presence> {
    day.presences.values().filter(move |p| p.question == Some(number) && p.reponse.is_none())
}

fn question_mut(day: &mut Attestation, number: u32) -> Option<&mut QuestionPosee> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    day.questions.get_mut(index)
}

fn number_of(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Where the site reads its mail: what the register says, or said.
fn contact_of(tenue: &Tenue, cx: &Cx<'_>) -> Option<String> {
    let registered = cx.referentiel.lieu(&tenue.lieu).and_then(|l| l.contact_courriel.clone());
    registered.or_else(|| tenue.contact_courriel.clone()).filter(|a| !a.is_empty())
}

fn mail(to: String, modele: Modele, of: &Tenue, number: u32, relance: u32, cx: &Cx<'_>) -> Ask {
    let lien = Lien {
        sujet: "attestation".to_owned(),
        cle: cx.key.to_owned(),
        question: number.to_string(),
        expire_le: cx.now + TimeDelta::days(i64::from(cx.config.validite_lien_jours)),
    };
    let reference = reference(&of.lieu, of.date);
    Ask { courriel: Courriel { a: to, modele, reference, lien: Some(lien) }, relance }
}

fn reference(lieu: &LieuId, date: NaiveDate) -> String {
    format!("attestation {lieu} {date}")
}

/// The next reminder of a question after `sent` of them, if there is one: on a working day.
fn reminder(
    question: &QuestionPosee,
    number: u32,
    cx: &Cx<'_>,
) -> Option<Effect<crate::Indemnite>> {
    let sent = usize::try_from(question.relances).ok()?;
    let days = *cx.config.relances_jours.get(sent)?;
    let day = contact::jour_ouvre_suivant(plus(kernel::paris_date(question.posee_le), days));
    let at = kernel::paris_at(day, cx.config.heure_des_courriels);
    Some(Effect::WakeAt { at, reason: format!("{RELANCE}{number}") })
}

fn manual(asked: &[Tenue], first: &Tenue, cx: &Cx<'_>, effects: &mut Effects) -> Uuid {
    let names: Vec<_> = asked.iter().map(line_about).collect();
    let choices = choices(asked).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    let champs = [
        ("lieu", first.lieu_nom.clone()),
        ("date", first.date.to_string()),
        ("medecins", names.join(" ; ")),
        ("choix_possibles", choices.join(" ; ")),
    ];
    let objet = format!("lieu/{}", first.lieu);
    open_task(cx, "attestation-manuelle", objet, &champs, effects)
}

/// The page behind the link of a question.
pub(crate) fn question(day: &Attestation, number: u32) -> Option<Question> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let posed = day.questions.get(index)?;
    let asked: Vec<_> = members(day, number).map(|p| p.tenue.clone()).collect();
    let (Some(first), false) = (asked.first(), posed.close) else {
        return Some(Question {
            titre: "Attestation de présence".to_owned(),
            texte: vec!["Cette question a déjà reçu une réponse, ou n'a plus d'objet.".to_owned()],
            choix: Vec::new(),
            champs: Vec::new(),
        });
    };
    let date = contact::date_en_lettres(first.date);
    let mut texte = vec![format!("Consultations solidaires à « {} », le {date} :", first.lieu_nom)];
    texte.extend(asked.iter().map(line_about));
    let titre = "Attestation de présence".to_owned();
    Some(Question { titre, texte, choix: choices(&asked), champs: Vec::new() })
}

fn line_about(tenue: &Tenue) -> String {
    let halves = tenue.demi_journees.iter().map(|d| match d {
        DemiJournee::Matin => "le matin",
        DemiJournee::ApresMidi => "l'après-midi",
    });
    format!("Dr {}, {}", tenue.nom, halves.collect::<Vec<_>>().join(" et "))
}

fn choices(asked: &[Tenue]) -> Vec<(String, String)> {
    if let [only] = asked {
        return vec![
            (Choix::Presents.to_string(), format!("Dr {} était présent", only.nom)),
            (Choix::Absents.to_string(), format!("Dr {} était absent", only.nom)),
        ];
    }
    let all = (Choix::Presents.to_string(), "Tous les médecins étaient présents".to_owned());
    let but = asked.iter().map(|t| {
        let code = Choix::Absent(t.engagement.clone()).to_string();
        (code, format!("Dr {} était absent ; je réponds ensuite pour les autres", t.nom))
    });
    let none = (Choix::Absents.to_string(), "Aucun médecin n'était présent".to_owned());
    std::iter::once(all).chain(but).chain([none]).collect()
}
