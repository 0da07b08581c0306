//! ds-intake: carries applications from Démarches simplifiées to Relais, tells doctors what to
//! correct, and writes progress back. Polling is the truth.

use chrono::{DateTime, Utc};
use contracts::{incoming, messages::ModeFacturation};
use serde::{Deserialize, Serialize};
use service::{
    Attempt, Context, Decision, Equipment, Etape, Input, Limit, OperatorAction, Refusal, Service,
};
use uuid::Uuid;

pub mod agency;
pub mod config;
mod decide;
#[cfg(feature = "simulator")]
pub mod simulator;

pub mod state;
pub mod wire;

pub use agency::{Answer, Ask, Client};
pub use config::Config;
pub use state::State;

use state::ResumeActivite;
use wire::RaisonDisparition;

incoming! {
    /// What the service reads.
    pub enum Message {
        MedecinIdentifie,
        MedecinRppsDivergent,
        ComplementDemande,
        CandidatureRefusee,
        ActiviteAutorisee,
        ActiviteModifiee,
        ActiviteSuspendue,
        ActiviteRetablie,
        ActiviteTerminee,
        FacturationOuverte,
        AgendaOuvert,
        AgendaFerme,
    }
}

/// What one state tells another, and what an operator says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// To the démarche: poll now. Given at every start.
    Demarrer,
    /// To a dossier: the list shows it with this date of modification.
    Vu {
        /// The date.
        modifie_le: DateTime<Utc>,
        /// Read it even when that date was read already.
        relire: bool,
    },
    /// To a dossier: it is in a list of deleted ones.
    Disparu {
        /// Why.
        raison: RaisonDisparition,
        /// When.
        le: DateTime<Utc>,
    },
    /// To a dossier: an engagement of it, whole.
    Activite(ResumeActivite),
    /// To a dossier: how the doctor may bill.
    Facturation {
        /// The engagement.
        engagement: contracts::EngagementId,
        /// How.
        mode: ModeFacturation,
    },
    /// To a dossier: the agenda opened or closed.
    Agenda {
        /// The engagement.
        engagement: contracts::EngagementId,
        /// Open.
        ouvert: bool,
    },
    /// From an operator: a task is done.
    TacheFermee {
        /// The task.
        tache: Uuid,
        /// Who did it.
        par: String,
    },
    /// From an operator: read the dossier again.
    Relire,
}

/// The service.
#[derive(Clone, Debug)]
pub struct DsIntake {
    client: Client,
}

impl Service for DsIntake {
    const NAME: &'static str = "ds-intake";
    type Config = Config;
    type State = State;
    type Message = Message;
    type Event = Event;
    type Ask = Ask;
    type Answer = Answer;

    fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        config.verifier()?;
        Ok(Self { client: Client::new(config, equipment.clock.clone())? })
    }

    fn key(message: &Message) -> String {
        use contracts::messages::{
            ActiviteAutorisee, ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue,
            ActiviteTerminee,
        };
        match message {
            Message::MedecinIdentifie(m) => format!("dossier/{}", m.dossier),
            Message::MedecinRppsDivergent(m) => format!("dossier/{}", m.identite.dossier),
            Message::ComplementDemande(m) => format!("dossier/{}", m.dossier),
            Message::CandidatureRefusee(m) => format!("dossier/{}", m.dossier),
            Message::ActiviteAutorisee(ActiviteAutorisee(a))
            | Message::ActiviteModifiee(ActiviteModifiee(a))
            | Message::ActiviteSuspendue(ActiviteSuspendue(a))
            | Message::ActiviteRetablie(ActiviteRetablie(a))
            | Message::ActiviteTerminee(ActiviteTerminee(a)) => {
                format!("engagement/{}", a.engagement)
            }
            Message::FacturationOuverte(m) => format!("engagement/{}", m.engagement),
            Message::AgendaOuvert(m) => format!("engagement/{}", m.0.engagement),
            Message::AgendaFerme(m) => format!("engagement/{}", m.0.engagement),
        }
    }

    fn decide(
        state: Option<&State>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        decide::decide(state, input, cx)
    }

    async fn ask(&self, ask: &Ask, id: Uuid, attempt: Attempt) -> Result<Answer, kernel::Fault> {
        self.client.ask(ask, id, attempt).await
    }

    /// DS answers 429 beyond 400 POST a minute per token, and advises at most 16 at a time.
    fn limits(config: &Config) -> Vec<(&'static str, Limit)> {
        let window = std::time::Duration::from_mins(1);
        let calls = config.calls_per_minute.max(1);
        vec![(agency::AGENCE, Limit { in_flight: 8, calls, window })]
    }

    fn boot(config: &Config) -> Vec<(String, Event)> {
        vec![(config.cle_demarche(), Event::Demarrer)]
    }

    fn etape(state: &State) -> Option<Etape> {
        state.etape()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
        let event = match action.action.as_str() {
            "fermer-tache" => {
                let tache = action.champs.get("tache").and_then(|t| t.parse().ok());
                let tache =
                    tache.ok_or("le champ « tache » doit être l’identifiant de la tâche")?;
                Event::TacheFermee { tache, par: action.par.clone() }
            }
            "relire" if action.cle.starts_with("demarche/") => Event::Demarrer,
            "relire" => Event::Relire,
            other => return Err(format!("ds-intake ne connaît pas l’action « {other} »")),
        };
        Ok((action.cle.clone(), event))
    }
}
