//! Which message ids a stream has seen within its duplicate window.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use crate::clock::UnixNanos;

/// Message ids of the last `window` nanoseconds, each with the sequence its message got.
///
/// Ids are kept as a 128-bit keyed hash: 24 bytes an id whatever its length, and no sender can find two ids that
/// collide without knowing this process's keys.
pub struct Dedup {
    window: UnixNanos,
    seqs: HashMap<u128, u64>,
    by_age: VecDeque<(UnixNanos, u128)>,
    keys: [RandomState; 2],
}

impl Dedup {
    /// Remembers ids for `window` nanoseconds; a window of 0 remembers nothing.
    pub fn new(window: UnixNanos) -> Self {
        Self { window, seqs: HashMap::new(), by_age: VecDeque::new(), keys: Default::default() }
    }

    /// The sequence that `id` was stored under, if that was within the window before `now`.
    pub fn find(&mut self, id: &[u8], now: UnixNanos) -> Option<u64> {
        self.forget_older_than_window(now);
        if self.seqs.is_empty() {
            return None;
        }
        self.seqs.get(&self.hash(id)).copied()
    }

    /// Notes that `id`, received at `ts`, was given `seq`.
    pub fn remember(&mut self, id: &[u8], ts: UnixNanos, seq: u64) {
        if self.window <= 0 {
            return;
        }
        let hash = self.hash(id);
        self.seqs.insert(hash, seq);
        self.by_age.push_back((ts, hash));
    }

    /// Changes the window; ids already outside the new one are forgotten at the next look-up.
    pub fn set_window(&mut self, window: UnixNanos) {
        self.window = window;
    }

    /// How far back ids are remembered, in nanoseconds.
    pub fn window(&self) -> UnixNanos {
        self.window
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    /// Whether no id is remembered.
    pub fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    fn forget_older_than_window(&mut self, now: UnixNanos) {
        let oldest = now.saturating_sub(self.window);
        while let Some(&(ts, hash)) = self.by_age.front() {
            if ts > oldest {
                break;
            }
            self.by_age.pop_front();
            self.seqs.remove(&hash);
        }
        if self.by_age.is_empty() && self.by_age.capacity() > 1024 {
            self.by_age = VecDeque::new();
            self.seqs = HashMap::new();
        }
    }

    fn hash(&self, id: &[u8]) -> u128 {
        let [high, low] = &self.keys;
        (u128::from(high.hash_one(id)) << 64) | u128::from(low.hash_one(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_within_the_window_and_forgotten_after_it() {
        let mut dedup = Dedup::new(100);
        dedup.remember(b"a", 1_000, 7);
        assert_eq!(dedup.find(b"a", 1_099), Some(7));
        assert_eq!(dedup.find(b"b", 1_099), None);
        assert_eq!(dedup.find(b"a", 1_100), None);
        assert!(dedup.is_empty());
    }

    #[test]
    fn a_window_of_zero_remembers_nothing() {
        let mut dedup = Dedup::new(0);
        dedup.remember(b"a", 1_000, 7);
        assert_eq!(dedup.find(b"a", 1_000), None);
    }

    #[test]
    fn a_shorter_window_forgets_what_lies_outside_it() {
        let mut dedup = Dedup::new(1_000);
        dedup.remember(b"old", 0, 1);
        dedup.remember(b"new", 500, 2);
        dedup.set_window(100);
        assert_eq!(dedup.find(b"old", 550), None);
        assert_eq!(dedup.find(b"new", 550), Some(2));
    }
}
