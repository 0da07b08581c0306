//! What everything in a simulation shares: the present instant, what is due, chance, the trace.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    rc::Rc,
};

use bus::Origin;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::Flux;
use uuid::Uuid;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Qui {
    Ds,
    Ordinal,
    Rpps,
    Cpam,
    Rdv,
    Indemnite,
}

impl Qui {
    pub(crate) const TOUS: [Self; 6] =
        [Self::Ds, Self::Ordinal, Self::Rpps, Self::Cpam, Self::Rdv, Self::Indemnite];
}

/// A message on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Courrier {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) flux: Flux,
    pub(crate) message_type: String,
    pub(crate) routing_key: String,
    pub(crate) subject: String,
    pub(crate) sequence: Option<u64>,
    pub(crate) time: DateTime<Utc>,
    pub(crate) origin: Origin,
    pub(crate) body: String,
}

/// Something that is due.
#[derive(Clone, Debug)]
pub(crate) enum Tic {
    /// The broker delivers to a service.
    Livraison(Qui, Rc<Courrier>),
    /// A Tell or an outside event is read from the store.
    Entree(Qui, Uuid),
    /// A wake-up: key, reason, the instant it was armed for.
    Reveil(Qui, String, String, DateTime<Utc>),
    /// An ask is attempted.
    Demande(Qui, Uuid),
    /// An answered ask is decided.
    Reponse(Qui, Uuid),
    /// An outbox row is published.
    Relais(Qui, Uuid),
    /// A service starts again after a crash.
    Retour(Qui),
    /// Something happens outside.
    Monde(Dehors),
}

/// What happens outside.
#[derive(Clone, Debug)]
pub(crate) enum Dehors {
    /// A doctor files an application.
    Depot(usize),
    /// A doctor answers a request for correction.
    Correction(u64),
    /// A doctor deletes the dossier.
    Suppression(u64),
    /// An agency publishes an answer.
    Publie(Rc<Courrier>),
    /// An agency reads a request of its queue.
    Recue(Rc<Courrier>),
    /// Somebody answers a link: service, link, how often it was tried in vain.
    Lien(Qui, Box<contact::Lien>, Box<Reaction>),
    /// RDV Service Public posts a webhook: site, observation.
    Webhook(usize, Box<rdv_agenda_sync::webhook::Observation>),
    /// A doctor opens slots at a site: application, site.
    Ouverture(usize, usize),
    /// A doctor cancels a day, or it takes place: rank of the day.
    Annulation(usize),
    Consultation(usize),
    /// The operator closes a task.
    Tache(Box<contracts::messages::TacheOuverte>),
    /// The operator looks at failures and at what is stuck.
    Tournee,
    /// A CDOM suspends a doctor, or lifts it.
    Mesure(usize, bool),
    /// The activity appears in the RPPS: doctor, site.
    LigneRpps(usize, usize),
    /// A doctor gets a new card.
    Carte(usize),
}

/// What somebody does with a link.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// A CDOM answers a verification of this dossier.
    Verification(u64),
    /// A doctor withdraws: application, site.
    Retrait(usize, usize),
    /// A site attests.
    Attestation,
}

struct Du {
    at: DateTime<Utc>,
    rang: u64,
    tic: Tic,
}

impl PartialEq for Du {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.rang) == (other.at, other.rang)
    }
}
impl Eq for Du {}
impl PartialOrd for Du {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Du {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.rang).cmp(&(other.at, other.rang))
    }
}

/// Chance: one generator, because a simulation has one thread and one order of events. What people
/// and agencies *intend* is drawn by [`kernel::Draw`] from the script instead.
pub(crate) struct Alea(u64);

impl Alea {
    /// xorshift64*, never zero.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.bits() >> 11) % n.max(1)
    }

    /// True `n` times in a thousand.
    pub(crate) fn mille(&mut self, n: u64) -> bool {
        self.below(1000) < n
    }
}

/// What everything shares.
pub(crate) struct Milieu {
    pub(crate) now: DateTime<Utc>,
    pub(crate) alea: Alea,
    /// Nothing goes wrong after this instant: what is under way must end.
    pub(crate) calme_a: DateTime<Utc>,
    /// Every message published at least once, by id, in order of first publication.
    pub(crate) publies: Vec<Rc<Courrier>>,
    pub(crate) comptes: BTreeMap<&'static str, u64>,
    trace: Option<Vec<String>>,
    dus: BinaryHeap<Reverse<Du>>,
    rang: u64,
}

impl Milieu {
    pub(crate) fn new(seed: u64, now: DateTime<Utc>, calme_a: DateTime<Utc>, trace: bool) -> Self {
        Self {
            now,
            alea: Alea(kernel::Draw::of(seed, &["alea"]).bits() | 1),
            calme_a,
            publies: Vec::new(),
            comptes: BTreeMap::new(),
            trace: trace.then(Vec::new),
            dus: BinaryHeap::new(),
            rang: 0,
        }
    }

    pub(crate) fn plan(&mut self, at: DateTime<Utc>, tic: Tic) {
        self.rang += 1;
        self.dus.push(Reverse(Du { at: at.max(self.now), rang: self.rang, tic }));
    }

    pub(crate) fn dans(&mut self, delay: TimeDelta, tic: Tic) {
        self.plan(self.now + delay, tic);
    }

    pub(crate) fn dehors(&mut self, delay: TimeDelta, dehors: Dehors) {
        self.dans(delay, Tic::Monde(dehors));
    }

    /// The next thing due before `fin`; time moves there.
    pub(crate) fn next(&mut self, fin: DateTime<Utc>) -> Option<Tic> {
        let Reverse(du) = self.dus.pop()?;
        if du.at > fin {
            return None;
        }
        self.now = du.at;
        Some(du.tic)
    }

    /// Something goes wrong, `n` times in a thousand.
    pub(crate) fn malheur(&mut self, n: u64, what: &'static str) -> bool {
        let happens = self.now < self.calme_a && self.alea.mille(n);
        if happens {
            *self.comptes.entry(what).or_default() += 1;
        }
        happens
    }

    pub(crate) fn compter(&mut self, what: &'static str) {
        *self.comptes.entry(what).or_default() += 1;
    }

    /// A delay inside a service: seconds, now and then minutes, rarely hours.
    pub(crate) fn latence(&mut self) -> TimeDelta {
        let bounds = match self.alea.below(100) {
            0..90 => 3_000,
            90..99 => 600_000,
            _ => 7_200_000,
        };
        self.millis(bounds)
    }

    /// A delay on the wire: deliveries overtake each other, some by days.
    pub(crate) fn trajet(&mut self) -> TimeDelta {
        let bound = match self.alea.below(100) {
            _ if self.now >= self.calme_a => 5_000,
            0..64 => 5_000,
            64..78 => 3_600_000,
            78..90 => 12 * 3_600_000,
            _ => 80 * 3_600_000,
        };
        self.millis(bound)
    }

    fn millis(&mut self, bound: i64) -> TimeDelta {
        let bound = u64::try_from(bound).unwrap_or(1);
        TimeDelta::milliseconds(i64::try_from(self.alea.below(bound)).unwrap_or(0) + 1)
    }

    /// A delay of people: from `low` to `high` hours.
    pub(crate) fn heures(&mut self, low: u64, high: u64) -> TimeDelta {
        let minutes = low * 60 + self.alea.below((high - low) * 60 + 1);
        TimeDelta::minutes(i64::try_from(minutes).unwrap_or(0)) + self.millis(60_000)
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", now.format("%F %T"), line()));
        }
    }

    pub(crate) fn trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}
