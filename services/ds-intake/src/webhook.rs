//! The legacy webhook of DS: form-encoded, unsigned, without data and without repetition. Whatever
//! it says, all it does is to wake the poll up.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    routing::post,
};
use kernel::Secret;
use service::{Ingress, Service};
use sha2::{Digest, Sha256};

use crate::{Config, DsIntake, Event};

/// Largest body taken, in bytes: DS sends four short fields.
const CORPS_MAX: usize = 8 * 1024;

#[derive(Clone)]
struct Entree {
    jeton: Secret,
    demarche: u64,
    cle: String,
    ingress: Ingress<DsIntake>,
}

/// `POST /hooks/ds/{jeton}`; nothing without a token in the settings.
pub fn routes(config: &Config, ingress: &Ingress<DsIntake>) -> Router {
    let Some(jeton) = config.webhook_jeton.clone() else { return Router::new() };
    let entree = Entree {
        jeton,
        demarche: config.demarche,
        cle: config.cle_demarche(),
        ingress: ingress.clone(),
    };
    Router::new()
        .route("/hooks/ds/{jeton}", post(recevoir))
        .layer(DefaultBodyLimit::max(CORPS_MAX))
        .with_state(entree)
}

async fn recevoir(
    State(entree): State<Entree>,
    Path(jeton): Path<String>,
    corps: Bytes,
) -> StatusCode {
    if !est_le_meme(&jeton, entree.jeton.expose()) {
        return StatusCode::NOT_FOUND;
    }
    if demarche(&corps) != Some(entree.demarche) {
        return StatusCode::BAD_REQUEST;
    }
    // One id for all: what arrives while a call is waited for is the same wish.
    let id = kernel::derive_id(&[DsIntake::NAME, "reveil", &entree.cle]);
    match entree.ingress.observe(vec![(id, entree.cle.clone(), Event::Reveil)]).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            tracing::warn!(%error, "webhook not stored: the poll comes by itself");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Compares digests: how long that takes says nothing of the token.
fn est_le_meme(given: &str, known: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(known)
}

/// The démarche that a notification is about (`procedure_id`); `None` for what is not one.
pub fn demarche(corps: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(corps).ok()?;
    let fields = text.split('&').filter_map(|pair| pair.split_once('='));
    fields.into_iter().find(|(name, _)| *name == "procedure_id")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_of_the_demarche_is_read() {
        let body = "procedure_id=123456&dossier_id=7&state=en_instruction&updated_at=2026-02-03+10";
        assert_eq!(demarche(body.as_bytes()), Some(123_456));
        let malformed: [&[u8]; 7] = [
            b"",
            b"procedure_id",
            b"procedure_id=",
            b"procedure_id=-1",
            b"dossier_id=7",
            b"procedure_id=99999999999999999999999",
            b"\xff\xfe=1",
        ];
        for body in malformed {
            assert_eq!(demarche(body), None, "{body:?}");
        }
    }

    #[test]
    fn another_token_is_another() {
        assert!(est_le_meme("un-jeton-de-webhook", "un-jeton-de-webhook"));
        assert!(!est_le_meme("un-jeton-de-webhooK", "un-jeton-de-webhook"));
        assert!(!est_le_meme("", "un-jeton-de-webhook"));
    }
}
