//! The planning of a site: what changed goes out once a day, as a fact and by mail.

use chrono::TimeDelta;
use contact::{Courriel, Lien, Modele, Question as Page, date_en_lettres};
use contracts::{
    Lieu,
    messages::{PlanningPublie, VacationAuPlanning},
};
use kernel::paris_date;
use service::{Decision, Effect, Input};

use super::{Cx, Decide, Effets, OBSERVE, champs, deplace, prochain, tache, tache_faite, wake};
use crate::{
    affiche::horaires,
    state::{Etat, EtatPlanning, Evenement, Question},
};

/// Reason of the wake-up that publishes the planning.
const PLANNING: &str = "planning";

/// Days during which the page behind a mail shows the planning; the next mail has a new link.
const VALIDITE_JOURS: i64 = 120;

/// The planning as a page, for a site that has no calendar program: one line a slot, by date.
pub(crate) fn page(etat: &EtatPlanning, lien: &Lien) -> Option<Page> {
    if lien.sujet != PLANNING {
        return None;
    }
    let mut vacations: Vec<_> = etat.vacations.values().collect();
    vacations.sort_by(|a, b| (a.date, &a.vacation).cmp(&(b.date, &b.vacation)));
    let line = |v: &VacationAuPlanning| {
        let annulee = if v.annulee { " (annulée)" } else { "" };
        format!(
            "{}\u{a0}: {}, {}{annulee}.",
            date_en_lettres(v.date),
            v.medecin,
            horaires(&v.creneaux)
        )
    };
    let mut texte: Vec<_> = vacations.into_iter().map(line).collect();
    if texte.is_empty() {
        texte.push("Aucune consultation n’est prévue pour l’instant.".to_owned());
    }
    let titre = format!("Planning des consultations\u{a0}: {}", etat.lieu.nom);
    Some(Page { titre, texte, choix: Vec::new(), champs: Vec::new() })
}

/// Before its first entry.
pub(super) fn vide(lieu: Lieu) -> EtatPlanning {
    EtatPlanning { lieu, vacations: [].into(), a_publier: false, contact_demande: None }
}

/// Anything that happens to a planning.
pub(super) fn decide(
    mut etat: EtatPlanning,
    input: Input<crate::RdvAgendaSync>,
    cx: &Cx<'_>,
) -> Decide {
    let effets = match input {
        Input::Wake { .. } => publier(&mut etat, cx),
        Input::Event(Evenement::AuPlanning { lieu, entrees }) => {
            let corrige = etat.lieu != *lieu;
            etat.lieu = *lieu;
            match inscrire(&mut etat, entrees) {
                true => vec![wake(prochain(cx.now, cx.config.planning_a), PLANNING)],
                false if corrige => vec![],
                false => return Ok(Decision::Ignore("planning-inchange")),
            }
        }
        Input::Event(Evenement::TacheFaite { tache, par, .. }) => {
            if etat.contact_demande != Some(tache) {
                return Ok(Decision::Ignore("tache-deja-close"));
            }
            etat.contact_demande = None;
            // The site has an address now: what it did not get goes out with the next planning.
            etat.a_publier = true;
            vec![tache_faite(tache, &par), wake(prochain(cx.now, cx.config.planning_a), PLANNING)]
        }
        Input::Event(_) | Input::Answer { .. } | Input::Message { .. } => return Err(deplace()),
    };
    Ok(Decision::next(Etat::Planning(Box::new(etat))).with_all(effets))
}

/// Takes entries into the planning; returns whether anything changed.
fn inscrire(etat: &mut EtatPlanning, entrees: Vec<VacationAuPlanning>) -> bool {
    let mut change = false;
    for mut entree in entrees {
        let connue = etat.vacations.get(&entree.vacation);
        if connue.is_none_or(|c| c.version < entree.version) {
            let before = connue.into_iter().flat_map(|c| c.creneaux.iter().chain(&c.retires));
            entree.retires = before.skip(entree.creneaux.len()).copied().collect();
            etat.vacations.insert(entree.vacation.clone(), entree);
            change = true;
        }
    }
    etat.a_publier |= change;
    change
}

/// Publishes what changed, and sends it to the site.
fn publier(etat: &mut EtatPlanning, cx: &Cx<'_>) -> Effets {
    let du = paris_date(cx.now);
    etat.vacations.retain(|_, v| v.date >= du);
    if !std::mem::take(&mut etat.a_publier) || etat.vacations.is_empty() {
        return Vec::new();
    }
    let mut vacations: Vec<_> = etat.vacations.values().cloned().collect();
    vacations.sort_by(|a, b| (a.date, &a.vacation).cmp(&(b.date, &b.vacation)));
    let au = vacations.last().map_or(du, |v| v.date);
    let planning = PlanningPublie { lieu: etat.lieu.id.clone(), du, au, vacations };
    let mut effets = vec![Effect::publish(&planning)];
    let lieu = cx.referentiel.lieu(&etat.lieu.id).unwrap_or(&etat.lieu);
    match &lieu.contact_courriel {
        Some(a) => {
            effets.extend(etat.contact_demande.take().map(|t| tache_faite(t, OBSERVE)));
            let courriel = Courriel {
                a: a.clone(),
                modele: Modele::PlanningPublie { du, au, imprime: cx.config.planning_imprime },
                reference: format!("lieu {}", lieu.id),
                lien: Some(Lien {
                    sujet: PLANNING.to_owned(),
                    cle: cx.key.to_owned(),
                    question: PLANNING.to_owned(),
                    expire_le: cx.now + TimeDelta::days(VALIDITE_JOURS),
                }),
            };
            let lieu = Box::new(lieu.clone());
            effets.push(Effect::Ask(Question::Planning { courriel, planning, lieu }));
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
            let (demande, effet) =
                tache("lieu-contact-manquant", format!("lieu/{}", lieu.id), champs, cx);
            etat.contact_demande = Some(demande);
            effets.push(effet);
        }
        None => {}
    }
    effets
}
