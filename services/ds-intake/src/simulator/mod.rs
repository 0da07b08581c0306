//! Démarches simplifiées, simulated: a real GraphQL endpoint over HTTP, written from the facts of
//! its API and not from this service's client. A scripted world files, corrects and deletes
//! dossiers, reads what the doctor is told, and may decide as a CDOM would.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use agency::faults::{FaultKind, Faults};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use kernel::{Clock, Secret, Tasks};

use crate::config::Config;

mod decrit;
mod depot;
mod formes;
mod graphql;
mod monde;
mod pannes;

pub use depot::{Champs, Depot};
use monde::Monde;
pub use monde::{Etat, Evenement, MessageDs};

/// What a simulator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// The démarche.
    pub demarche: u64,
    /// The one token that is accepted.
    pub jeton: String,
    /// The one instructeur that may write.
    pub instructeur_id: String,
    /// Ids of the private annotations of the form.
    pub annotations: BTreeSet<String>,
    /// It answers as the fork of the social ministries does.
    pub social: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            demarche: 123_456,
            jeton: "jeton-fictif".to_owned(),
            instructeur_id: formes::id("Instructeur", 9002),
            annotations: BTreeSet::new(),
            social: false,
        }
    }
}

type Hook = dyn Fn(Evenement) + Send + Sync;

/// What DS cannot bear, for tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limites {
    pub(crate) page_max: Option<usize>,
    pub(crate) empoisonnes: BTreeSet<u64>,
    /// Changes of the form as it is described.
    pub(crate) retouches: decrit::Retouches,
    /// Tokens that are refused, with the status.
    pub(crate) refuses: BTreeMap<String, u16>,
    /// Other tokens that are good.
    pub(crate) autres_jetons: BTreeSet<String>,
    /// Calls per minute that are answered, counted as DS does.
    pub(crate) par_minute: Option<u32>,
    /// Bodies answered instead of the right ones, by call.
    pub(crate) corps: BTreeMap<String, Vec<u8>>,
}

pub(crate) struct Interne {
    pub(crate) clock: Clock,
    pub(crate) demarche: u64,
    pub(crate) jeton: String,
    pub(crate) instructeur_id: String,
    pub(crate) social: bool,
    monde: Mutex<Monde>,
    limites: Mutex<Limites>,
    hook: Mutex<Option<Arc<Hook>>>,
    faults: Faults,
    appels: AtomicU64,
    /// The minute of the clock, and its calls; and how many were refused in all.
    minute: Mutex<(i64, u32)>,
    de_trop: AtomicU64,
}

impl Interne {
    fn monde(&self) -> MutexGuard<'_, Monde> {
        self.monde.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; when the minute is full, the seconds until the next one.
    fn de_trop(&self) -> Option<u32> {
        let most = self.limites().par_minute?;
        let now = self.clock.now().timestamp();
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.0 != now.div_euclid(60) {
            *minute = (now.div_euclid(60), 0);
        }
        minute.1 += 1;
        (minute.1 > most).then(|| {
            self.de_trop.fetch_add(1, Ordering::Relaxed);
            u32::try_from(60 - now.rem_euclid(60)).unwrap_or(60)
        })
    }

    fn montre(&self) -> formes::Demarche<'_> {
        let revision = graphql::revision(self.monde().revision);
        formes::Demarche { revision, robot: &self.instructeur_id, social: self.social }
    }

    fn limites(&self) -> Limites {
        self.limites.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells the world what happened, without any lock held: it may act on the simulator.
    fn annoncer(&self) {
        let events = std::mem::take(&mut self.monde().evenements);
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            for event in events {
                hook(event);
            }
        }
    }
}

/// A running simulator; cheap to clone.
#[derive(Clone)]
pub struct Simulateur {
    interne: Arc<Interne>,
    port: u16,
}

