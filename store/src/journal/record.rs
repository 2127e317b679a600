//! One record of the journal: a fixed header with its own checksum, then subject, headers and payload with theirs.
//!
//! The header's checksum is what makes the lengths trustworthy: damage in a body costs that record and no other. Both
//! checksums start from the segment's salt, so that what a recycled file still holds of its former life never passes.

use bytes::{Buf, Bytes};
use ring::aead::NONCE_LEN;

use super::repair;
use crate::UnixNanos;
use crate::sealing::{Cipher, OVERHEAD_BYTES, SegmentKeys};

/// Bytes of a record before its subject.
pub const HEADER_LEN: usize = 40;

/// Bytes of a header that a sealed content is bound to.
const IDENTITY_LEN: usize = 32;

/// Records start at multiples of this.
pub const ALIGN: u64 = 8;

/// Longest content of one record; it bounds what a damaged length can make anyone allocate.
pub const CONTENT_BYTES_MAX: u64 = 1 << 30;

/// Where a record lies. Segment 0 does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The segment's id.
    pub segment: u32,
    /// Offset in its file; a multiple of [`ALIGN`].
    pub offset: u32,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A stored message.
    Message = 1,
    /// Messages that were removed one by one.
    Tombstones = 2,
    /// First and last sequence of a stream; messages below the first are gone.
    StreamState = 3,
    /// A stream was created or its configuration changed.
    StreamPut = 4,
    /// A stream was deleted.
    StreamDelete = 5,
    /// A consumer was created or its configuration changed.
    ConsumerPut = 6,
    /// A consumer was deleted.
    ConsumerDelete = 7,
    /// All of a consumer's state; earlier deltas are void.
    ConsumerState = 8,
    /// A change of a consumer's state.
    ConsumerDelta = 9,
    /// The segment ends here.
    SegmentEnd = 10,
    /// The commit before this record was never finished.
    Torn = 11,
    /// A segment is being copied forward.
    Compaction = 12,
    /// A checkpoint of the catalogue is complete.
    Checkpoint = 13,
    /// The store was closed in order; nothing follows.
    Closed = 14,
    /// The store had been closed in order here, and was opened again.
    Opened = 15,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        const KINDS: [Kind; 15] = [
            Kind::Message,
            Kind::Tombstones,
            Kind::StreamState,
            Kind::StreamPut,
            Kind::StreamDelete,
            Kind::ConsumerPut,
            Kind::ConsumerDelete,
            Kind::ConsumerState,
            Kind::ConsumerDelta,
            Kind::SegmentEnd,
            Kind::Torn,
            Kind::Compaction,
            Kind::Checkpoint,
            Kind::Closed,
            Kind::Opened,
        ];
        KINDS.get(usize::from(byte).checked_sub(1)?).copied()
    }

    /// Whether its content tells anything that encryption is to hide.
    fn is_private(self) -> bool {
        use Kind::*;
        matches!(self, Message | StreamPut | ConsumerPut | ConsumerDelete | ConsumerState | ConsumerDelta)
    }
}

/// The next record belongs to the same group: all of it counts, or none.
pub const FLAG_MORE: u8 = 1;

/// Everything before this record was durable when it was written.
pub const FLAG_SYNCED: u8 = 2;

/// The record belongs to a group.
pub const FLAG_GROUPED: u8 = 4;

/// The content is sealed with ChaCha20-Poly1305.
pub const FLAG_CHACHA: u8 = 8;

/// The content is sealed with AES-256-GCM.
pub const FLAG_AES: u8 = 16;

/// The flags that say what content is sealed with.
const SEALED: u8 = FLAG_CHACHA | FLAG_AES;

/// The flag of records sealed with `cipher`.
pub fn sealing_flag(cipher: Option<Cipher>) -> u8 {
    match cipher {
        None => 0,
        Some(Cipher::ChaCha) => FLAG_CHACHA,
        Some(Cipher::Aes) => FLAG_AES,
    }
}

/// What the checksums of a segment start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    /// For headers.
    pub header: u32,
    /// For bodies.
    pub body: u32,
}

