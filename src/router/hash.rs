//! Hashing of subjects and tokens.
//!
//! Subjects come from clients, so the hash is seeded per process; they are short and hashed for every message, so it is a
//! multiply-and-fold over eight bytes at a time rather than SipHash.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0u8) | 1);

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Builds hashers for maps keyed by subjects, tokens or sids.
#[derive(Debug, Clone, Copy, Default)]
pub struct SubjectHash;

impl SubjectHash {
    /// The hash of one subject.
    pub fn of(subject: &[u8]) -> u64 {
        let mut hasher = SubjectHash.build_hasher();
        hasher.write(subject);
        hasher.finish()
    }
}

impl BuildHasher for SubjectHash {
    type Hasher = SubjectHasher;

    fn build_hasher(&self) -> SubjectHasher {
        SubjectHasher { state: *SEED, key: *SEED ^ MULTIPLIER }
    }
}

/// See [`SubjectHash`].
#[derive(Debug, Clone)]
pub struct SubjectHasher {
    state: u64,
    key: u64,
}

impl Hasher for SubjectHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            self.mix(word.try_into().map(u64::from_le_bytes).unwrap_or_default());
        }
        let tail = words.remainder();
        let mut last = [0u8; 8];
        last[..tail.len()].copy_from_slice(tail);
        self.mix(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        fold(self.state, MULTIPLIER)
    }
}

impl SubjectHasher {
    fn mix(&mut self, word: u64) {
        self.state = fold(self.state ^ word, self.key);
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_subjects_hash_differently() {
        let hashes: HashSet<u64> =
            (0..100_000).map(|n| SubjectHash::of(format!("orders.{n}").as_bytes())).collect();
        assert_eq!(hashes.len(), 100_000);
    }

    #[test]
    fn a_trailing_zero_byte_counts() {
        assert_ne!(SubjectHash::of(b"a"), SubjectHash::of(b"a\0"));
    }

    #[test]
    fn the_low_bits_spread() {
        let slots: HashSet<u64> =
            (0..1000).map(|n| SubjectHash::of(format!("t{n}").as_bytes()) & 63).collect();
        assert_eq!(slots.len(), 64);
    }
}
