//! The OAuth tokens of the DNS's service agent: a browser consent once, then refresh tokens that
//! rotate. They are stored encrypted, and stored *before* the new access token is used: Doorkeeper
//! only kills the former refresh token at that first use.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead, Nonce, Payload},
};
use agency::{HttpClient, HttpError, RotatingToken, StoredToken};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use kernel::{Fault, Secret};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use service::Equipment;
use sha2::Sha256;

use crate::{
    config::Config,
    wire::{JetonRecu, JetonRefuse},
};

/// Name of the credential in the store.
pub(crate) const NOM: &str = "rdvsp-oauth";

/// An access token is not presented in its last minute: a call lasts up to half of one.
const MARGE: TimeDelta = TimeDelta::seconds(60);

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
    Illisible(#[source] serde_json::Error),
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
            Error::Revoque => Self::permanent("rdv-consentement-revoque", error),
            Error::SansConsentement => Self::permanent("rdv-consentement-absent", error),
            // `invalid_client`, `unauthorized_client`: the application's registration is wrong.
            Error::Application(_) | Error::SansRenouvellement => {
                Self::permanent("rdv-application-refusee", error)
            }
            Error::Cle => Self::permanent("rdv-jetons-illisibles", error),
            // A proxy's page instead of JSON passes with time.
            Error::Illisible(_) => Self::transient("rdv-reponse-illisible", error),
        }
    }
}

/// The tokens; never printed.
#[derive(Clone, Serialize, Deserialize)]
struct Jetons {
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

/// Gives access tokens, refreshed by one caller and one replica at a time.
pub(crate) struct Guichet {
    http: HttpClient,
    config: Config,
    equipment: Equipment,
    jetons: RotatingToken<Jetons>,
}

impl Guichet {
    pub(crate) fn new(http: HttpClient, config: Config, equipment: Equipment) -> Self {
        Self { http, config, equipment, jetons: RotatingToken::new() }
    }

    /// An access token, other than `refuse`, which RDV Service Public has just refused.
    pub(crate) async fn acces(&self, refuse: Option<&Secret>) -> Result<Secret, Fault> {
        match self.obtenir(refuse).await {
            // Another replica may have presented the same refresh token a moment before.
            Err(fault) if fault.code() == "rdv-consentement-revoque" => {
                let theirs = self.lire().await?.map(|t| t.credential);
                match theirs.filter(|j| self.valable(j, refuse)) {
                    Some(_) => self.obtenir(refuse).await,
                    None => Err(fault),
                }
            }
            other => other,
        }
    }

    async fn obtenir(&self, refuse: Option<&Secret>) -> Result<Secret, Fault> {
        let jetons = self
            .jetons
            .get(
                |jetons| self.valable(jetons, refuse),
                || self.lire(),
                |jetons| self.echanger(jetons),
                |version, jetons| self.ranger(version, jetons),
            )
            .await?;
        Ok(Secret::new(jetons.acces))
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
        let origine = hex::encode(self.mac("origine", secret.expose().as_bytes()));
        Some(Jetons {
            acces: String::new(),
            expire_le: DateTime::UNIX_EPOCH,
            renouvellement: secret.expose().to_owned(),
            code,
            origine,
        })
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
                let opened = self.ouvrir(&sealed);
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
        let sealed = self.fermer(&jetons);
        let stored = self.equipment.store.put_credential(NOM, version, &sealed).await;
        Ok(stored.map_err(|e| Error::Coffre(e.into()))?)
    }

    /// `POST /oauth/token`, form-urlencoded (`enforce_content_type`).
    async fn echanger(&self, jetons: Jetons) -> Result<Jetons, Fault> {
        let mut form = vec![
            ("client_id", self.config.client_id.as_str()),
            ("client_secret", self.config.client_secret.expose()),
        ];
        if jetons.code {
            form.push(("grant_type", "authorization_code"));
            form.push(("code", &jetons.renouvellement));
            form.push(("redirect_uri", self.config.redirect_uri.as_deref().unwrap_or_default()));
        } else {
            form.push(("grant_type", "refresh_token"));
            form.push(("refresh_token", &jetons.renouvellement));
        }
        let asked_at = self.equipment.clock.now();
        let request = self.http.request(Method::POST, "/oauth/token").form(&form);
        let answer = self.http.send(request).await.map_err(refus)?;
        let recu: JetonRecu = serde_json::from_slice(&answer.body).map_err(Error::Illisible)?;
        // Without rotation the former one stays good; after a code there must be one.
        let renouvellement = match recu.refresh_token {
            Some(new) => new,
            None if !jetons.code => jetons.renouvellement,
            None => return Err(Error::SansRenouvellement.into()),
        };
        let expire_le = asked_at + TimeDelta::seconds(recu.expires_in.clamp(0, 366 * 86_400));
        let origine = jetons.origine;
        Ok(Jetons { acces: recu.access_token, expire_le, renouvellement, code: false, origine })
    }

    fn mac(&self, usage: &str, data: &[u8]) -> [u8; 32] {
        let key = self.config.credential_key.expose().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
        mac.update(usage.as_bytes());
        mac.update(&[0]);
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    fn chiffre(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.mac("chiffrement", b"").into())
    }

    /// AES-256-GCM. The nonce is derived from the text under a key of its own: two texts never
    /// share one but by a collision of 96 bits, and the same text gives the same bytes.
    fn fermer(&self, jetons: &Jetons) -> Vec<u8> {
        let text = serde_json::to_vec(jetons).expect("tokens are strings: they encode");
        let mut nonce = [0_u8; 12];
        nonce.copy_from_slice(&self.mac("nonce", &text)[..12]);
        let payload = Payload { msg: &text, aad: NOM.as_bytes() };
        let sealed = self.chiffre().encrypt(&Nonce::<Aes256Gcm>::from(nonce), payload);
        let sealed = sealed.expect("a text of some hundred bytes is far below the limit of GCM");
        [&nonce[..], &sealed].concat()
    }

    fn ouvrir(&self, sealed: &[u8]) -> Option<Jetons> {
        let (nonce, sealed) = sealed.split_at_checked(12)?;
        let nonce: [u8; 12] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad: NOM.as_bytes() };
        let text = self.chiffre().decrypt(&Nonce::<Aes256Gcm>::from(nonce), payload).ok()?;
        serde_json::from_slice(&text).ok()
    }
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
