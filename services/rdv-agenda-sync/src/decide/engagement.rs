//! An engagement: the doctor's access to the agenda, from the authorisation to the end.

use chrono::{DateTime, Utc};
use contracts::messages::{Activite, Situation};
use service::{Decision, Effect, Input, Refusal};

use self::acces::{
    constater, demander_revocation, invite, inviter, premiere_plage, publier_ferme, publier_ouvert,
    relancer, role, role_invite,
};
use super::{CONSTAT, Cx, Decide, Effets, OBSERVE, deplace, tache_faite, vacations};
use crate::{
    RdvAgendaSync,
    planning::Ouvertures,
    state::{Acces, Etat, EtatEngagement, Evenement, INVITER, RdvSuivi, Reponse, cle_lieu},
    webhook::{Fait, Observation, Rdv},
};

mod acces;
mod releve;

/// Reason of the wake-up of the reminders.
const RELANCE: &str = "relance";
/// Task: invite the doctor by hand.
const INVITATION: &str = "rdv-agent";
/// Task: take the doctor's rights away.
const REVOCATION: &str = "rdv-revocation";
/// Task: the doctor opened nothing.
const SANS_CRENEAU: &str = "rdv-sans-creneau";
/// Task: somebody took the doctor's rights away.
const ACCES_PERDU: &str = "rdv-acces-perdu";

/// The first snapshot of an engagement, whichever it is.
pub(super) fn ouvrir(activite: &Activite, cx: &Cx<'_>) -> Decision<RdvAgendaSync> {
    let etat = EtatEngagement {
        debut: activite.a_compter_du,
        acces: Acces::AttendLieu,
        agenda_ouvert: false,
        role_vu: None,
        taches: [].into(),
        ouvertures: Ouvertures::default(),
        rdvs: [].into(),
        vacations: [].into(),
        activite: activite.clone(),
    };
    let effets = match activite.situation {
        Situation::Ouverte => vec![rattacher(&etat)],
        Situation::Suspendue | Situation::Terminee => Vec::new(),
    };
    suite(etat, effets, cx)
}

/// Anything that happens to an engagement.
pub(super) fn decide(mut etat: EtatEngagement, input: Input<RdvAgendaSync>, cx: &Cx<'_>) -> Decide {
    let effets = match input {
        Input::Message { message, .. } => changer(&mut etat, message.activite(), cx),
        Input::Event(evenement) => return evenement_recu(etat, evenement, cx),
        Input::Answer { answer, .. } => match answer {
            Reponse::Agent { agent, lu_le, absences } => {
                let Acces::Invitation { organisation } = etat.acces else {
                    return Ok(Decision::Ignore("invitation-deja-connue"));
                };
                let seen = etat.taches.remove(INVITATION).map(|t| tache_faite(t, OBSERVE));
                let mut effets = invite(&mut etat, (organisation, agent), (lu_le, absences), cx);
                effets.extend(seen);
                effets
            }
            Reponse::PasEncore => return Ok(Decision::Ignore("pas-encore")),
            Reponse::Webhook(_)
            | Reponse::Lieu(_)
            | Reponse::Motif(_)
            | Reponse::Resynchronise
            | Reponse::Compte { .. }
            | Reponse::Organisation(_)
            | Reponse::Releve(_)
            | Reponse::Envoye => return Err(deplace()),
        },
        Input::Wake { reason } if reason == RELANCE => match relancer(&mut etat, cx) {
            Some(effets) => effets,
            None => return Ok(Decision::Ignore("relance-sans-objet")),
        },
        Input::Wake { reason } if reason == CONSTAT => match constater(&etat, cx) {
            Some(effets) => effets,
            None => return Ok(Decision::Ignore("constat-sans-objet")),
        },
        Input::Wake { .. } => Vec::new(),
    };
    Ok(suite(etat, effets, cx))
}

