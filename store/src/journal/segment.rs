//! One file of the journal, and its header.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::Bytes;

use super::record::{Record, Seeds};
use super::repair;
use crate::StoreError;
use crate::disk::DiskFile;
use crate::error::io_error;
use crate::sealing::SegmentKeys;

/// Bytes of a segment before its first record.
pub const SEGMENT_HEADER_LEN: u32 = 64;

/// Bytes behind the last record that a segment takes: its header once more.
pub const SEGMENT_TRAILER_LEN: u32 = SEGMENT_HEADER_LEN;

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// The version of segments that may hold sealed records.
pub const SEALED_VERSION: u32 = 2;

type Block = [u8; SEGMENT_HEADER_LEN as usize];

const NO_BLOCK: Block = [0; SEGMENT_HEADER_LEN as usize];

const MAGIC: [u8; 8] = *b"\x89HWJ\r\n\x1a\n";

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The segment's id; ids only grow.
    pub id: u32,
    /// Random; the checksums of all its records start from it.
    pub salt: u64,
    /// Length of the file.
    pub len: u32,
    /// [`FORMAT_VERSION`] or [`SEALED_VERSION`].
    pub version: u32,
}

/// Why a file is not a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotASegment {
    /// It is of a later version than this program knows.
    Newer(u32),
    /// It was never a segment, or its header is damaged.
    Unreadable,
    /// The disk does not say.
    NotRead(ErrorKind),
}

impl SegmentHeader {
    /// The bytes on disk.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_LEN as usize] {
        let mut out = [0; SEGMENT_HEADER_LEN as usize];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&self.version.to_le_bytes());
        out[12..16].copy_from_slice(&self.id.to_le_bytes());
        out[16..24].copy_from_slice(&self.salt.to_le_bytes());
        out[24..28].copy_from_slice(&self.len.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotASegment> {
        let bytes: &[u8; SEGMENT_HEADER_LEN as usize] = bytes
            .get(..SEGMENT_HEADER_LEN as usize)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(NotASegment::Unreadable)?;
        let word =
            |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        if bytes[..8] != MAGIC || word(60) != crc32c::crc32c(&bytes[..60]) {
            return Err(NotASegment::Unreadable);
        }
        match word(8) {
            version @ (FORMAT_VERSION | SEALED_VERSION) => {
                let salt = u64::from(word(16)) | u64::from(word(20)) << 32;
                Ok(Self { id: word(12), salt, len: word(24), version })
            }
            version => Err(NotASegment::Newer(version)),
        }
    }
}

/// The header of the file of segment `id`, and whether it had to be made good: from its copy at the file's end, or by
/// flipping one bit back.
pub fn find_header(file: &dyn DiskFile, id: u32) -> Result<(SegmentHeader, bool), NotASegment> {
    let first = read_block(file, 0);
    match SegmentHeader::decode(block_or_none(&first)) {
        Ok(header) if header.id == id => return Ok((header, false)),
        Err(newer @ NotASegment::Newer(_)) => return Err(newer),
        _ => {}
    }
    let len = file.len().map_err(|error| NotASegment::NotRead(error.kind()))?;
    let last = read_block(file, len.saturating_sub(u64::from(SEGMENT_TRAILER_LEN)));
    let repaired = repair::sealed(block_or_none(&first)).unwrap_or(NO_BLOCK);
    for block in [block_or_none(&last), &repaired] {
        match SegmentHeader::decode(block) {
            Ok(header) if header.id == id && u64::from(header.len) == len => return Ok((header, true)),
            Err(newer @ NotASegment::Newer(_)) => return Err(newer),
            _ => {}
        }
    }
    let failed = first.err().or(last.err());
    Err(failed.map_or(NotASegment::Unreadable, |error| NotASegment::NotRead(error.kind())))
}

fn read_block(file: &dyn DiskFile, offset: u64) -> io::Result<Block> {
    let mut block = NO_BLOCK;
    file.read_at(&mut block, offset)?;
    Ok(block)
}

/// One of the two is enough: what cannot be read is no header.
fn block_or_none(read: &io::Result<Block>) -> &Block {
    read.as_ref().unwrap_or(&NO_BLOCK)
}

/// An open segment.
pub struct Segment {
    /// Its id.
    pub id: u32,
    /// What its checksums start from.
    pub seeds: Seeds,
    /// Length of the file.
    pub len: u32,
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// What seals and opens its records, in an encrypted store.
    pub keys: Option<SegmentKeys>,
}

impl Segment {
    /// Reads `len` bytes at `offset`; fewer at the end of the file.
    pub fn read(&self, offset: u32, len: usize) -> Result<Bytes, StoreError> {
        let mut buf = vec![0; len];
        let read =
            self.file.read_at(&mut buf, u64::from(offset)).map_err(|error| self.error("read", &error))?;
        buf.truncate(read);
        Ok(buf.into())
    }

    /// Fills `buf` from `offset` on; returns how much of it, less than all at the end of the file.
    pub fn read_into(&self, offset: u32, buf: &mut [u8]) -> Result<usize, StoreError> {
        self.file.read_at(buf, u64::from(offset)).map_err(|error| self.error("read", &error))
    }

    /// Writes `bytes` at `offset`.
    pub fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_at(bytes, u64::from(offset)).map_err(|error| self.error("write", &error))
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| self.error("sync", &error))
    }

    /// Takes a record apart; `None` when it is damaged.
    pub fn record(&self, bytes: Bytes) -> Option<Record> {
        Record::decode(bytes, self.seeds)?.opened(self.keys.as_ref())
    }

    /// Takes a record apart that never left memory.
    pub fn trusted(&self, bytes: Bytes) -> Option<Record> {
        Record::trust(bytes, self.seeds)?.opened(self.keys.as_ref())
    }

    fn error(&self, verb: &str, error: &std::io::Error) -> StoreError {
        io_error(&format!("{verb} journal segment {}", self.id), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_round_trip_and_any_flipped_bit_is_noticed_and_found() {
        let header =
            SegmentHeader { id: 7, salt: 0x0123_4567_89ab_cdef, len: 1 << 24, version: FORMAT_VERSION };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&damaged), Err(NotASegment::Unreadable));
            let repaired = repair::sealed(&damaged).unwrap();
            assert_eq!(SegmentHeader::decode(&repaired), Ok(header));
        }
    }

    #[test]
    fn two_flipped_bits_are_one_too_many() {
        let mut bytes = SegmentHeader { id: 7, salt: 1, len: 1 << 24, version: FORMAT_VERSION }.encode();
        bytes[17] ^= 1;
        bytes[62] ^= 4;
        let repaired = repair::sealed(&bytes).map(|bytes| SegmentHeader::decode(&bytes));
        assert!(matches!(repaired, None | Some(Err(NotASegment::Unreadable))), "{repaired:?}");
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut bytes = SegmentHeader { id: 7, salt: 1, len: 1 << 24, version: FORMAT_VERSION }.encode();
        bytes[8] = 3;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(NotASegment::Newer(3)));
    }
}
