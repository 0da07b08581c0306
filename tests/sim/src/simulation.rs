//! The six services, the broker between them, and the outside, on one line of time.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use chrono::{DateTime, Days, TimeDelta, Utc};
use contracts::{
    Flux, Message,
    messages::{ActiviteAutorisee, TacheFaite, TacheOuverte},
};
use cpam_cps::CpamCps;
use ds_intake::DsIntake;
use indemnite::Indemnite;
use kernel::{Secret, derive_id};
use ordinal_adapter::OrdinalAdapter;
use rdv_agenda_sync::RdvAgendaSync;
use rpps_flux::RppsFlux;
use serde_json::json;

use crate::{
    Essai,
    livre::Reste,
    milieu::{Boucle, Courrier, Dehors, Milieu, Qui, Tic},
    monde::Monde,
    moteur::Moteur,
    scenario::{JOURS, LIEUX, Scenario},
};

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

// After the macro, which it uses.
mod actes;

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

fn config<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).expect("settings")
}

impl Simulation {
    pub(crate) fn new(seed: u64, essai: &Essai, trace: bool) -> Self {
        let scenario = Scenario::new(seed, &essai.coupes);
        let (debut, calme_a) = (scenario.debut, scenario.calme_a());
        let m = Milieu::new(seed, essai.permis.clone(), debut, calme_a, trace);
        let sabotage = essai.sabotage;
        let registre = Rc::clone(&scenario.registre);
        let fin = scenario.debut + Days::new(JOURS + APRES);
        let mut ds = ds_intake::Config::new("http://ds.example", 1, Secret::new("x"), "robot");
        ds.poll_interval_s = 24 * 3600;
        let rpps = json!({ "base_url": "http://rpps.example", "cle_pseudonymes": "x" });
        let secret = "0123456789abcdef0123456789abcdef";
        let rdv = json!({
            "public_url": "https://relais.example",
            "webhook_secret": secret,
            "credential_key": secret,
            "client_id": "x",
            "client_secret": "x",
            "api": { "base_url": "https://rdv.example" },
            "verification_heures": 24,
            "reconciliation_jours": 1 + seed % 3,
            // The organisation of the second site is a task.
            "organisations": { "ambert": 2001, "vichy": 2003 },
        });
        Self {
            ds: Moteur::new(Qui::Ds, ds, &registre, sabotage),
            ordinal: Moteur::new(
                Qui::Ordinal,
                ordinal_adapter::Config::default(),
                &registre,
                sabotage,
            ),
            rpps: Moteur::new(Qui::Rpps, config(rpps), &registre, sabotage),
            cpam: Moteur::new(Qui::Cpam, cpam_cps::Config::default(), &registre, sabotage),
            rdv: Moteur::new(Qui::Rdv, config(rdv), &registre, sabotage),
            indemnite: Moteur::new(
                Qui::Indemnite,
                indemnite::Config::default(),
                &registre,
                sabotage,
            ),
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

    /// What each store keeps.
    pub(crate) fn restes(&self) -> BTreeMap<Qui, Reste> {
        BTreeMap::from([
            (Qui::Ds, self.ds.reste()),
            (Qui::Ordinal, self.ordinal.reste()),
            (Qui::Rpps, self.rpps.reste()),
            (Qui::Cpam, self.cpam.reste()),
            (Qui::Rdv, self.rdv.reste()),
            (Qui::Indemnite, self.indemnite.reste()),
        ])
    }

    fn tic(&mut self, tic: Tic) {
        let m = &mut self.m;
        match tic {
            Tic::Livraison(qui, courrier) => avec!(self, qui, s => s.livrer(courrier, m)),
            Tic::Boucle(qui, boucle) => self.boucle(qui, boucle),
            Tic::Appel(qui, vie, leased) => {
                let monde = &mut self.monde;
                avec!(self, qui, s => s.conclure(vie, &leased, monde, m));
            }
            Tic::Tardif(qui, vie, rang) => avec!(self, qui, s => s.reprendre(vie, rang, m)),
            Tic::Retour(qui) => avec!(self, qui, s => s.demarrer(m)),
            Tic::Monde(dehors) => self.dehors(dehors),
        }
    }

    fn boucle(&mut self, qui: Qui, boucle: Boucle) {
        let m = &mut self.m;
        match boucle {
            Boucle::Consommer => avec!(self, qui, s => s.consommer(m)),
            Boucle::Entrees => avec!(self, qui, s => s.prendre(m)),
            Boucle::Demandes => avec!(self, qui, s => s.appeler(m)),
            Boucle::Relais => {
                for courrier in avec!(self, qui, s => s.relayer(m)) {
                    self.router(&courrier);
                }
            }
        }
    }

    /// The broker: each queue bound to a message gets its copy, now and then two.
    fn router(&mut self, courrier: &Rc<Courrier>) {
        if self.publies.insert(courrier.cause()) {
            self.m.publies.push(Rc::clone(courrier));
            self.observer(courrier);
        }
        let (flux, key) = (courrier.flux, courrier.routing_key.as_str());
        for qui in Qui::TOUS {
            if !avec!(self, qui, s => s.ecoute(flux, key)) {
                continue;
            }
            let nom = (qui, courrier.cause());
            let copies = if self.m.malheur(40, "livraisons doublées", &nom) { 2 } else { 1 };
            for _ in 0..copies {
                let delay = self.m.trajet(&nom);
                self.m.dans(delay, Tic::Livraison(qui, Rc::clone(courrier)));
            }
        }
        if flux == Flux::Demandes {
            let nom = courrier.cause();
            let copies = if self.m.malheur(40, "demandes doublées", &nom) { 2 } else { 1 };
            for _ in 0..copies {
                let delay = self.m.trajet(&nom);
                self.m.dehors(delay, Dehors::Recue(Rc::clone(courrier)));
            }
        }
    }

    /// What the outside does about a fact, the first time it is published.
    fn observer(&mut self, courrier: &Courrier) {
        let body = courrier.envelope.data.as_slice();
        match courrier.envelope.message_type.as_str() {
            TacheOuverte::TYPE => {
                let tache: TacheOuverte = serde_json::from_slice(body).expect("a message");
                self.monde.taches.insert(tache.tache);
                let delay = self.m.heures(2, 72, &("tâche", tache.tache));
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
                    let delay =
                        self.m.heures(2 * 24, 9 * 24, &("ligne rpps", a.engagement.as_str()));
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
                if !self.rdv.observer(id, key, &event, &mut self.m) {
                    let again = self.m.heures(0, 2, &("webhook", id)) + TimeDelta::minutes(1);
                    self.m.dehors(again, Dehors::Webhook(lieu, observation));
                }
            }
            Dehors::Lien(qui, lien, reaction) => self.suivre(qui, lien, reaction),
            Dehors::Tache(tache) => self.fermer(tache),
            Dehors::Tournee => {
                for qui in Qui::TOUS {
                    avec!(self, qui, s => s.depanner(&mut self.m));
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
            | Dehors::Fin(..)
            | Dehors::LigneRpps(..)
            | Dehors::Carte(_) => self.monde.arriver(&dehors, &mut self.m),
        }
    }
}
