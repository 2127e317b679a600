//! Which streams and consumers there are, and where their records lie.

use std::collections::{BTreeMap, HashMap};

use super::journal::Journal;
use bytes::Bytes;

use super::index::pages::{Nowhere, PageWrites};
use super::journal::core::{Appended, Class};
use super::journal::files::SegmentFiles;
use super::journal::model::{Deletion, Model, ModelConsumer, ModelStream};
use super::journal::record::{Draft, Kind};
use super::journal::usage::Placed;
use super::journal_log::StreamAccess;
use super::page_file::Place;
use super::{Lsn, StoreError, StreamId};

/// Changes of a consumer's state after which its whole state should be written: they are all kept, copied forward and read
/// back at the next start.
const CONSUMER_DELTAS_MAX: usize = 256;

/// Streams and consumers of the journal. Memory streams are not in it.
#[derive(Default)]
pub struct Registry {
    pub(crate) streams: HashMap<u32, StreamEntry>,
    pub(crate) deletions: Vec<Deletion>,
    /// Where index pages of deleted streams are stored.
    pub(crate) garbage: Vec<Place>,
    last_stream: u32,
}

/// A stream's records besides its messages.
pub struct StreamEntry {
    /// The account it belongs to.
    pub account: String,
    /// Its name.
    pub name: String,
    /// What the owner stored with it.
    pub meta: Bytes,
    /// Its latest creation or update record.
    pub put: Option<Placed>,
    /// The first segment that may hold a record of it.
    pub oldest: u32,
    /// Something besides its messages has changed since the last checkpoint.
    pub changed: bool,
    /// Its messages.
    pub access: StreamAccess,
    /// Its consumers.
    pub consumers: BTreeMap<String, ConsumerEntry>,
}

/// A consumer's records.
#[derive(Debug, Default)]
pub struct ConsumerEntry {
    /// Its latest creation or update record.
    pub config: Option<Placed>,
    /// Its latest state.
    pub state: Option<Placed>,
    /// Changes since.
    pub deltas: Vec<Placed>,
    /// The first segment that may hold a record of it.
    pub oldest: u32,
}

impl Registry {
    /// What recovery has found; `access` makes a stream's index reachable.
    pub fn recovered(model: &Model, files: &SegmentFiles) -> Self {
        // The others are not counted as live either, see `Model::usage`.
        let deletions =
            model.deletions.iter().filter(|deletion| deletion.is_wanted(files)).cloned().collect();
        Self { deletions, last_stream: model.last_stream, ..Self::default() }
    }

    /// Takes in a recovered stream.
    pub fn adopt(&mut self, number: u32, stream: &ModelStream, access: StreamAccess) {
        let consumers =
            stream.consumers.iter().map(|(name, held)| (name.clone(), ConsumerEntry::from(held))).collect();
        let entry = StreamEntry {
            account: stream.account.clone(),
            name: stream.name.clone(),
            meta: stream.meta.clone(),
            changed: stream.index.changed,
            put: stream.put,
            oldest: stream.oldest,
            access,
            consumers,
        };
        self.streams.insert(number, entry);
        if stream.put.is_none() && !stream.name.is_empty() {
            self.record_anew(number, &stream.meta);
        }
    }

    /// The catalogue knows a stream whose record is lost: the journal must know it again.
    fn record_anew(&mut self, number: u32, meta: &[u8]) {
        if let Err(error) = self.update(StreamId(number), None, meta) {
            log::error!("journal: stream number {number} cannot be recorded anew: {error}");
        }
    }

    /// A number no stream ever had.
    pub fn next_stream(&mut self) -> u32 {
        self.last_stream = self.last_stream.saturating_add(1);
        self.last_stream
    }

    /// Numbers up to `number` are taken.
    pub fn number_above(&mut self, number: u32) {
        self.last_stream = self.last_stream.max(number);
    }

    /// The highest number given so far.
    pub fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Records a stream's creation.
    pub fn create(
        &mut self,
        number: u32,
        names: (&str, &str),
        meta: &[u8],
        access: StreamAccess,
    ) -> Result<Lsn, StoreError> {
        let (account, name) = names;
        let appended = put_stream(&access.journal, number, names, meta)?;
        let entry = StreamEntry {
            account: account.into(),
            name: name.into(),
            meta: Bytes::copy_from_slice(meta),
            changed: true,
            put: Some(appended.placed),
            oldest: appended.placed.at.segment,
            access,
            consumers: BTreeMap::new(),
        };
        self.streams.insert(number, entry);
        Ok(appended.lsn)
    }

