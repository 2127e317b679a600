//! The store's own key, and what is made from it.

use std::sync::Arc;

use ring::aead::{LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk};

use super::key_file::{self, Held, KEY_BYTES, KEY_COPY, KEY_FILE};
use super::segment::Nonces;
use super::{CatalogKey, Cipher, Encryption, SegmentKeys};
use crate::StoreError;
use crate::disk::Disk;
use crate::error::io_error;

const NO_KEY: &str = "the store is encrypted, and no key is configured";

/// The keys of an encrypted store that is open.
pub(crate) struct Vault {
    data_key: [u8; KEY_BYTES],
    cipher: Cipher,
    nonces: Arc<Nonces>,
    is_new: bool,
    /// The files do not both hold the key, sealed with the operator's present one.
    is_to_be_kept: bool,
}

impl Vault {
    /// Opens the store's own key with the operator's, or draws one for a store that has none; `None` where neither has one.
    /// Nothing is written before [`Vault::keep`].
    pub fn open(disk: &dyn Disk, encryption: Option<&Encryption>) -> Result<Option<Self>, StoreError> {
        let held = [key_file::read(disk, KEY_FILE)?, key_file::read(disk, KEY_COPY)?];
        let nothing = held.iter().all(|held| matches!(held, Held::Nothing));
        let Some(encryption) = encryption else {
            return if nothing { Ok(None) } else { Err(refused(&held, NO_KEY)) };
        };
        let vault =
            if nothing { Self::draw(disk, encryption) } else { Self::unseal(disk, encryption, &held) };
        vault.map(Some)
    }

    /// Whether its key was made in this opening.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// What seals whatever is written from now on.
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Sees to it that both files hold the store's own key, sealed with the operator's.
    pub fn keep(&self, disk: &dyn Disk, encryption: &Encryption) -> Result<(), StoreError> {
        if !self.is_to_be_kept {
            return Ok(());
        }
        key_file::write(disk, &self.data_key, &encryption.key)
    }

    /// The keys of the segment `id` with this salt.
    pub fn segment(&self, id: u32, salt: u64) -> Result<SegmentKeys, StoreError> {
        let (id, salt) = (id.to_le_bytes(), salt.to_le_bytes());
        let info: [&[u8]; 3] = [b"segment", &id, &salt];
        Ok(SegmentKeys {
            chacha: self.derive(Cipher::ChaCha, &info)?,
            aes: self.derive(Cipher::Aes, &info)?,
            nonces: Arc::clone(&self.nonces),
            is_new: self.is_new,
        })
    }

    /// The key of the catalogue. With another cipher it is another one, and the catalogue is rebuilt.
    pub fn catalog(&self) -> Result<CatalogKey, StoreError> {
        self.derive(self.cipher, &[b"catalog"]).map(CatalogKey)
    }

    fn derive(&self, cipher: Cipher, info: &[&[u8]]) -> Result<LessSafeKey, StoreError> {
        let name: &[u8] = if cipher == Cipher::Aes { b"aes" } else { b"chacha" };
        let info = [&[name], info].concat();
        let prk = Prk::new_less_safe(HKDF_SHA256, &self.data_key);
        let derived = prk.expand(&info, cipher.algorithm()).map(UnboundKey::from);
        derived.map(LessSafeKey::new).map_err(|_| StoreError::Io("a key cannot be derived".into()))
    }

    fn draw(disk: &dyn Disk, encryption: &Encryption) -> Result<Self, StoreError> {
        let mut data_key = [0; KEY_BYTES];
        for word in data_key.chunks_mut(8) {
            word.copy_from_slice(&drawn(disk)?.to_le_bytes());
        }
        Self::new(disk, encryption, data_key, true, true)
    }

    fn new(
        disk: &dyn Disk,
        encryption: &Encryption,
        data_key: [u8; KEY_BYTES],
        is_new: bool,
        is_to_be_kept: bool,
    ) -> Result<Self, StoreError> {
        let nonces = Arc::new(Nonces::new(drawn(disk)?));
        Ok(Self { data_key, cipher: encryption.cipher, nonces, is_new, is_to_be_kept })
    }

    fn unseal(disk: &dyn Disk, encryption: &Encryption, held: &[Held; 2]) -> Result<Self, StoreError> {
        let sealed = held.iter().filter_map(|held| match held {
            Held::Key(bytes) => Some(bytes),
            Held::Nothing | Held::Useless(_) => None,
        });
        let sealed: Vec<_> = sealed.collect();
        let with = |key: &str| sealed.iter().find_map(|bytes| key_file::unseal(bytes, key));
        let same = sealed.len() == 2 && sealed.iter().all(|bytes| Some(bytes) == sealed.first());
        if let Some(data_key) = with(&encryption.key) {
            if !same {
                log::warn!(
                    "the store's key: {KEY_FILE} and {KEY_COPY} differ, the one that is of use is kept"
                );
            }
            return Self::new(disk, encryption, data_key, false, !same);
        }
        if let Some(data_key) = encryption.previous_key.as_deref().and_then(with) {
            log::info!("the store's key is sealed with the new encryption key from now on");
            return Self::new(disk, encryption, data_key, false, true);
        }
        Err(refused(held, "wrong encryption key"))
    }
}

/// Why a store cannot be opened that has files with a key of its own: what is wrong with the key that is configured, if there is
/// one to hold it against, and what is wrong with the files.
fn refused(held: &[Held; 2], key: &str) -> StoreError {
    let useless = held.iter().filter_map(|held| match held {
        Held::Useless(why) => Some(why.as_str()),
        Held::Nothing | Held::Key(_) => None,
    });
    let key = held.iter().any(|held| matches!(held, Held::Key(_))).then_some(key);
    StoreError::Io(key.into_iter().chain(useless).collect::<Vec<_>>().join("; "))
}

fn drawn(disk: &dyn Disk) -> Result<u64, StoreError> {
    disk.random().map_err(|error| io_error("draw a key", &error))
}
