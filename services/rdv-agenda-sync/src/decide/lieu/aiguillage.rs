//! Who a webhook is for: the engagements whose agent it names.

use contracts::EngagementId;
use service::Effect;

use super::{
    super::{Cx, Effets, dire, titulaires::oublie},
    cogestion,
};
use crate::{
    state::{EtatLieu, Evenement, cle_titulaires},
    webhook::{Fait, Observation},
    wire::Agent,
};

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
    let mut effets = remettre(etat, &observation, &siens, cx);
    if let Some(suivants) = cogestion::role(etat, &observation, cx) {
        effets.extend(suivants);
    } else if siens.is_empty() {
        garder(etat, observation)?;
    } else {
        etat.orphelins.remove(&cle_orphelin(&observation));
    }
    Ok(effets)
}

/// Hands an observation over. An appointment may change hands: that goes by who had it.
fn remettre(
    etat: &EtatLieu,
    observation: &Observation,
    siens: &[EngagementId],
    cx: &Cx<'_>,
) -> Effets {
    let Fait::Rdv(rdv) = &observation.fait else {
        let tell = |e: &EngagementId| dire(e, Evenement::Observe(observation.clone()));
        return siens.iter().map(tell).collect();
    };
    // Whose an old appointment was may be forgotten: everybody is told.
    let ancien = rdv.is_some_and(|r| oublie(r.fin, cx));
    let tous = if ancien { etat.engagements.keys().cloned().collect() } else { Vec::new() };
    let event = Evenement::Rdv { observation: observation.clone(), siens: siens.to_vec(), tous };
    vec![Effect::Tell { key: cle_titulaires(&etat.lieu.id, observation.id), event }]
}

/// Gives engagements what came before their agent was known.
pub(super) fn adopter(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effets {
    let kept = std::mem::take(&mut etat.orphelins);
    let mut effets = Vec::new();
    for (cle, observation) in kept {
        let siens = titulaires(etat, &observation.agents);
        if siens.is_empty() {
            etat.orphelins.insert(cle, observation);
            continue;
        }
        effets.extend(remettre(etat, &observation, &siens, cx));
    }
    effets
}

/// Learns the ids of agents that are known by their address only.
pub(super) fn reconnaitre(etat: &mut EtatLieu, agents: &[Agent]) {
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

fn cle_orphelin(observation: &Observation) -> String {
    let genre = match &observation.fait {
        Fait::Plage(_) => "plage",
        Fait::Absence(_) => "absence",
        Fait::Rdv(_) => "rdv",
        Fait::Role(_) => "role",
    };
    format!("{genre}/{}", observation.id)
}

fn supprime(observation: &Observation) -> bool {
    match &observation.fait {
        Fait::Plage(plage) => plage.is_none(),
        Fait::Absence(absence) => absence.is_none(),
        Fait::Rdv(rdv) => rdv.is_none(),
        Fait::Role(present) => !present,
    }
}

/// Keeps the latest of each record of an agent that no engagement knows.
fn garder(etat: &mut EtatLieu, observation: Observation) -> Result<(), &'static str> {
    let cle = cle_orphelin(&observation);
    // At the same second, a removal stays.
    let fresher = |o: &Observation| {
        o.horodatage > observation.horodatage
            || (o.horodatage == observation.horodatage && supprime(o) && !supprime(&observation))
    };
    if etat.orphelins.get(&cle).is_some_and(fresher) {
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
