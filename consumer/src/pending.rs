//! The table of delivered messages whose acknowledgement is awaited.
//!
//! A consumer delivers in stream order, so entries arrive sorted by sequence and stay in one ring buffer: an entry costs 32
//! bytes, a look-up is a guess or a binary search, and an acknowledged entry is a hole until the front passes it or half of
//! the ring is holes.

use std::collections::VecDeque;

use headwater_store::UnixNanos;

/// Below this many holes a ring is never compacted.
const HOLES_MIN: usize = 1024;

/// One delivered message that has not been acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct PendingAck {
    /// Its stream sequence.
    pub seq: u64,
    /// The consumer sequence of its first delivery; redeliveries do not change it.
    pub consumer_seq: u64,
    /// From when its ack wait counts.
    pub since: UnixNanos,
    /// How often it has been delivered; 0 when the only delivery failed.
    pub deliveries: u32,
    /// Which alarm of the ack timer is the valid one.
    pub(super) alarm: u16,
    flags: u8,
}

/// The entry is a hole.
const SETTLED: u8 = 1;
/// It waits in the redelivery queue.
const QUEUED: u8 = 2;
/// The redelivery queue holds its sequence, which means something only while it is `QUEUED`.
const IN_QUEUE: u8 = 4;
/// Its deadline is kept by an alarm, not by its place in the table.
const ALARMED: u8 = 8;

impl PendingAck {
    /// A first delivery.
    pub fn new(seq: u64, consumer_seq: u64, since: UnixNanos) -> Self {
        Self { seq, consumer_seq, since, deliveries: 1, alarm: 0, flags: 0 }
    }

    /// An entry read back.
    pub fn delivered(self, deliveries: u32) -> Self {
        Self { deliveries, ..self }
    }

    pub(super) fn is_queued(&self) -> bool {
        self.has(QUEUED)
    }

    pub(super) fn set_queued(&mut self, queued: bool) {
        self.set(QUEUED, queued);
    }

    pub(super) fn is_in_queue(&self) -> bool {
        self.has(IN_QUEUE)
    }

    pub(super) fn set_in_queue(&mut self, in_queue: bool) {
        self.set(IN_QUEUE, in_queue);
    }

    pub(super) fn is_alarmed(&self) -> bool {
        self.has(ALARMED)
    }

    pub(super) fn set_alarmed(&mut self, alarmed: bool) {
        self.set(ALARMED, alarmed);
    }

    fn is_live(&self) -> bool {
        !self.has(SETTLED)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }
}

/// All pending entries in stream order.
#[derive(Debug, Default)]
pub struct PendingTable {
    /// Sorted by sequence; the front is never a hole.
    ring: VecDeque<PendingAck>,
    live: usize,
    redelivered: usize,
}

impl PendingTable {
    /// How many messages are pending.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many of them have been delivered more than once.
    pub fn redelivered(&self) -> usize {
        self.redelivered
    }

    /// The pending entry with the lowest sequence.
    pub fn first(&self) -> Option<&PendingAck> {
        self.ring.front()
    }

    /// The last entry of the table, which may be settled already.
    pub(super) fn last(&self) -> Option<&PendingAck> {
        self.ring.back()
    }

    /// The entry of a sequence.
    pub fn get(&self, seq: u64) -> Option<&PendingAck> {
        self.ring.get(self.position(seq)?)
    }

    /// All entries in stream order.
    pub fn iter(&self) -> impl Iterator<Item = &PendingAck> {
        self.ring.iter().filter(|entry| entry.is_live())
    }

    /// The first entry at or after `seq` that satisfies `wanted`.
    pub(super) fn find_from(&self, seq: u64, wanted: impl Fn(&PendingAck) -> bool) -> Option<&PendingAck> {
        let start = self.ring.partition_point(|entry| entry.seq < seq);
        self.ring.range(start..).find(|entry| entry.is_live() && wanted(entry))
    }

    /// Changes an entry that is there. `deliveries` is changed by [`Self::set_deliveries`] only.
    pub(super) fn update(&mut self, seq: u64, change: impl FnOnce(&mut PendingAck)) {
        if let Some(entry) = self.position(seq).and_then(|at| self.ring.get_mut(at)) {
            change(entry);
        }
    }

    pub(super) fn set_deliveries(&mut self, seq: u64, deliveries: u32) {
        let Some(entry) = self.position(seq).and_then(|at| self.ring.get_mut(at)) else {
            return;
        };
        let before = usize::from(entry.deliveries > 1);
        entry.deliveries = deliveries;
        self.redelivered = self.redelivered + usize::from(deliveries > 1) - before;
    }

