//! Passwords of the broker's users: made from the system's randomness, and the salted form in
//! which the broker stores them (`base64(salt ++ sha256(salt ++ password))`).

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::Secret;
use rustls::crypto::SecureRandom;
use sha2::{Digest, Sha256};

use crate::BusError;

/// Bytes of salt before the digest.
const SALT: usize = 4;
/// Bytes of randomness in a password.
const ENTROPY: usize = 32;

/// A password that nobody can guess, of characters that need no escape in a URL.
///
/// # Errors
/// [`BusError::Topology`] when the system gives no randomness.
pub fn generated() -> Result<Secret, BusError> {
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(random::<ENTROPY>()?)))
}

/// The stored form of a password, under a new salt.
pub(super) fn stored(password: &Secret) -> Result<String, BusError> {
    let salt = random::<SALT>()?;
    let mut bytes = salt.to_vec();
    bytes.extend(digest(&salt, password));
    Ok(BASE64_STANDARD.encode(bytes))
}

/// Whether a stored form is this password's.
pub(super) fn fits(stored: &str, password: &Secret) -> bool {
    let Ok(bytes) = BASE64_STANDARD.decode(stored) else { return false };
    let Some((salt, digest)) = bytes.split_at_checked(SALT) else { return false };
    self::digest(salt, password) == digest
}

fn digest(salt: &[u8], password: &Secret) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(password.expose().as_bytes());
    hash.finalize().to_vec()
}

fn random<const N: usize>() -> Result<[u8; N], BusError> {
    let mut bytes = [0; N];
    let source: &dyn SecureRandom = rustls::crypto::ring::default_provider().secure_random;
    source
        .fill(&mut bytes)
        .map_err(|_| BusError::Topology("the system gives no randomness".to_owned()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_stored_form_only() {
        let (one, two) = (generated().expect("randomness"), generated().expect("randomness"));
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), 43);
        let stored = stored(&one).expect("randomness");
        assert!(fits(&stored, &one));
        assert!(!fits(&stored, &two));
        assert!(!stored.contains(one.expose()));
        assert!(!fits("", &one));
    }
}
