//! The CDOM: those with a queue answer on it, the others by the link of their mail.

use chrono::{Days, TimeDelta};
use contracts::{
    Agence, Message,
    messages::{
        CauseFin, EtatMensuel, FinPrononcee, Issue, NumeroAmDemande, RibDemande,
        VerificationDemandee, VerificationRendue,
    },
};
use kernel::{derive_id, paris_date};

use super::Monde;
use crate::{
    milieu::{Courrier, Milieu},
    scenario::{LIEUX, Parcours},
};

impl Monde {
    /// An agency reads its queue.
    pub(super) fn recevoir(&mut self, courrier: &Courrier, m: &mut Milieu) {
        let agence = courrier.routing_key.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let agence: Agence = agence.parse().expect("an agency");
        match courrier.envelope.message_type.as_str() {
            VerificationDemandee::TYPE => self.verifier(&agence, &lu(courrier), m),
            NumeroAmDemande::TYPE => self.numero_demande(&agence, &lu(courrier), m),
            RibDemande::TYPE => self.rib_demande(&agence, &lu(courrier), m),
            EtatMensuel::TYPE => self.payer(&agence, &lu(courrier), m),
            _ => {}
        }
    }

    /// A doctor told the CDOM, which ends the mission a few days later: at the site, or wherever the
    /// doctor practises when that is the same.
    pub(super) fn finir(&mut self, candidature: usize, lieu: usize, m: &mut Milieu) {
        if self.retraits.contains_key(&(candidature, lieu)) {
            return;
        }
        let engagement = self.engagement(candidature, lieu);
        let draw = |what: &str| self.scenario.draw(&["fin", what, engagement.as_str()]);
        let last = paris_date(m.now) + Days::new(draw("effet").between(1, 4));
        let filed = self.scenario.candidatures[candidature].medecin;
        let doctor = &self.scenario.medecins[filed];
        let sites = self.scenario.candidatures.iter().filter(|c| c.medecin == filed);
        let everywhere = sites.map(|c| c.lieux.len()).sum::<usize>() == 1;
        let answer = FinPrononcee {
            rpps: doctor.rpps.clone(),
            lieu: (!everywhere).then(|| LIEUX[lieu].0.parse().expect("id")),
            a_compter_du: last + Days::new(1),
            cause: CauseFin::Retrait,
        };
        let agence = Agence::cdom(&doctor.cdom.parse().expect("code"));
        m.note(|| format!("fin {candidature} {lieu} après le {last}"));
        self.publier(&agence, &format!("fin {engagement}"), &answer, TimeDelta::zero(), m);
        self.retraits.insert((candidature, lieu), last);
    }

    /// How long a CDOM takes: long, when the doctor is going to delete the dossier.
    pub(super) fn delai_cdom(&self, numero: u64, m: &mut Milieu) -> TimeDelta {
        let all = &self.scenario.candidatures;
        let candidature = all.iter().find(|c| c.numero == numero).expect("of the script");
        match candidature.parcours {
            Parcours::Suppression => m.heures(12 * 24, 18 * 24, &("cdom", numero)),
            Parcours::Simple
            | Parcours::Incomplet
            | Parcours::IncompletJamais
            | Parcours::RppsFaux
            | Parcours::Refus
            | Parcours::Complement => m.heures(6, 120, &("cdom", numero)),
        }
    }

    /// What a CDOM decides: a number that it does not know is a reason to ask for more.
    pub(crate) fn decision(&mut self, numero: u64, rpps: &contracts::Rpps) -> Issue {
        let all = &self.scenario.candidatures;
        let candidature = all.iter().find(|c| c.numero == numero).expect("of the script");
        let known = self.scenario.medecins[candidature.medecin].rpps == *rpps;
        match candidature.parcours {
            _ if !known => Issue::Complement,
            Parcours::Complement if self.complements.insert(numero) => Issue::Complement,
            Parcours::Refus => Issue::Defavorable,
            Parcours::Simple
            | Parcours::Incomplet
            | Parcours::IncompletJamais
            | Parcours::RppsFaux
            | Parcours::Complement
            | Parcours::Suppression => Issue::Favorable,
        }
    }

    fn verifier(&mut self, agence: &Agence, ask: &VerificationDemandee, m: &mut Milieu) {
        let id = ask.demande.id.to_string();
        let silent = self.scenario.draw(&["cdom", &id]).percent(15);
        if (ask.demande.rang == 1 && silent) || !self.verifications.insert(ask.demande.id) {
            return;
        }
        let delay = self.delai_cdom(ask.dossier.0, m);
        let issue = self.decision(ask.dossier.0, &ask.medecin.rpps);
        let answer = VerificationRendue {
            demande: ask.demande,
            dossier: ask.dossier,
            issue,
            champs: vec!["diplome".to_owned()],
            rendue_le: m.now + delay,
            agent: "agent-7".to_owned(),
        };
        self.publier(agence, &derive_id(&["verification", &id]).to_string(), &answer, delay, m);
    }
}

pub(super) fn lu<T: serde::de::DeserializeOwned>(courrier: &Courrier) -> T {
    serde_json::from_slice(&courrier.envelope.data).expect("a message of the catalogue")
}
