//! A doctor's month decides what is owed: one line per (doctor, day, half-day), whatever the
//! sites; once settled, a vacation is never decided again, only corrected by a person.

mod attente;
mod confirmation;
mod lignes;
mod plafond;

pub(crate) use confirmation::{CONFIRMATION, choix, question};
pub(super) use confirmation::{envoyee, repondre};
pub(super) use lignes::{corriger, payee, rejetee, tache_fermee};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    DemiJournee, EngagementId, Rib, Rpps, VacationId,
    messages::{FacturationOuverte, IndemniteRetenue, Ligne, LigneEtat},
};
use kernel::derive_id;
use service::{Decision, Effect, Refusal};
use uuid::Uuid;

use super::{Cx, Decided, Effects, OBSERVE, close_task, month_of, next, open_task, tell};
use crate::{
    state::{LigneDue, MedecinMois, Origine, Sort, State, Suivi, Tache, Tenue, cle_etat},
    wire::Event,
};

/// The id of the line of a half-day: two claims of the same half-day are the same line.
pub(crate) fn ligne_id(rpps: &Rpps, date: NaiveDate, demi_journee: DemiJournee) -> Uuid {
    let date = date.to_string();
    derive_id(&["indemnite", "ligne", rpps.as_str(), &date, demi_journee.as_str()])
}

/// An engagement tells a day of consultation.
pub(super) fn tenue(state: Option<&State>, tenue: Tenue, cx: &Cx<'_>) -> Decided {
    let mut month = month_of(state)?;
    let id = tenue.vacation();
    let suivi = month.vacations.entry(id.clone()).or_default();
    if suivi.tenue.as_ref().is_some_and(|known| known.version >= tenue.version) {
        return Ok(Decision::Ignore("depasse"));
    }
    if !tenue.demi_journees.is_empty() && suivi.connue_le.is_none() {
        suivi.connue_le = Some(cx.today());
    }
    suivi.tenue = Some(tenue);
    let mut effects = Effects::new();
    settle(&mut month, &id, cx, &mut effects)?;
    Ok(next(State::MedecinMois(month), effects))
}

/// A site attests, or does not.
pub(super) fn presence(
    state: Option<&State>,
    engagement: &EngagementId,
    date: NaiveDate,
    present: bool,
    cx: &Cx<'_>,
) -> Decided {
    let mut month = month_of(state)?;
    let id = VacationId::new(engagement, date);
    let suivi = month.vacations.entry(id.clone()).or_default();
    if suivi.presence.is_some() {
        return Ok(Decision::Ignore("presence-connue"));
    }
    suivi.presence = Some(present);
    let mut effects = Effects::new();
    settle(&mut month, &id, cx, &mut effects)?;
    Ok(next(State::MedecinMois(month), effects))
}

/// How the doctor bills at a site: lines wait for the number and for the bank details.
pub(super) fn facturation(
    state: Option<&State>,
    version: u64,
    facturation: &FacturationOuverte,
    cx: &Cx<'_>,
) -> Decided {
    let mut month = month_of(state)?;
    let engagement = facturation.engagement.clone();
    if month.facturations.get(&engagement).is_some_and(|(known, _)| *known >= version) {
        return Ok(Decision::Ignore("depasse"));
    }
    month.facturations.insert(engagement.clone(), (version, facturation.clone()));
    let mut effects = Effects::new();
    hand_over(&mut month, &engagement, cx, &mut effects);
    Ok(next(State::MedecinMois(month), effects))
}

/// The site's delay to contradict the agenda is over, or lines waited too long.
pub(super) fn reveil(month: &MedecinMois, reason: &str, cx: &Cx<'_>) -> Decided {
    let (mut month, mut effects) = (month.clone(), Effects::new());
    let engagement = reason.strip_prefix(attente::FACTURATION).and_then(|id| id.parse().ok());
    let vacation = reason.strip_prefix(ECHEANCE).and_then(|id| id.parse::<VacationId>().ok());
    if let Some(engagement) = engagement {
        attente::signaler(&mut month, &engagement, cx, &mut effects);
    } else if reason == confirmation::DEMANDER {
        confirmation::demander(&mut month, cx, &mut effects);
    } else if let Some(number) = reason.strip_prefix(confirmation::RAPPEL) {
        confirmation::rappeler(&mut month, number, cx, &mut effects);
    } else if let Some(id) = vacation.filter(|id| month.vacations.contains_key(id)) {
        settle(&mut month, &id, cx, &mut effects)?;
    } else {
        return Ok(Decision::Ignore("reveil-sans-objet"));
    }
    Ok(next(State::MedecinMois(month), effects))
}

