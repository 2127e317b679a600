//! The journal as all logs, the committer and the janitor hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};

use super::RecordReader;
use super::commit::CommitState;
use super::core::{Appended, Class, JournalCore};
use super::deferred::Removal;
use super::files::SegmentFiles;
use super::observers::CommitObserver;
use super::read_ahead::{Found, PIECE_BYTES, ReadAhead};
use super::record::{Draft, HEADER_LEN, Header, Location, Record};
use super::segment::Segment;
use super::tail::TailCache;
use crate::index_meter::IndexMeter;
use crate::options::StoreOptions;
use crate::signal::Signal;
use crate::stats::{Counters, StoreStats};
use crate::{Lsn, StoreError};

/// The journal, shared by all logs, the committer and the janitor.
pub struct Journal {
    pub(super) core: Mutex<JournalCore>,
    /// Signalled when something waits for a commit.
    pub(super) wake: Condvar,
    pub(super) tail: RwLock<TailCache>,
    read_ahead: ReadAhead,
    /// Raised when there is housekeeping to do.
    pub(crate) chores: Signal,
    /// The segments on disk.
    pub files: Arc<SegmentFiles>,
    /// Held during a commit.
    pub(super) commit: Mutex<CommitState>,
    /// Held during a sync that commits do not wait for.
    pub(super) sync: Mutex<()>,
    /// Held for reading while observers are told of a commit.
    pub(super) telling: RwLock<()>,
    /// Whether those who append also commit, see [`Journal::commit_soon`].
    pub(super) in_place: AtomicBool,
    /// Where the bytes begin that wait for a commit.
    pub(super) pending_start: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) durable: AtomicU64,
    /// Something waits for a commit; changed under the core's lock.
    pub(super) waits: AtomicBool,
    /// Bytes of it; changed under the core's lock. Removals take theirs when the commit is made up.
    pub(super) pending_bytes: AtomicU64,
    /// Bytes of the commit on its way.
    pub(super) in_flight_bytes: AtomicU64,
    /// What the indexes of all streams hold.
    pub(crate) indexes: IndexMeter,
    /// What observers were told last.
    pub(super) pressed: Mutex<bool>,
    pub(super) observers: RwLock<Vec<Arc<dyn CommitObserver>>>,
    pub(super) options: StoreOptions,
    /// Counters of the store.
    pub(crate) counters: Arc<Counters>,
}

