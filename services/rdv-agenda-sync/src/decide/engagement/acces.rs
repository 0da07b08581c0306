//! The doctor's access: invitation, reminders, revocation, and what webhooks show of it.

use chrono::{DateTime, Utc};
use contact::{Courriel, Etape as Echelon, Modele};
use contracts::messages::{Agenda, AgendaFerme, AgendaOuvert, RelanceEnvoyee, Situation};
use service::Effect;

use super::{
    super::{
        Cx, Effets, OBSERVE, champs, constater_plus_tard, courriel, ouvrir_tache, tache_faite, wake,
    },
    ACCES_PERDU, INVITATION, RELANCE, REVOCATION, SANS_CRENEAU,
};
use crate::{
    RdvAgendaSync,
    config::Capacite,
    planning::Absence,
    state::{Acces, CONSTATER, Constat, EtatEngagement, Evenement, Question, cle_lieu},
    wire::Agent,
};

pub(super) fn inviter(etat: &mut EtatEngagement, organisation: i64, cx: &Cx<'_>) -> Effets {
    etat.acces = Acces::Invitation { organisation };
    let courriel = etat.activite.medecin.courriel.clone();
    match cx.config.capacites.agent {
        Capacite::Api => {
            vec![Effect::Ask(Question::Inviter { organisation, courriel, niveau: None })]
        }
        Capacite::Manual => {
            let champs = champs([
                ("organisation_id", organisation.to_string()),
                ("courriel", courriel),
                ("niveau", cx.config.niveau_acces.as_str().to_owned()),
                ("consigne", "Inviter le médecin dans l'organisation.".to_owned()),
                ("a_renseigner", "agent_id".to_owned()),
            ]);
            let tache = tache(etat, INVITATION, champs, cx);
            tache.into_iter().chain([constater_plus_tard(cx)]).collect()
        }
    }
}

/// Looks whether the doctor was invited by hand; `None` when that is not awaited.
pub(super) fn constater(etat: &EtatEngagement, cx: &Cx<'_>) -> Option<Effets> {
    let Acces::Invitation { organisation } = etat.acces else { return None };
    let courriel = etat.activite.medecin.courriel.clone();
    etat.taches.contains_key(INVITATION).then(|| {
        let constat = Constat::Agent { organisation, courriel };
        let ask = Effect::Ask(Question::Constater(constat));
        vec![Effect::CancelAsks(CONSTATER), ask, constater_plus_tard(cx)]
    })
}

/// Rights appear for a doctor who is being invited by hand: that is done.
pub(super) fn role_invite(
    etat: &mut EtatEngagement,
    agents: &[Agent],
    present: bool,
    cx: &Cx<'_>,
) -> Option<Effets> {
    let Acces::Invitation { organisation } = etat.acces else { return None };
    let courriel = etat.activite.medecin.courriel.as_str();
    let same = |a: &&Agent| a.email.as_ref().is_some_and(|e| e.eq_ignore_ascii_case(courriel));
    let agent = agents.iter().find(same).filter(|_| present)?.id;
    let tache = etat.taches.remove(INVITATION)?;
    let mut effets = invite(etat, (organisation, agent), (cx.now, Vec::new()), cx);
    effets.push(tache_faite(tache, OBSERVE));
    Some(effets)
}

fn tache(
    etat: &mut EtatEngagement,
    gabarit: &str,
    champs: std::collections::BTreeMap<String, String>,
    cx: &Cx<'_>,
) -> Option<Effect<RdvAgendaSync>> {
    let objet = format!("agenda/{}", etat.activite.engagement);
    ouvrir_tache(&mut etat.taches, gabarit, objet, champs, cx)
}

/// The agent exists: the agenda is open, unless the activity ended meanwhile.
pub(super) fn invite(
    etat: &mut EtatEngagement,
    (organisation, agent): (i64, i64),
    (lu_le, absences): (DateTime<Utc>, Vec<(i64, Absence)>),
    cx: &Cx<'_>,
) -> Effets {
    for (id, absence) in absences {
        etat.ouvertures.absences.entry(id).or_default().noter(lu_le, Some(absence));
    }
    let actif = !etat.ouvertures.plages.is_empty();
    etat.acces = if actif {
        Acces::Actif { organisation, agent }
    } else {
        Acces::Invite { organisation, agent, depuis: cx.now, relances: 0 }
    };
    let engagement = etat.activite.engagement.clone();
    let mut effets = vec![Effect::Tell {
        key: cle_lieu(&etat.activite.lieu.id),
        event: Evenement::AgentConnu { engagement, agent },
    }];
    if etat.activite.situation != Situation::Ouverte {
        effets.extend(demander_revocation(etat, cx));
        return effets;
    }
    effets.extend(publier_ouvert(etat, cx));
    effets.push(courriel_agenda(etat, Modele::AgendaOuvert));
    if !actif {
        let etape = cx.config.relances.prochaine(cx.now, 0);
        effets.extend(etape.map(|(at, _)| wake(at, RELANCE)));
    }
    effets
}

fn courriel_agenda(etat: &EtatEngagement, modele: Modele) -> Effect<RdvAgendaSync> {
    courriel(Courriel {
        a: etat.activite.medecin.courriel.clone(),
        modele,
        reference: format!("dossier {}", etat.activite.dossier),
        lien: None,
    })
}

fn agenda(etat: &EtatEngagement, cx: &Cx<'_>) -> Option<Agenda> {
    let (organisation, agent) = etat.acces.agent()?;
    let url = cx.config.url_agenda(organisation, agent);
    Some(Agenda { engagement: etat.activite.engagement.clone(), url })
}

