//! What sequence pages and subject pages have in common: where they are stored and who fetches them.

use crate::store::StoreError;

/// A page as the catalogue holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPage {
    /// The checkpoint that wrote it.
    pub checkpoint: u32,
    /// CRC-32C of its bytes.
    pub crc: u32,
}

/// Which of a stream's page sets a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSet {
    /// Pages of the sequence index, by page number.
    Seqs,
    /// Pages of the subject index, by page id.
    Subjects,
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
    fn load(&self, _: PageSet, page: u64, _: StoredPage) -> Result<Box<[u8]>, StoreError> {
        Err(StoreError::Io(format!("index page {page} is nowhere")))
    }
}
