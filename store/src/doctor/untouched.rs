//! A disk that is read and never written.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::FlockOperation;

use crate::StoreError;
use crate::disk::{Disk, DiskFile, DiskLock};
use crate::error::io_error;

/// A directory that stays as it is: what is written is dropped.
pub struct Untouched {
    root: PathBuf,
    /// A copy of the catalogue.
    catalog: Mutex<Option<PathBuf>>,
}

impl Untouched {
    /// The directory `root`, which must be there.
    pub fn new(root: &Path) -> Result<Self, StoreError> {
        fs::read_dir(root).map_err(|error| io_error(&format!("read {}", root.display()), &error))?;
        Ok(Self { root: root.into(), catalog: Mutex::default() })
    }

    /// Has the catalogue read in `path`, which may be written to.
    pub fn use_catalog(&self, path: PathBuf) {
        *self.catalog.lock() = Some(path);
    }
}

impl Disk for Untouched {
    fn create_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, _path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(UntouchedFile(None)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.root.join(path);
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Arc::new(UntouchedFile(Some(File::open(path)?))))
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.root.join(dir))?;
        entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn catalog_dir(&self) -> Option<PathBuf> {
        self.catalog.lock().clone()
    }

    fn random(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// A broker makes the file and locks it. Where there is none, no broker has the directory.
    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        let file = match OpenOptions::new().read(true).open(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened?),
        };
        if let Some(file) = &file {
            rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?;
        }
        Ok(Box::new(UntouchedLock { _file: file }))
    }
}

/// A file as it is, or one that should have been made.
struct UntouchedFile(Option<File>);

impl DiskFile for UntouchedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(file) = &self.0 else { return Ok(0) };
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset.saturating_add(filled as u64))? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.as_ref().map_or(Ok(0), |file| Ok(file.metadata()?.len()))
    }

    fn preallocate(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

struct UntouchedLock {
    _file: Option<File>,
}

impl DiskLock for UntouchedLock {}

/// A copy of the catalogue in a directory for scratch files; removed when dropped.
pub struct CatalogCopy(PathBuf);

impl CatalogCopy {
    /// Copies the catalogue in `dir`.
    pub fn new(dir: &Path) -> Result<Self, StoreError> {
        let salt = getrandom::u64().unwrap_or_default();
        let copy = Self(std::env::temp_dir().join(format!("headwater-doctor-{salt:016x}")));
        let copied = fs::create_dir_all(&copy.0).and_then(|()| copy_all(&dir.join("catalog"), &copy.path()));
        copied.map_err(|error| io_error(&format!("copy the catalogue to {}", copy.0.display()), &error))?;
        let distrusted = "catalog.distrusted";
        if dir.join(distrusted).exists() {
            let marked = fs::write(copy.0.join(distrusted), b"");
            marked.map_err(|error| io_error("copy the catalogue's mark", &error))?;
        }
        Ok(copy)
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.join("catalog")
    }
}

impl Drop for CatalogCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
