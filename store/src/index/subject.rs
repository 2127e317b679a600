//! From a subject to its messages, for all live subjects of one stream.

use std::collections::BTreeMap;
use std::ops::{Bound as RangeBound, ControlFlow, Range};
use std::sync::Arc;

use super::directory::Directory;
use super::open_page::{LastFound, OpenPage};
use super::pages::{Fetched, NoPages, PageSet, PageSource, StoredPage, is_settled};
use super::postings::{Bounds, Postings};
use super::seeker::{Seeker, Verdict};
use super::subject_page::{self, Builder, Spot, Walker};
use crate::StoreError;

type Pages = BTreeMap<Box<[u8]>, Page>;

/// A page and its fence.
type FoundPage<'p> = (&'p Box<[u8]>, &'p Page);

/// A page is split when it grows beyond this.
const PAGE_BYTES_MAX: usize = 1536;

/// Is shown a subject and its encoded postings.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// The live subjects of one stream in byte order, in front-coded pages of some sixty subjects.
pub struct SubjectIndex {
    /// Pages by a lower fence of their subjects; the first fence is empty.
    pub(super) pages: Pages,
    pub(super) subjects: u64,
    pub(super) next_page_id: u64,
    pub(crate) source: Arc<dyn PageSource>,
    /// Fences of pages that were fetched lately.
    pub(crate) fetched: Fetched<Box<[u8]>>,
    /// The checkpoint that may still be on its way to the disk, 0 if none is.
    pub(crate) written_by: u32,
    pub(super) resident_bytes: usize,
    pub(super) pages_walked: u64,
    pub(super) last_found: LastFound,
    pub(super) directory: Directory,
    /// A page has changed since the last checkpoint, be it by what a reader has found out.
    pub(crate) changed: bool,
}

/// One page.
pub(super) struct Page {
    pub(super) id: u64,
    /// Changed since it was stored last.
    pub(super) dirty: bool,
    pub(super) stored: Option<StoredPage>,
    /// `None`: in the catalogue only.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Default for SubjectIndex {
    fn default() -> Self {
        let mut pages = BTreeMap::new();
        pages.insert(Box::default(), Page::new(0, Vec::new()));
        Self {
            pages,
            subjects: 0,
            next_page_id: 1,
            source: Arc::new(NoPages),
            fetched: Fetched::default(),
            written_by: 0,
            resident_bytes: 0,
            pages_walked: 0,
            last_found: LastFound::default(),
            directory: Directory::default(),
            changed: true,
        }
    }
}

impl SubjectIndex {
    /// Distinct live subjects.
    pub fn len(&self) -> u64 {
        self.subjects
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.subjects == 0
    }

    /// Takes in a message; true when its subject is new.
    pub fn add(&mut self, subject: &[u8], seq: u64) -> Result<bool, StoreError> {
        let subjects = self.change_page(subject, |page| page.add(subject, seq))?;
        Ok(subjects > 0)
    }

    /// Takes out a message; true when it was the last one of its subject.
    pub fn remove(&mut self, subject: &[u8], seq: u64) -> Result<bool, StoreError> {
        let mut gone = false;
        self.update(subject, |held| {
            let mut postings = held?;
            postings.remove(seq);
            gone = postings.count() == 0;
            (!gone).then_some(postings)
        })?;
        Ok(gone)
    }

    /// The messages of a literal subject.
    pub fn get(&mut self, subject: &[u8]) -> Result<Option<Postings>, StoreError> {
        self.held(subject, subject_page::postings)
    }

    /// How many messages a literal subject has and where they lie.
    pub fn bounds(&mut self, subject: &[u8]) -> Result<Option<Bounds>, StoreError> {
        self.held(subject, subject_page::bounds)
    }

    fn held<T>(
        &mut self,
        subject: &[u8],
        read: fn(&[u8], &Range<usize>) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut page = self.page_of(subject)?;
        match page.find(subject).ok_or_else(damaged)? {
            Spot::Held { postings, .. } => read(page.bytes, &postings).ok_or_else(damaged).map(Some),
            Spot::Vacant { .. } => Ok(None),
        }
    }

