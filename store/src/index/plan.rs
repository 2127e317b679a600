//! What a set of filters means for one stream: which subjects match, and by which tags their messages are known.

use bytes::Bytes;

use super::filter;
use super::postings::Postings;
use super::subject::SubjectIndex;
use super::tags::{TagSet, subject_tag};
use super::window::Window;
use crate::StoreError;

/// Plans kept per stream; consumers of a stream seldom have more distinct filters that are in use at a time.
const PLANS_MAX: usize = 16;

/// Subjects a plan lists; beyond this their messages are looked for by tag alone.
const LISTED_SUBJECTS_MAX: usize = 16;

/// Subjects in the index that cost about as much to go through as the subject of one message costs to read.
const SUBJECTS_WORTH_A_READ: u64 = 8;

/// What a set of filters means for the live subjects of a stream.
#[derive(Debug, Clone)]
pub struct Plan {
    filters: Vec<Bytes>,
    /// How many live subjects match.
    pub matched: u64,
    /// The matching subjects, while they are few.
    pub subjects: Option<Vec<Box<[u8]>>>,
    /// The tags of the matching subjects; of some that no longer live, too.
    pub tags: TagSet,
    /// No live subject that does not match has one of the tags: a tag proves a match. `None`: not looked into.
    exact: Option<bool>,
    /// Subjects of messages that had to be read because it was not known whether their tags prove a match.
    read: u64,
    /// How many of those reads there were when that was looked into last.
    read_at_proof: u64,
    /// The matches of some stretch.
    pub window: Window,
    /// How many of those reads there were when the window was made; `None` if there is no use in making another.
    read_at_window: Option<u64>,
    /// Pages of the index that are looked at to find the matching subjects.
    pub pages: u64,
}

impl Plan {
    fn build(index: &mut SubjectIndex, filters: &[Bytes], from: u64, last: u64) -> Result<Self, StoreError> {
        let mut plan = Plan {
            filters: filters.to_vec(),
            matched: 0,
            subjects: Some(Vec::new()),
            tags: TagSet::default(),
            exact: None,
            read: 0,
            read_at_proof: 0,
            window: Window::new(from, last),
            read_at_window: Some(0),
            pages: 0,
        };
        let before = index.pages_walked();
        let mut window = std::mem::take(&mut plan.window);
        visit_postings(index, filters, &mut |subject, postings| {
            plan.take_in(subject);
            window.take_in(&postings);
        })?;
        window.finish();
        plan.window = window;
        plan.pages = index.pages_walked() - before;
        Ok(plan)
    }

    /// Whether so much was read for want of a window that making one is worth it.
    pub fn wants_window(&self) -> bool {
        self.read_at_window.is_some_and(|read| self.read - read >= self.pages)
    }

    /// Makes a window that begins at `from` and ends with the newest message, `last`, at most; `false` if there is none.
    pub fn move_window(
        &mut self,
        index: &mut SubjectIndex,
        from: u64,
        last: u64,
    ) -> Result<bool, StoreError> {
        let mut window = Window::new(from, last);
        visit_postings(index, &self.filters, &mut |_, postings| window.take_in(&postings))?;
        window.finish();
        let is_of_use = window.covers(from);
        self.window = window;
        self.read_at_window = is_of_use.then_some(self.read);
        Ok(is_of_use)
    }

    /// Whether a tag is known to prove a match.
    pub fn tags_prove_match(&self) -> bool {
        self.exact == Some(true)
    }

    /// Notes that the subject of a message was read for want of that proof. Looking for it means going through all
    /// subjects, so it is not done before the reads have come to a fair share of that.
    pub fn subject_was_read(&mut self, index: &mut SubjectIndex) -> Result<(), StoreError> {
        self.read += 1;
        let unproven = self.read - self.read_at_proof;
        if self.exact.is_none() && unproven.saturating_mul(SUBJECTS_WORTH_A_READ) >= index.len() {
            self.exact = Some(self.tags_are_exact(index)?);
            self.read_at_proof = self.read;
        }
        Ok(())
    }

    /// Whether a subject matches one of the filters.
    pub fn matches(&self, subject: &[u8]) -> bool {
        filter::matches_any(&self.filters, subject)
    }

