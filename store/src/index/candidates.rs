//! What the subject index alone says of where the next match lies, or the last.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::postings::Postings;
use super::seeker::Seeker;
use super::subject::SubjectIndex;
use crate::StoreError;

/// Subjects that are walked over for one answer before a plan is made.
const WALKED_SUBJECTS_MAX: usize = 4096;

/// Where a match is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Towards {
    /// The first at or after a sequence.
    End(u64),
    /// The last at or before a sequence.
    Start(u64),
}

impl Towards {
    /// The same way on, behind a message.
    pub fn beyond(self, seq: u64) -> Option<Self> {
        match self {
            Self::End(_) => seq.checked_add(1).map(Self::End),
            Self::Start(_) => seq.checked_sub(1).map(Self::Start),
        }
    }
}

/// The nearest match, as far as it is known.
pub struct Candidates {
    towards: Towards,
    /// A match that is certain.
    pub certain: Option<u64>,
    /// How near an uncertain one may lie.
    uncertain: Option<u64>,
}

impl Candidates {
    /// Among the messages of literal subjects.
    pub fn of(
        index: &mut SubjectIndex,
        subjects: &[impl AsRef<[u8]>],
        towards: Towards,
    ) -> Result<Self, StoreError> {
        let mut candidates = Self::none(towards);
        for subject in subjects {
            if let Some(postings) = index.get(subject.as_ref())? {
                candidates.take_in(&postings);
            }
        }
        Ok(candidates)
    }

    /// Among the messages of all subjects that match, unless there are too many of those or they lie in more than so many
    /// pages.
    pub fn walked(
        index: &mut SubjectIndex,
        filters: &[Bytes],
        towards: Towards,
        pages_max: u64,
    ) -> Result<Option<Self>, StoreError> {
        let (mut candidates, mut left) = (Self::none(towards), WALKED_SUBJECTS_MAX);
        let pages_max = index.pages_walked().saturating_add(pages_max);
        for filter in filters {
            let all = index.visit_within(pages_max, Seeker::new(filter, None), &mut |_, state| {
                if let Some(postings) = Postings::decode(state) {
                    candidates.take_in(&postings);
                }
                left -= 1;
                if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if left == 0 || !all {
                return Ok(None);
            }
        }
        Ok(Some(candidates))
    }

    /// Where an uncertain match may lie that is nearer than the certain one.
    pub fn doubt(&self) -> Option<u64> {
        self.uncertain.filter(|doubtful| match (self.towards, self.certain) {
            (_, None) => true,
            (Towards::End(_), Some(certain)) => *doubtful < certain,
            (Towards::Start(_), Some(certain)) => *doubtful > certain,
        })
    }

    /// The nearest match, `None` if that is in doubt.
    pub fn settled(&self) -> Option<Option<u64>> {
        self.doubt().is_none().then_some(self.certain)
    }

    fn none(towards: Towards) -> Self {
        Self { towards, certain: None, uncertain: None }
    }

    fn take_in(&mut self, postings: &Postings) {
        let (known, nearest) = match (postings, self.towards) {
            (Postings::Listed(seqs), Towards::End(from)) => {
                (true, seqs.get(seqs.partition_point(|seq| *seq < from)).copied())
            }
            (Postings::Listed(seqs), Towards::Start(up_to)) => {
                let before = seqs.partition_point(|seq| *seq <= up_to).checked_sub(1);
                (true, before.and_then(|at| seqs.get(at).copied()))
            }
            (Postings::Bounded(bounds), Towards::End(from)) => {
                let nearest = (bounds.last.seq >= from).then(|| bounds.first.seq.max(from));
                (bounds.first.exact && bounds.first.seq >= from, nearest)
            }
            (Postings::Bounded(bounds), Towards::Start(up_to)) => {
                let nearest = (bounds.first.seq <= up_to).then(|| bounds.last.seq.min(up_to));
                (bounds.last.exact && bounds.last.seq <= up_to, nearest)
            }
        };
        let held = if known { &mut self.certain } else { &mut self.uncertain };
        *held = match (*held, nearest, self.towards) {
            (Some(held), Some(nearest), Towards::End(_)) => Some(held.min(nearest)),
            (held, nearest, Towards::End(_)) => held.or(nearest),
            (held, nearest, Towards::Start(_)) => held.max(nearest),
        };
    }
}
