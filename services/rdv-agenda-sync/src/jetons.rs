//! The OAuth tokens of the DNS's service agent: a browser consent once, then refresh tokens that
//! rotate. They are stored encrypted, and stored *before* the new access token is used: Doorkeeper
//! only kills the former refresh token at that first use.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agency::{HttpClient, HttpError, RotatingToken, StoredToken};
use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Clock, Fault, Secret};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use service::Equipment;

use self::{connexion::origine_de, sceau::Sceau};
use crate::{
    config::Config,
    wire::{Illisible, JetonRecu, JetonRefuse},
};

pub(crate) mod connexion;
mod sceau;
mod tour;

/// Name of the credential in the store.
pub(crate) const NOM: &str = "rdvsp-oauth";

/// An access token is not presented in its last minute: a call lasts up to half of one.
const MARGE: TimeDelta = TimeDelta::seconds(60);

/// What only a person can end, of the account that Relais acts as. Calls wait meanwhile: nothing is
/// to be replayed once it is done.
pub(crate) const BLOCAGES: [&str; 5] = [
    "rdv-consentement-absent",
    "rdv-consentement-revoque",
    "rdv-application-refusee",
    "rdv-jetons-illisibles",
    "rdv-agent-refuse",
];

/// How long a call waits for that person before it looks again.
const ATTENTE: Duration = Duration::from_mins(10);

/// A call that waits for a person.
pub(crate) fn bloque(code: &'static str, source: impl Into<kernel::BoxError>) -> Fault {
    Fault::Transient { code, retry_after: Some(ATTENTE), source: source.into() }
}

/// No usable token, and why a person is needed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("neither refresh_token_initial nor authorization_code is configured")]
    SansConsentement,
    #[error("the consent was revoked or used up; a new one is needed")]
    Revoque,
    #[error("the token endpoint refused the application: {0}")]
    Application(String),
    #[error("the token endpoint's answer cannot be read")]
    Illisible(#[source] Illisible),
    #[error("the answer carries no refresh token: the application must be allowed to refresh")]
    SansRenouvellement,
    #[error("the stored tokens cannot be decrypted: credential_key changed")]
    Cle,
    #[error("the token endpoint")]
    Http(#[source] HttpError),
    #[error("the store")]
    Coffre(#[source] kernel::BoxError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            // The store is away: nothing was asked of RDV Service Public, or nothing was used.
            Error::Coffre(_) => Self::transient("coffre-indisponible", error),
            // 429, 5xx, no answer: the same classes as any other call.
            Error::Http(http) => Self::from(http),
            // Doorkeeper: `invalid_grant`. Nobody but a person with a browser can consent again.
            Error::Revoque => bloque("rdv-consentement-revoque", error),
            Error::SansConsentement => bloque("rdv-consentement-absent", error),
            // `invalid_client`, `unauthorized_client`: the application's registration is wrong.
            Error::Application(_) | Error::SansRenouvellement => {
                bloque("rdv-application-refusee", error)
            }
            Error::Cle => bloque("rdv-jetons-illisibles", error),
            // A proxy's page instead of JSON passes with time.
            Error::Illisible(_) => Self::transient("rdv-reponse-illisible", error),
        }
    }
}

/// The tokens; never printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Jetons {
    /// Bearer token; empty before the first exchange.
    acces: String,
    expire_le: DateTime<Utc>,
    /// What to exchange next.
    renouvellement: String,
    /// `renouvellement` is an authorization code, not a refresh token.
    code: bool,
    /// Digest of the consent in the configuration that these come from.
    origine: String,
}

impl Jetons {
    /// Before any exchange.
    fn depart(origine: String) -> Self {
        let (acces, renouvellement) = (String::new(), String::new());
        Self { acces, expire_le: DateTime::UNIX_EPOCH, renouvellement, code: false, origine }
    }
}

