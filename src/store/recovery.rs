//! Opening the store: from what lies on disk to streams that can be used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::catalog::Catalog;
use super::checkpoint::Checkpoints;
use super::disk::{Disk, DiskLock};
use super::error::io_error;
use super::facade::{RecoveredConsumer, RecoveredStream, Shared};
use super::journal::Journal;
use super::journal::core::{JournalCore, Resume};
use super::journal::files::SegmentFiles;
use super::journal::model::{Model, ModelConsumer, ModelStream};
use super::journal::quarantine::{Held, Quarantine};
use super::journal::record::Location;
use super::journal::replay::{Replay, Replayed};
use super::journal::segment::{SEGMENT_HEADER_LEN, Segment};
use super::journal_log::JournalLog;
use super::options::{StoreOptions, SyncPolicy};
use super::registry::Registry;
use super::report::RecoveryReport;
use super::restore::{Restored, restore};
use super::stats::Counters;
use super::stream_index::StreamIndex;
use super::{Lsn, StoreError, StreamId};

/// The file whose lock says that the directory is in use.
const LOCK_FILE: &str = "LOCK";

/// A last commit is never longer than this by much.
const REWRITTEN_BYTES_MAX: u64 = 64 << 20;

/// Bytes of it written at a time.
const REWRITE_STEP_BYTES: u32 = 256 << 10;

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
    let (files, unreadable) = SegmentFiles::open(Arc::clone(&disk), options.segment_bytes)?;
    report.unreadable_files = unreadable;
    let files = Arc::new(files);
    let catalog_dir = disk.catalog_dir().filter(|_| options.catalog);
    let quarantine = Arc::new(Quarantine::new(disk, options.quarantine_bytes_max, kept.quarantine.clone()));
    let (replayed, checkpoints) = match catalog_dir {
        Some(dir) => with_catalog(dir, &files, &quarantine, &mut report)?,
        None => without_catalog(&files, &quarantine, &mut report)?,
    };
    let rewritten_bytes_max = if options.sync == SyncPolicy::Always { REWRITTEN_BYTES_MAX } else { 0 };
    make_sure(&files, &replayed, rewritten_bytes_max)?;
    Counters::add(&kept.counters.repaired_records, report.repaired_records);
    let journal = Arc::new(resume(&files, &replayed, options, kept.counters.clone())?);
    let registry = Mutex::new(Registry::recovered(&replayed.model));
    let shared = Shared { journal, quarantine, registry, checkpoints };
    let streams =
        replayed.model.streams.into_iter().map(|(number, stream)| shared.hand_over(number, stream)).collect();
    Ok(Recovered { shared, streams, report })
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

fn with_catalog(
    dir: PathBuf,
    files: &SegmentFiles,
    quarantine: &Quarantine,
    report: &mut RecoveryReport,
) -> Result<(Replayed, Checkpoints), StoreError> {
    let catalog = match from_checkpoint(&dir, files, quarantine) {
        Ok(FromCheckpoint::Restored(replayed, checkpoints, found)) => {
            report.add(*found);
            return Ok((*replayed, *checkpoints));
        }
        Ok(FromCheckpoint::Empty(catalog)) => Some(catalog),
        Ok(FromCheckpoint::Stale) => anew(dir.clone(), Catalog::remove, report)?,
        Err(error) => {
            log::warn!("{error}");
            anew(dir.clone(), Catalog::set_aside, report)?
        }
    };
    let replayed = Replay::new(files, quarantine, report, Model::default()).run(Lsn::ZERO)?;
    let catalog = match catalog {
        // There was a checkpoint: sled takes some damaged files for new ones, and must not go on with them.
        Some(empty) if replayed.model.checkpoint > 0 && !report.catalog_rebuilt => {
            drop(empty);
            anew(dir, Catalog::set_aside, report)?
        }
        other => other,
    };
    let checkpoints = Checkpoints::new(catalog, replayed.model.checkpoint, None, report.bytes_replayed);
    Ok((replayed, checkpoints))
}