pub(super) fn publier_ouvert(
    etat: &mut EtatEngagement,
    cx: &Cx<'_>,
) -> Option<Effect<RdvAgendaSync>> {
    let agenda = agenda(etat, cx).filter(|_| !etat.agenda_ouvert)?;
    etat.agenda_ouvert = true;
    Some(Effect::publish(&AgendaOuvert(agenda)))
}

pub(super) fn publier_ferme(
    etat: &mut EtatEngagement,
    cx: &Cx<'_>,
) -> Option<Effect<RdvAgendaSync>> {
    let agenda = agenda(etat, cx).filter(|_| etat.agenda_ouvert)?;
    etat.agenda_ouvert = false;
    Some(Effect::publish(&AgendaFerme(agenda)))
}

/// Rights cannot be taken away through the API (`AgentRemoval` is in the interface only, and is
/// refused while future appointments are not cancelled).
pub(super) fn demander_revocation(
    etat: &mut EtatEngagement,
    cx: &Cx<'_>,
) -> Option<Effect<RdvAgendaSync>> {
    let agenda = agenda(etat, cx).map(|a| a.url).unwrap_or_default();
    let champs = champs([
        ("courriel", etat.activite.medecin.courriel.clone()),
        ("agenda", agenda),
        ("a_compter_du", etat.activite.a_compter_du.to_string()),
        (
            "consigne",
            "Annuler les rendez-vous à venir à partir de cette date, puis retirer le médecin de \
             l'organisation."
                .to_owned(),
        ),
    ]);
    tache(etat, REVOCATION, champs, cx)
}

/// The invitation is still not accepted, as far as anything shows.
pub(super) fn relancer(etat: &mut EtatEngagement, cx: &Cx<'_>) -> Option<Effets> {
    let open = etat.activite.situation == Situation::Ouverte;
    let Acces::Invite { depuis, relances, .. } = &mut etat.acces else { return None };
    let (_, etape) = cx.config.relances.prochaine(*depuis, *relances).filter(|_| open)?;
    *relances += 1;
    let suivante = cx.config.relances.prochaine(*depuis, *relances);
    let mut effets: Effets = suivante.map(|(at, _)| wake(at, RELANCE)).into_iter().collect();
    match etape {
        Echelon::Relance { rang } => {
            effets.push(courriel_agenda(etat, Modele::AgendaRelance { rang }));
            effets.push(Effect::publish(&RelanceEnvoyee {
                relance: cx.id("relance"),
                destinataire: "medecin".to_owned(),
                canal: "courriel".to_owned(),
                rang,
                objet: format!("agenda/{}", etat.activite.engagement),
            }));
        }
        Echelon::Escalade => {
            let champs = champs([
                ("courriel", etat.activite.medecin.courriel.clone()),
                ("telephone", etat.activite.medecin.telephone.clone()),
                (
                    "consigne",
                    "Appeler le médecin : l'invitation à RDV Service Public n'est pas acceptée, \
                     ou aucun créneau n'est ouvert."
                        .to_owned(),
                ),
            ]);
            effets.extend(tache(etat, SANS_CRENEAU, champs, cx));
        }
    }
    Some(effets)
}

/// A plage shows that the invitation was accepted.
pub(super) fn premiere_plage(etat: &mut EtatEngagement, present: bool) -> Effets {
    let Acces::Invite { organisation, agent, .. } = etat.acces else { return Vec::new() };
    if !present {
        return Vec::new();
    }
    etat.acces = Acces::Actif { organisation, agent };
    let tache = etat.taches.remove(SANS_CRENEAU).map(|t| tache_faite(t, OBSERVE));
    let mut effets = vec![Effect::CancelWake(RELANCE.to_owned())];
    effets.extend(tache);
    effets
}

/// The agent's rights in the organisation appear or disappear.
pub(super) fn role(etat: &mut EtatEngagement, present: bool, cx: &Cx<'_>) -> Effets {
    let Some((organisation, agent)) = etat.acces.agent() else { return Vec::new() };
    let open = etat.activite.situation == Situation::Ouverte;
    let retire = matches!(etat.acces, Acces::Retire { .. });
    let mut effets = Effets::new();
    match (present, retire) {
        (false, false) => {
            // Before the access changes: the address of the agenda goes with the fact.
            effets.extend(publier_ferme(etat, cx));
            etat.acces = Acces::Retire { organisation, agent };
            effets.push(Effect::CancelWake(RELANCE.to_owned()));
            let done = [REVOCATION, SANS_CRENEAU].map(|g| etat.taches.remove(g));
            effets.extend(done.into_iter().flatten().map(|t| tache_faite(t, OBSERVE)));
            if open {
                let champs = champs([
                    ("courriel", etat.activite.medecin.courriel.clone()),
                    ("organisation_id", organisation.to_string()),
                    (
                        "consigne",
                        "L'accès du médecin à l'agenda a été retiré alors que son activité est \
                         autorisée : le rétablir, ou faire terminer l'activité."
                            .to_owned(),
                    ),
                ]);
                effets.extend(tache(etat, ACCES_PERDU, champs, cx));
            }
        }
        (true, true) => {
            etat.acces = Acces::Actif { organisation, agent };
            let perdu = etat.taches.remove(ACCES_PERDU);
            effets.extend(perdu.map(|t| tache_faite(t, OBSERVE)));
            if open {
                effets.extend(publier_ouvert(etat, cx));
            } else {
                effets.extend(demander_revocation(etat, cx));
            }
        }
        (true, false) | (false, true) => {}
    }
    effets
}
