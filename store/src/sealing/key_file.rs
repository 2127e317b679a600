//! The store's own key on disk.
//!
//! The operator's key seals nothing but the store's own, so that another one can be had at once. Without the store's own key
//! everything is lost; so it is kept twice, in files that are replaced one after the other and never written over.

use std::num::NonZeroU32;

use ring::aead::{AES_256_GCM, LessSafeKey, NONCE_LEN, UnboundKey};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};

use super::{OVERHEAD_BYTES, open, seal};
use crate::StoreError;
use crate::disk::Disk;
use crate::error::io_error;

/// The file with the store's own key.
pub const KEY_FILE: &str = "encryption";

/// The same once more.
pub const KEY_COPY: &str = "encryption.copy";

/// What the name of a file ends in that is being made.
const PREPARING: &str = ".tmp";

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

const MAGIC: [u8; 8] = *b"\x89HWK\r\n\x1a\n";
const VERSION: u32 = 1;
const LEN: usize = 128;
const SALT: std::ops::Range<usize> = 16..32;
const SEALED: std::ops::Range<usize> = 32..32 + OVERHEAD_BYTES + KEY_BYTES;
const CHECKED: usize = LEN - 4;

/// How much work it is to try a key. More than nothing, because operators choose keys that can be remembered.
const ROUNDS: u32 = 50_000;

/// What a file may ask for at most.
const ROUNDS_MAX: u32 = 10_000_000;

/// What one of the two files holds.
pub enum Held {
    /// There is no such file.
    Nothing,
    /// It cannot be read, or is damaged: in words, with its name.
    Useless(String),
    /// The store's own key, sealed.
    Key([u8; LEN]),
}

/// Reads one of the files.
pub fn read(disk: &dyn Disk, name: &str) -> Result<Held, StoreError> {
    let file = match disk.open(name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Held::Nothing),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(io_error(&format!("open {name}"), &error));
        }
        Err(error) => return Ok(Held::Useless(format!("{name} cannot be opened: {error}"))),
        Ok(file) => file,
    };
    let mut bytes = [0; LEN];
    match file.read_at(&mut bytes, 0) {
        Err(error) => return Ok(Held::Useless(format!("{name} cannot be read: {error}"))),
        Ok(read) if read < LEN || !is_whole(&bytes) => {
            return Ok(Held::Useless(format!("{name} is damaged")));
        }
        Ok(_) => {}
    }
    match word(&bytes, 8) {
        VERSION => Ok(Held::Key(bytes)),
        version => Err(StoreError::Io(format!("{name} has version {version}, newer than this program"))),
    }
}

/// Whether the store in `disk` has a key of its own.
pub fn is_encrypted(disk: &dyn Disk) -> Result<bool, StoreError> {
    let held = [read(disk, KEY_FILE)?, read(disk, KEY_COPY)?];
    Ok(held.iter().any(|held| !matches!(held, Held::Nothing)))
}

/// Which of the files of an encrypted store is missing or damaged.
pub fn damaged_key_files(disk: &dyn Disk) -> Result<Vec<&'static str>, StoreError> {
    let mut damaged = Vec::new();
    for name in [KEY_FILE, KEY_COPY] {
        if !matches!(read(disk, name)?, Held::Key(_)) {
            damaged.push(name);
        }
    }
    Ok(damaged)
}

/// The store's own key, if `key` is what it was sealed with.
pub fn unseal(held: &[u8; LEN], key: &str) -> Option<[u8; KEY_BYTES]> {
    let rounds = NonZeroU32::new(word(held, 12).min(ROUNDS_MAX))?;
    let wrapping = wrapping_key(key, held.get(SALT)?, rounds)?;
    let mut sealed = held.get(SEALED)?.to_vec();
    open(&wrapping, held.get(..SALT.end)?, &mut sealed)?;
    sealed.get(NONCE_LEN..)?.first_chunk().copied()
}

/// Writes both files anew, one after the other.
pub fn write(disk: &dyn Disk, data_key: &[u8; KEY_BYTES], key: &str) -> Result<(), StoreError> {
    let bytes = sealed(disk, data_key, key)?;
    for name in [KEY_COPY, KEY_FILE] {
        let preparing = format!("{name}{PREPARING}");
        let replaced = disk.create(&preparing).and_then(|file| {
            file.write_at(&bytes, 0)?;
            file.sync_data()?;
            disk.rename(&preparing, name)?;
            disk.sync_dir("")
        });
        replaced.map_err(|error| io_error(&format!("write {name}"), &error))?;
    }
    Ok(())
}

fn sealed(disk: &dyn Disk, data_key: &[u8; KEY_BYTES], key: &str) -> Result<[u8; LEN], StoreError> {
    let draw = || disk.random().map(u64::to_le_bytes).map_err(|error| io_error("draw a salt", &error));
    let salt = [draw()?, draw()?].concat();
    let mut out = Vec::with_capacity(LEN);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&ROUNDS.to_le_bytes());
    out.extend_from_slice(&salt);
    let about = out.clone();
    let unusable = || StoreError::Io("the encryption key cannot be used".into());
    let wrapping = wrapping_key(key, &salt, NonZeroU32::new(ROUNDS).ok_or_else(unusable)?);
    let mut nonce = [0; NONCE_LEN];
    // The key this goes with is used once: its salt has just been drawn.
    nonce[..8].copy_from_slice(&draw()?);
    out.resize(SEALED.start + nonce.len(), 0);
    out.extend_from_slice(data_key);
    seal(&wrapping.ok_or_else(unusable)?, nonce, &about, &mut out, SEALED.start);
    out.resize(CHECKED, 0);
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out.try_into().map_err(|_| unusable())
}

fn wrapping_key(key: &str, salt: &[u8], rounds: NonZeroU32) -> Option<LessSafeKey> {
    let mut derived = [0; KEY_BYTES];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, rounds, salt, key.as_bytes(), &mut derived);
    UnboundKey::new(&AES_256_GCM, &derived).ok().map(LessSafeKey::new)
}

fn is_whole(bytes: &[u8; LEN]) -> bool {
    bytes.starts_with(&MAGIC)
        && bytes.get(..CHECKED).is_some_and(|held| crc32c::crc32c(held) == word(bytes, CHECKED))
}

fn word(bytes: &[u8; LEN], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}
