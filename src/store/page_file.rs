//! Where index pages are stored: a file beside sled, in the catalogue's directory.
//!
//! sled writes a small value several times over and holds in memory what it has touched, so that pages of an index larger
//! than memory would cost more there than the messages themselves. Here a page is written once, to a place that no complete
//! checkpoint refers to, and read with one read. What a place holds, and that it holds it, is known from the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::StoreError;
use super::index::pages::StoredPage;

/// Places begin at multiples of this, in bytes.
const UNIT_BYTES: u64 = 256;

/// Neighbouring pages are written together up to this, in bytes.
const WRITE_BYTES_MAX: usize = 256 << 10;

/// A page on its way to its place.
pub type PageWrite = (StoredPage, Box<[u8]>);

/// The file.
pub struct PageFile {
    file: File,
    space: Mutex<Space>,
    /// Something was written that is not synced.
    unsynced: AtomicBool,
}

impl PageFile {
    /// Opens the file, or makes a new one. All of it is free until [`PageFile::set_used`] says otherwise.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| failed("open", &error))?;
        Ok(Self { file, space: Mutex::default(), unsynced: AtomicBool::new(false) })
    }

    /// Says what is stored; everything else is free.
    pub fn set_used(&self, pages: impl Iterator<Item = StoredPage>) {
        *self.space.lock() = Space::with_used(pages.map(|stored| (stored.at, units(stored.len))).collect());
    }

    /// A free place for so many bytes, which is free no more.
    pub fn allocate(&self, len: u32) -> u32 {
        self.space.lock().allocate(units(len))
    }

    /// Gives a place back.
    pub fn free(&self, at: u32, len: u32) {
        self.space.lock().free(at, units(len));
    }

    /// Writes pages to their places.
    pub fn write(&self, mut pages: Vec<PageWrite>) -> Result<(), StoreError> {
        pages.sort_unstable_by_key(|(stored, _)| stored.at);
        self.unsynced.store(true, Ordering::Relaxed);
        let mut run: Vec<u8> = Vec::new();
        let mut start = 0;
        for (stored, bytes) in &pages {
            let at = u64::from(stored.at) * UNIT_BYTES;
            if at != start + run.len() as u64 || run.len() > WRITE_BYTES_MAX {
                self.write_run(start, &run)?;
                run.clear();
                start = at;
            }
            run.extend_from_slice(bytes);
            run.resize(run.len().next_multiple_of(UNIT_BYTES as usize), 0);
        }
        self.write_run(start, &run)
    }

    /// The bytes of a page; the caller checks them.
    pub fn read(&self, stored: StoredPage) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; stored.len as usize];
        let read = self.file.read_exact_at(&mut bytes, u64::from(stored.at) * UNIT_BYTES);
        read.map(|()| bytes).map_err(|error| failed("read", &error))
    }

    /// Makes what was written durable, and gives back what is free at the file's end.
    pub fn sync(&self) -> Result<(), StoreError> {
        if !self.unsynced.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let synced = self.trim().and_then(|()| self.file.sync_data());
        synced.map_err(|error| {
            self.unsynced.store(true, Ordering::Relaxed);
            failed("sync", &error)
        })
    }

    fn trim(&self) -> std::io::Result<()> {
        let end = u64::from(self.space.lock().end) * UNIT_BYTES;
        if self.file.metadata()?.len() > end { self.file.set_len(end) } else { Ok(()) }
    }

    fn write_run(&self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(bytes, at).map_err(|error| failed("write", &error))
    }
}

/// Which places are free, in units.
#[derive(Debug, Default)]
struct Space {
    /// Free places below the end, by start; no two of them touch.
    by_start: BTreeMap<u32, u32>,
    /// The same by length.
    by_len: BTreeSet<(u32, u32)>,
    /// Everything from here on is free.
    end: u32,
}

impl Space {
    fn with_used(mut used: Vec<(u32, u32)>) -> Self {
        used.sort_unstable();
        let mut space = Self::default();
        for (at, len) in used {
            if at > space.end {
                space.insert(space.end, at - space.end);
            }
            space.end = space.end.max(at.saturating_add(len));
        }
        space
    }

