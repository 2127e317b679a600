//! When a cached answer is old.

use std::sync::atomic::{AtomicU64, Ordering};

use headwater_protocol::subject;

use crate::router::SubjectHash;

const SLOTS: usize = 64;

/// Counts changes by first token, so that inboxes that come and go do not spoil what is cached for other subjects.
pub(super) struct Generations {
    /// Changes to subscriptions whose first token is a wildcard: they concern every subject.
    everywhere: AtomicU64,
    by_first_token: [AtomicU64; SLOTS],
}

impl Default for Generations {
    fn default() -> Self {
        // Starts at one so that 0 is never current.
        Self { everywhere: AtomicU64::new(1), by_first_token: [const { AtomicU64::new(0) }; SLOTS] }
    }
}

impl Generations {
    /// Notes a change to a subscription to `subject`.
    pub(super) fn advance(&self, subject: &[u8]) {
        let token = first_token(subject);
        let counter = match token {
            b"*" | b">" => Some(&self.everywhere),
            _ => self.by_first_token.get(slot(token)),
        };
        counter.into_iter().for_each(|counter| _ = counter.fetch_add(1, Ordering::Release));
    }

    /// The generation of all subjects with this slot. Both counters only grow, so the sum changes with either.
    pub(super) fn of(&self, slot: usize) -> u64 {
        let everywhere = self.everywhere.load(Ordering::Acquire);
        let here = self.by_first_token.get(slot).map_or(0, |counter| counter.load(Ordering::Acquire));
        everywhere.wrapping_add(here)
    }
}

/// Which counter is kept for the literal `subject`.
pub(super) fn slot_of(subject: &[u8]) -> usize {
    slot(first_token(subject))
}

fn slot(token: &[u8]) -> usize {
    SubjectHash::of(token) as usize % SLOTS
}

fn first_token(subject: &[u8]) -> &[u8] {
    subject::tokens(subject).next().unwrap_or_default()
}
