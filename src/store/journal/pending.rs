//! Records that wait for a commit, already as the bytes that will be written.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::record::{self, Draft, FLAG_SYNCED, Location};
use super::segment::Segment;
use super::usage::Placed;
use crate::store::Lsn;

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
}

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
            self.parts.push_back(OpenPart { segment: Arc::clone(segment), offset, bytes: Vec::new() });
        }
        if let Some(part) = self.parts.back_mut() {
            draft.encode(segment.seeds, &mut part.bytes);
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
        let parts = self.parts.drain(..).map(OpenPart::close).collect();
        Batch { parts, end, bytes: std::mem::take(&mut self.bytes) }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl OpenPart {
    fn close(mut self) -> Part {
        // The bytes stay in memory for a while; half of a grown buffer may be unused.
        if self.bytes.len() < self.bytes.capacity() / 4 * 3 {
            self.bytes.shrink_to_fit();
        }
        Part { segment: self.segment, offset: self.offset, bytes: Bytes::from(self.bytes) }
    }
}