impl Seeds {
    /// The seeds of a segment with this salt.
    pub fn from_salt(salt: u64) -> Self {
        Self { header: salt as u32, body: (salt >> 32) as u32 }
    }
}

/// A record about to be written.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// What it says.
    pub kind: Kind,
    /// [`FLAG_MORE`], [`FLAG_SYNCED`], [`FLAG_GROUPED`], [`FLAG_CHACHA`], [`FLAG_AES`].
    pub flags: u8,
    /// The stream it is about, 0 for none.
    pub stream: u32,
    /// Message: the stream sequence. Others: see docs/FORMAT.md.
    pub seq: u64,
    /// Message: when the server received it. Others: see docs/FORMAT.md.
    pub ts: UnixNanos,
    /// Message: its subject. Consumer records: the consumer's name.
    pub subject: &'a [u8],
    /// Message: its header block.
    pub headers: &'a [u8],
    /// Message: its body.
    pub payload: &'a [u8],
}

impl<'a> Draft<'a> {
    /// A record without a body.
    pub fn new(kind: Kind, stream: u32) -> Self {
        Self { kind, flags: 0, stream, seq: 0, ts: 0, subject: b"", headers: b"", payload: b"" }
    }

    /// Whether it fits the header's length fields.
    pub fn fits(&self) -> bool {
        self.subject.len() <= usize::from(u16::MAX) && self.content_bytes() <= CONTENT_BYTES_MAX
    }

    /// `subject + headers + payload`, in bytes.
    pub fn content_bytes(&self) -> u64 {
        (self.subject.len() + self.headers.len() + self.payload.len()) as u64
    }

    /// Bytes it takes in the journal.
    pub fn record_len(&self) -> u64 {
        record_len(self.content_bytes() + overhead(self.flags))
    }

    /// The record, to be sealed as `flag` says if its content tells anything.
    pub fn to_be_sealed(self, flag: u8) -> Self {
        if flag != 0 && self.kind.is_private() { Self { flags: self.flags | flag, ..self } } else { self }
    }

    /// Appends the record, padded to [`ALIGN`]. One that is to be sealed needs `keys`.
    pub fn encode(&self, seeds: Seeds, keys: Option<&SegmentKeys>, out: &mut Vec<u8>) {
        let header = Header {
            kind: self.kind,
            flags: self.flags,
            stream: self.stream,
            seq: self.seq,
            ts: self.ts,
            subject_len: self.subject.len() as u16,
            headers_len: self.headers.len() as u32,
            payload_len: self.payload.len() as u32,
            body_crc: 0,
        };
        match (header.cipher(), keys) {
            (Some(cipher), Some(keys)) => self.encode_sealed(header, seeds, keys, cipher, out),
            _ => self.encode_plain(header, seeds, out),
        }
        let padding = (self.record_len() - HEADER_LEN as u64 - header.stored_bytes()) as usize;
        out.extend_from_slice([0; ALIGN as usize].get(..padding).unwrap_or_default());
    }

    fn encode_plain(&self, header: Header, seeds: Seeds, out: &mut Vec<u8>) {
        let body_crc = body_crc(seeds, &[self.subject, self.headers, self.payload]);
        out.extend_from_slice(&Header { body_crc, ..header }.encode(seeds));
        self.put_content(out);
    }

    fn encode_sealed(
        &self,
        header: Header,
        seeds: Seeds,
        keys: &SegmentKeys,
        cipher: Cipher,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let body = start + HEADER_LEN;
        out.resize(body + NONCE_LEN, 0);
        self.put_content(out);
        keys.seal(cipher, &header.identity(), out, body);
        let body_crc = body_crc(seeds, &[out.get(body..).unwrap_or_default()]);
        put(out, start, &Header { body_crc, ..header }.encode(seeds));
    }

    fn put_content(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.subject);
        out.extend_from_slice(self.headers);
        out.extend_from_slice(self.payload);
    }
}

/// Bytes a record takes that has so many behind its header.
pub const fn record_len(stored_bytes: u64) -> u64 {
    (HEADER_LEN as u64 + stored_bytes).next_multiple_of(ALIGN)
}

