//! What everything in a simulation shares: the present instant, what is due, chance, the trace.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    hash::Hash,
    rc::Rc,
};

use bus::{Delivery, Origin, Publication};
use chrono::{DateTime, Datelike, Days, NaiveTime, TimeDelta, Utc};
use contracts::{Envelope, Flux};
use store::{AskRow, Leased};

use crate::{
    hasard::{Hasard, Permis},
    livre::Livre,
};

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    pub(crate) flux: Flux,
    pub(crate) routing_key: String,
    pub(crate) origin: Origin,
    pub(crate) envelope: Envelope,
}

impl Courrier {
    pub(crate) fn new(publication: Publication, origin: Origin) -> Rc<Self> {
        let Publication { flux, routing_key, envelope, .. } = publication;
        Rc::new(Self { flux, routing_key, origin, envelope })
    }

    /// What derived ids hang on.
    pub(crate) fn cause(&self) -> String {
        format!("{} {}", self.envelope.source, self.envelope.id)
    }

    /// As the broker hands it to a consumer.
    pub(crate) fn delivery(&self, tag: u64) -> Delivery {
        Delivery {
            tag,
            flux: self.flux,
            routing_key: self.routing_key.clone(),
            envelope: self.envelope.clone(),
            origin: self.origin.clone(),
            rejection: None,
            busy: kernel::Clock::system().busy(),
        }
    }
}

/// A loop of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Boucle {
    Consommer,
    Entrees,
    Demandes,
    Relais,
}

/// Something that is due.
pub(crate) enum Tic {
    /// The broker has a message for a service.
    Livraison(Qui, Rc<Courrier>),
    /// A loop of a service looks at its store, or at its queue.
    Boucle(Qui, Boucle),
    /// A call to an agency ends; in which life of the service it began.
    Appel(Qui, u32, Box<Leased<AskRow>>),
    /// A stalled replica goes on with what it claimed; in which life.
    Tardif(Qui, u32, u64),
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
    /// A doctor tells the CDOM that a mission ends: application, site.
    Fin(usize, usize),
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
    /// A CPAM without a queue writes the number down.
    Numero,
    /// A CPAM without a queue has the bank details.
    RibRecu,
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

/// From when to when an agency is down.
type Coupure = (DateTime<Utc>, DateTime<Utc>);

/// What everything shares.
pub(crate) struct Milieu {
    pub(crate) now: DateTime<Utc>,
    pub(crate) hasard: Hasard,
    /// Nothing goes wrong after this instant: what is under way must end.
    pub(crate) calme_a: DateTime<Utc>,
    /// Every message published at least once, by id, in order of first publication.
    pub(crate) publies: Vec<Rc<Courrier>>,
    pub(crate) comptes: BTreeMap<&'static str, u64>,
    /// What the frame did, seen from outside.
    pub(crate) livre: Livre,
    /// (agency, day) → the outage that begins that day.
    coupures: HashMap<(&'static str, i64), Option<Coupure>>,
    trace: Option<Vec<String>>,
    dus: BinaryHeap<Reverse<Du>>,
    rang: u64,
}

impl Milieu {
    pub(crate) fn new(
        seed: u64,
        permis: Permis,
        now: DateTime<Utc>,
        calme_a: DateTime<Utc>,
        trace: bool,
    ) -> Self {
        Self {
            now,
            hasard: Hasard::new(seed, permis),
            calme_a,
            publies: Vec::new(),
            comptes: BTreeMap::new(),
            livre: Livre::default(),
            coupures: HashMap::new(),
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

    /// Nothing new can be found by polling.
    pub(crate) fn releves_finis(&self) -> bool {
        self.now > self.calme_a + TimeDelta::days(35)
    }

    /// Something goes wrong with this, `mille` times in a thousand.
    pub(crate) fn malheur(&mut self, mille: u64, genre: &'static str, nom: &impl Hash) -> bool {
        let happens = self.now < self.calme_a && self.hasard.coup(mille, genre, nom);
        if happens {
            self.compter(genre);
            self.note(|| format!("*** {genre}"));
        }
        happens
    }

    /// Notes that something was decided on a day that is a trap.
    pub(crate) fn jour_piege(&mut self) {
        let day = kernel::paris_date(self.now);
        let hours = kernel::paris_at(day + Days::new(1), NaiveTime::MIN)
            - kernel::paris_at(day, NaiveTime::MIN);
        if hours < TimeDelta::hours(24) {
            self.compter("décisions : passage à l'heure d'été");
        } else if hours > TimeDelta::hours(24) {
            self.compter("décisions : passage à l'heure d'hiver");
        }
        match (day.month(), day.day()) {
            (2, 29) => self.compter("décisions : 29 février"),
            (12, 31) | (1, 1) => self.compter("décisions : changement d'année"),
            _ => {}
        }
        if (day + Days::new(1)).day() == 1 {
            self.compter("décisions : dernier jour du mois");
        }
    }

    pub(crate) fn compter(&mut self, what: &'static str) {
        *self.comptes.entry(what).or_default() += 1;
    }

    /// Whether an agency is down: now and then one is, for hours or days.
    pub(crate) fn en_panne(&mut self, agence: &'static str) -> bool {
        let today = self.now.timestamp().div_euclid(86_400);
        (today - 3..=today).any(|day| {
            let known = self.coupures.get(&(agence, day)).copied();
            let outage = known.unwrap_or_else(|| {
                let outage = self.malheur(15, "agences en panne", &(agence, day)).then(|| {
                    let begins = self.heures(0, 24, &(agence, day));
                    let lasts = self.heures(1, 72, &(agence, day));
                    let midnight = DateTime::from_timestamp(day * 86_400, 0).unwrap_or(self.now);
                    (midnight + begins, midnight + begins + lasts)
                });
                self.coupures.insert((agence, day), outage);
                outage
            });
            outage.is_some_and(|(from, to)| (from..to).contains(&self.now))
        })
    }

    /// A delay inside a service: seconds, now and then minutes, rarely hours.
    pub(crate) fn latence(&mut self, nom: &impl Hash) -> TimeDelta {
        let bound = if self.malheur(10, "lenteurs", nom) {
            7_200_000
        } else if self.malheur(90, "ralentissements", nom) {
            600_000
        } else {
            3_000
        };
        self.millis(nom, bound)
    }

    /// A delay on the wire: deliveries overtake each other, some by days.
    pub(crate) fn trajet(&mut self, nom: &impl Hash) -> TimeDelta {
        let bound = if self.malheur(100, "retards de jours", nom) {
            80 * 3_600_000
        } else if self.malheur(130, "retards d'heures", nom) {
            12 * 3_600_000
        } else if self.malheur(180, "dépassements", nom) {
            3_600_000
        } else {
            5_000
        };
        self.millis(nom, bound)
    }

    fn millis(&mut self, nom: &impl Hash, bound: u64) -> TimeDelta {
        let millis = self.hasard.below("délai", nom, bound);
        TimeDelta::milliseconds(i64::try_from(millis).unwrap_or(0) + 1)
    }

    /// A delay of people: from `low` to `high` hours.
    pub(crate) fn heures(&mut self, low: u64, high: u64, nom: &impl Hash) -> TimeDelta {
        let minutes = low * 60 + self.hasard.below("heures", nom, (high - low) * 60 + 1);
        TimeDelta::minutes(i64::try_from(minutes).unwrap_or(0)) + self.millis(nom, 60_000)
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