/// Every decision ends by comparing the vacations with what was published.
fn suite(mut etat: EtatEngagement, mut effets: Effets, cx: &Cx<'_>) -> Decision<RdvAgendaSync> {
    effets.extend(vacations::synchroniser(&mut etat, cx));
    Decision::next(Etat::Engagement(Box::new(etat))).with_all(effets)
}

fn evenement_recu(mut etat: EtatEngagement, evenement: Evenement, cx: &Cx<'_>) -> Decide {
    let effets = match evenement {
        Evenement::LieuPret { organisation } => {
            if etat.acces != Acces::AttendLieu || etat.activite.situation != Situation::Ouverte {
                return Ok(Decision::Ignore("lieu-deja-pret"));
            }
            inviter(&mut etat, organisation, cx)
        }
        Evenement::Observe(observation) => match observer(&mut etat, observation, cx) {
            Some(effets) => effets,
            None => return Ok(Decision::Ignore("observation-depassee")),
        },
        Evenement::Releve(releve) => match releve::lire(&mut etat, *releve, cx) {
            Some(effets) => effets,
            None => return Ok(Decision::Ignore("releve-sans-ecart")),
        },
        Evenement::RdvRetire { rdv, horodatage } => {
            if !noter_rdv(&mut etat, rdv, horodatage, None) {
                return Ok(Decision::Ignore("observation-depassee"));
            }
            Vec::new()
        }
        Evenement::TacheFaite { tache, champs, par } => {
            let open = etat.taches.iter().find(|(_, id)| **id == tache);
            let Some(gabarit) = open.map(|(gabarit, _)| gabarit.clone()) else {
                return Ok(Decision::Ignore("tache-deja-close"));
            };
            let mut effets = vec![tache_faite(tache, &par)];
            if let (INVITATION, Acces::Invitation { organisation }) =
                (gabarit.as_str(), &etat.acces)
            {
                let agent = champs.get("agent_id").and_then(|v| v.trim().parse().ok());
                let Some(agent) = agent else {
                    let reason = "the task needs agent_id, a number";
                    return Err(Refusal::new("tache-incomplete", reason));
                };
                let organisation = *organisation;
                effets.extend(invite(&mut etat, (organisation, agent), (cx.now, vec![]), cx));
            }
            etat.taches.remove(&gabarit);
            effets
        }
        Evenement::Rattacher { .. }
        | Evenement::AgentConnu { .. }
        | Evenement::Webhook(_)
        | Evenement::Illisible { .. }
        | Evenement::Rdv { .. }
        | Evenement::AuPlanning { .. }
        | Evenement::CorrigerOrganisation { .. }
        | Evenement::VerifierCompte
        | Evenement::Consentement { .. }
        | Evenement::SiteSuivi { .. }
        | Evenement::ReconcilierTout
        | Evenement::Reconcilier
        | Evenement::Resynchroniser => return Err(deplace()),
    };
    Ok(suite(etat, effets, cx))
}

fn rattacher(etat: &EtatEngagement) -> Effect<RdvAgendaSync> {
    let activite = &etat.activite;
    Effect::Tell {
        key: cle_lieu(&activite.lieu.id),
        event: Evenement::Rattacher {
            engagement: activite.engagement.clone(),
            lieu: Box::new(activite.lieu.clone()),
            courriel: activite.medecin.courriel.clone(),
        },
    }
}

/// A later snapshot: the frame drops older ones.
fn changer(etat: &mut EtatEngagement, activite: &Activite, cx: &Cx<'_>) -> Effets {
    let avant = std::mem::replace(&mut etat.activite, activite.clone());
    match (avant.situation, activite.situation) {
        (Situation::Ouverte, Situation::Ouverte) => {
            etat.debut = etat.debut.min(activite.a_compter_du);
            let same =
                avant.medecin.courriel == activite.medecin.courriel && avant.lieu == activite.lieu;
            if same { Vec::new() } else { vec![rattacher(etat)] }
        }
        (Situation::Suspendue | Situation::Terminee, Situation::Ouverte) => retablir(etat, cx),
        (Situation::Ouverte, Situation::Suspendue | Situation::Terminee) => fermer(etat, cx),
        (
            Situation::Suspendue | Situation::Terminee,
            Situation::Suspendue | Situation::Terminee,
        ) => Vec::new(),
    }
}

