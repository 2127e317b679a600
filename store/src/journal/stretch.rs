//! A piece of a segment, read in one go because all records that are wanted of it are known.

use std::sync::Arc;

use bytes::Bytes;

use super::Journal;
use super::record::{Location, Record};
use super::segment::Segment;
use crate::Lsn;

/// Bytes of a stretch.
const STRETCH_BYTES_MAX: u32 = 64 << 10;

/// A record so many bytes behind the one before is read together with it: those of other streams lie between.
const GAP_BYTES_MAX: u32 = STRETCH_BYTES_MAX / 4;

/// A piece of a segment.
pub struct Stretch {
    segment: Arc<Segment>,
    start: u32,
    bytes: Bytes,
    /// It never left memory.
    is_trusted: bool,
}

impl Stretch {
    /// Reads the first of the `wanted` records, which are given by place and length, and as many of the others as lie near. `None`
    /// if it has to be read alone.
    pub fn read(journal: &Journal, mut wanted: impl Iterator<Item = (Location, u32)>) -> Option<Self> {
        let (at, first_len) = wanted.next()?;
        let len = span(at, first_len, wanted)?;
        let segment = journal.files.get(at.segment).ok()?;
        if let Some(bytes) = journal.tail.read().get_some(at, first_len as usize, len as usize) {
            return Some(Self { segment, start: at.offset, bytes, is_trusted: true });
        }
        let written = Location::from(journal.written());
        let end = if written.segment == at.segment { written.offset } else { segment.len };
        let len = len.min(end.checked_sub(at.offset)?);
        if len < first_len || Lsn::from(at) >= journal.written() {
            return None;
        }
        let bytes = segment.read(at.offset, len as usize).ok()?;
        Some(Self { segment, start: at.offset, bytes, is_trusted: false })
    }

    /// The record of `len` bytes at `at`, if it is here, and whole.
    pub fn record(&self, at: Location, len: u32) -> Option<Record> {
        if at.segment != self.segment.id {
            return None;
        }
        let from = at.offset.checked_sub(self.start)? as usize;
        let to = from.checked_add(len as usize).filter(|to| *to <= self.bytes.len())?;
        let bytes = self.bytes.slice(from..to);
        if self.is_trusted { self.segment.trusted(bytes) } else { self.segment.record(bytes) }
    }
}

/// How many bytes the first record and those that lie near take; `None` if it is too large for a stretch.
fn span(at: Location, first_len: u32, others: impl Iterator<Item = (Location, u32)>) -> Option<u32> {
    let mut end = at.offset.checked_add(first_len)?;
    for (other, len) in others {
        let gap = other.offset.checked_sub(end).filter(|gap| *gap <= GAP_BYTES_MAX);
        let other_end = other.offset.saturating_add(len);
        if other.segment != at.segment || gap.is_none() || other_end - at.offset > STRETCH_BYTES_MAX {
            break;
        }
        end = other_end;
    }
    Some(end - at.offset).filter(|len| *len <= STRETCH_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u32, offset: u32) -> Location {
        Location { segment, offset }
    }

    fn span_of(records: &[(Location, u32)]) -> Option<u32> {
        let mut records = records.iter().copied();
        let (at, len) = records.next()?;
        span(at, len, records)
    }

    #[test]
    fn a_stretch_ends_before_what_is_far_away_or_elsewhere() {
        assert_eq!(span_of(&[(at(1, 64), 100), (at(1, 164), 50), (at(1, 300), 64)]), Some(300));
        assert_eq!(span_of(&[(at(1, 64), 100), (at(1, 165 + GAP_BYTES_MAX), 50)]), Some(100));
        assert_eq!(span_of(&[(at(1, 64), 100), (at(2, 164), 50)]), Some(100));
        assert_eq!(span_of(&[(at(1, 640), 100), (at(1, 64), 50)]), Some(100));
    }

    #[test]
    fn a_stretch_has_a_largest_size() {
        let half = STRETCH_BYTES_MAX / 2;
        let records = [(at(1, 64), half), (at(1, 64 + half), half), (at(1, 64 + 2 * half), 8)];
        assert_eq!(span_of(&records), Some(STRETCH_BYTES_MAX));
        assert_eq!(span_of(&[(at(1, 64), STRETCH_BYTES_MAX + 8)]), None);
    }
}
