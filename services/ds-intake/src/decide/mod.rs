//! Every decision of the service, by kind of state: pure, without I/O, clock or randomness.

use service::{Context, Decision, Input, Refusal};

use crate::{DsIntake, state::State};

mod annonces;
mod controle;
mod demarche;
mod dossier;
mod engagement;
mod lecture;
mod lieux;
mod medecin;
mod suite;
mod textes;

pub(crate) use lieux::{plain, reconnaitre};

/// Decides for the state that the key names.
pub(crate) fn decide(
    state: Option<&State>,
    input: Input<DsIntake>,
    cx: &Context<'_, DsIntake>,
) -> Result<Decision<DsIntake>, Refusal> {
    let inconnue = || Refusal::new("cle-inconnue", "la clé n’est pas celle d’un état du service");
    let incoherent = || Refusal::new("etat-incoherent", "l’état n’est pas du genre que dit sa clé");
    let (genre, id) = cx.key.split_once('/').ok_or_else(inconnue)?;
    match (genre, state) {
        ("demarche", None) => Ok(demarche::decide(None, input, cx)),
        ("demarche", Some(State::Demarche(d))) => Ok(demarche::decide(Some(d), input, cx)),
        ("dossier", None | Some(State::Dossier(_))) => {
            let numero = id.parse().map_err(|_| inconnue())?;
            let dossier = state.and_then(|s| match s {
                State::Dossier(d) => Some(d.as_ref()),
                State::Demarche(_) | State::Engagement(_) | State::Medecin(_) => None,
            });
            Ok(dossier::decide(dossier, numero, input, cx))
        }
        ("engagement", None) => Ok(engagement::decide(None, input)),
        ("engagement", Some(State::Engagement(e))) => Ok(engagement::decide(Some(e), input)),
        ("medecin", None) => Ok(medecin::decide(None, input)),
        ("medecin", Some(State::Medecin(m))) => Ok(medecin::decide(Some(m), input)),
        ("demarche" | "dossier" | "engagement" | "medecin", Some(_)) => Err(incoherent()),
        _ => Err(inconnue()),
    }
}

#[cfg(test)]
mod tests;
