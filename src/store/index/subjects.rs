//! Finding messages by subject: the subject index, the plans, and the messages themselves where those do not suffice.
//!
//! Both twins – journal and memory – answer through this, so that they answer the same.

use std::ops::{ControlFlow, RangeInclusive};

use bytes::Bytes;

use super::filter;
use super::plan::{Plan, PlanCache};
use super::postings::{Bound, Bounds, Postings};
use super::seeker::Seeker;
use super::subject::SubjectIndex;
use super::tags::{TagSet, subject_tag};
use super::tally::{Tally, count_one_by_one};
use crate::store::{StoreError, SubjectState};

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
}

/// The subjects of a stream.
#[derive(Default)]
pub struct Subjects {
    pub(crate) index: SubjectIndex,
    plans: PlanCache,
}

/// Subjects that are walked over for one answer before a plan is made.
const WALKED_SUBJECTS_MAX: usize = 4096;

/// What the index alone says about the next (or last) match.
#[derive(Default)]
struct Candidates {
    /// A match that is certain.
    certain: Option<u64>,
    /// Where an uncertain match may lie at the earliest (at the latest).
    uncertain: Option<u64>,
}

impl Candidates {
    /// Takes in what lies at or before `up_to`.
    fn take_last(&mut self, postings: &Postings, up_to: u64) {
        match postings {
            Postings::Listed(seqs) => {
                let before = seqs.partition_point(|seq| *seq <= up_to).checked_sub(1);
                self.certain = self.certain.max(before.and_then(|at| seqs.get(at).copied()));
            }
            Postings::Bounded(bounds) if bounds.first.seq <= up_to => {
                if bounds.last.exact && bounds.last.seq <= up_to {
                    self.certain = self.certain.max(Some(bounds.last.seq));
                } else {
                    self.uncertain = self.uncertain.max(Some(bounds.last.seq.min(up_to)));
                }
            }
            Postings::Bounded(_) => {}
        }
    }
}

impl Subjects {
    /// Subjects over a stored index.
    pub fn new(index: SubjectIndex) -> Self {
        Self { index, plans: PlanCache::default() }
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
        let Some(postings) = self.index.get(subject)? else { return Ok(None) };
        let mut bounds = postings.bounds();
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
        if let [filter] = filters {
            if !filter::has_wildcards(filter) {
                let candidates = next_candidates(&mut self.index, &[filter], from)?;
                if candidates.uncertain.is_none() {
                    return Ok(candidates.certain);
                }
            }
        }
        let plan = self.plans.get(&mut self.index, filters, from, || newest(messages))?;
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
        let candidates = last_candidates(&mut self.index, &[subject], up_to)?;
        let certain = candidates.certain;
        match candidates.uncertain {
            Some(uncertain) if certain.is_none_or(|seq| uncertain > seq) => {
                let tags = TagSet::one(subject_tag(subject));
                let from = certain.map_or(0, |seq| seq.saturating_add(1));
                Ok(prev_of(subject, &tags, from..=uncertain, messages)?.or(certain))
            }
            _ => Ok(certain),
        }
    }

    fn last_by_plan(
        &mut self,
        up_to: u64,
        filters: &[Bytes],
        messages: &mut dyn Messages,
    ) -> Result<Option<u64>, StoreError> {
        if !self.plans.hold(filters) {
            if let Some(last) = self.last_by_walk(up_to, filters)? {
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
            let candidates = last_candidates(&mut self.index, listed, up_to)?;
            certain = candidates.certain;
            match candidates.uncertain {
                Some(uncertain) if certain.is_none_or(|seq| uncertain > seq) => end = uncertain,
                _ => return Ok(certain),
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

    /// What the index alone says, `None` if that is not enough. Clients ask once: a plan would cost more, and drive out one
    /// of the consumers'.
    fn last_by_walk(&mut self, up_to: u64, filters: &[Bytes]) -> Result<Option<Option<u64>>, StoreError> {
        let (mut candidates, mut left) = (Candidates::default(), WALKED_SUBJECTS_MAX);
        for filter in filters {
            self.index.visit(Seeker::new(filter, None), &mut |_, state| {
                if let Some(postings) = Postings::decode(state) {
                    candidates.take_last(&postings, up_to);
                }
                left -= 1;
                if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if left == 0 {
                return Ok(None);
            }
        }
        let Candidates { certain, uncertain } = candidates;
        Ok((uncertain <= certain).then_some(certain))
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
        let candidates = next_candidates(index, listed, from)?;
        certain = candidates.certain;
        match candidates.uncertain {
            Some(uncertain) if certain.is_none_or(|seq| uncertain < seq) => start = uncertain,
            _ => return Ok(Searched::Through(certain)),
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

fn next_candidates(
    index: &mut SubjectIndex,
    subjects: &[impl AsRef<[u8]>],
    from: u64,
) -> Result<Candidates, StoreError> {
    let mut candidates = Candidates::default();
    for subject in subjects {
        match index.get(subject.as_ref())? {
            Some(Postings::Listed(seqs)) => {
                let next = seqs.get(seqs.partition_point(|seq| *seq < from)).copied();
                candidates.certain = least(candidates.certain, next);
            }
            Some(Postings::Bounded(bounds)) if bounds.last.seq >= from => {
                if bounds.first.exact && bounds.first.seq >= from {
                    candidates.certain = least(candidates.certain, Some(bounds.first.seq));
                } else {
                    candidates.uncertain = least(candidates.uncertain, Some(bounds.first.seq.max(from)));
                }
            }
            _ => {}
        }
    }
    Ok(candidates)
}

fn last_candidates(
    index: &mut SubjectIndex,
    subjects: &[impl AsRef<[u8]>],
    up_to: u64,
) -> Result<Candidates, StoreError> {
    let mut candidates = Candidates::default();
    for subject in subjects {
        if let Some(postings) = index.get(subject.as_ref())? {
            candidates.take_last(&postings, up_to);
        }
    }
    Ok(candidates)
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
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
