//! A doctor: which CDOM may suspend, and which engagements follow.

use chrono::NaiveDate;
use contracts::{
    Agence, CodeCdom, DossierId, EngagementId,
    messages::{CauseFin, FinPrononcee},
};
use service::{Decision, Refusal};

use super::{Decided, Effet, Event, Inscrit, State, Verdict};
use crate::state::{Inscription, Mesure, Terminer, cle_dossier, cle_engagement, engagement_id};

/// An application names a CDOM; once authorised, it brings engagements.
pub(super) fn inscrire(
    inscrit: Option<&Inscrit>,
    dossier: DossierId,
    cdom: CodeCdom,
    engagements: Vec<EngagementId>,
) -> Decided {
    let mut inscrit = inscrit.cloned().unwrap_or_default();
    let favorable = !engagements.is_empty();
    let known = inscrit.inscriptions.get(&dossier);
    // The CDOM that authorised stays, whatever version of the application comes late.
    let kept = known.is_some_and(|i| i.favorable && !favorable);
    let inscription = Inscription { cdom, favorable };
    if kept || (known == Some(&inscription) && !favorable) {
        return Decision::Ignore("inscription-connue");
    }
    inscrit.inscriptions.insert(dossier, inscription);
    inscrit.termines.retain(|id| !engagements.contains(id));
    let brought: Vec<EngagementId> =
        engagements.into_iter().filter(|id| inscrit.engagements.insert(id.clone())).collect();
    let told = if inscrit.mesures.is_empty() { Vec::new() } else { dire(&inscrit, &brought) };
    Decision::next(State::Medecin(inscrit)).with_all(told)
}

/// Another application asks whether this CDOM's authorisation holds for it too.
pub(super) fn consulter(inscrit: Option<&Inscrit>, dossier: DossierId, cdom: &CodeCdom) -> Decided {
    let inscrit = inscrit.cloned().unwrap_or_default();
    let accordee = inscrit.est_autorise(dossier, cdom);
    Decision::next(State::Medecin(inscrit))
        .tell(cle_dossier(dossier), Event::Anterieure { accordee })
}

/// An engagement ended.
pub(super) fn terminer(inscrit: Option<&Inscrit>, engagement: EngagementId) -> Decided {
    let mut inscrit = inscrit.cloned().unwrap_or_default();
    inscrit.termines.insert(engagement);
    Decision::next(State::Medecin(inscrit))
}

/// The Order suspended the doctor, or lifted the suspension.
pub(super) fn mesure(
    inscrit: Option<&Inscrit>,
    a_compter_du: NaiveDate,
    levee: bool,
    agence: &Agence,
) -> Verdict {
    let mut inscrit = suivi_par(inscrit, agence)?;
    let mesure = Mesure { a_compter_du, levee };
    match inscrit.mesures.binary_search(&mesure) {
        Ok(_) => Ok(Decision::Ignore("mesure-connue")),
        Err(rank) => {
            inscrit.mesures.insert(rank, mesure);
            let all: Vec<EngagementId> = inscrit.engagements.iter().cloned().collect();
            let told = dire(&inscrit, &all);
            Ok(Decision::next(State::Medecin(inscrit)).with_all(told))
        }
    }
}

/// The doctor, of whom only the CDOM of registration may say something.
fn suivi_par(inscrit: Option<&Inscrit>, agence: &Agence) -> Result<Inscrit, Refusal> {
    let Some((inscrit, cdom)) = inscrit.and_then(|i| Some((i, i.cdom()?))) else {
        return Err(Refusal::new("medecin-inconnu", "no application names this doctor"));
    };
    if Agence::cdom(cdom) != *agence {
        return Err(Refusal::new(
            "mauvaise-agence",
            format!("{agence} is not the CDOM of registration"),
        ));
    }
    Ok(inscrit.clone())
}

/// The CDOM ends the mission, at one site or at all of them. The same end said again ends nothing
/// that was opened since.
pub(super) fn fin(inscrit: Option<&Inscrit>, fin: &FinPrononcee, agence: &Agence) -> Verdict {
    let mut inscrit = suivi_par(inscrit, agence)?;
    let named = fin.lieu.as_ref().map(|lieu| engagement_id(&fin.rpps, lieu));
    let concerned: Vec<EngagementId> = match named {
        Some(one) => inscrit.engagements.get(&one).cloned().into_iter().collect(),
        None => inscrit.engagements.iter().cloned().collect(),
    };
    if concerned.is_empty() {
        return Err(Refusal::new("engagement-inconnu", "the doctor was never authorised there"));
    }
    if !inscrit.fins.insert((fin.lieu.clone(), fin.a_compter_du)) {
        return Ok(Decision::Ignore("fin-connue"));
    }
    let cause = match fin.cause {
        CauseFin::Retrait => "retrait",
        CauseFin::Radiation => "radiation",
    };
    let told = concerned.iter().map(|id| Effet::Tell {
        key: cle_engagement(id),
        event: Event::Terminer(Terminer {
            cause: cause.to_owned(),
            a_compter_du: Some(fin.a_compter_du),
            ouverture: None,
        }),
    });
    let told: Vec<Effet> = told.collect();
    Ok(Decision::next(State::Medecin(inscrit)).with_all(told))
}

/// Tells engagements everything the Order decided.
fn dire(inscrit: &Inscrit, engagements: &[EngagementId]) -> Vec<Effet> {
    let tell = |id: &EngagementId| Effet::Tell {
        key: cle_engagement(id),
        event: Event::Mesures(inscrit.mesures.clone()),
    };
    engagements.iter().map(tell).collect()
}
