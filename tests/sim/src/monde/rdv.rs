//! RDV Service Public, as the client of rdv-agenda-sync sees it, and the doctors who open slots.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use kernel::{Fault, paris_at, paris_date};
use rdv_agenda_sync::{
    RdvAgendaSync,
    planning::PlageOuverte,
    state::{Question, Releve, Reponse},
    webhook::{Fait, Observation, Rdv},
    wire::{Agent, StatutRdv},
};
use uuid::Uuid;

use super::{Jour, Monde};
use crate::{
    milieu::{Dehors, Milieu, Qui, Tic},
    moteur::Repond,
    scenario::{Issue, LIEUX},
};

/// The organisation of a site.
pub(crate) fn organisation(lieu: usize) -> i64 {
    2001 + i64::try_from(lieu).expect("small")
}

fn agent(medecin: usize) -> i64 {
    500 + i64::try_from(medecin).expect("small")
}

impl Monde {
    fn observation(
        &self,
        medecin: usize,
        id: i64,
        horodatage: DateTime<Utc>,
        fait: Fait,
    ) -> Observation {
        let email = Some(self.scenario.medecins[medecin].courriel.clone());
        Observation { id, horodatage, agents: vec![Agent { id: agent(medecin), email }], fait }
    }

    /// A doctor opens the slots of the script, each on its day.
    pub(super) fn ouvrir(&mut self, candidature: usize, lieu: usize, m: &mut Milieu) {
        let today = paris_date(m.now);
        if !self.exerce(candidature, lieu, today) {
            return;
        }
        let medecin = self.scenario.candidatures[candidature].medecin;
        for intention in self.scenario.intentions(candidature, lieu) {
            let date = today + Days::new(intention.dans);
            let plage = PlageOuverte {
                premier_jour: date,
                debut: intention.debut,
                fin: intention.fin,
                regle: None,
            };
            let id = self.prochain;
            self.prochain += 1;
            let rank = self.jours.len();
            let fait = Fait::Plage(Some(plage));
            Self::webhook(lieu, &self.observation(medecin, id, m.now, fait), m);
            self.jours.push(Jour {
                candidature,
                lieu,
                engagement: self.engagement(candidature, lieu),
                date,
                plage: id,
                demi_journees: intention.demi_journees,
                vient: intention.vient,
                vus: intention.vus,
                annulee: false,
            });
            let heure = |h, min| NaiveTime::from_hms_opt(h, min, 0).expect("time");
            if let Some(before) = intention.annulee {
                let at = paris_at(date - Days::new(before), heure(10, 30));
                m.plan(at, Tic::Monde(Dehors::Annulation(rank)));
            }
            m.plan(paris_at(date, heure(18, 30)), Tic::Monde(Dehors::Consultation(rank)));
            m.note(|| format!("plage {id} ouverte à {} le {date}", LIEUX[lieu].0));
        }
    }

    /// RDV Service Public posts, sometimes late, sometimes twice.
    fn webhook(lieu: usize, observation: &Observation, m: &mut Milieu) {
        let nom = (lieu, observation.id);
        let times = if m.malheur(80, "webhooks doublés", &nom) { 2 } else { 1 };
        for _ in 0..times {
            let delay = m.trajet(&nom);
            m.dehors(delay, Dehors::Webhook(lieu, Box::new(observation.clone())));
        }
    }

    pub(super) fn annuler(&mut self, rank: usize, m: &mut Milieu) {
        self.jours[rank].annulee = true;
        let jour = &self.jours[rank];
        let medecin = self.scenario.candidatures[jour.candidature].medecin;
        m.note(|| format!("plage {} annulée", jour.plage));
        Self::webhook(
            jour.lieu,
            &self.observation(medecin, jour.plage, m.now, Fait::Plage(None)),
            m,
        );
    }

