//! The sequence index on its way to the catalogue and back.

use std::sync::Arc;

use super::pages::{CHUNK_PAGES, PageSource, PageWrites, StoredPage};
use super::seq::{Body, SeqIndex, Slot};
use super::seq_page;
use super::varint::{self, Reader};

impl SeqIndex {
    /// An index over stored pages, which are fetched from `source` when needed. `chunks` are the directory, as
    /// [`SeqIndex::write_pages`] stored it; `None` when one of them makes no sense.
    pub fn restored(source: Arc<dyn PageSource>, chunks: &[(u64, StoredPage, Box<[u8]>)]) -> Option<Self> {
        let mut index = Self { source, ..Self::default() };
        for (chunk, stored, bytes) in chunks {
            index.directory.found(*chunk, *stored);
            let mut reader = Reader::new(bytes);
            while !reader.is_empty() {
                let page = chunk.checked_mul(CHUNK_PAGES)?.checked_add(reader.number()?)?;
                let live = reader.number()?.try_into().ok()?;
                let stored = Some(StoredPage::decode(&mut reader)?);
                index.pages.insert(page, Slot { live, dirty: false, stored, body: Body::Stored });
            }
        }
        Some(index)
    }

    /// Where the directory is stored.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, StoredPage)> + '_ {
        self.directory.chunks()
    }

    /// Everything that is stored, pages and directory.
    pub fn stored(&self) -> impl Iterator<Item = StoredPage> + '_ {
        let chunks = self.directory.chunks().map(|(_, stored)| stored);
        self.pages.values().filter_map(|page| page.stored).chain(chunks)
    }

    /// Hands over every page and chunk that has changed, as if it were stored already.
    pub fn write_pages(&mut self, out: &mut PageWrites<'_>) {
        self.written_by = out.checkpoint;
        for (page, slot) in self.pages.iter_mut().filter(|(_, slot)| slot.dirty) {
            slot.stored = match &slot.body {
                Body::Open(entries) => Some(out.put(&seq_page::pack(entries), slot.stored)),
                Body::Packed(packed) => Some(out.put(packed, slot.stored)),
                Body::Stored => continue,
            };
            slot.dirty = false;
            self.directory.touch(*page);
        }
        for chunk in self.directory.take_touched(out) {
            self.write_chunk(chunk, out);
        }
    }

    /// The checkpoint did not come to an end: what it was to store is unstored.
    pub fn unwrite_pages(&mut self, checkpoint: u32) {
        let written =
            |stored: Option<StoredPage>| stored.is_some_and(|stored| stored.checkpoint == checkpoint);
        for (page, slot) in self.pages.iter_mut().filter(|(_, slot)| written(slot.stored)) {
            slot.stored = None;
            slot.dirty = true;
            self.directory.touch(*page);
        }
        self.directory.unwrite(checkpoint);
    }

    /// Drops pages that are stored, lowest sequences first, until `bytes` are freed or none is left.
    pub fn evict(&mut self, bytes: usize) -> usize {
        let mut freed = 0;
        for slot in self.pages.values_mut().filter(|slot| !slot.dirty && slot.stored.is_some()) {
            if freed >= bytes {
                break;
            }
            freed += slot.evict();
        }
        self.resident_bytes -= freed;
        freed
    }

    fn write_chunk(&mut self, chunk: u64, out: &mut PageWrites<'_>) {
        let first = chunk * CHUNK_PAGES;
        let mut bytes = Vec::new();
        for (page, slot) in self.pages.range(first..=first + (CHUNK_PAGES - 1)) {
            let Some(stored) = slot.stored else { continue };
            varint::put(&mut bytes, page - first);
            varint::put(&mut bytes, u64::from(slot.live));
            stored.encode(&mut bytes);
        }
        self.directory.write(chunk, &bytes, out);
    }
}

impl Slot {
    /// Drops the page from memory if it is stored as it is and packed; returns the bytes freed.
    pub(super) fn evict(&mut self) -> usize {
        match &self.body {
            Body::Packed(packed) if !self.dirty && self.stored.is_some() => {
                let freed = packed.len();
                self.body = Body::Stored;
                freed
            }
            _ => 0,
        }
    }
}
