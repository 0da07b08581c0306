//! The CPAM: numbers, bank details, payments.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    Agence, Demande, EngagementId, NumeroAm, Rib,
    messages::{
        EtatMensuel, NumeroAmCree, NumeroAmDemande, PaiementEffectue, PaiementRejete, RibDemande,
        RibRecu,
    },
};
use kernel::paris_date;
use uuid::Uuid;

use super::Monde;
use crate::{
    milieu::{Dehors, Milieu},
    scenario::LIEUX,
};

/// What the CPAM know.
#[derive(Default)]
pub(crate) struct Caisses {
    /// The number created for each engagement, for ever.
    pub(crate) numeros: BTreeMap<EngagementId, NumeroAm>,
    repondues: BTreeSet<Uuid>,
    /// The request that each number answers.
    demandes: BTreeMap<EngagementId, (Agence, Demande)>,
}

impl Caisses {
    /// The number of an engagement at a site of a département.
    pub(crate) fn numero(&mut self, engagement: &EngagementId, departement: &str) -> NumeroAm {
        let rank = self.numeros.len() + 1;
        let new = || {
            let stem = format!("{departement}1{rank:05}");
            format!("{stem}{}", cle(&stem)).parse().expect("a number")
        };
        self.numeros.entry(engagement.clone()).or_insert_with(new).clone()
    }
}

/// Luhn's key.
fn cle(stem: &str) -> u32 {
    let sum: u32 = stem
        .bytes()
        .rev()
        .enumerate()
        .map(|(rank, byte)| match (rank % 2, u32::from(byte - b'0')) {
            (0, digit) if digit * 2 > 9 => digit * 2 - 9,
            (0, digit) => digit * 2,
            (_, digit) => digit,
        })
        .sum();
    (10 - sum % 10) % 10
}

impl Monde {
    pub(super) fn numero_demande(
        &mut self,
        agence: &Agence,
        ask: &NumeroAmDemande,
        m: &mut Milieu,
    ) {
        let name = ask.demande.id.to_string();
        let silent = self.scenario.draw(&["cpam", &name]).percent(10);
        if (ask.demande.rang == 1 && silent) || !self.caisses.repondues.insert(ask.demande.id) {
            return;
        }
        let rib = match self.scenario.draw(&["rib", ask.engagement.as_str()]).below(10) {
            0..6 => Rib::Present,
            6..9 => Rib::Manquant,
            _ => Rib::Inconnu,
        };
        let numero_am = self.caisses.numero(&ask.engagement, ask.lieu.departement.as_str());
        let (demande, engagement) = (ask.demande, ask.engagement.clone());
        self.caisses.demandes.insert(engagement.clone(), (agence.clone(), demande));
        let delay = m.heures(24, 9 * 24, &name);
        let answer = NumeroAmCree { demande, engagement, numero_am, rib };
        self.publier(agence, &name, &answer, delay, m);
        if let Some((candidature, _)) = self.de_engagement(&ask.engagement)
            && self.scenario.draw(&["carte", ask.engagement.as_str()]).percent(80)
        {
            let medecin = self.scenario.candidatures[candidature].medecin;
            let later = delay + m.heures(13 * 24, 28 * 24, &("carte", &name));
            m.dehors(later, Dehors::Carte(medecin));
        }
    }

    /// What a CPAM without a queue writes on the page of its link.
    pub(crate) fn reponse_caisse(
        &mut self,
        cle: &str,
        rib_recu: bool,
    ) -> (&'static str, BTreeMap<String, String>) {
        if rib_recu {
            return ("rib-recu", BTreeMap::new());
        }
        let engagement = cle.trim_start_matches("engagement/").parse().expect("engagement");
        let (_, lieu) = self.de_engagement(&engagement).expect("of the script");
        let numero = self.caisses.numero(&engagement, LIEUX[lieu].2);
        let missing = self.scenario.draw(&["rib", engagement.as_str()]).percent(30);
        let choix = if missing { "cree-manquant" } else { "cree-present" };
        (choix, BTreeMap::from([("numero_am".to_owned(), numero.to_string())]))
    }

    /// The DNS calls the CPAM: it obtains the bank details, and says so with the number.
    pub(crate) fn rib_obtenu(&mut self, engagement: &EngagementId, m: &mut Milieu) {
        let Some((agence, demande)) = self.caisses.demandes.get(engagement).cloned() else {
            return;
        };
        let numero_am = self.caisses.numeros[engagement].clone();
        let (engagement, rib) = (engagement.clone(), Rib::Present);
        let name = format!("rib {engagement} {}", m.now);
        let answer = NumeroAmCree { demande, engagement, numero_am, rib };
        let delay = m.heures(1, 72, &("rib obtenu", agence.user()));
        self.publier(&agence, &name, &answer, delay, m);
    }

    pub(super) fn rib_demande(&mut self, agence: &Agence, ask: &RibDemande, m: &mut Milieu) {
        let name = ask.demande.id.to_string();
        let silent = self.scenario.draw(&["cpam", &name]).percent(30);
        if (ask.demande.rang == 1 && silent) || !self.caisses.repondues.insert(ask.demande.id) {
            return;
        }
        let answer = RibRecu { demande: ask.demande, engagement: ask.engagement.clone() };
        let delay = m.heures(24, 10 * 24, &name);
        self.publier(agence, &name, &answer, delay, m);
    }

    /// Lines are paid after some days; a few are rejected, those stated again never.
    pub(super) fn payer(&mut self, agence: &Agence, etat: &EtatMensuel, m: &mut Milieu) {
        if !self.caisses.repondues.insert(etat.demande.id) {
            return;
        }
        let delay = m.heures(3 * 24, 12 * 24, &etat.demande.id);
        let rejects = |ligne: &Uuid| self.scenario.draw(&["rejet", &ligne.to_string()]).percent(8);
        let lines = etat.lignes.iter();
        let (rejected, paid): (Vec<_>, Vec<_>) =
            lines.partition(|l| l.corrige.is_none() && rejects(&l.ligne));
        let demande = etat.demande;
        for ligne in rejected {
            let (ligne, code) = (ligne.ligne, "compte-clos".to_owned());
            let answer = PaiementRejete { demande, ligne, code };
            self.publier(agence, &ligne.to_string(), &answer, delay, m);
        }
        if !paid.is_empty() {
            let date = paris_date(m.now + delay);
            let lignes = paid.iter().map(|l| l.ligne).collect();
            let answer = PaiementEffectue { demande, lignes, date };
            self.publier(agence, &demande.id.to_string(), &answer, delay, m);
        }
    }
}
