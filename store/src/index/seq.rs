//! From a stream sequence to the place of its record.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::directory::Directory;
use super::pages::{Fetched, NoPages, PageSet, PageSource, StoredPage, is_settled};
use super::seq_page::{self, Entry, PAGE_SEQS};
use crate::StoreError;

/// Pages kept unpacked at a time; the rest is packed.
const OPEN_PAGES_MAX: usize = 4;

/// Packed pages kept unpacked for readers.
const VIEWS_MAX: usize = 2;

/// Where the live messages of one stream lie, in pages of [`PAGE_SEQS`] consecutive sequences.
///
/// A page without live messages does not exist. Totals are the owner's business.
pub struct SeqIndex {
    pub(super) pages: BTreeMap<u64, Slot>,
    /// Numbers of the unpacked pages, least recently used first.
    pub(super) open: Vec<u64>,
    /// Packed pages that are being read, unpacked.
    pub(super) views: Vec<(u64, Vec<Entry>)>,
    /// The page that a single message was looked up in last.
    pub(super) looked_up: u64,
    /// The page that a message was removed from last.
    pub(super) removed_from: u64,
    /// The message that was looked up last: who asks whether it is there often asks next where it lies.
    pub(super) found: Option<(u64, Entry)>,
    pub(crate) source: Arc<dyn PageSource>,
    /// Pages that were fetched lately.
    pub(crate) fetched: Fetched<u64>,
    /// The checkpoint that may still be on its way to the disk, 0 if none is.
    pub(crate) written_by: u32,
    pub(super) resident_bytes: usize,
    pub(super) directory: Directory,
}

/// One page.
pub(super) struct Slot {
    pub(super) live: u16,
    /// Changed since it was stored last.
    pub(super) dirty: bool,
    pub(super) stored: Option<StoredPage>,
    pub(super) body: Body,
}

/// What is in memory of a page.
pub(super) enum Body {
    Open(Vec<Entry>),
    Packed(Box<[u8]>),
    /// In the catalogue only.
    Stored,
}

impl Default for SeqIndex {
    fn default() -> Self {
        Self {
            pages: BTreeMap::new(),
            open: Vec::new(),
            views: Vec::new(),
            looked_up: u64::MAX,
            removed_from: u64::MAX,
            found: None,
            source: Arc::new(NoPages),
            fetched: Fetched::default(),
            written_by: 0,
            resident_bytes: 0,
            directory: Directory::default(),
        }
    }
}

impl SeqIndex {
    /// Sets where `seq` lies; returns where it lay before.
    pub fn insert(&mut self, seq: u64, entry: Entry) -> Result<Option<Entry>, StoreError> {
        self.found = None;
        let (page, slot) = split(seq);
        self.open_page(page)?;
        let Some(held) = self.pages.get_mut(&page) else { return Ok(None) };
        let Body::Open(entries) = &mut held.body else { return Ok(None) };
        if entries.len() <= slot {
            entries.resize(slot + 1, Entry::DEAD);
        }
        let Some(place) = entries.get_mut(slot) else { return Ok(None) };
        let old = std::mem::replace(place, entry);
        held.dirty = true;
        if old.is_live() {
            return Ok(Some(old));
        }
        held.live += 1;
        Ok(None)
    }

    /// Forgets `seq`; returns where it lay.
    pub fn remove(&mut self, seq: u64) -> Result<Option<Entry>, StoreError> {
        let (page, slot) = split(seq);
        let Some(entry) = self.get(seq)? else { return Ok(None) };
        self.found = None;
        // Who removes from the same page again probably goes on; others jump, and would unpack a page for each message.
        if std::mem::replace(&mut self.removed_from, page) == page {
            self.open_page(page)?;
        }
        // The answer may have been remembered for longer than its page was held.
        self.fetch(page)?;
        let Some(held) = self.pages.get_mut(&page) else { return Ok(None) };
        match &mut held.body {
            Body::Open(entries) => {
                entries.iter_mut().skip(slot).take(1).for_each(|place| *place = Entry::DEAD)
            }
            Body::Packed(packed) => {
                let (left, _) = seq_page::without(packed, slot).ok_or_else(|| damaged(page))?;
                self.resident_bytes = (self.resident_bytes + left.len()).saturating_sub(packed.len());
                *packed = left;
                self.views.retain(|(viewed, _)| *viewed != page);
            }
            Body::Stored => return Err(damaged(page)),
        }
        held.dirty = true;
        held.live -= 1;
        if held.live == 0 {
            self.forget_page(page);
        }
        Ok(Some(entry))
    }

