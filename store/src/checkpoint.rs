//! Checkpoints: what is known of the journal goes to the catalogue, so that the next start need not read it all.
//!
//! A checkpoint is complete when its root is durable in the catalogue and a record in the journal says so. Segments whose
//! last live record went before a checkpoint began may go when it is complete – not earlier, because a replay from the
//! checkpoint before still looks up in them whose subject a removed message had.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::catalog::{Catalog, Change};
use super::checkpoint_record::{ConsumerRecord, Root, StreamRecord, root_key, stream_key};
use super::facade::Shared;
use super::index::pages::{PageSet, PageSource, PageWrites, StoredPage};
use super::journal::core::Class;
use super::journal::record::{Draft, Kind};
use super::journal::usage::Placed;
use super::journal_log::StreamAccess;
use super::page_file::{PageRun, Place};
use super::registry::{StreamEntry, release};
use super::stats::Counters;
use super::stream_index::StreamIndex;
use super::{Lsn, StoreError, StreamId};

/// How long a dead segment waits for a checkpoint that lets it go.
const RECLAIM_DELAY: Duration = Duration::from_secs(1);

/// So little to replay is not worth a checkpoint: it is what checkpoints and an orderly close themselves append.
const REPLAY_BYTES_SMALL: u64 = 512;

/// How long to leave a catalogue alone that has failed.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Checkpoints so far.
pub struct Checkpoints {
    /// `None`: the index is not kept between runs.
    catalog: Option<Arc<Catalog>>,
    state: Mutex<State>,
}

struct State {
    /// The last number used, by a checkpoint that came to an end or not.
    number: u32,
    /// The last complete checkpoint, and what it covers.
    complete: u32,
    covers: Lsn,
    /// Where each stream's record is stored, and which state record it names.
    records: HashMap<u32, (StoredPage, Option<Placed>)>,
    /// Values the last complete checkpoint has made superfluous.
    garbage: Vec<Vec<u8>>,
    /// What checkpoints which did not come to an end have left behind.
    leftovers: Garbage,
    last: Instant,
    failed: bool,
    /// Bytes of the journal that were replayed at the start.
    unsaved_bytes: u64,
    bytes_written: u64,
    position: Lsn,
}

/// What is superfluous once a checkpoint is complete.
#[derive(Default)]
struct Garbage {
    /// Keys of the catalogue.
    keys: Vec<Vec<u8>>,
    /// Places in the page file.
    places: Vec<Place>,
}

/// What the streams looked like to a checkpoint.
struct Attempt {
    number: u32,
    /// Removals up to here are reflected in what it stores.
    covers: Lsn,
    records: HashMap<u32, (StoredPage, Option<Placed>)>,
    garbage: Garbage,
    /// What this attempt has written.
    written: Garbage,
}

impl Checkpoints {
    /// Goes on after checkpoint `number`, with what was restored of it.
    /// `replayed_bytes` of the journal came after it.
    pub fn new(
        catalog: Option<Arc<Catalog>>,
        number: u32,
        restored: Option<(&Root, RestoredRecords)>,
        replayed_bytes: u64,
    ) -> Self {
        let (root, records) =
            restored.map_or_else(|| (None, RestoredRecords::new()), |(root, records)| (Some(root), records));
        let state = State {
            number,
            complete: number,
            covers: root.map_or(Lsn::ZERO, |root| root.replay_from),
            records,
            garbage: root.map(|root| root.garbage.clone()).unwrap_or_default(),
            leftovers: Garbage::default(),
            last: Instant::now(),
            failed: false,
            unsaved_bytes: replayed_bytes,
            bytes_written: 0,
            position: Lsn::ZERO,
        };
        Self { catalog, state: Mutex::new(state) }
    }

    /// Lets go of the catalogue's files.
    pub fn close(&self) {
        if let Some(catalog) = &self.catalog {
            catalog.close();
        }
    }

    /// Where the pages of a stream are fetched from.
    pub fn pages(&self, stream: u32) -> Option<Arc<dyn PageSource>> {
        let catalog = self.catalog.as_ref()?;
        Some(Arc::new(CatalogPages::new(Arc::clone(catalog), stream)))
    }
}

