//! What a checkpoint stores besides pages: one record per stream, and the root that lists them.

use super::Lsn;
use super::index::pages::StoredPage;
use super::index::varint::{self, Reader};
use super::journal::model::Deletion;
use super::journal::record::Location;
use super::journal::usage::Placed;

/// The version of the catalogue's format. Another version is not read but rebuilt.
const CATALOG_VERSION: u64 = 3;

/// The root: where to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Root {
    /// The checkpoint's number.
    pub number: u32,
    /// The journal is to be replayed from here.
    pub replay_from: Lsn,
    /// The highest stream number given so far.
    pub last_stream: u32,
    /// Where the streams' records are stored.
    pub streams: Vec<(u32, StoredPage)>,
    /// Bytes of live tombstones: segment, segment they name, bytes.
    pub tombstones: Vec<(u32, u32, u64)>,
    /// Segments being copied forward, and the first that may hold a copy.
    pub compactions: Vec<(u32, u32)>,
    /// Deletion records.
    pub deletions: Vec<Deletion>,
    /// Values to delete with the next checkpoint.
    pub garbage: Vec<Vec<u8>>,
}

/// A stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamRecord {
    /// The account it belongs to.
    pub account: String,
    /// Its name.
    pub name: String,
    /// What the owner stored with it.
    pub meta: Vec<u8>,
    /// Records of the stream below this are part of what is stored.
    pub up_to: Lsn,
    /// Its latest creation or update record.
    pub put: Option<Placed>,
    /// Its latest state record.
    pub state: Option<Placed>,
    /// The first segment that may hold a record of it.
    pub oldest: u32,
    /// Live messages.
    pub messages: u64,
    /// Their accounted bytes.
    pub bytes: u64,
    /// The first live message.
    pub first_seq: u64,
    /// The last sequence ever given.
    pub last_seq: u64,
    /// When the last message was stored.
    pub last_ts: i64,
    /// No message above has headers.
    pub headers_up_to: u64,
    /// Live bytes by segment.
    pub live: Vec<(u32, u64)>,
    /// Distinct subjects.
    pub subjects: u64,
    /// The directory of the sequence pages.
    pub seq_chunks: Vec<(u64, StoredPage)>,
    /// The directory of the subject pages.
    pub subject_chunks: Vec<(u64, StoredPage)>,
    /// Consumers by name.
    pub consumers: Vec<ConsumerRecord>,
}

/// A consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Its name.
    pub name: String,
    /// The first segment that may hold a record of it.
    pub oldest: u32,
    /// Its latest creation or update record.
    pub config: Option<Placed>,
    /// Its latest state.
    pub state: Option<Placed>,
    /// Changes since.
    pub deltas: Vec<Placed>,
}

/// The key of the root; two take turns, so that the one before stays whole.
pub fn root_key(number: u32) -> Vec<u8> {
    vec![b'C', (number % 2) as u8]
}

/// The key of a stream's record.
pub fn stream_key(stream: u32, checkpoint: u32) -> Vec<u8> {
    let mut key = vec![b'S'];
    key.extend_from_slice(&stream.to_be_bytes());
    key.extend_from_slice(&checkpoint.to_be_bytes());
    key
}

impl Root {
    /// The bytes stored, with their own checksum at the end.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put(&mut out, CATALOG_VERSION);
        varint::put(&mut out, u64::from(self.number));
        varint::put(&mut out, self.replay_from.0);
        varint::put(&mut out, u64::from(self.last_stream));
        put_list(&mut out, &self.streams, |out, (stream, stored)| {
            varint::put(out, u64::from(*stream));
            stored.encode(out);
        });
        put_list(&mut out, &self.tombstones, |out, (segment, named, bytes)| {
            varint::put(out, u64::from(*segment));
            varint::put(out, u64::from(*named));
            varint::put(out, *bytes);
        });
        put_list(&mut out, &self.compactions, |out, (victim, first)| {
            varint::put(out, u64::from(*victim));
            varint::put(out, u64::from(*first));
        });
        put_list(&mut out, &self.deletions, |out, deletion| {
            put_placed(out, &deletion.placed);
            varint::put(out, u64::from(deletion.oldest));
            varint::put(out, u64::from(deletion.newest));
        });
        put_list(&mut out, &self.garbage, |out, key| varint::put_prefixed(out, key));
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads what [`Root::encode`] wrote; `None` when it is damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let reader = &mut Reader::new(body);
        if reader.number()? != CATALOG_VERSION {
            return None;
        }
        Some(Self {
            number: reader.small()?,
            replay_from: Lsn(reader.number()?),
            last_stream: reader.small()?,
            streams: list(reader, |reader| Some((reader.small()?, StoredPage::decode(reader)?)))?,
            tombstones: list(reader, |reader| Some((reader.small()?, reader.small()?, reader.number()?)))?,
            compactions: list(reader, |reader| Some((reader.small()?, reader.small()?)))?,
            deletions: list(reader, |reader| {
                Some(Deletion { placed: placed(reader)?, oldest: reader.small()?, newest: reader.small()? })
            })?,
            garbage: list(reader, |reader| Some(reader.prefixed()?.to_vec()))?,
        })
    }
}