/// Bytes that content takes beyond what it is.
fn overhead(flags: u8) -> u64 {
    if flags & SEALED != 0 { OVERHEAD_BYTES as u64 } else { 0 }
}

/// The fixed part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the record says.
    pub kind: Kind,
    /// [`FLAG_MORE`], [`FLAG_SYNCED`], [`FLAG_GROUPED`], [`FLAG_CHACHA`], [`FLAG_AES`].
    pub flags: u8,
    /// The stream it is about.
    pub stream: u32,
    /// See [`Draft::seq`].
    pub seq: u64,
    /// See [`Draft::ts`].
    pub ts: UnixNanos,
    /// Length of the subject.
    pub subject_len: u16,
    /// Length of the header block.
    pub headers_len: u32,
    /// Length of the payload.
    pub payload_len: u32,
    /// CRC-32C of everything after the header as it is stored, padding excluded.
    pub body_crc: u32,
}

impl Header {
    /// The 40 bytes on disk.
    pub fn encode(&self, seeds: Seeds) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        put(&mut out, 4, &[self.kind as u8, self.flags]);
        put(&mut out, 6, &self.subject_len.to_le_bytes());
        put(&mut out, 8, &self.headers_len.to_le_bytes());
        put(&mut out, 12, &self.payload_len.to_le_bytes());
        put(&mut out, 16, &self.stream.to_le_bytes());
        put(&mut out, 20, &self.body_crc.to_le_bytes());
        put(&mut out, 24, &self.seq.to_le_bytes());
        put(&mut out, 32, &self.ts.to_le_bytes());
        let crc = crc32c::crc32c_append(seeds.header, out.get(4..).unwrap_or_default());
        put(&mut out, 0, &crc.to_le_bytes());
        out
    }

    /// Reads a header; `None` unless its checksum holds.
    #[inline]
    pub fn decode(bytes: &[u8], seeds: Seeds) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.get(..HEADER_LEN)?.try_into().ok()?;
        let kind = Kind::from_byte(bytes[4])?;
        if crc32c::crc32c_append(seeds.header, &bytes[4..]) != u32_at(bytes, 0) {
            return None;
        }
        let header = Header {
            kind,
            flags: bytes[5],
            stream: u32_at(bytes, 16),
            seq: u64_at(bytes, 24),
            ts: u64_at(bytes, 32) as i64,
            subject_len: u16::from_le_bytes([bytes[6], bytes[7]]),
            headers_len: u32_at(bytes, 8),
            payload_len: u32_at(bytes, 12),
            body_crc: u32_at(bytes, 20),
        };
        (header.content_bytes() <= CONTENT_BYTES_MAX).then_some(header)
    }

    /// `subject + headers + payload`, in bytes.
    pub fn content_bytes(&self) -> u64 {
        u64::from(self.subject_len) + u64::from(self.headers_len) + u64::from(self.payload_len)
    }

    /// Bytes behind the header, padding excluded: the content, or what sealing has made of it.
    pub fn stored_bytes(&self) -> u64 {
        self.content_bytes() + overhead(self.flags)
    }

    /// Where that ends in the record.
    pub(super) fn stored_end(&self) -> Option<usize> {
        usize::try_from(self.stored_bytes()).ok()?.checked_add(HEADER_LEN)
    }

    /// Bytes the record takes in the journal.
    pub fn record_len(&self) -> u64 {
        record_len(self.stored_bytes())
    }

    /// Whether `stored` – what lies behind the header – is what was written.
    pub fn matches_body(&self, stored: &[u8], seeds: Seeds) -> bool {
        body_crc(seeds, &[stored]) == self.body_crc
    }

    /// Whether the content is sealed.
    pub fn is_sealed(&self) -> bool {
        self.flags & SEALED != 0
    }

    fn cipher(&self) -> Option<Cipher> {
        match self.flags & SEALED {
            0 => None,
            FLAG_AES => Some(Cipher::Aes),
            _ => Some(Cipher::ChaCha),
        }
    }

    /// What a sealed record's content is bound to: everything that makes it this record and no other.
    fn identity(&self) -> [u8; IDENTITY_LEN] {
        let mut out = [0; IDENTITY_LEN];
        put(&mut out, 0, &[self.kind as u8, 0]);
        put(&mut out, 2, &self.subject_len.to_le_bytes());
        put(&mut out, 4, &self.headers_len.to_le_bytes());
        put(&mut out, 8, &self.payload_len.to_le_bytes());
        put(&mut out, 12, &self.stream.to_le_bytes());
        put(&mut out, 16, &self.seq.to_le_bytes());
        put(&mut out, 24, &self.ts.to_le_bytes());
        out
    }

    /// Whether the next record belongs to the same group.
    pub fn has_more(&self) -> bool {
        self.flags & FLAG_MORE != 0
    }

    /// Whether the record belongs to a group.
    pub fn is_grouped(&self) -> bool {
        self.flags & FLAG_GROUPED != 0
    }

    /// Whether everything before the record was durable when it was written.
    pub fn is_synced(&self) -> bool {
        self.flags & FLAG_SYNCED != 0
    }
}

