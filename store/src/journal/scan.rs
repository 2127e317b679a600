//! Reading a segment front to back, over damage.

use std::sync::Arc;

use bytes::Bytes;

use super::record::{ALIGN, HEADER_LEN, Header, Kind, Location, Record};
use super::segment::{SEGMENT_HEADER_LEN, Segment};
use crate::StoreError;
use crate::sealing::SegmentKeys;

/// Bytes read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// Longest record whose header is repaired.
const REPAIR_BYTES_MAX: usize = 64 << 10;

/// No record begins within so many zeros: the place of a record's kind would be one of them.
const ZEROS_BYTES: usize = 256;

/// What a scan comes upon.
#[derive(Debug, Clone)]
pub enum Found {
    /// A record that is whole.
    Record(Location, Record),
    /// A record whose body is damaged; its header can be trusted.
    DamagedBody(Location, Header),
    /// Bytes that are no record, with a record behind them.
    Gap {
        /// Where they begin.
        at: Location,
        /// Where they end.
        end: u32,
    },
    /// No record lies at or behind this offset.
    End(Location),
}

/// Reads the records of one segment.
pub struct Scanner {
    segment: Arc<Segment>,
    offset: u32,
    window: Window,
    done: bool,
    /// The last record says that nothing follows.
    closed: bool,
    repairs: Vec<(Location, u8)>,
}

impl Scanner {
    /// Starts at `offset`, where a record begins, or at the first record.
    pub fn new(segment: Arc<Segment>, offset: u32) -> Self {
        let window = Window { segment: Arc::clone(&segment), start: 0, bytes: Bytes::new() };
        Self {
            segment,
            offset: offset.max(SEGMENT_HEADER_LEN),
            window,
            done: false,
            closed: false,
            repairs: Vec::new(),
        }
    }

