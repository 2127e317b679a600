//! What the indexes of all streams hold in memory, against their bound.
//!
//! Pages can leave memory once a checkpoint has stored them. So when the bound is reached the janitor is woken to make one,
//! and when that is not quick enough appenders are asked to pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::StoreError;
use super::index::pages::{PageSet, PageSource, StoredPage};
use super::journal::Journal;

/// Pages that are counted when they are fetched.
pub struct MeteredPages {
    /// Where they are fetched from.
    pub pages: Arc<dyn PageSource>,
    /// Whose meter counts them.
    pub journal: Arc<Journal>,
}

impl PageSource for MeteredPages {
    fn load(&self, set: PageSet, page: u64, stored: StoredPage) -> Result<Box<[u8]>, StoreError> {
        let bytes = self.pages.load(set, page, stored)?;
        if self.journal.indexes.fetch(bytes.len()) {
            self.journal.chores.wake();
        }
        Ok(bytes)
    }
}

/// Counts bytes of index pages.
#[derive(Debug)]
pub struct IndexMeter {
    bytes_max: usize,
    held: AtomicUsize,
    /// What readers have brought in since it was looked at last; some of that may have gone again.
    fetched: AtomicUsize,
    /// More than this, and appenders should pause.
    high: AtomicUsize,
    /// The janitor has been told.
    told: AtomicBool,
    /// What is left cannot go before it is stored.
    unstored: AtomicBool,
}

impl IndexMeter {
    /// A meter for at most about `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            held: AtomicUsize::new(0),
            fetched: AtomicUsize::new(0),
            high: AtomicUsize::new(above(bytes_max, 0)),
            told: AtomicBool::new(false),
            unstored: AtomicBool::new(false),
        }
    }

    /// Notes that an index has grown; true when the janitor must be woken.
    pub fn grow(&self, bytes: usize) -> bool {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        held > self.bytes_max && !self.told.swap(true, Ordering::Relaxed)
    }

    /// Notes that a page was fetched; true when the janitor must be woken. Appenders need not wait for what readers do.
    pub fn fetch(&self, bytes: usize) -> bool {
        let fetched = self.fetched.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let held = self.held.load(Ordering::Relaxed).saturating_add(fetched);
        fetched > self.bytes_max / 4 && held > self.bytes_max && !self.told.swap(true, Ordering::Relaxed)
    }

    /// Notes what is held after what could go has gone, if it had to. What is left then never makes anybody wait.
    pub fn settle(&self, held: usize, had_to_go: bool) {
        self.unstored.store(had_to_go && held > self.bytes_max / 4 * 3, Ordering::Relaxed);
        self.held.store(held, Ordering::Relaxed);
        self.fetched.store(0, Ordering::Relaxed);
        self.high.store(above(self.bytes_max, held), Ordering::Relaxed);
        self.told.store(false, Ordering::Relaxed);
    }

    /// Whether pages must be stored so that they can go.
    pub fn wants_checkpoint(&self) -> bool {
        self.unstored.load(Ordering::Relaxed)
    }

    /// Whether appenders should pause.
    pub fn is_over(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.high.load(Ordering::Relaxed)
    }

    /// What is to be left of pages that can go when there are too many.
    pub fn left_bytes(&self) -> usize {
        self.bytes_max / 2
    }
}

fn above(bytes_max: usize, settled: usize) -> usize {
    let half = bytes_max / 2;
    bytes_max.max(settled).saturating_add(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_janitor_is_woken_once_until_it_has_looked() {
        let meter = IndexMeter::new(100);
        assert!(!meter.grow(100));
        assert!(meter.grow(1));
        assert!(!meter.grow(1));
        meter.settle(101, true);
        assert!(meter.grow(1));
    }

    #[test]
    fn a_checkpoint_is_wanted_when_dropping_pages_was_not_enough_and_not_before() {
        let meter = IndexMeter::new(100);
        meter.settle(90, false);
        assert!(!meter.wants_checkpoint());
        meter.settle(50, true);
        assert!(!meter.wants_checkpoint());
        meter.settle(90, true);
        assert!(meter.wants_checkpoint());
    }

    #[test]
    fn what_readers_bring_in_wakes_the_janitor_once_and_makes_nobody_wait() {
        let meter = IndexMeter::new(100);
        meter.settle(80, false);
        assert!(!meter.fetch(20));
        assert!(!meter.fetch(5));
        assert!(meter.fetch(100));
        assert!(!meter.fetch(100));
        assert!(!meter.is_over());
        meter.settle(50, true);
        assert!(!meter.fetch(30));
    }

    #[test]
    fn what_cannot_be_freed_makes_nobody_wait_for_ever() {
        let meter = IndexMeter::new(100);
        meter.grow(151);
        assert!(meter.is_over());
        meter.settle(1000, true);
        assert!(!meter.is_over());
        meter.grow(51);
        assert!(meter.is_over());
    }
}
