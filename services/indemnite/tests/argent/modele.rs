//! What is owed, said naively: everything is looked at again at every instant that could matter.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    DemiJournee, EngagementId, Rpps,
    messages::{
        Activite, ActiviteAutorisee, ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue,
        ActiviteTerminee, Situation, Vacation, VacationAnnulee, VacationPlanifiee,
        VacationRealisee,
    },
};
use indemnite::Incoming;

use crate::histoire::{Livraison, instant, plus};

type Jour = (EngagementId, NaiveDate);
pub(crate) type DemiJour = (Rpps, NaiveDate, DemiJournee);

/// From which day on a half-day is worth more, and how much.
pub(crate) fn revalorisation(debut: NaiveDate) -> (NaiveDate, i64) {
    (plus(debut, 13), 12_500)
}

pub(crate) struct Modele {
    /// Cents owed for each half-day of each doctor: a map, so that nothing is owed twice.
    pub(crate) du: BTreeMap<DemiJour, i64>,
    pub(crate) presences: BTreeMap<Jour, bool>,
    pub(crate) corrections: BTreeSet<(String, i64, &'static str)>,
    /// What the doctor, or a person instead, confirmed.
    pub(crate) confirmees: BTreeSet<DemiJour>,
    activites: BTreeMap<EngagementId, Vec<Activite>>,
    vacations: BTreeMap<Jour, (bool, Vacation)>,
    latest: BTreeMap<String, u64>,
    connues: BTreeMap<Jour, NaiveDate>,
    reglees: BTreeSet<Jour>,
    debut: NaiveDate,
}

impl Modele {
    pub(crate) fn new(debut: NaiveDate) -> Self {
        Self {
            du: BTreeMap::new(),
            presences: BTreeMap::new(),
            corrections: BTreeSet::new(),
            confirmees: BTreeSet::new(),
            activites: BTreeMap::new(),
            vacations: BTreeMap::new(),
            latest: BTreeMap::new(),
            connues: BTreeMap::new(),
            reglees: BTreeSet::new(),
            debut,
        }
    }

    /// What a half-day is worth.
    pub(crate) fn bareme(&self, date: NaiveDate) -> i64 {
        let (from, more) = revalorisation(self.debut);
        if date >= from { more } else { 10_000 }
    }

    pub(crate) fn deliver(&mut self, livraison: &Livraison) {
        let latest = self.latest.entry(livraison.subject.clone()).or_default();
        if livraison.sequence <= *latest {
            return;
        }
        *latest = livraison.sequence;
        match livraison.message.clone() {
            Incoming::ActiviteAutorisee(ActiviteAutorisee(a))
            | Incoming::ActiviteModifiee(ActiviteModifiee(a))
            | Incoming::ActiviteSuspendue(ActiviteSuspendue(a))
            | Incoming::ActiviteRetablie(ActiviteRetablie(a))
            | Incoming::ActiviteTerminee(ActiviteTerminee(a)) => {
                self.activites.entry(a.engagement.clone()).or_default().push(a);
            }
            Incoming::VacationPlanifiee(VacationPlanifiee(v))
            | Incoming::VacationAnnulee(VacationAnnulee(v)) => {
                self.vacations.insert((v.engagement.clone(), v.date), (false, v));
            }
            Incoming::VacationRealisee(VacationRealisee(v)) => {
                self.vacations.insert((v.engagement.clone(), v.date), (true, v));
            }
            Incoming::FacturationOuverte(_)
            | Incoming::PaiementEffectue(_)
            | Incoming::PaiementRejete(_) => {}
        }
    }

    /// Instants in `from..to` at which a delay ends.
    pub(crate) fn delays(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
        let ends = self.connues.keys().map(|jour| self.delay(jour));
        ends.filter(|at| *at >= from && *at < to).collect()
    }

    /// Ten days after the vacation, or nine after it was known when that is later; 08:00 in Paris.
    fn delay(&self, jour: &Jour) -> DateTime<Utc> {
        let known = self.connues.get(jour).map_or(jour.1, |known| plus(*known, 9));
        instant(known.max(plus(jour.1, 10)), 8, 0)
    }

    fn holds(&self, jour: &Jour) -> Option<(&Rpps, &Vacation)> {
        let (realised, vacation) = self.vacations.get(jour)?;
        let snapshots = self.activites.get(&jour.0)?;
        // The last one tells all.
        let last = snapshots.last()?;
        let mut allowed = last.situation == Situation::Ouverte || jour.1 < last.a_compter_du;
        for i in &last.interruptions {
            allowed &= jour.1 < i.du || i.au.is_some_and(|au| au <= jour.1);
        }
        let counts = *realised && allowed && !vacation.demi_journees.is_empty();
        counts.then(|| (&snapshots[0].medecin.rpps, vacation))
    }

    /// Looks at everything at an instant.
    pub(crate) fn look(&mut self, now: DateTime<Utc>) {
        let open = self.vacations.keys().filter(|jour| !self.reglees.contains(*jour));
        let jours: Vec<_> = open.cloned().collect();
        for jour in jours {
            let Some((rpps, vacation)) = self.holds(&jour) else { continue };
            let (rpps, vacation) = (rpps.clone(), vacation.clone());
            self.connues.entry(jour.clone()).or_insert_with(|| kernel::paris_date(now));
            let payable = match self.presences.get(&jour) {
                Some(present) => *present,
                None => vacation.rdv_honores >= 1 && now >= self.delay(&jour),
            };
            if payable && self.reglees.insert(jour.clone()) {
                let bareme = self.bareme(jour.1);
                for half in vacation.demi_journees {
                    self.du.entry((rpps.clone(), jour.1, half)).or_insert(bareme);
                }
            }
        }
    }
}
