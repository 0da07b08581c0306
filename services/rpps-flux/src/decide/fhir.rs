//! The API of the Annuaire Santé: who changed is asked at a fixed pace, page after page; a doctor
//! who is followed then asks for the whole of what the API says.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use contracts::{Rpps, messages::SourceRpps};
use service::Effect;

use super::{Cx, Decision, Outcome, autre_etat, cle_medecin, dossier, medecin};
use crate::{
    Answer, Ask, Event, Ressource,
    state::{Dossier, Fiche, FluxFhir, Lecture, Medecin, Observation, State},
};

/// Changes older than 30 days are not kept by the API (ANS documentation); a day of margin.
const DELTA_MAX: TimeDelta = TimeDelta::days(29);

/// What is asked again of the time before the last reading: clocks differ.
const RECOUVREMENT: TimeDelta = TimeDelta::minutes(10);

/// A reading that did not end in this time is begun again.
const LECTURE_MAX: TimeDelta = TimeDelta::hours(6);

const DELTA: &str = "delta";

/// Begins a reading, unless one goes on, and plans the next one.
pub(super) fn lire(avant: &FluxFhir, cx: &Cx<'_>) -> Decision {
    let Some(config) = &cx.config.fhir else {
        return Decision::next(State::Fhir(avant.clone())).cancel_wake(DELTA);
    };
    let next = cx.now + TimeDelta::minutes(i64::from(config.delta_minutes));
    if avant.en_cours.as_ref().is_some_and(|l| cx.now - l.debut < LECTURE_MAX) {
        return Decision::next(State::Fhir(avant.clone())).wake_at(next, DELTA);
    }
    let since = avant.acquis.map(|at| at - RECOUVREMENT);
    let lecture = Lecture {
        debut: cx.now,
        // Further back, or never read: all of it.
        depuis: since.filter(|at| cx.now - *at < DELTA_MAX),
        ressource: Ressource::Praticiens,
    };
    let ask = question(&lecture, None);
    let state = FluxFhir { acquis: avant.acquis, en_cours: Some(lecture) };
    Decision::next(State::Fhir(state)).ask(ask).wake_at(next, DELTA)
}

fn question(lecture: &Lecture, page: Option<String>) -> Ask {
    Ask::Changements {
        ressource: lecture.ressource,
        depuis: lecture.depuis,
        debut: lecture.debut,
        page,
    }
}

/// A page of changes.
pub(super) fn page(avant: &FluxFhir, ask: &Ask, answer: Answer) -> Outcome {
    let Some(lecture) = avant.en_cours.as_ref().filter(|l| l.est_de(ask)) else {
        return Ok(Decision::Ignore("lecture dépassée"));
    };
    let (numeros, suite) = match answer {
        Answer::Changements { numeros, suite } => (numeros, suite),
        // The next wake-up begins again from the same instant.
        Answer::PagePerimee => {
            let state = FluxFhir { acquis: avant.acquis, en_cours: None };
            return Ok(Decision::next(State::Fhir(state)));
        }
        Answer::Integree(_)
        | Answer::Inchangee { .. }
        | Answer::Refusee { .. }
        | Answer::Suite { .. }
        | Answer::Trouvee(_)
        | Answer::Praticien { .. }
        | Answer::Situations { .. } => return Err(autre_etat()),
    };
    let tell = |rpps: Rpps| Effect::Tell { key: cle_medecin(&rpps), event: Event::ChangementFhir };
    let told: Vec<_> = numeros.into_iter().map(tell).collect();
    let mut state = avant.clone();
    let ask = match (suite, lecture.suivante()) {
        (Some(page), _) => Some(question(lecture, Some(page))),
        (None, Some(next)) => {
            let ask = question(&next, None);
            state.en_cours = Some(next);
            Some(ask)
        }
        (None, None) => {
            state = FluxFhir { acquis: Some(lecture.debut), en_cours: None };
            None
        }
    };
    Ok(Decision::next(State::Fhir(state)).with_all(told).with_all(ask.map(Effect::Ask)))
}

impl Lecture {
    fn est_de(&self, ask: &Ask) -> bool {
        match ask {
            Ask::Changements { ressource, debut, .. } => {
                *ressource == self.ressource && *debut == self.debut
            }
            Ask::Integrer { .. }
            | Ask::Suite { .. }
            | Ask::Chercher { .. }
            | Ask::Interroger { .. }
            | Ask::Situations { .. } => false,
        }
    }

    /// What is read next: after the people, their activities. Who every doctor is says it all.
    fn suivante(&self) -> Option<Self> {
        match (self.ressource, self.depuis) {
            (Ressource::Praticiens, Some(_)) => {
                Some(Self { ressource: Ressource::Situations, ..self.clone() })
            }
            (Ressource::Praticiens, None) | (Ressource::Situations, _) => None,
        }
    }
}

/// What the API says of an applicant: who it is, activities do not count.
pub(super) fn candidat(avant: &Dossier, ask: &Ask, answer: Answer, cx: &Cx<'_>) -> Outcome {
    match (ask, answer) {
        (Ask::Interroger { rpps }, Answer::Praticien { fiche, .. }) => {
            Ok(dossier::observer(avant, &observation(rpps, fiche, cx), cx))
        }
        _ => Err(autre_etat()),
    }
}

/// What the API says of a doctor who is followed: who it is, then where.
pub(super) fn suivi(avant: &Medecin, ask: Ask, answer: Answer, cx: &Cx<'_>) -> Outcome {
    match (ask, answer) {
        (Ask::Interroger { rpps }, Answer::Praticien { ids, fiche: Some(fiche) }) => {
            let ask = Ask::Situations { rpps, ids, fiche, page: None };
            Ok(Decision::next(State::Medecin(avant.clone())).ask(ask))
        }
        (Ask::Interroger { rpps }, Answer::Praticien { fiche: None, .. }) => {
            Ok(medecin::observer(avant, &observation(&rpps, None, cx), cx))
        }
        (Ask::Situations { rpps, ids, fiche, .. }, Answer::Situations { structures, suite }) => {
            let fiche = avec(fiche, structures);
            if suite.is_some() {
                let ask = Ask::Situations { rpps, ids, fiche, page: suite };
                return Ok(Decision::next(State::Medecin(avant.clone())).ask(ask));
            }
            Ok(medecin::observer(avant, &observation(&rpps, Some(fiche), cx), cx))
        }
        _ => Err(autre_etat()),
    }
}

fn avec(fiche: Fiche, structures: BTreeSet<String>) -> Fiche {
    Fiche { structures: fiche.structures.into_iter().chain(structures).collect(), ..fiche }
}

fn observation(rpps: &Rpps, fiche: Option<Fiche>, cx: &Cx<'_>) -> Observation {
    Observation { rpps: rpps.clone(), jour: cx.today(), source: SourceRpps::Fhir, fiche }
}
