//! The journal's recent bytes, kept in memory for readers near the tail.

use std::collections::VecDeque;

use bytes::Bytes;

use super::record::Location;
use crate::Lsn;

/// Buffers of recent commits, oldest first. One that has not been written yet is never dropped.
#[derive(Debug)]
pub struct TailCache {
    buffers: VecDeque<Buffer>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Buffer {
    start: Lsn,
    bytes: Bytes,
}

/// What a buffer costs besides its bytes.
const BUFFER_OVERHEAD: usize = 96;

impl TailCache {
    /// An empty cache that keeps about `bytes_max` bytes of written buffers.
    pub fn new(bytes_max: usize) -> Self {
        Self { buffers: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Takes in the bytes that begin at `at`, behind all others.
    pub fn push(&mut self, at: Location, bytes: Bytes) {
        self.bytes += bytes.len() + BUFFER_OVERHEAD;
        self.buffers.push_back(Buffer { start: at.into(), bytes });
    }

    /// `len` bytes at `at`, if they are all here.
    pub fn get(&self, at: Location, len: usize) -> Option<Bytes> {
        self.get_some(at, len, len)
    }

    /// At least `min` bytes at `at`, at most `max`, as many as are here.
    pub fn get_some(&self, at: Location, min: usize, max: usize) -> Option<Bytes> {
        let position = Lsn::from(at);
        let index = self.buffers.partition_point(|buffer| buffer.start <= position).checked_sub(1)?;
        let buffer = self.buffers.get(index)?;
        let from = usize::try_from(position.0.checked_sub(buffer.start.0)?).ok()?;
        let to = from.checked_add(max)?.min(buffer.bytes.len());
        (from.checked_add(min)? <= to).then(|| buffer.bytes.slice(from..to))
    }

    /// Takes out one of the oldest written buffers if there are too many bytes.
    pub fn trim(&mut self, written: Lsn) -> Option<Bytes> {
        let is_written = |buffer: &Buffer| buffer.start.0 + buffer.bytes.len() as u64 <= written.0;
        if self.bytes <= self.bytes_max || !self.buffers.front().is_some_and(is_written) {
            return None;
        }
        let oldest = self.buffers.pop_front()?.bytes;
        self.bytes -= oldest.len() + BUFFER_OVERHEAD;
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u32, offset: u32) -> Location {
        Location { segment, offset }
    }

    #[test]
    fn bytes_are_found_within_a_buffer_and_only_there() {
        let mut tail = TailCache::new(1 << 20);
        tail.push(at(1, 64), Bytes::from_static(b"abcdefgh"));
        tail.push(at(2, 64), Bytes::from_static(b"ijklmnop"));
        assert_eq!(tail.get(at(1, 66), 3).as_deref(), Some(&b"cde"[..]));
        assert_eq!(tail.get(at(2, 64), 8).as_deref(), Some(&b"ijklmnop"[..]));
        assert_eq!(tail.get(at(1, 66), 7), None);
        assert_eq!(tail.get(at(1, 56), 8), None);
    }

    #[test]
    fn a_buffer_that_is_not_written_yet_is_kept_whatever_its_size() {
        let mut tail = TailCache::new(0);
        tail.push(at(1, 64), Bytes::from_static(b"abcdefgh"));
        assert_eq!(tail.trim(Lsn::from(at(1, 64))), None);
        assert!(tail.get(at(1, 64), 8).is_some());
        assert_eq!(tail.trim(Lsn::from(at(1, 72))).as_deref(), Some(&b"abcdefgh"[..]));
        assert!(tail.get(at(1, 64), 8).is_none());
    }
}