/// Where each restored stream's record is stored, and which state record it names.
pub type RestoredRecords = HashMap<u32, (StoredPage, Option<Placed>)>;

impl Shared {
    /// The number of the last complete checkpoint.
    pub fn last_checkpoint(&self) -> u32 {
        self.checkpoints.state.lock().complete
    }

    /// Up to where removals are reflected in everything a restart would read.
    pub fn reclaimable_up_to(&self) -> Lsn {
        match self.checkpoints.catalog {
            Some(_) => self.checkpoints.state.lock().covers.min(self.journal.durable()),
            None => self.journal.durable(),
        }
    }

    /// Whether a restart would have next to nothing to replay, provided that nothing was appended since the start.
    pub fn is_saved(&self) -> bool {
        self.checkpoints.catalog.is_none() || self.checkpoints.state.lock().unsaved_bytes < REPLAY_BYTES_SMALL
    }

    /// How long the janitor may sleep before a checkpoint is due; `None` while nothing has changed.
    pub fn next_checkpoint_in(&self) -> Option<Duration> {
        self.checkpoints.catalog.as_ref()?;
        let state = self.checkpoints.state.lock();
        let changed = self.journal.with_core(|core| core.position() != state.position);
        changed.then(|| self.journal.options().checkpoint_interval.saturating_sub(state.last.elapsed()))
    }

    /// Makes a checkpoint if enough was written or enough time has passed, or if segments wait for one.
    pub fn checkpoint_if_due(&self) -> Result<(), StoreError> {
        if self.checkpoints.catalog.is_none() || !self.is_checkpoint_due() {
            return Ok(());
        }
        let done = self.checkpoint();
        let dead = self.journal.with_core(|core| core.usage.has_dead_after(Lsn::ZERO));
        if done.is_err() && dead && self.journal.with_core(|core| core.failure().is_none()) {
            self.void_checkpoints()?;
        }
        done
    }

    fn is_checkpoint_due(&self) -> bool {
        let options = self.journal.options();
        let covers = self.checkpoints.state.lock().covers;
        let (position, dead, pressed) = self
            .journal
            .with_core(|core| (core.position(), core.usage.has_dead_after(covers), core.is_full()));
        let state = self.checkpoints.state.lock();
        let elapsed = state.last.elapsed();
        let wanted = self.journal.indexes.wants_checkpoint();
        if (position == state.position && !dead && !wanted) || (state.failed && elapsed < RETRY_DELAY) {
            return false;
        }
        let written = self.journal.stats().bytes_written - state.bytes_written + state.unsaved_bytes;
        let dead_long_enough = dead && (pressed || !options.threads || elapsed >= RECLAIM_DELAY);
        written >= options.checkpoint_bytes
            || wanted
            || elapsed >= options.checkpoint_interval
            || dead_long_enough
    }

