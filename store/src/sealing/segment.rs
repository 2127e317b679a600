//! The keys of one segment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use ring::aead::{LessSafeKey, NONCE_LEN};

use super::{Cipher, open, seal};

/// Where nonces of records come from: what was drawn when the store was opened, and a counter.
///
/// A segment has keys of its own and far fewer records than the counter has numbers, so that under one key no nonce comes
/// twice as long as the store is open; what is drawn tells apart the openings in which a segment was written to.
#[derive(Debug)]
pub struct Nonces {
    drawn: [u8; 8],
    next: AtomicU32,
}

impl Nonces {
    pub(super) fn new(drawn: u64) -> Self {
        Self { drawn: drawn.to_le_bytes(), next: AtomicU32::new(0) }
    }

    fn next(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        let (drawn, count) = nonce.split_at_mut(self.drawn.len());
        drawn.copy_from_slice(&self.drawn);
        count.copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        nonce
    }
}

/// What seals and opens the records of one segment.
pub struct SegmentKeys {
    pub(super) chacha: LessSafeKey,
    pub(super) aes: LessSafeKey,
    pub(super) nonces: Arc<Nonces>,
    pub(super) is_new: bool,
}

impl SegmentKeys {
    /// Seals a record's content, which lies in `out` behind room for the nonce at `start`; `about` cannot be changed either.
    pub fn seal(&self, cipher: Cipher, about: &[u8], out: &mut Vec<u8>, start: usize) {
        seal(self.key(cipher), self.nonces.next(), about, out, start);
    }

    /// The content of a record; `None` when it is not what was sealed.
    pub fn open(&self, cipher: Cipher, about: &[u8], sealed: Bytes) -> Option<Bytes> {
        let mut sealed = sealed.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
        let len = open(self.key(cipher), about, &mut sealed)?;
        sealed.advance(NONCE_LEN);
        sealed.truncate(len);
        Some(sealed.freeze())
    }

    /// Whether the store's key was made in this opening, so that nothing can have been sealed with it before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    fn key(&self, cipher: Cipher) -> &LessSafeKey {
        match cipher {
            Cipher::ChaCha => &self.chacha,
            Cipher::Aes => &self.aes,
        }
    }
}
