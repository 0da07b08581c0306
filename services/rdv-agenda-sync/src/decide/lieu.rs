//! A site: its provisioning step by step, who its webhooks are for, its planning.

use contact::{Courriel, Modele, PieceJointe};
use contracts::{
    EngagementId, Lieu,
    messages::{PlanningPublie, VacationAuPlanning},
};
use kernel::paris_date;
use service::{Decision, Effect, Input, Refusal};
use uuid::Uuid;

use self::provision::{Pas, corriger, demander_organisation, entrer, reponse, tache_close};
use super::{
    Cx, Decide, Effets, OBSERVE, champs, courriel, deplace, prochain, tache, tache_faite, wake,
};
use crate::{
    RdvAgendaSync,
    ics::ics,
    state::{Etape, Etat, EtatLieu, Evenement, Question, Rattachement, cle_engagement},
};

mod aiguillage;
mod provision;

/// Reason of the wake-up that publishes the planning.
const PLANNING: &str = "planning";

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
        rdvs: [].into(),
        orphelins: [].into(),
        planning: [].into(),
        a_publier: false,
        contact_demande: None,
    };
    let effets = match connue {
        Some(organisation) => entrer(&mut etat, Pas::Webhook, organisation, None, cx),
        None => vec![demander_organisation(&mut etat, cx)],
    };
    suite(etat, effets)
}

/// Anything that happens to a site.
pub(super) fn decide(mut etat: EtatLieu, input: Input<RdvAgendaSync>, cx: &Cx<'_>) -> Decide {
    let effets = match input {
        Input::Event(evenement) => return evenement_recu(etat, evenement, cx),
        Input::Answer { ask, answer, .. } => return Ok(reponse(etat, &ask, &answer, cx)),
        Input::Wake { .. } => publier(&mut etat, cx),
        Input::Message { .. } => return Err(deplace()),
    };
    Ok(suite(etat, effets))
}

fn suite(etat: EtatLieu, effets: Effets) -> Decision<RdvAgendaSync> {
    Decision::next(Etat::Lieu(Box::new(etat))).with_all(effets)
}

fn evenement_recu(mut etat: EtatLieu, evenement: Evenement, cx: &Cx<'_>) -> Decide {
    let effets = match evenement {
        Evenement::Rattacher { engagement, lieu, courriel } => {
            rattacher(&mut etat, &engagement, *lieu, courriel)
        }
        Evenement::AgentConnu { engagement, agent } => {
            match etat.engagements.get_mut(&engagement) {
                Some(rattachement) => rattachement.agent = Some(agent),
                None => return Ok(Decision::Ignore("engagement-inconnu")),
            }
            aiguillage::adopter(&mut etat)
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
        Evenement::AuPlanning(entrees) => {
            let change = inscrire(&mut etat, entrees);
            if !change {
                return Ok(Decision::Ignore("planning-inchange"));
            }
            vec![wake(prochain(cx.now, cx.config.planning_a), PLANNING)]
        }
        Evenement::TacheFaite { tache, par, .. } if etat.contact_demande == Some(tache) => {
            etat.contact_demande = None;
            // The site has an address now: what it did not get goes out with the next planning.
            etat.a_publier = true;
            vec![tache_faite(tache, &par), wake(prochain(cx.now, cx.config.planning_a), PLANNING)]
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
        Evenement::LieuPret { .. } | Evenement::Observe(_) | Evenement::RdvRetire { .. } => {
            return Err(deplace());
        }
    };
    Ok(suite(etat, effets))
}

fn rattacher(
    etat: &mut EtatLieu,
    engagement: &EngagementId,
    lieu: Lieu,
    courriel: String,
) -> Effets {
    etat.lieu = lieu;
    let agent = etat.engagements.get(engagement).and_then(|r| r.agent);
    etat.engagements.insert(engagement.clone(), Rattachement { courriel, agent });
    let mut effets = aiguillage::adopter(etat);
    if let Etape::Pret { organisation, .. } = etat.etape {
        effets.push(pret(engagement, organisation));
    }
    effets
}

fn pret(engagement: &EngagementId, organisation: i64) -> Effect<RdvAgendaSync> {
    Effect::Tell { key: cle_engagement(engagement), event: Evenement::LieuPret { organisation } }
}

/// Takes entries into the planning; returns whether anything changed.
fn inscrire(etat: &mut EtatLieu, entrees: Vec<VacationAuPlanning>) -> bool {
    let mut change = false;
    for entree in entrees {
        let connue = etat.planning.get(&entree.vacation);
        if connue.is_none_or(|c| c.version < entree.version) {
            etat.planning.insert(entree.vacation.clone(), entree);
            change = true;
        }
    }
    etat.a_publier |= change;
    change
}

/// Publishes what changed, and sends it to the site.
fn publier(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effets {
    let du = paris_date(cx.now);
    etat.planning.retain(|_, v| v.date >= du);
    if !std::mem::take(&mut etat.a_publier) || etat.planning.is_empty() {
        return Vec::new();
    }
    let mut vacations: Vec<_> = etat.planning.values().cloned().collect();
    vacations.sort_by(|a, b| (a.date, &a.vacation).cmp(&(b.date, &b.vacation)));
    let au = vacations.last().map_or(du, |v| v.date);
    let planning = PlanningPublie { lieu: etat.lieu.id.clone(), du, au, vacations };
    let mut effets = vec![Effect::publish(&planning)];
    let lieu = cx.referentiel.lieu(&etat.lieu.id).unwrap_or(&etat.lieu);
    match &lieu.contact_courriel {
        Some(a) => {
            effets.extend(etat.contact_demande.take().map(|t| tache_faite(t, OBSERVE)));
            effets.push(courriel(Courriel {
                a: a.clone(),
                modele: Modele::PlanningPublie { du, au },
                reference: format!("lieu {}", lieu.id),
                lien: None,
                piece_jointe: Some(PieceJointe {
                    nom: format!("planning-{}.ics", lieu.id),
                    type_mime: "text/calendar; charset=utf-8; method=PUBLISH".to_owned(),
                    contenu: ics(&planning, lieu),
                }),
            }));
        }
        None if etat.contact_demande.is_none() => {
            let champs = champs([
                ("nom", lieu.nom.clone()),
                (
                    "consigne",
                    "Renseigner contact_courriel du site dans le registre : son planning ne peut \
                     pas lui être envoyé."
                        .to_owned(),
                ),
            ]);
            let (demande, effet) = tache("lieu-contact-manquant", objet(lieu), champs, cx);
            etat.contact_demande = Some(demande);
            effets.push(effet);
        }
        None => {}
    }
    effets
}

fn objet(lieu: &Lieu) -> String {
    format!("lieu/{}", lieu.id)
}
