//! How much of each segment is still wanted.

use std::collections::{BTreeMap, HashMap};

use super::record::Location;
use super::segment::SEGMENT_HEADER_LEN;
use crate::Lsn;

/// A record that is kept as long as nothing newer says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Where it lies.
    pub at: Location,
    /// Bytes it takes.
    pub len: u32,
}

/// First and last sequence of a stream, as its latest state record says or will say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floor {
    /// Messages below are gone.
    pub first_seq: u64,
    /// The last sequence ever given.
    pub last_seq: u64,
    /// When the last message was stored.
    pub last_ts: i64,
}

/// One segment's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentUse {
    /// Length of the file.
    pub len: u32,
    /// Bytes of all records ever put there, once no more will be added. Not known of segments that were there at the start.
    pub filled: Option<u32>,
    /// Bytes of live records, tombstones included.
    pub live: u64,
    /// No more records will be added.
    pub sealed: bool,
    /// What says which of its records are wanted no more is durable when the journal is up to here.
    pub emptied_at: Lsn,
    /// Set when the last live record went: the segment may go once the journal is durable up to here.
    pub dead_at: Option<Lsn>,
    /// Bytes of tombstones by the segment they name; they are wanted as long as that exists.
    pub tombstones: BTreeMap<u32, u64>,
}

/// The account of all segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    segments: BTreeMap<u32, SegmentUse>,
    /// The latest state record of each stream.
    states: HashMap<u32, (Floor, Option<Placed>)>,
    /// Segments being copied forward, and the first segment that may hold a copy.
    compactions: BTreeMap<u32, u32>,
    /// A segment has died.
    died: bool,
}

impl Usage {
    /// A segment exists from now on.
    pub fn add_segment(&mut self, id: u32, account: SegmentUse) {
        self.segments.insert(id, account);
    }

    /// A record that will be wanted was added.
    pub fn add(&mut self, segment: u32, bytes: u64) {
        if let Some(account) = self.segments.get_mut(&segment) {
            account.live += bytes;
            account.dead_at = None;
        }
    }

    /// A record is wanted no more; the one that says so is durable at `durable_at`.
    pub fn release(&mut self, segment: u32, bytes: u64, durable_at: Lsn) {
        if let Some(account) = self.segments.get_mut(&segment) {
            debug_assert!(account.live >= bytes, "more is released than there was in segment {segment}");
            account.live = account.live.saturating_sub(bytes);
            self.died |= account.note_death(durable_at);
        }
    }

    /// A tombstone record was added that names `named`; one that names its own segment goes with it.
    pub fn add_tombstones(&mut self, segment: u32, named: u32, bytes: u64) {
        if segment == named {
            return;
        }
        self.add(segment, bytes);
        if let Some(account) = self.segments.get_mut(&segment) {
            *account.tombstones.entry(named).or_default() += bytes;
        }
    }

    /// A tombstone record is wanted no more; it was written anew if need be.
    pub fn release_tombstones(&mut self, segment: u32, named: u32, bytes: u64, durable_at: Lsn) {
        let Some(account) = self.segments.get_mut(&segment) else { return };
        if let Some(counted) = account.tombstones.get_mut(&named) {
            let released = bytes.min(*counted);
            *counted -= released;
            account.live = account.live.saturating_sub(released);
            self.died |= account.note_death(durable_at);
        }
    }

    /// No more records will be added to the segment, in which `filled` bytes of them were put, if that is known.
    pub fn seal(&mut self, segment: u32, filled: Option<u32>, durable_at: Lsn) {
        if let Some(account) = self.segments.get_mut(&segment) {
            account.sealed = true;
            account.filled = filled;
            self.died |= account.note_death(durable_at);
        }
    }

    /// The segment is gone for good, and with it the need for tombstones that name it; nothing has to be recorded for that.
    pub fn forget_segment(&mut self, id: u32) {
        self.segments.remove(&id);
        self.compactions.remove(&id);
        for account in self.segments.values_mut() {
            if let Some(bytes) = account.tombstones.remove(&id) {
                account.live = account.live.saturating_sub(bytes);
                self.died |= account.note_death(Lsn::ZERO);
            }
        }
    }

