//! Opening the store: from what lies on disk to streams that can be used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use parking_lot::Mutex;

use super::catalog::Catalog;
use super::checkpoint::Checkpoints;
use super::disk::{Disk, DiskLock};
use super::error::io_error;
use super::facade::{InDoubt, RecoveredConsumer, RecoveredStream, Shared};
use super::journal::Journal;
use super::journal::core::{JournalCore, Resume};
use super::journal::files::{JOURNAL_DIR, SegmentFiles};
use super::journal::model::{Model, ModelConsumer, ModelStream};
use super::journal::quarantine::{Held, QUARANTINE_DIR, Quarantine};
use super::journal::record::Location;
use super::journal::replay::{Replay, Replayed};
use super::journal::segment::{SEGMENT_HEADER_LEN, Segment};
use super::journal_log::JournalLog;
use super::options::{StoreOptions, SyncPolicy};
use super::registry::Registry;
use super::report::RecoveryReport;
use super::restore::{Restored, restore};
use super::sealing::{CatalogKey, KEY_FILE, Vault};
use super::stats::Counters;
use super::stream_index::StreamIndex;
use super::{Lsn, StoreError, StreamId, lost};

/// The file whose lock says that the directory is in use.
const LOCK_FILE: &str = "LOCK";

/// Files that are not the store's, named at most.
const FOREIGN_FILES_MAX: usize = 100;

/// An opened store, before its threads are started.
pub(crate) struct Recovered {
    pub shared: Shared,
    pub streams: Vec<RecoveredStream>,
    pub report: RecoveryReport,
}

/// What outlives a store that is opened anew in the same process.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub counters: Arc<Counters>,
    pub quarantine: Arc<Mutex<Held>>,
    /// The highest number given to a stream, in memory or on disk.
    pub last_stream: Arc<AtomicU32>,
}

/// Takes the directory for this process.
pub(crate) fn lock(disk: &dyn Disk) -> Result<Box<dyn DiskLock>, StoreError> {
    disk.create_dir("").map_err(|error| io_error("create the store's directory", &error))?;
    disk.lock(LOCK_FILE).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StoreError::Io("another process has the store open".into()),
        _ => io_error("lock the store", &error),
    })
}

/// A thread could not be started.
pub(crate) fn no_thread(error: io::Error) -> StoreError {
    io_error("start a thread of the store", &error)
}

/// Reads catalogue and journal and makes the journal ready to be written on.
pub(crate) fn recover(
    options: &StoreOptions,
    disk: Arc<dyn Disk>,
    kept: &Kept,
) -> Result<Recovered, StoreError> {
    let mut report = RecoveryReport::default();
    let vault = Vault::open(&*disk, options.encryption.as_ref())?.map(Arc::new);
    let (files, oddities) = SegmentFiles::open_with(Arc::clone(&disk), options.segment_bytes, vault.clone())?;
    report.unreadable_files = oddities.unreadable;
    report.repaired_records = oddities.repaired;
    report.foreign_files = foreign_files(&*disk);
    let files = Arc::new(files);
    let catalog_dir = disk.catalog_dir().filter(|_| options.catalog);
    let quarantine =
        Arc::new(Quarantine::new(Arc::clone(&disk), options.quarantine_bytes_max, kept.quarantine.clone()));
    let (replayed, checkpoints) = match catalog_dir {
        Some(dir) => with_catalog(Place::new(dir, vault.as_deref())?, &files, &quarantine, &mut report)?,
        None => without_catalog(&files, &quarantine, &mut report)?,
    };
    keep_key(&*disk, options, vault.as_deref())?;
    let rewrite = options.sync == SyncPolicy::Always && replayed.closed.is_none();
    replayed.unsure.settle(&files, rewrite)?;
    Counters::add(&kept.counters.repaired_records, report.repaired_records);
    Counters::add(&kept.counters.lost_segments, report.lost_segments.len() as u64);
    let journal = Arc::new(resume(&files, &replayed, options, kept.counters.clone())?);
    let registry = Mutex::new(Registry::recovered(&replayed.model, &files));
    let shared = Shared { journal, quarantine, registry, checkpoints };
    let mut in_doubt = replayed.in_doubt;
    let hand_over = |(number, stream)| {
        let in_doubt = in_doubt.remove(&number).unwrap_or_default();
        RecoveredStream { in_doubt, ..shared.hand_over(number, stream) }
    };
    let streams = replayed.model.streams.into_iter().map(hand_over).collect();
    Ok(Recovered { shared, streams, report })
}