    /// Makes a checkpoint now.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        let Some(catalog) = &self.checkpoints.catalog else { return Ok(()) };
        let mut state = self.checkpoints.state.lock();
        state.last = Instant::now();
        if state.failed {
            catalog.reopen()?;
        }
        let mut attempt = self.begin(&mut state);
        let done = self.run(catalog, &state, &mut attempt);
        state.last = Instant::now();
        state.failed = done.is_err();
        match done {
            Ok(()) => self.complete(&mut state, attempt),
            Err(error) => {
                self.undo(&mut state, attempt);
                Err(error)
            }
        }
    }

    /// Drops stored pages from memory while there are more than the settings allow.
    pub fn trim_indexes(&self) {
        let accesses: Vec<_> =
            self.registry.lock().streams.values().map(|stream| stream.access.clone()).collect();
        let resident: usize = accesses.iter().map(StreamAccess::trim).sum();
        let mut left = resident;
        let too_much = resident > self.journal.options().index_bytes_max;
        if too_much {
            for access in accesses {
                let excess = left.saturating_sub(self.journal.indexes.left_bytes());
                if excess == 0 {
                    break;
                }
                left = left.saturating_sub(access.index.lock().evict(excess));
            }
        }
        if too_much {
            (self.journal.options().relieve)();
        }
        self.journal.indexes_settled(left, too_much);
    }

    fn begin(&self, state: &mut State) -> Attempt {
        state.number += 1;
        state.bytes_written = self.journal.stats().bytes_written;
        Attempt {
            number: state.number,
            covers: Lsn::ZERO,
            records: HashMap::new(),
            garbage: std::mem::take(&mut state.leftovers),
            written: Garbage::default(),
        }
    }

    fn run(&self, catalog: &Catalog, state: &State, attempt: &mut Attempt) -> Result<(), StoreError> {
        let (mut root, streams) = self.root(attempt);
        for stream in streams {
            if let Some((pages, record)) = self.stream_changes(catalog, stream, state, attempt) {
                let bytes = pages.finish()?;
                Counters::add(&self.journal.counters.index_bytes_written, bytes);
                catalog.apply(&[record])?;
            }
        }
        let gone = state.records.iter().filter(|(stream, _)| !attempt.records.contains_key(stream));
        let gone = gone.map(|(stream, (stored, _))| stream_key(*stream, stored.checkpoint));
        attempt.garbage.keys.extend(gone);
        let deletes: Vec<Change> = state.garbage.iter().cloned().map(Change::Delete).collect();
        catalog.apply(&deletes)?;
        self.journal.flush()?;
        catalog.flush()?;
        root.streams = attempt.records.iter().map(|(stream, (stored, _))| (*stream, *stored)).collect();
        root.streams.sort_unstable_by_key(|(stream, _)| *stream);
        root.garbage = attempt.garbage.keys.clone();
        catalog.apply(&[Change::Put(root_key(root.number), root.encode())])?;
        catalog.flush()?;
        self.note_checkpoint(attempt.number)
    }

    /// The root but for its streams, and the streams there are. What follows in the journal is left to a replay.
    fn root(&self, attempt: &mut Attempt) -> (Root, Vec<u32>) {
        let mut registry = self.registry.lock();
        attempt.garbage.places.append(&mut registry.garbage);
        // A place that is given back twice would be given away twice.
        attempt.garbage.places.sort_unstable();
        attempt.garbage.places.dedup();
        let root = self.journal.with_core(|core| {
            attempt.covers = core.deferred_lsn();
            Root {
                number: attempt.number,
                replay_from: core.position(),
                last_stream: registry.last_stream(),
                tombstones: core.usage.tombstones(),
                compactions: core.usage.compactions(),
                deletions: registry.deletions.clone(),
                ..Root::default()
            }
        });
        (root, registry.streams.keys().copied().collect())
    }

    /// What is to be stored of one stream, its pages and its record; nothing when it has not changed.
    fn stream_changes<'a>(
        &self,
        catalog: &'a Catalog,
        number: u32,
        state: &State,
        attempt: &mut Attempt,
    ) -> Option<(PageRun<'a>, Change)> {
        let mut registry = self.registry.lock();
        let entry = registry.streams.get_mut(&number)?;
        let index = Arc::clone(&entry.access.index);
        let mut index = index.lock();
        let (placed, up_to) = self
            .journal
            .with_core(|core| (core.usage.state(number).and_then(|(_, placed)| placed), core.position()));
        if let Some(kept) = state.records.get(&number) {
            if !index.is_changed() && !entry.changed && kept.1 == placed {
                attempt.records.insert(number, *kept);
                return None;
            }
        }
        let mut run = catalog.pages().run();
        let mut writes = PageWrites::new(attempt.number, &mut run);
        index.write_pages(&mut writes);
        let garbage = writes.garbage;
        index.changed = false;
        entry.changed = false;
        let record = stream_record(entry, &index, placed, up_to).encode();
        drop(index);
        let stored = StoredPage::of(&record, attempt.number);
        if let Some((old, _)) = state.records.get(&number) {
            attempt.garbage.keys.push(stream_key(number, old.checkpoint));
        }
        attempt.records.insert(number, (stored, placed));
        let change = attempt.changes(number, garbage, &run, record);
        Some((run, change))
    }

    /// Says in the journal that the checkpoint is complete, which makes earlier ones stale.
    fn note_checkpoint(&self, number: u32) -> Result<(), StoreError> {
        let draft = Draft { seq: u64::from(number), ..Draft::new(Kind::Checkpoint, 0) };
        let appended = self.journal.append(&draft, Class::Housekeeping)?;
        release(&self.journal, Some(appended.placed));
        self.journal.flush()
    }

    fn complete(&self, state: &mut State, attempt: Attempt) -> Result<(), StoreError> {
        Counters::add(&self.journal.counters.checkpoints, 1);
        state.complete = attempt.number;
        state.unsaved_bytes = 0;
        state.covers = attempt.covers;
        state.records = attempt.records;
        state.garbage = attempt.garbage.keys;
        if let Some(catalog) = &self.checkpoints.catalog {
            catalog.pages().free(&attempt.garbage.places);
        }
        state.position = self.journal.with_core(|core| core.position());
        for entry in self.registry.lock().streams.values() {
            entry.access.index.lock().settle_pages(attempt.number);
        }
        Ok(())
    }

    fn undo(&self, state: &mut State, attempt: Attempt) {
        let registry = self.registry.lock();
        for entry in registry.streams.values() {
            let mut index = entry.access.index.lock();
            index.unwrite_pages(attempt.number);
            index.changed = true;
        }
        state.leftovers = attempt.garbage;
        state.leftovers.keys.extend(attempt.written.keys);
        state.leftovers.places.extend(attempt.written.places);
        state.leftovers.keys.sort_unstable();
        state.leftovers.keys.dedup();
    }

    /// The catalogue takes nothing, and segments wait to be given back: it is declared stale, so that they can go. The next
    /// start reads the whole journal unless a later checkpoint succeeds.
    fn void_checkpoints(&self) -> Result<(), StoreError> {
        let mut state = self.checkpoints.state.lock();
        let covers = self.journal.with_core(|core| core.deferred_lsn());
        state.number += 1;
        log::warn!("catalogue: cannot be written, the next start will read the whole journal");
        self.note_checkpoint(state.number)?;
        state.complete = state.number;
        state.covers = covers;
        Ok(())
    }
}