    /// Adds an entry; one that is there already is replaced.
    pub(super) fn insert(&mut self, entry: PendingAck) {
        if self.ring.back().is_none_or(|last| last.seq < entry.seq) {
            self.ring.push_back(entry);
        } else {
            self.remove(entry.seq);
            let at = self.ring.partition_point(|other| other.seq < entry.seq);
            if self.ring.get(at).is_some_and(|hole| hole.seq == entry.seq) {
                self.ring.remove(at);
            }
            self.ring.insert(at, entry);
        }
        self.live += 1;
        self.redelivered += usize::from(entry.deliveries > 1);
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<PendingAck> {
        let at = self.position(seq)?;
        let entry = self.ring.get_mut(at)?;
        let removed = *entry;
        entry.flags |= SETTLED;
        self.count_out(&removed);
        self.drop_holes();
        Some(removed)
    }

    /// Takes the lowest entry out if its sequence is at most `seq`.
    pub(super) fn pop_through(&mut self, seq: u64) -> Option<PendingAck> {
        let first = *self.ring.front().filter(|first| first.seq <= seq)?;
        self.ring.pop_front();
        self.count_out(&first);
        self.drop_holes();
        Some(first)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn count_out(&mut self, entry: &PendingAck) {
        self.live -= 1;
        self.redelivered -= usize::from(entry.deliveries > 1);
    }

    fn drop_holes(&mut self) {
        while self.ring.front().is_some_and(|front| !front.is_live()) {
            self.ring.pop_front();
        }
        let holes = self.ring.len() - self.live;
        if holes > HOLES_MIN && holes > self.live {
            self.ring.retain(PendingAck::is_live);
        }
        if self.ring.capacity() > HOLES_MIN && self.ring.len() < self.ring.capacity() / 4 {
            self.ring.shrink_to(self.ring.len() * 2);
        }
    }

    fn position(&self, seq: u64) -> Option<usize> {
        let at = self.guess(seq).or_else(|| self.ring.binary_search_by_key(&seq, |entry| entry.seq).ok())?;
        self.ring.get(at).filter(|entry| entry.is_live()).map(|_| at)
    }

    /// Right for a consumer that has taken every message, which is the common one.
    fn guess(&self, seq: u64) -> Option<usize> {
        let first = self.ring.front()?.seq;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.ring.get(at).filter(|entry| entry.seq == seq).map(|_| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(seqs: impl IntoIterator<Item = u64>) -> PendingTable {
        let mut table = PendingTable::default();
        for (consumer_seq, seq) in (1..).zip(seqs) {
            table.insert(PendingAck::new(seq, consumer_seq, 0));
        }
        table
    }

    fn seqs(table: &PendingTable) -> Vec<u64> {
        table.iter().map(|entry| entry.seq).collect()
    }

    #[test]
    fn an_entry_costs_32_bytes() {
        assert_eq!(size_of::<PendingAck>(), 32);
    }

    #[test]
    fn the_first_entry_is_never_a_hole() {
        let mut table = table([1, 5, 9]);
        table.remove(5);
        table.remove(1);
        assert_eq!(table.first().map(|entry| entry.seq), Some(9));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_removed_entry_is_gone_and_its_neighbours_stay() {
        let mut table = table([2, 3, 7, 8]);
        assert_eq!(table.remove(7).map(|entry| entry.consumer_seq), Some(3));
        assert!(table.remove(7).is_none());
        assert!(table.get(7).is_none());
        assert_eq!(seqs(&table), [2, 3, 8]);
    }

    #[test]
    fn holes_do_not_outlive_half_of_the_ring() {
        let mut table = table(1..=10_000);
        for seq in 2..=9_999 {
            table.remove(seq);
        }
        assert_eq!(seqs(&table), [1, 10_000]);
        assert!(table.ring.len() < 3 * HOLES_MIN);
    }

    #[test]
    fn an_entry_out_of_order_finds_its_place() {
        let mut table = table([4, 9]);
        table.insert(PendingAck::new(6, 3, 0));
        table.remove(6);
        table.insert(PendingAck::new(6, 4, 0));
        assert_eq!(seqs(&table), [4, 6, 9]);
        assert_eq!(table.get(6).map(|entry| entry.consumer_seq), Some(4));
    }

    #[test]
    fn redelivered_counts_entries_delivered_more_than_once() {
        let mut table = table([1, 2]);
        table.set_deliveries(1, 2);
        table.set_deliveries(2, 5);
        assert_eq!(table.redelivered(), 2);
        table.set_deliveries(2, 1);
        table.remove(1);
        assert_eq!(table.redelivered(), 0);
    }
}
