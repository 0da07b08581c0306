//! Démarches simplifiées, as the client of ds-intake sees it, and the doctors who use it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use ds_intake::{
    Answer, Ask, DsIntake,
    agency::{Cible, Lister},
    wire::{
        CreneauBrut, DossierDisparu, DossierListe, EtatDs, Formulaire, Lecture, Page,
        RaisonDisparition, seconde_passee,
    },
};
use kernel::Fault;
use uuid::Uuid;

use super::Monde;
use crate::{
    milieu::{Dehors, Milieu},
    moteur::Repond,
    scenario::{LIEUX, Parcours, rpps},
};

/// A dossier on DS.
struct DossierDs {
    etat: EtatDs,
    depose_le: DateTime<Utc>,
    soumis_le: DateTime<Utc>,
    depots: u32,
    modifie_le: DateTime<Utc>,
    traite_le: Option<DateTime<Utc>>,
    correction: bool,
    formulaire: Formulaire,
    messages: BTreeSet<Uuid>,
    supprime: Option<DateTime<Utc>>,
}

/// Every dossier.
#[derive(Default)]
pub(crate) struct Demarches {
    dossiers: BTreeMap<u64, DossierDs>,
}

impl Demarches {
    /// Where a dossier stands on DS; `None` once deleted.
    pub(crate) fn etat(&self, numero: u64) -> Option<EtatDs> {
        self.dossiers.get(&numero).filter(|d| d.supprime.is_none()).map(|d| d.etat)
    }
}

impl Monde {
    /// A doctor files an application.
    pub(super) fn deposer(&mut self, index: usize, m: &mut Milieu) {
        let candidature = &self.scenario.candidatures[index];
        let numero = candidature.numero;
        let formulaire = self.formulaire(index, true);
        let now = m.now.trunc_subsecs(0);
        if candidature.parcours == Parcours::Suppression {
            let delay = m.heures(30, 90, &("suppression", numero));
            m.dehors(delay, Dehors::Suppression(numero));
        }
        let dossier = DossierDs {
            etat: EtatDs::EnConstruction,
            depose_le: now,
            soumis_le: now,
            depots: 1,
            modifie_le: now,
            traite_le: None,
            correction: false,
            formulaire,
            messages: BTreeSet::new(),
            supprime: None,
        };
        self.ds.dossiers.insert(numero, dossier);
        m.note(|| format!("dossier {numero} déposé"));
    }

    /// What the doctor types, the first time or after a correction.
    fn formulaire(&self, index: usize, premier: bool) -> Formulaire {
        let candidature = &self.scenario.candidatures[index];
        let medecin = &self.scenario.medecins[candidature.medecin];
        let wrong = premier && candidature.parcours == Parcours::RppsFaux;
        let number = if wrong { rpps(40 + candidature.numero % 10) } else { medecin.rpps.clone() };
        let silent = match candidature.parcours {
            Parcours::Incomplet => premier,
            Parcours::IncompletJamais => true,
            Parcours::Simple
            | Parcours::RppsFaux
            | Parcours::Refus
            | Parcours::Complement
            | Parcours::Suppression => false,
        };
        let jour = kernel::paris_date(candidature.depot) + chrono::Days::new(40);
        Formulaire {
            rpps: Some(number.to_string()),
            civilite: Some("Mme".to_owned()),
            nom: Some(medecin.nom.clone()),
            prenom: Some("Alix".to_owned()),
            courriel: Some(medecin.courriel.clone()),
            telephone: (!silent).then(|| "0100000000".to_owned()),
            mode_exercice: Some("Libéral".to_owned()),
            departement: Some(medecin.cdom.to_owned()),
            cdom: Some(medecin.cdom.to_owned()),
            lieux: candidature.lieux.iter().map(|l| LIEUX[*l].0.to_owned()).collect(),
            creneaux: vec![CreneauBrut {
                date: jour.to_string(),
                demi_journee: "Matin".to_owned(),
            }],
            remplacement: Some(false),
        }
    }

    /// A doctor answers a request for correction, or not.
    pub(super) fn corriger(&mut self, numero: u64, m: &mut Milieu) {
        let index = self.scenario.candidatures.iter().position(|c| c.numero == numero);
        let index = index.expect("a dossier of the script");
        if self.scenario.candidatures[index].parcours == Parcours::IncompletJamais {
            return;
        }
        let formulaire = self.formulaire(index, false);
        let Some(dossier) = self.ds.dossiers.get_mut(&numero) else { return };
        if !dossier.correction || dossier.etat.est_termine() || dossier.supprime.is_some() {
            return;
        }
        dossier.formulaire = formulaire;
        dossier.correction = false;
        dossier.depots += 1;
        dossier.soumis_le = m.now.trunc_subsecs(0);
        dossier.modifie_le = dossier.soumis_le;
        m.note(|| format!("dossier {numero} corrigé"));
    }

