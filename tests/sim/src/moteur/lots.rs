//! Batches: what is taken from the queue and from the store, decided by the frame's fold, committed.

use std::{rc::Rc, sync::Arc};

use chrono::TimeDelta;
use service::{
    EngineConfig, Service,
    banc::{Issue, Lot},
};
use store::{AskRow, Found, InputKind, InputRow, Leased, Step, StoreError, Writes};

use super::{Moteur, VEILLES};
use crate::{
    livre::Effets,
    milieu::{Boucle, Courrier, Milieu, Tic},
    sabotage::Sabotage,
};

/// The largest batch, that of the frame.
fn largest() -> usize {
    usize::from(EngineConfig::default().batch)
}

/// What happens every day whatever the day.
pub(super) const ROUTINE: [&str; 6] =
    ["lister", "releve", "integrer", "quotidien", "suite", "verifier-compte"];

/// The cause of an ask that a defect of the engine makes again, once.
const REFAITE: &str = "refaite";

/// What became of the process around a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Vivant,
    Mort,
}

impl<S: Service> Moteur<S> {
    /// Takes what is in the queue: one batch, acknowledged once it is committed.
    pub(crate) fn consommer(&mut self, m: &mut Milieu) {
        if !self.est_l_heure(Boucle::Consommer, m) || self.file.is_empty() {
            return;
        }
        let some = m.hasard.below("lot", &self.qui, 8);
        let count = self.file.len().min(1 + usize::try_from(some).unwrap_or(0)).min(largest());
        let taken: Vec<Rc<Courrier>> = self.file.drain(..count).collect();
        let mut lot = Lot::default();
        for (tag, courrier) in taken.iter().enumerate() {
            let mut delivery = courrier.delivery(tag as u64);
            if self.sabote(Sabotage::SansSequence) {
                delivery.envelope.sequence = None;
            }
            lot.delivery(delivery, m.now);
        }
        m.compter(if count > 1 { "lots de plusieurs" } else { "lots d'un" });
        let alive = self.decider(&lot, &taken, m);
        let lost = if alive == Sort::Mort {
            !self.sabote(Sabotage::AcquitteAvant)
        } else {
            m.malheur(8, "connexions perdues", &(self.qui, taken[0].cause()))
        };
        if lost {
            for courrier in taken.into_iter().rev() {
                self.file.push_front(courrier);
            }
        }
        if self.debout && !self.file.is_empty() {
            self.prevoir(Boucle::Consommer, m.now, m);
        }
    }

    /// Takes what is due in the store: answers, wake-ups, events, replays.
    pub(crate) fn prendre(&mut self, m: &mut Milieu) {
        if !self.est_l_heure(Boucle::Entrees, m) {
            return;
        }
        let mut lot = Lot::default();
        let until = Self::bail(m);
        let mut nom = Vec::new();
        for leased in self.tables.claim_answers(m.now, until, largest()) {
            nom.push(leased.row.ask.id);
            if self.sabote(Sabotage::DemandeRefaite) && leased.row.ask.cause != REFAITE {
                self.refaites.push(leased.row.ask.clone());
            }
            lot.answer(leased);
        }
        for leased in self.tables.claim_inputs(m.now, until, largest()) {
            nom.push(leased.row.id);
            let failure = match leased.row.kind {
                InputKind::Replay => {
                    let id = leased.row.name.parse().expect("a failure's id");
                    self.tables.failure(id).cloned()
                }
                InputKind::Wake | InputKind::Event => None,
            };
            if self.sabote(Sabotage::ReveilsOublies)
                && leased.row.kind == InputKind::Wake
                && leased.row.due_at < self.depuis
            {
                self.solder(&leased);
                continue;
            }
            let name = leased.row.name.as_str();
            if leased.row.kind == InputKind::Wake && m.releves_finis() && VEILLES.contains(&name) {
                m.livre.commis(self.qui, self.solder(&leased));
                continue;
            }
            lot.input(leased, failure);
        }
        if nom.is_empty() {
        } else if m.malheur(6, "répliques figées", &nom[0]) {
            // Another replica claims the same once the lease is over; this one goes on regardless.
            self.rang += 1;
            self.tardifs.insert(self.rang, lot);
            let asleep = TimeDelta::seconds(30) + m.latence(&nom[0]) + m.heures(0, 1, &nom[0]);
            m.dans(asleep, Tic::Tardif(self.qui, self.vie, self.rang));
        } else {
            self.decider(&lot, &[], m);
        }
        self.regarder(m);
    }

    /// Settles an input of which nothing comes.
    fn solder(&mut self, leased: &Leased<InputRow>) -> Effets {
        let done_inputs = vec![(leased.row.id, leased.lease)];
        let writes = Writes { done_inputs, ..Writes::default() };
        let effets = Effets::of(&writes);
        self.tables.transact(&[], &[], |_| writes).expect("just claimed");
        effets
    }

