//! What several engagements share: the doctor's cards, and each number's only owner.

use chrono::NaiveDate;
use contracts::{EngagementId, NumeroAm};
use service::{Decision, Refusal};

use super::{Cx, Decided, Effet, Event, State, Verdict};
use crate::state::{Attribution, Porteur, cle_engagement};

/// An engagement waits for a card of the doctor.
pub(super) fn suivre(porteur: Option<&Porteur>, engagement: &EngagementId) -> Decided {
    let mut porteur = porteur.cloned().unwrap_or_default();
    if !porteur.engagements.insert(engagement.clone()) {
        return Decision::Ignore("engagement-suivi");
    }
    let carte = porteur.carte;
    let decision = Decision::next(State::Medecin(porteur));
    match carte {
        Some(debut_validite) => decision.with(dire(engagement, debut_validite)),
        None => decision,
    }
}

/// A card was seen. Only the latest start matters: a card that holds the mission begins after the
/// number was created.
pub(super) fn carte(porteur: Option<&Porteur>, debut_validite: NaiveDate) -> Decided {
    let mut porteur = porteur.cloned().unwrap_or_default();
    if porteur.carte.is_some_and(|known| known >= debut_validite) {
        return Decision::Ignore("carte-anterieure");
    }
    porteur.carte = Some(debut_validite);
    let told: Vec<Effet> = porteur.engagements.iter().map(|id| dire(id, debut_validite)).collect();
    Decision::next(State::Medecin(porteur)).with_all(told)
}

fn dire(engagement: &EngagementId, debut_validite: NaiveDate) -> Effet {
    Effet::Tell { key: cle_engagement(engagement), event: Event::Carte { debut_validite } }
}

/// An engagement was given a number: the first one keeps it.
pub(super) fn reserver(
    attribution: Option<&Attribution>,
    engagement: &EngagementId,
    cx: &Cx<'_>,
) -> Verdict {
    let numero_am: NumeroAm = cx
        .key
        .strip_prefix("numero/")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Refusal::new("etat-inattendu", "not a number's key"))?;
    let owner =
        attribution.cloned().unwrap_or_else(|| Attribution { engagement: engagement.clone() });
    let accordee = owner.engagement == *engagement;
    Ok(Decision::next(State::Numero(owner))
        .tell(cle_engagement(engagement), Event::Reservation { numero_am, accordee }))
}
