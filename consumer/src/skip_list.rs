//! The last message of every subject, for consumers that begin with those.

use std::ops::ControlFlow;

use bytes::Bytes;
use headwater_store::{MessageLog, StoreError};

use super::found::Found;

/// Up to this many remaining messages, those that have been removed meanwhile are found at once; with more, when their
/// turn comes.
const EXACT_MAX: usize = 1024;

/// The messages still to be delivered, each the last of its subject up to a sequence.
#[derive(Debug)]
pub struct SkipList {
    /// Highest first, so that the next one is at the end.
    seqs: Vec<u64>,
    /// How many of them, at the beginning, are not visible yet.
    hidden: usize,
    /// The log's count of removals when the list was last compared with it.
    removals: u64,
}

impl SkipList {
    /// Finds the last message of every matching subject within `from..=through`.
    pub fn build(
        log: &dyn MessageLog,
        filters: &[Bytes],
        from: u64,
        through: u64,
    ) -> Result<Self, StoreError> {
        let (mut seqs, mut rewritten) = (Vec::new(), Vec::new());
        let everything = [Bytes::from_static(b">")];
        for filter in if filters.is_empty() { &everything } else { filters } {
            log.for_each_subject(filter, &mut |subject, state| {
                if state.last_seq <= through {
                    seqs.push(state.last_seq);
                } else if state.first_seq <= through {
                    rewritten.push(Bytes::copy_from_slice(subject));
                }
                ControlFlow::Continue(())
            });
        }
        for subject in rewritten {
            seqs.extend(log.last_match(through, &[subject])?);
        }
        seqs.retain(|seq| *seq >= from);
        seqs.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self { seqs, hidden: 0, removals: log.removals() })
    }

    /// The first message of a list just built.
    pub fn first(&self) -> Option<u64> {
        self.seqs.last().copied()
    }

    /// The next message that is still there.
    pub fn next(&mut self, log: &dyn MessageLog) -> Option<Found> {
        while let Some(seq) = self.seqs.last().copied() {
            if let Some(meta) = log.meta(seq) {
                return Some(Found { seq, content_bytes: meta.content_bytes });
            }
            self.seqs.pop();
        }
        None
    }

    /// The next message has been delivered.
    pub fn advance(&mut self) {
        self.seqs.pop();
    }

    /// How many messages remain, as far as [`Self::remaining`] could see them and less what was delivered since.
    pub fn remaining_visible(&self) -> u64 {
        u64::try_from(self.seqs.len().saturating_sub(self.hidden)).unwrap_or(u64::MAX)
    }

    /// How many messages remain up to a sequence.
    pub fn remaining(&mut self, log: &dyn MessageLog, visible_last_seq: u64) -> u64 {
        if self.seqs.len() <= EXACT_MAX && self.removals != log.removals() {
            self.seqs.retain(|seq| log.meta(*seq).is_some());
            self.removals = log.removals();
        }
        self.hidden = self.seqs.partition_point(|seq| *seq > visible_last_seq);
        self.remaining_visible()
    }

    /// Forgets messages below `first_seq`.
    pub fn purge(&mut self, first_seq: u64) {
        self.seqs.retain(|seq| *seq >= first_seq);
    }
}