    /// A state record was written; the one before is wanted no more.
    pub fn state_written(&mut self, stream: u32, floor: Floor, placed: Placed, durable_at: Lsn) {
        self.add(placed.at.segment, u64::from(placed.len));
        if let Some((_, Some(old))) = self.states.insert(stream, (floor, Some(placed))) {
            self.release(old.at.segment, u64::from(old.len), durable_at);
        }
    }

    /// The latest state record of a stream.
    pub fn state(&self, stream: u32) -> Option<(Floor, Option<Placed>)> {
        self.states.get(&stream).copied()
    }

    /// The stream is gone.
    pub fn forget_stream(&mut self, stream: u32, durable_at: Lsn) {
        if let Some((_, Some(placed))) = self.states.remove(&stream) {
            self.release(placed.at.segment, u64::from(placed.len), durable_at);
        }
    }

    /// One segment's account.
    pub fn segment(&self, id: u32) -> Option<&SegmentUse> {
        self.segments.get(&id)
    }

    /// All accounts, by id.
    pub fn segments(&self) -> impl Iterator<Item = (u32, &SegmentUse)> {
        self.segments.iter().map(|(id, account)| (*id, account))
    }

    /// Records of `victim` are copied forward, to `first_copy` and later segments.
    pub fn compaction_started(&mut self, victim: u32, first_copy: u32) {
        if self.segments.contains_key(&victim) {
            self.compactions.entry(victim).or_insert(first_copy);
        }
    }

    /// The segments that may go once the journal is durable up to `durable`.
    ///
    /// While a segment is being copied forward, the copies stay: a copy's tombstone names the copy's segment, and with
    /// that the tombstone would go while the original is still there.
    pub fn dead(&self, durable: Lsn) -> Vec<u32> {
        self.all_dead().filter(|(_, at)| *at <= durable).map(|(id, _)| id).collect()
    }

    /// The segment with the last record before `durable`. It stays, whatever is in it: the one before names it, and that it
    /// was given back is known from a record that follows.
    pub fn last_with_records(&self, durable: Lsn) -> u32 {
        let Location { segment, offset } = durable.into();
        if offset > SEGMENT_HEADER_LEN {
            return segment;
        }
        self.segments.range(..segment).next_back().map_or(segment, |(id, _)| *id)
    }

    /// Whether a segment may not go before the journal is durable beyond `durable`.
    pub fn has_dead_after(&self, durable: Lsn) -> bool {
        self.all_dead().any(|(_, at)| at > durable)
    }

    fn all_dead(&self) -> impl Iterator<Item = (u32, Lsn)> {
        let kept_from = self.compactions.values().min().copied().unwrap_or(u32::MAX);
        let dead = self.segments().filter_map(|(id, account)| Some((id, account.dead_at?)));
        dead.filter(move |(id, _)| *id < kept_from)
    }

    /// All live tombstones: segment, segment they name, bytes.
    pub fn tombstones(&self) -> Vec<(u32, u32, u64)> {
        let of = |(id, account): (u32, &SegmentUse)| -> Vec<_> {
            account.tombstones.iter().map(|(named, bytes)| (id, *named, *bytes)).collect()
        };
        self.segments().flat_map(of).collect()
    }

    /// Segments being copied forward, and the first that may hold a copy.
    pub fn compactions(&self) -> Vec<(u32, u32)> {
        self.compactions.iter().map(|(victim, first)| (*victim, *first)).collect()
    }

    /// Whether a segment has died since this was asked last.
    pub fn take_died(&mut self) -> bool {
        std::mem::take(&mut self.died)
    }

    /// Bytes of all segments, and those of them that are live.
    pub fn totals(&self) -> (u64, u64) {
        let add = |(all, live): (u64, u64), account: &SegmentUse| {
            (all + u64::from(account.len), live + account.live)
        };
        self.segments.values().fold((0, 0), add)
    }

    /// How many segments there are.
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// The segment to copy forward next: one that was begun, or the sealed one before `end` with the smallest live share if
    /// that is below `percent`. With `known`, only those of which it is known that copying them sets something free.
    pub fn sparsest(&self, end: u32, percent: u8, known: bool, except: &[u32]) -> Option<u32> {
        let share = |account: &SegmentUse| account.live * 100 / u64::from(account.filled().max(1));
        let sparse = |account: &SegmentUse| {
            account.sealed
                && account.live > 0
                && share(account) < u64::from(percent)
                && (account.filled.is_some() || !known)
        };
        let eligible = |id: &u32| *id < end && !except.contains(id);
        let begun = self.compactions.keys().copied().filter(eligible);
        let begun = begun.filter(|id| self.segments.get(id).is_some_and(|account| account.live > 0)).min();
        begun.or_else(|| {
            let sparse = self.segments().filter(|(id, account)| sparse(account) && eligible(id));
            sparse.min_by_key(|(_, account)| share(account)).map(|(id, _)| id)
        })
    }
}

