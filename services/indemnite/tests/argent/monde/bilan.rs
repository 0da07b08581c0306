//! What must hold at the end, and the statement as a CPAM reads it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{CodeCpam, DemiJournee, Mois, Rpps};
use indemnite::{State, state::demande_de_l_etat};
use uuid::Uuid;

use super::Monde;
use crate::modele::DemiJour;

/// A statement, as the CPAM reads it: from the CSV file.
pub(super) struct Releve {
    pub(super) cpam: CodeCpam,
    pub(super) mois: Mois,
    pub(super) rang: u32,
    pub(super) demande: Uuid,
    pub(super) par_file: bool,
    /// The file.
    pub(super) texte: String,
    pub(super) lignes: Vec<Lue>,
}

pub(super) struct Lue {
    pub(super) ligne: Uuid,
    pub(super) de: DemiJour,
    pub(super) centimes: i64,
    pub(super) corrige: bool,
}

impl Monde {
    pub(super) fn check(&self) {
        let seed = self.seed;
        let lues = || self.releves.iter().flat_map(|r| &r.lignes);
        let owed: i64 = self.modele.du.values().sum();
        let stated: i64 = lues().map(|l| l.centimes).sum();
        let rejected: i64 =
            lues().filter(|l| self.rejetees.contains(&l.ligne)).map(|l| l.centimes).sum();
        let paid: i64 = lues().filter(|l| self.payees.contains(&l.ligne)).map(|l| l.centimes).sum();
        assert_eq!(stated - rejected, owed, "seed {seed}: stated and not rejected");
        assert_eq!(paid, owed, "seed {seed}: paid");
        let announced: i64 = self.emis.iter().map(|e| e.total_centimes.0).sum();
        assert_eq!(announced, stated, "seed {seed}: the announcements");

        let ids: BTreeSet<_> = lues().map(|l| l.ligne).collect();
        assert_eq!(ids.len(), lues().count(), "seed {seed}: a line is stated once");
        let mut alive: BTreeMap<&DemiJour, i64> = BTreeMap::new();
        for line in lues().filter(|l| !self.rejetees.contains(&l.ligne)) {
            *alive.entry(&line.de).or_default() += line.centimes;
        }
        for (half, cents) in &self.modele.du {
            let stated = alive.remove(half).unwrap_or(0);
            assert_eq!(stated, *cents, "seed {seed}: {half:?}");
        }
        assert!(alive.is_empty(), "seed {seed}: {alive:?} is not owed");

        let mut ranks = BTreeSet::new();
        for releve in &self.releves {
            assert!(ranks.insert((&releve.cpam, releve.mois, releve.rang)), "seed {seed}");
            assert!((1..=7).contains(&releve.lignes.len()), "seed {seed}: bounded statements");
            let late = releve.lignes.iter().find(|l| Mois::of(l.de.1) > releve.mois);
            assert!(late.is_none(), "seed {seed}: a statement of a month that is not over");
            assert!(releve.lignes.is_sorted_by_key(|l| (l.de.1, l.de.0.clone(), l.de.2)));
        }
        self.check_again();
        assert!(self.taches.is_empty(), "seed {seed}: {} open tasks", self.taches.len());
        for state in self.moteur.states.values() {
            if let State::Etat(etat) = state {
                assert!(etat.en_attente.is_empty(), "seed {seed}: something waits");
            }
        }
    }
}

impl Monde {
    /// Each statement can be made again from what the service kept, to the byte.
    fn check_again(&self) {
        for releve in &self.releves {
            let key = indemnite::state::cle_etat_emis(releve.demande);
            let Some(State::EtatEmis(emis)) = self.moteur.states.get(&key) else {
                panic!("seed {}: {key} is lost", self.seed)
            };
            let kept = emis.releve.as_ref().expect("what was sent");
            assert!(kept.est_intact(), "seed {}: {key}", self.seed);
            assert_eq!(kept.csv(), releve.texte, "seed {}: {key}", self.seed);
            let again = demande_de_l_etat(&releve.cpam, releve.mois, releve.rang);
            assert_eq!(again, releve.demande, "found by its number");
        }
    }
}

pub(super) fn read_line(text: &str) -> Lue {
    let cells: Vec<_> = text.split(';').collect();
    let half = match cells[9] {
        "matin" => DemiJournee::Matin,
        "apres_midi" => DemiJournee::ApresMidi,
        other => panic!("half-day {other}"),
    };
    let rpps: Rpps = cells[4].parse().expect("rpps");
    Lue {
        ligne: cells[3].parse().expect("line"),
        de: (rpps, cells[8].parse().expect("date"), half),
        centimes: cells[10].parse().expect("cents"),
        corrige: !cells[11].is_empty(),
    }
}
