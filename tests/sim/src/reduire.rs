//! Makes a failing history small: people, sites, days and everything that went wrong are taken out
//! as long as it still fails in the same way.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{Coup, Coupes, Essai, Permis, Sabotage, simulation::Simulation, verdict};

/// Histories that are tried at most, unless somebody says otherwise.
pub const ESSAIS: u32 = 600;

/// The smallest failing history that was found.
pub struct Reduction {
    /// How it is run.
    pub essai: Essai,
    /// What goes wrong in it.
    pub coups: Vec<Coup>,
    /// What is wrong at its end.
    pub torts: Vec<String>,
    /// Histories tried.
    pub essais: u32,
}

/// One run: what is wrong, what went wrong on the way, what could be taken out.
struct Passage {
    torts: Vec<String>,
    coups: Vec<Coup>,
    pieces: Vec<Piece>,
}

/// Something that can be taken out of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Dossier(u64),
    Lieu(u64, usize),
    Mesure(u64),
    Retrait(u64, usize),
    Jour(u64, usize, u64),
}

impl Piece {
    fn couper(self, coupes: &mut Coupes) {
        match self {
            Self::Dossier(n) => coupes.dossiers.insert(n),
            Self::Lieu(n, l) => coupes.lieux.insert((n, l)),
            Self::Mesure(n) => coupes.mesures.insert(n),
            Self::Retrait(n, l) => coupes.retraits.insert((n, l)),
            Self::Jour(n, l, j) => coupes.jours.insert((n, l, j)),
        };
    }

    fn dossier(self) -> u64 {
        match self {
            Self::Dossier(n)
            | Self::Lieu(n, _)
            | Self::Mesure(n)
            | Self::Retrait(n, _)
            | Self::Jour(n, _, _) => n,
        }
    }
}

fn passer(seed: u64, essai: &Essai) -> Passage {
    let mut sim = Simulation::new(seed, essai, false);
    let pieces = pieces(&sim);
    let ran = catch_unwind(AssertUnwindSafe(|| sim.run()));
    let torts = match ran {
        Ok(()) => catch_unwind(AssertUnwindSafe(|| verdict::verdict(&sim)))
            .unwrap_or_else(|panic| vec![panique(&*panic)]),
        Err(panic) => vec![panique(&*panic)],
    };
    Passage { torts, coups: sim.m.hasard.coups().to_vec(), pieces }
}

/// A panic as something that is wrong.
pub(crate) fn panique(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panique : {}", text.unwrap_or("sans texte"))
}

fn pieces(sim: &Simulation) -> Vec<Piece> {
    let scenario = &sim.monde.scenario;
    let mut pieces = Vec::new();
    for candidature in &scenario.candidatures {
        pieces.push(Piece::Dossier(candidature.numero));
    }
    for (index, candidature) in scenario.candidatures.iter().enumerate() {
        let n = candidature.numero;
        pieces.push(Piece::Mesure(n));
        for lieu in &candidature.lieux {
            if candidature.lieux.len() > 1 {
                pieces.push(Piece::Lieu(n, *lieu));
            }
            pieces.push(Piece::Retrait(n, *lieu));
            for jour in scenario.intentions(index, *lieu) {
                pieces.push(Piece::Jour(n, *lieu, jour.rang));
            }
        }
    }
    pieces
}

/// What makes two failures the same: the words, without who, what and when.
fn nature(torts: &[String]) -> BTreeSet<String> {
    let particular = |word: &str| {
        word.starts_with(char::is_uppercase)
            || word.contains(|c: char| c.is_ascii_digit() || c == '/')
    };
    let plain = |text: &String| -> String {
        text.split_whitespace().filter(|w| !particular(w)).take(6).collect()
    };
    torts.iter().map(plain).collect()
}

struct Reducteur {
    seed: u64,
    voulu: BTreeSet<String>,
    essais: u32,
    au_plus: u32,
}

