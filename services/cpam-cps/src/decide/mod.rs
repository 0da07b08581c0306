//! Decides what follows from each input. [`engagement`] goes as far as the request, [`numero`]
//! takes the CPAM's answers on the bus, [`reponses`] those by link and by file, [`depot`] holds the
//! folder of a CPAM, [`suites`] follows bank details and cards, [`partages`] holds what
//! several engagements share.

mod depot;
mod engagement;
mod numero;
mod partages;
mod reponses;
mod suites;
mod travail;

use bus::Origin;
use contracts::Agence;
use service::{Context, Decision, Effect, Input, Refusal};

use crate::{
    CpamCps, Entrant,
    state::{Attribution, Depot, Engagement, Event, Porteur, State},
};

type Cx<'a> = Context<'a, CpamCps>;
type Effet = Effect<CpamCps>;
type Decided = Decision<CpamCps>;
type Verdict = Result<Decided, Refusal>;

/// See [`service::Service::decide`].
pub(crate) fn decide(state: Option<&State>, input: Input<CpamCps>, cx: &Cx<'_>) -> Verdict {
    match input {
        Input::Message { message, origin, .. } => on_message(state, message, &origin, cx),
        Input::Event(event) => on_event(state, event, cx),
        Input::Wake { reason } => match state {
            Some(State::Depot(depot)) => depot::reveil(depot, cx),
            _ => Ok(engagement::reveil(engagement_of(state)?, &reason, cx)),
        },
        Input::Answer { answer, .. } => match state {
            Some(State::Depot(depot)) => depot::reponse(depot, answer, cx),
            _ => Ok(Decision::Ignore("courriel-envoye")),
        },
    }
}

fn on_message(state: Option<&State>, message: Entrant, origin: &Origin, cx: &Cx<'_>) -> Verdict {
    let activite = |a| Ok(engagement::activite(engagement_of(state)?, a, cx));
    match message {
        Entrant::ActiviteAutorisee(m) => activite(m.0),
        Entrant::ActiviteModifiee(m) => activite(m.0),
        Entrant::ActiviteSuspendue(m) => activite(m.0),
        Entrant::ActiviteRetablie(m) => activite(m.0),
        Entrant::ActiviteTerminee(m) => activite(m.0),
        Entrant::ActiviteEnregistreeRpps(m) => {
            Ok(engagement::constat(engagement_of(state)?, m.constatee_le, cx))
        }
        Entrant::CarteCpsConstatee(m) => Ok(partages::carte(medecin_of(state)?, m.debut_validite)),
        Entrant::NumeroAmCree(m) => numero::cree(engagement_of(state)?, &m, agence(origin)?, cx),
        Entrant::NumeroAmRefuse(m) => {
            numero::refuse(engagement_of(state)?, &m, agence(origin)?, cx)
        }
        Entrant::RibRecu(m) => suites::rib_recu(engagement_of(state)?, &m, agence(origin)?, cx),
    }
}

fn on_event(state: Option<&State>, event: Event, cx: &Cx<'_>) -> Verdict {
    match event {
        Event::Suivre { engagement } => Ok(partages::suivre(medecin_of(state)?, &engagement)),
        Event::Carte { debut_validite } => {
            Ok(suites::carte(engagement_of(state)?, debut_validite, cx))
        }
        Event::Reserver { engagement } => partages::reserver(numero_of(state)?, &engagement, cx),
        Event::Reservation { numero_am, accordee } => {
            Ok(numero::reservation(engagement_of(state)?, &numero_am, accordee, cx))
        }
        Event::FermerTache(action) => match state {
            Some(State::Depot(depot)) => Ok(depot::tache_fermee(depot, action)),
            _ => numero::tache_fermee(engagement_of(state)?, action, cx),
        },
        Event::Redemander => Ok(engagement::redemander(engagement_of(state)?, cx)),
        Event::NumeroRecu { numero_am, rib } => {
            numero::recu(engagement_of(state)?, &numero_am, rib, cx)
        }
        Event::ReponseLien(reponse) => reponses::par_lien(engagement_of(state)?, &reponse, cx),
        Event::LigneRecue { cpam, fichier, rang, reponse } => {
            let place = (&cpam, fichier, rang);
            Ok(reponses::ligne(engagement_of(state)?, place, &reponse, cx))
        }
        Event::Deposer(ligne) => Ok(depot::deposer(depot_of(state)?, *ligne, cx)),
        Event::Verdict { fichier, rang, motif } => match depot_of(state)? {
            Some(depot) => depot::verdict(depot, &fichier, rang, motif, cx),
            None => Ok(Decision::Ignore("dossier-inconnu")),
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

fn engagement_of(state: Option<&State>) -> Result<Option<&Engagement>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Engagement(engagement)) => Ok(Some(engagement)),
        Some(State::Medecin(_) | State::Numero(_) | State::Depot(_)) => Err(misplaced()),
    }
}

fn medecin_of(state: Option<&State>) -> Result<Option<&Porteur>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Medecin(porteur)) => Ok(Some(porteur)),
        Some(State::Engagement(_) | State::Numero(_) | State::Depot(_)) => Err(misplaced()),
    }
}

fn numero_of(state: Option<&State>) -> Result<Option<&Attribution>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Numero(attribution)) => Ok(Some(attribution)),
        Some(State::Engagement(_) | State::Medecin(_) | State::Depot(_)) => Err(misplaced()),
    }
}

fn depot_of(state: Option<&State>) -> Result<Option<&Depot>, Refusal> {
    match state {
        None => Ok(None),
        Some(State::Depot(depot)) => Ok(Some(depot)),
        Some(State::Engagement(_) | State::Medecin(_) | State::Numero(_)) => Err(misplaced()),
    }
}

/// Keys and kinds of state go together: nothing that is published leads here.
fn misplaced() -> Refusal {
    Refusal::new("etat-inattendu", "this input does not concern a state of this kind")
}
