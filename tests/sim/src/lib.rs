//! A deterministic simulation of the six services together: their real decisions, in an engine in
//! memory that keeps to the frame's semantics, between scripted agencies and people. Deliveries are
//! doubled, delayed and reordered; services die before and after a commit, and in the middle of a
//! call; agencies fail, answer twice, stay silent. At the end a model that only knows the script
//! says what must have come of it: nothing lost, nothing twice, money exact.
//!
//! A seed is a history: the same seed always gives the same one.

mod milieu;
mod monde;
mod moteur;
mod scenario;
mod simulation;
mod verdict;

use std::collections::BTreeMap;

use simulation::Simulation;

/// What a run did: how often each thing happened.
pub type Bilan = BTreeMap<&'static str, u64>;

/// Runs one history.
///
/// # Errors
/// Everything that is wrong at its end, one line each.
pub fn simuler(seed: u64) -> Result<Bilan, Vec<String>> {
    let mut sim = Simulation::new(seed, false);
    sim.run();
    let wrong = verdict::verdict(&sim);
    if wrong.is_empty() { Ok(verdict::bilan(&sim)) } else { Err(wrong) }
}

/// Runs one history again, and tells it: one line for each thing that happened.
pub fn raconter(seed: u64) -> Vec<String> {
    let mut sim = Simulation::new(seed, true);
    sim.run();
    sim.m.trace()
}
