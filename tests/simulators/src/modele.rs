//! What must come out of a population: a model written apart from the services, from the scripts
//! alone. It knows the programme's rules, not how Relais applies them.

use std::collections::BTreeMap;

use contracts::{DossierId, LieuId, Rpps};

use crate::population::{EngagementPrevu, Parcours, Profil, Sort};

/// Where a dossier must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fin {
    /// Never complete: the doctor does not correct it.
    Incomplete,
    /// Refused by the CDOM.
    Refusee,
    /// Withdrawn before any authorisation.
    Retiree,
    /// Authorised.
    Autorisee,
}

/// What an engagement must bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bilan {
    /// Vacations held: past and not cancelled.
    pub realisees: usize,
    /// Half-days owed.
    pub demi_journees: usize,
}

/// Everything that must come out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendu {
    /// The end of each dossier.
    pub dossiers: BTreeMap<DossierId, Fin>,
    /// What each engagement brings.
    pub engagements: BTreeMap<(Rpps, LieuId), Bilan>,
}

/// Half a day, in cents: 100 € (ARS Grand Est, « appel aux médecins volontaires »).
pub const DEMI_JOURNEE_CENTIMES: i64 = 10_000;

impl Attendu {
    /// What a population must bring.
    pub fn de(population: &[Parcours]) -> Self {
        let mut attendu = Self::default();
        for parcours in population {
            for dossier in &parcours.dossiers {
                let fin = fin(dossier.profil);
                attendu.dossiers.insert(dossier.numero, fin);
                if fin != Fin::Autorisee {
                    continue;
                }
                for engagement in &dossier.engagements {
                    let key = (parcours.personne.rpps.clone(), engagement.lieu.clone());
                    attendu.engagements.insert(key, bilan(engagement));
                }
            }
        }
        attendu
    }

    /// How many dossiers end like this.
    pub fn compte(&self, fin: Fin) -> usize {
        self.dossiers.values().filter(|f| **f == fin).count()
    }

    /// The money owed, in cents.
    pub fn centimes(&self) -> i64 {
        let half_days: usize = self.engagements.values().map(|b| b.demi_journees).sum();
        i64::try_from(half_days).unwrap_or(i64::MAX) * DEMI_JOURNEE_CENTIMES
    }

    /// The vacations held.
    pub fn realisees(&self) -> usize {
        self.engagements.values().map(|b| b.realisees).sum()
    }
}

fn fin(profil: Profil) -> Fin {
    match profil {
        Profil::RppsFauxAbandon => Fin::Incomplete,
        Profil::RppsInconnuAbandon | Profil::Refus => Fin::Refusee,
        Profil::Retrait => Fin::Retiree,
        Profil::Normal
        | Profil::RppsFauxCorrige
        | Profil::RppsInconnuCorrige
        | Profil::Complement => Fin::Autorisee,
    }
}

fn bilan(engagement: &EngagementPrevu) -> Bilan {
    let kept = engagement.retrait_apres.unwrap_or(engagement.vacations.len());
    let mut bilan = Bilan::default();
    for vacation in &engagement.vacations[..kept] {
        match vacation.sort {
            Sort::Annulee => {}
            Sort::Absent => bilan.realisees += 1,
            Sort::Honoree { .. } | Sort::SansPatient => {
                bilan.realisees += 1;
                bilan.demi_journees += vacation.demi_journees.len();
            }
        }
    }
    bilan
}
