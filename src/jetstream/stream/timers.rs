//! Moments at which something is due for a message, in a few bytes each.
//!
//! Time is cut into ticks, ticks into slots that are the wider the further off they are. A slot holds its entries as deltas:
//! the sequence against the one before, the moment against the start of the slot. When a wide slot's time comes, its
//! entries move into narrower ones. Entries are never taken out one by one: whoever gets a due sequence looks whether it is
//! still there, and [`Timers::sweep`] drops those that are not, so that memory stays in proportion to what is live.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::UnixNanos;
use crate::jetstream::consumer::varint;

/// What is due is told at most this late.
const TICK: UnixNanos = 50_000_000;
/// Each level's slots are 2^6 times as wide as those of the level below.
const LEVEL_BITS: u32 = 6;
/// The widest slots have 2^48 ticks; nothing is further off than the end of 64-bit time.
const LEVEL_MAX: u32 = 8;
/// Entries are packed in pieces of about this size, so that no step has to unpack much.
const CHUNK_BYTES: usize = 1024;

/// Sequences by the moment something is due for them.
#[derive(Debug, Default)]
pub struct Timers {
    slots: BTreeMap<SlotKey, VecDeque<Chunk>>,
    entries: u64,
    /// Where the last sweep stopped, and how much of that slot is left to do.
    sweeping: Option<(SlotKey, usize)>,
}

/// A slot of 64^level ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SlotKey {
    start: u64,
    level: u32,
}

#[derive(Debug)]
struct Chunk {
    last_seq: u64,
    entries: u32,
    packed: Vec<u8>,
}

impl Timers {
    /// Notes that something is due for `seq` at `due`.
    pub fn add(&mut self, now: UnixNanos, due: UnixNanos, seq: u64) {
        let due = ticks(due).saturating_add(1);
        let key = SlotKey::for_distance(due, due.saturating_sub(ticks(now)));
        self.put(key, due, seq);
        self.entries += 1;
    }

    /// Takes out sequences that are due, in no particular order. Looks at about `entries_max` entries; if there was more
    /// to look at, [`next`](Self::next) tells a moment that has passed.
    pub fn take_due(&mut self, now: UnixNanos, entries_max: usize) -> Vec<u64> {
        let now = ticks(now);
        let mut due = Vec::new();
        let mut looked_at = 0;
        while looked_at < entries_max {
            let Some(key) = self.slots.keys().next().copied().filter(|key| key.start <= now) else { break };
            let Some(chunk) = self.take_chunk(key) else { break };
            looked_at += chunk.entries as usize;
            for (tick, seq) in chunk.unpack(key) {
                if tick <= now {
                    due.push(seq);
                } else {
                    self.put(SlotKey::for_distance(tick, tick - now), tick, seq);
                }
            }
        }
        self.entries = self.entries.saturating_sub(due.len() as u64);
        due
    }

    /// When to call [`take_due`](Self::take_due) next.
    pub fn next(&self) -> Option<UnixNanos> {
        let key = self.slots.keys().next()?;
        Some(i64::try_from(key.start).unwrap_or(i64::MAX).saturating_mul(TICK))
    }

    /// How many entries there are, those of messages long gone included.
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether nothing will ever be due.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Goes on dropping entries that are not live any more, looking at about `entries_max` of them.
    pub fn sweep(&mut self, entries_max: usize, is_live: impl Fn(u64) -> bool) {
        let mut looked_at = 0;
        while looked_at < entries_max {
            let Some((key, chunks)) = self.next_to_sweep() else { return };
            let Some(chunk) = self.take_chunk(key) else { return };
            looked_at += chunk.entries as usize;
            let kept: Vec<_> = chunk.unpack(key).filter(|(_, seq)| is_live(*seq)).collect();
            self.entries = self.entries.saturating_sub(u64::from(chunk.entries) - kept.len() as u64);
            kept.into_iter().for_each(|(tick, seq)| self.put(key, tick, seq));
            self.sweeping = Some((key, chunks - 1));
        }
    }

    /// The slot to sweep and how many of its chunks have not been looked at; starts over after the last.
    fn next_to_sweep(&mut self) -> Option<(SlotKey, usize)> {
        if let Some((key, chunks)) =
            self.sweeping.filter(|(key, chunks)| *chunks > 0 && self.slots.contains_key(key))
        {
            return Some((key, chunks));
        }
        let after = self.sweeping.and_then(|(key, _)| {
            let after = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
            self.slots.range(after).next()
        });
        let (key, chunks) = after.or_else(|| self.slots.iter().next())?;
        Some((*key, chunks.len()))
    }

