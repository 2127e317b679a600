//! A disk that counts, fills up and fails when told to.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use headwater::store::disk::{Disk, DiskFile, DiskLock, RealDisk};

/// What the disk does and has done.
#[derive(Debug, Default)]
pub struct Controls {
    /// Files are refused space.
    pub full: AtomicBool,
    /// fdatasync fails.
    pub sync_fails: AtomicBool,
    /// Writes fail.
    pub write_fails: AtomicBool,
    /// fdatasync calls so far.
    pub syncs: AtomicU64,
    /// Write calls so far.
    pub writes: AtomicU64,
    /// Read calls so far.
    pub reads: AtomicU64,
}

/// A real directory behind [`Controls`].
pub struct FaultyDisk {
    inner: RealDisk,
    pub controls: Arc<Controls>,
}

/// What a disk that is not full has left: few segments of the usual length.
const FREE_BYTES: u64 = 64 << 20;

impl FaultyDisk {
    pub fn new(dir: &std::path::Path) -> Self {
        Self { inner: RealDisk::new(dir).unwrap(), controls: Arc::default() }
    }

    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { inner: file, controls: Arc::clone(&self.controls) })
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.open(path).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(if self.controls.full.load(Ordering::Relaxed) { 0 } else { FREE_BYTES })
    }

    fn catalog_dir(&self) -> Option<PathBuf> {
        self.inner.catalog_dir()
    }

    fn random(&self) -> io::Result<u64> {
        self.inner.random()
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(path)
    }
}

struct FaultyFile {
    inner: Arc<dyn DiskFile>,
    controls: Arc<Controls>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.controls.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.controls.writes.fetch_add(1, Ordering::Relaxed);
        if self.controls.write_fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is broken"));
        }
        self.inner.write_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.controls.syncs.fetch_add(1, Ordering::Relaxed);
        if self.controls.sync_fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is broken"));
        }
        self.inner.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        if self.controls.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.preallocate(len)
    }
}