const ECHEANCE: &str = "echeance/";

/// When an agenda without contradiction is enough: some days after the vacation, or after the day
/// before it was known, when it was known late.
fn echeance_at(date: NaiveDate, connue_le: NaiveDate, cx: &Cx<'_>) -> DateTime<Utc> {
    let from = date.max(connue_le.pred_opt().unwrap_or(connue_le));
    cx.config.courriel_le(from, cx.config.delai_sans_attestation_jours)
}

/// What can be said of a vacation that is not settled.
enum Verdict {
    /// Nothing is owed, as things stand.
    Rien,
    /// Not before this instant.
    Attendre(DateTime<Utc>),
    /// The site says absent, the agenda shows honoured appointments.
    Contestee,
    /// Owed.
    Payable,
}

fn verdict(suivi: &Suivi, tenue: &Tenue, cx: &Cx<'_>) -> Verdict {
    let seen = tenue.rdv_honores >= cx.config.rdv_minimum;
    if tenue.demi_journees.is_empty() {
        return Verdict::Rien;
    }
    match suivi.presence {
        Some(true) => Verdict::Payable,
        Some(false) if seen => Verdict::Contestee,
        Some(false) => Verdict::Rien,
        None => {
            let connue_le = suivi.connue_le.unwrap_or(tenue.date);
            let due = echeance_at(tenue.date, connue_le, cx);
            match (cx.now >= due, seen) {
                (false, _) => Verdict::Attendre(due),
                (true, true) => Verdict::Payable,
                (true, false) => Verdict::Rien,
            }
        }
    }
}

/// Takes stock of one vacation after something of it changed.
fn settle(
    month: &mut MedecinMois,
    id: &VacationId,
    cx: &Cx<'_>,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let Some(suivi) = month.vacations.get_mut(id) else { return Ok(()) };
    let Some(tenue) = suivi.tenue.clone() else { return Ok(()) };
    let wake = format!("{ECHEANCE}{id}");
    if suivi.retenue.is_some() {
        watch_settled(month, id, &tenue, cx, effects);
        return Ok(());
    }
    match verdict(suivi, &tenue, cx) {
        Verdict::Rien => effects.push(Effect::CancelWake(wake)),
        Verdict::Attendre(at) => effects.push(Effect::WakeAt { at, reason: wake }),
        Verdict::Contestee => {
            effects.push(Effect::CancelWake(wake));
            if !suivi.contestee {
                suivi.contestee = true;
                let tache = task(cx, "presence-contestee", &tenue, effects);
                month.taches.insert(tache, Tache::PresenceContestee(id.clone()));
            }
        }
        Verdict::Payable => {
            effects.push(Effect::CancelWake(wake));
            retain(month, id, &tenue, cx, effects)?;
        }
    }
    Ok(())
}

/// Settles a vacation: its half-days become lines, but those that another site has already.
fn retain(
    month: &mut MedecinMois,
    id: &VacationId,
    tenue: &Tenue,
    cx: &Cx<'_>,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let centimes = cx.config.bareme(tenue.date).ok_or_else(|| {
        Refusal::new("sans-bareme", format!("aucun barème ne couvre le {}", tenue.date))
    })?;
    let mut twice = false;
    for demi_journee in &tenue.demi_journees {
        let ligne = ligne_id(&tenue.rpps, tenue.date, *demi_journee);
        if month.lignes.contains_key(&ligne) {
            twice = true;
            continue;
        }
        let due = LigneDue {
            engagement: tenue.engagement.clone(),
            date: tenue.date,
            demi_journee: *demi_journee,
            centimes,
            origine: Origine::Retenue,
            cpam: None,
            sort: Sort::Due,
        };
        let fact = IndemniteRetenue(fact_of(ligne, &due, &tenue.rpps));
        effects.push(Effect::publish(&fact));
        month.lignes.insert(ligne, due);
    }
    if let Some(suivi) = month.vacations.get_mut(id) {
        suivi.retenue = Some(tenue.demi_journees.clone());
    }
    if twice {
        let tache = task(cx, "double-presence", tenue, effects);
        month.taches.insert(tache, Tache::DoublePresence(id.clone()));
    }
    close_about(month, effects, |t| *t == Tache::PresenceContestee(id.clone()));
    plafond::suivre(month, tenue, cx, effects);
    confirmation::armer(tenue, cx, effects);
    hand_over(month, &tenue.engagement, cx, effects);
    Ok(())
}

