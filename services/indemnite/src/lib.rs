//! The indemnity: asks the site to attest, decides what is payable, turns half-days into money,
//! one payment per (doctor, day, half-day), and states it every month to each CPAM.
//!
//! It never orders a payment: the CPAM pays from its own systems, and says what it paid.

mod agency;
pub mod config;
mod decide;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod state;
pub mod wire;

use contact::{Lien, Mailer, Question};
use contracts::{Referentiel, messages};
use kernel::Fault;
use service::{
    Attempt, Context, Decision, Equipment, Etape, Input, OperatorAction, Program, Refusal, Service,
};
use uuid::Uuid;

pub use agency::{Answer, Ask};
pub use config::{Bareme, Config};
pub use state::State;
pub use wire::{Choix, Event, csv, sha256_hex};

contracts::incoming! {
    /// What the service reads.
    pub enum Incoming {
        ActiviteAutorisee,
        ActiviteModifiee,
        ActiviteSuspendue,
        ActiviteRetablie,
        ActiviteTerminee,
        FacturationOuverte,
        VacationPlanifiee,
        VacationAnnulee,
        VacationRealisee,
        PaiementEffectue,
        PaiementRejete,
    }
}

/// The service.
#[derive(Clone, Debug)]
pub struct Indemnite {
    mailer: Mailer,
}

/// The service, for the programs that run it.
pub static PROGRAM: Program = Program::of::<Indemnite>();

impl Service for Indemnite {
    const NAME: &'static str = "indemnite";
    type Config = Config;
    type State = State;
    type Message = Incoming;
    type Event = Event;
    type Ask = Ask;
    type Answer = Answer;

    fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        config.check()?;
        Ok(Self { mailer: equipment.mailer.clone() })
    }

    fn key(message: &Incoming) -> String {
        use Incoming as M;
        match message {
            M::ActiviteAutorisee(messages::ActiviteAutorisee(a))
            | M::ActiviteModifiee(messages::ActiviteModifiee(a))
            | M::ActiviteSuspendue(messages::ActiviteSuspendue(a))
            | M::ActiviteRetablie(messages::ActiviteRetablie(a))
            | M::ActiviteTerminee(messages::ActiviteTerminee(a)) => {
                state::cle_engagement(&a.engagement)
            }
            M::FacturationOuverte(m) => state::cle_engagement(&m.engagement),
            M::VacationPlanifiee(messages::VacationPlanifiee(v))
            | M::VacationAnnulee(messages::VacationAnnulee(v))
            | M::VacationRealisee(messages::VacationRealisee(v)) => {
                state::cle_engagement(&v.engagement)
            }
            M::PaiementEffectue(m) => state::cle_etat_emis(m.demande.id),
            M::PaiementRejete(m) => state::cle_etat_emis(m.demande.id),
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
        agency::envoyer(&self.mailer, ask, id).await
    }

    fn question(state: Option<&State>, lien: &Lien, _: &Referentiel) -> Option<Question> {
        match state? {
            State::Attestation(day) => decide::question(day, lien.question.parse().ok()?),
            State::MedecinMois(month) => {
                decide::question_au_medecin(month, lien.question.parse().ok()?)
            }
            State::Engagement(_) | State::Etat(_) | State::EtatEmis(_) => None,
        }
    }

    fn reponse(lien: &Lien, choix: &str) -> Option<Event> {
        let question = lien.question.parse().ok()?;
        if lien.sujet == decide::CONFIRMATION {
            let confirme = decide::choix_du_medecin(choix)?;
            return Some(Event::Confirmee { question, confirme });
        }
        Some(Event::Attestee { question, choix: choix.parse().ok()? })
    }

    fn etape(state: &State) -> Option<Etape> {
        state.etape()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
        wire::operator(action)
    }
}
