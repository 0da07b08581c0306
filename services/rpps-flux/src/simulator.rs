//! A simulated Annuaire Santé in open access: a real HTTP server of the daily extracts, as texts or
//! in one zip, and of the API; written from the published headers (variant C of 2026, 56 columns)
//! and from the ANS documentation of the API, not from `wire.rs`.
//!
//! A file carries the stamp of its day at 00:00 and shows what the world made visible by that day.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agency::faults::Faults;
use axum::{Router, routing::get};
use chrono::NaiveDate;
use contracts::{Finess, Rpps, RppsRang};
use kernel::{Clock, Tasks};

pub mod fhir;
mod fichiers;
mod monde;
mod national;
mod service;

pub use monde::Fiche;
use monde::Monde;
pub use national::{DeuxJours, Jour};

/// The usual name of a service's simulator.
pub type Simulateur = RppsSimule;

/// What a simulated source starts with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// TCP port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// Seed of the background rows.
    pub graine: u64,
    /// Rows of other professionals in every file; a few of them change every day.
    pub lignes_de_fond: u32,
}

/// The site of an activity, as the RPPS names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Structure {
    /// A site with a FINESS number.
    Finess(Finess),
    /// A practice that only has an RPPS-rang.
    Rang(RppsRang),
}

/// What happened at the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evenement {
    /// A whole file was sent.
    FichierServi {
        /// Its name.
        fichier: String,
        /// Its rows, header excluded.
        lignes: usize,
    },
}

type Hook = dyn Fn(Evenement) + Send + Sync;

/// The simulated source; cheap to clone.
#[derive(Clone)]
pub struct RppsSimule {
    inner: Arc<Inner>,
    /// Faults asked of it; calls are named `activites 2026-01-05`, `savoir-faire …`, `archive …`,
    /// `cartes …` and `fhir Practitioner`, `fhir PractitionerRole`, `fhir _page`.
    pub faults: Faults,
}

struct Inner {
    clock: Clock,
    adresse: SocketAddr,
    monde: Mutex<Monde>,
    hook: Mutex<Option<Arc<Hook>>>,
}

impl std::fmt::Debug for RppsSimule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RppsSimule").field("adresse", &self.inner.adresse).finish_non_exhaustive()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RppsSimule {
    /// Starts the server; it stops with `tasks`.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(clock: Clock, tasks: &Tasks, options: Options) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = tokio::net::TcpListener::bind(address).await?;
        let monde = Monde::new(options.graine, options.lignes_de_fond);
        let inner = Inner {
            clock,
            adresse: listener.local_addr()?,
            monde: Mutex::new(monde),
            hook: Mutex::new(None),
        };
        let simule = Self { inner: Arc::new(inner), faults: Faults::none() };
        let routes = Router::new()
            .route("/PS_LibreAcces_Personne_activite.txt", get(service::activites))
            .route("/PS_LibreAcces_SavoirFaire.txt", get(service::savoir_faire))
            .route("/PS_LibreAcces.zip", get(service::archive))
            .route("/porteurs-cps-cpf.txt", get(service::cartes))
            .merge(fhir::routes())
            .with_state(simule.clone());
        tasks.spawn_until_stopped(async move {
            // The listener only fails when the machine does; the group then has nothing to serve.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(simule)
    }

    /// Base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.adresse)
    }

    /// Calls `hook` with what happens, synchronously.
    pub fn set_hook(&self, hook: impl Fn(Evenement) + Send + Sync + 'static) {
        *lock(&self.inner.hook) = Some(Arc::new(hook));
    }

    /// Adds a professional, or replaces what is known of one; in every file from now on.
    pub fn enregistrer_medecin(&self, fiche: Fiche) {
        lock(&self.inner.monde).enregistrer(fiche);
    }

    /// Removes a professional from the files of `a_partir_du` on.
    pub fn retirer_medecin(&self, rpps: &Rpps, a_partir_du: NaiveDate) {
        lock(&self.inner.monde).retirer(rpps, a_partir_du);
    }

    /// Adds an activity at a site to the files of `a_partir_du` on; give a day later than today, so
    /// that a day's file never changes.
    pub fn enregistrer_activite(
        &self,
        rpps: &Rpps,
        structure: Structure,
        lieu: &str,
        a_partir_du: NaiveDate,
    ) {
        lock(&self.inner.monde).ajouter_activite(rpps, structure, lieu, a_partir_du);
    }

    /// Removes an activity from the files of `a_partir_du` on.
    pub fn retirer_activite(&self, rpps: &Rpps, structure: &Structure, a_partir_du: NaiveDate) {
        lock(&self.inner.monde).retirer_activite(rpps, structure, a_partir_du);
    }

    /// Issues a CPS card, shown by the files of `visible_a_partir_du` on; cards of the doctor with
    /// an earlier start are shown as opposed from then on.
    pub fn emettre_carte(
        &self,
        rpps: &Rpps,
        numero: &str,
        debut: NaiveDate,
        fin: NaiveDate,
        visible_a_partir_du: NaiveDate,
    ) {
        lock(&self.inner.monde).emettre_carte(rpps, numero, (debut, fin), visible_a_partir_du);
    }

    /// The text of the activities of a day.
    pub fn activites_du(&self, jour: NaiveDate) -> String {
        fichiers::activites(&lock(&self.inner.monde), jour)
    }

    /// The text of the specialities of a day.
    pub fn savoir_faire_du(&self, jour: NaiveDate) -> String {
        fichiers::savoir_faire(&lock(&self.inner.monde), jour)
    }

    /// The text of the cards of a day.
    pub fn cartes_du(&self, jour: NaiveDate) -> String {
        fichiers::cartes(&lock(&self.inner.monde), jour)
    }

    fn signaler(&self, evenement: Evenement) {
        let hook = lock(&self.inner.hook).clone();
        if let Some(hook) = hook {
            hook(evenement);
        }
    }
}

#[cfg(test)]
mod tests;
