//! One call: the budget that all replicas share, the token, the answer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use agency::{HttpError, HttpResponse};
use chrono::{DateTime, Utc};
use kernel::Secret;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use service::Limit;
use store::SharedStore;

use super::{AGENCE, Client, Erreur};
use crate::{
    config::Config,
    wire::{decoder, documents::Document, requetes::Requete},
};

/// The budget of calls. The frame takes one call for each ask; what an ask calls more is counted
/// here, and not refused: asks that wait for each other's second call would never end.
#[derive(Clone)]
pub(super) struct Debit {
    store: SharedStore,
    limit: Limit,
}

impl fmt::Debug for Debit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debit").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Debit {
    pub(super) fn new(store: SharedStore, limit: Limit) -> Self {
        Self { store, limit }
    }

    async fn compter(&self, now: DateTime<Utc>) -> Result<(), Erreur> {
        let Limit { window, calls, .. } = self.limit;
        let counted = self.store.spend_budget(AGENCE, now, window, calls).await;
        counted.map_err(|error| Erreur::Budget(error.into()))
    }
}

/// The tokens: the one in use, and the one that takes over when DS refuses it.
#[derive(Clone, Debug)]
pub(super) struct Jetons {
    jetons: Vec<Secret>,
    rang: Arc<AtomicUsize>,
}

impl Jetons {
    pub(super) fn new(config: &Config) -> Self {
        let jetons = [Some(config.jeton.clone()), config.jeton_suivant.clone()];
        Self { jetons: jetons.into_iter().flatten().collect(), rang: Arc::default() }
    }

    /// Says whether the first token is in use.
    pub(super) fn premier(&self) -> bool {
        self.rang.load(Ordering::Relaxed) == 0
    }

    fn courant(&self) -> (usize, &Secret) {
        let rang = self.rang.load(Ordering::Relaxed).min(self.jetons.len() - 1);
        (rang, &self.jetons[rang])
    }

    /// Goes on with the other token; false when `rang` was the last one.
    fn suivant(&self, rang: usize) -> bool {
        if rang + 1 >= self.jetons.len() {
            return false;
        }
        self.rang.fetch_max(rang + 1, Ordering::Relaxed);
        true
    }
}

impl Client {
    /// Runs a document; with its data, DS's own clock.
    pub(super) async fn appeler<T: DeserializeOwned, V: Serialize + Send + Sync>(
        &self,
        document: Document,
        variables: V,
    ) -> Result<(T, Option<DateTime<Utc>>), Erreur> {
        let body = Requete { query: document.texte, operation_name: document.operation, variables };
        let response = self.poster(&body).await?;
        let date = response.headers.get("date").and_then(|v| v.to_str().ok());
        let date = date.and_then(|d| DateTime::parse_from_rfc2822(d).ok());
        Ok((decoder(&response.body)?, date.map(|d| d.with_timezone(&Utc))))
    }

    async fn poster(&self, body: &(impl Serialize + Sync)) -> Result<HttpResponse, Erreur> {
        loop {
            self.debiter().await?;
            let (rang, jeton) = self.jetons.courant();
            let request = self
                .http
                .request(Method::POST, "/api/v2/graphql")
                .bearer_auth(format!("token={}", jeton.expose()))
                .json(body);
            match self.http.send(request).await {
                Err(HttpError::Status { status: status @ (401 | 403), .. })
                    if self.jetons.suivant(rang) =>
                {
                    tracing::error!(status, "DS refuses the first token: the next one takes over");
                }
                Ok(response) if !(200..300).contains(&response.status) => {
                    return Err(Erreur::Http(HttpError::Status {
                        status: response.status,
                        retry_after: None,
                        body: response.body,
                    }));
                }
                result => return Ok(result?),
            }
        }
    }

    async fn debiter(&self) -> Result<(), Erreur> {
        if self.paye.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        match &self.debit {
            Some(debit) => debit.compter(self.clock.now()).await,
            None => Ok(()),
        }
    }
}