    /// Replaces what is known of a subject, `None` to forget it. `change` is handed what is known.
    pub fn update(
        &mut self,
        subject: &[u8],
        change: impl FnOnce(Option<Postings>) -> Option<Postings>,
    ) -> Result<(), StoreError> {
        self.change_page(subject, |page| page.change(subject, change)).map(|_| ())
    }

    /// Changes the page a subject belongs to. `change` returns by how much its number of subjects changes, as this does.
    fn change_page(
        &mut self,
        subject: &[u8],
        change: impl FnOnce(&mut OpenPage<'_>) -> Option<i64>,
    ) -> Result<i64, StoreError> {
        self.changed = true;
        let mut page = self.page_of(subject)?;
        *page.dirty = true;
        let before = page.bytes.capacity();
        let subjects = change(&mut page).ok_or_else(damaged)?;
        let (after, capacity) = (page.bytes.len(), page.bytes.capacity());
        self.subjects = self.subjects.saturating_add_signed(subjects);
        self.resident_bytes = (self.resident_bytes + capacity).saturating_sub(before);
        if after == 0 || after > PAGE_BYTES_MAX {
            let fence = self.fence(subject);
            self.keep_in_size(&fence, after)?;
        }
        Ok(subjects)
    }

    /// Visits the subjects that `seeker` takes in byte order, with their encoded postings.
    pub fn visit(&mut self, seeker: Seeker<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.visit_within(u64::MAX, seeker, visit).map(|_| ())
    }

    /// The same until [`pages_walked`](Self::pages_walked) has come to `pages`; false if that was before the end.
    pub fn visit_within(
        &mut self,
        pages: u64,
        mut seeker: Seeker<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<bool, StoreError> {
        let mut at = seeker.target().to_vec();
        while self.pages_walked < pages {
            let walked = &mut self.pages_walked;
            if let Walk::Done = walk(&self.pages, &mut at, &mut seeker, visit, walked, pages)? {
                return Ok(true);
            }
            self.page_of(&at)?;
        }
        Ok(false)
    }

    /// Grows with every page that is looked at for a [`visit`](Self::visit).
    pub fn pages_walked(&self) -> u64 {
        self.pages_walked
    }

    /// Passes every subject through `change`, which returns what is left of it, `None` for nothing.
    pub fn rewrite(
        &mut self,
        change: &mut dyn FnMut(&[u8], &Postings) -> Option<Postings>,
    ) -> Result<(), StoreError> {
        let mut next = Some(Box::default());
        while let Some(fence) = next {
            next = self.fence_after(&fence);
            self.rewrite_page(&fence, change)?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for fence in self.pages.keys().cloned().collect::<Vec<_>>() {
            self.forget_page(&fence);
        }
        self.pages.insert(Box::default(), Page::new(self.next_page_id, Vec::new()));
        self.next_page_id += 1;
        self.subjects = 0;
        self.resident_bytes = 0;
    }

    /// Bytes of pages in memory.
    pub fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }

    fn rewrite_page(
        &mut self,
        fence: &[u8],
        change: &mut dyn FnMut(&[u8], &Postings) -> Option<Postings>,
    ) -> Result<(), StoreError> {
        let bytes = self.page(fence)?;
        let mut rebuilt = Builder::default();
        let (mut changed, mut gone) = (false, 0);
        let mut walker = Walker::new(bytes);
        while let Some((subject, state)) = walker.step() {
            let held = Postings::decode(state).ok_or_else(damaged)?;
            let left = change(subject, &held);
            changed |= left.as_ref() != Some(&held);
            match left {
                Some(postings) => rebuilt.push(subject, &postings),
                None => gone += 1,
            }
        }
        if !walker.is_complete() {
            return Err(damaged());
        }
        if changed {
            self.subjects = self.subjects.saturating_sub(gone);
            self.replace_page(fence, rebuilt.finish());
        }
        Ok(())
    }

    fn replace_page(&mut self, fence: &[u8], bytes: Vec<u8>) {
        let Some(page) = self.pages.get_mut(fence) else { return };
        self.resident_bytes = (self.resident_bytes + bytes.capacity()).saturating_sub(page.memory());
        page.bytes = Some(bytes);
        page.dirty = true;
        self.last_found.forget();
        self.drop_if_empty(fence);
    }

    fn drop_if_empty(&mut self, fence: &[u8]) {
        let empty = self.pages.get(fence).is_some_and(|page| page.bytes.as_ref().is_some_and(Vec::is_empty));
        if empty && !fence.is_empty() {
            self.forget_page(fence);
        }
    }

    fn forget_page(&mut self, fence: &[u8]) {
        let Some(page) = self.pages.remove(fence) else { return };
        self.last_found.forget();
        self.resident_bytes = self.resident_bytes.saturating_sub(page.memory());
        self.directory.forget(page.id, page.stored);
    }

    fn keep_in_size(&mut self, fence: &[u8], len: usize) -> Result<(), StoreError> {
        if len == 0 {
            self.drop_if_empty(fence);
        } else if len > PAGE_BYTES_MAX {
            return self.split(fence);
        }
        Ok(())
    }

    /// Moves the upper half of a page to a page of its own.
    fn split(&mut self, fence: &[u8]) -> Result<(), StoreError> {
        let bytes = self.page(fence)?;
        let half = bytes.len() / 2;
        let (mut lower, mut upper) = (Builder::default(), Builder::default());
        let mut upper_fence: Option<Box<[u8]>> = None;
        let mut walker = Walker::new(bytes);
        while let Some((subject, state)) = walker.step() {
            let postings = Postings::decode(state).ok_or_else(damaged)?;
            if lower.is_empty() || lower.len() < half {
                lower.push(subject, &postings);
            } else {
                upper_fence.get_or_insert_with(|| subject.into());
                upper.push(subject, &postings);
            }
        }
        if !walker.is_complete() {
            return Err(damaged());
        }
        let Some(upper_fence) = upper_fence else { return Ok(()) };
        let upper = upper.finish();
        self.replace_page(fence, lower.finish());
        self.resident_bytes += upper.capacity();
        self.pages.insert(upper_fence, Page::new(self.next_page_id, upper));
        self.next_page_id += 1;
        Ok(())
    }

    /// The fence of the page a subject belongs to.
    fn fence(&self, subject: &[u8]) -> Box<[u8]> {
        page_at(&self.pages, subject).map(|(fence, _)| fence.clone()).unwrap_or_default()
    }

    fn fence_after(&self, fence: &[u8]) -> Option<Box<[u8]>> {
        page_behind(&self.pages, fence).map(|(fence, _)| fence.clone())
    }

    fn page(&mut self, fence: &[u8]) -> Result<&Vec<u8>, StoreError> {
        Ok(self.page_of(fence)?.bytes)
    }

    /// The page a subject belongs to, in memory.
    fn page_of(&mut self, subject: &[u8]) -> Result<OpenPage<'_>, StoreError> {
        self.drop_fetched();
        let below = (RangeBound::Unbounded, RangeBound::Included(subject));
        let (fence, page) = self.pages.range_mut::<[u8], _>(below).next_back().ok_or_else(damaged)?;
        if let (None, Some(stored)) = (&page.bytes, page.stored) {
            let bytes = self.source.load(PageSet::Subjects, page.id, stored)?.into_vec();
            self.resident_bytes += bytes.capacity();
            self.fetched.push(fence.clone(), bytes.capacity());
            page.bytes = Some(bytes);
        }
        let (id, bytes) = (page.id, page.bytes.get_or_insert_default());
        Ok(OpenPage { id, dirty: &mut page.dirty, bytes, last_found: &mut self.last_found })
    }

    fn drop_fetched(&mut self) {
        while let Some(fence) = self.fetched.pop_excess() {
            let page = self.pages.get_mut(&fence);
            if let Some(page) = page.filter(|page| is_settled(page.stored, self.written_by)) {
                self.resident_bytes = self.resident_bytes.saturating_sub(page.evict());
            }
        }
    }
}

impl Page {
    fn new(id: u64, bytes: Vec<u8>) -> Self {
        Self { id, dirty: true, stored: None, bytes: Some(bytes) }
    }

