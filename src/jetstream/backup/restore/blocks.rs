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
//! All numbers are little-endian. A compressed block begins with `cmp`, 1 and the length it had as a varint; all but its
//! last 8 bytes are compressed.

use sha2::{Digest, Sha256};

use super::super::decompress::Decompressor;
use super::super::entry::{self, Entry};
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
const COMPRESSED: &[u8; 4] = b"cmp\x01";
/// The longest beginning of a compressed block.
const COMPRESSED_HEAD_BYTES_MAX: usize = 14;

/// A block being read.
pub struct Block {
    number: u32,
    hash: HighwayHash,
    /// Bytes of the block still to come.
    left: u64,
    form: Form,
    records: Gather,
}

enum Form {
    /// Too little has come to tell.
    Unknown(Vec<u8>),
    Plain,
    Compressed(Decompressor),
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
    /// Block `number` of a stream, of this many bytes.
    pub fn new(stream: &str, number: u32, bytes: u64) -> Self {
        let key = Sha256::digest(format!("{stream}-{number}"));
        Self {
            number,
            hash: HighwayHash::new(&key.into()),
            left: bytes,
            form: Form::Unknown(Vec::new()),
            records: Gather::default(),
        }
    }

    /// Takes a piece.
    pub fn feed(&mut self, piece: &[u8], building: &mut Building) -> Result<(), RestoreError> {
        let Form::Unknown(begin) = &mut self.form else { return self.feed_known(piece, building) };
        begin.extend_from_slice(piece);
        let whole = begin.len() as u64 == self.left;
        if begin.len() < COMPRESSED_HEAD_BYTES_MAX && !whole {
            return Ok(());
        }
        let begin = std::mem::take(begin);
        let head = compressed_head(&begin);
        self.form = match head {
            Some(_) => Form::Compressed(Decompressor::default()),
            None => Form::Plain,
        };
        self.left -= head.unwrap_or(0) as u64;
        self.feed_known(begin.get(head.unwrap_or(0)..).unwrap_or_default(), building)
    }

    /// The block has come to its end.
    pub fn finish(self, _building: &mut Building) -> Result<(), RestoreError> {
        if self.records.is_empty() { Ok(()) } else { Err(damaged(self.number)) }
    }

    fn feed_known(&mut self, piece: &[u8], building: &mut Building) -> Result<(), RestoreError> {
        let compressed_left = self.left.saturating_sub(CHECKSUM_BYTES as u64);
        self.left = self.left.saturating_sub(piece.len() as u64);
        let Self { number, hash, form, records, .. } = self;
        let mut feed = |plain: &[u8]| feed_records(records, hash, *number, plain, building);
        match form {
            Form::Compressed(decompressor) => {
                let until = usize::try_from(compressed_left).unwrap_or(usize::MAX).min(piece.len());
                let (compressed, checksum) = piece.split_at(until);
                decompressor.feed(compressed, &mut feed)?;
                feed(checksum)
            }
            _ => feed(piece),
        }
    }
}

fn feed_records(
    records: &mut Gather,
    hash: &HighwayHash,
    number: u32,
    plain: &[u8],
    building: &mut Building,
) -> Result<(), RestoreError> {
    let length_max = building.message_bytes_max() + OVERHEAD_BYTES_MAX;
    records.feed(plain, |bytes| {
        let Some(record) = Record::read(bytes, length_max, hash).ok_or_else(|| damaged(number))? else {
            return Ok(None);
        };
        take(&record, building)?;
        Ok(Some(record.length))
    })
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

/// How long the head of a compressed block is; `None` if it is not compressed.
fn compressed_head(begin: &[u8]) -> Option<usize> {
    let rest = begin.strip_prefix(COMPRESSED)?;
    let mut after = rest;
    entry::take(&mut after).ok()??;
    Some(begin.len() - after.len())
}
