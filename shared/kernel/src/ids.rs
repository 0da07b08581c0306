//! Derived identifiers: the same cause always gives the same id, so a decision that is taken
//! twice publishes the same message.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Namespace of every id that Relais derives.
const NAMESPACE: Uuid = Uuid::from_u128(0x7265_6c61_6973_5f69_6473_5f76_315f_3031);

/// Derives a UUIDv5 from an ordered list of parts.
pub fn derive_id(parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(64);
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// A short, opaque, human-readable id (10 characters, Crockford base 32) derived from parts.
pub fn short_id(parts: &[&str]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let digest = Sha256::digest(derive_id(parts).as_bytes());
    digest[..10].iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_confused() {
        assert_eq!(derive_id(&["a", "b"]), derive_id(&["a", "b"]));
        assert_ne!(derive_id(&["a", "b"]), derive_id(&["ab"]));
        assert_eq!(short_id(&["a"]).len(), 10);
    }
}
