//! Records that wait for a commit, already as the bytes that will be written.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::record::{self, Draft, FLAG_SYNCED, Location};
use super::segment::Segment;
use super::usage::Placed;
use crate::Lsn;

/// What one commit writes.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Bytes by segment, in journal order.
    pub parts: Vec<Part>,
    /// The position after the batch.
    pub end: Lsn,
    /// Bytes of all parts.
    pub bytes: u64,
}

/// The bytes a commit writes to one segment.
#[derive(Clone)]
pub struct Part {
    /// The segment.
    pub segment: Arc<Segment>,
    /// Where in its file.
    pub offset: u32,
    /// What.
    pub bytes: Bytes,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {}:{}", self.bytes.len(), self.segment.id, self.offset)
    }
}

/// Bytes that wait for a commit.
#[derive(Default)]
pub struct Pending {
    parts: VecDeque<OpenPart>,
    bytes: u64,
    spare: Spare,
}

/// Buffers whose content nobody needs any more, to be filled again: one that comes fresh from the system costs a page fault
/// for every few kilobytes, which is more than filling it.
#[derive(Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// What spare buffers hold at most.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// Smaller buffers are nothing to be saved.
const SPARE_BUFFER_BYTES_MIN: usize = 4 << 10;

struct OpenPart {
    segment: Arc<Segment>,
    offset: u32,
    bytes: Vec<u8>,
}

impl Pending {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a record at `offset` of `segment`, which is where the one before ended or the start of another segment.
    pub fn put(&mut self, segment: &Arc<Segment>, offset: u32, draft: &Draft<'_>) -> Placed {
        let continues = self.parts.back().is_some_and(|part| part.segment.id == segment.id);
        if !continues {
            let bytes = self.spare.take();
            self.parts.push_back(OpenPart { segment: Arc::clone(segment), offset, bytes });
        }
        if let Some(part) = self.parts.back_mut() {
            draft.encode(segment.seeds, segment.keys.as_ref(), &mut part.bytes);
        }
        let len = draft.record_len() as u32;
        self.bytes += u64::from(len);
        Placed { at: Location { segment: segment.id, offset }, len }
    }

    /// `len` bytes at `at`, if they wait here.
    pub fn get(&self, at: Location, len: usize) -> Option<Bytes> {
        let here = |part: &&OpenPart| part.segment.id == at.segment && part.offset <= at.offset;
        let part = self.parts.iter().rev().find(here)?;
        let from = (at.offset - part.offset) as usize;
        part.bytes.get(from..from.checked_add(len)?).map(Bytes::copy_from_slice)
    }

    /// Marks the first record: all before it is durable.
    pub fn vouch(&mut self) {
        if let Some(part) = self.parts.front_mut() {
            let seeds = part.segment.seeds;
            record::set_flags(&mut part.bytes, seeds, FLAG_SYNCED);
        }
    }

    /// Takes everything; the position after it is `end`.
    pub fn take(&mut self, end: Lsn) -> Batch {
        let spare = &mut self.spare;
        let parts = self.parts.drain(..).map(|part| part.close(spare)).collect();
        Batch { parts, end, bytes: std::mem::take(&mut self.bytes) }
    }

    /// Takes back a buffer that was part of a batch.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.spare.put(buffer);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl OpenPart {
    /// The bytes stay in memory for a while: what is unused of their buffer would stay with them.
    fn close(mut self, spare: &mut Spare) -> Part {
        let (used, capacity) = (self.bytes.len(), self.bytes.capacity());
        if used < capacity / 4 {
            let exact = self.bytes.as_slice().to_vec();
            spare.put(std::mem::replace(&mut self.bytes, exact));
        } else if used < capacity / 4 * 3 {
            self.bytes.shrink_to_fit();
        }
        Part { segment: self.segment, offset: self.offset, bytes: Bytes::from(self.bytes) }
    }
}

impl Spare {
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if bytes >= SPARE_BUFFER_BYTES_MIN && self.bytes + bytes <= SPARE_BYTES_MAX {
            buffer.clear();
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_buffers_are_filled_again_and_hold_no_more_than_they_may() {
        let mut spare = Spare::default();
        assert_eq!(spare.take().capacity(), 0);
        (0..100).for_each(|_| spare.put(vec![1; 100_000]));
        assert_eq!(spare.buffers.len(), SPARE_BYTES_MAX / 100_000);
        let buffer = spare.take();
        assert!(buffer.is_empty() && buffer.capacity() >= 100_000);
        spare.put(vec![1; 100]);
        assert_eq!(spare.bytes, spare.buffers.iter().map(Vec::capacity).sum::<usize>());
        assert_eq!(spare.buffers.len(), SPARE_BYTES_MAX / 100_000 - 1);
    }
}
