//! The subject index on its way to the catalogue and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pages::{CHUNK_PAGES, PageSource, PageWrites, StoredPage};
use super::subject::{Page, SubjectIndex};
use super::varint::{self, Reader};

impl SubjectIndex {
    /// An index over stored pages, which are fetched from `source` when needed. `chunks` are the directory, as
    /// [`SubjectIndex::write_pages`] stored it; `None` when one of them makes no sense.
    pub fn restored(
        source: Arc<dyn PageSource>,
        subjects: u64,
        chunks: &[(u64, StoredPage, Box<[u8]>)],
    ) -> Option<Self> {
        let mut index = Self { source, subjects, changed: false, ..Self::default() };
        for (chunk, stored, bytes) in chunks {
            index.directory.found(*chunk, *stored);
            let mut reader = Reader::new(bytes);
            while !reader.is_empty() {
                let fence = reader.prefixed()?.into();
                let id = reader.number()?;
                let stored = Some(StoredPage::decode(&mut reader)?);
                index.next_page_id = index.next_page_id.max(id.checked_add(1)?);
                index.pages.insert(fence, Page { id, dirty: false, stored, bytes: None });
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
        self.changed = false;
        for page in self.pages.values_mut().filter(|page| page.dirty) {
            let Some(bytes) = &page.bytes else { continue };
            page.stored = Some(out.put(bytes, page.stored));
            page.dirty = false;
            self.directory.touch(page.id);
        }
        let touched = self.directory.take_touched(out);
        let mut chunks: BTreeMap<u64, Vec<u8>> =
            touched.into_iter().map(|chunk| (chunk, Vec::new())).collect();
        for (fence, page) in &self.pages {
            if let (Some(bytes), Some(stored)) = (chunks.get_mut(&(page.id / CHUNK_PAGES)), page.stored) {
                varint::put_prefixed(bytes, fence);
                varint::put(bytes, page.id);
                stored.encode(bytes);
            }
        }
        for (chunk, bytes) in chunks {
            self.directory.write(chunk, &bytes, out);
        }
    }

    /// The checkpoint did not come to an end: what it was to store is unstored.
    pub fn unwrite_pages(&mut self, checkpoint: u32) {
        let written =
            |stored: Option<StoredPage>| stored.is_some_and(|stored| stored.checkpoint == checkpoint);
        for page in self.pages.values_mut().filter(|page| written(page.stored)) {
            page.stored = None;
            page.dirty = true;
            self.directory.touch(page.id);
        }
        self.directory.unwrite(checkpoint);
    }

    /// Drops pages that are stored until `bytes` are freed or none is left.
    pub fn evict(&mut self, bytes: usize) -> usize {
        let mut freed = 0;
        for page in self.pages.values_mut().filter(|page| !page.dirty && page.stored.is_some()) {
            if freed >= bytes {
                break;
            }
            freed += page.evict();
        }
        self.resident_bytes = self.resident_bytes.saturating_sub(freed);
        freed
    }
}