/// What lies in the store's directory and is not the store's.
fn foreign_files(disk: &dyn Disk) -> Vec<String> {
    let ours = |name: &str| {
        [LOCK_FILE, JOURNAL_DIR, QUARANTINE_DIR].contains(&name)
            || ["catalog", KEY_FILE].iter().any(|ours| name.split('.').next() == Some(ours))
    };
    let names = disk.list("").unwrap_or_default();
    names.into_iter().filter(|name| !ours(name)).take(FOREIGN_FILES_MAX).collect()
}

fn without_catalog(
    files: &SegmentFiles,
    quarantine: &Quarantine,
    report: &mut RecoveryReport,
) -> Result<(Replayed, Checkpoints), StoreError> {
    let replayed = Replay::new(files, quarantine, report, Model::default()).run(Lsn::ZERO)?;
    let checkpoints = Checkpoints::new(None, replayed.model.checkpoint, None, 0);
    Ok((replayed, checkpoints))
}

/// From here on the journal may hold what only the store's own key opens.
fn keep_key(disk: &dyn Disk, options: &StoreOptions, vault: Option<&Vault>) -> Result<(), StoreError> {
    let (Some(vault), Some(encryption)) = (vault, &options.encryption) else { return Ok(()) };
    if let Some(dir) = disk.catalog_dir().filter(|_| vault.is_new()) {
        Catalog::forget_set_aside(&dir);
    }
    match vault.keep(disk, encryption) {
        // Nothing depends on the files that cannot be written: the others have the key.
        Err(error) if !vault.is_new() => log::error!("the store's key: {error}"),
        kept => return kept,
    }
    Ok(())
}

/// Where the catalogue is, and what it is sealed with.
struct Place {
    dir: PathBuf,
    key: Option<Arc<CatalogKey>>,
}

impl Place {
    fn new(dir: PathBuf, vault: Option<&Vault>) -> Result<Self, StoreError> {
        let key = vault.map(Vault::catalog).transpose()?.map(Arc::new);
        Ok(Self { dir, key })
    }

    fn open(&self) -> Result<Arc<Catalog>, StoreError> {
        Catalog::open(self.dir.clone(), self.key.clone()).map(Arc::new)
    }
}

fn with_catalog(
    place: Place,
    files: &SegmentFiles,
    quarantine: &Quarantine,
    report: &mut RecoveryReport,
) -> Result<(Replayed, Checkpoints), StoreError> {
    let catalog = match from_checkpoint(&place, files, quarantine) {
        Ok(FromCheckpoint::Restored(replayed, checkpoints, found)) => {
            report.add(*found);
            return Ok((*replayed, *checkpoints));
        }
        Ok(FromCheckpoint::Empty(catalog)) => Some(catalog),
        Ok(FromCheckpoint::Stale) => anew(&place, Catalog::remove, report)?,
        Err(error) => {
            log::warn!("{error}");
            anew(&place, Catalog::set_aside, report)?
        }
    };
    let replayed = Replay::new(files, quarantine, report, Model::default()).run(Lsn::ZERO)?;
    let catalog = match catalog {
        // There was a checkpoint: sled takes some damaged files for new ones, and must not go on with them.
        Some(empty) if replayed.model.checkpoint > 0 && !report.catalog_rebuilt => {
            drop(empty);
            anew(&place, Catalog::set_aside, report)?
        }
        other => other,
    };
    let checkpoints = Checkpoints::new(catalog, replayed.model.checkpoint, None, report.bytes_replayed);
    Ok((replayed, checkpoints))
}

