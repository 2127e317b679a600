//! A message block: records one after the other.
//!
//! ```text
//! length       4   of the record; its highest bit says that there are headers
//! sequence     8   its highest bit: erased; the one below: another message is deleted
//! timestamp    8
//! subject      2 + length
//! headers      4 + length, if there are any
//! payload
//! checksum     8   HighwayHash of all but the length and the lengths inside
//! ```
//!
//! All numbers are little-endian. Backups hold blocks neither compressed nor encrypted, however the server keeps them.

use sha2::{Digest, Sha256};

use super::super::entry::Entry;
use super::super::gather::Gather;
use super::super::{RestoreError, because};
use super::building::Building;
use super::highway::HighwayHash;

const HEAD_BYTES: usize = 22;
const CHECKSUM_BYTES: usize = 8;
const HAS_HEADERS: u32 = 1 << 31;
const ERASED: u64 = 1 << 63;
const TOMBSTONE: u64 = 1 << 62;
/// A record may be longer than its message by so much: the subject, and all the lengths.
const OVERHEAD_BYTES_MAX: u64 = (1 << 16) + 64;
/// A block being read.
pub struct Block {
    number: u32,
    hash: HighwayHash,
    records: Gather,
}

/// A record taken apart.
struct Record<'a> {
    seq: u64,
    ts: i64,
    subject: &'a [u8],
    headers: &'a [u8],
    payload: &'a [u8],
    length: usize,
}

impl Block {
    /// Block `number` of a stream.
    pub fn new(stream: &str, number: u32) -> Self {
        let key = Sha256::digest(format!("{stream}-{number}"));
        Self { number, hash: HighwayHash::new(&key.into()), records: Gather::default() }
    }

    /// Takes a piece.
    pub fn feed(&mut self, piece: &[u8], building: &mut Building) -> Result<(), RestoreError> {
        let Self { number, hash, records } = self;
        let length_max = building.message_bytes_max() + OVERHEAD_BYTES_MAX;
        records.feed(piece, |bytes| {
            let record = Record::read(bytes, length_max, hash).ok_or_else(|| damaged(*number))?;
            let Some(record) = record else { return Ok(None) };
            take(&record, building)?;
            Ok(Some(record.length))
        })
    }

    /// The block has come to its end.
    pub fn finish(self) -> Result<(), RestoreError> {
        if self.records.is_empty() { Ok(()) } else { Err(damaged(self.number)) }
    }
}

fn damaged(number: u32) -> RestoreError {
    because(format!("message block {number} is damaged or encrypted"))
}

fn take(record: &Record<'_>, building: &mut Building) -> Result<(), RestoreError> {
    let Record { seq, ts, subject, headers, payload, .. } = *record;
    let number = seq & !(ERASED | TOMBSTONE);
    if seq & TOMBSTONE != 0 {
        building.end_at(number, ts);
        return building.remove(number);
    }
    if number == 0 || number <= building.last_seq() {
        return Ok(());
    }
    if seq & ERASED != 0 {
        building.end_at(number, 0);
        return Ok(());
    }
    if building.last_seq() == 0 {
        building.begin_at(number, ts)?;
    }
    building.message(&Entry { name: subject, ts, seq, headers, payload })
}

impl<'a> Record<'a> {
    /// `None` for what is no record, `Some(None)` for one that is not whole.
    fn read(bytes: &'a [u8], length_max: u64, hash: &HighwayHash) -> Option<Option<Self>> {
        let Some(head) = bytes.get(..HEAD_BYTES) else { return Some(None) };
        let marked_length = u32::from_le_bytes(*head.first_chunk()?);
        let length = marked_length & !HAS_HEADERS;
        if u64::from(length) > length_max || (length as usize) < HEAD_BYTES + CHECKSUM_BYTES {
            return None;
        }
        let Some(record) = bytes.get(..length as usize) else { return Some(None) };
        let (content, checksum) = record.get(HEAD_BYTES..)?.split_last_chunk::<CHECKSUM_BYTES>()?;
        let subject_bytes = u16::from_le_bytes(*head.last_chunk()?);
        let (subject, content) = content.split_at_checked(subject_bytes.into())?;
        let (headers, payload, hashed) = if marked_length & HAS_HEADERS == 0 {
            (&[][..], content, content)
        } else {
            let (header_bytes, content) = content.split_first_chunk::<4>()?;
            let header_bytes = u32::from_le_bytes(*header_bytes) as usize;
            let (headers, payload) = content.split_at_checked(header_bytes)?;
            (headers, payload, content)
        };
        let mut hash = hash.clone();
        hash.write(head.get(4..20)?);
        hash.write(subject);
        hash.write(hashed);
        if hash.finish().to_le_bytes() != *checksum {
            return None;
        }
        let seq = u64::from_le_bytes(*head.get(4..)?.first_chunk()?);
        let ts = i64::from_le_bytes(*head.get(12..)?.first_chunk()?);
        Some(Some(Self { seq, ts, subject, headers, payload, length: length as usize }))
    }
}