    /// Records a stream's new configuration, and its names if it had lost them.
    pub fn update(
        &mut self,
        id: StreamId,
        names: Option<(&str, &str)>,
        meta: &[u8],
    ) -> Result<Lsn, StoreError> {
        let entry = self.streams.get_mut(&id.0).ok_or_else(|| no_stream(id))?;
        let journal = &entry.access.journal;
        let (account, name) = names.unwrap_or((&entry.account, &entry.name));
        let appended = put_stream(journal, id.0, (account, name), meta)?;
        if let Some((account, name)) = names {
            entry.account = account.into();
            entry.name = name.into();
        }
        release(journal, entry.put.replace(appended.placed));
        entry.meta = Bytes::copy_from_slice(meta);
        entry.changed = true;
        Ok(appended.lsn)
    }

    /// Records a stream's deletion; everything it had is void.
    pub fn delete(&mut self, id: StreamId) -> Result<Lsn, StoreError> {
        let entry = self.streams.get(&id.0).ok_or_else(|| no_stream(id))?;
        let journal = &entry.access.journal;
        let draft = Draft { seq: u64::from(entry.oldest), ..Draft::new(Kind::StreamDelete, id.0) };
        let appended = journal.append(&draft, Class::Housekeeping)?;
        if let Some(entry) = self.streams.remove(&id.0) {
            let newest = appended.placed.at.segment;
            self.deletions.push(Deletion { placed: appended.placed, oldest: entry.oldest, newest });
            let garbage = entry.release_all(id.0);
            self.garbage.extend(garbage);
        }
        Ok(appended.lsn)
    }

    /// Records a consumer's configuration.
    pub fn put_consumer(&mut self, id: StreamId, name: &str, config: &[u8]) -> Result<Lsn, StoreError> {
        let entry = self.streams.get_mut(&id.0).ok_or_else(|| no_stream(id))?;
        let appended = consumer_record(&entry.access.journal, Kind::ConsumerPut, id, name, config)?;
        entry.configure(name, appended.placed);
        Ok(appended.lsn)
    }

    /// Records a new consumer's configuration and the first change of its state, or neither.
    pub fn create_consumer(
        &mut self,
        id: StreamId,
        name: &str,
        config: &[u8],
        delta: &[u8],
    ) -> Result<Lsn, StoreError> {
        let entry = self.streams.get_mut(&id.0).ok_or_else(|| no_stream(id))?;
        let draft = |kind, payload| Draft { subject: name.as_bytes(), payload, ..Draft::new(kind, id.0) };
        let drafts = [draft(Kind::ConsumerPut, config), draft(Kind::ConsumerDelta, delta)];
        let mut lsn = Lsn::ZERO;
        for appended in entry.access.journal.append_group(&drafts, Class::Housekeeping)? {
            match lsn {
                Lsn::ZERO => entry.configure(name, appended.placed),
                _ => entry.consumers.entry(name.into()).or_default().deltas.push(appended.placed),
            }
            lsn = appended.lsn;
        }
        Ok(lsn)
    }

    /// Records a consumer's whole state.
    pub fn put_consumer_state(&mut self, id: StreamId, name: &str, state: &[u8]) -> Result<Lsn, StoreError> {
        let (consumer, journal) = self.consumer(id, name)?;
        let appended = consumer_record(journal, Kind::ConsumerState, id, name, state)?;
        release(journal, consumer.state.replace(appended.placed));
        consumer.deltas.drain(..).for_each(|delta| release(journal, Some(delta)));
        Ok(appended.lsn)
    }

    /// Records a change of a consumer's state.
    pub fn append_consumer_delta(
        &mut self,
        id: StreamId,
        name: &str,
        delta: &[u8],
    ) -> Result<Lsn, StoreError> {
        let (consumer, journal) = self.consumer(id, name)?;
        let appended = consumer_record(journal, Kind::ConsumerDelta, id, name, delta)?;
        consumer.deltas.push(appended.placed);
        Ok(appended.lsn)
    }

    /// Whether so much has changed since a consumer's last whole state that it should be written again.
    pub fn wants_consumer_state(&self, id: StreamId, name: &str) -> bool {
        let consumer = self.streams.get(&id.0).and_then(|stream| stream.consumers.get(name));
        consumer.is_some_and(|consumer| consumer.deltas.len() >= CONSUMER_DELTAS_MAX)
    }

