//! The store as the broker sees it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Mutex, RwLock};

use super::checkpoint::Checkpoints;
use super::disk::{Disk, DiskLock, RealDisk};
use super::error::io_error;
use super::index::pages::PageSource;
use super::index_meter::MeteredPages;
use super::janitor::{Janitor, JanitorThread, Left};
use super::journal::Journal;
use super::journal::committer::Committer;
use super::journal::core::Class;
use super::journal::observers::CommitObserver;
use super::journal::quarantine::{QUARANTINE_DIR, Quarantine};
use super::journal::record::{Draft, Kind, Location};
use super::journal_log::{JournalLog, StreamAccess};
use super::memory::MemoryLog;
use super::options::StoreOptions;
use super::recovery::Kept;
use super::registry::Registry;
use super::report::RecoveryReport;
use super::stats::{Counters, StoreStats};
use super::stream_index::StreamIndex;
use super::{Lsn, MessageLog, StorageKind, StoreError, StreamId, recovery};

/// Messages of the last commit that are named one by one.
const IN_DOUBT_MAX: usize = 1 << 16;

/// Rounds of housekeeping [`Store::maintain`] does at most.
const MAINTAIN_ROUNDS_MAX: usize = 1000;

/// A stream that was found on disk.
pub struct RecoveredStream {
    /// Its number.
    pub id: StreamId,
    /// The account it belongs to; empty together with `name` when its creation record was lost. Adopt such a stream with
    /// [`Store::adopt_stream`] or delete it.
    pub account: String,
    /// Its name.
    pub name: String,
    /// What was stored with it.
    pub meta: Vec<u8>,
    /// Its messages.
    pub log: Box<dyn MessageLog>,
    /// Its consumers, by name.
    pub consumers: Vec<RecoveredConsumer>,
    /// What the last commit brought, if a crash followed it.
    pub in_doubt: InDoubt,
}

/// Which messages the last commit before a crash brought: what they pushed out may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InDoubt {
    /// These.
    Messages(Vec<u64>),
    /// So many that they were not counted, or another configuration.
    All,
}

impl InDoubt {
    /// Whether it brought nothing.
    pub fn is_empty(&self) -> bool {
        matches!(self, InDoubt::Messages(seqs) if seqs.is_empty())
    }

    /// The last commit brought this message.
    pub(crate) fn note(&mut self, seq: u64) {
        match self {
            InDoubt::Messages(seqs) if seqs.len() < IN_DOUBT_MAX => seqs.push(seq),
            _ => *self = InDoubt::All,
        }
    }
}

impl Default for InDoubt {
    fn default() -> Self {
        InDoubt::Messages(Vec::new())
    }
}

/// A consumer that was found on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredConsumer {
    /// Its name.
    pub name: String,
    /// What was stored with it; empty when that record was lost.
    pub config: Vec<u8>,
    /// Its latest whole state.
    pub state: Option<Vec<u8>>,
    /// What has changed since, in order.
    pub deltas: Vec<Vec<u8>>,
}

/// The disk, with all streams on it. Share it in an `Arc`; dropping it without [`Store::close`] is what a crash is: what
/// was not committed is lost, nothing else.
///
/// A store that has failed refuses everything until [`Store::recover`] has opened it anew.
pub struct Store {
    disk: Arc<dyn Disk>,
    options: StoreOptions,
    kept: Kept,
    observers: Mutex<Vec<Arc<dyn CommitObserver>>>,
    /// `None` until it was opened, and while it is opened anew.
    shared: RwLock<Option<Arc<Shared>>>,
    committer: Mutex<Option<Committer>>,
    janitor_thread: Mutex<Option<JanitorThread>>,
    /// Housekeeping of a store without threads.
    janitor: Mutex<Janitor>,
    lock: Mutex<Option<Box<dyn DiskLock>>>,
}

/// An opened store, the streams it holds, and what opening it found.
pub type Opened = (Arc<Store>, Vec<RecoveredStream>, RecoveryReport);

/// What the store's threads share.
pub(crate) struct Shared {
    pub journal: Arc<Journal>,
    pub quarantine: Arc<Quarantine>,
    pub registry: Mutex<Registry>,
    pub checkpoints: Checkpoints,
}

