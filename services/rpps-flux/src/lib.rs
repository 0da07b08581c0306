//! Follows the RPPS: identifies applicants, sees authorised activities and CPS cards appear in the
//! daily open extracts of the Annuaire Santé. It never asks the Order or a CPAM anything.

use chrono::NaiveDate;
use contracts::{DossierId, Rpps, incoming};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{
    AskKind, Attempt, Context, Decision, Equipment, Etape, Input, Limit, OperatorAction, Refusal,
    Repeat, Service,
};
use uuid::Uuid;

pub mod agency;
pub mod config;
pub mod decide;
pub mod diff;
pub mod extraction;
pub mod source;
pub mod state;
pub mod vue;
pub mod wire;

#[cfg(feature = "simulator")]
pub mod simulator;

#[cfg(test)]
mod exemples;

use std::time::Duration;

use crate::{
    agency::Annuaire,
    config::Config,
    extraction::Refus,
    state::{Observation, State},
    wire::Extrait,
};

/// The service.
#[derive(Debug)]
pub struct RppsFlux {
    annuaire: Annuaire,
}

incoming! {
    /// What rpps-flux consumes.
    pub enum Message {
        CandidatureDeposee,
        CandidatureModifiee,
        CandidatureRetiree,
        CandidatureRefusee,
        ActiviteAutorisee,
        ActiviteModifiee,
        ActiviteSuspendue,
        ActiviteRetablie,
        ActiviteTerminee,
    }
}

/// What one state tells another, and what comes from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evenement", rename_all = "snake_case")]
pub enum Event {
    /// `extraction`: the service starts.
    Demarrer,
    /// `extraction`: an operator accepts the differences of a refused file.
    Accepter {
        /// The file.
        fichier: String,
    },
    /// `medecin/<rpps>`: an application is to be kept informed.
    Suivre {
        /// The doctor.
        rpps: Rpps,
        /// The application.
        dossier: DossierId,
    },
    /// `medecin/<rpps>`: it is not any more.
    NePlusSuivre {
        /// The application.
        dossier: DossierId,
    },
    /// `medecin/<rpps>`, `dossier/<n>`: what the extracts show now.
    Vue(Observation),
}

/// What is asked of the Annuaire Santé.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Ask {
    /// Integrate the newest extract.
    Integrer {
        /// Which one.
        extrait: Extrait,
        /// The file known to be integrated.
        deja: Option<String>,
        /// The file whose differences an operator accepts.
        accepter: Option<String>,
    },
    /// The next doctors told of an extract.
    Suite {
        /// Which one.
        extrait: Extrait,
        /// The file.
        fichier: String,
        /// Rank of the first one.
        depuis: u64,
    },
    /// What the local view says of a number.
    Chercher {
        /// The number.
        rpps: Rpps,
    },
}

impl AskKind for Ask {
    fn kind(&self) -> &'static str {
        match self {
            Self::Integrer { .. } => "integrer",
            Self::Suite { .. } => "suite",
            Self::Chercher { .. } => "chercher",
        }
    }

    fn agency(&self) -> &'static str {
        match self {
            Self::Integrer { .. } => "rpps-extraction",
            Self::Suite { .. } | Self::Chercher { .. } => "rpps-vue",
        }
    }

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }

    fn max_age(&self) -> Duration {
        match self {
            // The next day asks again by itself; a day without any extract must be seen.
            Self::Integrer { .. } => Duration::from_hours(20),
            Self::Suite { .. } | Self::Chercher { .. } => Duration::from_hours(14 * 24),
        }
    }
}

/// What the Annuaire Santé answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reponse", rename_all = "snake_case")]
pub enum Answer {
    /// An extract was integrated.
    Integree(Integration),
    /// The newest extract was integrated already.
    Inchangee {
        /// Which one.
        extrait: Extrait,
        /// Its day.
        jour: NaiveDate,
    },
    /// The newest extract is refused; the previous view stays.
    Refusee {
        /// Which one.
        extrait: Extrait,
        /// The file.
        fichier: String,
        /// Why, as a code.
        raison: String,
        /// Reading it again may help.
        passager: bool,
    },
    /// More doctors of an extract.
    Suite {
        /// They.
        lot: Lot,
    },
    /// What the local view says.
    Trouvee(Observation),
}

impl Answer {
    fn refusee(extrait: Extrait, fichier: String, refus: Refus) -> Self {
        let (raison, passager) = (refus.code().to_owned(), refus.passager());
        Self::Refusee { extrait, fichier, raison, passager }
    }
}

/// An extract that was integrated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// Which one.
    pub extrait: Extrait,
    /// The file.
    pub fichier: String,
    /// Its day.
    pub jour: NaiveDate,
    /// Rows.
    pub lignes: u64,
    /// Rows added since the previous one; 0 without a previous one.
    pub ajouts: u64,
    /// Rows removed.
    pub retraits: u64,
    /// Rows modified.
    pub modifications: u64,
    /// The first doctors who changed.
    pub lot: Lot,
}

/// Doctors who changed, a bounded number at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// What the extracts show of them.
    pub observations: Vec<Observation>,
    /// Rank of the next ones.
    pub suite: Option<u64>,
}

impl Service for RppsFlux {
    const NAME: &'static str = "rpps-flux";
    type Config = Config;
    type State = State;
    type Message = Message;
    type Event = Event;
    type Ask = Ask;
    type Answer = Answer;

    fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        Ok(Self { annuaire: Annuaire::new(config, &equipment.data_dir)? })
    }

    fn key(message: &Message) -> String {
        decide::key(message)
    }

    fn decide(
        state: Option<&State>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        decide::decide(state, input, cx)
    }

    async fn ask(&self, ask: &Ask, _id: Uuid, _attempt: Attempt) -> Result<Answer, Fault> {
        match ask {
            Ask::Integrer { extrait, deja, accepter } => {
                let integrer =
                    self.annuaire.integrer(*extrait, deja.as_deref(), accepter.as_deref());
                Ok(integrer.await?)
            }
            Ask::Suite { extrait, fichier, depuis } => {
                Ok(self.annuaire.suite(*extrait, fichier, *depuis).await?)
            }
            Ask::Chercher { rpps } => {
                Ok(Answer::Trouvee(self.annuaire.chercher(rpps.clone()).await?))
            }
        }
    }

    fn limits(_config: &Config) -> Vec<(&'static str, Limit)> {
        let minute = Duration::from_mins(1);
        vec![
            // Two files; each integration works alone on its own.
            ("rpps-extraction", Limit { in_flight: 2, calls: 20, window: minute }),
            // Local files: no partner to spare, only the disk.
            ("rpps-vue", Limit { in_flight: 16, calls: 600_000, window: minute }),
        ]
    }

    fn boot(_config: &Config) -> Vec<(String, Event)> {
        vec![(decide::EXTRACTION.to_owned(), Event::Demarrer)]
    }

    fn etape(state: &State) -> Option<Etape> {
        state.etape()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
        decide::operator(action)
    }
}
