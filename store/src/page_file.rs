//! Where index pages are stored: a file beside sled, in the catalogue's directory.
//!
//! sled writes a small value several times over and holds in memory what it has touched, so that pages of an index larger
//! than memory would cost more there than the messages themselves. Here a page is written once, to a place that no complete
//! checkpoint refers to, and read with one read. What a place holds, and that it holds it, is known from the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::StoreError;
use super::index::pages::{PageSink, StoredPage};
use super::sealing::CatalogKey;

/// Places begin at multiples of this, in bytes.
const UNIT_BYTES: u64 = 256;

/// So much is gathered before it is written, in bytes.
const GATHERED_BYTES_MAX: usize = 256 << 10;

/// What a sealed page is bound to; which one it is the directory's checksum tells.
const PAGE: &[u8] = b"page";

/// A free place of so many units is as good as the file's end: few of the blocks it lies in are written in part.
const LARGE_UNITS: u32 = 64;

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Where it begins, in units.
    at: u32,
    /// How many bytes of it are used.
    len: u32,
}

impl Place {
    /// Where a page is stored.
    pub fn of(stored: StoredPage) -> Self {
        Self { at: stored.at, len: stored.len }
    }

    fn units(self) -> u32 {
        self.len.div_ceil(UNIT_BYTES as u32).max(1)
    }

    fn end(self) -> u32 {
        self.at.saturating_add(self.units())
    }
}

/// Pages on their way to their places; a little is gathered and written at a time.
pub struct PageRun<'a> {
    file: &'a PageFile,
    places: Vec<Place>,
    /// The first place that is not written.
    unwritten: usize,
    /// What goes there and to the places after it.
    bytes: Vec<u8>,
    failure: Option<StoreError>,
}

impl PageRun<'_> {
    /// Where the pages go.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.places.iter().copied()
    }

    /// Writes the rest; returns the bytes of all places, or what failed.
    pub fn finish(mut self) -> Result<u64, StoreError> {
        self.write();
        let units: u64 = self.places.iter().map(|place| u64::from(place.units())).sum();
        self.failure.map_or(Ok(units * UNIT_BYTES), Err)
    }

    fn write(&mut self) {
        let mut rest = self.bytes.as_slice();
        let places = self.places.get(self.unwritten..).unwrap_or_default();
        for neighbours in places.chunk_by(|before, after| before.end() == after.at) {
            let units: u32 = neighbours.iter().map(|place| place.units()).sum();
            let bytes = u64::from(units) * UNIT_BYTES;
            let Some((these, others)) = rest.split_at_checked(bytes as usize) else { break };
            let at = neighbours.first().map_or(0, |place| u64::from(place.at) * UNIT_BYTES);
            if let Err(error) = self.file.file.write_all_at(these, at) {
                self.failure.get_or_insert(failed("write", &error));
            }
            rest = others;
        }
        self.file.unsynced.store(true, Ordering::Relaxed);
        self.unwritten = self.places.len();
        self.bytes.clear();
    }
}

impl PageSink for PageRun<'_> {
    fn put(&mut self, page: &[u8], checkpoint: u32) -> StoredPage {
        let sealed = self.file.key.as_ref().map(|key| key.seal(PAGE, page)).transpose();
        let sealed = sealed.unwrap_or_else(|error| {
            self.failure.get_or_insert(error);
            Some(Vec::new())
        });
        let bytes = sealed.as_deref().unwrap_or(page);
        let len = bytes.len() as u32;
        let units = Place { at: 0, len }.units();
        let at = self.file.space.lock().allocate(units);
        self.places.push(Place { at, len });
        let end = self.bytes.len() + units as usize * UNIT_BYTES as usize;
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(end, 0);
        if end >= GATHERED_BYTES_MAX {
            self.write();
        }
        StoredPage::of(bytes, checkpoint).placed(at, len)
    }
}

/// The file.
pub struct PageFile {
    file: File,
    space: Mutex<Space>,
    /// Something was written that is not synced.
    unsynced: AtomicBool,
    /// What seals pages, in an encrypted store.
    key: Option<Arc<CatalogKey>>,
}

