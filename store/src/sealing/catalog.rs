//! The key of the catalogue.

use ring::aead::{LessSafeKey, NONCE_LEN};

use super::{OVERHEAD_BYTES, open, seal};
use crate::StoreError;

/// What seals and opens values and pages of the catalogue. Its nonces are drawn: there are few values, and they are not
/// written in the order of anything.
pub struct CatalogKey(pub(super) LessSafeKey);

impl CatalogKey {
    /// Seals a value; `about` says what it is, and must be the same when it is opened.
    pub fn seal(&self, about: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| StoreError::Io(format!("draw a nonce: {error}")))?;
        let mut out = Vec::with_capacity(value.len() + OVERHEAD_BYTES);
        out.resize(NONCE_LEN, 0);
        out.extend_from_slice(value);
        seal(&self.0, nonce, about, &mut out, 0);
        Ok(out)
    }

    /// A value; `None` when it is not what was sealed.
    pub fn open(&self, about: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let len = open(&self.0, about, &mut sealed)?;
        sealed.drain(..NONCE_LEN);
        sealed.truncate(len);
        Some(sealed)
    }
}
