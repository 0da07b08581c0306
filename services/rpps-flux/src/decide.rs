//! Decides what the extracts mean: who an applicant is, which engagement is recorded in the RPPS,
//! which card is new. Pure; one input concerns one state.

use contracts::{DossierId, Rpps, messages::Activite};
use service::{
    Context, Decision as FrameDecision, Input as FrameInput, OperatorAction, Refusal, Service,
};

use crate::{
    Answer, Ask, Event, Message, RppsFlux,
    state::{Extraction, State},
    wire::Extrait,
};

mod dossier;
mod extraction;
mod medecin;

type Decision = FrameDecision<RppsFlux>;
type Input = FrameInput<RppsFlux>;
type Cx<'a> = Context<'a, RppsFlux>;
type Outcome = Result<Decision, Refusal>;

/// The state of the extracts.
pub const EXTRACTION: &str = "extraction";

/// The state that a message concerns.
pub fn key(message: &Message) -> String {
    match message {
        Message::CandidatureDeposee(m) => cle_dossier(m.0.dossier),
        Message::CandidatureModifiee(m) => cle_dossier(m.0.dossier),
        Message::CandidatureRetiree(m) => cle_dossier(m.dossier),
        Message::CandidatureRefusee(m) => cle_dossier(m.dossier),
        Message::ActiviteAutorisee(m) => cle_medecin(&m.0.medecin.rpps),
        Message::ActiviteModifiee(m) => cle_medecin(&m.0.medecin.rpps),
        Message::ActiviteSuspendue(m) => cle_medecin(&m.0.medecin.rpps),
        Message::ActiviteRetablie(m) => cle_medecin(&m.0.medecin.rpps),
        Message::ActiviteTerminee(m) => cle_medecin(&m.0.medecin.rpps),
    }
}

fn cle_dossier(dossier: DossierId) -> String {
    format!("dossier/{dossier}")
}

fn cle_medecin(rpps: &Rpps) -> String {
    format!("medecin/{rpps}")
}

/// The input that an operator's action is.
///
/// # Errors
/// A sentence for the operator.
pub fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
    if action.action != "accepter-extraction" {
        return Err(format!("{} ne connaît pas « {} »", RppsFlux::NAME, action.action));
    }
    match action.champs.get("fichier") {
        Some(fichier) if Extrait::de_fichier(fichier).is_some() => {
            Ok((EXTRACTION.to_owned(), Event::Accepter { fichier: fichier.clone() }))
        }
        Some(_) | None => Err("donnez le champ « fichier » : le nom du fichier refusé".to_owned()),
    }
}

/// Decides.
///
/// # Errors
/// [`Refusal`] when an input reaches a state of another kind, which no key can cause.
pub fn decide(state: Option<&State>, input: Input, cx: &Cx<'_>) -> Outcome {
    match input {
        Input::Message { message, .. } => message_lu(state, message, cx),
        Input::Answer { ask, answer, .. } => reponse(state, ask, answer, cx),
        Input::Event(event) => evenement(state, event, cx),
        Input::Wake { reason } => Ok(reveil(state, &reason, cx)),
    }
}

fn message_lu(state: Option<&State>, message: Message, cx: &Cx<'_>) -> Outcome {
    match message {
        Message::CandidatureDeposee(m) => dossier::candidature(state, m.0),
        Message::CandidatureModifiee(m) => dossier::candidature(state, m.0),
        Message::CandidatureRetiree(m) => dossier::clore(state, m.dossier),
        Message::CandidatureRefusee(m) => dossier::clore(state, m.dossier),
        Message::ActiviteAutorisee(m) => activite(state, m.0, cx),
        Message::ActiviteModifiee(m) => activite(state, m.0, cx),
        Message::ActiviteSuspendue(m) => activite(state, m.0, cx),
        Message::ActiviteRetablie(m) => activite(state, m.0, cx),
        Message::ActiviteTerminee(m) => activite(state, m.0, cx),
    }
}

fn activite(state: Option<&State>, activite: Activite, cx: &Cx<'_>) -> Outcome {
    match state {
        None => Ok(medecin::activite(None, activite, cx)),
        Some(State::Medecin(medecin)) => Ok(medecin::activite(Some(medecin), activite, cx)),
        Some(State::Extraction(_) | State::Dossier(_) | State::DossierClos) => Err(autre_etat()),
    }
}

