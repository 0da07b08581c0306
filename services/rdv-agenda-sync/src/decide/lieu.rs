//! A site: its provisioning step by step, who its webhooks are for.

use contracts::{EngagementId, Lieu};
use service::{Decision, Effect, Input, Refusal};
use uuid::Uuid;

use self::provision::{Pas, corriger, demander_organisation, entrer, reponse, tache_close};
use super::{Cx, Decide, Effets, deplace, dire};
use crate::{
    RdvAgendaSync,
    state::{Etape, Etat, EtatLieu, Evenement, Question, Rattachement, cle_planning},
};

mod aiguillage;
mod provision;

/// The first engagement at a site.
pub(super) fn ouvrir(
    engagement: &EngagementId,
    lieu: Lieu,
    courriel: String,
    cx: &Cx<'_>,
) -> Decision<RdvAgendaSync> {
    let connue = cx.config.organisations.get(&lieu.id).copied();
    let mut etat = EtatLieu {
        etape: Etape::Organisation { tache: Uuid::nil() },
        lieu,
        engagements: [(engagement.clone(), Rattachement { courriel, agent: None })].into(),
        orphelins: [].into(),
    };
    let effets = match connue {
        Some(organisation) => entrer(&mut etat, Pas::Webhook, organisation, None, cx),
        None => vec![demander_organisation(&mut etat, cx)],
    };
    suite(etat, effets)
}

/// Anything that happens to a site.
pub(super) fn decide(etat: EtatLieu, input: Input<RdvAgendaSync>, cx: &Cx<'_>) -> Decide {
    match input {
        Input::Event(evenement) => evenement_recu(etat, evenement, cx),
        Input::Answer { ask, answer, .. } => Ok(reponse(etat, &ask, &answer, cx)),
        Input::Message { .. } | Input::Wake { .. } => Err(deplace()),
    }
}

fn suite(etat: EtatLieu, effets: Effets) -> Decision<RdvAgendaSync> {
    Decision::next(Etat::Lieu(Box::new(etat))).with_all(effets)
}

fn evenement_recu(mut etat: EtatLieu, evenement: Evenement, cx: &Cx<'_>) -> Decide {
    let effets = match evenement {
        Evenement::Rattacher { engagement, lieu, courriel } => {
            rattacher(&mut etat, &engagement, *lieu, courriel, cx)
        }
        Evenement::AgentConnu { engagement, agent } => {
            match etat.engagements.get_mut(&engagement) {
                Some(rattachement) => rattachement.agent = Some(agent),
                None => return Ok(Decision::Ignore("engagement-inconnu")),
            }
            aiguillage::adopter(&mut etat, cx)
        }
        Evenement::Webhook(observation) => {
            match aiguillage::aiguiller(&mut etat, observation, cx) {
                Ok(effets) => effets,
                Err(raison) => return Ok(Decision::Ignore(raison)),
            }
        }
        Evenement::Illisible { modele, .. } => {
            let reason = format!("a webhook of model {modele} cannot be read; resynchronise");
            return Err(Refusal::new("webhook-illisible", reason));
        }
        Evenement::TacheFaite { tache, champs, par } => {
            return tache_close(etat, tache, &champs, &par, cx);
        }
        Evenement::CorrigerOrganisation { organisation } => {
            return corriger(etat, organisation, cx);
        }
        Evenement::Resynchroniser => match etat.etape {
            Etape::Pret { organisation, webhook: Some(webhook) } => {
                vec![Effect::Ask(Question::Resynchroniser { organisation, webhook })]
            }
            Etape::Pret { webhook: None, .. }
            | Etape::Organisation { .. }
            | Etape::Webhook(_)
            | Etape::Lieu(_)
            | Etape::Motif(_) => {
                let reason = "no endpoint that the API registered: resynchronise by hand";
                return Err(Refusal::new("webhook-manuel", reason));
            }
        },
        Evenement::LieuPret { .. }
        | Evenement::Rdv { .. }
        | Evenement::Observe(_)
        | Evenement::RdvRetire { .. }
        | Evenement::AuPlanning { .. } => return Err(deplace()),
    };
    Ok(suite(etat, effets))
}

fn rattacher(
    etat: &mut EtatLieu,
    engagement: &EngagementId,
    lieu: Lieu,
    courriel: String,
    cx: &Cx<'_>,
) -> Effets {
    let corrige = etat.lieu != lieu;
    etat.lieu = lieu;
    let agent = etat.engagements.get(engagement).and_then(|r| r.agent);
    etat.engagements.insert(engagement.clone(), Rattachement { courriel, agent });
    let mut effets = aiguillage::adopter(etat, cx);
    if corrige {
        effets.push(Effect::Tell {
            key: cle_planning(&etat.lieu.id),
            event: Evenement::AuPlanning { lieu: Box::new(etat.lieu.clone()), entrees: vec![] },
        });
    }
    if let Etape::Pret { organisation, .. } = etat.etape {
        effets.push(pret(engagement, organisation));
    }
    effets
}

fn pret(engagement: &EngagementId, organisation: i64) -> Effect<RdvAgendaSync> {
    dire(engagement, Evenement::LieuPret { organisation })
}

fn objet(lieu: &Lieu) -> String {
    format!("lieu/{}", lieu.id)
}
