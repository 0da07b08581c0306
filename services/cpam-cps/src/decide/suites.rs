//! What follows the number: bank details that the CPAM lacks, the card that ends the paper.

use chrono::{Days, NaiveDate};
use contact::Modele;
use contracts::{
    Agence, Demande, Rib,
    messages::{CpsEnRetard, ModeFacturation, RibDemande, RibRecu},
};
use kernel::paris_date;
use service::Decision;

use super::{
    Cx, Decided, Effet, Engagement, Verdict,
    numero::{asked, inconnue},
    travail::{Acheminement, Travail, acheminement, matin, reveil, tache},
};
use crate::{
    agency::RIB,
    state::{DemandeFaite, Etape, Facturation, Nature},
    wire::SUJET_RIB,
};

/// The CPAM has the bank details.
pub(super) fn rib_recu(
    engagement: Option<&Engagement>,
    m: &RibRecu,
    agence: &Agence,
    cx: &Cx<'_>,
) -> Verdict {
    let Some(Engagement::Connu(suivi)) = engagement else { return Err(inconnue()) };
    let Etape::Ouverte(facturation) = &suivi.etape else { return Err(inconnue()) };
    let demande = facturation.demande_rib.as_ref().filter(|d| d.id == m.demande.id);
    asked(demande.ok_or_else(inconnue)?, agence)?;
    let mut travail = Travail::new((**suivi).clone(), cx);
    if travail.rib_su(Rib::Present) { Ok(travail.fin()) } else { Ok(Decision::Ignore("rib-connu")) }
}

/// A card of the doctor was seen: one that begins after the number holds the mission.
pub(super) fn carte(
    engagement: Option<&Engagement>,
    debut_validite: NaiveDate,
    cx: &Cx<'_>,
) -> Decided {
    let Some(Engagement::Connu(suivi)) = engagement else {
        return Decision::Ignore("engagement-inconnu");
    };
    if suivi.carte.is_some_and(|known| known >= debut_validite) {
        return Decision::Ignore("carte-anterieure");
    }
    let mut travail = Travail::new((**suivi).clone(), cx);
    travail.suivi.carte = Some(debut_validite);
    if let Etape::Ouverte(facturation) = &suivi.etape
        && facturation.mode == ModeFacturation::Papier
        && debut_validite >= facturation.cree_le
    {
        let mode = ModeFacturation::Teletransmission;
        travail.annuler(&[reveil::CARTE]);
        travail.ouvrir(Facturation { mode, ..facturation.clone() });
    }
    travail.fin()
}

fn degre(rib: Rib) -> u8 {
    match rib {
        Rib::Inconnu => 0,
        Rib::Manquant => 1,
        Rib::Present => 2,
    }
}

/// Of two statements the one that knows more: whatever their order, bank details that were seen
/// once stay known.
pub(super) fn plus_su(a: Rib, b: Rib) -> Rib {
    if degre(a) >= degre(b) { a } else { b }
}

impl Travail<'_, '_> {
    /// More is known of the bank details: publishes it. Says whether it was new.
    pub(super) fn rib_su(&mut self, rib: Rib) -> bool {
        let Etape::Ouverte(facturation) = &self.suivi.etape else { return false };
        let known = facturation.rib;
        if degre(rib) <= degre(known) {
            return false;
        }
        self.ouvrir(Facturation { rib, ..facturation.clone() });
        if rib == Rib::Present {
            self.annuler(&[reveil::RIB]);
            self.effet(Effet::CancelAsks(RIB));
            self.fermer_taches(&[tache::RIB]);
        } else {
            self.suivre_rib();
            if !self.suivi.actif() {
                self.rib_a_obtenir();
            }
        }
        true
    }

    /// Asks for bank details that are missing; leaves the CPAM some days when nothing is known.
    pub(super) fn suivre_rib(&mut self) {
        let Etape::Ouverte(facturation) = self.suivi.etape.clone() else { return };
        match (facturation.rib, &facturation.demande_rib) {
            (Rib::Present, _) => {}
            (Rib::Manquant, None) => self.demander_rib(facturation),
            (Rib::Manquant | Rib::Inconnu, _) => self.rappeler_rib(),
        }
    }

    fn demander_rib(&mut self, facturation: Facturation) {
        let demande = self.demande("rib", 1, facturation.demande.cpam.clone());
        self.transmettre_rib(&demande);
        self.rappeler_rib();
        self.suivi.etape =
            Etape::Ouverte(Facturation { demande_rib: Some(demande), ..facturation });
    }