fn reponse(state: Option<&State>, ask: Ask, answer: Answer, cx: &Cx<'_>) -> Outcome {
    match (state, ask, answer) {
        (Some(State::Extraction(e)), Ask::Integrer { .. }, answer) => {
            extraction::lue(e, answer, cx)
        }
        (
            Some(State::Extraction(e)),
            Ask::Suite { extrait, fichier, .. },
            Answer::Suite { lot },
        ) => Ok(extraction::suite(e, extrait, &fichier, lot)),
        (Some(State::Dossier(d)), _, Answer::Trouvee(o)) => Ok(dossier::observer(d, &o, cx)),
        (Some(State::DossierClos), _, Answer::Trouvee(_)) => Ok(Decision::Ignore("dossier clos")),
        (Some(State::Medecin(m)), _, Answer::Trouvee(o)) => Ok(medecin::observer(m, &o, cx)),
        (
            Some(State::Extraction(_)),
            Ask::Suite { .. } | Ask::Chercher { .. },
            Answer::Integree(_)
            | Answer::Inchangee { .. }
            | Answer::Refusee { .. }
            | Answer::Suite { .. }
            | Answer::Trouvee(_),
        )
        | (
            Some(State::Dossier(_) | State::DossierClos | State::Medecin(_)),
            _,
            Answer::Integree(_)
            | Answer::Inchangee { .. }
            | Answer::Refusee { .. }
            | Answer::Suite { .. },
        )
        | (None, _, _) => Err(autre_etat()),
    }
}

fn evenement(state: Option<&State>, event: Event, cx: &Cx<'_>) -> Outcome {
    match (state, event) {
        (None, Event::Demarrer) => Ok(extraction::lire_tout(Extraction::default(), cx)),
        (Some(State::Extraction(e)), Event::Demarrer) => Ok(extraction::lire_tout(e.clone(), cx)),
        (Some(State::Extraction(e)), Event::Accepter { fichier }) => {
            Ok(extraction::accepter(e, fichier))
        }
        (None, Event::Accepter { .. }) => Ok(Decision::Ignore("aucune extraction")),
        (None, Event::Suivre { rpps, dossier }) => Ok(medecin::suivre(None, rpps, dossier)),
        (Some(State::Medecin(m)), Event::Suivre { rpps, dossier }) => {
            Ok(medecin::suivre(Some(m), rpps, dossier))
        }
        (Some(State::Medecin(m)), Event::NePlusSuivre { dossier }) => {
            Ok(medecin::ne_plus_suivre(m, dossier))
        }
        (Some(State::Medecin(m)), Event::Vue(o)) => Ok(medecin::observer(m, &o, cx)),
        (Some(State::Dossier(d)), Event::Vue(o)) => Ok(dossier::observer(d, &o, cx)),
        (Some(State::DossierClos), Event::Vue(_)) => Ok(Decision::Ignore("dossier clos")),
        (None, Event::Vue(_) | Event::NePlusSuivre { .. }) => {
            Ok(Decision::Ignore("médecin non suivi"))
        }
        (
            Some(State::Extraction(_)),
            Event::Suivre { .. } | Event::NePlusSuivre { .. } | Event::Vue(_),
        )
        | (
            Some(State::Dossier(_) | State::DossierClos),
            Event::Demarrer
            | Event::Accepter { .. }
            | Event::Suivre { .. }
            | Event::NePlusSuivre { .. },
        )
        | (Some(State::Medecin(_)), Event::Demarrer | Event::Accepter { .. }) => Err(autre_etat()),
    }
}

fn reveil(state: Option<&State>, reason: &str, cx: &Cx<'_>) -> Decision {
    match state {
        Some(State::Extraction(e)) => extraction::reveil(e, reason, cx),
        Some(State::Medecin(m)) => medecin::relire(m, cx),
        Some(State::Dossier(_) | State::DossierClos) | None => {
            Decision::Ignore("réveil sans objet")
        }
    }
}

fn autre_etat() -> Refusal {
    Refusal::new("etat-inattendu", "this input does not belong to a state of this kind")
}

#[cfg(test)]
mod tests;
