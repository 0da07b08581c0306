//! The service that is measured: a whole service of the frame, with next to no business. Each
//! message counts one in the state of its dossier and publishes one fact.

use contracts::{incoming, messages::PanneClose};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use service::{AskKind, Attempt, Context, Decision, Equipment, Input, Refusal, Repeat, Service};
use uuid::Uuid;

use crate::messages;

/// Counts withdrawals.
pub(crate) struct Compteur;

/// How many there were.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Compte {
    n: u64,
}

incoming! {
    /// What it reads.
    pub(crate) enum Recu { CandidatureRetiree }
}

/// It asks nothing of anybody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Aucune {}

impl AskKind for Aucune {
    fn kind(&self) -> &'static str {
        match *self {}
    }
    fn agency(&self) -> &'static str {
        match *self {}
    }
    fn repeat(&self) -> Repeat {
        match *self {}
    }
}

impl Service for Compteur {
    const NAME: &'static str = "compteur";
    type Config = ();
    type State = Compte;
    type Message = Recu;
    type Event = ();
    type Ask = Aucune;
    type Answer = ();

    fn new((): &(), _: &Equipment) -> Result<Self, String> {
        Ok(Self)
    }

    fn key(Recu::CandidatureRetiree(message): &Recu) -> String {
        format!("dossier/{}", message.dossier)
    }

    fn decide(
        state: Option<&Compte>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        match input {
            Input::Message { .. } => {
                let n = state.map_or(0, |compte| compte.n) + 1;
                let fait =
                    PanneClose { panne: cx.id("effet"), issue: messages::remplissage_effet() };
                Ok(Decision::next(Compte { n }).publish(&fait))
            }
            Input::Answer { .. } | Input::Wake { .. } | Input::Event(()) => {
                Ok(Decision::Ignore("nothing else comes"))
            }
        }
    }

    async fn ask(&self, ask: &Aucune, _: Uuid, _: Attempt) -> Result<(), Fault> {
        match *ask {}
    }
}
