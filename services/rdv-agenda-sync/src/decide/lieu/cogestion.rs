//! Who manages the agenda of a site beside its doctors: invited as « admin », which an organisation
//! of its own keeps to the site (`agent_role.rb`). Rights are only ever taken away by a person.

use std::collections::BTreeMap;

use service::{Effect, Refusal};
use uuid::Uuid;

use super::{
    super::{Cx, Effets, OBSERVE, champs, ouvrir_tache, tache_faite},
    objet,
};
use crate::{
    config::{Capacite, NiveauAcces},
    state::{Cogestion, Etape, EtatLieu, Question, Releve},
    webhook::{Fait, Observation},
};

/// Task: invite them by hand.
const INVITATION: &str = "rdv-cogestionnaire";
/// Task: take their rights away.
const RETRAIT: &str = "rdv-cogestion-retrait";
/// Task: somebody took their rights away.
const PERDUE: &str = "rdv-cogestion-perdue";

/// Invites whom the configuration names, has the others removed.
pub(super) fn accorder(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effets {
    let Etape::Pret { organisation, .. } = etat.etape else { return Vec::new() };
    let mut effets = Effets::new();
    for courriel in voulus(etat, cx) {
        if let Some(connu) = etat.cogestion.get_mut(&courriel) {
            effets.extend(connu.taches.remove(RETRAIT).map(|t| tache_faite(t, OBSERVE)));
            continue;
        }
        let mut cogestion = Cogestion::default();
        match cx.config.capacites.agent {
            Capacite::Api => {
                let (courriel, niveau) = (courriel.clone(), Some(NiveauAcces::Admin));
                effets.push(Effect::Ask(Question::Inviter { organisation, courriel, niveau }));
            }
            Capacite::Manual => {
                let consigne = "Inviter cette personne du site dans l'organisation, comme \
                                administratrice, puis reporter son numéro d'agent.";
                let mut fields = a_faire(&courriel, organisation, consigne);
                fields.insert("niveau".to_owned(), NiveauAcces::Admin.as_str().to_owned());
                fields.insert("a_renseigner".to_owned(), "agent_id".to_owned());
                let objet = objet(&etat.lieu);
                effets.extend(ouvrir_tache(&mut cogestion.taches, INVITATION, objet, fields, cx));
            }
        }
        etat.cogestion.insert(courriel, cogestion);
    }
    effets.extend(ecarter(etat, organisation, cx));
    effets
}

fn voulus(etat: &EtatLieu, cx: &Cx<'_>) -> Vec<String> {
    let named = cx.config.cogestionnaires.get(&etat.lieu.id);
    named.into_iter().flatten().map(|courriel| courriel.trim().to_lowercase()).collect()
}

/// Those whom the configuration does not name any more.
fn ecarter(etat: &mut EtatLieu, organisation: i64, cx: &Cx<'_>) -> Effets {
    let (voulus, objet) = (voulus(etat, cx), objet(&etat.lieu));
    let mut effets = Effets::new();
    for (courriel, cogestion) in &mut etat.cogestion {
        if voulus.contains(courriel) {
            continue;
        }
        for gabarit in [INVITATION, PERDUE] {
            effets.extend(cogestion.taches.remove(gabarit).map(|t| tache_faite(t, OBSERVE)));
        }
        if cogestion.agent.is_some() && !cogestion.perdue {
            let consigne = "Cette personne ne gère plus l'agenda du site : la retirer de \
                            l'organisation. La tâche se clôt d'elle-même quand c'est vu.";
            let fields = a_faire(courriel, organisation, consigne);
            let open = ouvrir_tache(&mut cogestion.taches, RETRAIT, objet.clone(), fields, cx);
            effets.extend(open);
        }
    }
    etat.cogestion
        .retain(|courriel, c| voulus.contains(courriel) || (c.agent.is_some() && !c.perdue));
    effets
}

fn a_faire(courriel: &str, organisation: i64, consigne: &str) -> BTreeMap<String, String> {
    champs([
        ("courriel", courriel.to_owned()),
        ("organisation_id", organisation.to_string()),
        ("consigne", consigne.to_owned()),
    ])
}

/// Somebody was invited; `None` when it is nobody of ours.
pub(super) fn invite(etat: &mut EtatLieu, courriel: &str, agent: i64) -> Option<Effets> {
    let cogestion = etat.cogestion.get_mut(&courriel.to_lowercase())?;
    (cogestion.agent, cogestion.perdue) = (Some(agent), false);
    let done = cogestion.taches.remove(INVITATION).map(|t| tache_faite(t, OBSERVE));
    Some(done.into_iter().collect())
}

/// Who has rights, as read.
pub(super) fn lire(etat: &mut EtatLieu, releve: &Releve, cx: &Cx<'_>) -> Effets {
    let there = |a: &crate::wire::Agent| Observation {
        id: a.id,
        horodatage: releve.lu_le,
        agents: vec![a.clone()],
        fait: Fait::Role(true),
    };
    let seen: Vec<_> = releve.agents.iter().map(there).collect();
    seen.iter().filter_map(|vue| role(etat, vue, cx)).flatten().collect()
}

/// Rights of one of them appear or disappear; `None` when it is nobody of ours.
pub(super) fn role(etat: &mut EtatLieu, vue: &Observation, cx: &Cx<'_>) -> Option<Effets> {
    let Fait::Role(present) = vue.fait else { return None };
    let Etape::Pret { organisation, .. } = etat.etape else { return None };
    let (voulus, objet) = (voulus(etat, cx), objet(&etat.lieu));
    let named = |courriel: &str, cogestion: &Cogestion| {
        vue.agents.iter().find(|a| {
            let same = a.email.as_ref().is_some_and(|e| e.eq_ignore_ascii_case(courriel));
            cogestion.agent.map_or(same, |known| known == a.id)
        })
    };
    let (courriel, cogestion, agent) = etat.cogestion.iter_mut().find_map(|(courriel, c)| {
        let agent = named(courriel, c)?.id;
        Some((courriel.clone(), c, agent))
    })?;
    // At the same second, a removal stays.
    let stale = |seen| seen > vue.horodatage || (seen == vue.horodatage && present);
    if cogestion.role_vu.is_some_and(stale) {
        return Some(Vec::new());
    }
    (cogestion.agent, cogestion.perdue) = (Some(agent), !present);
    cogestion.role_vu = Some(vue.horodatage);
    let over = if present { [INVITATION, PERDUE] } else { [RETRAIT, INVITATION] };
    let over = over.map(|g| cogestion.taches.remove(g));
    let mut effets: Effets = over.into_iter().flatten().map(|t| tache_faite(t, OBSERVE)).collect();
    if !present && voulus.contains(&courriel) {
        let consigne = "L'accès de cette personne à l'agenda du site a été retiré : le rétablir, ou \
                        l'ôter de cogestionnaires dans la configuration.";
        let fields = a_faire(&courriel, organisation, consigne);
        effets.extend(ouvrir_tache(&mut cogestion.taches, PERDUE, objet, fields, cx));
    } else if !present {
        etat.cogestion.remove(&courriel);
    }
    Some(effets)
}

/// An operator did one of the tasks; `None` when it is none of these.
///
/// # Errors
/// [`Refusal`] when what the task needs is missing.
pub(super) fn tache_close(
    etat: &mut EtatLieu,
    tache: Uuid,
    champs: &BTreeMap<String, String>,
    par: &str,
) -> Result<Option<Effets>, Refusal> {
    let open = etat.cogestion.iter().find_map(|(courriel, c)| {
        let (gabarit, _) = c.taches.iter().find(|(_, id)| **id == tache)?;
        Some((courriel.clone(), gabarit.clone()))
    });
    let Some((courriel, gabarit)) = open else { return Ok(None) };
    let Some(cogestion) = etat.cogestion.get_mut(&courriel) else { return Ok(None) };
    if gabarit == INVITATION {
        let agent = champs.get("agent_id").and_then(|v| v.trim().parse().ok());
        let reason = "the task needs agent_id, a number";
        cogestion.agent = Some(agent.ok_or_else(|| Refusal::new("tache-incomplete", reason))?);
    }
    cogestion.taches.remove(&gabarit);
    if gabarit == RETRAIT {
        etat.cogestion.remove(&courriel);
    }
    Ok(Some(vec![tache_faite(tache, par)]))
}
