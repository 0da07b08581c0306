//! People read their mail and follow its links: CDOM, doctors, sites.

use contact::{Courriel, Modele};
use cpam_cps::CpamCps;
use indemnite::Indemnite;
use kernel::Fault;
use ordinal_adapter::OrdinalAdapter;
use uuid::Uuid;

use super::Monde;
use crate::{
    milieu::{Dehors, Milieu, Qui, Reaction},
    moteur::Repond,
};

impl Monde {
    /// A mail arrives.
    pub(super) fn lire(&self, qui: Qui, courriel: &Courriel, id: Uuid, m: &mut Milieu) {
        let Some(lien) = &courriel.lien else { return };
        let name = id.to_string();
        let draw = |what: &str| self.scenario.draw(&[&name, what]);
        let (reaction, delay) = match (lien.sujet.as_str(), &courriel.modele) {
            ("verification", modele) => {
                let first = *modele == Modele::VerificationDemandee;
                if first && draw("silence").percent(20) {
                    return;
                }
                let numero = lien.cle.trim_start_matches("dossier/").parse().expect("a dossier");
                let delay = self.delai_cdom(numero, m);
                (Reaction::Verification(numero), delay)
            }
            ("retrait", _) => {
                let id = lien.cle.trim_start_matches("engagement/").parse().expect("engagement");
                let (candidature, lieu) = self.de_engagement(&id).expect("of the script");
                let script = ["retrait", id.as_str()];
                let cut = (self.scenario.candidatures[candidature].numero, lieu);
                if self.scenario.coupes.retraits.contains(&cut)
                    || !self.scenario.draw(&script).percent(18)
                {
                    return;
                }
                let delay = m.heures(2 * 24, 30 * 24, &script);
                // Some tell the CDOM, which has a queue, instead of using the link.
                let medecin = self.scenario.candidatures[candidature].medecin;
                let queue = self.scenario.medecins[medecin].cdom == "63";
                if queue && self.scenario.draw(&["retrait au CDOM", id.as_str()]).percent(40) {
                    m.dehors(delay, Dehors::Fin(candidature, lieu));
                    return;
                }
                (Reaction::Retrait(candidature, lieu), delay)
            }
            ("attestation", _) => {
                if draw("repond").percent(30) {
                    return;
                }
                (Reaction::Attestation, m.heures(1, 60, &("attestation", &name)))
            }
            ("numero-am", modele) => {
                // Some answer the reminder only.
                if *modele == Modele::NumeroAmDemande && draw("silence").percent(30) {
                    return;
                }
                (Reaction::Numero, m.heures(24, 9 * 24, &("numero", &name)))
            }
            // A page to read: it asks nothing.
            ("planning", _) => return,
            ("rib", _) => (Reaction::RibRecu, m.heures(24, 10 * 24, &("rib", &name))),
            (other, _) => panic!("a link of an unknown kind: {other}"),
        };
        m.dehors(delay, Dehors::Lien(qui, Box::new(lien.clone()), Box::new(reaction)));
    }

    /// A doctor withdraws: comes for the last time that day.
    pub(crate) fn retirer(&mut self, candidature: usize, lieu: usize, m: &mut Milieu) {
        let today = kernel::paris_date(m.now);
        self.retraits.entry((candidature, lieu)).or_insert(today);
        m.note(|| format!("retrait {candidature} {lieu} le {today}"));
    }
}

impl Repond<OrdinalAdapter> for Monde {
    fn repondre(
        &mut self,
        ask: &ordinal_adapter::Ask,
        id: Uuid,
        m: &mut Milieu,
    ) -> Result<ordinal_adapter::Answer, Fault> {
        let ordinal_adapter::Ask::Courriel(courriel) = ask;
        self.lire(Qui::Ordinal, courriel, id, m);
        Ok(ordinal_adapter::Answer::Envoye)
    }
}

impl Repond<CpamCps> for Monde {
    fn repondre(
        &mut self,
        ask: &cpam_cps::Ask,
        id: Uuid,
        m: &mut Milieu,
    ) -> Result<cpam_cps::Answer, Fault> {
        match ask {
            cpam_cps::Ask::Courriel(courriel) | cpam_cps::Ask::Papier { courriel, .. } => {
                self.lire(Qui::Cpam, courriel, id, m);
                Ok(cpam_cps::Answer::Envoye)
            }
            cpam_cps::Ask::Deposer { .. }
            | cpam_cps::Ask::Relever { .. }
            | cpam_cps::Ask::Rendre { .. } => {
                Err(Fault::permanent("sans-depot", "no CPAM has a folder here"))
            }
        }
    }
}

impl Repond<Indemnite> for Monde {
    fn repondre(
        &mut self,
        ask: &indemnite::Ask,
        id: Uuid,
        m: &mut Milieu,
    ) -> Result<indemnite::Answer, Fault> {
        self.lire(Qui::Indemnite, &ask.courriel, id, m);
        Ok(indemnite::Answer::Envoye)
    }
}