impl PageFile {
    /// Opens the file, or makes a new one. All of it is free until [`PageFile::set_used`] says otherwise.
    pub fn open(path: &Path, key: Option<Arc<CatalogKey>>) -> Result<Self, StoreError> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| failed("open", &error))?;
        Ok(Self { file, space: Mutex::default(), unsynced: AtomicBool::new(false), key })
    }

    /// Says what is stored; everything else is free.
    pub fn set_used(&self, pages: impl Iterator<Item = StoredPage>) {
        *self.space.lock() = Space::with_used(pages.map(Place::of).collect());
    }

    /// Begins to store pages.
    pub fn run(&self) -> PageRun<'_> {
        PageRun { file: self, places: Vec::new(), unwritten: 0, bytes: Vec::new(), failure: None }
    }

    /// Gives places back.
    pub fn free(&self, places: &[Place]) {
        let mut space = self.space.lock();
        places.iter().for_each(|place| space.free(place.at, place.units()));
    }

    /// The bytes of a page; fails when they are not what was stored.
    pub fn read(&self, stored: StoredPage) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; stored.len as usize];
        let read = self.file.read_exact_at(&mut bytes, u64::from(stored.at) * UNIT_BYTES);
        read.map_err(|error| failed("read", &error))?;
        let whole = stored.holds(&bytes).then_some(bytes);
        let opened = whole.and_then(|bytes| match &self.key {
            Some(key) => key.open(PAGE, bytes),
            None => Some(bytes),
        });
        opened.ok_or_else(|| StoreError::Io("index pages: a page is damaged".into()))
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
}

/// Which places are free, in units.
#[derive(Debug, Default)]
struct Space {
    /// Free places below the end, by start; no two of them touch.
    by_start: BTreeMap<u32, u32>,
    /// The same by length.
    by_len: BTreeSet<(u32, u32)>,
    /// Units in all of them.
    units: u32,
    /// Everything from here on is free.
    end: u32,
    /// Behind the place given last.
    next: u32,
}

impl Space {
    fn with_used(mut used: Vec<Place>) -> Self {
        used.sort_unstable();
        let mut space = Self::default();
        for place in used {
            if place.at > space.end {
                space.insert(space.end, place.at - space.end);
            }
            space.end = space.end.max(place.end());
        }
        space
    }

    /// Goes on behind the place given last while it is free there, then in the largest free place, or at the end of the file
    /// while free places are small and make up less than half of it: a disk writes whole blocks, and what is written together
    /// should lie together.
    fn allocate(&mut self, len: u32) -> u32 {
        let next = self.by_start.get(&self.next).map(|free| (*free, self.next));
        let fits = |(free, _): &(u32, u32)| *free >= len;
        let much_is_free = self.units > self.end / 2;
        let largest = || self.by_len.last().copied().filter(|(free, _)| much_is_free || *free >= LARGE_UNITS);
        let Some((free, at)) = next.filter(fits).or_else(largest).filter(fits) else {
            let at = self.end;
            self.end = self.end.saturating_add(len);
            return at;
        };
        self.remove(at, free);
        if free > len {
            self.insert(at + len, free - len);
        }
        self.next = at + len;
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
        self.units += len;
        self.by_start.insert(at, len);
        self.by_len.insert((len, at));
    }

    fn remove(&mut self, at: u32, len: u32) {
        self.units = self.units.saturating_sub(len);
        self.by_start.remove(&at);
        self.by_len.remove(&(len, at));
    }
}

fn failed(verb: &str, error: &std::io::Error) -> StoreError {
    StoreError::Io(format!("index pages: {verb}: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file() -> (tempfile::TempDir, PageFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = PageFile::open(&dir.path().join("pages"), None).unwrap();
        (dir, file)
    }

    fn store(file: &PageFile, pages: &[Vec<u8>]) -> Vec<StoredPage> {
        let mut run = file.run();
        let stored = pages.iter().map(|page| run.put(page, 1)).collect();
        run.finish().unwrap();
        file.sync().unwrap();
        stored
    }

    #[test]
    fn pages_come_back_from_their_places() {
        let (_dir, file) = file();
        let pages: Vec<Vec<u8>> = [0, 1, 255, 256, 257, 5000].map(|len| vec![len as u8; len]).to_vec();
        let stored = store(&file, &pages);
        file.free(&[Place::of(stored[1]), Place::of(stored[4])]);
        let again = store(&file, &pages[1..5]);
        for (stored, page) in stored.iter().zip(&pages).filter(|(stored, _)| ![1, 257].contains(&stored.len))
        {
            assert_eq!(file.read(*stored).unwrap(), *page);
        }
        again
            .iter()
            .zip(&pages[1..5])
            .for_each(|(stored, page)| assert_eq!(file.read(*stored).unwrap(), *page));
    }

    #[test]
    fn the_file_shrinks_when_its_end_is_free() {
        let (_dir, file) = file();
        let stored = store(&file, &vec![vec![7; 1000]; 100]);
        assert_eq!(file.file.metadata().unwrap().len(), 100 * 1024);
        file.free(&stored[10..].iter().copied().map(Place::of).collect::<Vec<_>>());
        store(&file, &[vec![8; 1000]]);
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
                let again = Space::with_used(used.iter().map(|(at, len)| Place { at: *at, len: len * UNIT_BYTES as u32 }).collect());
                prop_assert_eq!(&again.by_start, &space.by_start);
                prop_assert_eq!(again.end, space.end);
            }
        }
    }
}
