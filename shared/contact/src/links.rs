//! Signed answer links: `{base}/r/{claims}.{signature}`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use kernel::Secret;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::Lien;

/// Bytes kept of the HMAC-SHA256: 128 bits, the least that NIST SP 800-107 (section 5.3.3) and
/// RFC 2104 (section 5) accept without an argument.
const SIGNATURE_BYTES: usize = 16;

/// What is signed begins with this, so that the key may serve elsewhere without confusion.
const CONTEXT: &[u8] = b"relais answer link v1\0";

/// The longest token looked at, in bytes.
const LONGEST_TOKEN: usize = 2048;

/// Signs and checks the answer links of one service.
#[derive(Clone, Debug)]
pub struct Links {
    key: Secret,
    base_url: String,
    service: &'static str,
}

/// Why a link is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LienError {
    /// Not signed by this service, or changed since.
    #[error("lien non valide")]
    Invalid,
    /// Its time is over.
    #[error("lien expiré")]
    Expired,
}

impl LienError {
    /// What the reader is told.
    pub fn texte(self) -> &'static str {
        match self {
            Self::Invalid => {
                "Ce lien n’est pas valable. Vérifiez que l’adresse a été recopiée en entier."
            }
            Self::Expired => {
                "Ce lien n’est plus valable. Si une réponse est encore attendue, un nouveau lien \
                 vous sera envoyé."
            }
        }
    }
}

/// What a token says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    service: String,
    lien: Lien,
}

impl Links {
    /// Signs under `key` (32 random bytes or more, the same for every replica) for the pages
    /// served at `base_url`.
    pub fn new(key: Secret, base_url: impl Into<String>, service: &'static str) -> Self {
        let base_url = base_url.into().trim_end_matches('/').to_owned();
        Self { key, base_url, service }
    }

    /// The address of a link. Its claims are readable by whoever has it: a key of a state that
    /// answers links never holds anything personal.
    ///
    /// # Panics
    /// Never: claims encode.
    pub fn url(&self, lien: &Lien) -> String {
        let claims = Claims { service: self.service.to_owned(), lien: lien.clone() };
        let claims = serde_json::to_vec(&claims).expect("claims encode");
        let signature = self.mac(&claims).finalize().into_bytes();
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let signature = URL_SAFE_NO_PAD.encode(&signature[..SIGNATURE_BYTES]);
        format!("{}/r/{claims}.{signature}", self.base_url)
    }

    /// What a token asks, when it is this service's and its time is not over.
    ///
    /// # Errors
    /// [`LienError`].
    pub fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Lien, LienError> {
        if token.len() > LONGEST_TOKEN {
            return Err(LienError::Invalid);
        }
        let (claims, signature) = token.split_once('.').ok_or(LienError::Invalid)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| LienError::Invalid);
        let (claims, signature) = (decode(claims)?, decode(signature)?);
        if signature.len() != SIGNATURE_BYTES {
            return Err(LienError::Invalid);
        }
        // In constant time.
        self.mac(&claims).verify_truncated_left(&signature).map_err(|_| LienError::Invalid)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| LienError::Invalid)?;
        if claims.service != self.service {
            return Err(LienError::Invalid);
        }
        if now > claims.lien.expire_le {
            return Err(LienError::Expired);
        }
        Ok(claims.lien)
    }

    fn mac(&self, claims: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.key.expose().as_bytes())
            .expect("HMAC accepts keys of any length");
        mac.update(CONTEXT);
        mac.update(claims);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(key: &str, service: &'static str) -> Links {
        Links::new(Secret::new(key), "https://relais.example/", service)
    }

    fn lien() -> Lien {
        Lien {
            sujet: "verification".to_owned(),
            cle: "dossier/1042".to_owned(),
            question: "1".to_owned(),
            expire_le: "2026-04-01T00:00:00Z".parse().expect("instant"),
        }
    }

    fn token(links: &Links) -> String {
        let url = links.url(&lien());
        url.strip_prefix("https://relais.example/r/").expect("the base").to_owned()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("instant")
    }

    #[test]
    fn a_link_comes_back_until_its_time_is_over() {
        let links = links("clé", "ordinal-adapter");
        let token = token(&links);
        assert_eq!(links.check(&token, at("2026-03-01T00:00:00Z")), Ok(lien()));
        assert_eq!(links.check(&token, at("2026-04-01T00:00:00Z")), Ok(lien()));
        assert_eq!(links.check(&token, at("2026-04-01T00:00:01Z")), Err(LienError::Expired));
    }

    #[test]
    fn every_change_of_a_token_is_refused() {
        let links = links("clé", "ordinal-adapter");
        let token = token(&links);
        let now = at("2026-03-01T00:00:00Z");
        for index in 0..token.len() {
            for replacement in ["A", "b", ".", "", "AA"] {
                let changed = format!("{}{replacement}{}", &token[..index], &token[index + 1..]);
                if changed != token {
                    assert_eq!(links.check(&changed, now), Err(LienError::Invalid), "{changed}");
                }
            }
        }
        let (claims, signature) = token.split_once('.').expect("two parts");
        let forged = ["", ".", claims, &format!("{claims}."), &format!(".{signature}"), "é.é"];
        for text in forged {
            assert_eq!(links.check(text, now), Err(LienError::Invalid), "{text}");
        }
        assert_eq!(links.check(&"A".repeat(100_000), now), Err(LienError::Invalid));
    }

    #[test]
    fn another_key_or_another_service_s_link_is_refused() {
        let token = token(&links("clé", "ordinal-adapter"));
        let now = at("2026-03-01T00:00:00Z");
        for other in [links("autre", "ordinal-adapter"), links("clé", "indemnite")] {
            assert_eq!(other.check(&token, now), Err(LienError::Invalid));
        }
    }
}