    fn take_in(&mut self, subject: &[u8]) {
        self.matched += 1;
        self.tags.insert(subject_tag(subject));
        match &mut self.subjects {
            Some(listed) if listed.len() < LISTED_SUBJECTS_MAX => listed.push(subject.into()),
            listed => *listed = None,
        }
    }

    fn tags_are_exact(&self, index: &mut SubjectIndex) -> Result<bool, StoreError> {
        if self.matched == index.len() {
            return Ok(true);
        }
        let mut exact = true;
        filter::visit_all(index, &mut |subject, _| {
            exact = !self.tags.contains(subject_tag(subject)) || self.matches(subject);
            exact
        })?;
        Ok(exact)
    }

    fn subject_added(&mut self, subject: &[u8]) {
        let is_known_tag = || self.tags.contains(subject_tag(subject));
        if self.matches(subject) {
            // A subject that does not match may have had this tag all along.
            self.exact = self.exact.filter(|exact| !exact || is_known_tag());
            self.take_in(subject);
        } else if self.tags_prove_match() {
            self.exact = Some(!is_known_tag());
        }
    }

    fn subject_removed(&mut self, subject: &[u8]) {
        if self.matches(subject) {
            self.matched = self.matched.saturating_sub(1);
            if let Some(listed) = &mut self.subjects {
                listed.retain(|held| **held != *subject);
            }
        }
    }
}

fn visit_postings(
    index: &mut SubjectIndex,
    filters: &[Bytes],
    visit: &mut dyn FnMut(&[u8], Postings),
) -> Result<(), StoreError> {
    for filter in filters {
        filter::visit_matching(index, filter, &mut |subject, state| {
            if let Some(postings) = Postings::decode(state) {
                visit(subject, postings);
            }
        })?;
    }
    Ok(())
}

/// The plans used last, kept true while subjects come and go.
#[derive(Debug, Default)]
pub struct PlanCache {
    /// Least recently used first.
    plans: Vec<Plan>,
}

impl PlanCache {
    /// The plan for `filters`. A new one gets a window from `from` to the newest message, `last`.
    pub fn get(
        &mut self,
        index: &mut SubjectIndex,
        filters: &[Bytes],
        from: u64,
        last: impl FnOnce() -> Result<u64, StoreError>,
    ) -> Result<&mut Plan, StoreError> {
        if !self.bring_up(filters) {
            self.make(index, filters, from, last()?)?;
        }
        self.latest().ok_or_else(|| StoreError::Io("no plan".into()))
    }

    /// Makes a plan for `filters`, of which there is none; it is the latest.
    pub fn make(
        &mut self,
        index: &mut SubjectIndex,
        filters: &[Bytes],
        from: u64,
        last: u64,
    ) -> Result<(), StoreError> {
        let plan = Plan::build(index, filters, from, last)?;
        if self.plans.len() >= PLANS_MAX {
            self.plans.remove(0);
        }
        self.plans.push(plan);
        Ok(())
    }

    /// Makes the plan for `filters` the latest; false if there is none.
    pub fn bring_up(&mut self, filters: &[Bytes]) -> bool {
        match self.plans.iter().position(|plan| plan.filters == filters) {
            Some(at) if at + 1 == self.plans.len() => true,
            Some(at) => {
                let plan = self.plans.remove(at);
                self.plans.push(plan);
                true
            }
            None => false,
        }
    }

    /// The plan that was asked for last.
    pub fn latest(&mut self) -> Option<&mut Plan> {
        self.plans.last_mut()
    }

    /// Whether there is a plan for `filters`.
    pub fn hold(&self, filters: &[Bytes]) -> bool {
        self.plans.iter().rev().any(|plan| plan.filters == filters)
    }

    /// A subject has its first live message.
    pub fn subject_added(&mut self, subject: &[u8]) {
        self.plans.iter_mut().for_each(|plan| plan.subject_added(subject));
    }

    /// A subject has lost its last message.
    pub fn subject_removed(&mut self, subject: &[u8]) {
        self.plans.iter_mut().for_each(|plan| plan.subject_removed(subject));
    }

    /// A message is gone.
    pub fn removed(&mut self, seq: u64) {
        self.plans.iter_mut().for_each(|plan| plan.window.remove(seq));
    }

    /// Subjects have changed wholesale.
    pub fn clear(&mut self) {
        self.plans.clear();
    }
}
