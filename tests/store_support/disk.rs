//! A disk that counts, fills up and fails when told to.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::wrapped::{Device, WrappedDisk};

/// What the disk does and has done.
#[derive(Debug, Default)]
pub struct Controls {
    /// Files are refused space.
    pub full: AtomicBool,
    /// fdatasync fails.
    pub sync_fails: AtomicBool,
    /// Writes fail.
    pub write_fails: AtomicBool,
    /// Reads of at least so many bytes and less than twice as many fail.
    pub unreadable: AtomicUsize,
    /// fdatasync calls so far.
    pub syncs: AtomicU64,
    /// Write calls so far.
    pub writes: AtomicU64,
    /// Segments made so far.
    pub made: AtomicU64,
    /// Read calls so far.
    pub reads: AtomicU64,
}

/// What a disk that is not full has left: few segments of the usual length.
const FREE_BYTES: u64 = 64 << 20;

/// A real directory, and what governs it.
pub fn faulty(dir: &Path) -> (Arc<WrappedDisk<Controls>>, Arc<Controls>) {
    let controls = Arc::default();
    (Arc::new(WrappedDisk::new(dir, &controls)), controls)
}

impl Device for Controls {
    fn read(&self, bytes: usize) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let least = self.unreadable.load(Ordering::Relaxed);
        let fails = (least..2 * least).contains(&bytes);
        works_unless(&AtomicBool::new(fails))
    }

    fn write(&self) -> io::Result<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        works_unless(&self.write_fails)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        works_unless(&self.sync_fails)
    }

    fn preallocate(&self) -> io::Result<()> {
        self.made.fetch_add(1, Ordering::Relaxed);
        if self.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn free_bytes(&self) -> Option<u64> {
        Some(if self.full.load(Ordering::Relaxed) { 0 } else { FREE_BYTES })
    }
}

fn works_unless(fails: &AtomicBool) -> io::Result<()> {
    if fails.load(Ordering::Relaxed) { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
}