    /// The next find; `None` behind the end.
    pub fn step(&mut self) -> Result<Option<Found>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let at = Location { segment: self.segment.id, offset: self.offset };
        if let Some(header) = self.header_at(self.offset)? {
            return self.record(at, header).map(Some);
        }
        if let Some(record) = self.repaired()? {
            self.advance(&record.header);
            return Ok(Some(Found::Record(at, record)));
        }
        let next = if self.closed { None } else { self.next_header()? };
        match next {
            Some(end) => {
                self.offset = end;
                Ok(Some(Found::Gap { at, end }))
            }
            None => {
                self.done = true;
                Ok(Some(Found::End(at)))
            }
        }
    }

    /// The bytes that make records good which were read by flipping a bit back.
    pub fn into_repairs(self) -> Vec<(Location, u8)> {
        self.repairs
    }

    fn record(&mut self, at: Location, header: Header) -> Result<Found, StoreError> {
        let bytes = self.window.get(self.offset, header.record_len() as usize)?;
        self.advance(&header);
        let end = HEADER_LEN + header.stored_bytes() as usize;
        let content = if end <= bytes.len() { bytes.slice(HEADER_LEN..end) } else { Bytes::new() };
        if header.matches_body(&content, self.segment.seeds) {
            let opened = self.opened(Record { header, content })?;
            return Ok(opened.map_or(Found::DamagedBody(at, header), |record| Found::Record(at, record)));
        }
        let repaired = self.repair(at, bytes)?;
        Ok(repaired.map_or(Found::DamagedBody(at, header), |record| Found::Record(at, record)))
    }

    fn advance(&mut self, header: &Header) {
        self.offset = self.offset.saturating_add(header.record_len() as u32);
        self.done = header.kind == Kind::SegmentEnd;
        self.closed = header.kind == Kind::Closed;
    }

    /// The record that begins here, if but one bit of its header is wrong.
    fn repaired(&mut self) -> Result<Option<Record>, StoreError> {
        let at = Location { segment: self.segment.id, offset: self.offset };
        let bytes = self.window.get(self.offset, REPAIR_BYTES_MAX)?;
        self.repair(at, bytes)
    }

    fn repair(&mut self, at: Location, damaged: Bytes) -> Result<Option<Record>, StoreError> {
        let Some(whole) = Record::decode(damaged.clone(), self.segment.seeds) else { return Ok(None) };
        let header = whole.header.encode(self.segment.seeds);
        let good = || header.iter().chain(&whole.content);
        let wrong = good().zip(&damaged).position(|(good, found)| good != found);
        let byte = wrong.and_then(|wrong| good().nth(wrong).copied());
        let opened = self.opened(whole)?;
        if let (Some(_), Some(wrong), Some(byte)) = (&opened, wrong, byte) {
            self.repairs.push((Location { offset: at.offset + wrong as u32, ..at }, byte));
        }
        Ok(opened)
    }

    /// Opens a record that is whole. Where nothing can have been sealed with the key there is, the right one is missing.
    fn opened(&self, record: Record) -> Result<Option<Record>, StoreError> {
        let keys = self.segment.keys.as_ref();
        let is_strange = record.header.is_sealed() && keys.is_none_or(SegmentKeys::is_new);
        match record.opened(keys) {
            None if is_strange => Err(StoreError::Io(
                "the journal is encrypted, and its key is missing: put back the file encryption or encryption.copy"
                    .into(),
            )),
            opened => Ok(opened),
        }
    }

    /// The header of a record that begins at `offset` and ends within the segment.
    fn header_at(&mut self, offset: u32) -> Result<Option<Header>, StoreError> {
        let bytes = self.window.get(offset, HEADER_LEN)?;
        let left = u64::from(self.segment.len.saturating_sub(offset));
        let header = Header::decode(&bytes, self.segment.seeds);
        Ok(header.filter(|header| header.record_len() <= left))
    }

    /// Where the next record begins, looking at every place one could.
    fn next_header(&mut self) -> Result<Option<u32>, StoreError> {
        let mut offset = self.offset.saturating_add(ALIGN as u32);
        let mut bytes = vec![0; WINDOW_BYTES];
        while u64::from(offset) + HEADER_LEN as u64 <= u64::from(self.segment.len) {
            let read = self.segment.read_into(offset, &mut bytes)?;
            if read < HEADER_LEN {
                break;
            }
            if let Some(found) = self.first_in(bytes.get(..read).unwrap_or_default(), offset) {
                return Ok(Some(found));
            }
            offset += ((read - HEADER_LEN) as u32 / ALIGN as u32 + 1) * ALIGN as u32;
        }
        Ok(None)
    }

    fn first_in(&self, bytes: &[u8], offset: u32) -> Option<u32> {
        let mut place = 0;
        while place + HEADER_LEN <= bytes.len() {
            let rest = bytes.get(place..)?;
            if rest.first_chunk::<ZEROS_BYTES>() == Some(&[0; ZEROS_BYTES]) {
                place += ZEROS_BYTES;
                continue;
            }
            let at = offset + place as u32;
            let header = Header::decode(rest, self.segment.seeds);
            if header.is_some_and(|header| header.record_len() <= u64::from(self.segment.len - at)) {
                return Some(at);
            }
            place += ALIGN as usize;
        }
        None
    }
}

/// The part of the segment that is in memory.
struct Window {
    segment: Arc<Segment>,
    start: u32,
    bytes: Bytes,
}

impl Window {
    /// `len` bytes at `offset`; fewer at the end of the file.
    fn get(&mut self, offset: u32, len: usize) -> Result<Bytes, StoreError> {
        let from = offset.checked_sub(self.start).map(|from| from as usize);
        if let Some(from) = from.filter(|from| from + len <= self.bytes.len()) {
            return Ok(self.bytes.slice(from..from + len));
        }
        self.bytes = self.segment.read(offset, len.max(WINDOW_BYTES))?;
        self.start = offset;
        Ok(self.bytes.slice(..len.min(self.bytes.len())))
    }
}