/// A new catalogue in place of one that is of no use. Without one everything works, but for a quick start.
fn anew(
    place: &Place,
    get_rid: impl FnOnce(&Path) -> Result<(), StoreError>,
    report: &mut RecoveryReport,
) -> Result<Option<Arc<Catalog>>, StoreError> {
    report.catalog_rebuilt = true;
    get_rid(&place.dir)?;
    Ok(place.open().map_err(|error| log::error!("{error}; there is none")).ok())
}

/// What the catalogue is good for.
enum FromCheckpoint {
    Restored(Box<Replayed>, Box<Checkpoints>, Box<RecoveryReport>),
    /// It holds nothing yet.
    Empty(Arc<Catalog>),
    /// It holds a checkpoint that is damaged or not the last.
    Stale,
}

fn from_checkpoint(
    place: &Place,
    files: &SegmentFiles,
    quarantine: &Quarantine,
) -> Result<FromCheckpoint, StoreError> {
    let catalog = place.open()?;
    if catalog.is_empty()? {
        return Ok(FromCheckpoint::Empty(catalog));
    }
    let Some(Restored { root, records, model }) = restore(&catalog, files)? else {
        return Ok(FromCheckpoint::Stale);
    };
    let mut report = RecoveryReport::default();
    let mut replayed = Replay::new(files, quarantine, &mut report, model).run(root.replay_from)?;
    if replayed.model.checkpoint > root.number {
        log::warn!("catalogue: checkpoint {} is not the last", root.number);
        return Ok(FromCheckpoint::Stale);
    }
    lost::take_out(&mut replayed.model, files, quarantine, &mut report)?;
    let checkpoints =
        Checkpoints::new(Some(catalog), root.number, Some((&root, records)), report.bytes_replayed);
    Ok(FromCheckpoint::Restored(Box::new(replayed), Box::new(checkpoints), Box::new(report)))
}

fn resume(
    files: &Arc<SegmentFiles>,
    replayed: &Replayed,
    options: &StoreOptions,
    counters: Arc<Counters>,
) -> Result<Journal, StoreError> {
    let at = match replayed.resume {
        Some(at) => at,
        None => Location { segment: files.prepare(files.next_id(), None)?.id, offset: SEGMENT_HEADER_LEN },
    };
    let prepared = files.ids().into_iter().filter(|id| *id > at.segment).map(|id| files.get(id));
    let prepared: Vec<Arc<Segment>> = prepared.collect::<Result<_, _>>()?;
    let unsure = replayed.model.unsure.iter();
    let floors = unsure.filter_map(|id| Some((*id, replayed.model.streams.get(id)?.index.floor()))).collect();
    let resume = Resume {
        active: files.get(at.segment)?,
        offset: at.offset,
        prepared,
        usage: replayed.model.usage(files, at)?,
        floors,
    };
    let core = JournalCore::new(Arc::clone(files), resume, options.reserves());
    let mut journal = Journal::new(Arc::clone(files), core, at.into(), options.clone(), counters);
    journal.was_closed(replayed.closed.filter(|_| !replayed.torn));
    Ok(journal)
}

impl Shared {
    fn hand_over(&self, number: u32, mut stream: ModelStream) -> RecoveredStream {
        let index = std::mem::replace(&mut stream.index, StreamIndex::new(number));
        let access = self.access(index);
        self.registry.lock().adopt(number, &stream, access.clone());
        let consumers = stream.consumers.into_iter().map(|(name, held)| consumer(name, held)).collect();
        RecoveredStream {
            id: StreamId(number),
            account: stream.account,
            name: stream.name,
            meta: stream.meta.to_vec(),
            log: Box::new(JournalLog::new(access)),
            consumers,
            in_doubt: InDoubt::default(),
        }
    }
}

fn consumer(name: String, held: ModelConsumer) -> RecoveredConsumer {
    RecoveredConsumer {
        name,
        config: held.config.map(|(bytes, _)| bytes.to_vec()).unwrap_or_default(),
        state: held.state.and_then(|(bytes, _)| bytes).map(|bytes| bytes.to_vec()),
        deltas: held.deltas.into_iter().map(|(bytes, _)| bytes.to_vec()).collect(),
    }
}