impl std::fmt::Debug for Simulateur {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulateur").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Starts a simulator; it stops with `tasks`.
///
/// # Errors
/// When the port cannot be had.
pub async fn start(clock: Clock, tasks: &Tasks, options: Options) -> io::Result<Simulateur> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let port = listener.local_addr()?.port();
    let monde = Monde { annotations: options.annotations, revision: 1, ..Monde::default() };
    let interne = Arc::new(Interne {
        clock,
        demarche: options.demarche,
        jeton: options.jeton,
        instructeur_id: options.instructeur_id,
        social: options.social,
        monde: Mutex::new(monde),
        limites: Mutex::new(Limites::default()),
        hook: Mutex::new(None),
        faults: Faults::none(),
        appels: AtomicU64::new(0),
        minute: Mutex::default(),
        de_trop: AtomicU64::new(0),
    });
    let router =
        Router::new().route("/api/v2/graphql", post(recevoir)).with_state(Arc::clone(&interne));
    tasks.spawn_until_stopped(async move {
        if let Err(e) = axum::serve(listener, router).await {
            tracing::error!(error = %e, "the simulator of DS stopped");
        }
    });
    Ok(Simulateur { interne, port })
}

async fn recevoir(
    State(interne): State<Arc<Interne>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let busy = interne.clock.busy();
    interne.appels.fetch_add(1, Ordering::Relaxed);
    if let Some(seconds) = interne.de_trop() {
        return graphql::trop(&interne, seconds);
    }
    let Ok(requete) = serde_json::from_slice::<graphql::Requete>(&body) else {
        return graphql::erreur(400, "graphql_parse_failed", "unexpected token");
    };
    let appel = requete.appel();
    let fault = interne.faults.next(&appel);
    let late = match fault {
        Some(FaultKind::Down) => return coupure(),
        Some(FaultKind::Status(status)) => return page_html(status),
        Some(FaultKind::TooMany(seconds)) => return graphql::trop(&interne, seconds),
        Some(FaultKind::Wrong) => return page_html(200),
        Some(FaultKind::Slow(delay)) => Some(delay),
        None => None,
    };
    if let Err(status) = graphql::jeton_valable(&interne, &headers) {
        let (code, message) = match status {
            401 => ("unauthorized", "Token expired"),
            _ => ("forbidden", "Without a token, only persisted queries are allowed"),
        };
        return graphql::erreur(status, code, message);
    }
    if let Some(corps) = interne.limites().corps.get(&appel) {
        return corps.clone().into_response();
    }
    let answer = requete.executer(&interne);
    interne.annoncer();
    let response = graphql::dater(&interne, axum::Json(answer).into_response());
    drop(busy);
    if let Some(delay) = late {
        tokio::time::sleep(delay).await;
    }
    response
}

/// The connection is lost before an answer is complete.
fn coupure() -> Response {
    let lost = io::Error::new(io::ErrorKind::ConnectionReset, "coupure simulée");
    Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(lost)])).into_response()
}

/// What a proxy in front of DS answers.
fn page_html(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = [("content-type", "text/html")];
    (status, headers, "<html><body>Service en maintenance</body></html>").into_response()
}

impl Simulateur {
    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The settings of a service that polls this simulator.
    pub fn config(&self) -> Config {
        let jeton = Secret::new(self.interne.jeton.clone());
        Config::new(self.url(), self.interne.demarche, jeton, &self.interne.instructeur_id)
    }

    /// The faults that can be asked of it. Calls are named `getDemarche <démarche>`,
    /// `getDossier <n>`, and by mutation: `dossierAccepter <n>`, …
    pub fn faults(&self) -> &Faults {
        &self.interne.faults
    }

    /// How many calls came in.
    pub fn appels(&self) -> u64 {
        self.interne.appels.load(Ordering::Relaxed)
    }

    /// How many calls were answered 429 because their minute was full.
    pub fn de_trop(&self) -> u64 {
        self.interne.de_trop.load(Ordering::Relaxed)
    }

