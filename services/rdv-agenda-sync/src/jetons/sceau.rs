//! What stored tokens are encrypted with: AES-256-GCM under a key that `credential_key` gives.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead, Nonce, Payload},
};
use hmac::{Hmac, Mac};
use kernel::Secret;
use sha2::Sha256;

use super::{Jetons, NOM};

/// Encrypts and decrypts tokens.
pub(super) struct Sceau(Secret);

impl Sceau {
    pub(super) fn new(cle: &Secret) -> Self {
        Self(cle.clone())
    }

    pub(super) fn mac(&self, usage: &str, data: &[u8]) -> [u8; 32] {
        let key = self.0.expose().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
        mac.update(usage.as_bytes());
        mac.update(&[0]);
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    fn chiffre(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.mac("chiffrement", b"").into())
    }

    /// The nonce is derived from the text under a key of its own: two texts never share one but by
    /// a collision of 96 bits, and the same text gives the same bytes.
    pub(super) fn fermer(&self, jetons: &Jetons) -> Vec<u8> {
        let text = serde_json::to_vec(jetons).expect("tokens are strings: they encode");
        let mut nonce = [0_u8; 12];
        nonce.copy_from_slice(&self.mac("nonce", &text)[..12]);
        let payload = Payload { msg: &text, aad: NOM.as_bytes() };
        let sealed = self.chiffre().encrypt(&Nonce::<Aes256Gcm>::from(nonce), payload);
        let sealed = sealed.expect("a text of some hundred bytes is far below the limit of GCM");
        [&nonce[..], &sealed].concat()
    }

    pub(super) fn ouvrir(&self, sealed: &[u8]) -> Option<Jetons> {
        let (nonce, sealed) = sealed.split_at_checked(12)?;
        let nonce: [u8; 12] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad: NOM.as_bytes() };
        let text = self.chiffre().decrypt(&Nonce::<Aes256Gcm>::from(nonce), payload).ok()?;
        serde_json::from_slice(&text).ok()
    }
}
