//! A page of the subject index that is in memory, and what was found in one last.

use super::postings::Postings;
use super::subject_page::{self, Spot, Start};

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
        let start = match &self.last_found.spot {
            Some(Spot::Held { start, .. }) if self.last_found.is(self.id, subject) => {
                return subject_page::held_at(self.bytes, *start);
            }
            Some(vacant) if self.last_found.is(self.id, subject) => return Some(vacant.clone()),
            Some(spot) if self.last_found.page == self.id => {
                Start::behind(self.bytes, spot, &self.last_found.subject, subject)?
            }
            _ => Start::default(),
        };
        let spot = subject_page::find(self.bytes, subject, start)?;
        self.last_found.note(self.id, subject, spot.clone());
        Some(spot)
    }

    /// Takes in a message; returns as [`OpenPage::change`] does.
    pub(super) fn add(&mut self, subject: &[u8], seq: u64) -> Option<i64> {
        let behind = match self.find(subject)? {
            Spot::Held { postings, .. } => {
                subject_page::add_behind(self.bytes, postings, seq, &mut self.last_found.scratch)
            }
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
            spot @ Spot::Vacant { at, .. } => match change(None) {
                Some(postings) => {
                    subject_page::insert(self.bytes, &spot, subject, &postings)?;
                    self.last_found.note(self.id, subject, subject_page::held_at(self.bytes, at)?);
                    Some(1)
                }
                None => Some(0),
            },
        }
    }
}

/// What was found last. A publish asks for its subject several times over, subjects often come in order, and pages are searched
/// from their start. It is true as long as no page was changed anywhere else.
#[derive(Default)]
pub(super) struct LastFound {
    page: u64,
    subject: Vec<u8>,
    spot: Option<Spot>,
    /// What a subject's messages are written in before they take the place of what was there; as long as the longest list.
    scratch: Vec<u8>,
}

impl LastFound {
    fn is(&self, page: u64, subject: &[u8]) -> bool {
        self.page == page && self.subject == subject
    }

    fn note(&mut self, page: u64, subject: &[u8], spot: Spot) {
        self.page = page;
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        self.spot = Some(spot);
    }

    /// A page was changed in another way than by [`OpenPage::change`].
    pub(super) fn forget(&mut self) {
        self.spot = None;
    }
}
