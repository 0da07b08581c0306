//! What exists on the simulated RDV Service Public. Ids are drawn from what they name, so that
//! they do not depend on the order of concurrent calls.

use std::collections::{BTreeMap, BTreeSet};

use agency::HttpClient;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use kernel::{Draw, paris_time};

use super::oauth::Jetons;

pub(super) struct Monde {
    pub(super) seed: u64,
    pub(super) jetons: Jetons,
    pub(super) organisations: BTreeMap<i64, String>,
    pub(super) webhooks: BTreeMap<i64, Webhook>,
    pub(super) lieux: BTreeMap<i64, Lieu>,
    pub(super) motifs: BTreeMap<i64, Motif>,
    pub(super) agents: BTreeMap<i64, Agent>,
    pub(super) roles: BTreeMap<i64, Role>,
    /// The role of each agent in each organisation: (agent, organisation).
    acces: BTreeMap<(i64, i64), i64>,
    pub(super) plages: BTreeMap<i64, PlageOuverte>,
    /// The slots of each agent: (agent, slot).
    plages_de: BTreeSet<(i64, i64)>,
    pub(super) absences: BTreeMap<i64, Absence>,
    pub(super) rdvs: BTreeMap<i64, Rdv>,
    pub(super) livraisons: u64,
}

#[derive(Clone)]
pub(super) struct Webhook {
    pub(super) organisation: i64,
    pub(super) target_url: String,
    pub(super) secret: String,
    pub(super) abonnements: Vec<String>,
    pub(super) http: HttpClient,
}

pub(super) struct Lieu {
    pub(super) organisation: i64,
    pub(super) nom: String,
    pub(super) adresse: String,
    pub(super) reference: Option<String>,
}

pub(super) struct Motif {
    pub(super) organisation: i64,
    pub(super) nom: String,
}

pub(super) struct Agent {
    pub(super) courriel: String,
    pub(super) accepte: bool,
}

pub(super) struct Role {
    pub(super) agent: i64,
    pub(super) organisation: i64,
    pub(super) niveau: String,
}

pub(super) struct Plage {
    pub(super) premier_jour: NaiveDate,
    pub(super) debut: NaiveTime,
    pub(super) fin: NaiveTime,
    pub(super) rrule: Option<String>,
}

pub(super) struct PlageOuverte {
    pub(super) agent: i64,
    pub(super) organisation: i64,
    pub(super) plage: Plage,
}

pub(super) struct Absence {
    pub(super) agent: i64,
    pub(super) du: (NaiveDate, NaiveTime),
    pub(super) au: (NaiveDate, NaiveTime),
}

pub(super) struct Rdv {
    pub(super) agent: i64,
    pub(super) organisation: i64,
    pub(super) debut: DateTime<Utc>,
    pub(super) fin: DateTime<Utc>,
    pub(super) statut: String,
    pub(super) annule_le: Option<DateTime<Utc>>,
}

impl Monde {
    pub(super) fn new(seed: u64, consentement: &str) -> Self {
        Self {
            seed,
            jetons: Jetons::new(seed, consentement),
            organisations: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            lieux: BTreeMap::new(),
            motifs: BTreeMap::new(),
            agents: BTreeMap::new(),
            roles: BTreeMap::new(),
            acces: BTreeMap::new(),
            plages: BTreeMap::new(),
            plages_de: BTreeSet::new(),
            absences: BTreeMap::new(),
            rdvs: BTreeMap::new(),
            livraisons: 0,
        }
    }

    /// An id for what `parts` name, free in `map`.
    pub(super) fn id<T>(seed: u64, map: &BTreeMap<i64, T>, parts: &[&str]) -> i64 {
        let drawn = Draw::of(seed, parts).between(1_000, 2_000_000_000);
        let mut id = i64::try_from(drawn).unwrap_or(1_000);
        while map.contains_key(&id) {
            id += 1;
        }
        id
    }

    pub(super) fn organisation(&mut self, nom: &str) -> i64 {
        if let Some((id, _)) = self.organisations.iter().find(|(_, n)| n.as_str() == nom) {
            return *id;
        }
        let id = Self::id(self.seed, &self.organisations, &["organisation", nom]);
        self.organisations.insert(id, nom.to_owned());
        id
    }

    pub(super) fn agent(&self, courriel: &str) -> Option<i64> {
        let same = |a: &Agent| a.courriel.eq_ignore_ascii_case(courriel);
        self.agents.iter().find(|(_, a)| same(a)).map(|(id, _)| *id)
    }

