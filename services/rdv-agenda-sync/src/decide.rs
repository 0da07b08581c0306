//! Every decision of the service: which state an input concerns, and what all decisions share.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use contact::Courriel;
use contracts::{
    EngagementId,
    messages::{TacheFaite, TacheOuverte},
};
use kernel::{paris_at, paris_date};
use service::{Context, Decision, Effect, Input, Refusal, Service};
use uuid::Uuid;

use crate::{
    RdvAgendaSync,
    state::{Etat, EtatCompte, EtatTitulaires, Evenement, Question, cle_engagement},
};

mod compte;
mod engagement;
mod lieu;
pub(crate) mod planning;
mod titulaires;
mod vacations;

type Cx<'a> = Context<'a, RdvAgendaSync>;
type Effets = Vec<Effect<RdvAgendaSync>>;
type Decide = Result<Decision<RdvAgendaSync>, Refusal>;

/// Who did a task that Relais saw done.
const OBSERVE: &str = "observe";

/// Reason of the wake-up that looks whether a person made what a task asks for.
const CONSTAT: &str = "constat";

/// How often that is looked at: a person who does not close the task makes nobody wait longer.
const CONSTAT_HEURES: i64 = 6;

/// Decides. See [`Service::decide`].
pub(crate) fn decide(etat: Option<&Etat>, input: Input<RdvAgendaSync>, cx: &Cx<'_>) -> Decide {
    if let Input::Answer { answer: crate::state::Reponse::Envoye, .. } = &input {
        return Ok(Decision::Ignore("courriel-envoye"));
    }
    match (etat, input) {
        (None, Input::Event(Evenement::Rattacher { engagement, lieu, courriel })) => {
            Ok(lieu::ouvrir(&engagement, *lieu, courriel, cx))
        }
        (Some(Etat::Lieu(etat)), input) => lieu::decide((**etat).clone(), input, cx),
        (None, Input::Event(Evenement::AuPlanning { lieu, entrees })) => {
            let vide = planning::vide((*lieu).clone());
            planning::decide(vide, Input::Event(Evenement::AuPlanning { lieu, entrees }), cx)
        }
        (Some(Etat::Planning(etat)), input) => planning::decide((**etat).clone(), input, cx),
        (None, input @ Input::Event(Evenement::Rdv { .. })) => {
            titulaires::decide(EtatTitulaires::default(), input, cx)
        }
        (Some(Etat::Titulaires(etat)), input) => titulaires::decide(etat.clone(), input, cx),
        (
            None,
            input @ Input::Event(
                Evenement::VerifierCompte
                | Evenement::Consentement { .. }
                | Evenement::SiteSuivi { .. }
                | Evenement::ReconcilierTout,
            ),
        ) => compte::decide(EtatCompte::default(), input, cx),
        (Some(Etat::Compte(etat)), input) => compte::decide(etat.clone(), input, cx),
        (None, Input::Message { message, .. }) => Ok(engagement::ouvrir(message.activite(), cx)),
        (Some(Etat::Engagement(etat)), input) => engagement::decide((**etat).clone(), input, cx),
        // Nothing is known under this key: a webhook of a site that was never attached, a wake-up
        // or a tell of a state that is gone.
        (None, Input::Event(_) | Input::Wake { .. } | Input::Answer { .. }) => {
            Ok(Decision::Ignore("etat-inconnu"))
        }
    }
}

/// An input that makes no sense for this kind of state.
fn deplace() -> Refusal {
    Refusal::new("entree-deplacee", "this input does not concern this kind of state")
}

/// Tells an engagement.
fn dire(engagement: &EngagementId, event: Evenement) -> Effect<RdvAgendaSync> {
    Effect::Tell { key: cle_engagement(engagement), event }
}

/// Opens a task, unless one of that template is open.
fn ouvrir_tache(
    taches: &mut BTreeMap<String, Uuid>,
    gabarit: &str,
    objet: String,
    champs: BTreeMap<String, String>,
    cx: &Cx<'_>,
) -> Option<Effect<RdvAgendaSync>> {
    if taches.contains_key(gabarit) {
        return None;
    }
    let (tache, effet) = tache(gabarit, objet, champs, cx);
    taches.insert(gabarit.to_owned(), tache);
    Some(effet)
}

/// A task.
fn tache(
    gabarit: &str,
    objet: String,
    champs: BTreeMap<String, String>,
    cx: &Cx<'_>,
) -> (Uuid, Effect<RdvAgendaSync>) {
    let tache = cx.id(gabarit);
    let ouverte = TacheOuverte {
        tache,
        gabarit: gabarit.to_owned(),
        service: RdvAgendaSync::NAME.to_owned(),
        cle: cx.key.to_owned(),
        objet,
        champs,
    };
    (tache, Effect::publish(&ouverte))
}

/// A task is done.
fn tache_faite(tache: Uuid, par: &str) -> Effect<RdvAgendaSync> {
    Effect::publish(&TacheFaite { tache, faite_par: par.to_owned() })
}

/// The pre-filled fields of a task.
fn champs<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

fn courriel(courriel: Courriel) -> Effect<RdvAgendaSync> {
    Effect::Ask(Question::Courriel(courriel))
}

fn wake(at: DateTime<Utc>, reason: &str) -> Effect<RdvAgendaSync> {
    Effect::WakeAt { at, reason: reason.to_owned() }
}

/// Looks for what a task asks for, later.
fn constater_plus_tard(cx: &Cx<'_>) -> Effect<RdvAgendaSync> {
    wake(cx.now + TimeDelta::hours(CONSTAT_HEURES), CONSTAT)
}

fn demain(jour: NaiveDate) -> NaiveDate {
    jour.checked_add_days(Days::new(1)).unwrap_or(jour)
}

/// The next time that clocks in Paris show `heure`, later than `now`.
fn prochain(now: DateTime<Utc>, heure: NaiveTime) -> DateTime<Utc> {
    let today = paris_date(now);
    let at = paris_at(today, heure);
    if at > now { at } else { paris_at(demain(today), heure) }
}

#[cfg(test)]
mod tests;
