//! Encryption at rest: what lies on disk tells no subject, header, payload, name or configuration without the key.
//!
//! | module | what it holds |
//! |---|---|
//! | `vault` | the store's own key, and the keys made from it |
//! | `key_file` | the store's own key on disk, sealed with the operator's key, twice |
//! | `segment` | records of one segment |
//! | `catalog` | values and pages of the catalogue |
//!
//! docs/FORMAT.md has the bytes, and why no nonce is ever used twice.

mod catalog;
mod key_file;
mod segment;
mod vault;

pub use catalog::CatalogKey;
pub use key_file::{KEY_FILE, damaged_key_files, is_encrypted};
pub use segment::SegmentKeys;
pub(crate) use vault::Vault;

use std::fmt;

use ring::aead::{self, LessSafeKey, NONCE_LEN};

/// Bytes that sealed content takes beyond what it is: its nonce before it, its tag behind it.
pub const OVERHEAD_BYTES: usize = NONCE_LEN + TAG_BYTES;

/// Bytes of a tag, with either cipher.
const TAG_BYTES: usize = 16;

/// What seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// ChaCha20-Poly1305.
    #[default]
    ChaCha,
    /// AES-256-GCM.
    Aes,
}

impl Cipher {
    fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Cipher::ChaCha => &aead::CHACHA20_POLY1305,
            Cipher::Aes => &aead::AES_256_GCM,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cipher::ChaCha => "ChaCha20-Poly1305",
            Cipher::Aes => "AES-GCM",
        })
    }
}

/// What the operator has configured.
#[derive(Clone, PartialEq, Eq)]
pub struct Encryption {
    /// The key, as it was written.
    pub key: String,
    /// The key before, which a store may still need.
    pub previous_key: Option<String>,
    /// What seals whatever is written from now on.
    pub cipher: Cipher,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption").field("cipher", &self.cipher).finish_non_exhaustive()
    }
}

/// Seals `out` from `start` on, where room for the nonce and then the content lie; the tag follows them.
fn seal(key: &LessSafeKey, nonce: [u8; NONCE_LEN], about: &[u8], out: &mut Vec<u8>, start: usize) {
    let content = start.saturating_add(NONCE_LEN);
    if let Some(place) = out.get_mut(start..content) {
        place.copy_from_slice(&nonce);
    }
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let plain = out.get_mut(content..).unwrap_or_default();
    match key.seal_in_place_separate_tag(nonce, aead::Aad::from(about), plain) {
        Ok(tag) => out.extend_from_slice(tag.as_ref()),
        // Only content of many gigabytes does this; it must not lie on the disk as it is.
        Err(ring::error::Unspecified) => {
            plain.fill(0);
            out.resize(out.len() + TAG_BYTES, 0);
        }
    }
}

/// Opens `sealed` – nonce, content, tag – in place; returns the content's length, `None` when it is not what was sealed.
fn open(key: &LessSafeKey, about: &[u8], sealed: &mut [u8]) -> Option<usize> {
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
    let nonce = aead::Nonce::assume_unique_for_key(*nonce);
    let opened = key.open_in_place(nonce, aead::Aad::from(about), rest);
    opened.ok().map(|content| content.len())
}
