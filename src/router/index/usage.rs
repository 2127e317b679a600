//! How an index is used.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::router::Matches;

/// Counts since the index was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct IndexUsage {
    pub inserts: u64,
    pub removes: u64,
    /// Look-ups. What a connection finds in its own cache is none.
    pub lookups: u64,
    /// Subscriptions that look-ups came to, all together; a queue group is one.
    pub found: u64,
    /// The most that one look-up came to.
    pub found_max: u64,
}

impl IndexUsage {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            inserts: self.inserts + other.inserts,
            removes: self.removes + other.removes,
            lookups: self.lookups + other.lookups,
            found: self.found + other.found,
            found_max: self.found_max.max(other.found_max),
        }
    }
}

/// The same while it is counted.
#[derive(Default)]
pub(super) struct Counters {
    inserts: AtomicU64,
    removes: AtomicU64,
    lookups: AtomicU64,
    found: AtomicU64,
    found_max: AtomicU64,
}

impl Counters {
    pub(super) fn inserted(&self) {
        self.inserts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn removed(&self) {
        self.removes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn looked_up(&self, matches: &Matches) {
        let found = (matches.plain.len() + matches.groups.len()) as u64;
        self.lookups.fetch_add(1, Ordering::Relaxed);
        if found > 0 {
            self.found.fetch_add(found, Ordering::Relaxed);
        }
        if found > self.found_max.load(Ordering::Relaxed) {
            self.found_max.fetch_max(found, Ordering::Relaxed);
        }
    }

    /// What was inserted and not removed.
    pub(super) fn held(&self) -> usize {
        let removes = self.removes.load(Ordering::Relaxed);
        self.inserts.load(Ordering::Relaxed).saturating_sub(removes) as usize
    }

    pub(super) fn so_far(&self) -> IndexUsage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IndexUsage {
            inserts: read(&self.inserts),
            removes: read(&self.removes),
            lookups: read(&self.lookups),
            found: read(&self.found),
            found_max: read(&self.found_max),
        }
    }
}
