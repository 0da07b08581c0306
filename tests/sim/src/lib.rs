#![doc = include_str!("../README.md")]

mod hasard;
mod livre;
mod milieu;
mod monde;
mod moteur;
mod reduire;
mod sabotage;
mod scenario;
mod simulation;
mod verdict;

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

pub use hasard::{Coup, Permis};
pub use reduire::{ESSAIS, Reduction, reduire};
pub use sabotage::Sabotage;
pub use scenario::Coupes;
use simulation::Simulation;

/// What a run did: how often each thing happened.
pub type Bilan = BTreeMap<&'static str, u64>;

/// How a seed is run.
#[derive(Clone, Debug, Default)]
pub struct Essai {
    /// What is taken out of its scenario.
    pub coupes: Coupes,
    /// What may go wrong.
    pub permis: Permis,
    /// A defect of the engine.
    pub sabotage: Option<Sabotage>,
}

/// What a campaign found.
#[derive(Debug, Default)]
pub struct Campagne {
    /// How often each thing happened, in all histories that are right.
    pub total: Bilan,
    /// What is wrong, by seed.
    pub echecs: BTreeMap<u64, Vec<String>>,
}

/// Runs one history.
///
/// # Errors
/// Everything that is wrong at its end, one line each; a panic is one.
pub fn run(seed: u64, essai: &Essai) -> Result<Bilan, Vec<String>> {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let mut sim = Simulation::new(seed, essai, false);
        sim.run();
        let wrong = verdict::verdict(&sim);
        if wrong.is_empty() { Ok(verdict::bilan(&sim)) } else { Err(wrong) }
    }));
    judged.unwrap_or_else(|panic| Err(vec![reduire::panique(&*panic)]))
}

/// Runs one history again, and tells it: one line for each thing that happened.
pub fn raconter(seed: u64, essai: &Essai) -> Vec<String> {
    let mut sim = Simulation::new(seed, essai, true);
    // A panic ends the story where it happens.
    let _ended = catch_unwind(AssertUnwindSafe(|| sim.run()));
    sim.m.trace()
}

/// Runs many histories, several at a time.
pub fn campagne(seeds: Range<u64>, jobs: usize, sabotage: Option<Sabotage>) -> Campagne {
    let essai = Essai { sabotage, ..Essai::default() };
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(Campagne::default()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let judged = run(seed, &essai);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match judged {
                        Ok(bilan) => {
                            for (what, times) in bilan {
                                *found.total.entry(what).or_default() += times;
                            }
                        }
                        Err(wrong) => {
                            found.echecs.insert(seed, wrong);
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The story of a failing history made small.
pub fn recit(seed: u64, reduction: &Reduction) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = text.write_fmt(words);
        text.push('\n');
    };
    line(format_args!("seed {seed}, réduit en {} essais", reduction.essais));
    line(format_args!("retirés : {:?}", reduction.essai.coupes));
    for coup in &reduction.coups {
        line(format_args!("malheur : {}", coup.genre));
    }
    for happened in raconter(seed, &reduction.essai) {
        line(format_args!("{happened}"));
    }
    for wrong in &reduction.torts {
        line(format_args!("!!! {wrong}"));
    }
    line(format_args!("cargo run --release -p sim -- --seed {seed}"));
    text
}
