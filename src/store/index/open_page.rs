//! A page of the subject index that is in memory, and what was found in one last.

use super::postings::Postings;
use super::subject_page::{self, Spot};

/// A page that is in memory.
pub(super) struct OpenPage<'a> {
    pub(super) id: u64,
    pub(super) dirty: &'a mut bool,
    pub(super) bytes: &'a mut Vec<u8>,
    pub(super) last_found: &'a mut LastFound,
}

impl OpenPage<'_> {
    /// Where a subject is in the page, or would be; `None` when the page is damaged.
    pub(super) fn find(&mut self, subject: &[u8]) -> Option<Spot> {
        if let Some(start) = self.last_found.start_of(self.id, subject) {
            return subject_page::held_at(self.bytes, start);
        }
        let spot = subject_page::find(self.bytes, subject)?;
        match spot {
            Spot::Held { start, .. } => self.last_found.note(self.id, subject, start),
            Spot::Vacant { .. } => self.last_found.forget(),
        }
        Some(spot)
    }

    /// Takes in a message; returns as [`OpenPage::change`] does.
    pub(super) fn add(&mut self, subject: &[u8], seq: u64) -> Option<i64> {
        let behind = match self.find(subject)? {
            Spot::Held { postings, .. } => subject_page::add_behind(self.bytes, postings, seq),
            Spot::Vacant { .. } => None,
        };
        if behind.is_some() {
            return Some(0);
        }
        self.change(subject, |held| {
            let mut postings = held.unwrap_or_else(|| Postings::one(seq));
            postings.add(seq);
            Some(postings)
        })
    }

    /// Changes what the page holds of a subject; returns by how much its number of subjects changes, `None` when it is
    /// damaged.
    pub(super) fn change(
        &mut self,
        subject: &[u8],
        change: impl FnOnce(Option<Postings>) -> Option<Postings>,
    ) -> Option<i64> {
        match self.find(subject)? {
            Spot::Held { start, postings: at } => {
                match change(Some(subject_page::postings(self.bytes, &at)?)) {
                    Some(postings) => {
                        subject_page::replace(self.bytes, at, &postings);
                        Some(0)
                    }
                    None => {
                        self.last_found.forget();
                        subject_page::remove(self.bytes, start).map(|()| -1)
                    }
                }
            }
            spot => match change(None) {
                Some(postings) => subject_page::insert(self.bytes, &spot, subject, &postings).map(|()| 1),
                None => Some(0),
            },
        }
    }
}

/// The entry that was found last. A publish asks for its subject several times over, and pages are searched from their
/// start. It is true as long as no page was changed anywhere else.
#[derive(Default)]
pub(super) struct LastFound {
    page: u64,
    subject: Vec<u8>,
    start: Option<usize>,
}

impl LastFound {
    fn start_of(&self, page: u64, subject: &[u8]) -> Option<usize> {
        self.start.filter(|_| self.page == page && self.subject == subject)
    }

    fn note(&mut self, page: u64, subject: &[u8], start: usize) {
        self.page = page;
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        self.start = Some(start);
    }

    /// A page was changed in another way than by [`OpenPage::change`].
    pub(super) fn forget(&mut self) {
        self.start = None;
    }
}