impl Reducteur {
    /// Runs it; gives the run when it fails in the same way.
    fn echoue(&mut self, essai: &Essai) -> Option<Passage> {
        if self.essais >= self.au_plus {
            return None;
        }
        self.essais += 1;
        let run = passer(self.seed, essai);
        (!nature(&run.torts).is_disjoint(&self.voulu)).then_some(run)
    }

    /// Takes pieces out of the scenario, in ever smaller parts.
    fn couper(&mut self, essai: &mut Essai, mut pieces: Vec<Piece>) {
        let mut size = pieces.len();
        while size > 1 {
            size = size.div_ceil(2);
            let left = pieces.clone();
            for part in left.chunks(size) {
                let mut less = essai.clone();
                // What belongs to somebody who is out already is out too.
                let there = part.iter().filter(|p| !essai.coupes.dossiers.contains(&p.dossier()));
                there.for_each(|piece| piece.couper(&mut less.coupes));
                if less.coupes != essai.coupes && self.echoue(&less).is_some() {
                    *essai = less;
                    pieces.retain(|piece| !part.contains(piece));
                }
            }
        }
    }

    /// Leaves out whole kinds of what went wrong, all of them first.
    fn sans_genres(&mut self, essai: &mut Essai, mut coups: Vec<Coup>) -> Vec<Coup> {
        let kinds: BTreeSet<_> = coups.iter().map(|c| c.genre).collect();
        for kind in std::iter::once(None).chain(kinds.into_iter().map(Some)) {
            let kept = |c: &Coup| kind.is_some_and(|k| c.genre != k);
            let kept: Vec<_> = coups.iter().copied().filter(kept).collect();
            if kept.len() == coups.len() {
                continue;
            }
            let less = seuls(essai, &kept);
            if let Some(run) = self.echoue(&less) {
                coups = run.coups;
                *essai = less;
            }
        }
        coups
    }

    /// Leaves out what went wrong, in ever smaller parts.
    fn epargner(&mut self, essai: &mut Essai, mut coups: Vec<Coup>) -> Vec<Coup> {
        let mut size = coups.len().div_ceil(2).max(1);
        loop {
            let mut start = 0;
            while start < coups.len() {
                let end = (start + size).min(coups.len());
                let kept: Vec<_> = coups[..start].iter().chain(&coups[end..]).copied().collect();
                match self.echoue(&seuls(essai, &kept)) {
                    // What never came to pass any more is left out too.
                    Some(run) => coups.retain(|c| kept.contains(c) && run.coups.contains(c)),
                    None => start = end,
                }
            }
            if size == 1 {
                break;
            }
            size = size.div_ceil(2);
        }
        *essai = seuls(essai, &coups);
        coups
    }
}

/// The same, where nothing else goes wrong.
fn seuls(essai: &Essai, kept: &[Coup]) -> Essai {
    Essai { permis: Permis::seuls(kept), ..essai.clone() }
}

/// Makes the failing history of a seed small, in so many runs at most; `None` when it does not fail.
pub fn reduire(seed: u64, sabotage: Option<Sabotage>, au_plus: u32) -> Option<Reduction> {
    let mut essai = Essai { sabotage, ..Essai::default() };
    let first = passer(seed, &essai);
    if first.torts.is_empty() {
        return None;
    }
    let mut reducteur = Reducteur { seed, voulu: nature(&first.torts), essais: 1, au_plus };
    reducteur.sans_genres(&mut essai, first.coups);
    reducteur.couper(&mut essai, first.pieces);
    let coups = passer(seed, &essai).coups;
    let coups = reducteur.epargner(&mut essai, coups);
    let left = passer(seed, &essai).pieces;
    reducteur.couper(&mut essai, left);
    let last = passer(seed, &essai);
    let coups = coups.into_iter().filter(|c| last.coups.contains(c)).collect();
    Some(Reduction { essai, coups, torts: last.torts, essais: reducteur.essais })
}
