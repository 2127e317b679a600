//! Finding messages by subject: the subject index, the plans, and the messages themselves where those do not suffice.
//!
//! Both twins – journal and memory – answer through this, so that they answer the same.

use std::ops::{ControlFlow, RangeInclusive};

use bytes::Bytes;

use super::candidates::{Candidates, Towards};
use super::filter;
use super::plan::{Plan, PlanCache};
use super::postings::{Bound, Bounds, Postings};
use super::seeker::Seeker;
use super::subject::SubjectIndex;
use super::tags::{TagSet, subject_tag};
use super::tally::{Tally, count_one_by_one};
use crate::{StoreError, SubjectState};

/// The live messages of a stream by sequence, as the search sees them. `tags: None` means any.
pub trait Messages {
    /// The first live message in `from..=up_to` with one of the tags.
    fn next_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError>;

    /// The last live message in `from..=up_to` with one of the tags.
    fn prev_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError>;

    /// How many live messages lie in `from..=up_to`.
    fn count(&mut self, from: u64, up_to: u64) -> Result<u64, StoreError>;

    /// The subject of a live message; `None` when it is not live or cannot be read.
    fn subject(&mut self, seq: u64) -> Result<Option<Bytes>, StoreError>;

    /// Bytes of a live message on the disk, among which its subject is read.
    fn disk_bytes(&mut self, seq: u64) -> Result<u64, StoreError>;
}

/// The subjects of a stream.
#[derive(Default)]
pub struct Subjects {
    pub(crate) index: SubjectIndex,
    plans: PlanCache,
    /// The filters that were looked for last: who asks for the next match again is worth a plan.
    walked: Vec<Bytes>,
}

/// Messages that are looked at one by one for a match that is near.
const GLANCED_MAX: usize = 256;

/// And so many bytes: they may have to be read from the disk.
const GLANCED_BYTES_MAX: u64 = 64 << 10;

/// Pages of the index that cost less to walk over than looking at those.
const PAGES_BEFORE_GLANCE: u64 = 8;

impl Subjects {
    /// Subjects over a stored index.
    pub fn new(index: SubjectIndex) -> Self {
        Self { index, ..Self::default() }
    }

