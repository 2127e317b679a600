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
            b"*" | b">" => &self.everywhere,
            _ => self.slot(token),
        };
        counter.fetch_add(1, Ordering::Release);
    }

    /// The generation of the literal `subject`. Both counters only grow, so the sum changes with either.
    pub(super) fn of(&self, subject: &[u8]) -> u64 {
        let everywhere = self.everywhere.load(Ordering::Acquire);
        everywhere.wrapping_add(self.slot(first_token(subject)).load(Ordering::Acquire))
    }

    fn slot(&self, token: &[u8]) -> &AtomicU64 {
        &self.by_first_token[SubjectHash::of(token) as usize % SLOTS]
    }
}

fn first_token(subject: &[u8]) -> &[u8] {
    subject::tokens(subject).next().unwrap_or_default()
}
