//! RDV Service Public, simulated: a real HTTP server written from its documentation and code
//! (OAuth with rotation, the endpoints used, pagination, error shapes), which delivers signed
//! webhooks over HTTP and repeats them as its jobs do. Nothing here comes from `wire.rs`.
//!
//! A scripted world drives it with synchronous methods; what happens to people (an invitation
//! mail) is told to a hook. Change one record at most once per instant: `meta.timestamp` is in
//! seconds, so that two states of the same second cannot be told apart, as in reality.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agency::faults::Faults;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use kernel::{Clock, Tasks};
use tokio::net::TcpListener;

mod api;
mod livraison;
mod monde;
mod oauth;
mod rendu;

use livraison::{Expediteur, Genre, Nature};
use monde::Monde;

pub use rendu::MARQUEUR;

/// How to start it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// Of the draws: ids, tokens, disorder.
    pub seed: u64,
    /// The OAuth application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// A refresh token that a first consent gave.
    pub refresh_token: String,
    /// Lifetime of an access token, in seconds (Doorkeeper's default: 7200).
    pub expires_in_s: u32,
    /// Percentage of deliveries that are held back for 1 to 600 s after their body is rendered.
    pub desordre_pour_cent: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            seed: 1,
            client_id: "relais".to_owned(),
            client_secret: "secret-fictif".to_owned(),
            refresh_token: "consentement-fictif".to_owned(),
            expires_in_s: 7200,
            desordre_pour_cent: 0,
        }
    }
}

/// What happened that people notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evenement {
    /// An invitation mail went to somebody without an account.
    InvitationEnvoyee {
        /// To whom.
        courriel: String,
        /// Where.
        organisation: i64,
    },
    /// Somebody with an account was given access to one more organisation.
    AccesDonne {
        /// To whom.
        courriel: String,
        /// Where.
        organisation: i64,
    },
    /// A webhook was registered.
    WebhookEnregistre {
        /// Where.
        organisation: i64,
        /// Where it posts.
        target_url: String,
    },
    /// A motif was created: the organisation can be used.
    MotifCree {
        /// Where.
        organisation: i64,
    },
}

type Crochet = Arc<dyn Fn(Evenement) + Send + Sync>;

/// The simulated RDV Service Public; cheap to clone.
#[derive(Clone)]
pub struct Simulateur {
    commun: Arc<Commun>,
    /// Faults of the API, by call: `POST /agents <address>`, `POST /lieux <organisation>`,
    /// `POST /motifs <organisation>`, `POST /webhook_endpoints <organisation>`,
    /// `POST /oauth/token`, `GET /agents <organisation>`, …
    pub faults: Faults,
}

struct Commun {
    clock: Clock,
    options: Options,
    url: String,
    monde: Mutex<Monde>,
    crochet: Mutex<Option<Crochet>>,
    expediteur: Expediteur,
}

/// Starts it; it stops with `tasks`.
///
/// # Errors
/// When the port cannot be had.
pub async fn start(clock: Clock, tasks: &Tasks, options: Options) -> io::Result<Simulateur> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (expediteur, receveurs) = Expediteur::new(&clock, tasks);
    let monde = Mutex::new(Monde::new(options.seed, &options.refresh_token));
    let crochet = Mutex::default();
    let commun = Arc::new(Commun { clock, options, url, monde, crochet, expediteur });
    livraison::demarrer(&commun, receveurs, tasks);
    let simulateur = Simulateur { commun, faults: Faults::none() };
    let router = api::routes(simulateur.clone());
    let stop = tasks.clone();
    tasks.spawn_until_stopped(async move {
        let server = axum::serve(listener, router);
        let server = server.with_graceful_shutdown(async move { stop.stopping().await });
        if let Err(error) = server.await {
            tracing::error!(%error, "simulated RDV Service Public ended");
        }
    });
    Ok(simulateur)
}

