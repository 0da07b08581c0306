//! The consent of the DNS's service agent, given once in a browser: what `relais rdv login` walks
//! an operator through. The tokens leave here encrypted, for the service to keep.

use agency::HttpClient;
use kernel::{Clock, Fault, Secret};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::{Error, Jetons, echanger, sceau::Sceau};
use crate::config::Config;

/// A consent being given.
pub struct Connexion {
    http: HttpClient,
    config: Config,
    clock: Clock,
}

/// A consent that was given.
pub struct Consentement {
    /// The agent's address: whom Relais acts as.
    pub agent: String,
    /// The tokens, encrypted with `credential_key`, in hexadecimal.
    pub jetons: String,
}

/// Why the address of the page where the consent ends is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetourError {
    /// Not an address.
    #[error("une adresse est attendue, en entier")]
    Adresse,
    /// It belongs to another attempt.
    #[error("cette adresse est celle d'une autre tentative : recommencez")]
    Etat,
    /// The agent said no, or may not say yes.
    #[error("RDV Service Public n'a pas donné d'accès : l'autorisation a été refusée")]
    Refus,
}

#[derive(Deserialize)]
struct Moi {
    agent: MoiAgent,
}

#[derive(Deserialize)]
struct MoiAgent {
    email: Option<String>,
}

impl Connexion {
    /// With the service's own settings.
    ///
    /// # Errors
    /// A sentence when they make no sense.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, String> {
        config.check()?;
        let http = HttpClient::new(config.api.clone())?.with_clock(clock.clone());
        Ok(Self { http, config: config.clone(), clock })
    }

    /// Where the agent consents; `etat` is a value that nobody can guess, given back at the end.
    ///
    /// # Errors
    /// A sentence when the base URL is not one.
    pub fn adresse(&self, etat: &str) -> Result<String, String> {
        let base = self.config.api.base_url.trim_end_matches('/');
        let mut url: Url =
            format!("{base}/oauth/authorize").parse().map_err(|e| format!("api.base_url : {e}"))?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.config.retour())
            .append_pair("response_type", "code")
            .append_pair("scope", "write")
            .append_pair("state", etat);
        Ok(url.into())
    }

    /// The code in the address of the page where the consent ended.
    ///
    /// # Errors
    /// [`RetourError`].
    pub fn code(adresse: &str, etat: &str) -> Result<Secret, RetourError> {
        let url: Url = adresse.trim().parse().map_err(|_| RetourError::Adresse)?;
        let of = |name: &str| url.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v);
        if !of("state").is_some_and(|given| Secret::new(etat).same(&given)) {
            return Err(RetourError::Etat);
        }
        let code = of("code").filter(|code| !code.is_empty()).ok_or(RetourError::Refus)?;
        Ok(Secret::new(code))
    }

    /// Exchanges the code, and asks who consented.
    ///
    /// # Errors
    /// [`Fault`] when RDV Service Public refuses, or does not answer.
    pub async fn echanger(&self, code: &Secret) -> Result<Consentement, Fault> {
        let sceau = Sceau::new(&self.config.credential_key);
        let jetons = Jetons {
            renouvellement: code.expose().to_owned(),
            code: true,
            ..Jetons::depart(origine_de(&self.config, &sceau))
        };
        let jetons = echanger(&self.http, &self.config, &self.clock, jetons).await?;
        let request = self.http.request(Method::GET, "/api/v1/agents/me");
        let answer = self.http.send(request.bearer_auth(&jetons.acces)).await;
        let answer = answer.map_err(Error::Http)?;
        let moi: Moi =
            serde_json::from_slice(&answer.body).map_err(|e| Error::Illisible(e.into()))?;
        let jetons = hex::encode(sceau.fermer(&jetons));
        Ok(Consentement { agent: moi.agent.email.unwrap_or_default(), jetons })
    }
}

/// The digest of the consent in the configuration, if there is one: a consent given here stays in
/// force until that one changes.
pub(super) fn origine_de(config: &Config, sceau: &Sceau) -> String {
    let given = config.refresh_token_initial.as_ref().or(config.authorization_code.as_ref());
    given.map_or_else(String::new, |s| hex::encode(sceau.mac("origine", s.expose().as_bytes())))
}