/// Gives access tokens, refreshed by one caller and one replica at a time.
pub(crate) struct Guichet {
    http: HttpClient,
    config: Config,
    equipment: Equipment,
    sceau: Sceau,
    jetons: Mutex<Arc<RotatingToken<Jetons>>>,
    /// A refresh token that was refused for good: it is not presented again.
    refuse: Mutex<Option<Secret>>,
}

impl Guichet {
    pub(crate) fn new(http: HttpClient, config: Config, equipment: Equipment) -> Self {
        let sceau = Sceau::new(&config.credential_key);
        Self { http, config, equipment, sceau, jetons: Mutex::default(), refuse: Mutex::default() }
    }

    /// An access token, other than `refuse`, which RDV Service Public has just refused.
    pub(crate) async fn acces(&self, refuse: Option<&Secret>) -> Result<Secret, Fault> {
        let tour = Mutex::new(None);
        let jetons = Arc::clone(&self.jetons.lock().unwrap_or_else(PoisonError::into_inner));
        let obtenu = jetons
            .get(
                |jetons| self.valable(jetons, refuse),
                || self.lire(),
                |jetons| self.a_son_tour(jetons, refuse, &tour),
                |version, jetons| self.ranger(version, jetons),
            )
            .await;
        // Only once the new tokens are stored may another replica look.
        let tour = tour.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(tour) = tour {
            tour::rendre(&self.equipment, tour).await;
        }
        Ok(Secret::new(obtenu?.acces))
    }

    /// Keeps the tokens of a consent that was just given, encrypted by `relais rdv login`.
    pub(crate) async fn consentir(&self, jetons: &str) -> Result<(), Fault> {
        let sealed = hex::decode(jetons).ok();
        let opened = sealed.as_deref().and_then(|sealed| self.sceau.ouvrir(sealed));
        let (Some(sealed), Some(_)) = (sealed, opened) else {
            // Another key than this service's: the command ran with another configuration.
            return Err(Fault::permanent("rdv-jetons-illisibles", Error::Cle));
        };
        let tour = tour::prendre(&self.equipment).await?;
        let kept = self.deposer(&sealed).await;
        tour::rendre(&self.equipment, tour).await;
        kept?;
        // What is in memory is another consent's.
        *self.jetons.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        Ok(())
    }

    async fn deposer(&self, sealed: &[u8]) -> Result<(), Fault> {
        let known = self.equipment.store.credential(NOM).await;
        let known = known.map_err(|e| Error::Coffre(e.into()))?;
        let version = known.map(|(version, _)| version);
        let kept = self.equipment.store.put_credential(NOM, version, sealed).await;
        if kept.map_err(|e| Error::Coffre(e.into()))? {
            return Ok(());
        }
        Err(Fault::transient("jeton-concurrent", "replaced by another replica"))
    }

    /// Exchanges the tokens when nobody else does; another replica may have done it meanwhile.
    async fn a_son_tour(
        &self,
        jetons: Jetons,
        refuse: Option<&Secret>,
        tour: &Mutex<Option<tour::Tour>>,
    ) -> Result<Jetons, Fault> {
        let taken = tour::prendre(&self.equipment).await?;
        *tour.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        let courants = self.lire().await?.map_or_else(|| jetons.clone(), |t| t.credential);
        if self.valable(&courants, refuse) {
            return Ok(courants);
        }
        if courants.renouvellement != jetons.renouvellement {
            return Err(Fault::transient("jeton-concurrent", "replaced by another replica"));
        }
        let known = |refuse: &Option<Secret>| {
            refuse.as_ref().is_some_and(|r| r.same(&jetons.renouvellement))
        };
        if known(&self.refuse.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Err(Error::Revoque.into());
        }
        let presented = Secret::new(jetons.renouvellement.clone());
        let fresh = echanger(&self.http, &self.config, &self.equipment.clock, jetons).await;
        if matches!(fresh, Err(Error::Revoque)) {
            *self.refuse.lock().unwrap_or_else(PoisonError::into_inner) = Some(presented);
        }
        Ok(fresh?)
    }