    /// Where `seq` lies.
    pub fn get(&mut self, seq: u64) -> Result<Option<Entry>, StoreError> {
        if let Some((_, entry)) = self.found.filter(|(found, _)| *found == seq) {
            return Ok(Some(entry));
        }
        let entry = self.look_up(seq)?;
        self.found = entry.map(|entry| (seq, entry));
        Ok(entry)
    }

    fn look_up(&mut self, seq: u64) -> Result<Option<Entry>, StoreError> {
        let (page, slot) = split(seq);
        if let Some((_, entries)) = self.views.iter().find(|(viewed, _)| *viewed == page) {
            self.looked_up = page;
            return Ok(entries.get(slot).copied().filter(Entry::is_live));
        }
        self.fetch(page)?;
        let Some(held) = self.pages.get(&page) else { return Ok(None) };
        // Who asks for the same page again is probably reading on; others jump, and would unpack a page for each message.
        let jumped = std::mem::replace(&mut self.looked_up, page) != page;
        let entry = match &held.body {
            Body::Packed(packed) if jumped => {
                return seq_page::find(packed, slot).ok_or_else(|| damaged(page));
            }
            Body::Open(entries) => entries.get(slot),
            _ => self.view(page)?.get(slot),
        };
        Ok(entry.copied().filter(Entry::is_live))
    }