impl Journal {
    /// A journal that goes on with `core`. What lies before its position is durable.
    pub(crate) fn new(
        files: Arc<SegmentFiles>,
        core: JournalCore,
        durable: Lsn,
        options: StoreOptions,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            core: Mutex::new(core),
            wake: Condvar::new(),
            tail: RwLock::new(TailCache::new(options.tail_cache_bytes_max)),
            read_ahead: ReadAhead::default(),
            chores: Signal::default(),
            files,
            commit: Mutex::default(),
            sync: Mutex::default(),
            telling: RwLock::default(),
            in_place: AtomicBool::new(false),
            pending_start: AtomicU64::new(durable.0),
            written: AtomicU64::new(durable.0),
            durable: AtomicU64::new(durable.0),
            waits: AtomicBool::new(false),
            pending_bytes: AtomicU64::new(0),
            in_flight_bytes: AtomicU64::new(0),
            indexes: IndexMeter::new(options.index_bytes_max),
            pressed: Mutex::new(false),
            observers: RwLock::default(),
            options,
            counters,
        }
    }

    /// Appends a record; it goes out with the next commit.
    pub fn append(&self, draft: &Draft<'_>, class: Class) -> Result<Appended, StoreError> {
        self.change(self.wakes_for(class), |core| core.append(draft, class))
    }

    /// Appends records of which all count or none.
    pub fn append_group(&self, drafts: &[Draft<'_>], class: Class) -> Result<Vec<Appended>, StoreError> {
        self.change(self.wakes_for(class), |core| core.append_group(drafts, class))
    }

    /// Records a removal.
    pub fn remove(&self, removal: &Removal<'_>) -> Result<Lsn, StoreError> {
        self.change(self.wakes_for(Class::Message), |core| core.remove(removal))
    }

    /// Changes the writing end under its lock, which must be short.
    pub fn with_core<T>(&self, change: impl FnOnce(&mut JournalCore) -> T) -> T {
        self.change(true, change)
    }

    /// Whether the committer is to hear of a record. Whoever stores messages calls [`Journal::commit_soon`] afterwards.
    fn wakes_for(&self, class: Class) -> bool {
        class != Class::Message || !self.commits_in_place()
    }

    fn change<T>(&self, wakes: bool, change: impl FnOnce(&mut JournalCore) -> T) -> T {
        let mut core = self.core.lock();
        let changed = change(&mut core);
        let (waits, chore) = (core.has_pending(), core.take_chore());
        self.waits.store(waits, Ordering::Relaxed);
        self.pending_bytes.store(core.pending_bytes(), Ordering::Relaxed);
        drop(core);
        if chore {
            self.chores.wake();
        }
        let pressure = self.pressure();
        if waits && (wakes || pressure) {
            self.wake.notify_one();
        }
        if pressure {
            self.update_pressure();
        }
        changed
    }

    /// Reads a record of `len` bytes; `Ok(None)` when it is damaged.
    pub fn read(&self, at: Location, len: usize) -> Result<Option<Record>, StoreError> {
        let segment = self.files.get(at.segment)?;
        if let Some(bytes) = self.recent(at, len) {
            return Ok(segment.trusted(bytes));
        }
        if let Some(record) = self.ahead(&segment, at, len).and_then(|bytes| segment.record(bytes)) {
            return Ok(Some(record));
        }
        let bytes = segment.read(at.offset, len)?;
        Ok(segment.record(bytes))
    }

    /// A record that was read with one before, or is with some that follow.
    fn ahead(&self, segment: &Segment, at: Location, len: usize) -> Option<Bytes> {
        match self.read_ahead.find(at, len) {
            Found::Piece(bytes) => Some(bytes),
            Found::Next => {
                let written = Location::from(self.written());
                let end = if written.segment == at.segment { written.offset } else { segment.len };
                let room = end.checked_sub(at.offset)? as usize;
                let piece = segment.read(at.offset, room.min(PIECE_BYTES)).ok()?;
                self.read_ahead.put(at, len, piece.clone());
                (len <= piece.len()).then(|| piece.slice(..len))
            }
            Found::Apart => None,
        }
    }

    /// Up to where everything has been written.
    pub fn written(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }

    /// Up to where everything is on disk.
    pub fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// Whether the content of messages is sealed.
    pub fn seals(&self) -> bool {
        self.files.sealing_flag() != 0
    }

    /// The settings.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Whether nothing was or is to be written since the store was closed last.
    pub fn is_closed(&self) -> bool {
        self.commit.lock().closed.is_some() && !self.core.lock().has_pending()
    }

    /// The error that made the journal refuse everything, if one did.
    pub fn check(&self) -> Result<(), StoreError> {
        self.core.lock().failure().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Refuses everything from now on; not a failure. Nobody writes any more when this returns, or tells observers of a commit:
    /// whoever reads the disk next must not be overtaken by either.
    pub fn shut(&self) {
        self.core.lock().fail(StoreError::Poisoned("the store is closed".into()));
        drop(self.sync.lock());
        drop(self.commit.lock());
        drop(self.telling.write());
    }

    /// Counters and sizes.
    pub fn stats(&self) -> StoreStats {
        let core = self.core.lock();
        StoreStats {
            records: core.records(),
            pending_bytes: self.waiting_bytes(),
            segments: core.usage.segments().count() as u64,
            live_bytes: core.usage.segments().map(|(_, account)| account.live).sum(),
            journal_bytes: core.usage.segments().map(|(_, account)| u64::from(account.len)).sum(),
            disk_full: core.is_full(),
            ..self.counters.snapshot()
        }
    }

    /// The journal ends with the record at `closed`, which is taken back before the first commit.
    pub(crate) fn was_closed(&mut self, closed: Option<Location>) {
        self.commit.get_mut().closed = closed;
    }

    /// Notes that an index has grown.
    pub(crate) fn index_grew(&self, bytes: usize) {
        if self.indexes.grow(bytes) {
            self.chores.wake();
        }
    }

    /// Notes what the indexes of all streams hold after what could go has gone, if it had to.
    pub(crate) fn indexes_settled(&self, bytes: usize, had_to_go: bool) {
        self.indexes.settle(bytes, had_to_go);
        if *self.pressed.lock() {
            self.update_pressure();
        }
    }

    /// Waits until something is to be committed, `stop` says so, or the time is over.
    pub(super) fn wait(&self, timeout: Option<Duration>, stop: &dyn Fn() -> bool) {
        let mut core = self.core.lock();
        if core.has_pending() || stop() {
            return;
        }
        match timeout {
            Some(timeout) => drop(self.wake.wait_for(&mut core, timeout)),
            None => self.wake.wait(&mut core),
        }
    }

    /// Wakes the committer.
    pub(super) fn wake(&self) {
        drop(self.core.lock());
        self.wake.notify_all();
    }

    /// Bytes that wait for a commit or are on their way, or were committed a moment ago.
    fn recent(&self, at: Location, len: usize) -> Option<Bytes> {
        if Lsn::from(at).0 >= self.pending_start.load(Ordering::Acquire) {
            if let Some(bytes) = self.core.lock().pending(at, len) {
                return Some(bytes);
            }
        }
        self.tail.read().get(at, len)
    }
}

impl RecordReader for Journal {
    fn read_subject(&self, at: Location, len: usize) -> Result<Option<(Header, Bytes)>, StoreError> {
        let in_memory = self.files.get(at.segment).ok().and_then(|segment| {
            let bytes = self.recent(at, len).or_else(|| self.ahead(&segment, at, len))?;
            subject_of(&segment, bytes)
        });
        in_memory.map_or_else(|| self.files.read_subject(at, len), |found| Ok(Some(found)))
    }
}

fn subject_of(segment: &Segment, bytes: Bytes) -> Option<(Header, Bytes)> {
    let header = Header::decode(&bytes, segment.seeds)?;
    if header.is_sealed() {
        return segment.record(bytes).map(|record| (record.header, record.subject()));
    }
    let end = HEADER_LEN + usize::from(header.subject_len);
    (end <= bytes.len()).then(|| (header, bytes.slice(HEADER_LEN..end)))
}
