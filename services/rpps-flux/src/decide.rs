//! Decides what the extracts mean: who an applicant is, which engagement is recorded in the RPPS,
//! which card is new. Pure; one input concerns one state.

use contracts::{DossierId, Rpps, messages::Activite};
use service::{
    Context, Decision as FrameDecision, Input as FrameInput, OperatorAction, Refusal, Service,
};

use crate::{
    Answer, Ask, Event, Message, RppsFlux,
    state::{Extraction, FluxFhir, Medecin, State},
    wire::Extrait,
};

mod dossier;
mod extraction;
mod fhir;
mod medecin;
mod sources;
mod veille;

type Decision = FrameDecision<RppsFlux>;
type Input = FrameInput<RppsFlux>;
type Cx<'a> = Context<'a, RppsFlux>;
type Outcome = Result<Decision, Refusal>;

/// The state of the extracts.
pub const EXTRACTION: &str = "extraction";

/// The state of the API.
pub const FHIR: &str = "fhir";

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
    let par = action.par.clone();
    match action.action.as_str() {
        "accepter-extraction" => match action.champs.get("fichier") {
            Some(fichier) if Extrait::de_fichier(fichier).is_some() => {
                Ok((EXTRACTION.to_owned(), Event::Accepter { fichier: fichier.clone(), par }))
            }
            Some(_) | None => {
                Err("donnez le champ « fichier » : le nom du fichier refusé".to_owned())
            }
        },
        "fermer-tache" => {
            let tache = action.champs.get("tache").and_then(|t| t.trim().parse().ok());
            let known =
                action.cle.strip_prefix("medecin/").is_some_and(|r| r.parse::<Rpps>().is_ok());
            match tache {
                Some(tache) if known => Ok((action.cle.clone(), Event::FermerTache { tache, par })),
                Some(_) | None => {
                    Err("donnez « cle » (medecin/…) et le champ « tache »".to_owned())
                }
            }
        }
        other => Err(format!("{} ne connaît pas « {other} »", RppsFlux::NAME)),
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
        Message::CandidatureDeposee(m) => dossier::candidature(state, m.0, cx),
        Message::CandidatureModifiee(m) => dossier::candidature(state, m.0, cx),
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
        Some(State::Extraction(_) | State::Fhir(_) | State::Dossier(_) | State::DossierClos) => {
            Err(autre_etat())
        }
    }
}

fn reponse(state: Option<&State>, ask: Ask, answer: Answer, cx: &Cx<'_>) -> Outcome {
    match (state, answer) {
        (Some(State::Extraction(e)), Answer::Suite { lot }) => match ask {
            Ask::Suite { extrait, fichier, .. } => Ok(extraction::suite(e, extrait, &fichier, lot)),
            Ask::Integrer { .. }
            | Ask::Chercher { .. }
            | Ask::Interroger { .. }
            | Ask::Situations { .. }
            | Ask::Changements { .. } => Err(autre_etat()),
        },
        (Some(State::Extraction(e)), answer) => extraction::lue(e, answer, cx),
        (Some(State::Fhir(f)), answer) => fhir::page(f, &ask, answer),
        (Some(State::Dossier(d)), Answer::Trouvee(o)) => Ok(dossier::observer(d, &o, cx)),
        (Some(State::Dossier(d)), answer) => fhir::candidat(d, &ask, answer, cx),
        (Some(State::DossierClos), _) => Ok(Decision::Ignore("dossier clos")),
        (Some(State::Medecin(m)), Answer::Trouvee(o)) => Ok(medecin::observer(m, &o, cx)),
        (Some(State::Medecin(m)), answer) => fhir::suivi(m, ask, answer, cx),
        (None, _) => Err(autre_etat()),
    }
}

fn evenement(state: Option<&State>, event: Event, cx: &Cx<'_>) -> Outcome {
    match event {
        Event::Demarrer => demarrer(state, cx),
        Event::Accepter { fichier, par } => match state {
            Some(State::Extraction(e)) => Ok(extraction::accepter(e, fichier, par)),
            None => Ok(Decision::Ignore("aucune extraction")),
            Some(State::Fhir(_) | State::Dossier(_) | State::DossierClos | State::Medecin(_)) => {
                Err(autre_etat())
            }
        },
        Event::Vue(o) => match state {
            Some(State::Dossier(d)) => Ok(dossier::observer(d, &o, cx)),
            Some(State::DossierClos) => Ok(Decision::Ignore("dossier clos")),
            _ => du_medecin(state, |m| Ok(medecin::observer(m, &o, cx))),
        },
        Event::ActiviteDisparue => match state {
            Some(State::Dossier(d)) => Ok(dossier::activite_disparue(d)),
            Some(State::DossierClos) | None => Ok(Decision::Ignore("dossier inconnu ou clos")),
            Some(State::Extraction(_) | State::Fhir(_) | State::Medecin(_)) => Err(autre_etat()),
        },
        Event::Suivre { rpps, dossier } => match state {
            None => Ok(medecin::suivre(None, rpps, dossier)),
            Some(_) => du_medecin(state, |m| Ok(medecin::suivre(Some(m), rpps, dossier))),
        },
        Event::NePlusSuivre { dossier } => {
            du_medecin(state, |m| Ok(medecin::ne_plus_suivre(m, dossier)))
        }
        Event::FermerTache { tache, par } => {
            du_medecin(state, |m| Ok(veille::fermer(m, tache, &par)))
        }
        Event::ChangementFhir => du_medecin(state, |m| Ok(medecin::change(m))),
    }
}

fn demarrer(state: Option<&State>, cx: &Cx<'_>) -> Outcome {
    match state {
        None if cx.key == FHIR && cx.config.fhir.is_none() => {
            Ok(Decision::Ignore("API non configurée"))
        }
        None if cx.key == FHIR => Ok(fhir::lire(&FluxFhir::default(), cx)),
        None => Ok(extraction::lire_tout(Extraction::default(), cx)),
        Some(State::Extraction(e)) => Ok(extraction::lire_tout(e.clone(), cx)),
        Some(State::Fhir(f)) => Ok(fhir::lire(f, cx)),
        Some(State::Dossier(_) | State::DossierClos | State::Medecin(_)) => Err(autre_etat()),
    }
}

/// What concerns a doctor who is followed; nobody else.
fn du_medecin(state: Option<&State>, decide: impl FnOnce(&Medecin) -> Outcome) -> Outcome {
    match state {
        Some(State::Medecin(medecin)) => decide(medecin),
        None => Ok(Decision::Ignore("médecin non suivi")),
        Some(State::Extraction(_) | State::Fhir(_) | State::Dossier(_) | State::DossierClos) => {
            Err(autre_etat())
        }
    }
}

fn reveil(state: Option<&State>, reason: &str, cx: &Cx<'_>) -> Decision {
    match state {
        Some(State::Extraction(e)) => extraction::reveil(e, reason, cx),
        Some(State::Fhir(f)) => fhir::lire(f, cx),
        Some(State::Medecin(m)) if reason == medecin::RELECTURE => medecin::relire(m, cx),
        Some(State::Medecin(m)) => veille::reveil(m, reason, cx),
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
