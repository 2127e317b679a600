//! What the records of the journal add up to.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;

use super::body;
use super::files::SegmentFiles;
use super::record::{Header, Kind, Location, Record, record_len};
use super::usage::{Placed, SegmentUse, Usage};
use crate::index::{Entry, subject_tag};
use crate::stream_index::StreamIndex;
use crate::{Lsn, StoreError};

/// A stream as the journal tells it.
pub struct ModelStream {
    /// The account it belongs to.
    pub account: String,
    /// Its name; empty when its creation record was lost.
    pub name: String,
    /// What the owner stored with it.
    pub meta: Bytes,
    /// Its latest creation or update record.
    pub put: Option<Placed>,
    /// The first segment that may hold a record of it.
    pub oldest: u32,
    /// Its messages.
    pub index: StreamIndex,
    /// Its latest state record.
    pub state: Option<Placed>,
    /// Messages below are gone.
    pub floor: u64,
    /// Its last message is gone, and no state record says which sequence that had.
    pub end_untold: bool,
    /// Its consumers by name.
    pub consumers: BTreeMap<String, ModelConsumer>,
    /// Records of this stream below this position are part of what was loaded.
    pub loaded_up_to: Lsn,
    /// [`Model::doubts`] when its end was known last.
    pub settled: u64,
}

/// Bytes the shortest message takes.
const MESSAGE_BYTES_MIN: u64 = record_len(1);

/// A consumer as the journal tells it.
#[derive(Debug, Clone, Default)]
pub struct ModelConsumer {
    /// What the owner stored with it.
    pub config: Option<(Bytes, Placed)>,
    /// Its latest state; no bytes when it only says that earlier deltas are void.
    pub state: Option<(Option<Bytes>, Placed)>,
    /// What has changed since, in order.
    pub deltas: Vec<(Bytes, Placed)>,
    /// The first segment that may hold a record of it.
    pub oldest: u32,
}

/// In the sequence field of a consumer state record: there is no state, but deltas before the record are void.
pub const NO_STATE: u64 = 1;

/// A record that says that a stream or consumer is gone. It is wanted as long as a segment exists that may hold records of
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// The record.
    pub placed: Placed,
    /// The first segment that may hold a record of what is gone.
    pub oldest: u32,
    /// The segment it was deleted in: no later one holds a record of it.
    pub newest: u32,
}

/// All streams, and the records that say what is gone.
#[derive(Default)]
pub struct Model {
    /// Streams by number.
    pub streams: BTreeMap<u32, ModelStream>,
    /// Deletion records.
    pub deletions: Vec<Deletion>,
    /// Tombstone records: where, how long, and which segment they name.
    pub tombstones: Vec<(Placed, u32)>,
    /// Bytes of tombstones the checkpoint has counted: segment, segment they name, bytes.
    pub tombstone_bytes: Vec<(u32, u32, u64)>,
    /// Segments whose copying forward was begun, and the first that may hold copies.
    pub compactions: BTreeMap<u32, u32>,
    /// The latest complete checkpoint.
    pub checkpoint: u32,
    /// The highest stream number seen.
    pub last_stream: u32,
    /// Streams that were deleted; what is left of their records is void.
    pub deleted: HashSet<u32>,
    /// Streams whose ends are known only from damaged records, or from records that may go.
    pub unsure: HashSet<u32>,
    /// Messages that may have lain in places of which nothing can be read, all together.
    pub doubts: u64,
}

impl ModelStream {
    /// A stream of which nothing is known but its number.
    pub fn new(stream: u32, oldest: u32) -> Self {
        Self {
            account: String::new(),
            name: String::new(),
            meta: Bytes::new(),
            put: None,
            oldest,
            index: StreamIndex::new(stream),
            state: None,
            floor: 0,
            end_untold: false,
            consumers: BTreeMap::new(),
            loaded_up_to: Lsn::ZERO,
            settled: 0,
        }
    }
}

