//! Counting the messages of a range that match.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::plan::Plan;
use super::postings::Postings;
use super::subject::SubjectIndex;
use super::subjects::{Messages, is_match};
use super::tags::{TagSet, subject_tag};
use crate::StoreError;

/// Counts the messages of subjects within a range, putting off those that lie astride one of its ends.
#[derive(Default)]
pub(super) struct Tally {
    from: u64,
    up_to: u64,
    counted: u64,
    /// Subjects with messages inside and, perhaps, outside of the range.
    astride: HashSet<Box<[u8]>>,
    astride_tags: TagSet,
    astride_first: Option<u64>,
    astride_last: u64,
    /// Tags of the subjects that are counted already.
    counted_tags: TagSet,
}

impl Tally {
    /// Counts in `from..=up_to`.
    pub(super) fn new(from: u64, up_to: u64) -> Self {
        Self { from, up_to, ..Self::default() }
    }

    /// Counts what a subject has in the range, if its postings tell.
    pub(super) fn take_in(&mut self, subject: &[u8], state: &[u8]) {
        let Some(postings) = Postings::decode(state) else { return };
        let tag = subject_tag(subject);
        let bounds = postings.bounds();
        let inside = bounds.first.seq >= self.from && bounds.last.seq <= self.up_to;
        let outside = bounds.last.seq < self.from || bounds.first.seq > self.up_to;
        match postings {
            Postings::Listed(seqs) => {
                let range = self.from..=self.up_to;
                self.counted += seqs.iter().filter(|seq| range.contains(seq)).count() as u64;
                self.counted_tags.insert(tag);
            }
            Postings::Bounded(_) if inside || outside => {
                self.counted += if inside { bounds.count } else { 0 };
                self.counted_tags.insert(tag);
            }
            Postings::Bounded(_) => {
                self.astride.insert(subject.into());
                self.astride_tags.insert(tag);
                self.astride_first =
                    Some(self.astride_first.map_or(bounds.first.seq, |seq| seq.min(bounds.first.seq)));
                self.astride_last = self.astride_last.max(bounds.last.seq);
            }
        }
    }

    /// The whole count.
    pub(super) fn finish(
        self,
        tags_prove_match: bool,
        messages: &mut dyn Messages,
    ) -> Result<u64, StoreError> {
        let Some(first) = self.astride_first else { return Ok(self.counted) };
        let shared = self.astride.iter().any(|subject| self.counted_tags.contains(subject_tag(subject)));
        let tags_suffice = tags_prove_match && !shared;
        let mut counted = self.counted;
        let mut at = self.from.max(first);
        let end = self.up_to.min(self.astride_last);
        while let Some(seq) = messages.next_tagged(at, end, Some(&self.astride_tags))? {
            if tags_suffice || messages.subject(seq)?.is_some_and(|subject| self.astride.contains(&*subject))
            {
                counted += 1;
            }
            at = seq.saturating_add(1);
        }
        Ok(counted)
    }
}

/// Counts matches by looking at every message that may be one.
pub(super) fn count_one_by_one(
    plan: &mut Plan,
    index: &mut SubjectIndex,
    range: RangeInclusive<u64>,
    messages: &mut dyn Messages,
) -> Result<u64, StoreError> {
    let (mut start, mut count) = (*range.start(), 0);
    while let Some(seq) = messages.next_tagged(start, *range.end(), Some(&plan.tags))? {
        count += u64::from(is_match(plan, index, seq, messages)?);
        start = seq.saturating_add(1);
    }
    Ok(count)
}
