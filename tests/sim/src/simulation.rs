//! The six services, the broker between them, and the outside, on one line of time.

use std::{collections::BTreeSet, rc::Rc};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use contracts::{
    EngagementId, Flux, Message,
    messages::{ActiviteAutorisee, TacheFaite, TacheOuverte},
};
use cpam_cps::CpamCps;
use ds_intake::DsIntake;
use indemnite::{Indemnite, State};
use kernel::{Secret, derive_id};
use ordinal_adapter::OrdinalAdapter;
use rdv_agenda_sync::RdvAgendaSync;
use rpps_flux::RppsFlux;
use serde_json::json;
use service::Service;

use crate::{
    milieu::{Courrier, Dehors, Milieu, Qui, Reaction, Tic},
    monde::Monde,
    moteur::Moteur,
    scenario::{JOURS, LIEUX, Scenario},
};

/// Days that everything has to end in, once nothing goes wrong any more: two closings, payments,
/// what was rejected stated again.
const APRES: u64 = 130;

/// A simulation.
pub(crate) struct Simulation {
    pub(crate) ds: Moteur<DsIntake>,
    pub(crate) ordinal: Moteur<OrdinalAdapter>,
    pub(crate) rpps: Moteur<RppsFlux>,
    pub(crate) cpam: Moteur<CpamCps>,
    pub(crate) rdv: Moteur<RdvAgendaSync>,
    pub(crate) indemnite: Moteur<Indemnite>,
    pub(crate) monde: Monde,
    pub(crate) m: Milieu,
    publies: BTreeSet<String>,
    fin: DateTime<Utc>,
}

/// Runs `$body` with the service `$qui` as `$s`.
macro_rules! avec {
    ($sim:expr, $qui:expr, $s:ident => $body:expr) => {
        match $qui {
            Qui::Ds => {
                let $s = &mut $sim.ds;
                $body
            }
            Qui::Ordinal => {
                let $s = &mut $sim.ordinal;
                $body
            }
            Qui::Rpps => {
                let $s = &mut $sim.rpps;
                $body
            }
            Qui::Cpam => {
                let $s = &mut $sim.cpam;
                $body
            }
            Qui::Rdv => {
                let $s = &mut $sim.rdv;
                $body
            }
            Qui::Indemnite => {
                let $s = &mut $sim.indemnite;
                $body
            }
        }
    };
}

fn config<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).expect("settings")
}