    fn put(&mut self, key: SlotKey, tick: u64, seq: u64) {
        let chunks = self.slots.entry(key).or_default();
        if chunks.back().is_none_or(|chunk| chunk.packed.len() >= CHUNK_BYTES) {
            chunks.push_back(Chunk { last_seq: 0, entries: 0, packed: Vec::new() });
        }
        if let Some(chunk) = chunks.back_mut() {
            chunk.pack(key, tick, seq);
        }
    }

    fn take_chunk(&mut self, key: SlotKey) -> Option<Chunk> {
        let chunks = self.slots.get_mut(&key)?;
        let chunk = chunks.pop_front();
        if chunks.is_empty() {
            self.slots.remove(&key);
        }
        chunk
    }
}

impl SlotKey {
    /// The slot of `tick`, which is `distance` ticks off.
    fn for_distance(tick: u64, distance: u64) -> Self {
        let level =
            (0..LEVEL_MAX).find(|level| distance >> (LEVEL_BITS * (level + 1)) == 0).unwrap_or(LEVEL_MAX);
        let width = LEVEL_BITS * level;
        Self { start: tick >> width << width, level }
    }
}

impl Chunk {
    fn pack(&mut self, key: SlotKey, tick: u64, seq: u64) {
        varint::put_step(&mut self.packed, self.last_seq, seq);
        if key.level > 0 {
            varint::put(&mut self.packed, tick - key.start);
        }
        self.last_seq = seq;
        self.entries += 1;
    }

    fn unpack(&self, key: SlotKey) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut packed = varint::Reader::new(&self.packed);
        let mut seq = 0;
        std::iter::from_fn(move || {
            seq = packed.step(seq).ok()?;
            let offset = if key.level > 0 { packed.number().ok()? } else { 0 };
            Some((key.start + offset, seq))
        })
    }
}

fn ticks(moment: UnixNanos) -> u64 {
    u64::try_from(moment / TICK).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SECOND: UnixNanos = 1_000_000_000;

    #[test]
    fn what_is_due_is_told_once_and_not_before() {
        let mut timers = Timers::default();
        timers.add(0, 10 * SECOND, 7);
        assert!(timers.take_due(10 * SECOND - 1, 100).is_empty());
        assert_eq!(timers.take_due(10 * SECOND + TICK, 100), vec![7]);
        assert!(timers.take_due(100 * SECOND, 100).is_empty());
        assert!(timers.is_empty());
    }

    #[test]
    fn the_same_life_for_every_message_takes_a_few_bytes_a_message() {
        let mut timers = Timers::default();
        for seq in 1..=100_000u64 {
            let now = seq as i64 * 1_000_000;
            timers.add(now, now + 3_600 * SECOND, seq);
        }
        let bytes: usize = timers.slots.values().flatten().map(|chunk| chunk.packed.len()).sum();
        assert!(bytes < 100_000 * 5, "{bytes}");
    }

    #[test]
    fn sweeping_leaves_the_live_entries_and_no_others() {
        let mut timers = Timers::default();
        (1..=10_000u64).for_each(|seq| timers.add(0, (seq % 5_000) as i64 * SECOND, seq));
        for _ in 0..40 {
            timers.sweep(1_000, |seq| seq % 100 == 0);
        }
        assert_eq!(timers.len(), 100);
        let mut due = Vec::new();
        while !timers.is_empty() {
            due.extend(timers.take_due(10_000 * SECOND, 50));
        }
        due.sort_unstable();
        assert_eq!(due, (1..=100).map(|n| n * 100).collect::<Vec<u64>>());
    }

    proptest! {
        #[test]
        fn timers_agree_with_a_sorted_set(
            steps in prop::collection::vec((0i64..400 * SECOND, prop::collection::vec(0i64..3_000_000, 0..20)), 1..40),
        ) {
            let mut timers = Timers::default();
            let mut model = BTreeSet::new();
            let (mut now, mut seq) = (0, 0);
            for (pause, lives_ms) in steps {
                for life in lives_ms {
                    seq += 1;
                    let due = now + life * 1_000_000;
                    timers.add(now, due, seq);
                    model.insert(((ticks(due) + 1) as i64 * TICK, seq));
                }
                now += pause;
                let mut told = Vec::new();
                while timers.next().is_some_and(|next| next <= now) {
                    told.extend(timers.take_due(now, 3));
                }
                let later = model.split_off(&(now + 1, 0));
                let mut due: Vec<u64> = std::mem::replace(&mut model, later).into_iter().map(|(_, seq)| seq).collect();
                due.sort_unstable();
                told.sort_unstable();
                prop_assert_eq!(told, due);
                prop_assert_eq!(timers.len(), model.len() as u64);
            }
        }
    }
}
