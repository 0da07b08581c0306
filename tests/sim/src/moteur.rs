//! One service, run by hand: the frame's own fold, items and rows ([`service::banc`]) on a store in
//! memory that passes the stores' conformance suite. What is written here is only what the frame's
//! loops do around them: when they look, and what a crash takes away.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use bus::topic_matches;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Flux, Referentiel};
use kernel::{Fault, derive_id};
use service::{
    OperatorAction, Service,
    banc::{self, Lot},
};
use store::{AskRow, InputRow, memory::Tables};
use uuid::Uuid;

use crate::{
    livre::{self, Reste},
    milieu::{Boucle, Courrier, Milieu, Qui, Tic},
    sabotage::Sabotage,
};

mod appels;
mod lots;

/// How long a claim lasts, in minutes, as in the frame.
const BAIL_MIN: i64 = 5;

/// Wake-ups that look at a source, an account or an agenda: more than half of what happens in a
/// history. None is decided any more once whatever they can still bring has been seen for a month.
const VEILLES: [&str; 4] = ["releve", "quotidien", "verification", "nuit"];

/// The agencies of a service, as its client would see them.
pub(crate) trait Repond<S: Service> {
    /// Answers an ask; its effect outside happens at most once, however often it is asked.
    fn repondre(&mut self, ask: &S::Ask, id: Uuid, m: &mut Milieu) -> Result<S::Answer, Fault>;
}

/// A service.
pub(crate) struct Moteur<S: Service> {
    qui: Qui,
    config: S::Config,
    registre: Rc<Referentiel>,
    bindings: Vec<(Flux, String)>,
    sabotage: Option<Sabotage>,
    pub(crate) debout: bool,
    /// Which life of the process: what an earlier one had in its hands is void.
    vie: u32,
    depuis: DateTime<Utc>,
    tables: Tables,
    /// What waits in its queue.
    file: VecDeque<Rc<Courrier>>,
    /// What stalled replicas claimed.
    tardifs: BTreeMap<u64, Lot<S>>,
    rang: u64,
    prevu: BTreeMap<Boucle, DateTime<Utc>>,
    /// Answered asks that a defect of the engine makes again.
    refaites: Vec<AskRow>,
    /// A stalled replica is committing.
    en_retard: bool,
}

impl<S: Service> Moteur<S> {
    pub(crate) fn new(
        qui: Qui,
        config: S::Config,
        registre: &Rc<Referentiel>,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let own = banc::queues::<S>().into_iter().find(|queue| queue.name == S::NAME);
        Self {
            qui,
            config,
            registre: Rc::clone(registre),
            bindings: own.map(|queue| queue.bindings).unwrap_or_default(),
            sabotage,
            debout: false,
            vie: 0,
            depuis: DateTime::UNIX_EPOCH,
            tables: Tables::default(),
            file: VecDeque::new(),
            tardifs: BTreeMap::new(),
            rang: 0,
            prevu: BTreeMap::new(),
            refaites: Vec::new(),
            en_retard: false,
        }
    }

