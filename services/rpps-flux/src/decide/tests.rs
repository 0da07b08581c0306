use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    EngagementId, Referentiel,
    messages::{
        ActiviteAutorisee, ActiviteTerminee, CandidatureDeposee, CandidatureModifiee,
        CandidatureRefusee, CandidatureRetiree, Situation,
    },
};
use proptest::prelude::*;
use service::Effect;
use uuid::Uuid;

use super::*;
use crate::{
    Integration, Lot,
    config::Config,
    state::{Carte, Dossier, Fiche, Medecin, Observation, Suivi},
};

mod dossier;
mod exemples;
mod extraction;
mod fhir;
mod medecin;
mod veille;

use exemples::{CARTE, DOSSIER, activite_a, candidature_de, fiche_a, jour, observation, rpps};

/// What a decision did, in words that can be compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Suite {
    publies: Vec<String>,
    demandes: Vec<Ask>,
    dits: Vec<(String, Event)>,
    reveils: Vec<String>,
}

struct Banc {
    config: Config,
    referentiel: Referentiel,
    now: DateTime<Utc>,
}

impl Banc {
    fn new() -> Self {
        let config = toml::from_str("repertoire = \"/x\"\ncle_pseudonymes = \"x\"").expect("valid");
        let now = "2026-01-05T08:00:00Z".parse().expect("an instant");
        Self { config, referentiel: Referentiel::default(), now }
    }

    fn decide(&self, key: &str, state: Option<&State>, input: Input) -> Outcome {
        let cx = Context {
            now: self.now,
            config: &self.config,
            referentiel: &self.referentiel,
            key,
            cause: "cause",
        };
        decide(state, input, &cx)
    }

    /// Decides on a state that changes, and says what followed; an ignored input changes nothing.
    fn vivre(&self, key: &str, state: &mut Option<State>, input: Input) -> Suite {
        match self.decide(key, state.as_ref(), input).expect("decided") {
            FrameDecision::Ignore(_) => Suite::default(),
            FrameDecision::Next { state: next, effects } => {
                *state = Some(next);
                suite(effects)
            }
        }
    }
}

fn suite(effects: Vec<Effect<RppsFlux>>) -> Suite {
    let mut suite = Suite::default();
    for effect in effects {
        match effect {
            Effect::Publish(m) => suite.publies.push(format!("{} {}", m.message_type, m.body)),
            Effect::Ask(ask) => suite.demandes.push(ask),
            Effect::Tell { key, event } => suite.dits.push((key, event)),
            Effect::WakeAt { at, reason } => suite.reveils.push(format!("{reason} {at}")),
            Effect::CancelWake(reason) => suite.reveils.push(format!("-{reason}")),
            Effect::CancelAsks(kind) => panic!("{kind}"),
        }
    }
    suite
}

fn types(suite: &Suite) -> Vec<&str> {
    suite.publies.iter().filter_map(|p| p.split(' ').next()).collect()
}

fn message(message: Message) -> Input {
    let meta = service::Meta {
        id: "1".to_owned(),
        source: "/relais/x".to_owned(),
        time: "2026-01-05T08:00:00Z".parse().expect("an instant"),
        subject: None,
        sequence: Some(1),
    };
    let origin = exemples::origine();
    FrameInput::Message { message, origin, meta }
}

fn deposee(nom: &str, numero: &str) -> Input {
    message(Message::CandidatureDeposee(CandidatureDeposee(candidature_de(nom, numero))))
}

fn trouvee(observation: Observation) -> Input {
    let ask = Ask::Chercher { rpps: observation.rpps.clone() };
    FrameInput::Answer { ask, answer: Answer::Trouvee(observation), id: Uuid::nil() }
}

fn lue(answer: Answer) -> Input {
    let ask = Ask::Integrer { extrait: Extrait::Activites, deja: None, accepter: None };
    FrameInput::Answer { ask, answer, id: Uuid::nil() }
}