/// A new catalogue in place of one that is of no use. Without one everything works, but for a quick start.
fn anew(
    dir: PathBuf,
    get_rid: impl FnOnce(&Path) -> Result<(), StoreError>,
    report: &mut RecoveryReport,
) -> Result<Option<Arc<Catalog>>, StoreError> {
    report.catalog_rebuilt = true;
    get_rid(&dir)?;
    let catalog = Catalog::open(dir).map_err(|error| log::error!("{error}; there is none"));
    Ok(catalog.map(Arc::new).ok())
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
    dir: &Path,
    files: &SegmentFiles,
    quarantine: &Quarantine,
) -> Result<FromCheckpoint, StoreError> {
    let catalog = Arc::new(Catalog::open(dir.to_path_buf())?);
    if catalog.is_empty()? {
        return Ok(FromCheckpoint::Empty(catalog));
    }
    let Some(Restored { root, records, model }) = restore(&catalog, files)? else {
        return Ok(FromCheckpoint::Stale);
    };
    let mut report = RecoveryReport::default();
    let replayed = Replay::new(files, quarantine, &mut report, model).run(root.replay_from)?;
    if replayed.model.checkpoint > root.number {
        log::warn!("catalogue: checkpoint {} is not the last", root.number);
        return Ok(FromCheckpoint::Stale);
    }
    let checkpoints =
        Checkpoints::new(Some(catalog), root.number, Some((&root, records)), report.bytes_replayed);
    Ok(FromCheckpoint::Restored(Box::new(replayed), Box::new(checkpoints), Box::new(report)))
}

/// What was read may be in the system's cache only; it is about to be relied upon. After a failed sync the system takes its
/// cache for written although it is not: so what nobody vouches for is written once more, up to `bytes_max` of it.
fn make_sure(files: &SegmentFiles, replayed: &Replayed, bytes_max: u64) -> Result<(), StoreError> {
    let Some(end) = replayed.resume else { return Ok(()) };
    let from = replayed.synced;
    let mut bytes_left = if replayed.closed.is_some() { 0 } else { bytes_max };
    for id in files.ids().into_iter().filter(|id| (from.segment..=end.segment).contains(id)) {
        let segment = files.get(id)?;
        let start = if id == from.segment { from.offset } else { SEGMENT_HEADER_LEN };
        let end = if id == end.segment { end.offset } else { segment.len };
        rewrite(&segment, start, end, &mut bytes_left)?;
        segment.sync()?;
    }
    Ok(())
}

fn rewrite(segment: &Segment, start: u32, end: u32, bytes_left: &mut u64) -> Result<(), StoreError> {
    let mut at = start.max(SEGMENT_HEADER_LEN);
    while at < end && *bytes_left > 0 {
        let bytes = segment.read(at, (end - at).min(REWRITE_STEP_BYTES) as usize)?;
        if bytes.is_empty() {
            break;
        }
        segment.write(at, &bytes)?;
        at += bytes.len() as u32;
        *bytes_left = bytes_left.saturating_sub(bytes.len() as u64);
    }
    Ok(())
}

fn resume(
    files: &Arc<SegmentFiles>,
    replayed: &Replayed,
    options: &StoreOptions,
    counters: Arc<Counters>,
) -> Result<Journal, StoreError> {
    let at = match replayed.resume {
        Some(at) => at,
        None => Location { segment: first_segment(files)?, offset: SEGMENT_HEADER_LEN },
    };
    let prepared = files.ids().into_iter().filter(|id| *id > at.segment).map(|id| files.get(id));
    let prepared: Vec<Arc<Segment>> = prepared.collect::<Result<_, _>>()?;
    let unsure = replayed.model.unsure.iter();
    let floors = unsure.filter_map(|id| Some((*id, replayed.model.streams.get(id)?.index.floor()))).collect();
    let resume = Resume {
        active: files.get(at.segment)?,
        offset: at.offset,
        prepared,
        usage: replayed.model.usage(files, at.segment)?,
        torn: replayed.torn,
        floors,
    };
    let core = JournalCore::new(Arc::clone(files), resume, options.reserve_bytes);
    let mut journal = Journal::new(Arc::clone(files), core, at.into(), options.clone(), counters);
    journal.was_closed(replayed.closed.filter(|_| !replayed.torn));
    Ok(journal)
}

fn first_segment(files: &SegmentFiles) -> Result<u32, StoreError> {
    match files.ids().first() {
        Some(id) => Ok(*id),
        None => files.prepare(1, None).map(|segment| segment.id),
    }
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
