//! What the simulated Annuaire knows, with the day from which each thing is shown.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contracts::Rpps;

use super::{Structure, fichiers::ligne_de_fond};

/// A professional of the simulated Annuaire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fiche {
    /// RPPS number.
    pub rpps: Rpps,
    /// Family name, as the RPPS writes it.
    pub nom: String,
    /// First name.
    pub prenom: String,
    /// Listed as a doctor; otherwise only under another profession (60, infirmier): known, but not
    /// active as a doctor.
    pub actif: bool,
    /// NOS TRE_R38 code, e.g. `SM54`; `None` for a doctor without any.
    pub savoir_faire: Option<String>,
}

impl Fiche {
    /// An active general practitioner.
    pub fn medecin(rpps: Rpps, nom: &str, prenom: &str) -> Self {
        let savoir_faire = Some("SM54".to_owned());
        Self { rpps, nom: nom.to_owned(), prenom: prenom.to_owned(), actif: true, savoir_faire }
    }
}

/// Shown from a day on, until another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Periode {
    pub(super) debut: NaiveDate,
    pub(super) fin: NaiveDate,
}

impl Periode {
    const TOUJOURS: Self = Self { debut: NaiveDate::MIN, fin: NaiveDate::MAX };

    fn depuis(debut: NaiveDate) -> Self {
        Self { debut, ..Self::TOUJOURS }
    }

    pub(super) fn montre(self, jour: NaiveDate) -> bool {
        self.debut <= jour && jour < self.fin
    }
}

#[derive(Clone, Debug)]
pub(super) struct Activite {
    pub(super) structure: Structure,
    pub(super) lieu: String,
    pub(super) periode: Periode,
}

#[derive(Clone, Debug)]
pub(super) struct Carte {
    pub(super) numero: String,
    pub(super) debut: NaiveDate,
    pub(super) fin: NaiveDate,
    pub(super) visible: NaiveDate,
}

#[derive(Clone, Debug)]
pub(super) struct Personne {
    pub(super) fiche: Fiche,
    pub(super) periode: Periode,
    pub(super) activites: Vec<Activite>,
    pub(super) cartes: Vec<Carte>,
}

/// Everybody.
#[derive(Debug)]
pub(super) struct Monde {
    pub(super) personnes: BTreeMap<Rpps, Personne>,
    pub(super) graine: u64,
    /// The rows of everybody else.
    pub(super) fond: Vec<[String; 2]>,
}

impl Monde {
    pub(super) fn new(graine: u64, lignes_de_fond: u32) -> Self {
        let fond = (0..lignes_de_fond).map(|rang| ligne_de_fond(graine, rang)).collect();
        Self { personnes: BTreeMap::new(), graine, fond }
    }

    pub(super) fn enregistrer(&mut self, fiche: Fiche) {
        let rpps = fiche.rpps.clone();
        let periode = Periode::TOUJOURS;
        let connu = self.personnes.remove(&rpps);
        let (activites, cartes) = connu.map(|p| (p.activites, p.cartes)).unwrap_or_default();
        self.personnes.insert(rpps, Personne { fiche, periode, activites, cartes });
    }

    pub(super) fn retirer(&mut self, rpps: &Rpps, a_partir_du: NaiveDate) {
        if let Some(personne) = self.personnes.get_mut(rpps) {
            personne.periode.fin = a_partir_du;
        }
    }

    pub(super) fn ajouter_activite(
        &mut self,
        rpps: &Rpps,
        structure: Structure,
        lieu: &str,
        a_partir_du: NaiveDate,
    ) {
        if let Some(personne) = self.personnes.get_mut(rpps) {
            let periode = Periode::depuis(a_partir_du);
            personne.activites.push(Activite { structure, lieu: lieu.to_owned(), periode });
        }
    }

    pub(super) fn retirer_activite(
        &mut self,
        rpps: &Rpps,
        structure: &Structure,
        a_partir_du: NaiveDate,
    ) {
        if let Some(personne) = self.personnes.get_mut(rpps) {
            let at_site = personne.activites.iter_mut().filter(|a| a.structure == *structure);
            at_site.for_each(|a| a.periode.fin = a.periode.fin.min(a_partir_du));
        }
    }

    pub(super) fn emettre_carte(
        &mut self,
        rpps: &Rpps,
        numero: &str,
        (debut, fin): (NaiveDate, NaiveDate),
        visible: NaiveDate,
    ) {
        if let Some(personne) = self.personnes.get_mut(rpps) {
            personne.cartes.push(Carte { numero: numero.to_owned(), debut, fin, visible });
            personne.cartes.sort_by_key(|c| (c.debut, c.visible));
        }
    }
}
