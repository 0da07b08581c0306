//! An engagement until its number is asked for: the activity, its RPPS record, the request, its
//! reminders. A suspension or an end never stops an answer; nor the request and its reminders when
//! half-days may have been held: they stay owed, and nothing is paid without a number.

use chrono::{Days, NaiveDate};
use contracts::messages::Activite;
use service::Decision;

use super::{
    Cx, Decided, Effet, Engagement, Event, State,
    travail::{Travail, matin, reveil, tache},
};
use crate::{
    agency::NUMERO,
    state::{Etape, Suivi, Taches, cle_medecin},
};

/// Any snapshot of the activity: whatever the message, the whole of it.
pub(super) fn activite(
    engagement: Option<&Engagement>,
    activite: Activite,
    cx: &Cx<'_>,
) -> Decided {
    let (suivi, before) = match engagement {
        None => (nouveau(activite, None), None),
        Some(Engagement::Attendu { constat }) => (nouveau(activite, Some(*constat)), None),
        Some(Engagement::Connu(known)) => (Suivi { activite, ..(**known).clone() }, Some(&**known)),
    };
    let mut travail = Travail::new(suivi, cx);
    if before.is_none() {
        let engagement = travail.suivi.activite.engagement.clone();
        let key = cle_medecin(&travail.suivi.activite.medecin.rpps);
        travail.effet(Effet::Tell { key, event: Event::Suivre { engagement } });
    }
    if travail.suivi.actif() && travail.suivi.ouverte_le.is_none() {
        travail.suivi.ouverte_le = Some(travail.suivi.activite.a_compter_du);
    }
    let (actif, du) = (travail.suivi.actif(), travail.suivi.a_pu_exercer());
    let (was_actif, was_du) = before.map_or((false, false), |b| (b.actif(), b.a_pu_exercer()));
    if (actif && !was_actif) || (du && !was_du) {
        reprendre(&mut travail);
    } else if (was_actif && !actif) || (was_du && !du) {
        arreter(&mut travail);
    } else if travail.suivi.etape == Etape::CpamManquante && travail.cpam().is_some() {
        reprendre(&mut travail);
    }
    let stopped = before.map(|known| known.activite.situation);
    if !actif && stopped != Some(travail.suivi.activite.situation) {
        travail.rib_a_obtenir();
    }
    travail.fin()
}

fn nouveau(activite: Activite, constat: Option<NaiveDate>) -> Suivi {
    Suivi {
        activite,
        ouverte_le: None,
        constat,
        carte: None,
        cpam: None,
        etape: Etape::Constat,
        propose: None,
        remplacees: Vec::new(),
        taches_ouvertes: 0,
        taches: Taches::default(),
    }
}

/// What is awaited is awaited (again).
fn reprendre(travail: &mut Travail<'_, '_>) {
    match &travail.suivi.etape {
        Etape::Constat | Etape::CpamManquante if !travail.suivi.a_pu_exercer() => {}
        Etape::Constat => attendre(travail),
        Etape::CpamManquante => demander(travail),
        Etape::Demandee { demande, refus: None } if travail.suivi.a_pu_exercer() => {
            let due = travail.echeance(demande.faite_le, demande.rang - 1);
            travail.reveiller(due, reveil::RELANCE);
        }
        Etape::Demandee { .. } => {}
        Etape::Ouverte(_) => {
            travail.suivre_rib();
            travail.suivre_carte();
        }
    }
}

/// The doctor may not practise any more: bank details and card are not followed. The number is, as
/// long as half-days held before may be owed.
fn arreter(travail: &mut Travail<'_, '_>) {
    if !travail.suivi.actif() {
        travail.annuler(&[reveil::RIB, reveil::CARTE]);
    }
    if !travail.suivi.a_pu_exercer() {
        travail.annuler(&[reveil::RELANCE, reveil::RPPS, reveil::CPAM]);
        travail.effet(Effet::CancelAsks(NUMERO));
        travail.fermer_taches(&[tache::ESCALADE, tache::CPAM_MANQUANTE]);
    }
}

/// The activity appeared in the RPPS: the trigger, as the agencies describe it.
pub(super) fn constat(engagement: Option<&Engagement>, constat: NaiveDate, cx: &Cx<'_>) -> Decided {
    match engagement {
        None | Some(Engagement::Attendu { .. }) => {
            Decision::next(State::Engagement(Box::new(Engagement::Attendu { constat })))
        }
        Some(Engagement::Connu(suivi)) => {
            let mut travail = Travail::new((**suivi).clone(), cx);
            travail.suivi.constat = Some(constat);
            if travail.suivi.a_pu_exercer() && travail.suivi.etape == Etape::Constat {
                demander(&mut travail);
            }
            travail.fin()
        }
    }
}