    fn valable(&self, jetons: &Jetons, refuse: Option<&Secret>) -> bool {
        !jetons.acces.is_empty()
            && self.equipment.clock.now() + MARGE < jetons.expire_le
            && refuse.is_none_or(|r| r.expose() != jetons.acces)
    }

    /// What the configuration says: the first consent, or a new one.
    fn consentement(&self) -> Option<Jetons> {
        let refresh = self.config.refresh_token_initial.as_ref().map(|s| (s, false));
        let (secret, code) =
            refresh.or(self.config.authorization_code.as_ref().map(|s| (s, true)))?;
        let depart = Jetons::depart(origine_de(&self.config, &self.sceau));
        Some(Jetons { renouvellement: secret.expose().to_owned(), code, ..depart })
    }

    async fn lire(&self) -> Result<Option<StoredToken<Jetons>>, Fault> {
        let stored = self.equipment.store.credential(NOM).await;
        let configured = self.consentement();
        match stored.map_err(|e| Error::Coffre(e.into()))? {
            None => {
                let credential = configured.ok_or(Error::SansConsentement)?;
                Ok(Some(StoredToken { version: None, credential }))
            }
            Some((version, sealed)) => {
                let opened = self.sceau.ouvrir(&sealed);
                let credential = match (opened, configured) {
                    // A consent given since then replaces what is stored, readable or not.
                    (Some(kept), Some(new)) if kept.origine != new.origine => new,
                    (None, Some(new)) => new,
                    (Some(kept), _) => kept,
                    (None, None) => return Err(Error::Cle.into()),
                };
                Ok(Some(StoredToken { version: Some(version), credential }))
            }
        }
    }

    async fn ranger(&self, version: Option<i64>, jetons: Jetons) -> Result<bool, Fault> {
        let sealed = self.sceau.fermer(&jetons);
        let stored = self.equipment.store.put_credential(NOM, version, &sealed).await;
        Ok(stored.map_err(|e| Error::Coffre(e.into()))?)
    }
}

/// `POST /oauth/token`, form-urlencoded (`enforce_content_type`).
async fn echanger(
    http: &HttpClient,
    config: &Config,
    clock: &Clock,
    jetons: Jetons,
) -> Result<Jetons, Error> {
    let retour = config.retour();
    let mut form = vec![
        ("client_id", config.client_id.as_str()),
        ("client_secret", config.client_secret.expose()),
    ];
    if jetons.code {
        form.push(("grant_type", "authorization_code"));
        form.push(("code", &jetons.renouvellement));
        form.push(("redirect_uri", &retour));
    } else {
        form.push(("grant_type", "refresh_token"));
        form.push(("refresh_token", &jetons.renouvellement));
    }
    let asked_at = clock.now();
    let request = http.request(Method::POST, "/oauth/token").form(&form);
    let answer = http.send(request).await.map_err(refus)?;
    let recu: JetonRecu =
        serde_json::from_slice(&answer.body).map_err(|e| Error::Illisible(e.into()))?;
    // Without rotation the former one stays good; after a code there must be one.
    let renouvellement = match recu.refresh_token {
        Some(new) => new,
        None if !jetons.code => jetons.renouvellement,
        None => return Err(Error::SansRenouvellement),
    };
    let expire_le = asked_at + TimeDelta::seconds(recu.expires_in.clamp(0, 366 * 86_400));
    let origine = jetons.origine;
    Ok(Jetons { acces: recu.access_token, expire_le, renouvellement, code: false, origine })
}

/// RFC 6749, 5.2: 400 or 401 with a code in JSON.
fn refus(error: HttpError) -> Error {
    let HttpError::Status { status: 400 | 401, body, .. } = &error else {
        return Error::Http(error);
    };
    match serde_json::from_slice::<JetonRefuse>(body) {
        Ok(refus) if refus.error == "invalid_grant" => Error::Revoque,
        Ok(refus) if refus.error.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
            Error::Application(refus.error)
        }
        Ok(_) | Err(_) => Error::Application("unknown".to_owned()),
    }
}
