//! The catalogue: sled, as a drawer of values that are all checked by whoever put them in.
//!
//! sled 0.34 may panic on damaged files, and what it has flushed may still be lost with the power. So every call is
//! guarded, nothing read is believed without its checksum, and a catalogue that fails is set aside: the journal holds
//! everything. Values are cut into small pieces, because sled puts large ones into files it never syncs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::RwLock;

use super::StoreError;
use super::index::varint;
use super::page_file::PageFile;
use super::sealing::CatalogKey;
use super::sled_panics;

/// Bytes of a value kept in one entry.
const PIECE_BYTES_MAX: usize = 4000;

/// Pieces of one value at most.
const PIECES_MAX: usize = 1 << 16;

/// sled's own cache.
const CACHE_BYTES: u64 = 4 << 20;

/// How often, and how far apart, sled is opened while its file is locked. Other processes are kept out before that.
const LOCKED_TRIES_MAX: u32 = 100;
const LOCKED_PAUSE: Duration = Duration::from_millis(10);

/// The file with the index pages, beside sled's own.
const PAGES: &str = "pages";

/// What a catalogue that failed is renamed to; the one before goes.
const SET_ASIDE: &str = "catalog.damaged";

/// Beside the catalogue, says that it must not be believed.
const DISTRUSTED: &str = "catalog.distrusted";

/// One change of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Store a value.
    Put(Vec<u8>, Vec<u8>),
    /// Forget a value, if there is one.
    Delete(Vec<u8>),
}

/// An open catalogue.
pub struct Catalog {
    path: PathBuf,
    pages: PageFile,
    key: Option<Arc<CatalogKey>>,
    db: RwLock<Option<sled::Db>>,
    /// Its files may be another's by now.
    closed: AtomicBool,
}

impl Catalog {
    /// Opens the catalogue in `path`, or makes a new one; with `key`, values and pages are sealed.
    pub fn open(path: PathBuf, key: Option<Arc<CatalogKey>>) -> Result<Self, StoreError> {
        if sled_panics::take_distrust() || path.with_file_name(DISTRUSTED).exists() {
            return Err(failed("open", "it was found damaged"));
        }
        let db = guarded("open", || when_unlocked(|| config(&path).open()))?;
        let pages = PageFile::open(&path.join(PAGES), key.clone())?;
        Ok(Self { path, pages, key, db: RwLock::new(Some(db)), closed: AtomicBool::new(false) })
    }

    /// Gets a catalogue that failed out of the way.
    pub fn set_aside(path: &Path) -> Result<(), StoreError> {
        let aside = path.with_file_name(SET_ASIDE);
        if path.exists() {
            // What was set aside before may be a file; if it cannot go, the renaming says so.
            let _ = fs::remove_dir_all(&aside).or_else(|_| fs::remove_file(&aside));
            fs::rename(path, &aside).map_err(|error| failed("set aside", &error.to_string()))?;
            log::warn!("catalogue: set aside as {}, it is rebuilt from the journal", aside.display());
        }
        let _ = fs::remove_file(path.with_file_name(DISTRUSTED));
        Ok(())
    }

    /// Removes a catalogue that was set aside and tells what is to be sealed from now on.
    pub fn forget_set_aside(path: &Path) {
        let aside = path.with_file_name(SET_ASIDE);
        let _ = fs::remove_dir_all(&aside).or_else(|_| fs::remove_file(&aside));
    }

    /// Removes a catalogue that is of no use any more.
    pub fn remove(path: &Path) -> Result<(), StoreError> {
        fs::remove_dir_all(path).map_err(|error| failed("remove", &error.to_string()))
    }

    /// Where index pages are stored.
    pub fn pages(&self) -> &PageFile {
        &self.pages
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        self.with("read", |db| Ok(db.is_empty()))
    }

    /// Closes sled and opens it again: after an error it answers nothing else.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let mut held = self.db.write();
        close(held.take());
        *held = Some(guarded("open", || when_unlocked(|| config(&self.path).open()))?);
        Ok(())
    }

    /// Closes sled; nothing can be read or written any more, and what is read of pages says nothing.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        close(self.db.write().take());
    }

    /// What was read from it is wrong: it is not to be opened again, unless it was closed before.
    pub fn distrust(&self) {
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        let marked = File::create(self.path.with_file_name(DISTRUSTED)).and_then(|file| file.sync_all());
        if let Err(error) = marked {
            log::error!("catalogue: cannot be marked as damaged: {error}");
        }
    }

    /// A value; `None` as well when it is not what was put there.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.stored(key)?;
        Ok(match &self.key {
            Some(sealing) => value.and_then(|value| sealing.open(key, value)),
            None => value,
        })
    }

    fn stored(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(first) = self.piece(key, 0)? else { return Ok(None) };
        let mut reader = varint::Reader::new(&first);
        let Some(len) = reader.number().and_then(|len| usize::try_from(len).ok()) else { return Ok(None) };
        let mut value = first.get(first.len() - reader.remaining()..).unwrap_or_default().to_vec();
        for index in 1..PIECES_MAX {
            if value.len() >= len {
                break;
            }
            match self.piece(key, index)? {
                Some(piece) if !piece.is_empty() => value.extend_from_slice(&piece),
                _ => return Ok(None),
            }
        }
        Ok((value.len() == len).then_some(value))
    }

    /// Applies changes. They are durable after [`Catalog::flush`].
    pub fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                Change::Put(key, value) => match &self.key {
                    Some(sealing) => put_pieces(&mut batch, key, &sealing.seal(key, value)?),
                    None => put_pieces(&mut batch, key, value),
                },
                Change::Delete(key) => self.delete_pieces(&mut batch, key)?,
            }
        }
        self.with("write", |db| db.apply_batch(batch))
    }

    /// Makes what was applied durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.pages.sync()?;
        self.with("flush", |db| db.flush())?;
        let file = self.path.join("db");
        let synced = File::options().write(true).open(file).and_then(|file| file.sync_data());
        synced.map_err(|error| failed("sync", &error.to_string()))
    }

    fn piece(&self, key: &[u8], index: usize) -> Result<Option<sled::IVec>, StoreError> {
        let key = piece_key(key, index);
        self.with("read", |db| db.get(key))
    }

    fn delete_pieces(&self, batch: &mut sled::Batch, key: &[u8]) -> Result<(), StoreError> {
        for index in 0..PIECES_MAX {
            if self.piece(key, index)?.is_none() {
                break;
            }
            batch.remove(piece_key(key, index));
        }
        Ok(())
    }

    fn with<T>(&self, verb: &str, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, StoreError> {
        let held = self.db.read();
        let db = held.as_ref().ok_or_else(|| failed(verb, "it is closed"))?;
        guarded(verb, || call(db))
    }
}

