//! The ledger: what the frame owes, noted beside it. It knows nothing of stores, leases or loops,
//! only what was decided and what became of it. Its laws:
//!
//! - what reaches a queue is decided once, never twice, never not at all;
//! - a snapshot older than one that is known decides nothing;
//! - what a decision wants (a message, a call, a word to another state, a wake-up) happens, and
//!   nothing else does; an answer is decided once.

use std::{collections::BTreeMap, rc::Rc};

use bus::Origin;
use service::banc::Issue;
use store::{AskRow, InputKind, InputRow, Writes};
use uuid::Uuid;

use crate::milieu::{Courrier, Qui};

/// What a batch wants, and what it settles.
pub(crate) struct Effets {
    entrees_faites: Vec<Uuid>,
    reponses_faites: Vec<Uuid>,
    reveils_annules: Vec<(String, String)>,
    demandes_annulees: Vec<(String, String)>,
    demandes: Vec<(Uuid, String, String)>,
    messages: Vec<Uuid>,
    entrees: Vec<Entree>,
}

/// An input: its id, and of a wake-up its state and its reason.
pub(crate) type Entree = (Uuid, Option<(String, String)>);

/// Inputs as the ledger notes them.
pub(crate) fn entrees(rows: &[InputRow]) -> Vec<Entree> {
    let wake = |row: &InputRow| match row.kind {
        InputKind::Wake => Some((row.key.clone(), row.name.clone())),
        InputKind::Event | InputKind::Replay => None,
    };
    rows.iter().map(|row| (row.id, wake(row))).collect()
}

impl Effets {
    pub(crate) fn of(writes: &Writes) -> Self {
        let ids = |settled: &[(Uuid, i64)]| settled.iter().map(|(id, _)| *id).collect();
        let ask = |a: &AskRow| (a.id, a.key.clone(), a.kind.clone());
        Self {
            entrees_faites: ids(&writes.done_inputs),
            reponses_faites: ids(&writes.done_answers),
            reveils_annules: writes.cancel_wakes.clone(),
            demandes_annulees: writes.cancel_asks.clone(),
            demandes: writes.asks.iter().map(ask).collect(),
            messages: writes.outbox.iter().map(|row| row.id).collect(),
            entrees: entrees(&writes.inputs),
        }
    }

    /// It settles rows of the store: when somebody else did, it is settled there.
    pub(crate) fn solde(&self) -> bool {
        !self.entrees_faites.is_empty() || !self.reponses_faites.is_empty()
    }
}

/// An ask, as long as it is known.
#[derive(Default)]
struct Demande {
    kind: String,
    faites: u32,
    decidees: u32,
    /// Its answer is there, and not decided.
    repondue: bool,
    /// Decided, failed or cancelled.
    close: bool,
}

/// What is open in one service.
#[derive(Default)]
struct Compte {
    /// Messages that reached its queue → how often each was decided.
    recus: BTreeMap<String, u32>,
    /// (state, « source subject ») → the last sequence that was decided.
    vus: BTreeMap<(String, String), u64>,
    /// What is to be decided; of a wake-up, its state and its reason, by which it is armed once.
    entrees: BTreeMap<Uuid, Option<(String, String)>>,
    reveils: BTreeMap<(String, String), Uuid>,
    demandes: BTreeMap<Uuid, Demande>,
    /// (state, kind) → asks that may still be cancelled.
    annulables: BTreeMap<(String, String), Vec<Uuid>>,
    /// Messages committed → whether they were published.
    boite: BTreeMap<Uuid, bool>,
}

impl Compte {
    fn desarmer(&mut self, name: &(String, String)) {
        if let Some(armed) = self.reveils.remove(name) {
            self.entrees.remove(&armed);
        }
    }

    /// An answer that is there is decided all the same.
    fn annuler(&mut self, name: &(String, String)) {
        let Some(known) = self.annulables.get_mut(name) else { return };
        known.retain(|id| {
            let Some(demande) = self.demandes.get_mut(id) else { return false };
            demande.close |= !demande.repondue;
            !demande.close
        });
    }
}

/// What is in a store at the end.
pub(crate) struct Reste {
    pub(crate) inputs: usize,
    pub(crate) asks: usize,
    pub(crate) outbox: usize,
}

/// The ledger.
#[derive(Default)]
pub(crate) struct Livre {
    comptes: BTreeMap<Qui, Compte>,
    torts: Vec<String>,
}

impl Livre {
    fn compte(&mut self, qui: Qui) -> &mut Compte {
        self.comptes.entry(qui).or_default()
    }

    /// A message reaches the queue of a service.
    pub(crate) fn recu(&mut self, qui: Qui, courrier: &Courrier) {
        self.compte(qui).recus.entry(courrier.cause()).or_default();
    }

