//! Account tokens in files: `<dir>/<account>.jwt`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::DirectorySettings;
use crate::jwt::{Claims, is_public_key};

/// What the name of a token's file ends in.
const EXTENSION: &str = "jwt";

/// The longest token that is read.
const TOKEN_BYTES_MAX: u64 = 1024 * 1024;

/// Accounts that a directory holds if nothing else is said.
const FULL_MAX: usize = 1_000_000;
const CACHE_MAX: usize = 1_000;

/// A directory of account tokens that belongs to this server alone.
pub struct Directory {
    settings: DirectorySettings,
    state: Mutex<BTreeMap<String, Entry>>,
}

struct Entry {
    digest: [u8; 32],
    asked_for: SystemTime,
}

impl Directory {
    /// Opens or makes a directory.
    pub(super) fn open(settings: &DirectorySettings) -> Result<Self, String> {
        let dir = &settings.dir;
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let accounts_max = match (settings.accounts_max, settings.full) {
            (0, true) => FULL_MAX,
            (0, false) => CACHE_MAX,
            (set, _) => set,
        };
        let mut settings = DirectorySettings { accounts_max, ..settings.clone() };
        let preload = std::mem::take(&mut settings.preload);
        let directory = Self { settings, state: Mutex::default() };
        directory.index()?;
        for (id, token) in &preload {
            directory.save_if_newer(id, token)?;
        }
        Ok(directory)
    }

    /// Whether it holds all accounts there are.
    pub fn is_full(&self) -> bool {
        self.settings.full
    }

    /// Whether accounts may be deleted on request.
    pub fn allows_delete(&self) -> bool {
        self.settings.allow_delete
    }

    /// The token of an account.
    pub fn load(&self, id: &str) -> Option<String> {
        let path = self.path(id)?;
        if self.is_too_old(id) {
            self.forget(id);
            return None;
        }
        let token = read(&path)?;
        if let Some(entry) = self.state.lock().get_mut(id) {
            entry.asked_for = SystemTime::now();
        }
        Some(token)
    }

    /// Stores a token. `true` if it differs from what was there.
    pub fn save(&self, id: &str, token: &str) -> Result<bool, String> {
        let path = self.path(id).ok_or("invalid public key")?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut state = self.state.lock();
        match state.get(id) {
            Some(known) if known.digest == digest => return Ok(false),
            Some(_) => {}
            None => self.make_room(&mut state)?,
        }
        write(&path, token).map_err(|error| error.to_string())?;
        state.insert(id.to_owned(), Entry { digest, asked_for: SystemTime::now() });
        Ok(true)
    }

    /// Stores a token unless the one that is there is as new.
    pub fn save_if_newer(&self, id: &str, token: &str) -> Result<(), String> {
        let issued_at = |token: &str| Claims::decode_generic(token).map(|(claims, _)| claims.issued_at);
        let new = issued_at(token).map_err(|error| error.to_string())?;
        let known = self.path(id).and_then(|path| read(&path)).and_then(|token| issued_at(&token).ok());
        match known {
            Some(known) if known >= new => Ok(()),
            _ => self.save(id, token).map(drop),
        }
    }

    /// Takes a token away. It may be kept beside as `.jwt.deleted`.
    pub fn delete(&self, id: &str) -> Result<(), String> {
        let path = self.path(id).ok_or("invalid public key")?;
        let mut state = self.state.lock();
        let gone = match self.settings.hard_delete {
            true => fs::remove_file(&path),
            false => fs::rename(&path, path.with_extension("jwt.deleted")),
        };
        match gone {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        state.remove(id);
        Ok(())
    }

    /// All accounts there are, in order.
    pub fn accounts(&self) -> Vec<String> {
        self.state.lock().keys().cloned().collect()
    }

    /// Changes with every token.
    pub fn digest(&self) -> [u8; 32] {
        let mut all = [0; 32];
        for entry in self.state.lock().values() {
            all.iter_mut().zip(entry.digest).for_each(|(byte, other)| *byte ^= other);
        }
        all
    }

    fn index(&self) -> Result<(), String> {
        let entries = fs::read_dir(&self.settings.dir).map_err(|error| error.to_string())?;
        let mut state = self.state.lock();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let Some((id, token)) = account_of(&path).and_then(|id| Some((id, read(&path)?))) else {
                continue;
            };
            let digest = Sha256::digest(token.as_bytes()).into();
            state.insert(id, Entry { digest, asked_for: SystemTime::now() });
        }
        Ok(())
    }

    /// A cache forgets what was not asked for for longest; a full store refuses.
    fn make_room(&self, state: &mut BTreeMap<String, Entry>) -> Result<(), String> {
        if state.len() < self.settings.accounts_max {
            return Ok(());
        }
        let oldest = state.iter().min_by_key(|(_, entry)| entry.asked_for).map(|(id, _)| id.clone());
        match oldest {
            Some(oldest) if !self.settings.full => {
                state.remove(&oldest);
                let path = self.path(&oldest).ok_or("invalid public key")?;
                fs::remove_file(path).map_err(|error| error.to_string())
            }
            _ => Err("jwt store is full".to_owned()),
        }
    }

    fn is_too_old(&self, id: &str) -> bool {
        let Some(ttl) = self.settings.ttl else { return false };
        let state = self.state.lock();
        state.get(id).is_some_and(|entry| entry.asked_for.elapsed().unwrap_or_default() > ttl)
    }

    fn forget(&self, id: &str) {
        if let Some(path) = self.path(id) {
            self.state.lock().remove(id);
            // Left over, it is overwritten by the next token.
            let _ = fs::remove_file(path);
        }
    }

    /// Only for names that are keys, which lead nowhere else.
    fn path(&self, id: &str) -> Option<PathBuf> {
        is_public_key(id, 'A').then(|| self.settings.dir.join(id).with_extension(EXTENSION))
    }
}

fn account_of(path: &Path) -> Option<String> {
    let is_token = path.extension().is_some_and(|extension| extension == EXTENSION);
    let name = path.file_stem().filter(|_| is_token)?.to_str()?;
    is_public_key(name, 'A').then(|| name.to_owned())
}

fn read(path: &Path) -> Option<String> {
    let mut token = String::new();
    File::open(path).ok()?.take(TOKEN_BYTES_MAX).read_to_string(&mut token).ok()?;
    (!token.is_empty()).then_some(token)
}

/// Whole or not at all.
fn write(path: &Path, token: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("jwt.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(token.as_bytes())?;
    file.sync_data()?;
    fs::rename(&unfinished, path)
}