    /// Distinct live subjects.
    pub fn len(&self) -> u64 {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Takes in a message.
    pub fn add(&mut self, subject: &[u8], seq: u64) -> Result<(), StoreError> {
        if self.index.add(subject, seq)? {
            self.plans.subject_added(subject);
        }
        Ok(())
    }

    /// Takes out a message.
    pub fn remove(&mut self, subject: &[u8], seq: u64) -> Result<(), StoreError> {
        self.plans.removed(seq);
        if self.index.remove(subject, seq)? {
            self.plans.subject_removed(subject);
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.index.clear();
        self.plans.clear();
    }

    /// Passes every subject through `change`, which returns what is left of it.
    pub fn rewrite(
        &mut self,
        change: &mut dyn FnMut(&[u8], &Postings) -> Option<Postings>,
    ) -> Result<(), StoreError> {
        self.plans.clear();
        self.index.rewrite(change)
    }

    /// What is known of one literal subject, looking for its ends where they are not known.
    pub fn state(
        &mut self,
        subject: &[u8],
        messages: &mut dyn Messages,
    ) -> Result<Option<SubjectState>, StoreError> {
        let Some(mut bounds) = self.index.bounds(subject)? else { return Ok(None) };
        if !bounds.first.exact || !bounds.last.exact {
            bounds.first = find_first(subject, bounds.first, bounds.last.seq, messages)?;
            bounds.last = find_last(subject, bounds.last, bounds.first.seq, messages)?;
            let known = Postings::Bounded(bounds);
            self.index.update(subject, |held| held.map(|_| known))?;
        }
        Ok(Some(SubjectState { count: bounds.count, first_seq: bounds.first.seq, last_seq: bounds.last.seq }))
    }

    /// Visits the subjects that match `filter` and sort after `after` in byte order.
    pub fn visit(
        &mut self,
        filter: &[u8],
        after: &[u8],
        messages: &mut dyn Messages,
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut after: Box<[u8]> = after.into();
        while let Some(subject) = self.visit_known(filter, &after, visit)? {
            if self.state(&subject, messages)?.is_some_and(|state| visit(&subject, state).is_break()) {
                break;
            }
            after = subject;
        }
        Ok(())
    }

    /// Visits the subjects behind `after` that match, up to one whose ends are not known, which is returned.
    fn visit_known(
        &mut self,
        filter: &[u8],
        after: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) -> Result<Option<Box<[u8]>>, StoreError> {
        let mut unknown = None;
        self.index.visit(Seeker::new(filter, Some(after)), &mut |subject, state| {
            let Some(Bounds { count, first, last }) = Postings::decode_bounds(state) else {
                return ControlFlow::Continue(());
            };
            if first.exact && last.exact {
                return visit(subject, SubjectState { count, first_seq: first.seq, last_seq: last.seq });
            }
            unknown = Some(subject.into());
            ControlFlow::Break(())
        })?;
        Ok(unknown)
    }

    /// The first live message at or after `from` that matches; filters must not be empty.
    pub fn next_match(
        &mut self,
        from: u64,
        filters: &[Bytes],
        messages: &mut dyn Messages,
    ) -> Result<Option<u64>, StoreError> {
        let literal = match filters {
            [filter] if !filter::has_wildcards(filter) => Some(filter),
            _ => None,
        };
        if let Some(subject) = literal {
            let candidates = Candidates::of(&mut self.index, &[subject], Towards::End(from))?;
            if candidates.doubt().is_none() {
                return Ok(candidates.certain);
            }
        }
        if !self.plans.bring_up(filters) {
            if literal.is_none() && self.walked != filters {
                if let Some(found) = self.without_plan(Towards::End(from), filters, messages)? {
                    return Ok(found);
                }
            }
            self.plans.make(&mut self.index, filters, from, newest(messages)?)?;
        }
        let Some(plan) = self.plans.latest() else { return Ok(None) };
        if plan.matched == self.index.len() {
            return messages.next_tagged(from, u64::MAX, None);
        }
        let mut start = from;
        loop {
            if plan.window.covers(start) {
                if let Some(seq) = plan.window.next(start) {
                    return Ok(Some(seq));
                }
                start = plan.window.end();
            }
            match search_on(plan, &mut self.index, start, messages)? {
                Searched::Through(found) => return Ok(found),
                Searched::Until(seq) => start = seq,
            }
        }
    }

    /// The nearest match if it is one of the nearest messages, or if a walk over the subjects that match tells. Clients ask
    /// once: a plan would cost more, and drive out one of the consumers'.
    fn without_plan(
        &mut self,
        towards: Towards,
        filters: &[Bytes],
        messages: &mut dyn Messages,
    ) -> Result<Option<Option<u64>>, StoreError> {
        if let Some(found) = glance(towards, filters, messages, 1)? {
            return Ok(Some(found));
        }
        self.walked = filters.to_vec();
        let mut walk = |pages_max| {
            let known = Candidates::walked(&mut self.index, filters, towards, pages_max)?;
            Ok(known.and_then(|candidates| candidates.settled()))
        };
        if let Some(found) = walk(PAGES_BEFORE_GLANCE)? {
            return Ok(Some(found));
        }
        if let Some(found) = glance(towards, filters, messages, GLANCED_MAX)? {
            return Ok(Some(found));
        }
        walk(u64::MAX)
    }

    /// The last live message at or before `up_to` that matches; filters must not be empty.
    pub fn last_match(
        &mut self,
        up_to: u64,
        filters: &[Bytes],
        messages: &mut dyn Messages,
    ) -> Result<Option<u64>, StoreError> {
        match filters {
            [filter] if !filter::has_wildcards(filter) => self.last_of(filter, up_to, messages),
            _ => self.last_by_plan(up_to, filters, messages),
        }
    }

    /// The same for one literal subject. Clients ask for one key after the other: a plan for each would drive out those
    /// of the consumers.
    fn last_of(
        &mut self,
        subject: &[u8],
        up_to: u64,
        messages: &mut dyn Messages,
    ) -> Result<Option<u64>, StoreError> {
        let candidates = Candidates::of(&mut self.index, &[subject], Towards::Start(up_to))?;
        let certain = candidates.certain;
        let Some(doubtful) = candidates.doubt() else { return Ok(certain) };
        let tags = TagSet::one(subject_tag(subject));
        let from = certain.map_or(0, |seq| seq.saturating_add(1));
        Ok(prev_of(subject, &tags, from..=doubtful, messages)?.or(certain))
    }

    fn last_by_plan(
        &mut self,
        up_to: u64,
        filters: &[Bytes],
        messages: &mut dyn Messages,
    ) -> Result<Option<u64>, StoreError> {
        if !self.plans.hold(filters) {
            if let Some(last) = self.without_plan(Towards::Start(up_to), filters, messages)? {
                return Ok(last);
            }
        }
        let plan = self.plans.get(&mut self.index, filters, 0, || newest(messages))?;
        if plan.matched == self.index.len() {
            return messages.prev_tagged(0, up_to, None);
        }
        let mut end = up_to;
        let mut certain = None;
        if let Some(listed) = &plan.subjects {
            let candidates = Candidates::of(&mut self.index, listed, Towards::Start(up_to))?;
            certain = candidates.certain;
            match candidates.doubt() {
                Some(doubtful) => end = doubtful,
                None => return Ok(certain),
            }
        }
        let from = certain.map_or(0, |seq| seq.saturating_add(1));
        while let Some(seq) = messages.prev_tagged(from, end, Some(&plan.tags))? {
            if is_match(plan, &mut self.index, seq, messages)? {
                return Ok(Some(seq));
            }
            let Some(before) = seq.checked_sub(1) else { break };
            end = before;
        }
        Ok(certain)
    }

    /// How many live messages in `from..=up_to` match; filters must not be empty.
    pub fn count_matches(
        &mut self,
        from: u64,
        up_to: u64,
        filters: &[Bytes],
        messages: &mut dyn Messages,
    ) -> Result<u64, StoreError> {
        let plan = self.plans.get(&mut self.index, filters, from, || newest(messages))?;
        if from > up_to || plan.matched == 0 {
            return Ok(0);
        }
        if plan.matched == self.index.len() {
            return messages.count(from, up_to);
        }
        let (mut counted, mut from) = (0, from);
        if plan.window.covers(from) {
            counted = plan.window.count(from, up_to);
            from = plan.window.end();
        }
        if from > up_to {
            return Ok(counted);
        }
        if messages.count(from, up_to)? <= plan.pages {
            return Ok(counted + count_one_by_one(plan, &mut self.index, from..=up_to, messages)?);
        }
        let exact = plan.tags_prove_match();
        let mut tally = Tally::new(from, up_to);
        for filter in filters {
            filter::visit_matching(&mut self.index, filter, &mut |subject, state| {
                tally.take_in(subject, state)
            })?;
        }
        Ok(counted + tally.finish(exact, messages)?)
    }
}

/// The nearest match, if it is one of the nearest messages or there are no others.
fn glance(
    towards: Towards,
    filters: &[Bytes],
    messages: &mut dyn Messages,
    messages_max: usize,
) -> Result<Option<Option<u64>>, StoreError> {
    let (mut at, mut bytes) = (Some(towards), 0);
    for _ in 0..messages_max {
        let next = match at {
            Some(Towards::End(from)) => messages.next_tagged(from, u64::MAX, None)?,
            Some(Towards::Start(up_to)) => messages.prev_tagged(0, up_to, None)?,
            None => None,
        };
        let Some(seq) = next else { return Ok(Some(None)) };
        // What is damaged the index knows of.
        let Some(subject) = messages.subject(seq)? else { return Ok(None) };
        if filter::matches_any(filters, &subject) {
            return Ok(Some(next));
        }
        bytes += messages.disk_bytes(seq)?;
        if bytes > GLANCED_BYTES_MAX {
            break;
        }
        at = towards.beyond(seq);
    }
    Ok(None)
}

/// How far a search has come.
enum Searched {
    /// To its end: the match, if there is one.
    Through(Option<u64>),
    /// There is none before this, from where on the plan has a window.
    Until(u64),
}

/// Looks for the first match at or after `from`, of which the plan's window says nothing.
fn search_on(
    plan: &mut Plan,
    index: &mut SubjectIndex,
    from: u64,
    messages: &mut dyn Messages,
) -> Result<Searched, StoreError> {
    let mut start = from;
    let mut certain = None;
    if let Some(listed) = &plan.subjects {
        let candidates = Candidates::of(index, listed, Towards::End(from))?;
        certain = candidates.certain;
        match candidates.doubt() {
            Some(doubtful) => start = doubtful,
            None => return Ok(Searched::Through(certain)),
        }
    }
    let up_to = certain.map_or(u64::MAX, |seq| seq.saturating_sub(1));
    while let Some(seq) = messages.next_tagged(start, up_to, Some(&plan.tags))? {
        if is_match(plan, index, seq, messages)? {
            return Ok(Searched::Through(Some(seq)));
        }
        start = seq.saturating_add(1);
        if plan.wants_window() && plan.move_window(index, start, newest(messages)?)? {
            return Ok(Searched::Until(start));
        }
    }
    Ok(Searched::Through(certain))
}

/// The newest message, 0 if there is none.
fn newest(messages: &mut dyn Messages) -> Result<u64, StoreError> {
    Ok(messages.prev_tagged(0, u64::MAX, None)?.unwrap_or(0))
}

fn find_first(
    subject: &[u8],
    bound: Bound,
    up_to: u64,
    messages: &mut dyn Messages,
) -> Result<Bound, StoreError> {
    let tags = TagSet::one(subject_tag(subject));
    let mut from = bound.seq;
    if bound.exact {
        return Ok(bound);
    }
    while let Some(seq) = messages.next_tagged(from, up_to, Some(&tags))? {
        if messages.subject(seq)?.is_some_and(|held| *held == *subject) {
            return Ok(Bound::exact(seq));
        }
        from = seq.saturating_add(1);
    }
    Ok(bound)
}

fn find_last(
    subject: &[u8],
    bound: Bound,
    from: u64,
    messages: &mut dyn Messages,
) -> Result<Bound, StoreError> {
    if bound.exact {
        return Ok(bound);
    }
    let tags = TagSet::one(subject_tag(subject));
    Ok(prev_of(subject, &tags, from..=bound.seq, messages)?.map_or(bound, Bound::exact))
}

/// The last live message of a subject in a range of sequences.
fn prev_of(
    subject: &[u8],
    tags: &TagSet,
    range: RangeInclusive<u64>,
    messages: &mut dyn Messages,
) -> Result<Option<u64>, StoreError> {
    let mut up_to = *range.end();
    while let Some(seq) = messages.prev_tagged(*range.start(), up_to, Some(tags))? {
        if messages.subject(seq)?.is_some_and(|held| *held == *subject) {
            return Ok(Some(seq));
        }
        let Some(before) = seq.checked_sub(1) else { break };
        up_to = before;
    }
    Ok(None)
}

/// Whether a message that has one of a plan's tags matches it.
pub(super) fn is_match(
    plan: &mut Plan,
    index: &mut SubjectIndex,
    seq: u64,
    messages: &mut dyn Messages,
) -> Result<bool, StoreError> {
    if plan.tags_prove_match() {
        return Ok(true);
    }
    plan.subject_was_read(index)?;
    Ok(messages.subject(seq)?.is_some_and(|subject| plan.matches(&subject)))
}

#[cfg(test)]
#[path = "subjects_tests.rs"]
mod tests;