impl Attempt {
    fn changes(
        &mut self,
        stream: u32,
        garbage: Vec<StoredPage>,
        run: &PageRun<'_>,
        record: Vec<u8>,
    ) -> Change {
        self.garbage.places.extend(garbage.into_iter().map(Place::of));
        self.written.places.extend(run.places());
        let key = stream_key(stream, self.number);
        self.written.keys.push(key.clone());
        Change::Put(key, record)
    }
}

fn stream_record(
    entry: &StreamEntry,
    index: &StreamIndex,
    state: Option<Placed>,
    up_to: Lsn,
) -> StreamRecord {
    StreamRecord {
        account: entry.account.clone(),
        name: entry.name.clone(),
        meta: entry.meta.to_vec(),
        up_to,
        put: entry.put,
        state,
        oldest: entry.oldest,
        messages: index.messages,
        bytes: index.bytes,
        first_seq: index.first_seq,
        last_seq: index.last_seq,
        last_ts: index.last_ts,
        headers_up_to: index.headers_up_to,
        live: index.live.iter().map(|(segment, bytes)| (*segment, *bytes)).collect(),
        subjects: index.subjects.len(),
        seq_chunks: index.seqs.chunks().collect(),
        subject_chunks: index.subjects.index.chunks().collect(),
        consumers: entry
            .consumers
            .iter()
            .map(|(name, consumer)| ConsumerRecord {
                name: name.clone(),
                oldest: consumer.oldest,
                config: consumer.config,
                state: consumer.state,
                deltas: consumer.deltas.clone(),
            })
            .collect(),
    }
}

/// The pages of one stream in the catalogue.
pub struct CatalogPages {
    catalog: Arc<Catalog>,
    stream: StreamId,
}

impl CatalogPages {
    /// The pages of `stream`.
    pub fn new(catalog: Arc<Catalog>, stream: u32) -> Self {
        Self { catalog, stream: StreamId(stream) }
    }
}

impl PageSource for CatalogPages {
    fn load(&self, set: PageSet, page: u64, stored: StoredPage) -> Result<Box<[u8]>, StoreError> {
        let held = self.catalog.pages().read(stored);
        let bytes = held.ok().map(Vec::into_boxed_slice);
        bytes.ok_or_else(|| {
            self.catalog.distrust();
            StoreError::Io(format!(
                "catalogue: page {page} of {set:?} of stream number {} is damaged",
                self.stream.0
            ))
        })
    }
}
