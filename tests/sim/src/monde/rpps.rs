//! The Annuaire Santé, as the client of rpps-flux sees it: one extract of each kind a day, and the
//! local view that they make.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use contracts::{Rpps, messages::SourceRpps};
use kernel::{Fault, paris_date, paris_time};
use rpps_flux::{
    Answer, Ask, Integration, Lot, RppsFlux,
    state::{Carte, Fiche, Observation},
    wire::Extrait,
};
use uuid::Uuid;

use super::Monde;
use crate::{milieu::Milieu, moteur::Repond, scenario::LIEUX};

/// What is true in the register, and the views that were integrated of it.
#[derive(Default)]
pub(crate) struct Annuaire {
    fiches: BTreeMap<Rpps, Fiche>,
    cartes: BTreeMap<Rpps, Vec<Carte>>,
    vue_fiches: Option<Vue<Fiche>>,
    vue_cartes: Option<Vue<Vec<Carte>>>,
}

struct Vue<T> {
    jour: NaiveDate,
    de: BTreeMap<Rpps, T>,
    change: Vec<Rpps>,
}

impl Annuaire {
    pub(super) fn inscrire(&mut self, rpps: &Rpps, nom: &str) {
        let fiche = Fiche {
            noms: BTreeSet::from([(nom.to_uppercase(), "ALIX".to_owned())]),
            professions: BTreeSet::from(["10".to_owned()]),
            savoir_faire: BTreeSet::from(["SM54".to_owned()]),
            structures: BTreeSet::new(),
            cartes: Vec::new(),
        };
        self.fiches.insert(rpps.clone(), fiche);
        let debut = "2023-05-02".parse().expect("date");
        let carte = Carte { numero: "0001".to_owned(), debut, fin: None };
        self.cartes.insert(rpps.clone(), vec![carte]);
    }

    fn observation(&self, rpps: &Rpps) -> Option<Observation> {
        let vue = self.vue_fiches.as_ref()?;
        let cartes = self.vue_cartes.as_ref().and_then(|v| v.de.get(rpps)).cloned();
        let fiche = vue.de.get(rpps).cloned();
        let fiche = fiche.map(|f| Fiche { cartes: cartes.unwrap_or_default(), ..f });
        let (jour, source) = (vue.jour, SourceRpps::Extraction);
        Some(Observation { rpps: rpps.clone(), jour, source, fiche })
    }

    fn integrer(&mut self, extrait: Extrait, deja: Option<&str>, today: NaiveDate) -> Answer {
        let change = match extrait {
            Extrait::Activites => integrer(&mut self.vue_fiches, &self.fiches, today),
            // Not configured: nobody asks for it.
            Extrait::SavoirFaire => Vec::new(),
            Extrait::Cartes => integrer(&mut self.vue_cartes, &self.cartes, today),
        };
        let fichier = format!("{}_{}0600.txt", extrait.prefixe(), today.format("%Y%m%d"));
        if deja == Some(fichier.as_str()) {
            return Answer::Inchangee { extrait, jour: today };
        }
        let observations: Vec<_> = change.iter().filter_map(|r| self.observation(r)).collect();
        let n = observations.len() as u64;
        Answer::Integree(Integration {
            extrait,
            fichier,
            jour: today,
            lignes: self.fiches.len() as u64,
            ajouts: 0,
            retraits: 0,
            modifications: n,
            sha256: None,
            lot: Lot { observations, suite: None },
        })
    }
}

fn integrer<T: Clone + PartialEq>(
    vue: &mut Option<Vue<T>>,
    vrai: &BTreeMap<Rpps, T>,
    jour: NaiveDate,
) -> Vec<Rpps> {
    if let Some(known) = vue.as_ref().filter(|v| v.jour == jour) {
        return known.change.clone();
    }
    let before = vue.as_ref().map(|v| &v.de);
    let changed = vrai.iter().filter(|(r, f)| before.is_some_and(|b| b.get(*r) != Some(f)));
    let change: Vec<Rpps> = changed.map(|(r, _)| r.clone()).collect();
    *vue = Some(Vue { jour, de: vrai.clone(), change: change.clone() });
    change
}

impl Monde {
    /// The Order recorded the activity: the row appears.
    pub(super) fn ligne_rpps(&mut self, medecin: usize, lieu: usize) {
        let rpps = self.scenario.medecins[medecin].rpps.clone();
        if let Some(fiche) = self.annuaire.fiches.get_mut(&rpps) {
            fiche.structures.insert(LIEUX[lieu].3.to_owned());
        }
    }

    /// A new card is sent to a doctor.
    pub(super) fn nouvelle_carte(&mut self, medecin: usize, m: &Milieu) {
        let rpps = self.scenario.medecins[medecin].rpps.clone();
        let cartes = self.annuaire.cartes.entry(rpps).or_default();
        let numero = format!("{:04}", cartes.len() + 1);
        cartes.push(Carte { numero, debut: paris_date(m.now), fin: None });
    }
}

impl Repond<RppsFlux> for Monde {
    fn repondre(&mut self, ask: &Ask, _id: Uuid, m: &mut Milieu) -> Result<Answer, Fault> {
        let local = paris_time(m.now);
        let early = local.time() < chrono::NaiveTime::from_hms_opt(6, 0, 0).expect("hour");
        let today = local.date() - chrono::Days::new(u64::from(early));
        match ask {
            Ask::Integrer { extrait, deja, .. } => {
                Ok(self.annuaire.integrer(*extrait, deja.as_deref(), today))
            }
            Ask::Suite { .. } => Ok(Answer::Suite { lot: Lot::default() }),
            Ask::Chercher { rpps } => match self.annuaire.observation(rpps) {
                Some(observation) => Ok(Answer::Trouvee(observation)),
                None => Err(Fault::transient("sans-extraction", "no extract yet")),
            },
            Ask::Interroger { .. } | Ask::Situations { .. } | Ask::Changements { .. } => {
                Err(Fault::permanent("sans-api", "the API is not configured here"))
            }
        }
    }
}
