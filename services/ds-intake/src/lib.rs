//! ds-intake: carries applications from Démarches simplifiées to Relais, tells doctors what to
//! correct, and writes progress back. Polling is the truth.

use chrono::{DateTime, Utc};
use contracts::{DossierId, LieuId, incoming, messages::ModeFacturation};
use serde::{Deserialize, Serialize};
use service::{
    Attempt, Context, Decision, Equipment, Etape, Ingress, Input, Limit, OperatorAction, Program,
    Refusal, Service,
};
use uuid::Uuid;

pub mod agency;
pub mod config;
mod decide;
pub mod formulaire;
#[cfg(feature = "simulator")]
pub mod simulator;

pub mod state;
pub mod webhook;
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
    /// To the démarche: go on polling. Given at every start.
    Demarrer,
    /// To the démarche, from the webhook: something changed on DS.
    Reveil,
    /// To the démarche, from an operator: poll now, from the beginning of a pass.
    Relever,
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
    /// To a doctor: an engagement, where it stands.
    Engagement {
        /// The engagement.
        engagement: contracts::EngagementId,
        /// Its dossier.
        dossier: DossierId,
        /// The site.
        lieu: LieuId,
        /// It is not over.
        ouvert: bool,
    },
    /// To a doctor: a complete application asks for these sites.
    Candidater {
        /// The application.
        dossier: DossierId,
        /// The sites.
        lieux: Vec<LieuId>,
    },
    /// To a dossier: the doctor's engagement at a site that it asks for is open already.
    Doublon {
        /// These sites.
        lieux: Vec<LieuId>,
    },
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
        /// Where it is, while it is open.
        #[serde(default)]
        url: Option<String>,
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

/// The service, for the programs that run it.
pub static PROGRAM: Program = Program::of::<DsIntake>();

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
        Ok(Self { client: Client::with_equipment(config, equipment)? })
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
        vec![(agency::AGENCE, config.limite())]
    }

    fn boot(config: &Config) -> Vec<(String, Event)> {
        vec![(config.cle_demarche(), Event::Demarrer)]
    }

    fn routes(config: &Config, ingress: &Ingress<Self>) -> axum::Router {
        webhook::routes(config, ingress)
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
            "relire" if action.cle.starts_with("demarche/") => Event::Relever,
            "relire" => Event::Relire,
            other => return Err(format!("ds-intake ne connaît pas l’action « {other} »")),
        };
        Ok((action.cle.clone(), event))
    }
}
