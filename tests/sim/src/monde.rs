//! The outside: agencies and people, who act on the script and on what reaches them.

pub(crate) mod cpam;
mod dns;
pub(crate) mod ds;
mod gens;
mod ordre;
mod rdv;
pub(crate) mod rpps;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use bus::Origin;
use chrono::{NaiveDate, TimeDelta};
use contracts::{Agence, EngagementId, Envelope, Flux, Message, messages::Situation};
use kernel::{derive_id, paris_date};
use uuid::Uuid;

use crate::{
    milieu::{Courrier, Dehors, Milieu},
    scenario::{LIEUX, Scenario},
};

/// A day of consultation that a doctor opened.
pub(crate) struct Jour {
    pub(crate) candidature: usize,
    pub(crate) lieu: usize,
    pub(crate) engagement: EngagementId,
    pub(crate) date: NaiveDate,
    pub(crate) plage: i64,
    pub(crate) demi_journees: &'static [contracts::DemiJournee],
    pub(crate) vient: bool,
    pub(crate) vus: u64,
    pub(crate) annulee: bool,
}

/// The outside.
pub(crate) struct Monde {
    pub(crate) scenario: Scenario,
    pub(crate) ds: ds::Demarches,
    pub(crate) annuaire: rpps::Annuaire,
    pub(crate) caisses: cpam::Caisses,
    pub(crate) jours: Vec<Jour>,
    /// What sites answered: (engagement, day) → present.
    pub(crate) attestes: BTreeMap<(EngagementId, NaiveDate), bool>,
    /// Doctors suspended: first day, first day without it.
    suspensions: BTreeMap<usize, (NaiveDate, Option<NaiveDate>)>,
    /// Doctors who withdrew from a site, and the last day on which they come.
    retraits: BTreeMap<(usize, usize), NaiveDate>,
    /// Sites opened by their doctor already.
    ouverts: BTreeSet<(usize, usize)>,
    /// Verifications answered, by request; complements asked for, by dossier.
    verifications: BTreeSet<Uuid>,
    complements: BTreeSet<u64>,
    /// Tasks that are open.
    pub(crate) taches: BTreeSet<Uuid>,
    prochain: i64,
}

