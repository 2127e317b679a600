//! A disk behind a system's cache: what is written is read back at once, is on disk after a sync, and after a sync that failed
//! counts as written although it is not.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater::store::disk::DiskFile;
use parking_lot::Mutex;

use super::wrapped::{Device, WrappedDisk};

/// Bytes the cache knows one state of.
const SECTOR_BYTES: u64 = 512;

/// What the cache holds on top of what has been synced to the disk.
#[derive(Default)]
pub struct Cache {
    files: Mutex<HashMap<String, Arc<CachedFile>>>,
    pub sync_fails: Arc<AtomicBool>,
}

struct CachedFile {
    inner: Arc<dyn DiskFile>,
    sectors: Mutex<BTreeMap<u64, Sector>>,
    sync_fails: Arc<AtomicBool>,
}

struct Sector {
    bytes: Vec<u8>,
    dirty: bool,
}

/// A real directory that has been synced to, and the cache before it.
pub fn cached(dir: &Path) -> (Arc<WrappedDisk<Cache>>, Arc<Cache>) {
    let cache = Arc::default();
    (Arc::new(WrappedDisk::new(dir, &cache)), cache)
}

impl Cache {
    /// The power goes: what was not synced is no more.
    pub fn power_cut(&self) {
        self.files.lock().values().for_each(|file| file.sectors.lock().clear());
    }
}

impl Device for Cache {
    fn file(self: &Arc<Self>, path: &str, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let mut files = self.files.lock();
        let fresh =
            || CachedFile { inner, sectors: Mutex::default(), sync_fails: Arc::clone(&self.sync_fails) };
        files.entry(path.to_owned()).or_insert_with(|| Arc::new(fresh())).clone()
    }

    fn renamed(&self, from: &str, to: Option<&str>) {
        let mut files = self.files.lock();
        if let (Some(file), Some(to)) = (files.remove(from), to) {
            files.insert(to.to_owned(), file);
        }
    }
}

impl CachedFile {
    fn sector(&self, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; SECTOR_BYTES as usize];
        self.inner.read_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

impl DiskFile for CachedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.inner.read_at(buf, offset)?;
        for (at, sector) in self.sectors.lock().iter() {
            for (n, byte) in sector.bytes.iter().enumerate() {
                let place = (at + n as u64).checked_sub(offset).map(|place| place as usize);
                if let Some(place) = place.filter(|place| *place < read) {
                    buf[place] = *byte;
                }
            }
        }
        Ok(read)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut sectors = self.sectors.lock();
        for (n, byte) in buf.iter().enumerate() {
            let place = offset + n as u64;
            let at = place / SECTOR_BYTES * SECTOR_BYTES;
            if let std::collections::btree_map::Entry::Vacant(entry) = sectors.entry(at) {
                entry.insert(Sector { bytes: self.sector(at)?, dirty: true });
            }
            let sector = sectors.get_mut(&at).unwrap();
            sector.dirty = true;
            sector.bytes[(place - at) as usize] = *byte;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let fails = self.sync_fails.load(Ordering::Relaxed);
        for (at, sector) in self.sectors.lock().iter_mut().filter(|(_, sector)| sector.dirty) {
            sector.dirty = false;
            if !fails {
                self.inner.write_at(&sector.bytes, *at)?;
            }
        }
        if fails { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.inner.preallocate(len)
    }
}