fn autorisee(finess: &str) -> Input {
    let activite = activite_a(finess, Situation::Ouverte);
    message(Message::ActiviteAutorisee(ActiviteAutorisee(activite)))
}

fn vue(observation: Observation) -> Input {
    FrameInput::Event(Event::Vue(observation))
}

const CLE: &str = "medecin/99790000014";

fn integration(fichier: &str, lot: Lot) -> Answer {
    Answer::Integree(Integration {
        extrait: Extrait::Activites,
        fichier: fichier.to_owned(),
        jour: jour("2026-01-05"),
        lignes: 3,
        ajouts: 1,
        retraits: 0,
        modifications: 0,
        sha256: Some("ab".to_owned()),
        lot,
    })
}

#[test]
fn an_operator_s_action_names_a_file_of_an_extract() {
    let action = |action: &str, fichier: Option<&str>| OperatorAction {
        action: action.to_owned(),
        cle: EXTRACTION.to_owned(),
        champs: fichier.map(|f| ("fichier".to_owned(), f.to_owned())).into_iter().collect(),
        par: "dns".to_owned(),
    };
    let name = "porteurs-cps-cpf_202601060000.txt";
    let accepted = operator(&action("accepter-extraction", Some(name)));
    let (fichier, par) = (name.to_owned(), "dns".to_owned());
    assert_eq!(accepted, Ok((EXTRACTION.to_owned(), Event::Accepter { fichier, par })));
    assert!(operator(&action("accepter-extraction", Some("autre.txt"))).is_err());
    assert!(operator(&action("accepter-extraction", None)).is_err());
    assert!(operator(&action("fermer-tache", None)).is_err());
    assert!(operator(&action("autre", None)).is_err());
}

#[test]
fn an_input_of_another_kind_of_state_is_refused_never_a_panic() {
    let banc = Banc::new();
    let seen = observation("2026-01-05", None);
    let candidat = crate::state::Candidat {
        rpps: rpps("99790000014"),
        nom: "EXEMPLE".to_owned(),
        prenom: "ANNE".to_owned(),
    };
    let dossier = Dossier { candidat, attendue: true, identite: None, jour: None, par_fhir: false };
    let states = [
        None,
        Some(State::Extraction(Extraction::default())),
        Some(State::Dossier(dossier)),
        Some(State::DossierClos),
        Some(State::Fhir(FluxFhir::default())),
        Some(State::Medecin(Medecin::nouveau(rpps("99790000014")))),
    ];
    let (fichier, par) = ("x".to_owned(), "dns".to_owned());
    let suivre = Event::Suivre { rpps: rpps("99790000014"), dossier: DOSSIER };
    let inputs = [
        (deposee("Exemple", "99790000014"), [true, false, true, true, false, false]),
        (autorisee("639990019"), [true, false, false, false, false, true]),
        (trouvee(seen.clone()), [false, false, true, true, true, true]),
        (lue(integration("f", Lot::default())), [false, true, false, true, true, false]),
        (FrameInput::Event(Event::Demarrer), [true, true, false, false, true, false]),
        (
            FrameInput::Event(Event::Accepter { fichier, par }),
            [true, true, false, false, false, false],
        ),
        (FrameInput::Event(suivre), [true, false, false, false, false, true]),
        (vue(seen), [true, false, true, true, false, true]),
        (FrameInput::Event(Event::ActiviteDisparue), [true, false, true, true, false, false]),
        (FrameInput::Event(Event::ChangementFhir), [true, false, false, false, false, true]),
        (FrameInput::Wake { reason: "autre".to_owned() }, [true; 6]),
    ];
    for (input, expected) in inputs {
        let decided = states
            .each_ref()
            .map(|s| banc.decide("dossier/1042", s.as_ref(), input.clone()).is_ok());
        assert_eq!(decided, expected, "{input:?}");
    }
}
