//! A bench that runs decisions as the frame does (tells, wake-ups, asks), without any store.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{
    Civilite, Lieu, Medecin, Message, ModeExercice, Referentiel,
    messages::{
        Activite, ActiviteAutorisee, ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue,
        ActiviteTerminee, Situation, TacheOuverte,
    },
    referentiel::FicheLieu,
};
use service::{AskKind, Meta, Outgoing};

use super::*;
use crate::{
    config::{Config, tests::exemple},
    planning::PlageOuverte,
    state::{Entrant, Reponse},
    webhook::{Fait, Observation, Rdv},
    wire::{Agent, StatutRdv},
};

mod compte;
mod engagement;
mod lieu;
mod totalite;
mod vacations;
mod veille;

const ENGAGEMENT: &str = "engagement/abc123";
const LIEU: &str = "lieu/msp-demo";
const PLANNING: &str = "planning/msp-demo";
const TITULAIRES: &str = "titulaires/msp-demo/09";
const COURRIEL: &str = "medecin-a@exemple.example";
const COMPTE: &str = crate::state::CLE_COMPTE;
const AGENT: i64 = 7;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

fn lieu_demo() -> Lieu {
    Lieu {
        id: "msp-demo".parse().expect("id"),
        nom: "MSP de démonstration".to_owned(),
        adresse: "1 place Fictive".to_owned(),
        commune: "Démoville".to_owned(),
        departement: "63".parse().expect("département"),
        finess: Some("639990019".parse().expect("finess")),
        rpps_rang: None,
        cpam: None,
        cdom: None,
        contact_courriel: Some("accueil@msp-demo.example".to_owned()),
    }
}

fn activite(situation: Situation, a_compter_du: &str) -> Activite {
    Activite {
        engagement: "abc123".parse().expect("id"),
        dossier: contracts::DossierId(1042),
        medecin: Medecin {
            rpps: "99790000014".parse().expect("rpps"),
            civilite: Civilite::Mme,
            nom: "Fictive".to_owned(),
            prenom: "Ada".to_owned(),
            courriel: COURRIEL.to_owned(),
            telephone: "0600000000".to_owned(),
            mode_exercice: ModeExercice::Retraite,
            departement_exercice_principal: "63".parse().expect("département"),
            cdom_inscription: "63".parse().expect("cdom"),
        },
        lieu: lieu_demo(),
        creneaux_souhaites: vec![],
        remplacement_autorise: false,
        situation,
        a_compter_du: day(a_compter_du),
        cause: None,
        interruptions: Vec::new(),
    }
}

/// The same at the same site, for another doctor.
fn activite_b() -> Activite {
    let mut b = activite(Situation::Ouverte, "2026-03-01");
    b.engagement = "def456".parse().expect("id");
    b.medecin.courriel = "medecin-b@exemple.example".to_owned();
    b
}

struct Banc {
    config: Config,
    referentiel: Referentiel,
    now: DateTime<Utc>,
    etats: BTreeMap<String, Etat>,
    publies: Vec<Outgoing>,
    questions: Vec<(String, Question)>,
    reveils: BTreeMap<(String, String), DateTime<Utc>>,
    ignores: Vec<&'static str>,
    causes: u32,
}

impl Banc {
    fn new() -> Self {
        let fiche = FicheLieu {
            lieu: lieu_demo(),
            intercommunalite: String::new(),
            latitude: Some(45.0),
            longitude: Some(3.0),
            source: "fictif".to_owned(),
        };
        let none: [(contracts::CodeCpam, contracts::referentiel::FicheAgence); 0] = [];
        Self {
            config: Config { cogestionnaires: [].into(), ..exemple() },
            referentiel: Referentiel::new([fiche], none, []),
            now: at("2026-03-01T09:00:00Z"),
            etats: BTreeMap::new(),
            publies: vec![],
            questions: vec![],
            reveils: BTreeMap::new(),
            ignores: vec![],
            causes: 0,
        }
    }

    /// A site that is ready, and a doctor who was just invited.
    fn invite() -> Self {
        let mut banc = Self::new();
        banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
        banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
        banc.repondre("creer-lieu", &Reponse::Lieu(2));
        banc.repondre("creer-motif", &Reponse::Motif(3));
        banc.repondre("inviter", &agent(AGENT, banc.now));
        banc
    }

    fn donner(&mut self, cle: &str, input: Input<RdvAgendaSync>) -> Result<(), Refusal> {
        let mut todo = VecDeque::from([(cle.to_owned(), input)]);
        while let Some((cle, input)) = todo.pop_front() {
            self.causes += 1;
            let cause = format!("cause-{}", self.causes);
            let cx = Context {
                now: self.now,
                config: &self.config,
                referentiel: &self.referentiel,
                key: &cle,
                cause: &cause,
            };
            let before = self.etats.get(&cle);
            let decision = decide(before, input.clone(), &cx)?;
            let again = format!("{:?}", decide(before, input, &cx)?);
            assert_eq!(format!("{decision:?}"), again, "the same input, the same decision");
            match decision {
                Decision::Ignore(raison) => self.ignores.push(raison),
                Decision::Next { state, effects } => {
                    let stored = serde_json::to_string(&state).expect("states encode");
                    let state = serde_json::from_str(&stored).expect("states decode");
                    self.etats.insert(cle.clone(), state);
                    for effect in effects {
                        todo.extend(self.appliquer(&cle, effect));
                    }
                }
            }
        }
        Ok(())
    }

