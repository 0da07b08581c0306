//! Vacations: compares what the agenda says with what was published, day by day.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Utc};
use contracts::{
    VacationId,
    messages::{
        Situation, Vacation, VacationAnnulee, VacationAuPlanning, VacationPlanifiee,
        VacationRealisee,
    },
};
use kernel::{paris_at, paris_date};
use service::Effect;

use super::{Cx, Effets, demain, wake};
use crate::{
    RdvAgendaSync,
    planning::demi_journees,
    state::{EtatEngagement, Evenement, SituationVacation, VacationSuivie, cle_planning},
    wire::StatutRdv,
};

/// Reason of the wake-up at which a vacation is held, or the horizon moves.
const ECHEANCE: &str = "echeance";

/// Days after which an agenda without vacations to come is looked at again, while its series go
/// beyond the horizon.
const RELECTURE_JOURS: u64 = 30;

/// Days during which a delivery may still be on its way: it is tried again for a little more than 8
/// (`default_job_behaviour.rb`).
const EN_VOL_JOURS: u64 = 10;

/// Publishes every difference, tells the site's planning, and wakes up when a day is over.
pub(super) fn synchroniser(etat: &mut EtatEngagement, cx: &Cx<'_>) -> Effets {
    let today = paris_date(cx.now);
    let back = Days::new(cx.config.retention_jours.into());
    let ahead = Days::new(cx.config.horizon_jours.into());
    let oublie = today.checked_sub_days(back).unwrap_or(today);
    let au = today.checked_add_days(ahead).unwrap_or(today);
    etat.vacations.retain(|jour, _| *jour >= oublie);
    // What happened cannot be told from what was forgotten: appointments go with their day.
    etat.rdvs.retain(|_, r| match r.rdv {
        Some(rdv) => paris_date(rdv.debut) >= oublie,
        None => paris_date(r.horodatage) >= oublie,
    });
    let rien_en_vol = today.checked_sub_days(Days::new(EN_VOL_JOURS)).unwrap_or(oublie);
    etat.ouvertures.elaguer(oublie, rien_en_vol);

    let mut creneaux = etat.ouvertures.creneaux(etat.debut.max(oublie), au);
    creneaux.retain(|jour, _| etat.activite.autorise(*jour));
    let jours: BTreeSet<NaiveDate> =
        creneaux.keys().chain(etat.vacations.keys()).copied().collect();
    let (mut effets, mut entrees) = (Effets::new(), Vec::new());
    for jour in jours {
        let slots = creneaux.remove(&jour).unwrap_or_default();
        let Some(suivie) = prochaine(etat, jour, slots, cx) else { continue };
        let avant = etat.vacations.insert(jour, suivie.clone());
        effets.push(publier(etat, jour, &suivie));
        if avant.is_none_or(|a| a.version != suivie.version) {
            entrees.push(au_planning(etat, jour, &suivie));
        }
    }
    if !entrees.is_empty() {
        effets.push(Effect::Tell {
            key: cle_planning(&etat.activite.lieu.id),
            event: Evenement::AuPlanning { lieu: Box::new(etat.activite.lieu.clone()), entrees },
        });
    }
    effets.extend(echeance(etat, au, cx).map(|at| wake(at, ECHEANCE)));
    effets
}

/// The instant at which a day counts as held.
fn tenue(jour: NaiveDate, cx: &Cx<'_>) -> DateTime<Utc> {
    paris_at(demain(jour), cx.config.realisation_a)
}

/// What a day becomes; `None` when it is already so.
fn prochaine(
    etat: &EtatEngagement,
    jour: NaiveDate,
    creneaux: Vec<contracts::Plage>,
    cx: &Cx<'_>,
) -> Option<VacationSuivie> {
    let avant = etat.vacations.get(&jour);
    let version = avant.map_or(0, |a| a.version);
    if creneaux.is_empty() {
        let avant = avant.filter(|a| a.situation != SituationVacation::Annulee)?;
        let version = version + 1;
        let situation = SituationVacation::Annulee;
        return Some(VacationSuivie { situation, rdv_honores: 0, version, ..avant.clone() });
    }
    let held = tenue(jour, cx) <= cx.now;
    let situation = if held { SituationVacation::Realisee } else { SituationVacation::Planifiee };
    let same =
        avant.is_some_and(|a| a.situation != SituationVacation::Annulee && a.creneaux == creneaux);
    let suivie = VacationSuivie {
        situation,
        demi_journees: demi_journees(&creneaux, cx.config.bascule),
        creneaux,
        rdv_honores: if held { honores(etat, jour) } else { 0 },
        version: if same { version } else { version + 1 },
    };
    (avant != Some(&suivie)).then_some(suivie)
}

fn honores(etat: &EtatEngagement, jour: NaiveDate) -> u32 {
    let seen = etat
        .rdvs
        .values()
        .filter_map(|r| r.rdv)
        .filter(|rdv| rdv.statut == StatutRdv::Seen && paris_date(rdv.debut) == jour);
    u32::try_from(seen.count()).unwrap_or(u32::MAX)
}

fn publier(
    etat: &EtatEngagement,
    jour: NaiveDate,
    suivie: &VacationSuivie,
) -> Effect<RdvAgendaSync> {
    let engagement = etat.activite.engagement.clone();
    let vacation = Vacation {
        vacation: VacationId::new(&engagement, jour),
        engagement,
        date: jour,
        demi_journees: suivie.demi_journees.clone(),
        rdv_honores: suivie.rdv_honores,
        creneaux: suivie.creneaux.clone(),
    };
    match suivie.situation {
        SituationVacation::Planifiee => Effect::publish(&VacationPlanifiee(vacation)),
        SituationVacation::Realisee => Effect::publish(&VacationRealisee(vacation)),
        SituationVacation::Annulee => Effect::publish(&VacationAnnulee(vacation)),
    }
}

fn au_planning(
    etat: &EtatEngagement,
    jour: NaiveDate,
    suivie: &VacationSuivie,
) -> VacationAuPlanning {
    let medecin = &etat.activite.medecin;
    VacationAuPlanning {
        vacation: VacationId::new(&etat.activite.engagement, jour),
        medecin: format!("Dr {} {}", medecin.prenom, medecin.nom),
        date: jour,
        creneaux: suivie.creneaux.clone(),
        annulee: suivie.situation == SituationVacation::Annulee,
        version: suivie.version,
        retires: Vec::new(),
    }
}

/// When to look again: at the end of the next day held, or before the horizon is reached.
fn echeance(etat: &EtatEngagement, au: NaiveDate, cx: &Cx<'_>) -> Option<DateTime<Utc>> {
    let planned = etat.vacations.iter();
    let planned = planned.filter(|(_, v)| v.situation == SituationVacation::Planifiee);
    let next = planned.map(|(jour, _)| tenue(*jour, cx)).min();
    let reread = etat.ouvertures.depassent(au).then(|| {
        let jour = cx.today().checked_add_days(Days::new(RELECTURE_JOURS)).unwrap_or(au);
        paris_at(jour.min(au), cx.config.realisation_a)
    });
    // Terminated activities open nothing more.
    let activite = &etat.activite;
    let closed = activite.situation != Situation::Ouverte && activite.a_compter_du <= au;
    [next, reread.filter(|_| !closed)].into_iter().flatten().min()
}
