//! An engagement only leads to its dossier: facts that do not name the dossier pass through here,
//! and wait here while the activity is not known yet.

use contracts::messages::{
    Activite, ActiviteAutorisee, ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue,
    ActiviteTerminee, Situation,
};
use service::{Decision, Input};

use super::medecin;
use crate::{
    DsIntake, Event, Message,
    state::{Engagement, ResumeActivite, State},
};

pub(super) fn decide(state: Option<&Engagement>, input: Input<DsIntake>) -> Decision<DsIntake> {
    let mut next = state.cloned().unwrap_or_default();
    let message = match input {
        Input::Message { message, .. } => message,
        Input::Answer { .. } | Input::Wake { .. } | Input::Event(_) => {
            return Decision::Ignore("sans-objet");
        }
    };
    let event = match message {
        Message::ActiviteAutorisee(ActiviteAutorisee(a))
        | Message::ActiviteModifiee(ActiviteModifiee(a))
        | Message::ActiviteSuspendue(ActiviteSuspendue(a))
        | Message::ActiviteRetablie(ActiviteRetablie(a))
        | Message::ActiviteTerminee(ActiviteTerminee(a)) => return activite(next, &a),
        Message::FacturationOuverte(m) => {
            next.facturation = Some(m.mode);
            Event::Facturation { engagement: m.engagement, mode: m.mode }
        }
        Message::AgendaOuvert(m) => {
            next.agenda = Some(true);
            next.agenda_url = Some(m.0.url.clone());
            Event::Agenda { engagement: m.0.engagement, ouvert: true, url: Some(m.0.url) }
        }
        Message::AgendaFerme(m) => {
            next.agenda = Some(false);
            next.agenda_url = None;
            Event::Agenda { engagement: m.0.engagement, ouvert: false, url: None }
        }
        Message::MedecinIdentifie(_)
        | Message::MedecinRppsDivergent(_)
        | Message::ComplementDemande(_)
        | Message::CandidatureRefusee(_) => return Decision::Ignore("sans-objet"),
    };
    match next.dossier {
        Some(dossier) => {
            Decision::next(State::Engagement(next)).tell(format!("dossier/{dossier}"), event)
        }
        None => Decision::next(State::Engagement(next)),
    }
}

fn activite(mut next: Engagement, a: &Activite) -> Decision<DsIntake> {
    let first = next.dossier.is_none();
    next.dossier = Some(a.dossier);
    let cle = format!("dossier/{}", a.dossier);
    let engagement = || a.engagement.clone();
    let facturation = next.facturation.filter(|_| first);
    let agenda = next.agenda.filter(|_| first);
    let url = next.agenda_url.clone();
    let engaged = Event::Engagement {
        engagement: engagement(),
        dossier: a.dossier,
        lieu: a.lieu.id.clone(),
        ouvert: a.situation != Situation::Terminee,
    };
    let mut decision = Decision::next(State::Engagement(next))
        .tell(cle.clone(), Event::Activite(ResumeActivite::from(a)))
        .tell(medecin::cle(&a.medecin.rpps), engaged);
    if let Some(mode) = facturation {
        let event = Event::Facturation { engagement: engagement(), mode };
        decision = decision.tell(cle.clone(), event);
    }
    if let Some(ouvert) = agenda {
        decision = decision.tell(cle, Event::Agenda { engagement: engagement(), ouvert, url });
    }
    decision
}
