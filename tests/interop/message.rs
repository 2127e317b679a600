//! The messages that every client of the crash test sends; `clients/README.md` has the rule in words.

use sha2::{Digest, Sha256};

/// The subject of message `index`.
pub fn subject(index: u64) -> String {
    format!("crash.{}", index % 8)
}

/// The payload of message `index`: every byte value occurs, CR LF among them.
pub fn payload(index: u64) -> Vec<u8> {
    let size = if index % 500 == 0 { 40_000 } else { index * 7919 % 700 };
    let mut state = (index as u32).wrapping_mul(2_654_435_761).wrapping_add(12_345);
    (0..size).map(|_| next_byte(&mut state)).collect()
}

fn next_byte(state: &mut u32) -> u8 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 24) as u8
}

/// SHA-256 of `body` as lower-case hex.
pub fn digest(body: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(body))
}