    /// A stalled replica goes on.
    pub(crate) fn reprendre(&mut self, vie: u32, rang: u64, m: &mut Milieu) {
        if self.debout
            && vie == self.vie
            && let Some(lot) = self.tardifs.remove(&rang)
        {
            self.en_retard = true;
            self.decider(&lot, &[], m);
            self.en_retard = false;
        }
    }

    /// Decides and commits.
    fn decider(&mut self, lot: &Lot<S>, taken: &[Rc<Courrier>], m: &mut Milieu) -> Sort {
        if self.commettre(lot, taken, m) == Sort::Mort {
            return Sort::Mort;
        }
        self.regarder(m);
        Sort::Vivant
    }

    /// One transaction.
    fn commettre(&mut self, lot: &Lot<S>, taken: &[Rc<Courrier>], m: &mut Milieu) -> Sort {
        let (marks, keys) = (lot.marks(), lot.keys());
        let nom = (self.qui, keys.first().cloned());
        if m.malheur(2, "arrêts avant l'enregistrement", &nom) {
            if self.sabote(Sabotage::MarqueSeule) {
                self.tables.transact(&marks, &[], |_| Writes::default()).expect("no conflict");
            }
            self.tomber(m);
            return Sort::Mort;
        }
        if m.malheur(4, "écritures concurrentes", &nom) {
            self.en_conflit(lot, m);
        }
        let dies = m.malheur(2, "arrêts après l'enregistrement", &nom);
        let (now, config, registre) = (m.now, &self.config, &self.registre);
        let refaites = std::mem::take(&mut self.refaites);
        let sabotage = self.sabotage.filter(|s| *s != Sabotage::SansBail || self.en_retard);
        let suivre = !m.malheur(200, "suites laissées au dépôt", &nom);
        let mut effets = None;
        let (done, issues) = lot.decide(now, config, registre, suivre, |decider| {
            self.tables.batch(&marks, &keys, |found| match decider(sans_marques(found, sabotage)) {
                Step::Read(keys) => Step::Read(keys),
                Step::Write(writes) => {
                    effets = Some(Effets::of(&writes));
                    Step::Write(Box::new(abimer(*writes, sabotage, dies, refaites.clone())))
                }
            })
        });
        let effets = effets.expect("it was decided");
        match done {
            Ok(()) => {}
            Err(StoreError::Conflict) if effets.solde() => {
                // Settled by somebody else meanwhile; what is left is claimed again.
                m.compter("baux perdus");
                return Sort::Vivant;
            }
            Err(error) => panic!("{:?}: {error:?}", self.qui),
        }
        self.noter(taken, effets, &issues, m);
        if dies {
            self.tomber(m);
            return Sort::Mort;
        }
        Sort::Vivant
    }

    fn noter(&self, taken: &[Rc<Courrier>], effets: Effets, issues: &[Issue], m: &mut Milieu) {
        let qui = self.qui;
        m.livre.livraisons(qui, taken, issues);
        m.livre.commis(qui, effets);
        for issue in issues {
            m.compter(issue.label);
            if ROUTINE.contains(&issue.kind.as_str()) && issue.label == "fait" {
                continue;
            }
            m.jour_piege();
            m.note(|| {
                let why = issue.reason.map(|r| format!(" ({r})")).unwrap_or_default();
                format!("{qui:?} {} <- {} : {}{why}", issue.key, issue.kind, issue.label)
            });
        }
    }

    /// Another replica commits first: everything is decided, nothing is kept.
    fn en_conflit(&mut self, lot: &Lot<S>, m: &Milieu) {
        let (now, config, registre) = (m.now, &self.config, &self.registre);
        let (refused, _) = lot.decide(now, config, registre, true, |decider| {
            self.tables.batch(&lot.marks(), &lot.keys(), |found| match decider(found) {
                Step::Read(keys) => Step::Read(keys),
                Step::Write(mut writes) => {
                    writes.done_inputs.push((uuid::Uuid::nil(), -1));
                    Step::Write(writes)
                }
            })
        });
        assert!(matches!(refused, Err(StoreError::Conflict)), "a lease that nobody holds");
    }
}

/// What a defect of the engine makes of what was found.
fn sans_marques(mut found: Found, sabotage: Option<Sabotage>) -> Found {
    if let (Found::Begun(loaded), Some(Sabotage::SansInbox)) = (&mut found, sabotage) {
        loaded.fresh.fill(true);
    }
    found
}

/// What a defect of the engine makes of a decision.
fn abimer(
    mut writes: Writes,
    sabotage: Option<Sabotage>,
    dies: bool,
    refaites: Vec<AskRow>,
) -> Writes {
    match sabotage {
        Some(Sabotage::EffetsPerdus) if dies => {
            writes.outbox = Arc::default();
            writes.asks.clear();
            writes.inputs.clear();
        }
        Some(Sabotage::DemandeRefaite) => {
            let again = |ask| AskRow { cause: REFAITE.to_owned(), ..ask };
            writes.asks.extend(refaites.into_iter().map(again));
        }
        Some(Sabotage::SansBail) => {
            writes.done_inputs.clear();
            writes.done_answers.clear();
        }
        Some(_) | None => {}
    }
    writes
}
