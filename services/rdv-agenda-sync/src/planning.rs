//! From what a doctor opens on RDV Service Public to days of consultation: recurrences, absences,
//! half-days. Pure; knows neither engagements nor messages.
//!
//! A day is judged by what was in force *on that day*: a series that is edited or removed later
//! does not rewrite the days already held, and what is seen too late still counts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::{DemiJournee, Plage};
use kernel::{paris_at, paris_date, paris_time};
use rrule::{RRule, RRuleSet, Tz, Unvalidated};
use serde::{Deserialize, Serialize};

/// Why a recurrence cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegleError {
    /// Not a rule, or none that RFC 5545 allows.
    #[error("the recurrence is not one of RFC 5545")]
    Illisible,
    /// `UNTIL` is not a date.
    #[error("UNTIL is not a date")]
    Jusque,
}

/// A recurrence, in the dialect of RDV Service Public: trailing `;`, `UNTIL` local without `Z`.
///
/// Source: `app/services/ical_formatters/rrule.rb`; `UNTIL` is midnight of a day whose occurrences
/// still take place (`recurrence_concern.rb`: `until(min_until.end_of_day)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regle {
    /// The parts of the rule without `UNTIL`, separated by `;`.
    regle: String,
    /// The last day on which it may occur.
    jusque: Option<NaiveDate>,
}

impl Regle {
    /// Reads a rule that begins on `premier_jour`.
    ///
    /// # Errors
    /// [`RegleError`] when it is not one.
    pub fn parse(text: &str, premier_jour: NaiveDate) -> Result<Self, RegleError> {
        let (mut parts, mut jusque) = (Vec::new(), None);
        let text = text.trim().trim_start_matches("RRULE:");
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            match part.strip_prefix("UNTIL=") {
                Some(until) => {
                    let digits = until.get(..8).ok_or(RegleError::Jusque)?;
                    let day = NaiveDate::parse_from_str(digits, "%Y%m%d");
                    jusque = Some(day.map_err(|_| RegleError::Jusque)?);
                }
                None => parts.push(part),
            }
        }
        // RFC 5545's are ASCII; rrule 0.14 panics on a weekday that is not.
        if !text.is_ascii() {
            return Err(RegleError::Illisible);
        }
        // Theirs are weekly or monthly; finer ones would only be long to compute.
        let fin = ["FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=HOURLY"];
        if parts.iter().any(|p| fin.iter().any(|f| p.eq_ignore_ascii_case(f))) {
            return Err(RegleError::Illisible);
        }
        let regle = Self { regle: parts.join(";"), jusque };
        // Once checked, the rule only fails to build when it ends before it begins.
        Self { jusque: None, ..regle.clone() }.set(premier_jour).ok_or(RegleError::Illisible)?;
        Ok(regle)
    }

    /// The occurrences as days: computed on local days alone, so that neither the summer nor the
    /// winter change moves one.
    fn set(&self, premier_jour: NaiveDate) -> Option<RRuleSet> {
        let debut = local(premier_jour);
        let mut regle: RRule<Unvalidated> = self.regle.parse().ok()?;
        if let Some(jusque) = self.jusque {
            regle = regle.until(local(jusque));
        }
        regle.build(debut).ok()
    }

    fn jours(&self, premier_jour: NaiveDate, du: NaiveDate, au: NaiveDate) -> BTreeSet<NaiveDate> {
        let Some(set) = self.set(premier_jour) else { return BTreeSet::new() };
        let found = set.after(local(du)).before(local(au)).all(MAX_OCCURRENCES);
        found.dates.into_iter().map(|d| d.date_naive()).collect()
    }
}

/// More occurrences than any window of days has.
const MAX_OCCURRENCES: u16 = 1000;

/// A local day as rrule wants it: an instant of a zone without changes.
fn local(day: NaiveDate) -> DateTime<Tz> {
    day.and_time(NaiveTime::MIN).and_utc().with_timezone(&Tz::UTC)
}

/// Slots that a doctor opened (`plage_ouverture`), without title or place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlageOuverte {
    /// First day.
    pub premier_jour: NaiveDate,
    /// Start, in Paris, of each occurrence.
    pub debut: NaiveTime,
    /// End, in Paris, on the same day.
    pub fin: NaiveTime,
    /// Its recurrence; once when absent.
    pub regle: Option<Regle>,
}

impl PlageOuverte {
    fn jours(&self, du: NaiveDate, au: NaiveDate) -> BTreeSet<NaiveDate> {
        jours(self.premier_jour, self.regle.as_ref(), du, au)
    }

