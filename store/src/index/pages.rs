//! What sequence pages and subject pages have in common: how a checkpoint stores them, and who fetches them again.
//!
//! A page is never overwritten: every checkpoint stores changed pages under its own number and lists all pages, with
//! checksums, in directory chunks. So the checkpoint before stays whole until the next one is complete, and a page that is
//! stale or lost is noticed.

use std::collections::VecDeque;

use crate::StoreError;

use super::varint::{self, Reader};

/// Pages per directory chunk.
pub const CHUNK_PAGES: u64 = 128;

/// A page or chunk as the catalogue holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPage {
    /// The checkpoint that wrote it.
    pub checkpoint: u32,
    /// CRC-32C of its bytes.
    pub crc: u32,
    /// Where in the page file; 0 for what is stored elsewhere.
    pub at: u32,
    /// How many bytes there; 0 for what is stored elsewhere.
    pub len: u32,
}

impl StoredPage {
    /// What `bytes` are stored as by a checkpoint.
    pub fn of(bytes: &[u8], checkpoint: u32) -> Self {
        Self { checkpoint, crc: crc32c::crc32c(bytes), at: 0, len: 0 }
    }

    /// The same at a place in the page file.
    pub fn placed(self, at: u32, len: u32) -> Self {
        Self { at, len, ..self }
    }

    /// Whether `bytes` are what was stored.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        crc32c::crc32c(bytes) == self.crc
    }

    /// Appends checksum, checkpoint and place.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.crc.to_le_bytes());
        for number in [self.checkpoint, self.at, self.len] {
            varint::put(out, u64::from(number));
        }
    }

    /// Reads what [`StoredPage::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            crc: reader.u32()?,
            checkpoint: reader.small()?,
            at: reader.small()?,
            len: reader.small()?,
        })
    }
}

/// Whether a page is where it says it is stored: the checkpoint `written_by` may still be writing its pages.
pub fn is_settled(stored: Option<StoredPage>, written_by: u32) -> bool {
    stored.is_some_and(|stored| stored.checkpoint != written_by)
}

/// Which of a stream's page sets a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSet {
    /// Pages of the sequence index, by page number.
    Seqs,
    /// Pages of the subject index, by page id.
    Subjects,
}

/// Takes pages that are to be stored.
pub trait PageSink {
    /// Finds a place for a page, which is written there later.
    fn put(&mut self, bytes: &[u8], checkpoint: u32) -> StoredPage;
}

/// Stores nothing.
#[derive(Debug)]
pub struct Nowhere;

impl PageSink for Nowhere {
    fn put(&mut self, bytes: &[u8], checkpoint: u32) -> StoredPage {
        StoredPage::of(bytes, checkpoint)
    }
}

/// What a checkpoint stores of one stream's index.
pub struct PageWrites<'a> {
    /// The checkpoint's number.
    pub checkpoint: u32,
    /// What is not needed once the checkpoint is complete.
    pub garbage: Vec<StoredPage>,
    sink: &'a mut dyn PageSink,
}

impl<'a> PageWrites<'a> {
    /// Nothing yet.
    pub fn new(checkpoint: u32, sink: &'a mut dyn PageSink) -> Self {
        Self { checkpoint, garbage: Vec::new(), sink }
    }

    /// Stores `bytes` in place of `old`.
    pub fn put(&mut self, bytes: &[u8], old: Option<StoredPage>) -> StoredPage {
        self.drop(old);
        self.sink.put(bytes, self.checkpoint)
    }

    /// Forgets what is stored as `old`.
    pub fn drop(&mut self, old: Option<StoredPage>) {
        self.garbage.extend(old);
    }
}

/// Pages that were fetched lately, oldest first. Reading through a large index fetches all of it, and nobody else sees to it
/// that it does not stay.
#[derive(Debug)]
pub struct Fetched<K> {
    queue: VecDeque<(K, usize)>,
    bytes: usize,
    bytes_max: usize,
}

impl<K> Default for Fetched<K> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0, bytes_max: usize::MAX }
    }
}

impl<K: PartialEq> Fetched<K> {
    /// Sets how many bytes may stay.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Notes a page that was fetched.
    pub fn push(&mut self, key: K, bytes: usize) {
        self.queue.push_back((key, bytes));
        self.bytes += bytes;
    }

    /// The page that should go, unless it has changed; `None` while there are not too many. Never the last one fetched.
    pub fn pop_excess(&mut self) -> Option<K> {
        while self.bytes > self.bytes_max && self.queue.len() > 1 {
            let (key, bytes) = self.queue.pop_front()?;
            self.bytes = self.bytes.saturating_sub(bytes);
            if self.queue.back().is_some_and(|(last, _)| *last != key) {
                return Some(key);
            }
        }
        None
    }
}

/// Fetches pages that are not in memory.
pub trait PageSource: Send + Sync {
    /// The bytes of a page, verified against `stored`; an error means that the index must be rebuilt.
    fn load(&self, set: PageSet, page: u64, stored: StoredPage) -> Result<Box<[u8]>, StoreError>;
}

/// The source of an index that is wholly in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPages;

impl PageSource for NoPages {
    fn load(&self, set: PageSet, page: u64, _: StoredPage) -> Result<Box<[u8]>, StoreError> {
        Err(StoreError::Io(format!("page {page} of {set:?} of an index is nowhere")))
    }
}