    /// Records a consumer's deletion.
    pub fn delete_consumer(&mut self, id: StreamId, name: &str) -> Result<Lsn, StoreError> {
        let (consumer, journal) = self.consumer(id, name)?;
        let draft = Draft {
            seq: u64::from(consumer.oldest),
            subject: name.as_bytes(),
            ..Draft::new(Kind::ConsumerDelete, id.0)
        };
        let appended = journal.append(&draft, Class::Housekeeping)?;
        let oldest = consumer.oldest;
        consumer.records().for_each(|placed| release(journal, Some(placed)));
        if let Some(entry) = self.streams.get_mut(&id.0) {
            entry.consumers.remove(name);
        }
        let newest = appended.placed.at.segment;
        self.deletions.push(Deletion { placed: appended.placed, oldest, newest });
        Ok(appended.lsn)
    }

    /// Frees the deletion records that nothing needs any more.
    pub fn release_deletions(&mut self, journal: &Journal) {
        self.deletions.retain(|deletion| {
            let wanted = deletion.is_wanted(&journal.files);
            if !wanted {
                release(journal, Some(deletion.placed));
            }
            wanted
        });
    }

    /// A consumer's records.
    pub fn consumer_mut(&mut self, id: StreamId, name: &str) -> Option<&mut ConsumerEntry> {
        let entry = self.streams.get_mut(&id.0)?;
        entry.changed = true;
        entry.consumers.get_mut(name)
    }

    fn consumer(&mut self, id: StreamId, name: &str) -> Result<(&mut ConsumerEntry, &Journal), StoreError> {
        let entry = self.streams.get_mut(&id.0).ok_or_else(|| no_stream(id))?;
        entry.changed = true;
        let consumer = entry.consumers.get_mut(name);
        let consumer =
            consumer.ok_or_else(|| StoreError::Io(format!("stream {} has no consumer {name:?}", id.0)))?;
        Ok((consumer, &entry.access.journal))
    }
}

impl StreamEntry {
    /// A consumer is configured as was recorded.
    fn configure(&mut self, name: &str, placed: Placed) {
        self.changed = true;
        let fresh = || ConsumerEntry { oldest: placed.at.segment, ..ConsumerEntry::default() };
        let consumer = self.consumers.entry(name.into()).or_insert_with(fresh);
        release(&self.access.journal, consumer.config.replace(placed));
    }

    /// Frees everything the stream has; returns where its index was stored.
    fn release_all(self, number: u32) -> Vec<Place> {
        let journal = &self.access.journal;
        let mut index = self.access.index.lock();
        index.deleted = true;
        let live = index.forget_everything();
        let mut nowhere = Nowhere;
        let mut writes = PageWrites::new(0, &mut nowhere);
        index.write_pages(&mut writes);
        drop(index);
        journal.with_core(|core| {
            live.iter().for_each(|(segment, bytes)| core.release(*segment, *bytes));
            let records =
                self.put.into_iter().chain(self.consumers.values().flat_map(ConsumerEntry::records));
            records.for_each(|placed| core.release(placed.at.segment, u64::from(placed.len)));
            core.forget_stream(number);
        });
        writes.garbage.into_iter().map(Place::of).collect()
    }
}

impl ConsumerEntry {
    /// All records of the consumer.
    pub fn records(&self) -> impl Iterator<Item = Placed> + '_ {
        self.config.iter().chain(&self.state).chain(&self.deltas).copied()
    }
}

impl From<&ModelConsumer> for ConsumerEntry {
    fn from(held: &ModelConsumer) -> Self {
        Self {
            config: held.config.as_ref().map(|(_, placed)| *placed),
            state: held.state.as_ref().map(|(_, placed)| *placed),
            deltas: held.deltas.iter().map(|(_, placed)| *placed).collect(),
            oldest: held.oldest,
        }
    }
}

fn put_stream(
    journal: &Journal,
    number: u32,
    names: (&str, &str),
    meta: &[u8],
) -> Result<Appended, StoreError> {
    let (account, name) = names;
    let draft = Draft {
        subject: name.as_bytes(),
        headers: account.as_bytes(),
        payload: meta,
        ..Draft::new(Kind::StreamPut, number)
    };
    journal.append(&draft, Class::Housekeeping)
}

fn consumer_record(
    journal: &Journal,
    kind: Kind,
    id: StreamId,
    name: &str,
    payload: &[u8],
) -> Result<Appended, StoreError> {
    let draft = Draft { subject: name.as_bytes(), payload, ..Draft::new(kind, id.0) };
    journal.append(&draft, Class::Housekeeping)
}

pub(crate) fn release(journal: &Journal, placed: Option<Placed>) {
    if let Some(placed) = placed {
        journal.with_core(|core| core.release(placed.at.segment, u64::from(placed.len)));
    }
}

fn no_stream(id: StreamId) -> StoreError {
    StoreError::Io(format!("there is no stream {}", id.0))
}
