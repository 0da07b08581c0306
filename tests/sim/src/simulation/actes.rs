//! What people do with links and tasks: they need to see what the services show.

use std::rc::Rc;

use chrono::NaiveDate;
use contracts::{EngagementId, messages::TacheOuverte};
use cpam_cps::CpamCps;
use indemnite::{Indemnite, State};
use kernel::derive_id;
use ordinal_adapter::OrdinalAdapter;
use service::Service;

use super::Simulation;
use crate::{
    milieu::{Dehors, Qui, Reaction},
    monde::Monde,
};

impl Simulation {
    /// Somebody follows a link; tries again later while the service is away.
    pub(super) fn suivre(&mut self, qui: Qui, lien: Box<contact::Lien>, reaction: Box<Reaction>) {
        let registre = Rc::clone(&self.monde.scenario.registre);
        let id = derive_id(&["lien", &format!("{lien:?} {}", self.m.now)]);
        let taken = match (qui, &*reaction) {
            (Qui::Indemnite, Reaction::Attestation) => {
                let number: u32 = lien.question.parse().expect("a question");
                let members = membres(self.indemnite.etat(&lien.cle).as_ref(), |p, _| p == number);
                let choix = self.monde.attestation(&members);
                let page =
                    Indemnite::question(self.indemnite.etat(&lien.cle).as_ref(), &lien, &registre);
                let page = page.expect("a page");
                let code = choix.to_string();
                if !self.indemnite.debout {
                    false
                } else if page.choix.iter().any(|(c, _)| *c == code) {
                    let event = Indemnite::reponse(&lien, &code).expect("a known answer");
                    if self.atteste(&members, &choix) {
                        let again = self.m.heures(1, 8, &("encore", &lien.cle));
                        let (lien, reaction) = (lien.clone(), reaction.clone());
                        self.m.dehors(again, Dehors::Lien(qui, lien, reaction));
                    }
                    self.indemnite.observer(id, lien.cle.clone(), &event, &mut self.m)
                } else {
                    return;
                }
            }
            (Qui::Ordinal, reaction) => {
                let etat = self.ordinal.etat(&lien.cle);
                let page = OrdinalAdapter::question(etat.as_ref(), &lien, &registre);
                let open = page.is_some_and(|p| !p.choix.is_empty());
                if self.ordinal.debout && !open {
                    return;
                }
                let code = match reaction {
                    _ if !self.ordinal.debout => String::new(),
                    Reaction::Verification(numero) => {
                        let rpps = rpps_de(etat.as_ref()).expect("a verification");
                        ordinal_adapter::wire::code(self.monde.decision(*numero, &rpps)).to_owned()
                    }
                    Reaction::Retrait(candidature, lieu) => {
                        self.monde.retirer(*candidature, *lieu, &mut self.m);
                        ordinal_adapter::wire::RETIRER.to_owned()
                    }
                    Reaction::Attestation | Reaction::Numero | Reaction::RibRecu => return,
                };
                self.ordinal.debout && {
                    let event = OrdinalAdapter::reponse(&lien, &code).expect("a known answer");
                    self.ordinal.observer(id, lien.cle.clone(), &event, &mut self.m)
                }
            }
            (Qui::Cpam, reaction) => {
                let etat = self.cpam.etat(&lien.cle);
                let page = CpamCps::question(etat.as_ref(), &lien, &registre);
                if self.cpam.debout && page.is_none_or(|p| p.choix.is_empty()) {
                    return;
                }
                self.cpam.debout && {
                    let rib = matches!(reaction, Reaction::RibRecu);
                    let (choix, champs) = self.monde.reponse_caisse(&lien.cle, rib);
                    let event = CpamCps::reponse_remplie(&lien, choix, &champs);
                    let event = event.expect("well written").expect("a known answer");
                    self.cpam.observer(id, lien.cle.clone(), &event, &mut self.m)
                }
            }
            (Qui::Ds | Qui::Rpps | Qui::Rdv | Qui::Indemnite, _) => return,
        };
        if !taken {
            let again = self.m.heures(1, 4, &("lien", &lien.cle));
            self.m.dehors(again, Dehors::Lien(qui, lien, reaction));
        }
    }

    /// Notes what a site answered; says whether somebody is left to answer for.
    fn atteste(&mut self, members: &[(EngagementId, NaiveDate)], choix: &indemnite::Choix) -> bool {
        let mut left = false;
        for (engagement, date) in members {
            match choix.presence(engagement) {
                Some(present) => {
                    let key = (engagement.clone(), *date);
                    self.monde.attestes.entry(key).or_insert(present);
                }
                None => left = true,
            }
        }
        left
    }

    /// The operator closes a task, unless it was closed meanwhile.
    pub(super) fn fermer(&mut self, tache: Box<TacheOuverte>) {
        if !self.monde.taches.contains(&tache.tache) {
            return;
        }
        let members = match tache.gabarit.as_str() {
            "attestation-manuelle" => {
                membres(self.indemnite.etat(&tache.cle).as_ref(), |_, t| t == Some(tache.tache))
            }
            _ => Vec::new(),
        };
        let choix = (!members.is_empty()).then(|| self.monde.attestation(&members));
        let text = choix.as_ref().map(ToString::to_string);
        let (qui, action) = self.monde.fermeture(&tache, text, &self.m);
        let m = &mut self.m;
        // The activity ended before the CPAM answered: the number is asked for again, or the CPAM is
        // called about the bank details.
        let asked = match tache.champs.get("manque").map(String::as_str) {
            Some("numero_am") => self.cpam.agir(&Monde::redemande(&tache), m),
            Some(_) => {
                let engagement = tache.champs["engagement"].parse().expect("an engagement");
                self.monde.rib_obtenu(&engagement, m);
                true
            }
            None => true,
        };
        let taken = asked && avec!(self, qui, s => s.agir(&action, m));
        let left = taken && choix.is_some_and(|choix| self.atteste(&members, &choix));
        if !taken || left {
            let again = self.m.heures(3, 12, &("tâche", tache.tache));
            self.m.dehors(again, Dehors::Tache(tache));
        }
    }
}

/// The doctors of a question that is not answered: by its number, or by the task that stands for it.
fn membres(
    etat: Option<&State>,
    asked: impl Fn(u32, Option<uuid::Uuid>) -> bool,
) -> Vec<(EngagementId, NaiveDate)> {
    let Some(State::Attestation(day)) = etat else { return Vec::new() };
    let open = day.presences.values().filter(|p| p.reponse.is_none());
    let of = open.filter(|p| {
        let Some(number) = p.question else { return false };
        let index = usize::try_from(number).expect("small") - 1;
        asked(number, day.questions[index].tache)
    });
    of.map(|p| (p.tenue.engagement.clone(), p.tenue.date)).collect()
}

/// The number that a CDOM is asked about.
fn rpps_de(etat: Option<&ordinal_adapter::State>) -> Option<contracts::Rpps> {
    use ordinal_adapter::state::{Dossier, State};
    match etat? {
        State::Dossier(dossier) => match &**dossier {
            Dossier::Verification { instruction, .. } => {
                Some(instruction.candidature.medecin.rpps.clone())
            }
            Dossier::Attendu { .. }
            | Dossier::Identification { .. }
            | Dossier::Complement { .. }
            | Dossier::Autorise { .. }
            | Dossier::Refuse { .. }
            | Dossier::Retire { .. } => None,
        },
        State::Engagement(_) | State::Medecin(_) => None,
    }
}
