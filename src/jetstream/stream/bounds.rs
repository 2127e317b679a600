//! What streams may use, as set for the whole server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headwater_protocol::jetstream::go_duration::SECOND;
use jiff::tz::TimeZone;

use super::room::Budget;
use super::schedule::zone_of_system;
use crate::clock::UnixNanos;

/// Bounds besides those of a stream's own configuration.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The largest message, header block and payload, in bytes.
    pub payload_bytes_max: u64,
    /// Bounds of batches (ADR-50).
    pub batches: BatchBounds,
    /// Batches open on all streams.
    pub open_batches: Arc<OpenBatches>,
    /// What the streams of the account store, and may store.
    pub account: Budget,
    /// What all streams store, and may store.
    pub server: Budget,
    /// Finds time zones by their IANA names, for schedules (ADR-51).
    pub zone_of: fn(&str) -> Option<TimeZone>,
}

/// `jetstream.limits.batch`, with nats-server's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchBounds {
    /// Atomic batches open on one stream.
    pub atomic_per_stream_max: usize,
    /// Atomic batches open on all streams.
    pub atomic_max: u64,
    /// Messages of an atomic batch.
    pub atomic_messages_max: u64,
    /// Bytes that atomic batches on all streams may hold before they are committed.
    pub staged_bytes_max: u64,
    /// Fast batches open on one stream.
    pub fast_per_stream_max: usize,
    /// Fast batches open on all streams.
    pub fast_max: u64,
    /// After this many nanoseconds without a message, a batch is given up.
    pub timeout: UnixNanos,
}

/// How many batches are open on all streams, and what they hold.
#[derive(Debug, Default)]
pub struct OpenBatches {
    atomic: AtomicU64,
    staged_bytes: AtomicU64,
    fast: AtomicU64,
}

/// A share of something counted, given back when dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<OpenBatches>,
    counter: fn(&OpenBatches) -> &AtomicU64,
    amount: u64,
}

impl OpenBatches {
    /// A place for one more atomic batch, if no more than `max` are open then.
    pub fn atomic(self: &Arc<Self>, max: u64) -> Option<Share> {
        let mut place = self.share(|open| &open.atomic);
        place.grow(1, max).then_some(place)
    }

    /// What an atomic batch holds: nothing yet.
    pub fn staged_bytes(self: &Arc<Self>) -> Share {
        self.share(|open| &open.staged_bytes)
    }

    /// A place for one more fast batch, if no more than `max` are open then.
    pub fn fast(self: &Arc<Self>, max: u64) -> Option<Share> {
        let mut place = self.share(|open| &open.fast);
        place.grow(1, max).then_some(place)
    }

    fn share(self: &Arc<Self>, counter: fn(&Self) -> &AtomicU64) -> Share {
        Share { of: self.clone(), counter, amount: 0 }
    }
}

impl Share {
    /// Takes `amount` more, if all shares come to no more than `max` then.
    pub fn grow(&mut self, amount: u64, max: u64) -> bool {
        let add = |used: u64| used.checked_add(amount).filter(|used| *used <= max);
        let grown = (self.counter)(&self.of).fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        self.amount += if grown { amount } else { 0 };
        grown
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        (self.counter)(&self.of).fetch_sub(self.amount, Ordering::Relaxed);
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1 << 20,
            batches: BatchBounds::default(),
            open_batches: Arc::default(),
            account: Budget::default(),
            server: Budget::default(),
            zone_of: zone_of_system,
        }
    }
}

impl Default for BatchBounds {
    fn default() -> Self {
        Self {
            atomic_per_stream_max: 50,
            atomic_max: 1_000,
            atomic_messages_max: 1_000,
            staged_bytes_max: 64 << 20,
            fast_per_stream_max: 1_000,
            fast_max: 50_000,
            timeout: 10 * SECOND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let open = Arc::new(OpenBatches::default());
        let first = open.atomic(2);
        let second = open.atomic(2);
        assert!(first.is_some() && second.is_some() && open.atomic(2).is_none());
        drop(first);
        assert!(open.atomic(2).is_some());
        let mut staged = open.staged_bytes();
        assert!(!staged.grow(10, 9) && staged.grow(9, 9) && !open.staged_bytes().grow(1, 9));
        drop(staged);
        assert!(open.staged_bytes().grow(9, 9));
    }
}