    pub(super) fn role(&self, agent: i64, organisation: i64) -> Option<i64> {
        self.acces.get(&(agent, organisation)).copied()
    }

    pub(super) fn donner_role(&mut self, id: i64, role: Role) {
        self.acces.insert((role.agent, role.organisation), id);
        self.roles.insert(id, role);
    }

    pub(super) fn retirer_role(&mut self, id: i64) {
        if let Some(role) = self.roles.remove(&id) {
            self.acces.remove(&(role.agent, role.organisation));
        }
    }

    pub(super) fn organisations_de(&self, agent: i64) -> Vec<i64> {
        self.acces.range((agent, i64::MIN)..=(agent, i64::MAX)).map(|((_, o), _)| *o).collect()
    }

    fn plages_de(&self, agent: i64) -> impl Iterator<Item = (i64, &PlageOuverte)> {
        let ids = self.plages_de.range((agent, i64::MIN)..=(agent, i64::MAX));
        ids.filter_map(|(_, id)| Some((*id, self.plages.get(id)?)))
    }

    /// An agent's role in an organisation, with the agent's slots there.
    pub(super) fn acces(&self, courriel: &str, organisation: i64) -> Option<(i64, Vec<i64>)> {
        let agent = self.agent(courriel)?;
        let role = self.role(agent, organisation)?;
        let there = self.plages_de(agent).filter(|(_, p)| p.organisation == organisation);
        Some((role, there.map(|(id, _)| id).collect()))
    }

    pub(super) fn acces_donnes(&self) -> Vec<(String, i64)> {
        let of = |r: &Role| Some((self.agents.get(&r.agent)?.courriel.clone(), r.organisation));
        let mut all: Vec<_> = self.roles.values().filter_map(of).collect();
        all.sort();
        all
    }

    pub(super) fn ouvrir(
        &mut self,
        courriel: &str,
        organisation: i64,
        plage: Plage,
    ) -> Option<i64> {
        let agent = self.agent(courriel).filter(|a| self.agents[a].accepte)?;
        self.role(agent, organisation)?;
        let (day, time) = (plage.premier_jour.to_string(), plage.debut.to_string());
        let organisation_text = organisation.to_string();
        let parts = ["plage", courriel, &organisation_text, &day, &time];
        let id = Self::id(self.seed, &self.plages, &parts);
        self.plages.insert(id, PlageOuverte { agent, organisation, plage });
        self.plages_de.insert((agent, id));
        Some(id)
    }

    pub(super) fn absenter(
        &mut self,
        courriel: &str,
        du: (NaiveDate, NaiveTime),
        au: (NaiveDate, NaiveTime),
    ) -> Option<i64> {
        let agent = self.agent(courriel)?;
        let day = du.0.to_string();
        let id = Self::id(self.seed, &self.absences, &["absence", courriel, &day]);
        self.absences.insert(id, Absence { agent, du, au });
        Some(id)
    }

    pub(super) fn reserver(
        &mut self,
        courriel: &str,
        debut: DateTime<Utc>,
        fin: DateTime<Utc>,
    ) -> Option<i64> {
        let agent = self.agent(courriel)?;
        let fits = self.plages_de(agent).map(|(_, p)| p).filter(|p| p.plage.convient(debut));
        // One-off slots say most surely where the doctor is that day.
        let organisation = fits
            .min_by_key(|p| p.plage.rrule.is_some())
            .map(|p| p.organisation)
            .or_else(|| self.organisations_de(agent).first().copied())?;
        let at = debut.to_rfc3339();
        let id = Self::id(self.seed, &self.rdvs, &["rdv", courriel, &at]);
        let statut = "unknown".to_owned();
        self.rdvs.insert(id, Rdv { agent, organisation, debut, fin, statut, annule_le: None });
        Some(id)
    }
}

impl Plage {
    /// Whether an appointment may begin then: day of the week and time, as far as a script needs.
    fn convient(&self, debut: DateTime<Utc>) -> bool {
        let local = paris_time(debut);
        let day = local.date();
        let code = &day.weekday().to_string().to_uppercase()[..2];
        let day_fits = match &self.rrule {
            None => day == self.premier_jour,
            Some(rule) if rule.contains("BYDAY=") => rule.contains(code),
            Some(_) => day.weekday() == self.premier_jour.weekday(),
        };
        day_fits && day >= self.premier_jour && (self.debut..self.fin).contains(&local.time())
    }
}
