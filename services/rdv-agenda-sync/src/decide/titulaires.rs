//! Who holds which appointment: whoever no longer has it is told, in whatever order webhooks come.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::EngagementId;
use service::{Decision, Input};

use super::{Cx, Decide, Effets, deplace, dire};
use crate::{
    state::{Etat, EtatTitulaires, Evenement, RdvConnu},
    webhook::{Fait, Observation},
};

/// How long after its end an appointment's holder is remembered: deliveries are retried for a
/// little more than 8 days (`default_job_behaviour.rb`).
const MEMOIRE: TimeDelta = TimeDelta::days(10);

/// The holder of an appointment that ended then is forgotten.
pub(super) fn oublie(fin: DateTime<Utc>, cx: &Cx<'_>) -> bool {
    fin <= cx.now - MEMOIRE
}

/// An appointment was seen.
pub(super) fn decide(
    mut etat: EtatTitulaires,
    input: Input<crate::RdvAgendaSync>,
    cx: &Cx<'_>,
) -> Decide {
    let Input::Event(Evenement::Rdv { observation, siens, tous }) = input else {
        return Err(deplace());
    };
    etat.rdvs.retain(|_, r| !oublie(r.fin, cx));
    match vu(&mut etat, &observation, &siens, tous, cx) {
        Ok(effets) => Ok(Decision::next(Etat::Titulaires(etat)).with_all(effets)),
        Err(raison) => Ok(Decision::Ignore(raison)),
    }
}

fn vu(
    etat: &mut EtatTitulaires,
    observation: &Observation,
    siens: &[EngagementId],
    tous: Vec<EngagementId>,
    cx: &Cx<'_>,
) -> Result<Effets, &'static str> {
    let rdv = match &observation.fait {
        Fait::Rdv(rdv) => *rdv,
        Fait::Plage(_) | Fait::Absence(_) | Fait::Role(_) => return Err("pas-un-rdv"),
    };
    let (id, horodatage) = (observation.id, observation.horodatage);
    let connu = etat.rdvs.get(&id);
    if connu.is_some_and(|c| {
        c.horodatage > horodatage || (c.horodatage == horodatage && c.supprime && rdv.is_some())
    }) {
        return Err("observation-depassee");
    }
    let perdants = connu.map_or(tous, |connu| connu.engagements.clone());
    let fin = rdv.map(|r| r.fin).or(connu.map(|c| c.fin)).unwrap_or(cx.now);
    if !oublie(fin, cx) {
        let (supprime, engagements) = (rdv.is_none(), siens.to_vec());
        etat.rdvs.insert(id, RdvConnu { horodatage, fin, supprime, engagements });
    }
    let perdants = perdants.into_iter().filter(|e| !siens.contains(e));
    let perdants = perdants.map(|e| dire(&e, Evenement::RdvRetire { rdv: id, horodatage }));
    let siens = siens.iter().map(|e| dire(e, Evenement::Observe(observation.clone())));
    Ok(perdants.chain(siens).collect())
}