impl Store {
    /// Opens the store in the directory `dir`, which is created when missing; recovers what is there, and says in the log
    /// what it should not have found.
    ///
    /// Fails with [`StoreError::Io`] when another process has it open.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Opened, StoreError> {
        Self::open_with(dir, options, &|_| {})
    }

    /// [`Store::open`]; `settle` as with [`Store::recover_with`].
    pub fn open_with(
        dir: &Path,
        options: StoreOptions,
        settle: &dyn Fn(&mut RecoveredStream),
    ) -> Result<Opened, StoreError> {
        let disk =
            RealDisk::new(dir).map_err(|error| io_error(&format!("create {}", dir.display()), &error))?;
        let store = Self::claim(Arc::new(disk), options)?;
        let (streams, report) = store.recover_with(settle)?;
        Ok((store, streams, report))
    }

    /// Opens the store in `disk`'s directory.
    pub fn open_on(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Opened, StoreError> {
        let store = Self::claim(disk, options)?;
        let (streams, report) = store.recover()?;
        Ok((store, streams, report))
    }

    /// Takes the directory for this process and reads nothing of it yet: that is left to [`Store::recover`], before which
    /// everything is refused.
    pub fn claim(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let lock = recovery::lock(&*disk)?;
        Ok(Arc::new(Store {
            disk,
            options: options.bounded(),
            kept: Kept::default(),
            observers: Mutex::default(),
            shared: RwLock::default(),
            committer: Mutex::default(),
            janitor_thread: Mutex::default(),
            janitor: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        }))
    }

    /// Reads what is on disk; from then on the store works.
    ///
    /// On a store that works or has failed already, this begins anew as after a crash: what was not durable may be gone,
    /// and logs handed out before refuse everything. A failed write or sync leaves nothing that could be relied upon but
    /// what the disk tells when it is read again.
    pub fn recover(&self) -> Result<(Vec<RecoveredStream>, RecoveryReport), StoreError> {
        self.recover_with(&|_| {})
    }

    /// [`Store::recover`]; `settle` removes from each stream what messages in doubt had pushed out. That is committed before
    /// anything else is, and as long as it has not been, the messages stay in doubt, however often the store is opened.
    pub fn recover_with(
        &self,
        settle: &dyn Fn(&mut RecoveredStream),
    ) -> Result<(Vec<RecoveredStream>, RecoveryReport), StoreError> {
        let lock = self.lock.lock();
        if lock.is_none() {
            return Err(closed());
        }
        self.abandon();
        let mut recovered = recovery::recover(&self.options, Arc::clone(&self.disk), &self.kept)?;
        recovered.streams.iter_mut().for_each(settle);
        recovered.shared.journal.commit_settlement()?;
        let shared = Arc::new(recovered.shared);
        shared.registry.lock().number_above(self.kept.last_stream.load(Ordering::Relaxed));
        for observer in self.observers.lock().iter() {
            observer.reopened(shared.journal.durable());
            shared.journal.observe(Arc::clone(observer));
        }
        *self.shared.write() = Some(Arc::clone(&shared));
        if self.options.threads {
            self.start_threads(&shared).map_err(recovery::no_thread)?;
        }
        recovered.report.log();
        Ok((recovered.streams, recovered.report))
    }

    /// Lets go of everything but the directory. Nothing is written.
    fn abandon(&self) {
        let Some(shared) = self.shared.write().take() else { return };
        shared.journal.shut();
        drop(self.janitor_thread.lock().take());
        drop(self.committer.lock().take());
        *self.janitor.lock() = Janitor::default();
        shared.checkpoints.close();
        self.kept.last_stream.fetch_max(shared.registry.lock().last_stream(), Ordering::Relaxed);
        Counters::add(&self.kept.counters.reopened, 1);
    }

    fn shared(&self) -> Result<Arc<Shared>, StoreError> {
        self.shared.read().clone().ok_or_else(closed)
    }

    pub(super) fn journal(&self) -> Option<Arc<Journal>> {
        self.shared.read().as_ref().map(|shared| Arc::clone(&shared.journal))
    }

    /// Creates a stream. A memory stream leaves no trace on disk; nor do its consumers.
    pub fn create_stream(
        &self,
        account: &str,
        name: &str,
        meta: &[u8],
        kind: StorageKind,
    ) -> Result<(StreamId, Box<dyn MessageLog>, Lsn), StoreError> {
        let shared = self.shared()?;
        let mut registry = shared.registry.lock();
        let number = registry.next_stream();
        if kind == StorageKind::Memory {
            return Ok((StreamId(number), Box::new(MemoryLog::new()), Lsn::ZERO));
        }
        let access = shared.access(StreamIndex::new(number));
        let lsn = registry.create(number, (account, name), meta, access.clone())?;
        Ok((StreamId(number), Box::new(JournalLog::new(access)), lsn))
    }

    /// Stores a stream's configuration anew.
    pub fn update_stream(&self, id: StreamId, meta: &[u8]) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.update(id, None, meta))
    }

    /// Gives a stream that has lost its creation record a name and a configuration.
    pub fn adopt_stream(
        &self,
        id: StreamId,
        account: &str,
        name: &str,
        meta: &[u8],
    ) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.update(id, Some((account, name)), meta))
    }

    /// Deletes a stream with its messages and consumers. Works on a full disk.
    pub fn delete_stream(&self, id: StreamId) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.delete(id))
    }

    /// Stores a consumer's configuration.
    pub fn put_consumer(&self, id: StreamId, name: &str, config: &[u8]) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.put_consumer(id, name, config))
    }

    /// Stores a new consumer's configuration and the first change of its state, or neither.
    pub fn create_consumer(
        &self,
        id: StreamId,
        name: &str,
        config: &[u8],
        delta: &[u8],
    ) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.create_consumer(id, name, config, delta))
    }

    /// Stores a consumer's whole state; deltas before it are void.
    pub fn put_consumer_state(&self, id: StreamId, name: &str, state: &[u8]) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.put_consumer_state(id, name, state))
    }

    /// Stores a change of a consumer's state. All changes since the last whole state are kept: write one whenever
    /// [`Store::wants_consumer_state`] says so.
    pub fn append_consumer_delta(&self, id: StreamId, name: &str, delta: &[u8]) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.append_consumer_delta(id, name, delta))
    }

    /// Whether a consumer has so many changes that its whole state should be written with [`Store::put_consumer_state`].
    pub fn wants_consumer_state(&self, id: StreamId, name: &str) -> bool {
        self.shared().is_ok_and(|shared| shared.registry.lock().wants_consumer_state(id, name))
    }

    /// Deletes a consumer.
    pub fn delete_consumer(&self, id: StreamId, name: &str) -> Result<Lsn, StoreError> {
        self.of_file_stream(id, |registry| registry.delete_consumer(id, name))
    }

    /// Up to where everything has been written.
    pub fn written(&self) -> Lsn {
        self.journal().map_or(Lsn::ZERO, |journal| journal.written())
    }

    /// Up to where everything is on disk.
    pub fn durable(&self) -> Lsn {
        self.journal().map_or(Lsn::ZERO, |journal| journal.durable())
    }

    /// Whether appenders should pause; observers are told when this changes.
    pub fn pressure(&self) -> bool {
        self.journal().is_some_and(|journal| journal.pressure())
    }

    /// Whether messages are refused for lack of space.
    pub fn is_full(&self) -> bool {
        self.journal().is_some_and(|journal| journal.with_core(|core| core.is_full()))
    }

    /// Has `observer` told of every commit from now on, of failures, and of the store being opened anew.
    pub fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.observers.lock().push(Arc::clone(&observer));
        if let Some(journal) = self.journal() {
            journal.observe(observer);
        }
    }

    /// Counters and sizes; of a store that is not open, the counters only. Reads the quarantine's directory.
    pub fn stats(&self) -> StoreStats {
        let damage = self.kept.quarantine.lock().damage().clone();
        StoreStats {
            damage_regions: damage.regions,
            damaged_bytes: damage.bytes,
            messages_lost: damage.lost.values().sum(),
            quarantine_files: self.disk.list(QUARANTINE_DIR).map_or(0, |names| names.len() as u64),
            ..self.journal().map_or_else(|| self.kept.counters.snapshot(), |journal| journal.stats())
        }
    }

    /// How many messages of each stream are known to be lost to damage, since the process started. Streams that have lost
    /// none are not named.
    pub fn messages_lost(&self) -> BTreeMap<StreamId, u64> {
        let quarantine = self.kept.quarantine.lock();
        quarantine.damage().lost.iter().map(|(stream, messages)| (StreamId(*stream), *messages)).collect()
    }

    /// Commits everything appended so far and makes it durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.shared()?.journal.flush()
    }

    /// Commits what waits, as the committer would; false when nothing waited. For stores without threads.
    pub fn commit(&self) -> Result<bool, StoreError> {
        self.shared()?.journal.commit()
    }

    /// Sees to it that what was appended is committed soon, by the caller if that is quick. Whoever stored messages calls this at
    /// the end of its batch, without holding a lock; an error is told to the observers.
    pub fn commit_soon(&self) {
        if let Some(journal) = self.journal() {
            journal.commit_soon();
        }
    }

    /// Housekeeping until nothing is left to do, as the janitor would. For stores without threads.
    pub fn maintain(&self) -> Result<(), StoreError> {
        let shared = self.shared()?;
        let mut janitor = self.janitor.lock();
        for _ in 0..MAINTAIN_ROUNDS_MAX {
            let left = janitor.round(&shared)?;
            shared.journal.flush()?;
            if left == Left::Nothing {
                break;
            }
        }
        Ok(())
    }

    /// Makes everything durable and brings the catalogue up to date, so that a restart reads little of the journal.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        let shared = self.shared()?;
        shared.journal.flush()?;
        shared.checkpoint()
    }

    /// Copies bytes of a segment's file to the quarantine.
    pub(crate) fn set_aside(&self, at: Location, len: u32) -> Result<(), StoreError> {
        let shared = self.shared()?;
        let segment = shared.journal.files.get(at.segment)?;
        shared.quarantine.damaged(&segment, at.offset, len, None);
        Ok(())
    }

    fn start_threads(&self, shared: &Arc<Shared>) -> io::Result<()> {
        *self.committer.lock() = Some(Committer::start(Arc::clone(&shared.journal))?);
        *self.janitor_thread.lock() = Some(JanitorThread::start(Arc::clone(shared))?);
        Ok(())
    }

    /// Closes the store in order: everything appended becomes durable. Logs refuse everything from then on. What fails is
    /// logged; the next opening recovers.
    pub fn close(&self) {
        if let Err(error) = self.try_close() {
            log::error!("closing the store: {error}");
        }
    }

    /// [`Store::close`], telling what failed.
    pub fn try_close(&self) -> Result<(), StoreError> {
        let mut lock = self.lock.lock();
        drop(self.janitor_thread.lock().take());
        drop(self.committer.lock().take());
        let shared = self.shared.read().clone();
        let closed = shared.map_or(Ok(()), |shared| {
            let untouched = shared.journal.is_closed() && shared.is_saved();
            let closed = if untouched { Ok(()) } else { shared.finish() };
            shared.journal.shut();
            closed
        });
        drop(lock.take());
        closed
    }

    /// Consumers of memory streams are nobody's business but their owner's.
    fn of_file_stream(
        &self,
        id: StreamId,
        change: impl FnOnce(&mut Registry) -> Result<Lsn, StoreError>,
    ) -> Result<Lsn, StoreError> {
        let shared = self.shared()?;
        let mut registry = shared.registry.lock();
        if registry.streams.contains_key(&id.0) { change(&mut registry) } else { Ok(Lsn::ZERO) }
    }
}

fn closed() -> StoreError {
    StoreError::Poisoned("the store is not open".into())
}

impl Shared {
    /// Makes everything durable, brings the catalogue up to date and says in the journal that it ends.
    fn finish(&self) -> Result<(), StoreError> {
        self.journal.flush()?;
        if let Err(error) = self.checkpoint() {
            log::warn!("{error}; the next start will read more of the journal");
        }
        self.journal.append(&Draft::new(Kind::Closed, 0), Class::Housekeeping)?;
        self.journal.flush()
    }

    /// Makes an index reachable for logs, handles and the janitor.
    pub fn access(&self, mut index: StreamIndex) -> StreamAccess {
        if let Some(pages) = self.checkpoints.pages(index.stream) {
            let metered = MeteredPages { pages, journal: Arc::clone(&self.journal) };
            let pages: Arc<dyn PageSource> = Arc::new(metered);
            index.set_source(&pages, self.journal.options().index_bytes_max / 4);
        }
        StreamAccess {
            journal: Arc::clone(&self.journal),
            quarantine: Arc::clone(&self.quarantine),
            index: Arc::new(Mutex::new(index)),
        }
    }
}

#[cfg(test)]
#[path = "facade_tests.rs"]
mod tests;