    /// Calls `hook` with what happens, after it happened and before the caller is answered.
    pub fn set_hook(&self, hook: impl Fn(Evenement) + Send + Sync + 'static) {
        let mut slot = self.interne.hook.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(hook));
    }

    /// A doctor files a dossier.
    pub fn deposer(&self, depot: Depot) {
        let now = self.interne.clock.now();
        self.interne.monde().deposer(depot, now);
    }

    /// The doctor changes the form without depositing it: DS shows nothing of it. False when the
    /// dossier may not be changed.
    pub fn modifier(&self, numero: u64, champs: Champs) -> bool {
        self.interne.monde().modifier(numero, champs)
    }

    /// The doctor deposits the dossier again, with `champs` or what was changed since. False when
    /// the dossier is not en_construction.
    pub fn redeposer(&self, numero: u64, champs: Option<Champs>) -> bool {
        let now = self.interne.clock.now();
        self.interne.monde().redeposer(numero, champs, now)
    }

    /// The doctor deletes the dossier: it may be restored for two weeks. False when it is not
    /// en_construction.
    pub fn supprimer(&self, numero: u64) -> bool {
        let now = self.interne.clock.now();
        let mut monde = self.interne.monde();
        let editable = monde.dossiers.get(&numero).is_some_and(|d| d.etat == Etat::EnConstruction);
        editable && monde.disparaitre(numero, "user_request", false, now)
    }

    /// DS forgets a dossier that expired. False when it does not exist.
    pub fn expirer(&self, numero: u64) -> bool {
        let now = self.interne.clock.now();
        self.interne.monde().disparaitre(numero, "expired", true, now)
    }

    /// The administration hides a dossier, and DS lists it nowhere for a while. False when it does
    /// not exist.
    pub fn cacher(&self, numero: u64) -> bool {
        self.interne.monde().cacher(numero)
    }

    /// The doctor restores a deleted dossier. False when it was not deleted.
    pub fn restaurer(&self, numero: u64) -> bool {
        let now = self.interne.clock.now();
        self.interne.monde().restaurer(numero, now)
    }

    /// An instructeur of the CDOM brings the dossier to a state on DS itself. False when it does
    /// not exist.
    pub fn decider(&self, numero: u64, etat: Etat) -> bool {
        let now = self.interne.clock.now();
        let mut monde = self.interne.monde();
        let exists = monde.dossiers.contains_key(&numero);
        monde.passer(numero, etat, now, Some(monde::AGENT));
        monde.prevenir(numero);
        drop(monde);
        self.interne.annoncer();
        exists
    }

    /// DS decides by itself, as a declarative démarche does. False when the dossier does not exist.
    pub fn decider_seul(&self, numero: u64, etat: Etat) -> bool {
        let now = self.interne.clock.now();
        let mut monde = self.interne.monde();
        monde.passer(numero, etat, now, None);
        monde.dossiers.contains_key(&numero)
    }

    /// A new revision of the form is published: no dossier's date changes.
    pub fn publier_revision(&self) {
        self.interne.monde().revision += 1;
    }

    /// The state of a dossier that DS shows.
    pub fn etat(&self, numero: u64) -> Option<Etat> {
        self.interne.monde().dossiers.get(&numero).map(|d| d.etat)
    }

    /// The form of a dossier, as deposited last.
    pub fn champs(&self, numero: u64) -> Option<Champs> {
        self.interne.monde().dossiers.get(&numero).map(|d| d.depot.champs.clone())
    }

    /// The thread of a dossier.
    pub fn messages(&self, numero: u64) -> Vec<MessageDs> {
        let monde = self.interne.monde();
        monde.dossiers.get(&numero).map(|d| d.messages.clone()).unwrap_or_default()
    }

    /// How many messages the doctor received.
    pub fn nombre_messages(&self, numero: u64) -> usize {
        self.interne.monde().dossiers.get(&numero).map_or(0, |d| d.messages.len())
    }

    /// How many e-mails the doctor of a dossier received from DS: one for each message, and for
    /// each change of state that is not silent.
    pub fn nombre_courriels(&self, numero: u64) -> usize {
        self.interne.monde().courriels(numero)
    }

    /// An annotation of a dossier, by id.
    pub fn annotation(&self, numero: u64, id: &str) -> Option<String> {
        self.interne.monde().dossiers.get(&numero)?.annotations.get(id).cloned()
    }
}
