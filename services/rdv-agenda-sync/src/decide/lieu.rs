//! A site: its provisioning step by step, who its webhooks are for.

use contracts::{EngagementId, Lieu};
use service::{Decision, Effect, Input, Refusal};
use uuid::Uuid;

use self::provision::{
    Pas, constater, corriger, demander_organisation, entrer, reponse, tache_close,
};
use super::{CONSTAT, Cx, Decide, Effets, constater_plus_tard, deplace, dire, tache_faite};
use crate::{
    RdvAgendaSync,
    state::{
        Etape, Etat, EtatLieu, Evenement, Question, Rattachement, Reponse, Veille, cle_planning,
    },
};

mod aiguillage;
mod cogestion;
mod provision;
mod veille;

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
        veille: Veille::default(),
        cogestion: [].into(),
    };
    let effets = match connue {
        Some(organisation) => entrer(&mut etat, Pas::Webhook, organisation, None, cx),
        None => vec![demander_organisation(&mut etat, cx), constater_plus_tard(cx)],
    };
    suite(etat, effets)
}

/// Anything that happens to a site.
pub(super) fn decide(mut etat: EtatLieu, input: Input<RdvAgendaSync>, cx: &Cx<'_>) -> Decide {
    match input {
        Input::Event(evenement) => evenement_recu(etat, evenement, cx),
        Input::Answer { ask, answer, .. } => Ok(repondre(etat, &ask, &answer, cx)),
        Input::Wake { reason } if reason == veille::NUIT => {
            let effets = veille::nuit(&mut etat, cx);
            Ok(suite(etat, effets))
        }
        Input::Wake { reason } if reason == CONSTAT => match constater(&etat, cx) {
            Some(effets) => Ok(suite(etat, effets)),
            None => Ok(Decision::Ignore("constat-sans-objet")),
        },
        Input::Message { .. } | Input::Wake { .. } => Err(deplace()),
    }
}

fn repondre(
    mut etat: EtatLieu,
    ask: &Question,
    answer: &Reponse,
    cx: &Cx<'_>,
) -> Decision<RdvAgendaSync> {
    let ici = |organisation: i64| match etat.etape {
        Etape::Pret { organisation: ours, .. } => ours == organisation,
        Etape::Organisation { .. } | Etape::Webhook(_) | Etape::Lieu(_) | Etape::Motif(_) => false,
    };
    match (answer, ask) {
        (Reponse::Releve(releve), Question::Relever { organisation, .. }) if ici(*organisation) => {
            let effets = veille::lire(&mut etat, releve, cx);
            suite(etat, effets)
        }
        (Reponse::Agent { agent, .. }, Question::Inviter { organisation, courriel, .. })
            if ici(*organisation) =>
        {
            match cogestion::invite(&mut etat, courriel, *agent) {
                Some(effets) => suite(etat, effets),
                None => Decision::Ignore("reponse-tardive"),
            }
        }
        _ => reponse(etat, ask, answer, cx),
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
            let mut effets = veille::signe(&mut etat, cx);
            match aiguillage::aiguiller(&mut etat, observation, cx) {
                Ok(suivants) => effets.extend(suivants),
                // The sign itself counts, where it closes a task.
                Err(raison) if effets.is_empty() => return Ok(Decision::Ignore(raison)),
                Err(_) => {}
            }
            effets
        }
        Evenement::Illisible { modele, .. } => {
            let reason = format!("a webhook of model {modele} cannot be read; resynchronise");
            return Err(Refusal::new("webhook-illisible", reason));
        }
        Evenement::TacheFaite { tache, champs, par } => {
            if etat.veille.tache == Some(tache) {
                // Looked at again from the beginning.
                etat.veille = Veille { depuis: Some(cx.now), ..Veille::default() };
                return Ok(suite(etat, vec![tache_faite(tache, &par)]));
            }
            if let Some(effets) = cogestion::tache_close(&mut etat, tache, &champs, &par)? {
                return Ok(suite(etat, effets));
            }
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
        Evenement::Reconcilier => match etat.etape {
            Etape::Pret { organisation, webhook } => {
                let mut effets = veille::relever(&etat, cx);
                let replay =
                    webhook.map(|webhook| Question::Resynchroniser { organisation, webhook });
                effets.extend(replay.map(Effect::Ask));
                effets
            }
            Etape::Organisation { .. } | Etape::Webhook(_) | Etape::Lieu(_) | Etape::Motif(_) => {
                return Ok(Decision::Ignore("lieu-pas-pret"));
            }
        },
        Evenement::VerifierCompte
        | Evenement::Consentement { .. }
        | Evenement::SiteSuivi { .. }
        | Evenement::ReconcilierTout
        | Evenement::Releve(_)
        | Evenement::LieuPret { .. }
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
