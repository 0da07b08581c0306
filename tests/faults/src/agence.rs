//! The simulated agency: it does what it is asked each time it is asked, and counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use kernel::Tasks;
use tokio::{net::TcpListener, sync::watch};

use crate::Genre;

/// An agency over HTTP, in the test's process.
#[derive(Clone, Debug)]
pub struct Agence {
    url: String,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// By (genre, id of the ask): how many times it was done.
    faits: Mutex<BTreeMap<(String, String), u32>>,
    refuses: Mutex<Refus>,
    retenue: watch::Sender<bool>,
}

/// Which asks failed once already, and whether the last one did: never two in a row, or the
/// caller's breaker would stay open.
#[derive(Debug, Default)]
struct Refus {
    ids: BTreeSet<String>,
    dernier: bool,
}

impl Refus {
    fn refuse(&mut self, id: &str) -> bool {
        self.dernier = !self.dernier && self.ids.insert(id.to_owned());
        self.dernier
    }
}

impl Inner {
    fn faits(&self) -> MutexGuard<'_, BTreeMap<(String, String), u32>> {
        self.faits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agence {
    /// Starts it.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn ouvrir(tasks: &Tasks) -> Self {
        let inner = Arc::new(Inner {
            faits: Mutex::default(),
            refuses: Mutex::default(),
            retenue: watch::Sender::new(true),
        });
        let routes = Router::new()
            .route("/{genre}/{id}", get(relire).post(faire))
            .with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tasks.spawn_until_stopped(async move {
            axum::serve(listener, routes).await.expect("the agency serves");
        });
        Self { url, inner }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many times each ask of a genre was done, by its id.
    pub fn faits(&self, genre: Genre) -> BTreeMap<String, u32> {
        let faits = self.inner.faits();
        let of = faits.iter().filter(|((g, _), _)| g == genre.nom());
        of.map(|((_, id), n)| (id.clone(), *n)).collect()
    }

    /// Answers what was held back.
    pub fn lacher(&self) {
        self.inner.retenue.send_replace(false);
    }
}

async fn relire(
    State(inner): State<Arc<Inner>>,
    Path((genre, id)): Path<(String, String)>,
) -> StatusCode {
    if inner.faits().contains_key(&(genre, id)) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn faire(
    State(inner): State<Arc<Inner>>,
    Path((genre, id)): Path<(String, String)>,
) -> StatusCode {
    if genre == Genre::Refus.nom() {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let refuse = || inner.refuses.lock().unwrap_or_else(PoisonError::into_inner).refuse(&id);
    if genre == Genre::Passager.nom() && refuse() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let held = genre == Genre::Retenu.nom();
    *inner.faits().entry((genre, id)).or_default() += 1;
    if held {
        let mut retenue = inner.retenue.subscribe();
        // The sender lives as long as the server.
        let _ = retenue.wait_for(|held| !held).await;
    }
    StatusCode::OK
}
