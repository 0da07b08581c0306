//! ordinal-adapter: the Order's part. One verification per application, asked of the CDOM of
//! registration through its own channel; one engagement per (doctor, site), opened, suspended,
//! restored and ended here and nowhere else. See the README for its states and its runbook.

pub mod agency;
pub mod config;
mod decide;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod state;
pub mod wire;

use contact::{Lien, Question};
use contracts::Referentiel;
use kernel::Fault;
use service::{
    Attempt, Context, Decision, Equipment, Etape, Input, OperatorAction, Program, Refusal, Service,
};
use uuid::Uuid;

pub use crate::{
    agency::{Answer, Ask},
    config::Config,
    state::{Event, State, engagement_id},
};

contracts::incoming! {
    /// What the service reads.
    pub enum Entrant {
        CandidatureDeposee,
        CandidatureModifiee,
        CandidatureRetiree,
        MedecinIdentifie,
        MedecinRppsDivergent,
        DecisionLueDs,
        VerificationRendue,
        SuspensionPrononcee,
        SuspensionLevee,
        FinPrononcee,
    }
}

/// The service.
#[derive(Debug)]
pub struct OrdinalAdapter {
    courrier: agency::Courrier,
}

/// The service, for the programs that run it.
pub static PROGRAM: Program = Program::of::<OrdinalAdapter>();

impl Service for OrdinalAdapter {
    const NAME: &'static str = "ordinal-adapter";
    const FAMILLE: Option<contracts::Famille> = Some(contracts::Famille::Cdom);
    type Config = Config;
    type State = State;
    type Message = Entrant;
    type Event = Event;
    type Ask = Ask;
    type Answer = Answer;

    fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        config.check()?;
        Ok(Self { courrier: agency::Courrier::new(equipment.mailer.clone()) })
    }

    fn key(message: &Entrant) -> String {
        match message {
            Entrant::CandidatureDeposee(m) => state::cle_dossier(m.0.dossier),
            Entrant::CandidatureModifiee(m) => state::cle_dossier(m.0.dossier),
            Entrant::CandidatureRetiree(m) => state::cle_dossier(m.dossier),
            Entrant::MedecinIdentifie(m) => state::cle_dossier(m.dossier),
            Entrant::MedecinRppsDivergent(m) => state::cle_dossier(m.identite.dossier),
            Entrant::DecisionLueDs(m) => state::cle_dossier(m.dossier),
            Entrant::VerificationRendue(m) => state::cle_dossier(m.dossier),
            Entrant::SuspensionPrononcee(m) => state::cle_medecin(&m.rpps),
            Entrant::SuspensionLevee(m) => state::cle_medecin(&m.rpps),
            Entrant::FinPrononcee(m) => state::cle_medecin(&m.rpps),
        }
    }

    fn decide(
        state: Option<&State>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        decide::decide(state, input, cx)
    }

    async fn ask(&self, ask: &Ask, id: Uuid, _attempt: Attempt) -> Result<Answer, Fault> {
        self.courrier.ask(ask, id).await
    }

    fn question(state: Option<&State>, lien: &Lien, referentiel: &Referentiel) -> Option<Question> {
        wire::question(state, lien, referentiel)
    }

    fn reponse(lien: &Lien, choix: &str) -> Option<Event> {
        wire::reponse(lien, choix)
    }

    fn etape(state: &State) -> Option<Etape> {
        state.etape()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
        wire::operator(action)
    }
}