    /// Messages were decided.
    pub(crate) fn livraisons(&mut self, qui: Qui, lot: &[Rc<Courrier>], issues: &[Issue]) {
        for issue in issues {
            let Some(courrier) = lot.iter().find(|c| c.cause() == issue.cause) else { continue };
            let compte = self.comptes.entry(qui).or_default();
            if issue.label != "doublon" {
                let times = compte.recus.entry(issue.cause.clone()).or_default();
                *times += 1;
                if *times > 1 {
                    let kind = &courrier.envelope.message_type;
                    self.torts.push(format!("{qui:?} : {kind} décidé {times} fois"));
                }
            }
            let (Origin::Relais, Some(subject), Some(sequence)) =
                (&courrier.origin, &courrier.envelope.subject, courrier.envelope.sequence)
            else {
                continue;
            };
            if issue.label == "fait" {
                let name = (issue.key.clone(), format!("{} {subject}", courrier.envelope.source));
                let known = compte.vus.entry(name).or_default();
                if *known >= sequence {
                    self.torts.push(format!("{qui:?} : {subject} n° {sequence} après {known}"));
                }
                *known = sequence.max(*known);
            }
        }
    }

    /// A batch was committed.
    pub(crate) fn commis(&mut self, qui: Qui, effets: Effets) {
        let compte = self.comptes.entry(qui).or_default();
        for id in &effets.entrees_faites {
            match compte.entrees.remove(id) {
                Some(wake) => {
                    wake.map(|name| compte.reveils.remove(&name));
                }
                None => self.torts.push(format!("{qui:?} : une entrée décidée deux fois")),
            }
        }
        for id in &effets.reponses_faites {
            let demande = compte.demandes.entry(*id).or_default();
            demande.decidees += 1;
            (demande.repondue, demande.close) = (false, true);
            if demande.decidees > demande.faites {
                let kind = &demande.kind;
                self.torts.push(format!("{qui:?} : réponse à {kind} décidée deux fois"));
            }
        }
        for name in &effets.reveils_annules {
            compte.desarmer(name);
        }
        for name in &effets.demandes_annulees {
            compte.annuler(name);
        }
        for (id, key, kind) in effets.demandes {
            let demande = compte.demandes.entry(id).or_default();
            demande.kind.clone_from(&kind);
            demande.faites += 1;
            demande.close = false;
            compte.annulables.entry((key, kind)).or_default().push(id);
        }
        compte.boite.extend(effets.messages.into_iter().map(|id| (id, false)));
        self.entrees(qui, effets.entrees);
    }

    /// Inputs were stored.
    pub(crate) fn entrees(&mut self, qui: Qui, rows: Vec<Entree>) {
        let compte = self.compte(qui);
        for (id, wake) in rows {
            if let Some(name) = &wake {
                compte.desarmer(name);
                compte.reveils.insert(name.clone(), id);
            }
            compte.entrees.insert(id, wake);
        }
    }

    /// The answer of an ask was stored.
    pub(crate) fn repondue(&mut self, qui: Qui, id: Uuid) {
        self.compte(qui).demandes.entry(id).or_default().repondue = true;
    }

    /// An ask became a failure, which this message announces.
    pub(crate) fn echouee(&mut self, qui: Qui, id: Uuid, announced: Uuid) {
        let compte = self.compte(qui);
        compte.demandes.entry(id).or_default().close = true;
        compte.boite.insert(announced, false);
    }

    /// A message of a service is on the wire.
    pub(crate) fn publie(&mut self, qui: Qui, id: Uuid) {
        match self.compte(qui).boite.get_mut(&id) {
            Some(published) => *published = true,
            None => self.torts.push(format!("{qui:?} : publié sans avoir été décidé")),
        }
    }

    /// What is wrong at the end.
    pub(crate) fn torts(&self, restes: &BTreeMap<Qui, Reste>) -> Vec<String> {
        let mut wrong = self.torts.clone();
        for (qui, compte) in &self.comptes {
            for (cause, _) in compte.recus.iter().filter(|(_, times)| **times == 0) {
                wrong.push(format!("{qui:?} : {cause} jamais décidé"));
            }
            let Some(reste) = restes.get(qui) else { continue };
            let open = compte.demandes.values().filter(|d| !d.close).count();
            let unpublished = compte.boite.values().filter(|published| !**published).count();
            for (what, owed, kept) in [
                ("entrées", compte.entrees.len(), reste.inputs),
                ("demandes", open, reste.asks),
                ("messages", unpublished, reste.outbox),
            ] {
                if owed != kept {
                    wrong.push(format!("{qui:?} : {owed} {what} décidées, {kept} gardées"));
                }
            }
        }
        wrong
    }
}
