//! Lines that wait for a number or for bank details: after some days a person is told, because
//! half-days stay owed even when the activity ended and nobody is reminded any more.

use contracts::{Centimes, EngagementId, Rib};
use service::Effect;

use super::close_about;
use crate::{
    decide::{Cx, Effects, open_task},
    state::{LigneDue, MedecinMois, Sort, Tache},
};

/// Reason of the wake-up, followed by the engagement.
pub(super) const FACTURATION: &str = "facturation/";

fn waiting<'a>(
    month: &'a MedecinMois,
    engagement: &'a EngagementId,
) -> impl Iterator<Item = &'a LigneDue> {
    let all = month.lignes.values();
    all.filter(move |l| l.engagement == *engagement && l.cpam.is_none() && l.sort == Sort::Due)
}

/// Lines begin to wait, or do not any more.
pub(super) fn suivre(
    month: &mut MedecinMois,
    engagement: &EngagementId,
    cx: &Cx<'_>,
    effects: &mut Effects,
) {
    let waits = waiting(month, engagement).next().is_some();
    match (waits, month.attentes.contains_key(engagement)) {
        (true, false) => armer(month, engagement, cx, effects),
        (false, true) => {
            month.attentes.remove(engagement);
            effects.push(Effect::CancelWake(format!("{FACTURATION}{engagement}")));
            let about = Tache::FacturationManquante(engagement.clone());
            close_about(month, effects, |t| *t == about);
        }
        (true, true) | (false, false) => {}
    }
}

/// Counts the delay from today on.
pub(super) fn armer(
    month: &mut MedecinMois,
    engagement: &EngagementId,
    cx: &Cx<'_>,
    effects: &mut Effects,
) {
    let today = cx.today();
    month.attentes.insert(engagement.clone(), today);
    let at = cx.config.courriel_le(today, cx.config.delai_facturation_jours);
    effects.push(Effect::WakeAt { at, reason: format!("{FACTURATION}{engagement}") });
}

/// The delay is over: the DNS is told, with what is owed.
pub(super) fn signaler(
    month: &mut MedecinMois,
    engagement: &EngagementId,
    cx: &Cx<'_>,
    effects: &mut Effects,
) {
    let owed: Centimes = waiting(month, engagement).map(|l| l.centimes).sum();
    let lines = waiting(month, engagement).count();
    let about = Tache::FacturationManquante(engagement.clone());
    if lines == 0 || month.taches.values().any(|t| *t == about) {
        return;
    }
    let tenue = month.vacations.values().filter_map(|s| s.tenue.as_ref());
    let tenue = tenue.into_iter().find(|t| t.engagement == *engagement);
    let missing = match month.facturations.get(engagement) {
        None => "numero_am",
        Some((_, billing)) if billing.rib != Rib::Present => "rib",
        Some(_) => "confirmation",
    };
    let champs = [
        ("engagement", engagement.to_string()),
        ("manque", missing.to_owned()),
        ("medecin", tenue.map(|t| t.nom.clone()).unwrap_or_default()),
        ("rpps", tenue.map(|t| t.rpps.to_string()).unwrap_or_default()),
        ("lieu", tenue.map(|t| t.lieu_nom.clone()).unwrap_or_default()),
        ("demi_journees", lines.to_string()),
        ("centimes", owed.0.to_string()),
    ];
    let objet = format!("facturation/{engagement}");
    let tache = open_task(cx, "facturation-manquante", objet, &champs, effects);
    month.taches.insert(tache, about);
}