    /// The first live message in `from..=up_to` that `accept` takes.
    pub fn next_where(
        &mut self,
        from: u64,
        up_to: u64,
        mut accept: impl FnMut(&Entry) -> bool,
    ) -> Result<Option<(u64, Entry)>, StoreError> {
        let mut found = None;
        self.visit(from, up_to, &mut |seq, entry| {
            if !accept(entry) {
                return ControlFlow::Continue(());
            }
            found = Some((seq, *entry));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The last live message in `from..=up_to` that `accept` takes.
    pub fn prev_where(
        &mut self,
        from: u64,
        up_to: u64,
        mut accept: impl FnMut(&Entry) -> bool,
    ) -> Result<Option<(u64, Entry)>, StoreError> {
        let mut upper = split(up_to).0;
        while let Some(page) = self.page_at_or_before(upper, split(from).0) {
            let base = page * PAGE_SEQS;
            for (slot, entry) in self.view(page)?.iter().enumerate().rev() {
                let seq = base + slot as u64;
                if entry.is_live() && (from..=up_to).contains(&seq) && accept(entry) {
                    return Ok(Some((seq, *entry)));
                }
            }
            let Some(before) = page.checked_sub(1) else { break };
            upper = before;
        }
        Ok(None)
    }

    /// The first live sequence at or after `from`. Full pages answer without being read.
    pub fn next_live(&mut self, from: u64) -> Result<Option<u64>, StoreError> {
        let full = self.pages.get(&split(from).0).is_some_and(|held| u64::from(held.live) == PAGE_SEQS);
        if full {
            return Ok(Some(from));
        }
        Ok(self.next_where(from, u64::MAX, |_| true)?.map(|(seq, _)| seq))
    }

    /// The last live sequence at or before `up_to`.
    pub fn prev_live(&mut self, up_to: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.prev_where(0, up_to, |_| true)?.map(|(seq, _)| seq))
    }

    /// Visits the live messages of `from..=up_to` in order.
    pub fn visit(
        &mut self,
        from: u64,
        up_to: u64,
        visit: &mut dyn FnMut(u64, &Entry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut next = Some(split(from).0);
        while let Some(page) = next.and_then(|at| self.page_at_or_after(at, split(up_to).0)) {
            let base = page * PAGE_SEQS;
            let first = usize::try_from(from.saturating_sub(base)).unwrap_or(usize::MAX);
            for (slot, entry) in
                self.view(page)?.iter().enumerate().skip(first).filter(|(_, entry)| entry.is_live())
            {
                let seq = base + slot as u64;
                if seq > up_to || visit(seq, entry).is_break() {
                    return Ok(());
                }
            }
            next = page.checked_add(1);
        }
        Ok(())
    }

    /// How many live messages lie in `from..=up_to`; reads at most the two pages at the ends.
    pub fn count(&mut self, from: u64, up_to: u64) -> Result<u64, StoreError> {
        if from > up_to {
            return Ok(0);
        }
        let (first, last) = (split(from).0, split(up_to).0);
        let between = first.saturating_add(1)..last.max(first.saturating_add(1));
        let mut total: u64 = self.pages.range(between).map(|(_, held)| u64::from(held.live)).sum();
        total += self.count_in_page(first, from, up_to)?;
        if last != first {
            total += self.count_in_page(last, from, up_to)?;
        }
        Ok(total)
    }

    fn count_in_page(&mut self, page: u64, from: u64, up_to: u64) -> Result<u64, StoreError> {
        let base = page * PAGE_SEQS;
        let end = base.saturating_add(PAGE_SEQS - 1);
        match self.pages.get(&page) {
            None => return Ok(0),
            Some(held) if from <= base && up_to >= end => return Ok(u64::from(held.live)),
            Some(held) if u64::from(held.live) == PAGE_SEQS => return Ok(up_to.min(end) - from.max(base) + 1),
            Some(_) => {}
        }
        let mut count = 0;
        self.visit(from.max(base), up_to.min(end), &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// Forgets everything below `seq`, telling `removed` what goes.
    pub fn drop_below(&mut self, seq: u64, removed: &mut dyn FnMut(u64, &Entry)) -> Result<(), StoreError> {
        let (edge, _) = split(seq);
        while let Some(page) = self.page_at_or_after(0, edge) {
            let whole = page < edge;
            if whole {
                self.visit(page * PAGE_SEQS, page * PAGE_SEQS + (PAGE_SEQS - 1), &mut |at, entry| {
                    removed(at, entry);
                    ControlFlow::Continue(())
                })?;
                self.forget_page(page);
            } else {
                return self.drop_front(page, seq, removed);
            }
        }
        Ok(())
    }

    fn drop_front(
        &mut self,
        page: u64,
        seq: u64,
        removed: &mut dyn FnMut(u64, &Entry),
    ) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        if let Some(before) = seq.checked_sub(1) {
            self.visit(page * PAGE_SEQS, before, &mut |at, entry| {
                gone.push((at, *entry));
                ControlFlow::Continue(())
            })?;
        }
        for (at, entry) in gone {
            self.remove(at)?;
            removed(at, &entry);
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for page in self.pages.keys().copied().collect::<Vec<_>>() {
            self.forget_page(page);
        }
    }

    /// Bytes of pages in memory.
    pub fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }

    fn page_at_or_after(&self, page: u64, up_to: u64) -> Option<u64> {
        if page > up_to {
            return None;
        }
        self.pages.range(page..=up_to).next().map(|(page, _)| *page)
    }

    fn page_at_or_before(&self, page: u64, from: u64) -> Option<u64> {
        if from > page {
            return None;
        }
        self.pages.range(from..=page).next_back().map(|(page, _)| *page)
    }

    /// The entries of a page, unpacked.
    fn view(&mut self, page: u64) -> Result<&[Entry], StoreError> {
        if let Some(at) = self.views.iter().position(|(viewed, _)| *viewed == page) {
            return Ok(self.views.get(at).map(|(_, entries)| entries.as_slice()).unwrap_or_default());
        }
        self.fetch(page)?;
        match self.pages.get(&page).map(|held| &held.body) {
            Some(Body::Open(entries)) => Ok(entries),
            Some(Body::Packed(packed)) => {
                let mut entries =
                    if self.views.len() < VIEWS_MAX { Vec::new() } else { self.views.remove(0).1 };
                seq_page::unpack(packed, &mut entries).ok_or_else(|| damaged(page))?;
                self.views.push((page, entries));
                Ok(self.views.last().map(|(_, entries)| entries.as_slice()).unwrap_or_default())
            }
            _ => Ok(&[]),
        }
    }

    /// Frees what only readers of cold pages need.
    pub fn forget_views(&mut self) {
        self.views = Vec::new();
    }

    /// Brings a page into memory, packed or open.
    fn fetch(&mut self, page: u64) -> Result<(), StoreError> {
        let Some(held) = self.pages.get_mut(&page) else { return Ok(()) };
        if let (Body::Stored, Some(stored)) = (&held.body, held.stored) {
            let packed = self.source.load(PageSet::Seqs, page, stored)?;
            let bytes = packed.len();
            self.resident_bytes += bytes;
            held.body = Body::Packed(packed);
            self.fetched.push(page, bytes);
            self.drop_fetched();
        }
        Ok(())
    }

    fn drop_fetched(&mut self) {
        while let Some(page) = self.fetched.pop_excess() {
            let slot = self.pages.get_mut(&page);
            if let Some(slot) = slot.filter(|slot| is_settled(slot.stored, self.written_by)) {
                self.resident_bytes -= slot.evict();
            }
        }
    }

    /// Unpacks a page (a new one when there is none) and packs the one unused longest.
    fn open_page(&mut self, page: u64) -> Result<(), StoreError> {
        if self.open.last() == Some(&page) {
            return Ok(());
        }
        if let Some(at) = self.open.iter().position(|open| *open == page) {
            self.open.remove(at);
            self.open.push(page);
            return Ok(());
        }
        self.fetch(page)?;
        self.unpack_page(page)?;
        self.views.retain(|(viewed, _)| *viewed != page);
        self.open.push(page);
        if self.open.len() > OPEN_PAGES_MAX {
            let oldest = self.open.remove(0);
            self.pack_page(oldest);
        }
        Ok(())
    }

    fn unpack_page(&mut self, page: u64) -> Result<(), StoreError> {
        let fresh = || Slot { live: 0, dirty: true, stored: None, body: Body::Open(Vec::new()) };
        let held = self.pages.entry(page).or_insert_with(fresh);
        if let Body::Packed(packed) = &held.body {
            let mut entries = Vec::with_capacity(PAGE_SEQS as usize);
            seq_page::unpack(packed, &mut entries).ok_or_else(|| damaged(page))?;
            self.resident_bytes -= packed.len();
            held.body = Body::Open(entries);
        }
        Ok(())
    }

    fn pack_page(&mut self, page: u64) {
        let Some(held) = self.pages.get_mut(&page) else { return };
        if let Body::Open(entries) = &held.body {
            let packed = seq_page::pack(entries);
            self.resident_bytes += packed.len();
            held.body = Body::Packed(packed);
        }
    }

    fn forget_page(&mut self, page: u64) {
        self.found = None;
        self.open.retain(|open| *open != page);
        self.views.retain(|(viewed, _)| *viewed != page);
        let Some(slot) = self.pages.remove(&page) else { return };
        if let Body::Packed(packed) = &slot.body {
            self.resident_bytes -= packed.len();
        }
        self.directory.forget(page, slot.stored);
    }
}

fn split(seq: u64) -> (u64, usize) {
    (seq / PAGE_SEQS, (seq % PAGE_SEQS) as usize)
}

fn damaged(page: u64) -> StoreError {
    StoreError::Io(format!("index page {page} is damaged"))
}

#[cfg(test)]
impl SeqIndex {
    /// Bytes of all packed pages.
    pub(super) fn packed_bytes(&self) -> usize {
        let bytes = |slot: &Slot| if let Body::Packed(packed) = &slot.body { packed.len() } else { 0 };
        self.pages.values().map(bytes).sum()
    }
}

#[cfg(test)]
#[path = "seq_tests.rs"]
mod tests;