    fn appliquer(
        &mut self,
        cle: &str,
        effect: Effect<RdvAgendaSync>,
    ) -> Option<(String, Input<RdvAgendaSync>)> {
        match effect {
            Effect::Publish(message) => self.publies.push(message),
            Effect::Ask(question) => self.questions.push((cle.to_owned(), question)),
            Effect::CancelAsks(kind) => {
                self.questions.retain(|(k, q)| k != cle || q.kind() != kind);
            }
            Effect::Tell { key, event } => return Some((key, Input::Event(event))),
            Effect::WakeAt { at, reason } => {
                self.reveils.insert((cle.to_owned(), reason), at);
            }
            Effect::CancelWake(reason) => {
                self.reveils.remove(&(cle.to_owned(), reason));
            }
        }
        None
    }

    fn activite(&mut self, activite: &Activite) {
        let m = activite.clone();
        let message = match m.situation {
            Situation::Ouverte if self.etats.is_empty() => {
                Entrant::ActiviteAutorisee(ActiviteAutorisee(m))
            }
            Situation::Ouverte if m.cause.is_some() => {
                Entrant::ActiviteRetablie(ActiviteRetablie(m))
            }
            Situation::Ouverte => Entrant::ActiviteModifiee(ActiviteModifiee(m)),
            Situation::Suspendue => Entrant::ActiviteSuspendue(ActiviteSuspendue(m)),
            Situation::Terminee => Entrant::ActiviteTerminee(ActiviteTerminee(m)),
        };
        let meta = Meta {
            id: String::new(),
            source: "/relais/ordinal-adapter".to_owned(),
            time: self.now,
            subject: None,
            sequence: None,
        };
        let key = RdvAgendaSync::key(&message);
        let input = Input::Message { message, origin: bus::Origin::Relais, meta };
        self.donner(&key, input).expect("a fact is never refused");
    }

    fn evenement(&mut self, cle: &str, evenement: Evenement) {
        self.donner(cle, Input::Event(evenement)).expect("accepted");
    }

    /// Answers the first question of a kind; returns it.
    fn repondre(&mut self, kind: &str, answer: &Reponse) -> Question {
        let found = self.questions.iter().position(|(_, q)| q.kind() == kind);
        let (cle, ask) = self.questions.remove(found.unwrap_or_else(|| panic!("no {kind} asked")));
        let input = Input::Answer { ask: ask.clone(), answer: answer.clone(), id: Uuid::nil() };
        self.donner(&cle, input).expect("an answer is never refused");
        ask
    }

    /// Lives until an instant, wake-ups included.
    fn vivre(&mut self, jusque: &str) {
        let jusque = at(jusque);
        loop {
            let next = self.reveils.iter().min_by_key(|(_, at)| **at);
            let Some((key, due)) = next.map(|(k, t)| (k.clone(), *t)).filter(|(_, t)| *t <= jusque)
            else {
                break;
            };
            self.reveils.remove(&key);
            self.now = self.now.max(due);
            self.donner(&key.0, Input::Wake { reason: key.1 }).expect("a wake is never refused");
        }
        self.now = jusque;
    }

    /// What was published since the last call, as « type subject ».
    fn publications(&mut self) -> Vec<String> {
        let all = std::mem::take(&mut self.publies);
        all.iter().map(|m| format!("{} {}", m.message_type, m.subject)).collect()
    }

    fn dernier<M: Message>(&self) -> M {
        let all = self.publies.iter().rev();
        let found = all.filter(|m| m.message_type == M::TYPE).map(|m| m.body.as_str()).next();
        serde_json::from_str(found.expect("published")).expect("of its type")
    }

    /// The last task opened, closed by an operator with these values.
    fn fermer(&mut self, champs: &[(&str, &str)]) -> Result<(), Refusal> {
        let TacheOuverte { tache, cle, .. } = self.dernier();
        let champs = champs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let par = "operateur".to_owned();
        self.donner(&cle, Input::Event(Evenement::TacheFaite { tache, champs, par }))
    }

    fn engagement(&self) -> &crate::state::EtatEngagement {
        match &self.etats[ENGAGEMENT] {
            Etat::Engagement(etat) => etat,
            Etat::Lieu(_) | Etat::Planning(_) | Etat::Titulaires(_) | Etat::Compte(_) => {
                panic!("not an engagement")
            }
        }
    }

    /// A webhook of the site.
    fn webhook(&mut self, id: i64, horodatage: &str, fait: Fait) {
        self.webhook_de(AGENT, id, horodatage, fait);
    }

    fn webhook_de(&mut self, agent: i64, id: i64, horodatage: &str, fait: Fait) {
        let observation = observation(agent, id, horodatage, fait);
        self.evenement(LIEU, Evenement::Webhook(observation));
    }
}

fn observation(agent: i64, id: i64, horodatage: &str, fait: Fait) -> Observation {
    let agents = vec![Agent { id: agent, email: None }];
    Observation { id, horodatage: at(horodatage), agents, fait }
}

fn agent(agent: i64, lu_le: DateTime<Utc>) -> Reponse {
    Reponse::Agent { agent, lu_le, absences: vec![] }
}

fn plage(jour: &str, debut: &str, fin: &str) -> Fait {
    Fait::Plage(Some(PlageOuverte {
        premier_jour: day(jour),
        debut: debut.parse().expect("time"),
        fin: fin.parse().expect("time"),
        regle: None,
    }))
}

fn rdv(debut: &str, statut: StatutRdv) -> Fait {
    let debut = at(debut);
    Fait::Rdv(Some(Rdv { debut, fin: debut + TimeDelta::minutes(20), statut }))
}