fn fermer(etat: &mut EtatEngagement, cx: &Cx<'_>) -> Effets {
    let mut effets = vec![Effect::CancelAsks(INVITER), Effect::CancelWake(RELANCE.to_owned())];
    for gabarit in [INVITATION, SANS_CRENEAU, ACCES_PERDU] {
        effets.extend(etat.taches.remove(gabarit).map(|t| tache_faite(t, OBSERVE)));
    }
    match etat.acces {
        // An invitation may be on its way: the DNS looks.
        Acces::Invitation { .. } | Acces::Invite { .. } | Acces::Actif { .. } => {
            effets.extend(demander_revocation(etat, cx));
        }
        Acces::AttendLieu | Acces::Retire { .. } => {}
    }
    effets.extend(publier_ferme(etat, cx));
    effets
}

/// The activity is open again: the access as well, if it was not taken away meanwhile.
fn retablir(etat: &mut EtatEngagement, cx: &Cx<'_>) -> Effets {
    let mut effets = vec![rattacher(etat)];
    let revocation = etat.taches.remove(REVOCATION);
    effets.extend(revocation.map(|t| tache_faite(t, OBSERVE)));
    match etat.acces {
        Acces::AttendLieu => {}
        Acces::Invitation { organisation } | Acces::Retire { organisation, .. } => {
            effets.extend(inviter(etat, organisation, cx));
        }
        // A revocation that was done by hand is not seen if its webhook was lost: inviting again
        // is harmless, « fait déjà partie » is a success.
        Acces::Invite { organisation, .. } | Acces::Actif { organisation, .. }
            if revocation.is_none() =>
        {
            effets.extend(inviter(etat, organisation, cx));
        }
        Acces::Invite { .. } | Acces::Actif { .. } => effets.extend(publier_ouvert(etat, cx)),
    }
    effets
}

/// Takes an observation into the state; `None` when it is not fresher than what is known.
fn observer(etat: &mut EtatEngagement, vue: Observation, cx: &Cx<'_>) -> Option<Effets> {
    let Observation { id, horodatage, fait, agents } = vue;
    match fait {
        Fait::Plage(plage) => {
            let present = plage.is_some();
            let histoire = etat.ouvertures.plages.entry(id).or_default();
            histoire.noter(horodatage, plage).then(|| premiere_plage(etat, present))
        }
        Fait::Absence(absence) => {
            let histoire = etat.ouvertures.absences.entry(id).or_default();
            histoire.noter(horodatage, absence).then(Vec::new)
        }
        Fait::Rdv(rdv) => noter_rdv(etat, id, horodatage, rdv).then(Vec::new),
        Fait::Role(present) => {
            // At the same second, a removal stays.
            let retire = matches!(etat.acces, Acces::Retire { .. });
            let stale = |vu| vu > horodatage || (vu == horodatage && present && retire);
            if etat.role_vu.is_some_and(stale) {
                return None;
            }
            etat.role_vu = Some(horodatage);
            match role_invite(etat, &agents, present, cx) {
                Some(effets) => Some(effets),
                None => Some(role(etat, present, cx)),
            }
        }
    }
}

fn noter_rdv(etat: &mut EtatEngagement, id: i64, vu: DateTime<Utc>, rdv: Option<Rdv>) -> bool {
    let connu = etat.rdvs.get(&id);
    if connu.is_some_and(|c| c.horodatage > vu || (c.horodatage == vu && c.rdv == rdv)) {
        return false;
    }
    etat.rdvs.insert(id, RdvSuivi { horodatage: vu, rdv });
    true
}