    /// Whether it may have occurrences later than `jour`.
    fn depasse(&self, jour: NaiveDate) -> bool {
        depasse(self.premier_jour, self.regle.as_ref(), jour)
    }
}

/// A time during which a doctor is away, everywhere; without title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// First day.
    pub premier_jour: NaiveDate,
    /// Last day of one occurrence; the first day when it recurs.
    pub dernier_jour: NaiveDate,
    /// Start on the first day, in Paris.
    pub debut: NaiveTime,
    /// End on the last day, in Paris.
    pub fin: NaiveTime,
    /// Its recurrence; once when absent.
    pub regle: Option<Regle>,
}

impl Absence {
    fn intervalles(&self, du: NaiveDate, au: NaiveDate) -> Vec<Plage> {
        let lasts = self.dernier_jour - self.premier_jour;
        let days = jours(self.premier_jour, self.regle.as_ref(), du - lasts, au);
        days.into_iter().filter_map(|d| plage(d, self.debut, d + lasts, self.fin)).collect()
    }

    fn depasse(&self, jour: NaiveDate) -> bool {
        depasse(self.dernier_jour, self.regle.as_ref(), jour)
    }
}

fn depasse(dernier_jour: NaiveDate, regle: Option<&Regle>, jour: NaiveDate) -> bool {
    regle.map_or(dernier_jour > jour, |r| r.jusque.is_none_or(|j| j > jour))
}

fn jours(
    premier_jour: NaiveDate,
    regle: Option<&Regle>,
    du: NaiveDate,
    au: NaiveDate,
) -> BTreeSet<NaiveDate> {
    match regle {
        Some(regle) => regle.jours(premier_jour, du, au),
        None => {
            BTreeSet::from([premier_jour]).into_iter().filter(|d| (du..=au).contains(d)).collect()
        }
    }
}

fn plage(d1: NaiveDate, debut: NaiveTime, d2: NaiveDate, fin: NaiveTime) -> Option<Plage> {
    let (debut, fin) = (paris_at(d1, debut), paris_at(d2, fin));
    (debut < fin).then_some(Plage { debut, fin })
}

/// What is known of one object of RDV Service Public over time: at most one version a day, the
/// latest. `None` as content is « removed ».
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Historique<T> {
    versions: BTreeMap<NaiveDate, (DateTime<Utc>, Option<T>)>,
}

impl<T> Default for Historique<T> {
    fn default() -> Self {
        Self { versions: BTreeMap::new() }
    }
}

impl<T: PartialEq> Historique<T> {
    /// Notes what was seen at an instant. Within a day the latest wins; at the same instant what
    /// comes last does, except that a removal stays. Returns whether anything changed.
    pub fn noter(&mut self, horodatage: DateTime<Utc>, contenu: Option<T>) -> bool {
        let version = (horodatage, contenu);
        match self.versions.get(&paris_date(horodatage)) {
            Some((connu, _)) if *connu > horodatage => return false,
            Some((connu, None)) if *connu == horodatage => return false,
            Some(connue) if *connue == version => return false,
            Some(_) | None => {}
        }
        self.versions.insert(paris_date(horodatage), version);
        true
    }

    /// What held on a day: the last version of that day or before; failing that, the first after.
    pub fn en_vigueur(&self, jour: NaiveDate) -> Option<&T> {
        let avant = self.versions.range(..=jour).next_back();
        let (_, (_, contenu)) = avant.or_else(|| self.versions.iter().next())?;
        contenu.as_ref()
    }

    /// Forgets the versions that no day from `jour` on can see; returns whether one is left.
    fn elaguer(&mut self, jour: NaiveDate) -> bool {
        if let Some(garde) = self.versions.range(..=jour).next_back().map(|(day, _)| *day) {
            self.versions = self.versions.split_off(&garde);
        }
        !self.versions.is_empty()
    }

    /// Forgets the versions before `jour` that say what the one before them says: every replay adds
    /// one. The later ones stay, for what is in flight may come between them.
    fn condenser(&mut self, jour: NaiveDate) {
        let mut avant: Option<NaiveDate> = None;
        let days: Vec<_> = self.versions.range(..jour).map(|(day, _)| *day).collect();
        for day in days {
            let same = avant.is_some_and(|a| self.versions[&a].1 == self.versions[&day].1);
            if same {
                self.versions.remove(&day);
            } else {
                avant = Some(day);
            }
        }
    }

    /// Whether a version can still matter on `jour` or later.
    fn sert(&self, jour: NaiveDate, depasse: impl Fn(&T) -> bool) -> bool {
        self.versions.iter().any(|(day, (_, c))| c.as_ref().map_or(*day >= jour, &depasse))
    }