impl Model {
    /// Takes in a record.
    pub fn apply(&mut self, at: Location, record: &Record, files: &SegmentFiles) -> Result<(), StoreError> {
        let header = &record.header;
        let placed = Placed { at, len: header.record_len() as u32 };
        self.note_number(header.stream);
        if header.kind == Kind::Tombstones {
            self.tombstones.push((placed, header.seq as u32));
        }
        if self.is_loaded(header.stream, at) {
            return Ok(());
        }
        match header.kind {
            Kind::Message => self.message(placed, record),
            Kind::Tombstones => self.remove(at, record, files),
            Kind::StreamState => self.state(placed, record, files),
            Kind::StreamPut => self.put(placed, record),
            Kind::StreamDelete => self.delete(placed, header),
            Kind::ConsumerPut => {
                self.consumer(placed, record, |consumer, body| consumer.config = Some((body, placed)))
            }
            Kind::ConsumerDelete => self.delete_consumer(placed, record),
            Kind::ConsumerState => self.consumer(placed, record, |consumer, body| {
                let state = (header.seq != NO_STATE).then_some(body);
                consumer.state = Some((state, placed));
                consumer.deltas.clear();
            }),
            Kind::ConsumerDelta => {
                self.consumer(placed, record, |consumer, body| consumer.deltas.push((body, placed)))
            }
            Kind::Compaction => {
                self.copied(header.seq as u32, at.segment);
                Ok(())
            }
            Kind::Checkpoint => {
                self.checkpoint = self.checkpoint.max(header.seq as u32);
                Ok(())
            }
            Kind::Torn if self.knows_stream(header.stream) => {
                self.lose(at, header);
                Ok(())
            }
            Kind::SegmentEnd | Kind::Torn | Kind::Closed | Kind::Opened => Ok(()),
        }
    }

    /// A stream had this number: none will have it again.
    pub fn note_number(&mut self, stream: u32) {
        self.last_stream = self.last_stream.max(stream);
    }

    /// Whether there is a stream of this number.
    pub fn knows_stream(&self, stream: u32) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Whether another stream has the name of the one that a record configures.
    pub fn has_namesake(&self, record: &Record) -> bool {
        let (account, name) = (text(&record.headers()), text(&record.subject()));
        let mut others = self.streams.iter().filter(|(number, _)| **number != record.header.stream);
        others.any(|(_, other)| other.account == account && other.name == name)
    }

    /// A record was lost whose header is whole: a sequence it gave must not be given again.
    pub fn lose(&mut self, at: Location, header: &Header) {
        self.note_number(header.stream);
        let (last_seq, last_ts) = match header.kind {
            Kind::Message | Kind::Torn => (header.seq, header.ts),
            Kind::StreamState => (header.ts as u64, 0),
            _ => return,
        };
        if self.deleted.contains(&header.stream) || self.is_loaded(header.stream, at) {
            return;
        }
        let stream = self.stream(header.stream, at.segment);
        if last_seq > stream.index.last_seq {
            stream.index.skip_to(last_seq, last_ts.max(stream.index.last_ts));
            self.unsure.insert(header.stream);
        }
    }

    /// Nothing is known of so many bytes: there may have been messages of any stream in them.
    pub fn doubt(&mut self, bytes: u64) {
        self.doubts += bytes / MESSAGE_BYTES_MIN;
    }

    /// Everything has been read: sequences that may have been given to messages of which nothing is known are passed over.
    pub fn settle(&mut self) {
        for (number, stream) in &mut self.streams {
            let doubts = self.doubts.saturating_sub(stream.settled);
            stream.settled = self.doubts;
            if doubts > 0 {
                let last_ts = stream.index.last_ts;
                stream.index.skip_to(stream.index.last_seq.saturating_add(doubts), last_ts);
            }
            if doubts > 0 || stream.end_untold {
                self.unsure.insert(*number);
            }
        }
    }

