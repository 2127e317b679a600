//! Removals that wait for the end of the commit.
//!
//! A commit ends with them, so that ten thousand removals cost a few records, and a torn commit never removes a message
//! whose successor it has lost.

use std::collections::BTreeMap;

use super::usage::Floor;

/// Sequences named by one tombstone record.
pub const TOMBSTONE_SEQS_MAX: usize = 256;

/// What may stay unused at the end of a segment because the next of these records is longer.
pub const WASTE_BYTES: u64 = TOMBSTONE_SEQS_MAX as u64 * SEQ_BYTES + RECORD_BYTES;

/// What a record takes at most, without its sequences.
const RECORD_BYTES: u64 = 64;

/// What one more sequence adds to a tombstone record at most.
const SEQ_BYTES: u64 = 10;

/// A removal to be recorded with the next commit.
#[derive(Debug, Clone, Copy)]
pub struct Removal<'a> {
    /// The stream.
    pub stream: u32,
    /// Its new ends, when they have changed.
    pub floor: Option<Floor>,
    /// A message in the middle: its sequence and the segment it lies in.
    pub tombstone: Option<(u64, u32)>,
    /// Bytes set free by segment.
    pub released: &'a [(u32, u64)],
}

/// What waits.
#[derive(Debug, Default)]
pub struct Deferred {
    /// Ends by stream.
    pub floors: BTreeMap<u32, Floor>,
    /// Removed sequences by stream and by the segment they lie in.
    pub tombstones: BTreeMap<(u32, u32), Vec<u64>>,
    bytes: u64,
}

impl Deferred {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.floors.is_empty() && self.tombstones.is_empty()
    }

    /// What everything will take at most.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// By how much [`Deferred::bytes`] grows when a stream's ends are put.
    pub fn floor_cost(&self, stream: u32) -> u64 {
        if self.floors.contains_key(&stream) { 0 } else { RECORD_BYTES }
    }

    /// By how much [`Deferred::bytes`] grows when `count` tombstones are put.
    pub fn tombstone_cost(&self, stream: u32, segment: u32, count: usize) -> u64 {
        let records =
            count / TOMBSTONE_SEQS_MAX + usize::from(!self.tombstones.contains_key(&(stream, segment)));
        SEQ_BYTES * count as u64 + RECORD_BYTES * records as u64
    }

    /// Puts a stream's ends.
    pub fn put_floor(&mut self, stream: u32, floor: Floor) {
        self.bytes += self.floor_cost(stream);
        self.floors.insert(stream, floor);
    }

    /// Takes a stream's ends out, if they wait.
    pub fn take_floor(&mut self, stream: u32) -> Option<Floor> {
        let floor = self.floors.remove(&stream)?;
        self.bytes = self.bytes.saturating_sub(RECORD_BYTES);
        Some(floor)
    }

    /// Puts tombstones of messages that lie in `segment`.
    pub fn put_tombstones(&mut self, stream: u32, segment: u32, seqs: &[u64]) {
        self.bytes += self.tombstone_cost(stream, segment, seqs.len());
        self.tombstones.entry((stream, segment)).or_default().extend_from_slice(seqs);
    }

    /// Everything of a stream is void.
    pub fn forget_stream(&mut self, stream: u32) {
        self.floors.remove(&stream);
        self.tombstones.retain(|(of, _), _| *of != stream);
    }
}