    /// A doctor deletes the dossier.
    pub(super) fn supprimer(&mut self, numero: u64, m: &mut Milieu) {
        let dossier = self.ds.dossiers.get_mut(&numero).expect("filed");
        dossier.supprime = Some(m.now);
        m.note(|| format!("dossier {numero} supprimé"));
    }

    fn lister(&self, lister: &Lister, m: &Milieu) -> Answer {
        let listed = self.ds.dossiers.iter().filter(|(_, d)| d.supprime.is_none());
        let mut dossiers: Vec<_> = listed
            .filter(|(_, d)| d.modifie_le >= lister.depuis)
            .map(|(n, d)| DossierListe { numero: *n, etat: d.etat, modifie_le: d.modifie_le })
            .collect();
        dossiers.sort_by_key(|d| (d.modifie_le, d.numero));
        let gone = |since: DateTime<Utc>| {
            let gone = self.ds.dossiers.iter().filter_map(|(n, d)| Some((*n, d.supprime?)));
            gone.filter(|(_, le)| *le >= since)
                .map(|(numero, le)| DossierDisparu {
                    numero,
                    raison: RaisonDisparition::SupprimeParUsager,
                    le,
                })
                .collect()
        };
        Answer::Page(Page {
            lu_a: Some(m.now.trunc_subsecs(0)),
            revision: "1".to_owned(),
            dossiers,
            curseur: None,
            suite: false,
            illisibles: 0,
            disparus: lister.disparus_depuis.map(gone),
        })
    }
}

impl DossierDs {
    fn lecture(&self) -> Lecture {
        Lecture {
            etat: self.etat,
            depose_le: self.depose_le,
            soumis_le: self.soumis_le,
            depots: self.depots,
            modifie_le: self.modifie_le,
            traite_le: self.traite_le,
            correction_en_attente: self.correction,
            formulaire: self.formulaire.clone(),
        }
    }

    fn ecrire(&mut self, cible: Cible, now: DateTime<Utc>) -> Answer {
        if cible.atteinte(self.etat) {
            return Answer::Ecrit { etat: self.etat };
        }
        if self.correction || self.etat.est_termine() {
            return Answer::Empeche { etat: self.etat };
        }
        self.etat = match cible {
            Cible::EnInstruction => EtatDs::EnInstruction,
            Cible::Accepte => EtatDs::Accepte,
            Cible::Refuse => EtatDs::Refuse,
        };
        self.modifie_le = now.trunc_subsecs(0);
        if cible != Cible::EnInstruction {
            self.traite_le = Some(self.modifie_le);
        }
        Answer::Ecrit { etat: self.etat }
    }
}

impl Repond<DsIntake> for Monde {
    fn repondre(&mut self, ask: &Ask, id: Uuid, m: &mut Milieu) -> Result<Answer, Fault> {
        let numero = match ask {
            Ask::Lister(lister) => return Ok(self.lister(lister, m)),
            Ask::Lire { numero }
            | Ask::Ecrire { numero, .. }
            | Ask::EnvoyerMessage { numero, .. }
            | Ask::Annoter { numero, .. } => *numero,
        };
        let found = self.ds.dossiers.get_mut(&numero).filter(|d| d.supprime.is_none());
        let Some(dossier) = found else { return Ok(Answer::Introuvable) };
        Ok(match ask {
            Ask::Lister(_) | Ask::Lire { .. } => {
                let lecture = Box::new(dossier.lecture());
                if seconde_passee(dossier.modifie_le, Some(m.now.trunc_subsecs(0))) {
                    Answer::Lu(lecture)
                } else {
                    Answer::LuTropTot(lecture)
                }
            }
            Ask::Ecrire { cible, .. } => dossier.ecrire(*cible, m.now),
            Ask::EnvoyerMessage { .. } => {
                if dossier.messages.insert(id) && !dossier.etat.est_termine() {
                    // A request for correction gives the dossier back to the doctor.
                    dossier.correction = true;
                    dossier.etat = EtatDs::EnConstruction;
                    dossier.modifie_le = m.now.trunc_subsecs(0);
                    let delay = m.heures(2, 96, &("correction", numero)) + TimeDelta::seconds(2);
                    m.dehors(delay, Dehors::Correction(numero));
                }
                Answer::MessageEnvoye
            }
            Ask::Annoter { .. } => Answer::Annote,
        })
    }
}