    /// Which segment is how full, when the journal goes on at `end`. What emptied a segment may have been read behind the last
    /// checkpoint, from which the next start would read the segment once more: it stays until another one covers the end.
    pub fn usage(&self, files: &SegmentFiles, end: Location) -> Result<Usage, StoreError> {
        let mut usage = Usage::default();
        for id in files.ids() {
            let account = SegmentUse { len: files.len_of(id), ..SegmentUse::default() };
            usage.add_segment(id, account);
        }
        self.streams.iter().for_each(|(number, stream)| stream.count(*number, &mut usage));
        let replayed =
            self.tombstones.iter().map(|(placed, named)| (placed.at.segment, *named, u64::from(placed.len)));
        let tombstones = self.tombstone_bytes.iter().copied().chain(replayed);
        for (segment, named, bytes) in tombstones.filter(|(_, named, _)| files.exists(*named)) {
            usage.add_tombstones(segment, named, bytes);
        }
        for deletion in self.deletions.iter().filter(|deletion| deletion.is_wanted(files)) {
            usage.add(deletion.placed.at.segment, u64::from(deletion.placed.len));
        }
        for (victim, first_copy) in &self.compactions {
            usage.compaction_started(*victim, *first_copy);
        }
        for id in files.ids().into_iter().filter(|id| *id < end.segment) {
            usage.seal(id, None, end.into());
        }
        Ok(usage)
    }

    fn is_loaded(&self, stream: u32, at: Location) -> bool {
        self.streams.get(&stream).is_some_and(|stream| Lsn::from(at) < stream.loaded_up_to)
    }

    fn stream(&mut self, number: u32, segment: u32) -> &mut ModelStream {
        let settled = self.doubts;
        self.streams
            .entry(number)
            .or_insert_with(|| ModelStream { settled, ..ModelStream::new(number, segment) })
    }

    fn message(&mut self, placed: Placed, record: &Record) -> Result<(), StoreError> {
        let header = &record.header;
        if self.deleted.contains(&header.stream) {
            return Ok(());
        }
        let settled = self.doubts;
        let stream = self.stream(header.stream, placed.at.segment);
        if header.seq < stream.floor {
            return Ok(());
        }
        if header.seq > stream.index.last_seq {
            stream.settled = settled;
            stream.end_untold = false;
        }
        let subject = record.subject();
        let entry = Entry {
            at: placed.at,
            content_bytes: header.content_bytes() as u32,
            tag: subject_tag(&subject),
            has_headers: header.headers_len > 0,
            sealed: header.is_sealed(),
        };
        let moved = stream.index.insert(header.seq, header.ts, &subject, entry)?;
        moved.iter().for_each(|original| self.copied(original.at.segment, placed.at.segment));
        Ok(())
    }

    /// Segment `victim` has a copy in `to`. What announced that may be lost.
    fn copied(&mut self, victim: u32, to: u32) {
        if victim < to {
            self.compactions.entry(victim).or_insert(to);
        }
    }

    fn remove(&mut self, at: Location, record: &Record, files: &SegmentFiles) -> Result<(), StoreError> {
        let header = &record.header;
        if self.deleted.contains(&header.stream) {
            return Ok(());
        }
        let seqs = body::decode_seqs(&record.payload()).unwrap_or_default();
        let stream = self.stream(header.stream, at.segment);
        let mut originals = BTreeSet::new();
        for seq in seqs {
            if let Some(entry) = stream.index.remove(seq, None, files)? {
                originals.insert(entry.at.segment);
                stream.end_untold |= seq == stream.index.last_seq;
            }
        }
        // A copy was removed that is lost.
        originals.into_iter().for_each(|original| self.copied(original, header.seq as u32));
        Ok(())
    }

    fn state(&mut self, placed: Placed, record: &Record, files: &SegmentFiles) -> Result<(), StoreError> {
        let header = &record.header;
        if self.deleted.contains(&header.stream) {
            return Ok(());
        }
        let settled = self.doubts;
        let stream = self.stream(header.stream, placed.at.segment);
        stream.settled = settled;
        let last_seq = header.ts as u64;
        let payload = record.payload();
        let last_ts = payload.first_chunk::<8>().map_or(0, |bytes| i64::from_le_bytes(*bytes));
        stream.state = Some(placed);
        stream.floor = stream.floor.max(header.seq);
        stream.end_untold &= last_seq < stream.index.last_seq;
        // Before the purge: beyond the end of the index it moves the end, of whose time it knows nothing.
        if last_seq > stream.index.last_seq {
            stream.index.skip_to(last_seq, last_ts);
        } else if last_seq == stream.index.last_seq {
            stream.index.last_ts = last_ts;
        }
        stream.index.purge_below(header.seq.min(last_seq.saturating_add(1)), files)?;
        Ok(())
    }