/// A settled vacation that says something else than what was settled is shown to a person, until
/// it says the same again; the lines stay.
fn watch_settled(
    month: &mut MedecinMois,
    id: &VacationId,
    tenue: &Tenue,
    cx: &Cx<'_>,
    effects: &mut Effects,
) {
    let Some(suivi) = month.vacations.get(id) else { return };
    let (settled, denied) = (suivi.retenue.clone(), suivi.presence == Some(false));
    let agrees = settled.as_ref() == Some(&tenue.demi_journees) && !denied;
    let about = Tache::AVerifier(id.clone());
    let shown = month.taches.values().any(|t| *t == about);
    match (agrees, shown) {
        (true, true) => close_about(month, effects, |t| *t == about),
        (false, false) => {
            let tache = task(cx, "indemnite-a-verifier", tenue, effects);
            month.taches.insert(tache, about);
        }
        (true, false) | (false, true) => {}
    }
}

fn close_about(month: &mut MedecinMois, effects: &mut Effects, about: impl Fn(&Tache) -> bool) {
    month.taches.retain(|tache, what| {
        let done = about(what);
        if done {
            close_task(*tache, OBSERVE, effects);
        }
        !done
    });
}

fn task(cx: &Cx<'_>, gabarit: &str, tenue: &Tenue, effects: &mut Effects) -> Uuid {
    let halves: Vec<_> = tenue.demi_journees.iter().map(|d| d.as_str()).collect();
    let champs = [
        ("medecin", tenue.nom.clone()),
        ("rpps", tenue.rpps.to_string()),
        ("lieu", tenue.lieu_nom.clone()),
        ("date", tenue.date.to_string()),
        ("demi_journees", halves.join(", ")),
        ("rdv_honores", tenue.rdv_honores.to_string()),
    ];
    open_task(cx, gabarit, format!("vacation/{}", tenue.vacation()), &champs, effects)
}

/// Gives every line of an engagement that waits for it to the CPAM's next statement, once the
/// number exists and the CPAM has the bank details; each line once, for ever.
fn hand_over(
    month: &mut MedecinMois,
    engagement: &EngagementId,
    cx: &Cx<'_>,
    effects: &mut Effects,
) {
    let billing = month.facturations.get(engagement).map(|(_, billing)| billing.clone());
    if let Some(billing) = billing.filter(|b| b.rib == Rib::Present) {
        let unconfirmed = confirmation::attendues(month, cx);
        for (id, due) in &mut month.lignes {
            if unconfirmed.contains(id)
                || due.engagement != *engagement
                || due.cpam.is_some()
                || due.sort != Sort::Due
            {
                continue;
            }
            let tenue = month.vacations.get(&VacationId::new(engagement, due.date));
            let Some(tenue) = tenue.and_then(|s| s.tenue.as_ref()) else { continue };
            due.cpam = Some(billing.cpam.clone());
            let ligne = Box::new(stated(*id, due, tenue, &billing));
            let event = Event::Ligne { cpam: billing.cpam.clone(), ligne };
            effects.push(tell(cle_etat(&billing.cpam), event));
        }
    }
    attente::suivre(month, engagement, cx, effects);
}

/// A line as the CPAM reads it.
fn stated(ligne: Uuid, due: &LigneDue, tenue: &Tenue, billing: &FacturationOuverte) -> LigneEtat {
    LigneEtat {
        ligne,
        rpps: tenue.rpps.clone(),
        nom: tenue.nom.clone(),
        numero_am: billing.numero_am.clone(),
        lieu: tenue.lieu.clone(),
        date: due.date,
        demi_journee: due.demi_journee,
        centimes: due.centimes,
        corrige: match &due.origine {
            Origine::Retenue => None,
            Origine::Correction { de, .. } | Origine::Representation { de, .. } => Some(*de),
        },
    }
}

fn fact_of(ligne: Uuid, due: &LigneDue, rpps: &Rpps) -> Ligne {
    Ligne {
        ligne,
        rpps: rpps.clone(),
        date: due.date,
        demi_journee: due.demi_journee,
        engagement: due.engagement.clone(),
        centimes: due.centimes,
    }
}
