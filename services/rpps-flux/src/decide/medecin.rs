//! A doctor who is followed: the authorised activity is recognised by (RPPS number, site), because
//! no NOS code names the mission; a card is new when it is valid from a later day than those known.

use chrono::TimeDelta;
use contracts::{
    DossierId, Rpps,
    messages::{Activite, ActiviteEnregistreeRpps, CarteCpsConstatee, Situation, SourceRpps},
};
use kernel::Pseudonymiser;
use service::Effect;

use super::{Cx, Decision, cle_dossier};
use crate::{
    Ask, Event, RppsFlux,
    state::{Carte, Fiche, Medecin, Observation, State, Veille, structures},
    vue::empreinte,
};

const RELECTURE: &str = "relecture";

/// The whole state of an engagement.
pub(super) fn activite(avant: Option<&Medecin>, activite: Activite, cx: &Cx<'_>) -> Decision {
    let rpps = activite.medecin.rpps;
    let mut next = avant.cloned().unwrap_or_else(|| Medecin::nouveau(rpps.clone()));
    let connue = next.engagements.get(&activite.engagement);
    let veille = Veille {
        structures: structures(&activite.lieu),
        enregistree: connue.and_then(|v| v.enregistree),
        close: match activite.situation {
            Situation::Ouverte | Situation::Suspendue => false,
            Situation::Terminee => true,
        },
    };
    if connue == Some(&veille) {
        return Decision::Ignore("engagement inchangé");
    }
    let question = !veille.close && veille.enregistree.is_none();
    next.engagements.insert(activite.engagement, veille);
    let suivi = next.veille();
    let decision = Decision::next(State::Medecin(next));
    let decision = if question { decision.ask(Ask::Chercher { rpps }) } else { decision };
    if suivi { relecture(decision, cx) } else { decision.cancel_wake(RELECTURE) }
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
    let question = Ask::Chercher { rpps: medecin.rpps.clone() };
    relecture(Decision::next(State::Medecin(medecin.clone())).ask(question), cx)
}

fn relecture(decision: Decision, cx: &Cx<'_>) -> Decision {
    let days = TimeDelta::days(i64::from(cx.config.relecture_jours));
    decision.wake_at(cx.now + days, RELECTURE)
}

/// What the extracts show.
pub(super) fn observer(avant: &Medecin, observation: &Observation, cx: &Cx<'_>) -> Decision {
    if avant.jour.is_some_and(|jour| observation.jour < jour) {
        return Decision::Ignore("extraction plus ancienne");
    }
    let mut next = Medecin { jour: Some(observation.jour), ..avant.clone() };
    let mut effects = Vec::new();
    if let Some(fiche) = &observation.fiche {
        effects.extend(enregistrements(&mut next, fiche));
        effects.extend(cartes(&mut next, fiche, cx));
    }
    let dite = Some(identite(observation));
    if next.dite != dite {
        next.dite = dite;
        effects.extend(next.dossiers.iter().map(|dossier| Effect::Tell {
            key: cle_dossier(*dossier),
            event: Event::Vue(observation.clone()),
        }));
    }
    if next == *avant {
        return Decision::Ignore("rien de nouveau");
    }
    Decision::next(State::Medecin(next)).with_all(effects)
}

/// Engagements whose site appears on a row of the doctor, each once.
fn enregistrements(next: &mut Medecin, fiche: &Fiche) -> Vec<Effect<RppsFlux>> {
    let mut effects = Vec::new();
    for (engagement, veille) in &mut next.engagements {
        if veille.close || veille.enregistree.is_some() {
            continue;
        }
        let Some(structure) = veille.structures.intersection(&fiche.structures).next() else {
            continue;
        };
        let Some(constatee_le) = next.jour else { continue };
        effects.push(Effect::publish(&ActiviteEnregistreeRpps {
            engagement: engagement.clone(),
            rpps: next.rpps.clone(),
            structure: structure.clone(),
            constatee_le,
            source: SourceRpps::Extraction,
        }));
        veille.enregistree = Some(constatee_le);
    }
    effects
}

/// Cards of a doctor with an open engagement: all of them at first sight, then those valid from a
/// later day than every known one (a new card replaces the former).
fn cartes(next: &mut Medecin, fiche: &Fiche, cx: &Cx<'_>) -> Vec<Effect<RppsFlux>> {
    if !next.veille() {
        return Vec::new();
    }
    let derniere = next.cartes.iter().map(|carte| carte.debut).max();
    let nouvelle = |carte: &&Carte| derniere.is_none_or(|debut| carte.debut > debut);
    let nouvelles: Vec<Carte> = fiche.cartes.iter().filter(nouvelle).cloned().collect();
    let pseudonyme = Pseudonymiser::new(cx.config.cle_pseudonymes.clone()).of(next.rpps.as_str());
    let publish = |carte: &Carte| {
        Effect::publish(&CarteCpsConstatee {
            rpps: next.rpps.clone(),
            pseudonyme: pseudonyme.clone(),
            numero_carte: carte.numero.clone(),
            debut_validite: carte.debut,
            fin_validite: carte.fin,
        })
    };
    let effects = nouvelles.iter().map(publish).collect();
    next.cartes.extend(nouvelles);
    effects
}

/// Fingerprint of what an application is told: names, professions, specialities.
fn identite(observation: &Observation) -> u64 {
    let part = observation.fiche.as_ref().map(|f| (&f.noms, &f.professions, &f.savoir_faire));
    empreinte(&format!("{part:?}"))
}
