//! The queue of messages that are to be delivered once more.
//!
//! A message is in it at most once. Settling one does not search the queue: its place is skipped when its turn comes.

use std::collections::VecDeque;

use super::pending::PendingTable;

/// Sequences in the order of their redelivery.
#[derive(Debug, Default)]
pub struct RedeliveryQueue {
    seqs: VecDeque<u64>,
    /// How many of `seqs` still mean something.
    live: usize,
}

impl RedeliveryQueue {
    /// How many messages wait for redelivery.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no message waits for redelivery.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Puts a pending message at the end, unless it is in the queue already.
    pub fn push(&mut self, pending: &mut PendingTable, seq: u64) {
        let (mut added, mut placed) = (false, false);
        pending.update(seq, |entry| {
            added = !entry.is_queued();
            placed = !entry.is_in_queue();
            entry.set_queued(true);
            entry.set_in_queue(true);
        });
        if placed {
            self.seqs.push_back(seq);
        }
        self.live += usize::from(added);
    }

    /// Takes a pending message out, wherever it stands.
    pub fn withdraw(&mut self, pending: &mut PendingTable, seq: u64) {
        let mut withdrawn = false;
        pending.update(seq, |entry| {
            withdrawn = entry.is_queued();
            entry.set_queued(false);
        });
        self.live -= usize::from(withdrawn);
    }

    /// Must be told of every queued entry that leaves the pending table.
    pub fn forget_one(&mut self) {
        self.live -= 1;
    }

    /// The message whose turn it is.
    pub fn next(&mut self, pending: &mut PendingTable) -> Option<u64> {
        if self.live == 0 {
            self.drop_all(pending);
            return None;
        }
        while let Some(seq) = self.seqs.front().copied() {
            if pending.get(seq).is_some_and(|entry| entry.is_queued()) {
                return Some(seq);
            }
            self.seqs.pop_front();
            pending.update(seq, |entry| entry.set_in_queue(false));
        }
        None
    }

    /// Empties the queue; the pending table is emptied with it.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn drop_all(&mut self, pending: &mut PendingTable) {
        while let Some(seq) = self.seqs.pop_front() {
            pending.update(seq, |entry| entry.set_in_queue(false));
        }
    }
}
