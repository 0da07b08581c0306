//! A doctor: where engagements are open. A second dossier for one of these sites is told to its
//! doctor; for another site it is welcome, it is the only way to add one.

use contracts::{DossierId, LieuId, Rpps};
use service::{Decision, Input};

use crate::{
    DsIntake, Event,
    state::{Medecin, State},
};

/// The key of a doctor's state.
pub(super) fn cle(rpps: &Rpps) -> String {
    format!("medecin/{rpps}")
}

pub(super) fn decide(state: Option<&Medecin>, input: Input<DsIntake>) -> Decision<DsIntake> {
    let event = match input {
        Input::Event(event) => event,
        Input::Message { .. } | Input::Answer { .. } | Input::Wake { .. } => {
            return Decision::Ignore("sans-objet");
        }
    };
    match event {
        Event::Engagement { engagement, dossier, lieu, ouvert } => {
            let mut next = state.cloned().unwrap_or_default();
            if ouvert {
                next.engagements.insert(engagement, (dossier, lieu));
            } else {
                next.engagements.remove(&engagement);
            }
            Decision::next(State::Medecin(next))
        }
        Event::Candidater { dossier, lieux } => candidater(state, dossier, &lieux),
        Event::Demarrer
        | Event::Reveil
        | Event::Relever
        | Event::Vu { .. }
        | Event::Disparu { .. }
        | Event::Activite(_)
        | Event::Facturation { .. }
        | Event::Agenda { .. }
        | Event::Doublon { .. }
        | Event::TacheFermee { .. }
        | Event::Relire => Decision::Ignore("sans-objet"),
    }
}

fn candidater(
    state: Option<&Medecin>,
    dossier: DossierId,
    wanted: &[LieuId],
) -> Decision<DsIntake> {
    let Some(medecin) = state else { return Decision::Ignore("sans-engagement") };
    let others = medecin.engagements.values().filter(|(other, _)| *other != dossier);
    let mut lieux: Vec<_> =
        others.map(|(_, lieu)| lieu.clone()).filter(|lieu| wanted.contains(lieu)).collect();
    if lieux.is_empty() {
        return Decision::Ignore("sans-doublon");
    }
    lieux.sort();
    Decision::next(State::Medecin(medecin.clone()))
        .tell(format!("dossier/{dossier}"), Event::Doublon { lieux })
}