impl SegmentUse {
    /// Large records leave much of a segment unused, and copying them forward would not change that: only what was put
    /// there and is wanted no more makes a segment sparse.
    fn filled(&self) -> u32 {
        self.filled.unwrap_or(self.len)
    }

    /// True when the segment is dead.
    fn note_death(&mut self, durable_at: Lsn) -> bool {
        self.emptied_at = self.emptied_at.max(durable_at);
        let dead = self.sealed && self.live == 0;
        if dead {
            self.dead_at = Some(self.emptied_at);
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(ids: &[u32]) -> Usage {
        let mut usage = Usage::default();
        for id in ids {
            usage.add_segment(*id, SegmentUse { len: 1000, ..SegmentUse::default() });
        }
        usage
    }

    #[test]
    fn a_segment_may_go_when_it_is_sealed_and_empty_and_what_emptied_it_is_durable() {
        let mut usage = usage(&[1, 2]);
        usage.add(1, 100);
        usage.release(1, 100, Lsn(50));
        assert!(usage.dead(Lsn(99)).is_empty());
        usage.seal(1, None, Lsn(60));
        assert!(usage.dead(Lsn(59)).is_empty());
        assert_eq!(usage.dead(Lsn(60)), [1]);
    }

    #[test]
    fn a_tombstone_is_wanted_as_long_as_the_segment_it_names_exists() {
        let mut usage = usage(&[1, 2]);
        usage.add_tombstones(2, 1, 48);
        usage.seal(2, None, Lsn(10));
        assert!(usage.dead(Lsn(10)).is_empty());
        usage.forget_segment(1);
        assert_eq!(usage.dead(Lsn(10)), [2]);
    }

    #[test]
    fn copies_outlive_the_segment_they_were_copied_from() {
        let mut usage = usage(&[1, 2, 3]);
        usage.add(1, 100);
        usage.compaction_started(1, 2);
        usage.seal(2, None, Lsn(10));
        assert!(usage.dead(Lsn(10)).is_empty());
        usage.forget_segment(1);
        assert_eq!(usage.dead(Lsn(10)), [2]);
    }

    #[test]
    fn a_segment_whose_tombstones_went_last_waits_for_what_removed_its_messages() {
        let mut usage = usage(&[1, 2]);
        usage.add(2, 100);
        usage.add_tombstones(2, 1, 48);
        usage.seal(2, None, Lsn(10));
        usage.release(2, 100, Lsn(30));
        usage.forget_segment(1);
        assert!(usage.has_dead_after(Lsn(29)) && !usage.has_dead_after(Lsn(30)));
        assert!(usage.dead(Lsn(29)).is_empty());
        assert_eq!(usage.dead(Lsn(30)), [2]);
    }

    #[test]
    fn the_sparsest_sealed_segment_is_compacted_first() {
        let mut usage = usage(&[1, 2, 3]);
        for (id, live) in [(1, 400), (2, 300), (3, 10)] {
            usage.add(id, live);
        }
        usage.seal(1, None, Lsn(1));
        usage.seal(2, None, Lsn(1));
        assert_eq!(usage.sparsest(9, 50, false, &[]), Some(2));
        assert_eq!(usage.sparsest(9, 30, false, &[]), None);
        assert_eq!(usage.sparsest(9, 50, true, &[]), None);
    }

    #[test]
    fn a_segment_that_large_records_left_half_empty_is_not_sparse() {
        let mut usage = usage(&[1, 2]);
        usage.add(1, 400);
        usage.add(2, 400);
        usage.seal(1, Some(400), Lsn(1));
        usage.seal(2, Some(900), Lsn(1));
        assert_eq!(usage.sparsest(9, 92, true, &[]), Some(2));
        assert_eq!(usage.sparsest(2, 92, true, &[]), None);
        assert_eq!(usage.sparsest(9, 92, true, &[2]), None);
    }
}
