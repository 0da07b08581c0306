//! cpam-cps: the CPAM's part. The numéro AM of the mission, the bank details, the CPS card: what a
//! doctor needs to bill at a site, published as one snapshot. See the README for its states and
//! its runbook.

pub mod agency;
pub mod config;
mod decide;
pub mod papier;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod state;
pub mod wire;

use std::collections::BTreeMap;

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
    state::{Event, State},
};

contracts::incoming! {
    /// What the service reads.
    pub enum Entrant {
        ActiviteAutorisee,
        ActiviteModifiee,
        ActiviteSuspendue,
        ActiviteRetablie,
        ActiviteTerminee,
        ActiviteEnregistreeRpps,
        CarteCpsConstatee,
        NumeroAmCree,
        NumeroAmRefuse,
        RibRecu,
    }
}

/// The service.
#[derive(Debug)]
pub struct CpamCps {
    courrier: agency::Courrier,
}

/// The service, for the programs that run it.
pub static PROGRAM: Program = Program::of::<CpamCps>();

impl Service for CpamCps {
    const NAME: &'static str = "cpam-cps";
    const FAMILLE: Option<contracts::Famille> = Some(contracts::Famille::Cpam);
    type Config = Config;
    type State = State;
    type Message = Entrant;
    type Event = Event;
    type Ask = Ask;
    type Answer = Answer;

    fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        config.check(&equipment.referentiel)?;
        Ok(Self {
            courrier: agency::Courrier::new(
                equipment.mailer.clone(),
                config.repertoire_echanges.clone(),
            ),
        })
    }

    fn key(message: &Entrant) -> String {
        match message {
            Entrant::ActiviteAutorisee(m) => state::cle_engagement(&m.0.engagement),
            Entrant::ActiviteModifiee(m) => state::cle_engagement(&m.0.engagement),
            Entrant::ActiviteSuspendue(m) => state::cle_engagement(&m.0.engagement),
            Entrant::ActiviteRetablie(m) => state::cle_engagement(&m.0.engagement),
            Entrant::ActiviteTerminee(m) => state::cle_engagement(&m.0.engagement),
            Entrant::ActiviteEnregistreeRpps(m) => state::cle_engagement(&m.engagement),
            Entrant::CarteCpsConstatee(m) => state::cle_medecin(&m.rpps),
            Entrant::NumeroAmCree(m) => state::cle_engagement(&m.engagement),
            Entrant::NumeroAmRefuse(m) => state::cle_engagement(&m.engagement),
            Entrant::RibRecu(m) => state::cle_engagement(&m.engagement),
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

    fn reponse_remplie(
        lien: &Lien,
        choix: &str,
        champs: &BTreeMap<String, String>,
    ) -> Result<Option<Event>, String> {
        wire::reponse(lien, choix, champs)
    }

    fn etape(state: &State) -> Option<Etape> {
        state.etape()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
        wire::operator(action)
    }
}