impl Simulation {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let scenario = Scenario::new(seed);
        let m = Milieu::new(seed, scenario.debut, scenario.calme_a(), trace);
        let registre = Rc::clone(&scenario.registre);
        let fin = scenario.debut + Days::new(JOURS + APRES);
        let mut ds = ds_intake::Config::new("http://ds.example", 1, Secret::new("x"), "robot");
        ds.poll_interval_s = 12 * 3600;
        let rpps = json!({ "base_url": "http://rpps.example", "cle_pseudonymes": "x" });
        let secret = "0123456789abcdef0123456789abcdef";
        let rdv = json!({
            "public_url": "https://relais.example",
            "webhook_secret": secret,
            "credential_key": secret,
            "client_id": "x",
            "client_secret": "x",
            "api": { "base_url": "https://rdv.example" },
            // The organisation of the second site is a task.
            "organisations": { "ambert": 2001, "vichy": 2003 },
        });
        Self {
            ds: Moteur::new(Qui::Ds, ds, &registre),
            ordinal: Moteur::new(Qui::Ordinal, ordinal_adapter::Config::default(), &registre),
            rpps: Moteur::new(Qui::Rpps, config(rpps), &registre),
            cpam: Moteur::new(Qui::Cpam, cpam_cps::Config::default(), &registre),
            rdv: Moteur::new(Qui::Rdv, config(rdv), &registre),
            indemnite: Moteur::new(Qui::Indemnite, indemnite::Config::default(), &registre),
            monde: Monde::new(scenario),
            m,
            publies: BTreeSet::new(),
            fin,
        }
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) {
        for qui in Qui::TOUS {
            avec!(self, qui, s => s.demarrer(&mut self.m));
        }
        self.monde.commencer(&mut self.m);
        while let Some(tic) = self.m.next(self.fin) {
            self.tic(tic);
        }
    }

    fn tic(&mut self, tic: Tic) {
        let m = &mut self.m;
        match tic {
            Tic::Livraison(qui, courrier) => {
                let acked = avec!(self, qui, s => s.livrer(&courrier, m));
                if !acked {
                    let again = m.heures(0, 3) + TimeDelta::minutes(5);
                    m.dans(again, Tic::Livraison(qui, courrier));
                }
            }
            Tic::Entree(qui, id) => avec!(self, qui, s => s.entree(id, m)),
            Tic::Reveil(qui, key, reason, due) => {
                avec!(self, qui, s => s.reveil(&key, &reason, due, m));
            }
            Tic::Demande(qui, id) => {
                let monde = &mut self.monde;
                avec!(self, qui, s => s.demander(id, monde, m));
            }
            Tic::Reponse(qui, id) => avec!(self, qui, s => s.reponse(id, m)),
            Tic::Relais(qui, id) => {
                if let Some(courrier) = avec!(self, qui, s => s.relayer(id, m)) {
                    self.router(&courrier);
                }
            }
            Tic::Retour(qui) => avec!(self, qui, s => s.demarrer(m)),
            Tic::Monde(dehors) => self.dehors(dehors),
        }
    }

    /// The broker: each queue bound to a message gets its copy, now and then two.
    fn router(&mut self, courrier: &Rc<Courrier>) {
        if self.publies.insert(courrier.id.clone()) {
            self.m.publies.push(Rc::clone(courrier));
            self.observer(courrier);
        }
        let (flux, key) = (courrier.flux, courrier.routing_key.as_str());
        for qui in Qui::TOUS {
            let bound = match qui {
                Qui::Ds => Moteur::<DsIntake>::ecoute(flux, key),
                Qui::Ordinal => Moteur::<OrdinalAdapter>::ecoute(flux, key),
                Qui::Rpps => Moteur::<RppsFlux>::ecoute(flux, key),
                Qui::Cpam => Moteur::<CpamCps>::ecoute(flux, key),
                Qui::Rdv => Moteur::<RdvAgendaSync>::ecoute(flux, key),
                Qui::Indemnite => Moteur::<Indemnite>::ecoute(flux, key),
            };
            let copies = if self.m.malheur(40, "livraisons doublées") { 2 } else { 1 };
            for _ in 0..if bound { copies } else { 0 } {
                let delay = self.m.trajet();
                self.m.dans(delay, Tic::Livraison(qui, Rc::clone(courrier)));
            }
        }
        if flux == Flux::Demandes {
            let copies = if self.m.malheur(40, "demandes doublées") { 2 } else { 1 };
            for _ in 0..copies {
                let delay = self.m.trajet();
                self.m.dehors(delay, Dehors::Recue(Rc::clone(courrier)));
            }
        }
    }

    /// What the outside does about a fact, the first time it is published.
    fn observer(&mut self, courrier: &Courrier) {
        let body = courrier.body.as_bytes();
        match courrier.message_type.as_str() {
            TacheOuverte::TYPE => {
                let tache: TacheOuverte = serde_json::from_slice(body).expect("a message");
                self.monde.taches.insert(tache.tache);
                let delay = self.m.heures(2, 72);
                self.m.dehors(delay, Dehors::Tache(Box::new(tache)));
            }
            TacheFaite::TYPE => {
                let faite: TacheFaite = serde_json::from_slice(body).expect("a message");
                self.monde.taches.remove(&faite.tache);
            }
            ActiviteAutorisee::TYPE => {
                let ActiviteAutorisee(a) = serde_json::from_slice(body).expect("a message");
                let scenario = &self.monde.scenario;
                let medecin = scenario.medecins.iter().position(|d| d.rpps == a.medecin.rpps);
                let lieu = LIEUX.iter().position(|l| l.0 == a.lieu.id.as_str());
                let (medecin, lieu) = (medecin.expect("a doctor"), lieu.expect("a site"));
                if scenario.draw(&["rpps", a.engagement.as_str()]).percent(85) {
                    let delay = self.m.heures(2 * 24, 9 * 24);
                    self.m.dehors(delay, Dehors::LigneRpps(medecin, lieu));
                }
            }
            _ => {}
        }
    }

    fn dehors(&mut self, dehors: Dehors) {
        match dehors {
            Dehors::Publie(courrier) => self.router(&courrier),
            Dehors::Webhook(lieu, observation) => {
                let key = format!("lieu/{}", LIEUX[lieu].0);
                let event = rdv_agenda_sync::state::Evenement::Webhook((*observation).clone());
                let id = derive_id(&["webhook", &format!("{lieu} {observation:?}")]);
                if !self.rdv.observer(id, key, event, &mut self.m) {
                    let again = self.m.heures(0, 2) + TimeDelta::minutes(1);
                    self.m.dehors(again, Dehors::Webhook(lieu, observation));
                }
            }
            Dehors::Lien(qui, lien, reaction) => self.suivre(qui, lien, reaction),
            Dehors::Tache(tache) => self.fermer(tache),
            Dehors::Tournee => {
                for qui in Qui::TOUS {
                    avec!(self, qui, s => s.rejouer(&mut self.m));
                }
                self.m.dehors(TimeDelta::hours(24), Dehors::Tournee);
            }
            Dehors::Depot(_)
            | Dehors::Correction(_)
            | Dehors::Suppression(_)
            | Dehors::Recue(_)
            | Dehors::Ouverture(..)
            | Dehors::Annulation(_)
            | Dehors::Consultation(_)
            | Dehors::Mesure(..)
            | Dehors::LigneRpps(..)
            | Dehors::Carte(_) => self.monde.arriver(&dehors, &mut self.m),
        }
    }

    /// Somebody follows a link; tries again later while the service is away.
    fn suivre(&mut self, qui: Qui, lien: Box<contact::Lien>, reaction: Box<Reaction>) {
        let registre = Rc::clone(&self.monde.scenario.registre);
        let id = derive_id(&["lien", &format!("{lien:?} {}", self.m.now)]);
        let taken = match (qui, &*reaction) {
            (Qui::Indemnite, Reaction::Attestation) => {
                let number: u32 = lien.question.parse().expect("a question");
                let members = membres(self.indemnite.etat(&lien.cle), |p, _| p == number);
                let choix = self.monde.attestation(&members);
                let page = Indemnite::question(self.indemnite.etat(&lien.cle), &lien, &registre);
                let page = page.expect("a page");
                let code = choix.to_string();
                if !self.indemnite.debout {
                    false
                } else if page.choix.iter().any(|(c, _)| *c == code) {
                    let event = Indemnite::reponse(&lien, &code).expect("a known answer");
                    if self.atteste(&members, &choix) {
                        let again = self.m.heures(1, 8);
                        let (lien, reaction) = (lien.clone(), reaction.clone());
                        self.m.dehors(again, Dehors::Lien(qui, lien, reaction));
                    }
                    self.indemnite.observer(id, lien.cle.clone(), event, &mut self.m)
                } else {
                    return;
                }
            }
            (Qui::Ordinal, reaction) => {
                let etat = self.ordinal.etat(&lien.cle);
                let page = OrdinalAdapter::question(etat, &lien, &registre);
                let open = page.is_some_and(|p| !p.choix.is_empty());
                if self.ordinal.debout && !open {
                    return;
                }
                let code = match reaction {
                    _ if !self.ordinal.debout => String::new(),
                    Reaction::Verification(numero) => {
                        let rpps = rpps_de(etat).expect("a verification");
                        ordinal_adapter::wire::code(self.monde.decision(*numero, &rpps)).to_owned()
                    }
                    Reaction::Retrait(candidature, lieu) => {
                        self.monde.retirer(*candidature, *lieu, &mut self.m);
                        ordinal_adapter::wire::RETIRER.to_owned()
                    }
                    Reaction::Attestation => return,
                };
                self.ordinal.debout && {
                    let event = OrdinalAdapter::reponse(&lien, &code).expect("a known answer");
                    self.ordinal.observer(id, lien.cle.clone(), event, &mut self.m)
                }
            }
            (Qui::Ds | Qui::Rpps | Qui::Cpam | Qui::Rdv | Qui::Indemnite, _) => return,
        };
        if !taken {
            let again = self.m.heures(1, 4);
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
    fn fermer(&mut self, tache: Box<TacheOuverte>) {
        if !self.monde.taches.contains(&tache.tache) {
            return;
        }
        let members = match tache.gabarit.as_str() {
            "attestation-manuelle" => {
                membres(self.indemnite.etat(&tache.cle), |_, t| t == Some(tache.tache))
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
            let again = self.m.heures(3, 12);
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