    fn sabote(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Whether its queue is bound to this message.
    pub(crate) fn ecoute(&self, flux: Flux, key: &str) -> bool {
        self.bindings.iter().any(|(f, pattern)| *f == flux && topic_matches(pattern, key))
    }

    /// Starts, or starts again, from what the store has.
    pub(crate) fn demarrer(&mut self, m: &mut Milieu) {
        self.debout = true;
        self.depuis = m.now;
        self.ajouter(banc::boot::<S>(&self.config, m.now), m);
        if !self.file.is_empty() {
            self.prevoir(Boucle::Consommer, m.now, m);
        }
    }

    /// The process dies: what it had in its hands is gone, its queue and its store stay.
    fn tomber(&mut self, m: &mut Milieu) {
        self.debout = false;
        self.vie += 1;
        self.tardifs.clear();
        self.prevu.clear();
        m.compter("arrets");
        let qui = self.qui;
        let nom = (qui, self.vie);
        let long = m.malheur(30, "arrêts de plusieurs jours", &nom);
        let down = if long { m.heures(24, 8 * 24, &nom) } else { m.heures(0, 14, &nom) };
        m.note(|| format!("{qui:?} tombe"));
        m.dans(down, Tic::Retour(qui));
    }

    fn prevoir(&mut self, boucle: Boucle, at: DateTime<Utc>, m: &mut Milieu) {
        if self.prevu.get(&boucle).is_some_and(|planned| *planned <= at) {
            return;
        }
        let at = at.max(m.now) + m.latence(&(self.qui, boucle));
        if self.prevu.get(&boucle).is_none_or(|planned| *planned > at) {
            self.prevu.insert(boucle, at);
            m.plan(at, Tic::Boucle(self.qui, boucle));
        }
    }

    /// Whether a loop that was planned for this instant is still to run.
    fn est_l_heure(&mut self, boucle: Boucle, m: &Milieu) -> bool {
        let due = self.debout && self.prevu.get(&boucle) == Some(&m.now);
        if due {
            self.prevu.remove(&boucle);
        }
        due
    }

    /// The loops look at what the store says is due next.
    fn regarder(&mut self, m: &mut Milieu) {
        if !self.debout {
            return;
        }
        let next = self.tables.next_due(&[]);
        for (boucle, due) in [
            (Boucle::Entrees, next.inputs),
            (Boucle::Entrees, next.answers),
            (Boucle::Demandes, next.asks),
            (Boucle::Relais, next.outbox),
        ] {
            if let Some(due) = due {
                self.prevoir(boucle, due, m);
            }
        }
    }

    fn ajouter(&mut self, rows: Vec<InputRow>, m: &mut Milieu) {
        m.livre.entrees(self.qui, livre::entrees(&rows));
        self.tables.add_inputs(rows);
        self.regarder(m);
    }

    /// The broker has a message.
    pub(crate) fn livrer(&mut self, courrier: Rc<Courrier>, m: &mut Milieu) {
        m.livre.recu(self.qui, &courrier);
        self.file.push_back(courrier);
        if self.debout {
            self.prevoir(Boucle::Consommer, m.now, m);
        }
    }

    /// Stores what comes from outside; refused while the service is down.
    pub(crate) fn observer(
        &mut self,
        id: Uuid,
        key: String,
        event: &S::Event,
        m: &mut Milieu,
    ) -> bool {
        if self.debout {
            let row = banc::event::<S>(id, key, event, m.now);
            self.ajouter(vec![row], m);
        }
        self.debout
    }

    /// An operator's action.
    pub(crate) fn agir(&mut self, action: &OperatorAction, m: &mut Milieu) -> bool {
        let (key, event) = S::operator(action).expect("the operator knows the actions");
        let id = derive_id(&["operateur", &m.now.to_rfc3339(), &format!("{action:?}")]);
        self.observer(id, key, &event, m)
    }

    /// Open failures: their codes.
    pub(crate) fn pannes(&self) -> Vec<String> {
        self.tables.failures(true, usize::MAX).into_iter().map(|f| f.code).collect()
    }

    /// What is late at `now`: inputs that are due, asks, publications.
    pub(crate) fn en_cours(&self, now: DateTime<Utc>) -> usize {
        let (_, _, outbox) = self.tables.waiting();
        self.tables.inputs_due(now) + self.tables.asks().count() + outbox + self.file.len()
    }

    /// What the store keeps.
    pub(crate) fn reste(&self) -> Reste {
        let (inputs, asks, outbox) = self.tables.waiting();
        Reste { inputs, asks, outbox }
    }

    pub(crate) fn etat(&self, key: &str) -> Option<S::State> {
        let row = self.tables.state(key)?;
        Some(banc::state::<S>(&row.body).expect("what was written reads"))
    }

    /// The end of a lease taken now.
    fn bail(m: &Milieu) -> DateTime<Utc> {
        m.now + TimeDelta::minutes(BAIL_MIN)
    }
}
