//! What a decision writes, and the commit: all of it at once.

use std::{collections::BTreeMap, rc::Rc};

use bus::Origin;
use chrono::{DateTime, Utc};
use contracts::Flux;
use kernel::derive_id;
use service::{AskKind, Effect, Input, Outgoing, Service};
use uuid::Uuid;

use super::{Case, Demande, Ecritures, Entree, Moteur};
use crate::milieu::{Courrier, Milieu, Tic};

impl<S: Service> Moteur<S> {
    /// The effects of a decision, as rows.
    pub(super) fn ecrire(
        &self,
        key: &str,
        cause: &str,
        etat: S::State,
        effects: Vec<Effect<S>>,
        seen: Option<(String, u64)>,
        now: DateTime<Utc>,
    ) -> Ecritures<S> {
        let (mut version, mut vus) = match self.etats.get(key) {
            Some(case) => (case.version, case.vus.clone()),
            None => (0, BTreeMap::new()),
        };
        version += 1;
        vus.extend(seen);
        let mut ecritures = Ecritures::<S>::none();
        for (index, effect) in effects.into_iter().enumerate() {
            let id = |name: &str| derive_id(&[S::NAME, key, cause, name, &index.to_string()]);
            match effect {
                Effect::Publish(out) => {
                    let id = id("publish");
                    ecritures.boite.push((id, courrier::<S>(id, out, version, now)));
                    // Every message has its own version.
                    version += 1;
                }
                Effect::Ask(ask) => {
                    let (id, key) = (id(ask.kind()), key.to_owned());
                    let demande =
                        Demande { key, ask, due: now, since: now, attempts: 0, answer: None };
                    ecritures.demandes.push((id, demande));
                }
                Effect::CancelAsks(kind) => {
                    ecritures.demandes.retain(|(_, d)| d.ask.kind() != kind);
                    ecritures.annulees.push(kind);
                }
                Effect::Tell { key: to, event } => {
                    ecritures.entrees.push((id(&to), Entree { key: to, event }));
                }
                Effect::WakeAt { at, reason } => ecritures.reveils.push((reason, Some(at))),
                Effect::CancelWake(reason) => ecritures.reveils.push((reason, None)),
            }
        }
        ecritures.etat = Some((key.to_owned(), Case { version, vus, etat }));
        ecritures
    }

    /// Commits, and lets what follows be done.
    pub(super) fn commettre(&mut self, key: &str, ecritures: Ecritures<S>, m: &mut Milieu) {
        let qui = self.qui;
        if let Some((key, case)) = ecritures.etat {
            self.etats.insert(key, case);
        }
        if let Some((id, panne)) = ecritures.panne {
            m.compter("entrées refusées");
            self.pannes.insert(id, panne);
        }
        for kind in ecritures.annulees {
            let fresh = |d: &Demande<S>| d.key != key || d.ask.kind() != kind || d.answer.is_some();
            self.demandes.retain(|_, d| fresh(d));
        }
        for (id, entree) in ecritures.entrees {
            self.entrees.insert(id, entree);
            let delay = m.latence();
            m.dans(delay, Tic::Entree(qui, id));
        }
        for (reason, at) in ecritures.reveils {
            let name = (key.to_owned(), reason);
            match at {
                None => {
                    self.reveils.remove(&name);
                }
                Some(at) => {
                    let (key, reason) = name.clone();
                    self.reveils.insert(name, at);
                    let delay = m.latence();
                    m.plan(at.max(m.now) + delay, Tic::Reveil(qui, key, reason, at));
                }
            }
        }
        for (id, demande) in ecritures.demandes {
            self.demandes.insert(id, demande);
            let delay = m.latence();
            m.dans(delay, Tic::Demande(qui, id));
        }
        for (id, courrier) in ecritures.boite {
            self.boite.insert(id, Rc::new(courrier));
            let delay = m.latence();
            m.dans(delay, Tic::Relais(qui, id));
        }
    }
}

fn courrier<S: Service>(id: Uuid, out: Outgoing, version: u64, now: DateTime<Utc>) -> Courrier {
    Courrier {
        id: id.to_string(),
        source: format!("/relais/{}", S::NAME),
        flux: out.flux,
        message_type: out.message_type.to_owned(),
        routing_key: out.routing_key,
        subject: out.subject,
        sequence: (out.flux == Flux::Evenements).then_some(version),
        time: now,
        origin: Origin::Relais,
        body: out.body,
    }
}

/// An input in a few words, for the history.
pub(super) fn court<S: Service>(input: &Input<S>) -> String {
    let text = match input {
        Input::Message { meta, .. } => {
            return format!("{} #{:?}", meta.subject.as_deref().unwrap_or(""), meta.sequence);
        }
        Input::Answer { ask, answer, .. } => format!("réponse à {} {answer:?}", ask.kind()),
        Input::Wake { reason } => format!("réveil de {reason}"),
        Input::Event(event) => format!("{event:?}"),
    };
    text.chars().take(220).collect()
}
