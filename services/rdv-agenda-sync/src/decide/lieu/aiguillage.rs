//! Who a webhook is for: the engagements whose agent it names; and who no longer has it.

use chrono::TimeDelta;
use contracts::EngagementId;
use service::Effect;

use super::super::{Cx, Effets};
use crate::{
    RdvAgendaSync,
    state::{EtatLieu, Evenement, RdvConnu, cle_engagement},
    webhook::{Fait, Observation, Rdv},
    wire::Agent,
};

/// How long after its end an appointment's holder is remembered: deliveries are retried for a
/// little more than 8 days (`default_job_behaviour.rb`).
const MEMOIRE: TimeDelta = TimeDelta::days(10);

/// Most records kept for agents that no engagement knows: a site's own staff may be many.
const ORPHELINS_MAX: usize = 300;

/// Sends an observation to its engagements.
///
/// # Errors
/// The reason to ignore it.
pub(super) fn aiguiller(
    etat: &mut EtatLieu,
    observation: Observation,
    cx: &Cx<'_>,
) -> Result<Effets, &'static str> {
    reconnaitre(etat, &observation.agents);
    let siens = titulaires(etat, &observation.agents);
    let mut effets = match &observation.fait {
        Fait::Rdv(rdv) => rendez_vous(etat, &observation, *rdv, &siens, cx)?,
        Fait::Plage(_) | Fait::Absence(_) | Fait::Role(_) => Vec::new(),
    };
    if siens.is_empty() {
        garder(etat, observation)?;
    } else {
        etat.orphelins.remove(&cle_orphelin(&observation));
        effets.extend(siens.iter().map(|e| dire(e, Evenement::Observe(observation.clone()))));
    }
    Ok(effets)
}

/// Gives engagements what came before their agent was known.
pub(super) fn adopter(etat: &mut EtatLieu) -> Effets {
    let kept = std::mem::take(&mut etat.orphelins);
    let mut effets = Vec::new();
    for (cle, observation) in kept {
        let siens = titulaires(etat, &observation.agents);
        if siens.is_empty() {
            etat.orphelins.insert(cle, observation);
            continue;
        }
        if let (Fait::Rdv(_), Some(connu)) = (&observation.fait, etat.rdvs.get_mut(&observation.id))
        {
            connu.engagements.clone_from(&siens);
        }
        effets.extend(siens.iter().map(|e| dire(e, Evenement::Observe(observation.clone()))));
    }
    effets
}

fn dire(engagement: &EngagementId, event: Evenement) -> Effect<RdvAgendaSync> {
    Effect::Tell { key: cle_engagement(engagement), event }
}

/// Learns the ids of agents that are known by their address only.
fn reconnaitre(etat: &mut EtatLieu, agents: &[Agent]) {
    for agent in agents {
        let Some(email) = &agent.email else { continue };
        for rattachement in etat.engagements.values_mut() {
            if rattachement.agent.is_none() && rattachement.courriel.eq_ignore_ascii_case(email) {
                rattachement.agent = Some(agent.id);
            }
        }
    }
}

fn titulaires(etat: &EtatLieu, agents: &[Agent]) -> Vec<EngagementId> {
    let named = |id: Option<i64>| agents.iter().any(|a| Some(a.id) == id);
    let of = etat.engagements.iter().filter(|(_, r)| named(r.agent));
    of.map(|(engagement, _)| engagement.clone()).collect()
}

/// An appointment may change hands: whoever had it is told.
fn rendez_vous(
    etat: &mut EtatLieu,
    observation: &Observation,
    rdv: Option<Rdv>,
    siens: &[EngagementId],
    cx: &Cx<'_>,
) -> Result<Effets, &'static str> {
    let oublie = cx.now - MEMOIRE;
    etat.rdvs.retain(|_, r| r.fin > oublie);
    let (id, horodatage) = (observation.id, observation.horodatage);
    let connu = etat.rdvs.get(&id);
    if connu.is_some_and(|c| {
        c.horodatage > horodatage || (c.horodatage == horodatage && c.supprime && rdv.is_some())
    }) {
        return Err("observation-depassee");
    }
    let perdants: Vec<_> = match connu {
        Some(connu) => connu.engagements.clone(),
        // Whose an old appointment was is forgotten: everybody is told.
        None if rdv.is_some_and(|r| r.fin <= oublie) => etat.engagements.keys().cloned().collect(),
        None => Vec::new(),
    };
    let fin = rdv.map(|r| r.fin).or(connu.map(|c| c.fin)).unwrap_or(cx.now);
    if fin > oublie {
        let (supprime, engagements) = (rdv.is_none(), siens.to_vec());
        etat.rdvs.insert(id, RdvConnu { horodatage, fin, supprime, engagements });
    }
    let perdants = perdants.into_iter().filter(|e| !siens.contains(e));
    Ok(perdants.map(|e| dire(&e, Evenement::RdvRetire { rdv: id, horodatage })).collect())
}

fn cle_orphelin(observation: &Observation) -> String {
    let genre = match &observation.fait {
        Fait::Plage(_) => "plage",
        Fait::Absence(_) => "absence",
        Fait::Rdv(_) => "rdv",
        Fait::Role(_) => "role",
    };
    format!("{genre}/{}", observation.id)
}

/// Keeps the latest of each record of an agent that no engagement knows.
fn garder(etat: &mut EtatLieu, observation: Observation) -> Result<(), &'static str> {
    let cle = cle_orphelin(&observation);
    if etat.orphelins.get(&cle).is_some_and(|o| o.horodatage > observation.horodatage) {
        return Err("observation-depassee");
    }
    etat.orphelins.insert(cle, observation);
    if etat.orphelins.len() > ORPHELINS_MAX {
        let oldest = etat.orphelins.iter().min_by_key(|(_, o)| o.horodatage);
        if let Some(cle) = oldest.map(|(cle, _)| cle.clone()) {
            etat.orphelins.remove(&cle);
        }
    }
    Ok(())
}
