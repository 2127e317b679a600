//! Commits: everything that waits goes out in one write per segment and one fdatasync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};

use super::RecordReader;
use super::core::{Appended, Class, JournalCore};
use super::deferred::Removal;
use super::files::SegmentFiles;
use super::pending::Batch;
use super::record::{Draft, HEADER_LEN, Header, Kind, Location, Record};
use super::segment::Segment;
use super::tail::TailCache;
use crate::store::index_meter::IndexMeter;
use crate::store::options::{StoreOptions, SyncPolicy};
use crate::store::signal::Signal;
use crate::store::stats::{Counters, StoreStats};
use crate::store::{Lsn, StoreError};

/// Who wants to know how far the journal has come. Called from the committer's thread, without any lock held.
pub trait CommitObserver: Send + Sync {
    /// Everything up to `written` has been written, everything up to `durable` is on disk.
    fn committed(&self, written: Lsn, durable: Lsn);

    /// A write or sync failed: what waited may not be on disk, and nothing will be until the store was opened anew. May be
    /// called with locks held: it must not touch a log.
    fn failed(&self, error: &StoreError);

    /// The store was opened anew: what is on disk ends at `durable`, wherever it was before.
    fn reopened(&self, durable: Lsn) {
        let _ = durable;
    }

    /// `high`: more waits for the disk than `pending_bytes_max`, appenders should pause; then, less than half of it does.
    fn pressure(&self, high: bool) {
        let _ = high;
    }
}

/// What is left from commit to commit.
#[derive(Default)]
struct CommitState {
    /// Segments written and not yet synced.
    unsynced: Vec<Arc<Segment>>,
    /// The record that says that the journal ends here; it must go before anything follows.
    closed: Option<Location>,
}

