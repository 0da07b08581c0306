//! A doctor who is followed: the authorised activity is recognised by (RPPS number, site), because
//! no NOS code names the mission; a card is new when it is valid from a later day than those known.

use chrono::TimeDelta;
use contracts::{
    DossierId, Rpps,
    messages::{Activite, Situation, SourceRpps},
};
use service::Effect;

use super::{Cx, Decision, cle_dossier, sources, veille};
use crate::{
    Ask, Event, RppsFlux,
    state::{Medecin, Observation, State, Veille, structures},
};

pub(super) const RELECTURE: &str = "relecture";

/// The whole state of an engagement.
pub(super) fn activite(avant: Option<&Medecin>, activite: Activite, cx: &Cx<'_>) -> Decision {
    let rpps = activite.medecin.rpps;
    let engagement = activite.engagement;
    let mut next = avant.cloned().unwrap_or_else(|| Medecin::nouveau(rpps.clone()));
    let connue = next.engagements.get(&engagement).cloned();
    let recue = Veille {
        structures: structures(&activite.lieu),
        enregistree: connue.as_ref().and_then(|v| v.enregistree),
        close: match activite.situation {
            Situation::Ouverte | Situation::Suspendue => false,
            Situation::Terminee => true,
        },
        dossier: Some(activite.dossier),
        lieu: activite.lieu.id.to_string(),
        cdom: format!("cdom.{}", activite.medecin.cdom_inscription),
        attendue: connue.as_ref().and_then(|v| v.attendue).or(Some(cx.today())),
        disparue: connue.as_ref().and_then(|v| v.disparue),
    };
    if connue.as_ref() == Some(&recue) {
        return Decision::Ignore("engagement inchangé");
    }
    let awaited = !recue.close && recue.enregistree.is_none();
    let depuis = recue.attendue.filter(|_| connue.is_none_or(|v| v.attendue.is_none()));
    let mut effects = Vec::new();
    if recue.close {
        let done = [veille::ABSENTE, veille::DISPARUE];
        effects.extend(veille::faire(&mut next, &done, Some(&engagement)));
        effects.push(Effect::CancelWake(veille::raison(&engagement)));
    } else if let Some(depuis) = depuis.filter(|_| awaited) {
        effects.push(veille::surveiller(&engagement, depuis, cx));
    }
    next.engagements.insert(engagement, recue);
    let suivi = next.veille();
    let decision = Decision::next(State::Medecin(next)).with_all(effects);
    let decision = if awaited { decision.with_all(questions(&rpps, cx)) } else { decision };
    if suivi { relecture(decision, cx) } else { decision.cancel_wake(RELECTURE) }
}

/// Asks every source that there is.
pub(super) fn questions(rpps: &Rpps, cx: &Cx<'_>) -> Vec<Effect<RppsFlux>> {
    let extraits = Ask::Chercher { rpps: rpps.clone() };
    let api = cx.config.fhir.as_ref().map(|_| Ask::Interroger { rpps: rpps.clone() });
    [extraits].into_iter().chain(api).map(Effect::Ask).collect()
}

/// An application is to be kept informed.
pub(super) fn suivre(avant: Option<&Medecin>, rpps: Rpps, dossier: DossierId) -> Decision {
    let mut next = avant.cloned().unwrap_or_else(|| Medecin::nouveau(rpps));
    if !next.dossiers.insert(dossier) {
        return Decision::Ignore("dossier déjà suivi");
    }
    Decision::next(State::Medecin(next))
}

/// It is not any more.
pub(super) fn ne_plus_suivre(avant: &Medecin, dossier: DossierId) -> Decision {
    let mut next = avant.clone();
    if !next.dossiers.remove(&dossier) {
        return Decision::Ignore("dossier non suivi");
    }
    Decision::next(State::Medecin(next))
}

/// Looks the doctor up again: covers a change that was not told, because the local view was lost.
pub(super) fn relire(medecin: &Medecin, cx: &Cx<'_>) -> Decision {
    if !medecin.veille() {
        return Decision::Ignore("aucun engagement ouvert");
    }
    let mut next = medecin.clone();
    let mut effects = questions(&medecin.rpps, cx);
    // Engagements known to an earlier version of the service are not watched yet.
    let unwatched = |v: &Veille| !v.close && v.enregistree.is_none() && v.attendue.is_none();
    for (engagement, veille) in next.engagements.iter_mut().filter(|(_, v)| unwatched(v)) {
        veille.attendue = Some(cx.today());
        effects.push(veille::surveiller(engagement, cx.today(), cx));
    }
    relecture(Decision::next(State::Medecin(next)).with_all(effects), cx)
}

/// The API says that something of the doctor changed.
pub(super) fn change(medecin: &Medecin) -> Decision {
    let question = Ask::Interroger { rpps: medecin.rpps.clone() };
    Decision::next(State::Medecin(medecin.clone())).ask(question)
}

fn relecture(decision: Decision, cx: &Cx<'_>) -> Decision {
    let days = TimeDelta::days(i64::from(cx.config.relecture_jours));
    decision.wake_at(cx.now + days, RELECTURE)
}

/// What a source shows.
pub(super) fn observer(avant: &Medecin, observation: &Observation, cx: &Cx<'_>) -> Decision {
    let mut next = avant.clone();
    match observation.source {
        SourceRpps::Extraction if avant.jour.is_some_and(|jour| observation.jour < jour) => {
            return Decision::Ignore("extraction plus ancienne");
        }
        SourceRpps::Extraction => next.jour = Some(observation.jour),
        SourceRpps::Fhir => {}
    }
    let mut effects = Vec::new();
    if let Some(fiche) = &observation.fiche {
        effects.extend(sources::enregistrements(&mut next, fiche, observation));
        effects.extend(sources::cartes(&mut next, fiche, cx));
    }
    effects.extend(sources::disparitions(&mut next, observation, cx));
    if sources::ecoutee(&next, observation) {
        next.dite = Some(sources::identite(observation));
        effects.extend(next.dossiers.iter().map(|dossier| Effect::Tell {
            key: cle_dossier(*dossier),
            event: Event::Vue(observation.clone()),
        }));
    }
    effects.extend(sources::confronter(&mut next, observation, cx));
    if next == *avant {
        return Decision::Ignore("rien de nouveau");
    }
    Decision::next(State::Medecin(next)).with_all(effects)
}