impl Simulateur {
    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.commun.url
    }

    /// Calls `crochet` with everything that people notice, at once, in the handler.
    pub fn set_hook(&self, crochet: impl Fn(Evenement) + Send + Sync + 'static) {
        let mut place = self.commun.crochet.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::new(crochet));
    }

    /// The DNS makes an organisation by hand, in the interface; the same name, the same id.
    pub fn creer_organisation(&self, nom: &str) -> i64 {
        self.monde().organisation(nom)
    }

    /// Somebody follows the link of the invitation mail. Returns whether there was one.
    pub fn accepter_invitation(&self, courriel: &str) -> bool {
        let mut monde = self.monde();
        let agent = monde.agents.values_mut().find(|a| a.courriel.eq_ignore_ascii_case(courriel));
        agent.is_some_and(|agent| {
            agent.accepte = true;
            true
        })
    }

    /// A doctor opens slots; `None` when they have no access there, or did not accept yet.
    pub fn ouvrir_plage(
        &self,
        courriel: &str,
        organisation: i64,
        premier_jour: NaiveDate,
        debut: NaiveTime,
        fin: NaiveTime,
        rrule: Option<String>,
    ) -> Option<i64> {
        let plage = monde::Plage { premier_jour, debut, fin, rrule };
        let id = self.monde().ouvrir(courriel, organisation, plage)?;
        self.annoncer(Genre::Plage, id, Nature::Created);
        Some(id)
    }

    /// A doctor changes the hours of slots. Returns whether they exist.
    pub fn modifier_plage(&self, id: i64, debut: NaiveTime, fin: NaiveTime) -> bool {
        let known =
            self.monde().plages.get_mut(&id).map(|p| (p.plage.debut, p.plage.fin) = (debut, fin));
        if known.is_some() {
            self.annoncer(Genre::Plage, id, Nature::Updated);
        }
        known.is_some()
    }

    /// A doctor removes slots. Returns whether they existed.
    pub fn supprimer_plage(&self, id: i64) -> bool {
        let known = self.monde().plages.contains_key(&id);
        if known {
            self.annoncer(Genre::Plage, id, Nature::Destroyed { rgpd: false });
            self.monde().plages.remove(&id);
        }
        known
    }

    /// A doctor will be away, at every site.
    pub fn ajouter_absence(
        &self,
        courriel: &str,
        du: NaiveDate,
        debut: NaiveTime,
        au: NaiveDate,
        fin: NaiveTime,
    ) -> Option<i64> {
        let id = self.monde().absenter(courriel, (du, debut), (au, fin))?;
        self.annoncer(Genre::Absence, id, Nature::Created);
        Some(id)
    }

    /// A doctor is there after all. Returns whether the absence existed.
    pub fn supprimer_absence(&self, id: i64) -> bool {
        let known = self.monde().absences.contains_key(&id);
        if known {
            self.annoncer(Genre::Absence, id, Nature::Destroyed { rgpd: false });
            self.monde().absences.remove(&id);
        }
        known
    }

    /// A patient books; the organisation is that of the slots that fit, else of the first access.
    pub fn prendre_rdv(
        &self,
        courriel: &str,
        debut: DateTime<Utc>,
        duree: Duration,
    ) -> Option<i64> {
        let duree = TimeDelta::from_std(duree).ok()?;
        let id = self.monde().reserver(courriel, debut, debut + duree)?;
        self.annoncer(Genre::Rdv, id, Nature::Created);
        Some(id)
    }

    /// The status of an appointment is filled in: `seen`, `noshow`, `excused`, `revoked`,
    /// `unknown`. Returns whether it exists.
    pub fn statuer_rdv(&self, id: i64, statut: &str) -> bool {
        let now = self.commun.clock.now();
        let known = self.monde().rdvs.get_mut(&id).map(|rdv| {
            statut.clone_into(&mut rdv.statut);
            // Also for a no-show, as theirs.
            rdv.annule_le = matches!(statut, "noshow" | "excused" | "revoked").then_some(now);
        });
        if known.is_some() {
            self.annoncer(Genre::Rdv, id, Nature::Updated);
        }
        known.is_some()
    }

    /// An appointment is given to another doctor. Returns whether both exist.
    pub fn confier_rdv(&self, id: i64, courriel: &str) -> bool {
        let mut monde = self.monde();
        let agent = monde.agent(courriel);
        let known = agent.and_then(|a| monde.rdvs.get_mut(&id).map(|rdv| rdv.agent = a));
        drop(monde);
        if known.is_some() {
            self.annoncer(Genre::Rdv, id, Nature::Updated);
        }
        known.is_some()
    }

    /// The nightly purge removes an old appointment.
    pub fn purger_rdv(&self, id: i64) -> bool {
        let known = self.monde().rdvs.contains_key(&id);
        if known {
            self.annoncer(Genre::Rdv, id, Nature::Destroyed { rgpd: true });
            self.monde().rdvs.remove(&id);
        }
        known
    }

    /// The DNS takes an agent's rights away, in the interface; the agent's slots there go too.
    pub fn retirer_acces(&self, courriel: &str, organisation: i64) -> bool {
        let Some((role, plages)) = self.monde().acces(courriel, organisation) else { return false };
        for id in plages {
            self.supprimer_plage(id);
        }
        self.annoncer(Genre::Role, role, Nature::Destroyed { rgpd: false });
        self.monde().retirer_role(role);
        true
    }

    /// Somebody gives a (new) consent in a browser: the refresh token that comes out of it.
    pub fn consentir(&self) -> String {
        self.monde().jetons.consentir()
    }

    /// The consent is withdrawn: every token dies.
    pub fn revoquer_consentement(&self) {
        self.monde().jetons.revoquer();
    }

    /// Every access token expires now.
    pub fn perimer_acces(&self) {
        self.monde().jetons.perimer();
    }

    /// Who was given access where, by address and organisation.
    pub fn acces_donnes(&self) -> Vec<(String, i64)> {
        self.monde().acces_donnes()
    }

    /// Deliveries answered with a success so far.
    pub fn livraisons(&self) -> u64 {
        self.monde().livraisons
    }

    /// How many `lieux`, `motifs` and webhook endpoints exist.
    pub fn inventaire(&self) -> (usize, usize, usize) {
        let monde = self.monde();
        (monde.lieux.len(), monde.motifs.len(), monde.webhooks.len())
    }

    fn monde(&self) -> MutexGuard<'_, Monde> {
        self.commun.monde()
    }

    fn annoncer(&self, genre: Genre, id: i64, nature: Nature) {
        livraison::annoncer(&self.commun, genre, id, nature);
    }

    fn raconter(&self, evenement: Evenement) {
        let place = self.commun.crochet.lock().unwrap_or_else(PoisonError::into_inner);
        let crochet = place.clone();
        drop(place);
        if let Some(crochet) = crochet {
            crochet(evenement);
        }
    }
}

impl Commun {
    fn monde(&self) -> MutexGuard<'_, Monde> {
        self.monde.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