    fn put(&mut self, placed: Placed, record: &Record) -> Result<(), StoreError> {
        if self.deleted.contains(&record.header.stream) {
            return Ok(());
        }
        let stream = self.stream(record.header.stream, placed.at.segment);
        stream.name = text(&record.subject());
        stream.account = text(&record.headers());
        stream.meta = detached(&record.payload());
        stream.put = Some(placed);
        Ok(())
    }

    fn delete(&mut self, placed: Placed, header: &Header) -> Result<(), StoreError> {
        let known = self.streams.remove(&header.stream).map_or(u32::MAX, |stream| stream.oldest);
        self.deleted.insert(header.stream);
        self.unsure.remove(&header.stream);
        self.note_deletion(Deletion::of(placed, header, known));
        Ok(())
    }

    fn consumer(
        &mut self,
        placed: Placed,
        record: &Record,
        change: impl FnOnce(&mut ModelConsumer, Bytes),
    ) -> Result<(), StoreError> {
        if self.deleted.contains(&record.header.stream) {
            return Ok(());
        }
        let stream = self.stream(record.header.stream, placed.at.segment);
        let fresh = || ModelConsumer { oldest: placed.at.segment, ..ModelConsumer::default() };
        let consumer = stream.consumers.entry(text(&record.subject())).or_insert_with(fresh);
        change(consumer, detached(&record.payload()));
        Ok(())
    }

    /// The checkpoint may know of it already.
    fn note_deletion(&mut self, deletion: Deletion) {
        if !self.deletions.iter().any(|known| known.placed == deletion.placed) {
            self.deletions.push(deletion);
        }
    }

    fn delete_consumer(&mut self, placed: Placed, record: &Record) -> Result<(), StoreError> {
        let name = text(&record.subject());
        let held =
            self.streams.get_mut(&record.header.stream).and_then(|stream| stream.consumers.remove(&name));
        let known = held.map_or(u32::MAX, |consumer| consumer.oldest);
        self.note_deletion(Deletion::of(placed, &record.header, known));
        Ok(())
    }
}

impl Deletion {
    fn of(placed: Placed, header: &Header, oldest_known: u32) -> Self {
        let newest = if header.ts == 0 { placed.at.segment } else { header.ts as u32 };
        Self { placed, oldest: oldest_known.min(header.seq as u32), newest }
    }

    /// Whether a segment exists that may hold records of what is gone.
    pub fn is_wanted(&self, files: &SegmentFiles) -> bool {
        files.any_in(self.oldest, self.newest)
    }
}

impl ModelStream {
    fn count(&self, number: u32, usage: &mut Usage) {
        for (segment, bytes) in &self.index.live {
            usage.add(*segment, *bytes);
        }
        if let Some(placed) = self.state {
            usage.state_written(number, self.index.floor(), placed, Lsn::ZERO);
        }
        self.put.iter().for_each(|placed| usage.add(placed.at.segment, u64::from(placed.len)));
        for placed in self.consumers.values().flat_map(ModelConsumer::records) {
            usage.add(placed.at.segment, u64::from(placed.len));
        }
    }
}

impl ModelConsumer {
    /// The records that make up what is known of it.
    pub fn records(&self) -> impl Iterator<Item = Placed> + '_ {
        let config = self.config.iter().map(|(_, placed)| *placed);
        config
            .chain(self.state.iter().map(|(_, placed)| *placed))
            .chain(self.deltas.iter().map(|(_, placed)| *placed))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A copy of its own, so that it does not keep the buffer alive it was read with.
fn detached(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