    /// The day is over: appointments are honoured, or not.
    pub(super) fn consulter(&mut self, rank: usize, m: &mut Milieu) {
        let jour = &self.jours[rank];
        if jour.annulee || !self.exerce(jour.candidature, jour.lieu, jour.date) {
            return;
        }
        let (statut, count) =
            if jour.vient { (StatutRdv::Seen, jour.vus) } else { (StatutRdv::Noshow, 1) };
        let medecin = self.scenario.candidatures[jour.candidature].medecin;
        let (lieu, date) = (jour.lieu, jour.date);
        let nine = paris_at(date, NaiveTime::from_hms_opt(9, 0, 0).expect("time"));
        for n in 0..count {
            let debut = nine + TimeDelta::minutes(20 * i64::try_from(n).expect("small"));
            let rdv = Rdv { debut, fin: debut + TimeDelta::minutes(20), statut };
            let id = 100_000 + self.prochain;
            self.prochain += 1;
            Self::webhook(lieu, &self.observation(medecin, id, m.now, Fait::Rdv(Some(rdv))), m);
        }
    }

    /// Everything is sent again: here what every site has, the rights of a doctor.
    fn renvoyer(&self, organisation_id: i64, m: &mut Milieu) {
        let lieu = (0..3).find(|l| organisation(*l) == organisation_id).expect("a known site");
        let Some((candidature, _)) = self.ouverts.iter().find(|(_, l)| *l == lieu) else { return };
        let medecin = self.scenario.candidatures[*candidature].medecin;
        let id = 900_000 + agent(medecin);
        Self::webhook(lieu, &self.observation(medecin, id, m.now, Fait::Role(true)), m);
    }

    /// A doctor is invited: slots are opened some days later, once.
    fn inviter(&mut self, organisation_id: i64, courriel: &str, m: &mut Milieu) -> usize {
        let lieu = (0..3).find(|l| organisation(*l) == organisation_id).expect("a known site");
        let medecin = self.scenario.medecins.iter().position(|d| d.courriel == courriel);
        let medecin = medecin.expect("a doctor of the script");
        for (index, candidature) in self.scenario.candidatures.iter().enumerate() {
            let theirs = candidature.medecin == medecin && candidature.lieux.contains(&lieu);
            let open = candidature.parcours.issue() == Issue::Autorise;
            if theirs && open && self.ouverts.insert((index, lieu)) {
                let delay = m.heures(4, 120, &("ouverture", index, lieu));
                m.dehors(delay, Dehors::Ouverture(index, lieu));
            }
        }
        medecin
    }
}

impl Repond<RdvAgendaSync> for Monde {
    fn repondre(&mut self, ask: &Question, id: Uuid, m: &mut Milieu) -> Result<Reponse, Fault> {
        Ok(match ask {
            Question::EnregistrerWebhook { organisation, .. } => Reponse::Webhook(*organisation),
            Question::CreerLieu { organisation, .. } => Reponse::Lieu(*organisation),
            Question::CreerMotif { organisation, .. } => Reponse::Motif(*organisation),
            Question::Resynchroniser { organisation, .. } => {
                self.renvoyer(*organisation, m);
                Reponse::Resynchronise
            }
            Question::Inviter { organisation, courriel, .. } => {
                let medecin = self.inviter(*organisation, courriel, m);
                Reponse::Agent { agent: agent(medecin), lu_le: m.now, absences: Vec::new() }
            }
            Question::VerifierCompte | Question::Consentir { .. } => {
                Reponse::Compte { blocage: None }
            }
            Question::Constater(_) => Reponse::PasEncore,
            // Webhooks say everything here; a reading adds nothing.
            Question::Relever { .. } => Reponse::Releve(Box::new(Releve {
                lu_le: m.now,
                agents: Vec::new(),
                absences: Vec::new(),
                rdvs: Vec::new(),
            })),
            Question::Courriel(courriel) | Question::Planning { courriel, .. } => {
                self.lire(Qui::Rdv, courriel, id, m);
                Reponse::Envoye
            }
        })
    }
}
