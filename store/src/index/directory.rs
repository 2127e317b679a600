//! The directory of an index's pages: where they are stored, in chunks, and what the next checkpoint has to store of it.

use std::collections::{BTreeMap, BTreeSet};

use super::pages::{CHUNK_PAGES, PageWrites, StoredPage};

/// Where pages and the chunks that tell of them are stored.
#[derive(Default)]
pub(super) struct Directory {
    chunks: BTreeMap<u64, StoredPage>,
    /// Chunks that are not stored as they should be.
    touched: BTreeSet<u64>,
    /// Pages that are stored and not needed any more.
    gone: Vec<StoredPage>,
}

impl Directory {
    /// A chunk was found stored.
    pub fn found(&mut self, chunk: u64, stored: StoredPage) {
        self.chunks.insert(chunk, stored);
    }

    /// Where the chunks are stored.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, StoredPage)> + '_ {
        self.chunks.iter().map(|(chunk, stored)| (*chunk, *stored))
    }

    /// What is known of a page has changed.
    pub fn touch(&mut self, page: u64) {
        self.touched.insert(page / CHUNK_PAGES);
    }

    /// A page is no more.
    pub fn forget(&mut self, page: u64, stored: Option<StoredPage>) {
        if let Some(stored) = stored {
            self.gone.push(stored);
            self.touch(page);
        }
    }

    /// The chunks that are to be stored anew with [`Directory::write`]. Pages that are no more are let go.
    pub fn take_touched(&mut self, out: &mut PageWrites<'_>) -> BTreeSet<u64> {
        self.gone.drain(..).for_each(|stored| out.drop(Some(stored)));
        std::mem::take(&mut self.touched)
    }

    /// Stores a chunk, unless it is empty.
    pub fn write(&mut self, chunk: u64, bytes: &[u8], out: &mut PageWrites<'_>) {
        let old = self.chunks.remove(&chunk);
        if bytes.is_empty() {
            out.drop(old);
        } else {
            let stored = out.put(bytes, old);
            self.chunks.insert(chunk, stored);
        }
    }

    /// The checkpoint did not come to an end: chunks that it was to store are unstored.
    pub fn unwrite(&mut self, checkpoint: u32) {
        self.gone.retain(|stored| stored.checkpoint != checkpoint);
        let Self { chunks, touched, .. } = self;
        chunks.retain(|chunk, stored| {
            let kept = stored.checkpoint != checkpoint;
            if !kept {
                touched.insert(*chunk);
            }
            kept
        });
    }
}
