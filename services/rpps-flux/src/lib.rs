//! Follows the RPPS: identifies applicants, sees authorised activities and CPS cards appear in the
//! daily open extracts of the Annuaire Santé. It never asks the Order or a CPAM anything.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{DossierId, Rpps, incoming};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{
    AskKind, Attempt, Context, Decision, Equipment, Etape, Input, Limit, OperatorAction, Program,
    Refusal, Repeat, Service,
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

use std::{collections::BTreeSet, time::Duration};

use crate::{
    agency::{Annuaire, fhir::Api},
    config::Config,
    extraction::Refus,
    state::{Observation, State},
    wire::Extrait,
};

/// The service.
#[derive(Debug)]
pub struct RppsFlux {
    annuaire: Annuaire,
    api: Option<Api>,
}

impl RppsFlux {
    /// The API, when it is configured: a question that was asked before it was taken out of the
    /// configuration waits until it is too old.
    fn api(&self) -> Result<&Api, Fault> {
        let absent = || Fault::transient("fhir-non-configure", SansApi);
        self.api.as_ref().ok_or_else(absent)
    }
}

/// The API is not configured.
#[derive(Debug, thiserror::Error)]
#[error("the API of the Annuaire Santé is not configured")]
struct SansApi;

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
        /// Who accepts them.
        #[serde(default)]
        par: String,
    },
    /// `medecin/<rpps>`: an operator closes a task.
    FermerTache {
        /// The task.
        tache: Uuid,
        /// Who.
        par: String,
    },
    /// `dossier/<n>`: an activity that the RPPS showed is not there any more.
    ActiviteDisparue,
    /// `medecin/<rpps>`: the API says that something changed.
    ChangementFhir,
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
    /// Who has a number, of the API.
    Interroger {
        /// The number.
        rpps: Rpps,
    },
    /// Where somebody practises, of the API.
    Situations {
        /// The number.
        rpps: Rpps,
        /// Ids of the person's resources.
        ids: Vec<String>,
        /// What is known so far.
        fiche: state::Fiche,
        /// The next page.
        page: Option<String>,
    },
    /// Who changed, of the API.
    Changements {
        /// What is read.
        ressource: Ressource,
        /// Changes from this instant on; `None`: every doctor.
        depuis: Option<DateTime<Utc>>,
        /// When the reading began.
        debut: DateTime<Utc>,
        /// The next page.
        page: Option<String>,
    },
}

/// What a reading of the changes goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ressource {
    /// `Practitioner`.
    Praticiens,
    /// `PractitionerRole`.
    Situations,
}

impl AskKind for Ask {
    fn kind(&self) -> &'static str {
        match self {
            Self::Integrer { .. } => "integrer",
            Self::Suite { .. } => "suite",
            Self::Chercher { .. } => "chercher",
            Self::Interroger { .. } => "interroger",
            Self::Situations { .. } => "situations",
            Self::Changements { .. } => "changements",
        }
    }

    fn agency(&self) -> &'static str {
        match self {
            Self::Integrer { .. } => "rpps-extraction",
            Self::Suite { .. } | Self::Chercher { .. } => "rpps-vue",
            Self::Interroger { .. } | Self::Situations { .. } | Self::Changements { .. } => {
                "rpps-fhir"
            }
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
            // The extracts say the same a day later, and every look asks again.
            Self::Interroger { .. } | Self::Situations { .. } => Duration::from_hours(3 * 24),
            // A reading that goes on longer is begun again.
            Self::Changements { .. } => Duration::from_hours(6),
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
    /// Who has a number.
    Praticien {
        /// Ids of the person's resources.
        ids: Vec<String>,
        /// What they say; `None` when nobody has the number any more, or ever had.
        fiche: Option<state::Fiche>,
    },
    /// Where somebody practises.
    Situations {
        /// The sites, as the RPPS names them.
        structures: BTreeSet<String>,
        /// The next page.
        suite: Option<String>,
    },
    /// Who changed.
    Changements {
        /// The numbers.
        numeros: Vec<Rpps>,
        /// The next page.
        suite: Option<String>,
    },
    /// The page asked for is not kept any more.
    PagePerimee,
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
    /// SHA-256 of the file as it came.
    #[serde(default)]
    pub sha256: Option<String>,
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

/// The service, for the programs that run it.
pub static PROGRAM: Program = Program::of::<RppsFlux>();

impl Service for RppsFlux {
    const NAME: &'static str = "rpps-flux";
    type Config = Config;
    type State = State;
    type Message = Message;
    type Event = Event;
    type Ask = Ask;
    type Answer = Answer;

    fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        let api = config.fhir.as_ref().map(|fhir| Api::new(fhir, config.timeout_ms)).transpose()?;
        Ok(Self { annuaire: Annuaire::new(config, &equipment.data_dir)?, api })
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
            Ask::Interroger { rpps } => Ok(self.api()?.praticien(rpps).await?),
            Ask::Situations { ids, page, .. } => {
                Ok(self.api()?.situations(ids, page.as_deref()).await?)
            }
            Ask::Changements { ressource, depuis, page, .. } => {
                Ok(self.api()?.changements(*ressource, *depuis, page.as_deref()).await?)
            }
        }
    }

    fn limits(_config: &Config) -> Vec<(&'static str, Limit)> {
        let minute = Duration::from_mins(1);
        vec![
            // Three files; each integration works alone on its own.
            ("rpps-extraction", Limit { in_flight: 2, calls: 20, window: minute }),
            // Local files: no partner to spare, only the disk.
            ("rpps-vue", Limit { in_flight: 16, calls: 600_000, window: minute }),
            // 17 calls per second and application (ANS documentation); each ask is one call.
            ("rpps-fhir", Limit { in_flight: 8, calls: 17, window: Duration::from_secs(1) }),
        ]
    }

    fn boot(_config: &Config) -> Vec<(String, Event)> {
        // The second one also says that the API is not read any more.
        [decide::EXTRACTION, decide::FHIR].map(|key| (key.to_owned(), Event::Demarrer)).into()
    }

    fn etape(state: &State) -> Option<Etape> {
        state.etape()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
        decide::operator(action)
    }
}