/// A record that was read whole.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its header.
    pub header: Header,
    /// Subject, headers and payload; sealed until it was opened.
    pub content: Bytes,
}

impl Record {
    /// Takes a record apart and leaves its content as it is stored; `None` when one of the checksums does not hold and no single flipped bit explains it.
    pub fn decode(bytes: Bytes, seeds: Seeds) -> Option<Self> {
        let Some(header) = Self::whole_header(&bytes, seeds) else {
            let header = repair::header(&bytes, seeds)?;
            return Self::cut(header, bytes);
        };
        let record = Self::cut(header, bytes)?;
        if record.header.matches_body(&record.content, seeds) {
            return Some(record);
        }
        let content = repair::body(&record.header, &record.content, seeds)?.into();
        Some(Self { content, ..record })
    }

    /// Takes a record apart that never left memory: only the header is checked.
    pub fn trust(bytes: Bytes, seeds: Seeds) -> Option<Self> {
        let header = Self::whole_header(&bytes, seeds)?;
        Self::cut(header, bytes)
    }

    /// The header, if what it is of is there as well.
    #[inline]
    fn whole_header(bytes: &[u8], seeds: Seeds) -> Option<Header> {
        Header::decode(bytes, seeds)
            .filter(|header| header.stored_end().is_some_and(|end| end <= bytes.len()))
    }

    #[inline]
    fn cut(header: Header, mut bytes: Bytes) -> Option<Self> {
        bytes.truncate(header.stored_end()?);
        bytes.advance(HEADER_LEN);
        Some(Self { header, content: bytes })
    }

    /// Opens the content if it is sealed; `None` when it cannot be.
    #[inline]
    pub fn opened(self, keys: Option<&SegmentKeys>) -> Option<Self> {
        let Some(cipher) = self.header.cipher() else { return Some(self) };
        let content = keys?.open(cipher, &self.header.identity(), self.content)?;
        Some(Self { content, ..self })
    }

    /// The subject, or the consumer's name.
    pub fn subject(&self) -> Bytes {
        self.content.slice(..self.subject_end())
    }

    /// The header block.
    pub fn headers(&self) -> Bytes {
        self.content.slice(self.subject_end()..self.headers_end())
    }

    /// The payload.
    pub fn payload(&self) -> Bytes {
        self.content.slice(self.headers_end()..)
    }

    fn subject_end(&self) -> usize {
        usize::from(self.header.subject_len).min(self.content.len())
    }

    fn headers_end(&self) -> usize {
        (self.subject_end() + self.header.headers_len as usize).min(self.content.len())
    }
}

/// Sets flags of an encoded record in place.
pub fn set_flags(record: &mut [u8], seeds: Seeds, flags: u8) {
    let Some(mut header) = Header::decode(record, seeds) else { return };
    header.flags |= flags;
    put(record, 0, &header.encode(seeds));
}

fn body_crc(seeds: Seeds, parts: &[&[u8]]) -> u32 {
    parts.iter().fold(seeds.body, |crc, part| crc32c::crc32c_append(crc, part))
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8; HEADER_LEN], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|field| field.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