impl Drop for Catalog {
    fn drop(&mut self) {
        close(self.db.get_mut().take());
    }
}

fn config(path: &Path) -> sled::Config {
    sled::Config::default()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None)
        .mode(sled::Mode::LowSpace)
}

/// sled's own threads may hold its file for a moment after it was closed.
fn when_unlocked<T>(mut open: impl FnMut() -> sled::Result<T>) -> sled::Result<T> {
    for _ in 1..LOCKED_TRIES_MAX {
        match open() {
            Err(error) if is_locked(&error) => thread::sleep(LOCKED_PAUSE),
            done => return done,
        }
    }
    open()
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

/// Dropping sled writes, and may panic as anything else it does.
fn close(db: Option<sled::Db>) {
    let _ = sled_panics::guarded(|| drop(db));
}

fn guarded<T>(verb: &str, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match sled_panics::guarded(call) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(verb, &error.to_string())),
        Err(sled_panics::Panicked) => Err(failed(verb, "it panicked")),
    }
}

fn failed(verb: &str, cause: &str) -> StoreError {
    StoreError::Io(format!("catalogue: {verb}: {cause}"))
}

fn put_pieces(batch: &mut sled::Batch, key: &[u8], value: &[u8]) {
    let mut first = Vec::with_capacity(value.len().min(PIECE_BYTES_MAX) + 4);
    varint::put(&mut first, value.len() as u64);
    let (head, rest) = value.split_at(value.len().min(PIECE_BYTES_MAX));
    first.extend_from_slice(head);
    batch.insert(piece_key(key, 0), first);
    for (index, piece) in rest.chunks(PIECE_BYTES_MAX).enumerate() {
        batch.insert(piece_key(key, index + 1), piece);
    }
}

fn piece_key(key: &[u8], index: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 2);
    out.extend_from_slice(key);
    out.extend_from_slice(&(index as u16).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> (tempfile::TempDir, Catalog) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path().join("catalog"), None).unwrap();
        (dir, catalog)
    }

    fn put(key: &[u8], len: usize) -> Change {
        Change::Put(key.to_vec(), (0..len).map(|n| n as u8).collect())
    }

    #[test]
    fn values_of_any_length_come_back_after_closing() {
        let (dir, catalog) = catalog();
        let lens = [0usize, 1, 3999, 4000, 4001, 100_000];
        for len in lens {
            catalog.apply(&[put(&len.to_be_bytes(), len)]).unwrap();
        }
        catalog.flush().unwrap();
        drop(catalog);
        let catalog = Catalog::open(dir.path().join("catalog"), None).unwrap();
        for len in lens {
            assert_eq!(catalog.get(&len.to_be_bytes()).unwrap().map(|value| value.len()), Some(len));
        }
    }

    #[test]
    fn a_lock_that_is_let_go_of_is_waited_for() {
        let (dir, catalog) = catalog();
        let mut held = Some(catalog);
        let mut refused = 0;
        let opened = when_unlocked(|| {
            let opened = config(&dir.path().join("catalog")).open();
            refused += u32::from(opened.is_err());
            drop(held.take());
            opened
        });
        assert!(opened.is_ok());
        assert!(refused >= 1);
    }

    #[test]
    fn a_deleted_value_is_gone_with_all_its_pieces() {
        let (_dir, catalog) = catalog();
        catalog.apply(&[put(b"k", 10_000)]).unwrap();
        catalog.apply(&[Change::Delete(b"k".to_vec())]).unwrap();
        assert_eq!(catalog.get(b"k").unwrap(), None);
        assert_eq!(catalog.db.read().as_ref().unwrap().len(), 0);
    }

    #[test]
    fn a_damaged_catalogue_is_an_error_and_no_panic() {
        let (dir, catalog) = catalog();
        let path = dir.path().join("catalog");
        for n in 0..200u32 {
            catalog.apply(&[put(&n.to_be_bytes(), 3000)]).unwrap();
        }
        catalog.flush().unwrap();
        drop(catalog);
        let mut bytes = fs::read(path.join("db")).unwrap();
        for at in (0..bytes.len()).step_by(997) {
            bytes[at] ^= 0x55;
        }
        fs::write(path.join("db"), bytes).unwrap();
        if let Ok(catalog) = Catalog::open(path.clone(), None) {
            for n in 0..200u32 {
                let _ = catalog.get(&n.to_be_bytes());
            }
        }
        Catalog::set_aside(&path).unwrap();
        assert!(Catalog::open(path, None).is_ok());
    }
}