    fn rappeler_rib(&mut self) {
        if self.suivi.actif() {
            let due = self.matin_ouvre_dans(self.delais().relance_rib_jours);
            self.reveiller(due, reveil::RIB);
        }
    }

    /// Bank details are still missing: the CPAM is asked again.
    pub(super) fn relancer_rib(&mut self) {
        let Etape::Ouverte(facturation) = self.suivi.etape.clone() else { return };
        match (facturation.rib, facturation.demande_rib.clone()) {
            (Rib::Present, _) => {}
            (Rib::Manquant | Rib::Inconnu, None) => self.demander_rib(facturation),
            (Rib::Manquant | Rib::Inconnu, Some(mut demande)) => {
                demande.rang += 1;
                self.transmettre_rib(&demande);
                self.rappeler_rib();
                if demande.rang == self.delais().escalade_rib_relances + 1 {
                    self.ouvrir_tache(tache::RIB, &[]);
                    self.escalade(tache::RIB);
                }
                self.suivi.etape =
                    Etape::Ouverte(Facturation { demande_rib: Some(demande), ..facturation });
            }
        }
    }

    /// Asks the doctor, who alone has the bank details, and the CPAM, which says when it has them.
    fn transmettre_rib(&mut self, demande: &DemandeFaite) {
        let rang = demande.rang - 1;
        self.ecrire_au_medecin(Modele::RibADonner { rang });
        match acheminement(&demande.cpam, self.cx) {
            Acheminement::File(agence) => {
                let request = RibDemande {
                    demande: Demande { id: demande.id, rang: demande.rang },
                    engagement: self.suivi.activite.engagement.clone(),
                };
                self.effet(Effet::request(&agence, &request));
                self.relance_envoyee(demande, "file");
            }
            Acheminement::Courriel(adresse) => {
                let lien = self.lien(SUJET_RIB, demande);
                self.courriel(adresse, Modele::RibDemande { rang }, Some(lien));
                self.relance_envoyee(demande, "courriel");
            }
            Acheminement::Fichier => {
                self.deposer(demande, Nature::Rib);
                self.relance_envoyee(demande, "fichier");
            }
            Acheminement::Personne => self.ouvrir_tache(tache::RIB, &[]),
        }
    }

    /// After a suspension or an end the CPAM is not asked about bank details any more, but half-days
    /// held before stay owed: a person follows.
    pub(super) fn rib_a_obtenir(&mut self) {
        let missing = match &self.suivi.etape {
            Etape::Ouverte(facturation) => facturation.rib != Rib::Present,
            Etape::Constat | Etape::CpamManquante | Etape::Demandee { .. } => false,
        };
        if missing {
            self.ouvrir_tache(tache::RIB, &[]);
        }
    }

    /// The day the card is expected, at the latest.
    pub(super) fn carte_attendue_le(&self, facturation: &Facturation) -> NaiveDate {
        let delais = self.cx.config.delais(Some(&facturation.demande.cpam));
        facturation.cree_le + Days::new(delais.carte_attendue_jours.into())
    }

    /// Awaits the card while the doctor bills on paper.
    pub(super) fn suivre_carte(&mut self) {
        let Etape::Ouverte(facturation) = &self.suivi.etape else { return };
        if facturation.mode == ModeFacturation::Papier && self.suivi.actif() {
            let tomorrow = paris_date(self.cx.now) + Days::new(1);
            let due = matin(self.carte_attendue_le(facturation).max(tomorrow));
            self.reveiller(due, reveil::CARTE);
        }
    }

    /// The card is late: says so, then again while it is.
    pub(super) fn signaler_retard(&mut self) {
        let Etape::Ouverte(facturation) = &self.suivi.etape else { return };
        if facturation.mode == ModeFacturation::Teletransmission {
            return;
        }
        let attendue_le = self.carte_attendue_le(facturation);
        let days = (self.cx.today() - attendue_le).num_days();
        self.effet(Effet::publish(&CpsEnRetard {
            engagement: self.suivi.activite.engagement.clone(),
            attendue_le,
            jours_de_retard: u32::try_from(days).unwrap_or(0),
        }));
        let again = self.cx.today() + Days::new(self.delais().relance_carte_jours.into());
        self.reveiller(matin(again), reveil::CARTE);
    }
}
