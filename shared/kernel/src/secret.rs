//! Secrets that cannot be printed, and pseudonyms for what must not be logged.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A secret read from the environment or a file; its `Debug` and `Display` show `***`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Whether `given` is the secret, in a time that tells nothing of where they differ.
    ///
    /// # Panics
    /// Never: HMAC accepts keys of any length.
    pub fn same(&self, given: &str) -> bool {
        let of = |text: &str| {
            let mac = Hmac::<Sha256>::new_from_slice(b"comparaison");
            let mut mac = mac.expect("HMAC accepts keys of any length");
            mac.update(text.as_bytes());
            mac
        };
        of(given).verify_slice(&of(&self.0).finalize().into_bytes()).is_ok()
    }

    /// The secret itself: for the call that needs it, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Turns identifiers into pseudonyms for logs: HMAC-SHA256 under a key that rotates, truncated.
#[derive(Clone, Debug)]
pub struct Pseudonymiser(Secret);

impl Pseudonymiser {
    /// A pseudonymiser under `key`.
    pub fn new(key: Secret) -> Self {
        Self(key)
    }

    /// 12 hexadecimal characters that stand for `identifier`.
    ///
    /// # Panics
    /// Never: HMAC accepts keys of any length.
    pub fn of(&self, identifier: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes())
            .expect("HMAC accepts keys of any length");
        mac.update(identifier.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..6])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_same_or_not() {
        let secret = Secret::new("jeton");
        assert!(secret.same("jeton"));
        assert!(["", "jeto", "jetons", "Jeton"].iter().all(|other| !secret.same(other)));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("jeton");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        let pseudonym = Pseudonymiser::new(secret).of("99790000014");
        assert_eq!(pseudonym.len(), 12);
        assert!(!pseudonym.contains("9979"));
    }
}
