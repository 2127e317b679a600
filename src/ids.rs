//! Names that are unique without asking anyone.

use nkeys::{KeyPair, KeyPairType};

/// Where seeds come from; the simulator hands in its own.
pub trait Random: Send + Sync {
    /// The next number.
    fn next_u64(&self) -> u64;
}

/// The system's own source.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        random_u64()
    }
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Length of a [`nuid`].
pub const NUID_BYTES: usize = 22;

/// A new key for a server. Its id is the public part, 56 characters that begin with `N`.
pub fn server_key() -> KeyPair {
    KeyPair::new_from_raw(KeyPairType::Server, random_bytes()).unwrap_or_else(|_| KeyPair::new_server())
}

/// A random name as clients make them for inboxes and ephemeral consumers: 22 characters of base 62.
pub fn nuid() -> String {
    token(NUID_BYTES)
}

/// `length` random characters of base 62.
pub fn token(length: usize) -> String {
    let mut token = String::with_capacity(length);
    while token.len() < length {
        // The 6-bit values 62 and 63 are thrown away so that all characters are equally likely.
        let digits = random_bytes::<32>().into_iter().filter_map(|byte| BASE62.get(usize::from(byte & 63)));
        token.extend(digits.take(length - token.len()).map(|digit| char::from(*digit)));
    }
    token
}

/// A nonce for INFO: 11 random bytes as 15 characters of base64url, which nkey users sign.
pub fn nonce() -> String {
    data_encoding::BASE64URL_NOPAD.encode(&random_bytes::<11>())
}

/// A random number, for seeds.
pub fn random_u64() -> u64 {
    u64::from_le_bytes(random_bytes())
}

/// Random bytes of cryptographic quality.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // Only on systems without a random source at all: fall back to the hash map's seed.
        use std::hash::BuildHasher;
        let seeds = std::iter::repeat_with(|| std::collections::hash_map::RandomState::new().hash_one(0u8));
        bytes.iter_mut().zip(seeds).for_each(|(byte, seed)| *byte = seed as u8);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_server_id_is_a_server_nkey() {
        let id = server_key().public_key();
        assert_eq!((id.len(), &id[..1]), (56, "N"));
        assert!(KeyPair::from_public_key(&id).is_ok());
    }

    #[test]
    fn nuids_are_long_and_different() {
        let nuids: HashSet<String> = (0..1000).map(|_| nuid()).collect();
        assert_eq!(nuids.len(), 1000);
        assert!(
            nuids
                .iter()
                .all(|nuid| nuid.len() == NUID_BYTES && nuid.bytes().all(|b| b.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn a_nonce_has_fifteen_characters() {
        assert_eq!(nonce().len(), 15);
    }
}
