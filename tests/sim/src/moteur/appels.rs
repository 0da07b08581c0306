//! Calls to agencies, their answers, publications, and the replay of what failed.

use std::rc::Rc;

use chrono::TimeDelta;
use kernel::{Backoff, Fault, derive_id};
use service::{AskKind, Input, Service};
use uuid::Uuid;

use super::{Moteur, Panne, Rate, Repond, Sort};
use crate::milieu::{Courrier, Milieu, Tic};

/// An answer to a request that another one replaced is a failure, as the catalogue of messages says:
/// the operator reads it and puts it aside.
const ECARTEES: [&str; 1] = ["demande-depassee"];

impl<S: Service> Moteur<S> {
    /// Attempts an ask.
    pub(crate) fn demander(&mut self, id: Uuid, monde: &mut impl Repond<S>, m: &mut Milieu) {
        let qui = self.qui;
        let Some(d) = self.demandes.get_mut(&id).filter(|_| self.debout) else { return };
        if d.answer.is_some() || d.due > m.now {
            return;
        }
        let kind = d.ask.kind();
        let lost = Fault::transient("injectee", "no answer");
        let result = if m.malheur(40, "pannes passagères avant") {
            Err(lost)
        } else if m.malheur(3, "pannes définitives") {
            Err(Fault::permanent("injectee", "refused"))
        } else {
            let result = monde.repondre(&d.ask, id, m);
            if m.malheur(30, "pannes passagères après") {
                result.and(Err(lost))
            } else if m.malheur(6, "arrêts pendant un appel") {
                self.tomber(m);
                return;
            } else {
                result
            }
        };
        let Some(d) = self.demandes.get_mut(&id) else { return };
        d.attempts += 1;
        match result {
            Ok(answer) => {
                m.note(|| format!("{qui:?} {} : répondu", d.ask.kind()));
                d.answer = Some(answer);
                let delay = m.latence();
                m.dans(delay, Tic::Reponse(qui, id));
            }
            Err(Fault::Transient { retry_after, .. })
                if m.now - d.since < TimeDelta::from_std(d.ask.max_age()).unwrap_or_default() =>
            {
                let delay = Backoff::default().delay(d.attempts, &id.to_string(), retry_after);
                d.due = m.now + TimeDelta::from_std(delay).unwrap_or_default();
                m.plan(d.due, Tic::Demande(qui, id));
            }
            Err(fault) => {
                m.note(|| format!("{qui:?} {kind} : panne {}", fault.code()));
                let code = fault.code().to_owned();
                let d = self.demandes.remove(&id).expect("just seen");
                let panne = derive_id(&["panne-demande", &id.to_string()]);
                self.pannes.insert(panne, Panne { code, quoi: Rate::Demande(id, Box::new(d)) });
            }
        }
    }

    /// Decides the answer of an ask.
    pub(crate) fn reponse(&mut self, id: Uuid, m: &mut Milieu) {
        let Some(d) = self.demandes.get(&id).filter(|_| self.debout) else { return };
        let Some(answer) = d.answer.clone() else { return };
        let (key, ask) = (d.key.clone(), d.ask.clone());
        let cause = format!("answer {id}");
        let ecritures = self.decider(&key, &cause, Input::Answer { ask, answer, id }, m);
        let sort = self.sort(m);
        if sort != Sort::MortAvant {
            self.demandes.remove(&id);
            self.commettre(&key, ecritures, m);
        }
        if sort == Sort::MortApres {
            self.tomber(m);
        }
    }

    /// Publishes an outbox row; the row goes once it is confirmed, unless the service dies first.
    pub(crate) fn relayer(&mut self, id: Uuid, m: &mut Milieu) -> Option<Rc<Courrier>> {
        let courrier = self.boite.get(&id).filter(|_| self.debout).map(Rc::clone)?;
        if m.malheur(3, "arrêts après publication") {
            self.tomber(m);
        } else {
            self.boite.remove(&id);
        }
        Some(courrier)
    }

    /// Replays every failure, but those that a replay cannot help.
    pub(crate) fn rejouer(&mut self, m: &mut Milieu) {
        if !self.debout {
            return;
        }
        let ids: Vec<_> = self.pannes.keys().copied().collect();
        for id in ids {
            let Some(panne) = self.pannes.remove(&id) else { continue };
            if ECARTEES.contains(&panne.code.as_str()) {
                m.compter("pannes écartées");
                continue;
            }
            m.compter("pannes rejouées");
            match panne.quoi {
                Rate::Demande(ask, mut d) => {
                    (d.due, d.since) = (m.now, m.now);
                    self.demandes.insert(ask, *d);
                    m.plan(m.now, Tic::Demande(self.qui, ask));
                }
                Rate::Entrant { key, cause, input } => {
                    let ecritures = self.decider(&key, &cause, *input, m);
                    self.commettre(&key, ecritures, m);
                }
            }
        }
    }
}
