//! An applicant: identified once per complete version, then again whenever the RPPS says
//! something else.

use contracts::{
    DossierId,
    messages::{Candidature, MedecinRppsDivergent, SourceRpps},
};

use super::{Cx, Decision, Outcome, autre_etat, cle_medecin, medecin::questions};
use crate::{
    Event,
    state::{Candidat, Dossier, Observation, State, divergences, identifier},
};

/// A complete version: the doctor is looked up, and followed from now on.
pub(super) fn candidature(state: Option<&State>, candidature: Candidature, cx: &Cx<'_>) -> Outcome {
    let (dossier, medecin) = (candidature.dossier, candidature.medecin);
    let candidat = Candidat { rpps: medecin.rpps, nom: medecin.nom, prenom: medecin.prenom };
    let avant = match state {
        None => None,
        Some(State::Dossier(avant)) => Some(avant),
        Some(State::DossierClos) => return Ok(Decision::Ignore("dossier clos")),
        Some(State::Extraction(_) | State::Fhir(_) | State::Medecin(_)) => return Err(autre_etat()),
    };
    let remplace = avant.filter(|a| a.candidat.rpps != candidat.rpps);
    let garde = avant.filter(|a| a.candidat.rpps == candidat.rpps);
    let rpps = candidat.rpps.clone();
    let next = State::Dossier(Dossier {
        candidat,
        attendue: true,
        identite: garde.and_then(|a| a.identite.clone()),
        jour: garde.and_then(|a| a.jour),
        par_fhir: garde.is_some_and(|a| a.par_fhir),
    });
    let decision = Decision::next(next)
        .with_all(questions(&rpps, cx))
        .tell(cle_medecin(&rpps), Event::Suivre { rpps, dossier });
    Ok(match remplace {
        Some(a) => decision.tell(cle_medecin(&a.candidat.rpps), Event::NePlusSuivre { dossier }),
        None => decision,
    })
}

/// Refused or withdrawn: a tombstone, so that a late version changes nothing.
pub(super) fn clore(state: Option<&State>, dossier: DossierId) -> Outcome {
    let clos = Decision::next(State::DossierClos);
    match state {
        None => Ok(clos),
        Some(State::Dossier(d)) => {
            Ok(clos.tell(cle_medecin(&d.candidat.rpps), Event::NePlusSuivre { dossier }))
        }
        Some(State::DossierClos) => Ok(Decision::Ignore("dossier clos")),
        Some(State::Extraction(_) | State::Fhir(_) | State::Medecin(_)) => Err(autre_etat()),
    }
}

/// What the RPPS says of an applicant: owed once per complete version, then when it changes.
pub(super) fn observer(avant: &Dossier, observation: &Observation, cx: &Cx<'_>) -> Decision {
    if observation.rpps != avant.candidat.rpps {
        return Decision::Ignore("numéro RPPS remplacé");
    }
    let par_fhir = observation.source == SourceRpps::Fhir;
    let older =
        |jour| observation.jour < jour || (avant.par_fhir && !par_fhir && observation.jour == jour);
    if avant.jour.is_some_and(older) && !avant.attendue {
        return Decision::Ignore("extraction plus ancienne");
    }
    let Some(dossier) = numero(cx.key) else { return Decision::Ignore("clé inconnue") };
    let identite = identifier(dossier, &avant.candidat, observation.fiche.as_ref());
    if !avant.attendue && avant.identite.as_ref() == Some(&identite) {
        return Decision::Ignore("identité inchangée");
    }
    let next = State::Dossier(Dossier {
        candidat: avant.candidat.clone(),
        attendue: false,
        identite: Some(identite.clone()),
        jour: Some(observation.jour),
        par_fhir,
    });
    let worse = avant.identite.as_ref().map(|was| divergences(was, &identite)).unwrap_or_default();
    if avant.attendue || worse.is_empty() {
        Decision::next(next).publish(&identite)
    } else {
        Decision::next(next).publish(&MedecinRppsDivergent { identite, divergences: worse })
    }
}

/// A row at an authorised site is not there any more: told once, by the doctor's state.
pub(super) fn activite_disparue(avant: &Dossier) -> Decision {
    let Some(identite) = avant.identite.clone() else {
        return Decision::Ignore("jamais identifié");
    };
    let divergences = vec!["activite-disparue".to_owned()];
    Decision::next(State::Dossier(avant.clone()))
        .publish(&MedecinRppsDivergent { identite, divergences })
}

fn numero(key: &str) -> Option<DossierId> {
    key.strip_prefix("dossier/")?.parse().ok().map(DossierId)
}
