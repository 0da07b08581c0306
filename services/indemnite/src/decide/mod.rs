//! The rules of the indemnity, pure: which input concerns which kind of state.

#![expect(clippy::unnecessary_wraps, reason = "every decision has the same signature")]

mod attestation;
mod emis;
mod engagement;
mod etat;
mod medecin_mois;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use contracts::messages::{TacheFaite, TacheOuverte};
use service::{Context, Decision, Effect, Input, Refusal, Service};
use uuid::Uuid;

pub(crate) use attestation::question;
pub(crate) use medecin_mois::{
    CONFIRMATION, choix as choix_du_medecin, question as question_au_medecin,
};

use crate::{
    Incoming, Indemnite,
    state::{Attestation, Engagement, Etat, EtatEmis, MedecinMois, State},
    wire::Event,
};

/// What a decision may know.
type Cx<'a> = Context<'a, Indemnite>;
/// What is decided.
type Decided = Result<Decision<Indemnite>, Refusal>;
/// What follows.
type Effects = Vec<Effect<Indemnite>>;

/// Decides one input.
pub(crate) fn decide(state: Option<&State>, input: Input<Indemnite>, cx: &Cx<'_>) -> Decided {
    match input {
        Input::Message { message, origin, .. } => match message {
            Incoming::ActiviteAutorisee(m) => engagement::activite(state, &m.0),
            Incoming::ActiviteModifiee(m) => engagement::activite(state, &m.0),
            Incoming::ActiviteSuspendue(m) => engagement::activite(state, &m.0),
            Incoming::ActiviteRetablie(m) => engagement::activite(state, &m.0),
            Incoming::ActiviteTerminee(m) => engagement::activite(state, &m.0),
            Incoming::FacturationOuverte(m) => engagement::facturation(state, &m),
            Incoming::VacationPlanifiee(m) => engagement::vacation(state, &m.0, false),
            Incoming::VacationAnnulee(m) => engagement::vacation(state, &m.0, false),
            Incoming::VacationRealisee(m) => engagement::vacation(state, &m.0, true),
            Incoming::PaiementEffectue(m) => emis::paye(state, &origin, &m),
            Incoming::PaiementRejete(m) => emis::rejete(state, &origin, &m),
        },
        Input::Event(event) => decide_event(state, event, cx),
        Input::Wake { reason } => match state {
            Some(State::MedecinMois(month)) => medecin_mois::reveil(month, &reason, cx),
            Some(State::Attestation(day)) => attestation::wake(day, &reason, cx),
            Some(State::Etat(etat)) => etat::cloture(etat, &reason, cx),
            Some(State::EtatEmis(emis)) => emis::retard(emis, &reason, cx),
            Some(State::Engagement(_)) | None => Ok(Decision::Ignore("reveil-sans-objet")),
        },
        Input::Answer { ask, .. } => match state {
            Some(State::MedecinMois(month)) => medecin_mois::envoyee(month, &ask, cx),
            Some(_) | None => attestation::envoyee(state, &ask, cx),
        },
    }
}

