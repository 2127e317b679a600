//! A configured password or token, in a form that tells nothing when it is printed or dumped.

use std::fmt;

use bcrypt::HashParts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A password or token from the configuration.
///
/// A text that starts like a bcrypt hash (`$2a$10$…`, also 2b, 2x, 2y) is one; any other text is kept as its digest,
/// so that comparing takes the same time whatever was sent.
#[derive(Clone)]
pub struct SecretVerifier(Kind);

#[derive(Clone)]
enum Kind {
    Plain { digest: [u8; 32], empty: bool },
    Bcrypt { hash: Box<str>, cost: u32 },
}

impl SecretVerifier {
    /// The secret that the configuration states as `text`.
    pub fn new(text: &str) -> Self {
        if !looks_like_bcrypt(text) {
            return Self(Kind::Plain { digest: Sha256::digest(text).into(), empty: text.is_empty() });
        }
        // A damaged hash verifies nothing and costs nothing.
        let cost = text.parse::<HashParts>().map_or(0, |parts| parts.get_cost());
        Self(Kind::Bcrypt { hash: text.into(), cost })
    }

    /// Whether `sent` is the secret. Takes hundreds of milliseconds for a bcrypt hash.
    pub fn verify(&self, sent: &str) -> bool {
        match &self.0 {
            Kind::Plain { digest, .. } => digest.ct_eq(Sha256::digest(sent).as_slice()).into(),
            Kind::Bcrypt { hash, .. } => bcrypt::verify(sent, hash).unwrap_or(false),
        }
    }

    /// The bcrypt cost (a power of two), if it is a hash.
    pub fn bcrypt_cost(&self) -> Option<u32> {
        match self.0 {
            Kind::Plain { .. } => None,
            Kind::Bcrypt { cost, .. } => Some(cost),
        }
    }

    /// Whether the configuration states no secret at all.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Kind::Plain { empty: true, .. })
    }
}

/// Spends the time that verifying a bcrypt hash of `cost` takes.
pub(super) fn spend_bcrypt_time(cost: u32, sent: &str) {
    let _ = std::hint::black_box(bcrypt::hash_with_salt(sent, cost, [0; 16]));
}

fn looks_like_bcrypt(text: &str) -> bool {
    let [b'$', b'2', version, b'$', tens, ones, b'$', ..] = text.as_bytes() else {
        return false;
    };
    matches!(version, b'a' | b'b' | b'x' | b'y') && tens.is_ascii_digit() && ones.is_ascii_digit()
}

impl fmt::Debug for SecretVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_secret_is_compared_as_it_stands() {
        let secret = SecretVerifier::new("s3cr3t");
        assert!(secret.verify("s3cr3t"));
        assert!(!secret.verify("s3cr3T") && !secret.verify("") && !secret.verify("s3cr3t "));
        assert_eq!(secret.bcrypt_cost(), None);
    }

    #[test]
    fn every_bcrypt_version_is_recognised() {
        let made = bcrypt::hash("pw", 4).unwrap();
        for version in ["a", "b", "x", "y"] {
            let secret = SecretVerifier::new(&format!("$2{version}{}", &made[3..]));
            assert_eq!(secret.bcrypt_cost(), Some(4));
            assert!(secret.verify("pw") && !secret.verify("PW") && !secret.verify(&made));
        }
    }

    #[test]
    fn a_text_that_only_resembles_a_hash_is_a_plain_secret() {
        for text in ["$2c$10$abc", "$2a$1$abc", "2a$10$", "$2a$10"] {
            assert!(SecretVerifier::new(text).verify(text), "{text}");
        }
    }

    #[test]
    fn a_damaged_hash_lets_nobody_in() {
        let secret = SecretVerifier::new("$2a$04$tooshort");
        assert!(!secret.verify("") && !secret.verify("$2a$04$tooshort"));
    }

    #[test]
    fn debug_output_tells_nothing() {
        assert_eq!(format!("{:?}", SecretVerifier::new("hunter2")), "[REDACTED]");
    }
}
