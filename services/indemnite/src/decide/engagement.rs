//! An engagement decides which half-days count: held, and on a day with the right to practise. It
//! keeps what comes before the activity is known, and tells every change further.
//!
//! A snapshot that changes nothing is still taken over, never ignored: the frame then knows its
//! sequence, and an older one that comes late cannot undo it.

use chrono::NaiveDate;
use contracts::{
    DemiJournee,
    messages::{Activite, FacturationOuverte, Vacation},
};

use super::{Decided, Effects, engagement_of, next, tell};
use crate::{
    state::{Engagement, State, Tenue, VacationConnue, cle_attestation, cle_medecin_mois},
    wire::Event,
};

/// A snapshot of the activity, whatever its type.
pub(super) fn activite(state: Option<&State>, activite: &Activite) -> Decided {
    let mut engagement = engagement_of(state)?;
    engagement.activite = Some(activite.clone());
    let dates: Vec<_> = engagement.vacations.keys().copied().collect();
    finish(engagement, &dates)
}

/// A snapshot of how the doctor bills at the site.
pub(super) fn facturation(state: Option<&State>, facturation: &FacturationOuverte) -> Decided {
    let mut engagement = engagement_of(state)?;
    let mut effects = Effects::new();
    if engagement.facturation.as_ref() != Some(facturation) {
        engagement.facturation = Some(facturation.clone());
        let months = told_months(&engagement);
        tell_billing(&mut engagement, &months, &mut effects);
    }
    Ok(next(State::Engagement(Box::new(engagement)), effects))
}

/// A snapshot of a day of consultation; `realisee` when it is past and was not cancelled.
pub(super) fn vacation(state: Option<&State>, vacation: &Vacation, realisee: bool) -> Decided {
    let mut engagement = engagement_of(state)?;
    let mut demi_journees = vacation.demi_journees.clone();
    demi_journees.sort_unstable();
    demi_journees.dedup();
    let rdv_honores = vacation.rdv_honores;
    let dit = engagement.vacations.get(&vacation.date).and_then(|v| v.dit.clone());
    let known = VacationConnue { realisee, demi_journees, rdv_honores, dit };
    engagement.vacations.insert(vacation.date, known);
    finish(engagement, &[vacation.date])
}

/// Tells what changed of some days, once the activity is known.
fn finish(mut engagement: Engagement, dates: &[NaiveDate]) -> Decided {
    let mut effects = Effects::new();
    let months_before = told_months(&engagement);
    for date in dates {
        tell_day(&mut engagement, *date, &mut effects);
    }
    let mut new_months = told_months(&engagement);
    new_months.retain(|month| !months_before.contains(month));
    tell_billing(&mut engagement, &new_months, &mut effects);
    Ok(next(State::Engagement(Box::new(engagement)), effects))
}

/// The half-days of a day that count.
fn counting(engagement: &Engagement, date: NaiveDate) -> (Vec<DemiJournee>, u32) {
    let autorise = engagement.activite.as_ref().is_none_or(|a| a.autorise(date));
    match engagement.vacations.get(&date) {
        Some(known) if known.realisee && autorise => {
            (known.demi_journees.clone(), known.rdv_honores)
        }
        Some(_) | None => (Vec::new(), 0),
    }
}

fn tell_day(engagement: &mut Engagement, date: NaiveDate, effects: &mut Effects) {
    let Some(activite) = engagement.activite.clone() else { return };
    let (demi_journees, rdv_honores) = counting(engagement, date);
    let version = engagement.version + 1;
    let Some(known) = engagement.vacations.get_mut(&date) else { return };
    let unchanged = match &known.dit {
        None => demi_journees.is_empty(),
        Some(dit) => *dit == (demi_journees.clone(), rdv_honores),
    };
    if unchanged {
        return;
    }
    known.dit = Some((demi_journees.clone(), rdv_honores));
    engagement.version = version;
    let medecin = &activite.medecin;
    let tenue = Tenue {
        version,
        engagement: activite.engagement.clone(),
        rpps: medecin.rpps.clone(),
        nom: format!("{} {}", medecin.nom.to_uppercase(), medecin.prenom),
        medecin_courriel: medecin.courriel.clone(),
        lieu: activite.lieu.id.clone(),
        lieu_nom: activite.lieu.nom.clone(),
        contact_courriel: activite.lieu.contact_courriel.clone(),
        date,
        demi_journees,
        rdv_honores,
    };
    let month = cle_medecin_mois(&medecin.rpps, date);
    effects.push(tell(month, Event::Tenue(Box::new(tenue.clone()))));
    let site = cle_attestation(&activite.lieu.id, date);
    effects.push(tell(site, Event::AAttester(Box::new(tenue))));
}

/// The doctor's months that were told of at least one day.
fn told_months(engagement: &Engagement) -> Vec<String> {
    let Some(activite) = &engagement.activite else { return Vec::new() };
    let told = engagement.vacations.iter().filter(|(_, known)| known.dit.is_some());
    let mut months: Vec<_> =
        told.map(|(date, _)| cle_medecin_mois(&activite.medecin.rpps, *date)).collect();
    months.dedup();
    months
}

fn tell_billing(engagement: &mut Engagement, months: &[String], effects: &mut Effects) {
    let Some(facturation) = engagement.facturation.clone() else { return };
    if months.is_empty() {
        return;
    }
    engagement.version += 1;
    for month in months {
        let facturation = Box::new(facturation.clone());
        let event = Event::Facturation { version: engagement.version, facturation };
        effects.push(tell(month.clone(), event));
    }
}