fn decide_event(state: Option<&State>, event: Event, cx: &Cx<'_>) -> Decided {
    match event {
        Event::Tenue(tenue) => medecin_mois::tenue(state, *tenue, cx),
        Event::Facturation { version, facturation } => {
            medecin_mois::facturation(state, version, &facturation, cx)
        }
        Event::Presence { engagement, date, present } => {
            medecin_mois::presence(state, &engagement, date, present, cx)
        }
        Event::Payee { ligne, date } => medecin_mois::payee(state, ligne, date),
        Event::Rejetee { ligne, code } => medecin_mois::rejetee(state, ligne, code, cx),
        Event::Corriger { ligne, centimes, motif, par } => {
            medecin_mois::corriger(state, ligne, centimes, &motif, &par, cx)
        }
        Event::AAttester(tenue) => attestation::a_attester(state, *tenue, cx),
        Event::Attestee { question, choix } => attestation::attestee(state, question, &choix),
        Event::Confirmee { question, confirme } => {
            medecin_mois::repondre(state, question, confirme, cx)
        }
        Event::Ligne { cpam, ligne } => etat::ligne(state, &cpam, *ligne, cx),
        Event::Cloturer { .. } => etat::cloturer(state, cx),
        Event::Emettre { cpam, mois, rang, lignes } => {
            emis::emettre(state, &cpam, mois, rang, lignes, cx)
        }
        Event::PaiementConstate { lignes, date } => emis::paiement_constate(state, &lignes, date),
        Event::RejetConstate { ligne, code } => emis::rejet_constate(state, ligne, &code),
        Event::TacheFermee { tache, champs, par } => match state {
            Some(State::MedecinMois(month)) => {
                medecin_mois::tache_fermee(month, tache, &champs, &par, cx)
            }
            Some(State::Attestation(day)) => attestation::tache_fermee(day, tache, &champs, &par),
            Some(State::EtatEmis(emis)) => emis::tache_fermee(emis, tache, &champs, &par, cx),
            Some(State::Engagement(_) | State::Etat(_)) | None => {
                Err(Refusal::new("tache-inconnue", "cette clé n'a pas de tâche"))
            }
        },
    }
}

fn unexpected() -> Refusal {
    Refusal::new("etat-inattendu", "la clé porte un état d'une autre sorte")
}

fn engagement_of(state: Option<&State>) -> Result<Engagement, Refusal> {
    match state {
        None => Ok(Engagement::default()),
        Some(State::Engagement(engagement)) => Ok((**engagement).clone()),
        Some(
            State::MedecinMois(_) | State::Attestation(_) | State::Etat(_) | State::EtatEmis(_),
        ) => Err(unexpected()),
    }
}

fn month_of(state: Option<&State>) -> Result<MedecinMois, Refusal> {
    match state {
        None => Ok(MedecinMois::default()),
        Some(State::MedecinMois(month)) => Ok(month.clone()),
        Some(
            State::Engagement(_) | State::Attestation(_) | State::Etat(_) | State::EtatEmis(_),
        ) => Err(unexpected()),
    }
}

fn attestation_of(state: Option<&State>) -> Result<Option<Attestation>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Attestation(day)) => Ok(Some(day.clone())),
        Some(
            State::Engagement(_) | State::MedecinMois(_) | State::Etat(_) | State::EtatEmis(_),
        ) => Err(unexpected()),
    }
}

fn etat_of(state: Option<&State>) -> Result<Option<Etat>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Etat(etat)) => Ok(Some(etat.clone())),
        Some(
            State::Engagement(_)
            | State::MedecinMois(_)
            | State::Attestation(_)
            | State::EtatEmis(_),
        ) => Err(unexpected()),
    }
}

fn emis_of(state: Option<&State>) -> Result<Option<EtatEmis>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::EtatEmis(emis)) => Ok(Some(emis.clone())),
        Some(
            State::Engagement(_) | State::MedecinMois(_) | State::Attestation(_) | State::Etat(_),
        ) => Err(unexpected()),
    }
}

fn next(state: State, effects: Effects) -> Decision<Indemnite> {
    Decision::next(state).with_all(effects)
}

fn tell(key: String, event: Event) -> Effect<Indemnite> {
    Effect::Tell { key, event }
}

/// A task for the DNS, with everything pre-filled; its id hangs on the input that opens it.
fn open_task(
    cx: &Cx<'_>,
    gabarit: &str,
    objet: String,
    champs: &[(&str, String)],
    effects: &mut Effects,
) -> Uuid {
    let tache = cx.id(&format!("{gabarit} {objet}"));
    let champs: BTreeMap<_, _> =
        champs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    effects.push(Effect::publish(&TacheOuverte {
        tache,
        gabarit: gabarit.to_owned(),
        service: Indemnite::NAME.to_owned(),
        cle: cx.key.to_owned(),
        objet,
        champs,
    }));
    tache
}

fn close_task(tache: Uuid, par: &str, effects: &mut Effects) {
    effects.push(Effect::publish(&TacheFaite { tache, faite_par: par.to_owned() }));
}

/// Who closes a task that has lost its object.
const OBSERVE: &str = "observe";