    /// Bytes it takes in memory.
    fn memory(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::capacity)
    }

    /// Drops it from memory if it is stored as it is; returns the bytes freed.
    pub(super) fn evict(&mut self) -> usize {
        if self.dirty || self.stored.is_none() {
            return 0;
        }
        self.bytes.take().map_or(0, |bytes| bytes.capacity())
    }
}

/// How a walk over pages ended.
enum Walk {
    /// There is nothing more to visit.
    Done,
    /// The page it has come to is not in memory, or it has walked far enough.
    Wants,
}

/// Visits the subjects that `seeker` takes, from `at` on. A seek looks for the page to go on in once, and reads nothing
/// between.
fn walk(
    pages: &Pages,
    at: &mut Vec<u8>,
    seeker: &mut Seeker<'_>,
    visit: &mut Visit<'_>,
    walked: &mut u64,
    walked_max: u64,
) -> Result<Walk, StoreError> {
    let mut found = page_at(pages, at)?;
    while let Some(bytes) = found.1.bytes.as_ref().filter(|_| *walked < walked_max) {
        *walked += 1;
        let mut walker = Walker::new(bytes);
        walker.seek(at);
        let next = match walk_page(pages, found.1, &mut walker, seeker, visit)? {
            ControlFlow::Break(()) => return Ok(Walk::Done),
            ControlFlow::Continue(Some(elsewhere)) => elsewhere,
            ControlFlow::Continue(None) => match page_behind(pages, found.0) {
                Some((fence, _)) if **fence < *seeker.target() => page_at(pages, seeker.target())?,
                Some(behind) => behind,
                None => return Ok(Walk::Done),
            },
        };
        found = next;
        at.clear();
        at.extend_from_slice(seeker.target().max(found.0));
    }
    Ok(Walk::Wants)
}