impl StreamRecord {
    /// The bytes stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put_prefixed(&mut out, self.account.as_bytes());
        varint::put_prefixed(&mut out, self.name.as_bytes());
        varint::put_prefixed(&mut out, &self.meta);
        varint::put(&mut out, self.up_to.0);
        put_list(&mut out, self.put.as_slice(), put_placed);
        put_list(&mut out, self.state.as_slice(), put_placed);
        varint::put(&mut out, u64::from(self.oldest));
        for number in [self.messages, self.bytes, self.first_seq, self.last_seq] {
            varint::put(&mut out, number);
        }
        varint::put_signed(&mut out, self.last_ts);
        varint::put(&mut out, self.headers_up_to);
        put_list(&mut out, &self.live, |out, (segment, bytes)| {
            varint::put(out, u64::from(*segment));
            varint::put(out, *bytes);
        });
        varint::put(&mut out, self.subjects);
        put_list(&mut out, &self.seq_chunks, put_chunk);
        put_list(&mut out, &self.subject_chunks, put_chunk);
        put_list(&mut out, &self.consumers, |out, consumer| consumer.encode(out));
        out
    }

    /// Reads what [`StreamRecord::encode`] wrote; the caller has checked its checksum.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let reader = &mut Reader::new(bytes);
        Some(Self {
            account: text(reader)?,
            name: text(reader)?,
            meta: reader.prefixed()?.to_vec(),
            up_to: Lsn(reader.number()?),
            put: list(reader, placed)?.pop(),
            state: list(reader, placed)?.pop(),
            oldest: reader.small()?,
            messages: reader.number()?,
            bytes: reader.number()?,
            first_seq: reader.number()?,
            last_seq: reader.number()?,
            last_ts: reader.signed()?,
            headers_up_to: reader.number()?,
            live: list(reader, |reader| Some((reader.small()?, reader.number()?)))?,
            subjects: reader.number()?,
            seq_chunks: list(reader, chunk)?,
            subject_chunks: list(reader, chunk)?,
            consumers: list(reader, ConsumerRecord::decode)?,
        })
    }
}

impl ConsumerRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        varint::put_prefixed(out, self.name.as_bytes());
        varint::put(out, u64::from(self.oldest));
        put_list(out, self.config.as_slice(), put_placed);
        put_list(out, self.state.as_slice(), put_placed);
        put_list(out, &self.deltas, put_placed);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            name: text(reader)?,
            oldest: reader.small()?,
            config: list(reader, placed)?.pop(),
            state: list(reader, placed)?.pop(),
            deltas: list(reader, placed)?,
        })
    }
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    varint::put(out, items.len() as u64);
    items.iter().for_each(|item| put(out, item));
}

fn list<T>(reader: &mut Reader<'_>, read: impl Fn(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let count = usize::try_from(reader.number()?).ok().filter(|count| *count <= reader.remaining())?;
    (0..count).map(|_| read(reader)).collect()
}

fn put_placed(out: &mut Vec<u8>, placed: &Placed) {
    varint::put(out, u64::from(placed.at.segment));
    varint::put(out, u64::from(placed.at.offset));
    varint::put(out, u64::from(placed.len));
}

fn placed(reader: &mut Reader<'_>) -> Option<Placed> {
    let at = Location { segment: reader.small()?, offset: reader.small()? };
    Some(Placed { at, len: reader.small()? })
}

fn put_chunk(out: &mut Vec<u8>, (chunk, stored): &(u64, StoredPage)) {
    varint::put(out, *chunk);
    stored.encode(out);
}

fn chunk(reader: &mut Reader<'_>) -> Option<(u64, StoredPage)> {
    Some((reader.number()?, StoredPage::decode(reader)?))
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    String::from_utf8(reader.prefixed()?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed_at(offset: u32) -> Placed {
        Placed { at: Location { segment: 3, offset }, len: 48 }
    }

    fn root() -> Root {
        Root {
            number: 7,
            replay_from: Lsn(99),
            last_stream: 4,
            streams: vec![
                (1, StoredPage { checkpoint: 6, crc: 77, at: 0, len: 0 }),
                (4, StoredPage { checkpoint: 7, crc: 78, at: 0, len: 0 }),
            ],
            tombstones: vec![(3, 1, 500)],
            compactions: vec![(1, 3)],
            deletions: vec![Deletion { placed: placed_at(8), oldest: 1, newest: 2 }],
            garbage: vec![b"key".to_vec()],
        }
    }

    #[test]
    fn a_root_survives_the_round_trip_and_notices_any_flipped_bit() {
        let bytes = root().encode();
        assert_eq!(Root::decode(&bytes), Some(root()));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Root::decode(&damaged), None);
        }
    }

    #[test]
    fn a_stream_survives_the_round_trip_and_is_never_read_past_its_end() {
        let record = StreamRecord {
            account: "A".into(),
            name: "S".into(),
            meta: b"meta".to_vec(),
            up_to: Lsn(1 << 40),
            put: Some(placed_at(64)),
            state: None,
            oldest: 1,
            messages: 10,
            bytes: 1000,
            first_seq: 1,
            last_seq: 12,
            last_ts: -5,
            headers_up_to: 11,
            live: vec![(1, 200), (3, 900)],
            subjects: 2,
            seq_chunks: vec![(0, StoredPage { checkpoint: 7, crc: 1, at: 12, len: 700 })],
            subject_chunks: vec![(0, StoredPage { checkpoint: 5, crc: 2, at: 9, len: 300 })],
            consumers: vec![ConsumerRecord {
                name: "C".into(),
                oldest: 2,
                config: Some(placed_at(128)),
                state: None,
                deltas: vec![placed_at(256), placed_at(512)],
            }],
        };
        let bytes = record.encode();
        assert_eq!(StreamRecord::decode(&bytes), Some(record));
        for len in 0..bytes.len() {
            assert_eq!(StreamRecord::decode(&bytes[..len]), None);
        }
    }
}
