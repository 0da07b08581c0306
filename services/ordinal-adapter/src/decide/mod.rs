//! Decides what follows from each input. Rules of a dossier are in [`dossier`] and
//! [`verification`], of an engagement in [`engagement`], of a doctor in [`medecin`].

mod dossier;
mod effets;
mod engagement;
mod medecin;
mod verification;

use bus::Origin;
use contracts::Agence;
use service::{Context, Decision, Effect, Input, Refusal};

use crate::{
    Entrant, OrdinalAdapter,
    state::{Dossier, Engagement, Event, Inscrit, State, Voie},
};

type Cx<'a> = Context<'a, OrdinalAdapter>;
type Effet = Effect<OrdinalAdapter>;
type Decided = Decision<OrdinalAdapter>;
type Verdict = Result<Decided, Refusal>;

/// See [`service::Service::decide`].
pub(crate) fn decide(state: Option<&State>, input: Input<OrdinalAdapter>, cx: &Cx<'_>) -> Verdict {
    match input {
        Input::Message { message, origin, .. } => on_message(state, message, &origin, cx),
        Input::Event(event) => on_event(state, event, cx),
        Input::Wake { reason } => match state {
            Some(State::Dossier(dossier)) => dossier::reveil(dossier, &reason, cx),
            Some(State::Engagement(_) | State::Medecin(_)) | None => {
                Ok(Decision::Ignore("reveil-perime"))
            }
        },
        Input::Answer { .. } => Ok(Decision::Ignore("courriel-envoye")),
    }
}

fn on_message(state: Option<&State>, message: Entrant, origin: &Origin, cx: &Cx<'_>) -> Verdict {
    match message {
        Entrant::CandidatureDeposee(m) => dossier::candidature(dossier_of(state)?, m.0, cx),
        Entrant::CandidatureModifiee(m) => dossier::candidature(dossier_of(state)?, m.0, cx),
        Entrant::CandidatureRetiree(_) => Ok(dossier::retiree(dossier_of(state)?, cx)),
        Entrant::MedecinIdentifie(m) => dossier::identite(dossier_of(state)?, m, cx),
        Entrant::MedecinRppsDivergent(m) => dossier::identite(dossier_of(state)?, m.identite, cx),
        Entrant::DecisionLueDs(m) => verification::lue_ds(dossier_of(state)?, m, cx),
        Entrant::VerificationRendue(m) => {
            verification::rendue(dossier_of(state)?, &m, agence(origin)?, cx)
        }
        Entrant::SuspensionPrononcee(m) => {
            medecin::mesure(medecin_of(state)?, m.a_compter_du, false, agence(origin)?)
        }
        Entrant::SuspensionLevee(m) => {
            medecin::mesure(medecin_of(state)?, m.a_compter_du, true, agence(origin)?)
        }
        Entrant::FinPrononcee(m) => medecin::fin(medecin_of(state)?, &m, agence(origin)?),
    }
}

fn on_event(state: Option<&State>, event: Event, cx: &Cx<'_>) -> Verdict {
    match event {
        Event::Engager(e) => engagement::engager(engagement_of(state)?, *e, cx),
        Event::Mesures(mesures) => Ok(engagement::mesures(engagement_of(state)?, mesures)),
        Event::Terminer(fin) => Ok(engagement::terminer(engagement_of(state)?, &fin, cx)),
        Event::Inscrire { dossier, cdom, engagements } => {
            Ok(medecin::inscrire(medecin_of(state)?, dossier, cdom, engagements))
        }
        Event::Consulter { dossier, cdom } => {
            Ok(medecin::consulter(medecin_of(state)?, dossier, &cdom))
        }
        Event::Anterieure { accordee } => dossier::anterieure(dossier_of(state)?, accordee, cx),
        Event::EngagementTermine(engagement) => {
            Ok(medecin::terminer(medecin_of(state)?, engagement))
        }
        Event::ReponseLien { demande, issue } => {
            verification::lien(dossier_of(state)?, demande, issue, cx)
        }
        Event::FermerTache { tache, par, issue } => match state {
            Some(State::Dossier(dossier)) => {
                verification::tache_fermee(dossier, tache, &par, issue, cx)
            }
            Some(State::Engagement(engagement)) => {
                Ok(engagement::tache_fermee(engagement, tache, &par))
            }
            Some(State::Medecin(_)) | None => Ok(Decision::Ignore("tache-inconnue")),
        },
    }
}

fn agence(origin: &Origin) -> Result<&Agence, Refusal> {
    match origin {
        Origin::Agence(agence) => Ok(agence),
        Origin::Relais => {
            Err(Refusal::new("mauvaise-agence", "an answer that no agency published"))
        }
    }
}

fn dossier_of(state: Option<&State>) -> Result<Option<&Dossier>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Dossier(dossier)) => Ok(Some(dossier)),
        Some(State::Engagement(_) | State::Medecin(_)) => Err(misplaced()),
    }
}

fn engagement_of(state: Option<&State>) -> Result<Option<&Engagement>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Engagement(engagement)) => Ok(Some(engagement)),
        Some(State::Dossier(_) | State::Medecin(_)) => Err(misplaced()),
    }
}

fn medecin_of(state: Option<&State>) -> Result<Option<&Inscrit>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Medecin(medecin)) => Ok(Some(medecin)),
        Some(State::Dossier(_) | State::Engagement(_)) => Err(misplaced()),
    }
}

/// Keys and kinds of state go together: only a wrong `cle` of an operator leads here.
fn misplaced() -> Refusal {
    Refusal::new("etat-inattendu", "this input does not concern a state of this kind")
}

fn next(dossier: Dossier) -> Decision<OrdinalAdapter> {
    Decision::next(State::Dossier(Box::new(dossier)))
}