    fn allocate(&mut self, len: u32) -> u32 {
        let Some(&(free, at)) = self.by_len.range((len, 0)..).next() else {
            let at = self.end;
            self.end = self.end.saturating_add(len);
            return at;
        };
        self.remove(at, free);
        if free > len {
            self.insert(at + len, free - len);
        }
        at
    }

    fn free(&mut self, at: u32, len: u32) {
        let (mut at, mut len) = (at, len);
        if at.saturating_add(len) > self.end || self.overlaps_free(at, len) {
            return;
        }
        if let Some((&before, &before_len)) = self.by_start.range(..at).next_back() {
            if before + before_len == at {
                self.remove(before, before_len);
                (at, len) = (before, before_len + len);
            }
        }
        if let Some(&after_len) = self.by_start.get(&(at + len)) {
            self.remove(at + len, after_len);
            len += after_len;
        }
        if at + len >= self.end { self.end = at } else { self.insert(at, len) }
    }

    fn overlaps_free(&self, at: u32, len: u32) -> bool {
        let before = self.by_start.range(..at.saturating_add(len)).next_back();
        before.is_some_and(|(free, free_len)| free + free_len > at)
    }

    fn insert(&mut self, at: u32, len: u32) {
        self.by_start.insert(at, len);
        self.by_len.insert((len, at));
    }

    fn remove(&mut self, at: u32, len: u32) {
        self.by_start.remove(&at);
        self.by_len.remove(&(len, at));
    }
}

fn units(len: u32) -> u32 {
    len.div_ceil(UNIT_BYTES as u32).max(1)
}

fn failed(verb: &str, error: &std::io::Error) -> StoreError {
    StoreError::Io(format!("index pages: {verb}: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(file: &PageFile, bytes: &[u8]) -> PageWrite {
        (StoredPage::of(bytes, 1).placed(file.allocate(bytes.len() as u32), bytes.len() as u32), bytes.into())
    }

    #[test]
    fn pages_come_back_from_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let file = PageFile::open(&dir.path().join("pages")).unwrap();
        let pages: Vec<PageWrite> =
            [0usize, 1, 255, 256, 257, 5000].iter().map(|len| page(&file, &vec![*len as u8; *len])).collect();
        file.write(pages.clone()).unwrap();
        file.sync().unwrap();
        for (stored, bytes) in pages {
            assert_eq!(file.read(stored).unwrap(), bytes.to_vec());
        }
    }

    #[test]
    fn the_file_shrinks_when_its_end_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let file = PageFile::open(&dir.path().join("pages")).unwrap();
        let pages: Vec<PageWrite> = (0..100).map(|_| page(&file, &[7; 1000])).collect();
        file.write(pages.clone()).unwrap();
        file.sync().unwrap();
        assert_eq!(file.file.metadata().unwrap().len(), 100 * 1024);
        pages[10..].iter().for_each(|(stored, _)| file.free(stored.at, stored.len));
        file.write(vec![page(&file, &[8; 1000])]).unwrap();
        file.sync().unwrap();
        assert_eq!(file.file.metadata().unwrap().len(), 11 * 1024);
    }

    proptest! {
        #[test]
        fn no_place_is_given_twice_and_all_are_found_again(
            steps in prop::collection::vec((any::<bool>(), 1u32..12, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut space = Space::default();
            let mut used: BTreeMap<u32, u32> = BTreeMap::new();
            for (give_back, len, which) in steps {
                if give_back && !used.is_empty() {
                    let at = *used.keys().nth(which.index(used.len())).unwrap();
                    space.free(at, used.remove(&at).unwrap());
                } else {
                    let at = space.allocate(len);
                    prop_assert!(used.range(..at).next_back().is_none_or(|(before, len)| before + len <= at));
                    prop_assert!(used.range(at..).next().is_none_or(|(after, _)| at + len <= *after));
                    used.insert(at, len);
                }
                let again = Space::with_used(used.iter().map(|(at, len)| (*at, *len)).collect());
                prop_assert_eq!(&again.by_start, &space.by_start);
                prop_assert_eq!(again.end, space.end);
            }
        }
    }
}