    fn contenus(&self) -> impl Iterator<Item = &T> {
        self.versions.values().filter_map(|(_, contenu)| contenu.as_ref())
    }

    /// The last version's content, removed or not.
    pub fn dernier(&self) -> Option<&T> {
        self.versions.values().next_back().and_then(|(_, contenu)| contenu.as_ref())
    }
}

/// Everything a doctor opened at one site, and every absence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ouvertures {
    /// Slots, by their id on RDV Service Public.
    pub plages: BTreeMap<i64, Historique<PlageOuverte>>,
    /// Absences, by their id.
    pub absences: BTreeMap<i64, Historique<Absence>>,
}

impl Ouvertures {
    /// The slots of each day from `du` to `au`, sorted, disjoint, without the absences. A day
    /// without any is not there.
    pub fn creneaux(&self, du: NaiveDate, au: NaiveDate) -> BTreeMap<NaiveDate, Vec<Plage>> {
        let mut days: BTreeMap<NaiveDate, Vec<Plage>> = BTreeMap::new();
        for histoire in self.plages.values() {
            for version in histoire.contenus() {
                for jour in version.jours(du, au) {
                    // The version is compared by its place: two may have the same content.
                    if histoire.en_vigueur(jour).is_some_and(|v| std::ptr::eq(v, version)) {
                        days.entry(jour).or_default().extend(plage(
                            jour,
                            version.debut,
                            jour,
                            version.fin,
                        ));
                    }
                }
            }
        }
        for (jour, slots) in &mut days {
            *slots = sans(reunis(std::mem::take(slots)), &self.absences_du(*jour));
        }
        days.retain(|_, slots| !slots.is_empty());
        days
    }

    fn absences_du(&self, jour: NaiveDate) -> Vec<Plage> {
        let valid = self.absences.values().filter_map(|h| h.en_vigueur(jour));
        valid.flat_map(|a| a.intervalles(jour, jour)).collect()
    }

    /// Whether slots may be opened later than `jour`.
    pub fn depassent(&self, jour: NaiveDate) -> bool {
        self.plages.values().filter_map(Historique::dernier).any(|p| p.depasse(jour))
    }

    /// Forgets what no day from `jour` on can see. A removal is kept that long too: what was in
    /// flight may still come after it. Nothing said before `rien_en_vol` is in flight any more.
    pub fn elaguer(&mut self, jour: NaiveDate, rien_en_vol: NaiveDate) {
        self.plages.values_mut().for_each(|h| h.condenser(rien_en_vol));
        self.absences.values_mut().for_each(|h| h.condenser(rien_en_vol));
        let veille = jour.pred_opt().unwrap_or(jour);
        self.plages.retain(|_, h| h.elaguer(jour) && h.sert(jour, |p| p.depasse(veille)));
        self.absences.retain(|_, h| h.elaguer(jour) && h.sert(jour, |a| a.depasse(veille)));
    }
}

/// Sorts slots and joins those that touch or overlap.
fn reunis(mut slots: Vec<Plage>) -> Vec<Plage> {
    slots.sort_unstable();
    let mut joined: Vec<Plage> = Vec::with_capacity(slots.len());
    for slot in slots {
        match joined.last_mut() {
            Some(last) if slot.debut <= last.fin => last.fin = last.fin.max(slot.fin),
            Some(_) | None => joined.push(slot),
        }
    }
    joined
}

/// Takes `moins` away from `slots`.
fn sans(slots: Vec<Plage>, moins: &[Plage]) -> Vec<Plage> {
    let take = |slots: Vec<Plage>, absence: &Plage| {
        let rest = |slot: Plage| {
            let before = Plage { fin: slot.fin.min(absence.debut), ..slot };
            let after = Plage { debut: slot.debut.max(absence.fin), ..slot };
            [before, after].into_iter().filter(|p| p.debut < p.fin)
        };
        slots.into_iter().flat_map(rest).collect()
    };
    moins.iter().fold(slots, take)
}

/// The half-days that slots touch: the morning when one starts before `bascule` (Paris), the
/// afternoon when one ends after it.
pub fn demi_journees(creneaux: &[Plage], bascule: NaiveTime) -> Vec<DemiJournee> {
    let morning = creneaux.iter().any(|p| paris_time(p.debut).time() < bascule);
    let afternoon = creneaux.iter().any(|p| {
        // A slot that ends at midnight ends on the next day.
        paris_time(p.fin - TimeDelta::nanoseconds(1)).time() >= bascule
    });
    let mut found = Vec::new();
    found.extend(morning.then_some(DemiJournee::Matin));
    found.extend(afternoon.then_some(DemiJournee::ApresMidi));
    found
}

#[cfg(test)]
mod tests;