/// Asks at once when the RPPS record is known or was awaited long enough; later otherwise.
fn attendre(travail: &mut Travail<'_, '_>) {
    let days = travail.delais().attente_rpps_jours;
    let limit = matin(travail.suivi.activite.a_compter_du + Days::new(days.into()));
    if travail.suivi.constat.is_some() || days == 0 || travail.cx.now >= limit {
        demander(travail);
    } else {
        travail.reveiller(limit, reveil::RPPS);
    }
}

/// Asks the CPAM of the site for a number.
fn demander(travail: &mut Travail<'_, '_>) {
    travail.annuler(&[reveil::RPPS, reveil::CPAM]);
    let Some(cpam) = travail.cpam() else {
        travail.suivi.etape = Etape::CpamManquante;
        travail.ouvrir_tache(tache::CPAM_MANQUANTE, &[]);
        return;
    };
    travail.fermer_taches(&[tache::CPAM_MANQUANTE]);
    let demande = travail.demande("numero", travail.suivi.remplacees.len() + 1, cpam);
    travail.transmettre(&demande);
    if travail.suivi.a_pu_exercer() {
        travail.reveiller(travail.echeance(demande.faite_le, 0), reveil::RELANCE);
    }
    travail.suivi.etape = Etape::Demandee { demande, refus: None };
}

/// The DNS named the CPAM of a site; asks it.
pub(super) fn cpam_connue(travail: &mut Travail<'_, '_>) {
    if !travail.suivi.a_pu_exercer() {
        return;
    }
    if travail.cpam().is_some() {
        demander(travail);
    } else {
        let due = travail.matin_ouvre_dans(travail.delais().nouvelle_escalade_jours);
        travail.reveiller(due, reveil::CPAM);
    }
}

/// An operator wants the number asked for now, whatever the situation. A request that waits is
/// replaced.
pub(super) fn redemander(engagement: Option<&Engagement>, cx: &Cx<'_>) -> Decided {
    let Some(Engagement::Connu(suivi)) = engagement else {
        return Decision::Ignore("engagement-inconnu");
    };
    let mut travail = Travail::new((**suivi).clone(), cx);
    match &suivi.etape {
        Etape::Ouverte(_) => return Decision::Ignore("numero-connu"),
        Etape::Demandee { demande, .. } => {
            travail.suivi.remplacees.push(demande.clone());
            travail.suivi.propose = None;
            travail.fermer_taches(&[
                tache::REFUS,
                tache::ESCALADE,
                tache::EN_DOUBLE,
                tache::A_DEMANDER,
            ]);
        }
        Etape::Constat | Etape::CpamManquante => {}
    }
    demander(&mut travail);
    travail.fin()
}

/// A wake-up; one that the present state does not wait for is ignored.
pub(super) fn reveil(engagement: Option<&Engagement>, reason: &str, cx: &Cx<'_>) -> Decided {
    const PERIME: Decided = Decision::Ignore("reveil-perime");
    let Some(Engagement::Connu(suivi)) = engagement else { return PERIME };
    let mut travail = Travail::new((**suivi).clone(), cx);
    match (&suivi.etape, reason) {
        (Etape::Constat, reveil::RPPS) | (Etape::CpamManquante, reveil::CPAM)
            if suivi.a_pu_exercer() =>
        {
            demander(&mut travail);
        }
        (Etape::Demandee { refus: None, .. }, reveil::RELANCE) if suivi.a_pu_exercer() => {
            relancer(&mut travail);
        }
        _ if !suivi.actif() => return PERIME,
        (Etape::Ouverte(_), reveil::RIB) => travail.relancer_rib(),
        (Etape::Ouverte(_), reveil::CARTE) => travail.signaler_retard(),
        (Etape::Constat | Etape::CpamManquante | Etape::Demandee { .. } | Etape::Ouverte(_), _) => {
            return PERIME;
        }
    }
    travail.fin()
}

/// The next reminder, or the escalation once there is none left.
fn relancer(travail: &mut Travail<'_, '_>) {
    let Etape::Demandee { mut demande, refus } = travail.suivi.etape.clone() else { return };
    let sent = usize::try_from(demande.rang - 1).unwrap_or(usize::MAX);
    if sent < travail.delais().relances_jours.len() {
        demande.rang += 1;
        travail.transmettre(&demande);
        travail.reveiller(travail.echeance(demande.faite_le, demande.rang - 1), reveil::RELANCE);
        travail.suivi.etape = Etape::Demandee { demande, refus };
        return;
    }
    // A task that is open already asks the DNS for the same thing.
    if travail.suivi.taches.0.is_empty() {
        travail.ouvrir_tache(tache::ESCALADE, &[("relances", (demande.rang - 1).to_string())]);
    }
    travail.escalade(tache::ESCALADE);
}