/// The journal, shared by all logs, the committer and the janitor.
pub struct Journal {
    core: Mutex<JournalCore>,
    /// Signalled when something waits for a commit.
    wake: Condvar,
    tail: RwLock<TailCache>,
    /// Raised when there is housekeeping to do.
    pub(crate) chores: Signal,
    /// The segments on disk.
    pub files: Arc<SegmentFiles>,
    /// Held during a commit.
    commit: Mutex<CommitState>,
    /// Where the bytes begin that wait for a commit.
    pending_start: AtomicU64,
    written: AtomicU64,
    durable: AtomicU64,
    /// Bytes that wait for a commit; changed under the core's lock.
    pending_bytes: AtomicU64,
    /// Bytes of the commit on its way.
    in_flight_bytes: AtomicU64,
    /// What the indexes of all streams hold.
    pub(crate) indexes: IndexMeter,
    /// What observers were told last.
    pressed: Mutex<bool>,
    observers: RwLock<Vec<Arc<dyn CommitObserver>>>,
    options: StoreOptions,
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
            chores: Signal::default(),
            files,
            commit: Mutex::default(),
            pending_start: AtomicU64::new(durable.0),
            written: AtomicU64::new(durable.0),
            durable: AtomicU64::new(durable.0),
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
        self.with_core(|core| core.append(draft, class))
    }

    /// Appends records of which all count or none.
    pub fn append_group(&self, drafts: &[Draft<'_>], class: Class) -> Result<Vec<Appended>, StoreError> {
        self.with_core(|core| core.append_group(drafts, class))
    }

    /// Records a removal.
    pub fn remove(&self, removal: &Removal<'_>) -> Result<Lsn, StoreError> {
        self.with_core(|core| core.remove(removal))
    }

    /// Changes the writing end under its lock, which must be short.
    pub fn with_core<T>(&self, change: impl FnOnce(&mut JournalCore) -> T) -> T {
        let mut core = self.core.lock();
        let changed = change(&mut core);
        let (waits, chore) = (core.has_pending(), core.take_chore());
        self.pending_bytes.store(core.pending_bytes(), Ordering::Relaxed);
        drop(core);
        if chore {
            self.chores.wake();
        }
        if waits {
            self.wake.notify_one();
        }
        if self.pressure() {
            self.update_pressure();
        }
        changed
    }

    /// Up to where everything has been written.
    pub fn written(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }

    /// Up to where everything is on disk.
    pub fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// Whether appenders should pause.
    pub fn pressure(&self) -> bool {
        self.waiting_bytes() > self.options.pending_bytes_max || self.indexes.is_over()
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

    /// Bytes appended and not yet written.
    pub fn waiting_bytes(&self) -> u64 {
        self.pending_bytes.load(Ordering::Relaxed) + self.in_flight_bytes.load(Ordering::Relaxed)
    }

    /// Has `observer` told of every commit from now on.
    pub fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.observers.write().push(observer);
    }

    /// The journal ends with the record at `closed`, which is taken back before the first commit.
    pub(crate) fn was_closed(&mut self, closed: Option<Location>) {
        self.commit.get_mut().closed = closed;
    }

    /// Whether nothing was or is to be written since the store was closed last.
    pub fn is_closed(&self) -> bool {
        self.commit.lock().closed.is_some() && !self.core.lock().has_pending()
    }

    /// Takes back what said that the journal ends. The first commit does it, if nobody has before.
    pub fn unclose(&self) -> Result<(), StoreError> {
        let mut state = self.commit.lock();
        let done = self.unclose_at(&mut state);
        drop(state);
        done.map_err(|error| self.fail(error))
    }

    /// Writes everything that waits, and makes it durable if the policy is to sync always. False when nothing waited.
    pub fn commit(&self) -> Result<bool, StoreError> {
        let mut state = self.commit.lock();
        let taken = self.take(state.unsynced.is_empty());
        let batch = match taken {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(false),
            Err(error) => return Err(self.fail(error)),
        };
        let done = self.write_and_sync(&batch, &mut state);
        drop(state);
        done.map_err(|error| self.fail(error))?;
        self.publish(&batch);
        Ok(true)
    }

    /// Makes everything written durable.
    pub fn sync(&self) -> Result<(), StoreError> {
        let mut state = self.commit.lock();
        if state.unsynced.is_empty() {
            return Ok(());
        }
        let written = self.written();
        let done = self.sync_segments(&mut state.unsynced);
        drop(state);
        done.map_err(|error| self.fail(error))?;
        self.durable.fetch_max(written.0, Ordering::AcqRel);
        self.tell_committed();
        Ok(())
    }

    /// Commits and syncs until everything appended so far is durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        while self.commit()? {}
        self.sync()
    }

    /// Reads a record of `len` bytes; `Ok(None)` when it is damaged.
    pub fn read(&self, at: Location, len: usize) -> Result<Option<Record>, StoreError> {
        let segment = self.files.get(at.segment)?;
        if let Some(bytes) = self.recent(at, len) {
            return Ok(Record::trust(bytes, segment.seeds));
        }
        let bytes = segment.read(at.offset, len)?;
        Ok(Record::decode(bytes, segment.seeds))
    }

    /// Waits until something is to be committed, `stop` says so, or the time is over.
    pub(super) fn wait(&self, timeout: Option<std::time::Duration>, stop: &dyn Fn() -> bool) {
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

    /// The error that made the journal refuse everything, if one did.
    pub fn check(&self) -> Result<(), StoreError> {
        self.core.lock().failure().map_or(Ok(()), |error| Err(error.clone()))
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

    /// Refuses everything from now on; not a failure.
    pub fn shut(&self) {
        self.core.lock().fail(StoreError::Poisoned("the store is closed".into()));
    }

    /// The settings.
    pub fn options(&self) -> &StoreOptions {
        &self.options
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

    fn take(&self, synced: bool) -> Result<Option<Batch>, StoreError> {
        let mut core = self.core.lock();
        let Some(batch) = core.take(synced)? else { return Ok(None) };
        self.in_flight_bytes.store(batch.bytes, Ordering::Relaxed);
        self.pending_bytes.store(0, Ordering::Relaxed);
        let mut tail = self.tail.write();
        for part in &batch.parts {
            tail.push(Location { segment: part.segment.id, offset: part.offset }, part.bytes.clone());
        }
        drop(tail);
        self.pending_start.store(batch.end.0, Ordering::Release);
        Ok(Some(batch))
    }

    fn unclose_at(&self, state: &mut CommitState) -> Result<(), StoreError> {
        let Some(at) = state.closed.take() else { return Ok(()) };
        let segment = self.files.get(at.segment)?;
        let mut record = Vec::with_capacity(HEADER_LEN);
        Draft::new(Kind::Opened, 0).encode(segment.seeds, &mut record);
        segment.write(at.offset, &record)?;
        segment.sync()
    }

    fn write_and_sync(&self, batch: &Batch, state: &mut CommitState) -> Result<(), StoreError> {
        self.unclose_at(state)?;
        self.write(batch, &mut state.unsynced)?;
        match self.options.sync {
            SyncPolicy::Always => self.sync_segments(&mut state.unsynced),
            SyncPolicy::Interval(_) => Ok(()),
        }
    }

    fn write(&self, batch: &Batch, unsynced: &mut Vec<Arc<Segment>>) -> Result<(), StoreError> {
        for part in &batch.parts {
            part.segment.write(part.offset, &part.bytes)?;
            if !unsynced.iter().any(|segment| segment.id == part.segment.id) {
                unsynced.push(Arc::clone(&part.segment));
            }
        }
        Counters::add(&self.counters.bytes_written, batch.bytes);
        Counters::add(&self.counters.commits, 1);
        Ok(())
    }

    fn sync_segments(&self, unsynced: &mut Vec<Arc<Segment>>) -> Result<(), StoreError> {
        for segment in unsynced.drain(..) {
            segment.sync()?;
            Counters::add(&self.counters.syncs, 1);
        }
        Ok(())
    }

    fn publish(&self, batch: &Batch) {
        self.written.fetch_max(batch.end.0, Ordering::AcqRel);
        if self.options.sync == SyncPolicy::Always {
            self.durable.fetch_max(batch.end.0, Ordering::AcqRel);
        }
        self.tail.write().trim(batch.end);
        self.in_flight_bytes.store(0, Ordering::Relaxed);
        self.tell_committed();
        if *self.pressed.lock() {
            self.update_pressure();
        }
    }

    fn tell_committed(&self) {
        let (written, durable) = (self.written(), self.durable());
        for observer in self.observers.read().clone() {
            observer.committed(written, durable);
        }
    }

    /// Poisons the journal; returns what callers are told from now on.
    fn fail(&self, error: StoreError) -> StoreError {
        let poisoned = match error {
            StoreError::Poisoned(_) => error,
            other => StoreError::Poisoned(other.to_string()),
        };
        let mut core = self.core.lock();
        let first = core.failure().is_none();
        core.fail(poisoned.clone());
        drop(core);
        if first {
            log::error!("journal: {poisoned}");
            for observer in self.observers.read().clone() {
                observer.failed(&poisoned);
            }
        }
        poisoned
    }

    /// Poisons the journal because what it relies on is broken.
    pub fn poison(&self, error: StoreError) -> StoreError {
        self.fail(error)
    }

    fn update_pressure(&self) {
        let mut pressed = self.pressed.lock();
        let waiting = self.waiting_bytes();
        let most = if *pressed { self.options.pending_bytes_max / 2 } else { self.options.pending_bytes_max };
        let high = waiting > most || self.indexes.is_over();
        if high != *pressed {
            *pressed = high;
            for observer in self.observers.read().clone() {
                observer.pressure(high);
            }
        }
    }
}

impl RecordReader for Journal {
    fn read_subject(&self, at: Location, len: usize) -> Result<Option<(Header, Bytes)>, StoreError> {
        let Some(bytes) = self.recent(at, len) else { return self.files.read_subject(at, len) };
        let segment = self.files.get(at.segment)?;
        let Some(header) = Header::decode(&bytes, segment.seeds) else { return Ok(None) };
        let end = HEADER_LEN + usize::from(header.subject_len);
        Ok((end <= bytes.len()).then(|| (header, bytes.slice(HEADER_LEN..end))))
    }
}
