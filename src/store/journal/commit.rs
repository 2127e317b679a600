//! Commits: everything that waits goes out in one write per segment and one fdatasync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

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

/// Commits that take longer are left to the committer's thread: a disk that makes writers wait must not hold up whoever appends.
const QUICK_COMMIT_MAX: Duration = Duration::from_micros(500);

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
    /// More segments are being synced, or could not be.
    syncing: bool,
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
    /// Held during a sync that commits do not wait for.
    sync: Mutex<()>,
    /// Whether those who append also commit, see [`Journal::commit_soon`].
    in_place: AtomicBool,
    /// Where the bytes begin that wait for a commit.
    pending_start: AtomicU64,
    written: AtomicU64,
    durable: AtomicU64,
    /// Something waits for a commit; changed under the core's lock.
    waits: AtomicBool,
    /// Bytes of it; changed under the core's lock. Removals take theirs when the commit is made up.
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
            sync: Mutex::default(),
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
        if waits && wakes {
            self.wake.notify_one();
        }
        if self.pressure() {
            self.update_pressure();
        }
        changed
    }

    /// Sees to it that what was appended is committed: at once and by the caller where that takes next to no time, else by the
    /// committer. To be called by whoever stored messages, at the end of the batch and without holding a lock.
    pub fn commit_soon(&self) {
        if !self.waits.load(Ordering::Relaxed) {
            return;
        }
        match self.commit.try_lock() {
            Some(state) if self.commits_in_place() => drop(self.commit_timed_with(state)),
            _ => drop(self.wake.notify_one()),
        }
    }

    /// Whether those who append also commit.
    pub(super) fn commits_in_place(&self) -> bool {
        self.in_place.load(Ordering::Relaxed)
    }

    /// From now on those who append leave it to the committer to commit.
    pub(super) fn leave_to_committer(&self) {
        self.in_place.store(false, Ordering::Relaxed);
    }

    /// Whether the content of messages is sealed.
    pub fn seals(&self) -> bool {
        self.files.sealing_flag() != 0
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
        self.commit_with(self.commit.lock())
    }

    /// Like [`Journal::commit`]; how long it takes decides who does the next.
    pub(super) fn commit_timed(&self) -> Result<Option<Duration>, StoreError> {
        self.commit_timed_with(self.commit.lock())
    }

    fn commit_timed_with(&self, state: MutexGuard<'_, CommitState>) -> Result<Option<Duration>, StoreError> {
        let start = Instant::now();
        if !self.commit_with(state)? {
            return Ok(None);
        }
        let took = start.elapsed();
        let waits_for_disk = self.options.sync == SyncPolicy::Always || !self.options.commit_window.is_zero();
        self.in_place.store(!waits_for_disk && took < QUICK_COMMIT_MAX, Ordering::Relaxed);
        Ok(Some(took))
    }

    fn commit_with(&self, mut state: MutexGuard<'_, CommitState>) -> Result<bool, StoreError> {
        let taken = self.take(state.unsynced.is_empty() && !state.syncing);
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

    /// Makes everything written durable. Commits go on meanwhile.
    pub fn sync(&self) -> Result<(), StoreError> {
        let _one = self.sync.lock();
        let mut state = self.commit.lock();
        if state.unsynced.is_empty() {
            return Ok(());
        }
        let written = self.written();
        let mut unsynced = std::mem::take(&mut state.unsynced);
        state.syncing = true;
        drop(state);
        let done = self.sync_segments(&mut unsynced);
        done.map_err(|error| self.fail(error))?;
        self.commit.lock().syncing = false;
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
            return Ok(segment.trusted(bytes));
        }
        let bytes = segment.read(at.offset, len)?;
        Ok(segment.record(bytes))
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
        let taken = core.take(synced)?;
        if core.take_chore() {
            self.chores.wake();
        }
        let Some(batch) = taken else { return Ok(None) };
        self.in_flight_bytes.store(batch.bytes, Ordering::Relaxed);
        self.waits.store(false, Ordering::Relaxed);
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
        Draft::new(Kind::Opened, 0).encode(segment.seeds, None, &mut record);
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
        self.trim_tail(batch.end);
        self.in_flight_bytes.store(0, Ordering::Relaxed);
        self.tell_committed();
        if *self.pressed.lock() {
            self.update_pressure();
        }
    }

    /// Lets go of buffers that readers near the tail have had long enough; who reads one still keeps it.
    fn trim_tail(&self, written: Lsn) {
        loop {
            let Some(oldest) = self.tail.write().trim(written) else { return };
            if oldest.is_unique() {
                self.core.lock().recycle(oldest.into());
            }
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
        if header.is_sealed() {
            return Ok(segment.trusted(bytes).map(|record| (record.header, record.subject())));
        }
        let end = HEADER_LEN + usize::from(header.subject_len);
        Ok((end <= bytes.len()).then(|| (header, bytes.slice(HEADER_LEN..end))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    const TRIES_MAX: usize = 10_000;

    /// A journal that nobody commits but the test.
    fn journal(sync: SyncPolicy, commit_window: Duration) -> (tempfile::TempDir, Arc<Store>, Arc<Journal>) {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { sync, commit_window, threads: false, ..StoreOptions::default() };
        let (store, ..) = Store::open(dir.path(), options).unwrap();
        let journal = store.journal().unwrap();
        (dir, store, journal)
    }

    fn append(journal: &Journal) -> Lsn {
        journal.append(&Draft::new(Kind::Message, 1), Class::Message).unwrap().lsn
    }

    fn relaxed() -> SyncPolicy {
        SyncPolicy::Interval(Duration::from_secs(3600))
    }

    #[test]
    fn where_written_is_enough_and_writing_is_quick_whoever_appends_commits() {
        let (_dir, _store, journal) = journal(relaxed(), Duration::ZERO);
        let is_quick = |_: &usize| {
            append(&journal);
            journal.commit_timed().unwrap();
            journal.commits_in_place()
        };
        assert!((0..TRIES_MAX).any(|n| is_quick(&n)), "not one quick commit");
        let lsn = append(&journal);
        assert!(journal.written() < lsn);
        journal.commit_soon();
        assert_eq!(journal.written(), lsn);
        assert!(journal.durable() < lsn);
        let removal = Removal { stream: 1, floor: None, tombstone: Some((1, 1)), released: &[] };
        let lsn = journal.remove(&removal).unwrap();
        journal.commit_soon();
        assert!(journal.written() >= lsn);
    }

    #[test]
    fn nobody_but_the_committer_waits_for_a_sync_or_a_window() {
        let window = Duration::from_millis(1);
        for (sync, window) in [(SyncPolicy::Always, Duration::ZERO), (relaxed(), window)] {
            let (_dir, _store, journal) = journal(sync, window);
            for _ in 0..20 {
                append(&journal);
                journal.commit_timed().unwrap();
                let lsn = append(&journal);
                journal.commit_soon();
                assert!(journal.written() < lsn);
            }
        }
    }
}