impl Monde {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut annuaire = rpps::Annuaire::default();
        for medecin in &scenario.medecins {
            annuaire.inscrire(&medecin.rpps, &medecin.nom);
        }
        Self {
            scenario,
            ds: ds::Demarches::default(),
            annuaire,
            caisses: cpam::Caisses::default(),
            jours: Vec::new(),
            attestes: BTreeMap::new(),
            suspensions: BTreeMap::new(),
            retraits: BTreeMap::new(),
            ouverts: BTreeSet::new(),
            verifications: BTreeSet::new(),
            complements: BTreeSet::new(),
            taches: BTreeSet::new(),
            prochain: 1,
        }
    }

    /// Plans what the script makes happen by itself.
    pub(crate) fn commencer(&self, m: &mut Milieu) {
        for (index, candidature) in self.scenario.candidatures.iter().enumerate() {
            m.plan(candidature.depot, crate::milieu::Tic::Monde(Dehors::Depot(index)));
        }
        for (index, medecin) in self.scenario.medecins.iter().enumerate() {
            if let Some((le, ..)) = medecin.suspension {
                let at = self.scenario.debut + chrono::Days::new(le) + TimeDelta::hours(11);
                m.plan(at, crate::milieu::Tic::Monde(Dehors::Mesure(index, false)));
            }
        }
        m.dehors(TimeDelta::hours(20), Dehors::Tournee);
    }

    pub(crate) fn engagement(&self, candidature: usize, lieu: usize) -> EngagementId {
        let medecin = self.scenario.candidatures[candidature].medecin;
        let site = LIEUX[lieu].0.parse().expect("id");
        ordinal_adapter::engagement_id(&self.scenario.medecins[medecin].rpps, &site)
    }

    /// The (application, site) of an engagement.
    fn de_engagement(&self, engagement: &EngagementId) -> Option<(usize, usize)> {
        let all = self.scenario.candidatures.iter().enumerate();
        let mut pairs = all.flat_map(|(i, c)| c.lieux.iter().map(move |l| (i, *l)));
        pairs.find(|(i, l)| self.engagement(*i, *l) == *engagement)
    }

    /// Whether the doctor may and does practise there that day.
    fn exerce(&self, candidature: usize, lieu: usize, date: NaiveDate) -> bool {
        let medecin = self.scenario.candidatures[candidature].medecin;
        let suspended = self.suspensions.get(&medecin);
        let suspended = suspended.is_some_and(|(s, r)| date >= *s && r.is_none_or(|r| date < r));
        let left = self.retraits.get(&(candidature, lieu)).is_some_and(|last| date > *last);
        !suspended && !left
    }

    /// Whether a day takes place, the doctor being there.
    pub(crate) fn tenu(&self, jour: &Jour) -> bool {
        jour.vient && !jour.annulee && self.exerce(jour.candidature, jour.lieu, jour.date)
    }

    /// Whether an engagement is over for good; what it still owes is checked with the money.
    pub(crate) fn cesse(&self, engagement: &EngagementId) -> bool {
        let Some((candidature, lieu)) = self.de_engagement(engagement) else { return false };
        let last = self.scenario.debut.date_naive() + chrono::Days::new(1000);
        !self.exerce(candidature, lieu, last)
    }

    /// How an activity stands in the end.
    pub(crate) fn situation(&self, engagement: &EngagementId) -> Situation {
        let Some((candidature, lieu)) = self.de_engagement(engagement) else {
            return Situation::Ouverte;
        };
        let medecin = self.scenario.candidatures[candidature].medecin;
        match self.suspensions.get(&medecin) {
            _ if self.retraits.contains_key(&(candidature, lieu)) => Situation::Terminee,
            Some((_, None)) => Situation::Suspendue,
            Some((_, Some(_))) | None => Situation::Ouverte,
        }
    }

    /// Whether a doctor was there on a day.
    fn present(&self, engagement: &EngagementId, date: NaiveDate) -> bool {
        let mut days = self.jours.iter();
        days.any(|j| j.engagement == *engagement && j.date == date && self.tenu(j))
    }

    /// An agency publishes an answer, sometimes twice, as one message or as two.
    fn publier<T: Message>(
        &self,
        agence: &Agence,
        name: &str,
        answer: &T,
        delay: TimeDelta,
        m: &mut Milieu,
    ) {
        let time = m.now + delay;
        let courrier = |rank: &str| {
            let id = derive_id(&["agence", &agence.user(), name, T::TYPE, rank]);
            Rc::new(Courrier {
                flux: Flux::Reponses,
                routing_key: agence.routing_key(T::TYPE),
                origin: Origin::Agence(agence.clone()),
                envelope: Envelope::of(id.to_string(), agence.source(), time, answer),
            })
        };
        let mut copies = vec![courrier("1")];
        copies.extend(Self::fautives(&copies[0], m));
        match self.scenario.draw(&["copies", name, T::TYPE]).below(10) {
            0 => copies.push(courrier("2")),
            1 => copies.push(Rc::clone(&copies[0])),
            _ => {}
        }
        for copy in copies {
            let apart = m.trajet(&(name, T::TYPE));
            m.dehors(delay + apart, Dehors::Publie(copy));
        }
    }

    /// What an agency sends by mistake besides an answer: a body that cannot be read, an answer to
    /// a request that nobody made, the answer of somebody else.
    fn fautives(right: &Courrier, m: &mut Milieu) -> Vec<Rc<Courrier>> {
        let mut wrong = Vec::new();
        let nom = &right.envelope.id;
        let mut add = |what: &str, agence: &Agence, data: Vec<u8>| {
            let mut copy = right.clone();
            copy.envelope.id = derive_id(&["fautive", nom, what]).to_string();
            copy.envelope.source = agence.source();
            copy.routing_key = agence.routing_key(&right.envelope.message_type);
            copy.origin = Origin::Agence(agence.clone());
            copy.envelope.data = data;
            wrong.push(Rc::new(copy));
        };
        let Origin::Agence(agence) = &right.origin else { return wrong };
        if m.malheur(20, "réponses illisibles", nom) {
            add("illisible", agence, br#"{"demande":1}"#.to_vec());
        }
        let mut body: serde_json::Value =
            serde_json::from_slice(&right.envelope.data).expect("messages are JSON");
        let Some(id) = body.pointer_mut("/demande/id") else { return wrong };
        if m.malheur(20, "réponses à une autre agence", nom) {
            let code = if agence.code.starts_with("63") { "03" } else { "63" };
            let code = format!("{code}{}", &agence.code[2..]);
            let other = format!("{}.{code}", agence.famille.as_str());
            let data = right.envelope.data.clone();
            add("autre agence", &other.parse().expect("an agency"), data);
        }
        if m.malheur(20, "réponses à une demande inconnue", nom) {
            *id = derive_id(&["personne", nom]).to_string().into();
            add("autre demande", agence, serde_json::to_vec(&body).expect("encodes"));
        }
        wrong
    }

    /// The Order suspends a doctor who practises, or lifts it.
    fn mesurer(&mut self, medecin: usize, levee: bool, m: &mut Milieu) {
        let today = paris_date(m.now);
        let Some((_, effet, duree)) = self.scenario.medecins[medecin].suspension else { return };
        let doctor = &self.scenario.medecins[medecin];
        let agence = Agence::cdom(&doctor.cdom.parse().expect("code"));
        let (rpps, name) = (doctor.rpps.clone(), format!("mesure {medecin} {levee}"));
        if levee {
            let Some((_, Some(r))) = self.suspensions.get(&medecin).copied() else { return };
            let answer = contracts::messages::SuspensionLevee { rpps, a_compter_du: r };
            self.publier(&agence, &name, &answer, TimeDelta::zero(), m);
            return;
        }
        let practises =
            self.jours.iter().any(|j| self.scenario.candidatures[j.candidature].medecin == medecin);
        if doctor.cdom != "63" || !practises {
            return;
        }
        let s = today + chrono::Days::new(effet);
        let r = duree.map(|d| s + chrono::Days::new(d));
        self.suspensions.insert(medecin, (s, r));
        if let Some(r) = r {
            let wait = r - today - TimeDelta::days(2);
            m.dehors(wait.max(TimeDelta::hours(1)), Dehors::Mesure(medecin, true));
        }
        m.note(|| format!("médecin {medecin} suspendu du {s} au {r:?}"));
        let answer = contracts::messages::SuspensionPrononcee { rpps, a_compter_du: s };
        self.publier(&agence, &name, &answer, TimeDelta::zero(), m);
    }

    /// What happens outside, when it concerns the outside only.
    pub(crate) fn arriver(&mut self, dehors: &Dehors, m: &mut Milieu) {
        match dehors {
            Dehors::Depot(index) => self.deposer(*index, m),
            Dehors::Correction(numero) => self.corriger(*numero, m),
            Dehors::Suppression(numero) => self.supprimer(*numero, m),
            Dehors::Recue(courrier) => self.recevoir(courrier, m),
            Dehors::Ouverture(candidature, lieu) => self.ouvrir(*candidature, *lieu, m),
            Dehors::Annulation(rank) => self.annuler(*rank, m),
            Dehors::Consultation(rank) => self.consulter(*rank, m),
            Dehors::Mesure(medecin, levee) => self.mesurer(*medecin, *levee, m),
            Dehors::Fin(candidature, lieu) => self.finir(*candidature, *lieu, m),
            Dehors::LigneRpps(medecin, lieu) => self.ligne_rpps(*medecin, *lieu),
            Dehors::Carte(medecin) => self.nouvelle_carte(*medecin, m),
            Dehors::Publie(_)
            | Dehors::Lien(..)
            | Dehors::Webhook(..)
            | Dehors::Tache(_)
            | Dehors::Tournee => {}
        }
    }
}