/// Visits subjects of one page; breaks when the visitor does or none can follow. If they go on in another page than the one
/// behind, that is returned.
fn walk_page<'p>(
    pages: &'p Pages,
    page: &Page,
    walker: &mut Walker<'_>,
    seeker: &mut Seeker<'_>,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<(), Option<FoundPage<'p>>>, StoreError> {
    while let Some((subject, state)) = walker.step() {
        match seeker.judge(subject) {
            Verdict::Match | Verdict::MatchAndSeek if visit(subject, state).is_break() => {
                return Ok(ControlFlow::Break(()));
            }
            Verdict::Match | Verdict::Next => {}
            Verdict::MatchAndSeek | Verdict::Seek => {
                let found = page_at(pages, seeker.target())?;
                if !std::ptr::eq(found.1, page) {
                    return Ok(ControlFlow::Continue(Some(found)));
                }
                walker.seek(seeker.target());
            }
            Verdict::End => return Ok(ControlFlow::Break(())),
        }
    }
    if walker.is_complete() { Ok(ControlFlow::Continue(None)) } else { Err(damaged()) }
}

/// The page a subject belongs to, with its fence.
fn page_at<'p>(pages: &'p Pages, subject: &[u8]) -> Result<FoundPage<'p>, StoreError> {
    let below = (RangeBound::Unbounded, RangeBound::Included(subject));
    pages.range::<[u8], _>(below).next_back().ok_or_else(damaged)
}

fn page_behind<'p>(pages: &'p Pages, fence: &[u8]) -> Option<FoundPage<'p>> {
    pages.range::<[u8], _>((RangeBound::Excluded(fence), RangeBound::Unbounded)).next()
}

fn damaged() -> StoreError {
    StoreError::Io("subject index page is damaged".into())
}

#[cfg(test)]
impl SubjectIndex {
    /// Bytes of all pages in memory.
    pub(super) fn page_bytes(&self) -> usize {
        self.pages.values().map(Page::memory).sum()
    }
}

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;
