//! A disk whose reads can be held up.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use headwater::store::disk::{Disk, DiskFile, DiskLock, RealDisk};
use parking_lot::{Condvar, Mutex};

/// Holds up reads of at least so many bytes once there have been so many.
#[derive(Default)]
pub struct Brake {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    /// Bytes of the reads that count, and how many of them go through; `None` to hold up nothing.
    after: Option<(usize, u32)>,
    holding: bool,
}

impl Brake {
    /// Holds up nothing yet.
    pub fn released() -> Arc<Self> {
        Arc::default()
    }

    /// Lets `reads` more reads of at least `bytes` through, and holds up the next.
    pub fn hold_after_reads_of(&self, bytes: usize, reads: u32) {
        self.held.lock().after = Some((bytes, reads));
    }

    /// Lets everything go on.
    pub fn release(&self) {
        self.held.lock().after = None;
        self.changed.notify_all();
    }

    /// Whether a read is held up.
    pub fn is_holding(&self) -> bool {
        self.held.lock().holding
    }

    fn pass(&self, bytes: usize) {
        let mut held = self.held.lock();
        while let Some((least, left)) = held.after.filter(|(least, _)| bytes >= *least) {
            if left > 0 {
                held.after = Some((least, left - 1));
                return;
            }
            held.holding = true;
            self.changed.wait(&mut held);
        }
    }
}

/// A real directory behind a [`Brake`].
pub struct SlowDisk {
    inner: RealDisk,
    brake: Arc<Brake>,
}

struct SlowFile {
    inner: Arc<dyn DiskFile>,
    brake: Arc<Brake>,
}

impl SlowDisk {
    pub fn new(inner: RealDisk, brake: Arc<Brake>) -> Self {
        Self { inner, brake }
    }

    fn wrap(&self, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(SlowFile { inner, brake: Arc::clone(&self.brake) })
    }
}

impl Disk for SlowDisk {
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
        self.inner.free_bytes()
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

impl DiskFile for SlowFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.brake.pass(buf.len());
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.inner.preallocate(len)
    }
}
