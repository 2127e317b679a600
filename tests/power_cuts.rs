//! A power cut at any moment costs nothing that was committed: of what the store wrote, only what it synced is certain.
//!
//! Every call that the store makes of its disk is recorded; then the states are made that a power cut could leave between any
//! two of them. `cargo run --release --example torture -- power` does so with the real binary.

mod store_support;
#[path = "../examples/torture/suite/mod.rs"]
mod suite;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use headwater::store::disk::{Disk, DiskFile, DiskLock, RealDisk};
use headwater::store::{Cipher, Encryption, MessageLog, Store, StoreOptions};
use parking_lot::Mutex;
use store_support::{create, message, tiny};
use suite::power::disk::PowerDisk;
use suite::power::trace::{Call, Event};
use suite::rng::Rng;
use suite::scratch;

const STEPS: u64 = 120;
const STATES_PER_STEP: u64 = 5;

/// Trying a key takes its time.
const ENCRYPTED_STATES_SHARE: u64 = 5;

fn options() -> StoreOptions {
    StoreOptions { catalog: false, ..tiny() }
}

/// What was true at some moment.
#[derive(Default, Clone)]
struct Promise {
    held: BTreeMap<u64, Vec<u8>>,
    last_seq: u64,
}

/// All calls, and after which of them what was promised.
struct Run {
    root: String,
    events: Vec<Event>,
    promises: Vec<(usize, Promise)>,
    options: StoreOptions,
}

#[test]
fn a_power_cut_at_any_moment_costs_nothing_that_was_committed() {
    let broken = cut_everywhere(&recorded(11, options()), 1);
    assert!(broken.is_empty(), "{} broken promises, such as {:?}", broken.len(), broken.first());
}

/// The store's own key is on disk before anything is sealed with it.
#[test]
fn nor_does_one_of_an_encrypted_store() {
    let encryption = Encryption { key: "key".into(), previous_key: None, cipher: Cipher::default() };
    let run = recorded(12, StoreOptions { encryption: Some(encryption), ..options() });
    let broken = cut_everywhere(&run, ENCRYPTED_STATES_SHARE);
    assert!(broken.is_empty(), "{} broken promises, such as {:?}", broken.len(), broken.first());
}

/// The checker itself: a store whose syncs do nothing cannot keep its promises.
#[test]
fn a_store_without_syncs_is_caught() {
    let mut run = recorded(11, options());
    run.events.retain(|event| !matches!(&event.call, Call::Sync(path) if path.contains(".seg")));
    assert!(cut_everywhere(&run, 1).len() > 50);
}

#[test]
fn a_store_without_syncs_of_directories_is_caught() {
    let mut run = recorded(11, options());
    run.events.retain(|event| !matches!(&event.call, Call::Sync(path) if path.ends_with("journal")));
    assert!(cut_everywhere(&run, 1).len() > 50);
}

/// Publishes, removals, purges, compaction: everything that writes.
fn recorded(seed: u64, options: StoreOptions) -> Run {
    let dir = scratch::directory();
    let disk = Recorder::new(dir.path());
    let (events, root) = (Arc::clone(&disk.events), disk.root.clone());
    let (store, ..) = Store::open_on(Arc::new(disk), options.clone()).unwrap();
    let (mut log, mut rng) = (create(&store, "S"), Rng::new(seed));
    let (mut promise, mut promises) = (Promise::default(), Vec::new());
    for step in 0..STEPS {
        act(&mut *log, &mut promise, &mut rng);
        store.commit().unwrap();
        promises.push((events.lock().len(), promise.clone()));
        if step % 10 == 9 {
            store.maintain().unwrap();
        }
    }
    drop((log, store));
    let events = std::mem::take(&mut *events.lock());
    Run { root, events, promises, options }
}

fn act(log: &mut dyn MessageLog, promise: &mut Promise, rng: &mut Rng) {
    for _ in 0..1 + rng.below(6) {
        let seq = promise.last_seq + 1;
        let len = rng.below(900) as usize;
        let payload = rng.bytes(len);
        log.append(&message(seq, "a", b"", &payload)).unwrap();
        promise.held.insert(seq, payload);
        promise.last_seq = seq;
    }
    let held: Vec<u64> = promise.held.keys().copied().collect();
    for _ in 0..rng.below(4) {
        let seq = *rng.pick(&held);
        if promise.held.remove(&seq).is_some() {
            log.remove(seq).unwrap();
        }
    }
    if rng.percent(5) {
        let below = promise.last_seq.saturating_sub(30).max(1);
        log.purge_below(below).unwrap();
        promise.held = promise.held.split_off(&below);
    }
}

/// Cuts the power between any two calls, or one pair in `sparse`; returns what was not as promised.
fn cut_everywhere(run: &Run, sparse: u64) -> Vec<String> {
    let mut disk = PowerDisk::new(&run.root);
    let dir = scratch::directory();
    let (mut broken, mut rng) = (Vec::new(), Rng::new(5));
    let every = (run.events.len() as u64 / (STEPS * STATES_PER_STEP)).max(1) * sparse;
    for (at, event) in run.events.iter().enumerate() {
        disk.begin(event);
        disk.end(event);
        let promised = run.promises.partition_point(|(told, _)| *told <= at + 1);
        if promised > 0 && rng.below(every) > 0 {
            continue;
        }
        let mood = disk.leave(&mut rng, dir.path()).unwrap();
        let next = run.promises.get(promised).map(|(_, promise)| promise);
        let verdict = match promised.checked_sub(1) {
            Some(last) => check(dir.path(), &run.options, &run.promises[last].1, next),
            None => Store::open(dir.path(), run.options.clone()).map(drop).map_err(|error| error.to_string()),
        };
        broken.extend(verdict.err().map(|what| format!("after call {at} ({mood:?}): {what}")));
    }
    broken
}

/// What was promised holds; what was about to happen may have happened.
fn check(
    dir: &Path,
    options: &StoreOptions,
    promise: &Promise,
    next: Option<&Promise>,
) -> Result<(), String> {
    let (_store, streams, _) = Store::open(dir, options.clone()).map_err(|error| error.to_string())?;
    let stream = streams.first().filter(|stream| stream.name == "S").ok_or("the stream is gone")?;
    let last_seq = stream.log.state().last_seq;
    if last_seq < promise.last_seq {
        return Err(format!("ends at {last_seq}, not {}", promise.last_seq));
    }
    let going: BTreeSet<u64> = match next {
        Some(next) => promise.held.keys().copied().filter(|seq| !next.held.contains_key(seq)).collect(),
        None => BTreeSet::new(),
    };
    for seq in 1..=promise.last_seq {
        let found =
            stream.log.load(seq).map_err(|error| error.to_string())?.map(|held| held.payload().to_vec());
        match (found, promise.held.get(&seq)) {
            (found, held) if found.as_ref() == held => {}
            (None, Some(_)) if going.contains(&seq) => {}
            (None, _) => return Err(format!("message {seq} is lost")),
            (Some(_), None) => return Err(format!("message {seq} is back")),
            (Some(_), Some(_)) => return Err(format!("message {seq} has changed")),
        }
    }
    Ok(())
}

/// A real directory; every call that changes it is noted.
struct Recorder {
    inner: RealDisk,
    root: String,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Recorder {
    fn new(dir: &Path) -> Self {
        let root = dir.to_string_lossy().into_owned();
        Self { inner: RealDisk::new(dir).unwrap(), root, events: Arc::default() }
    }

    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.root).trim_end_matches('/').to_owned()
    }

    fn file(&self, path: &str, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let path = Mutex::new(self.path(path));
        Arc::new(RecorderFile { inner, path, events: Arc::clone(&self.events) })
    }
}

fn note(events: &Mutex<Vec<Event>>, call: Call) {
    let mut events = events.lock();
    let at = events.len() * 2;
    events.push(Event { begin: at, end: at + 1, call });
}

impl Disk for Recorder {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let missing = !Path::new(&self.path(dir)).is_dir();
        self.inner.create_dir(dir)?;
        if missing {
            note(&self.events, Call::MakeDir(self.path(dir)));
            note(&self.events, Call::Sync(self.root.clone()));
        }
        Ok(())
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.inner.create(path)?;
        note(&self.events, Call::Create { path: self.path(path), truncate: true });
        Ok(self.file(path, file))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path, self.inner.open(path)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)?;
        note(&self.events, Call::Rename(self.path(from), self.path(to)));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)?;
        note(&self.events, Call::Remove(self.path(path)));
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)?;
        note(&self.events, Call::Sync(self.path(dir)));
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.inner.free_bytes()
    }

    fn random(&self) -> io::Result<u64> {
        self.inner.random()
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(path)
    }
}

/// A file that is renamed once it is ready keeps being written under its new name.
struct RecorderFile {
    inner: Arc<dyn DiskFile>,
    path: Mutex<String>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl RecorderFile {
    fn path(&self) -> String {
        let mut path = self.path.lock();
        if let Some(stem) = path.strip_suffix(".tmp").filter(|_| !Path::new(&*path).exists()) {
            *path = format!("{stem}.seg");
        }
        path.clone()
    }
}

impl DiskFile for RecorderFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(buf, offset)?;
        note(&self.events, Call::Write { path: self.path(), offset: Some(offset), data: buf.to_vec() });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()?;
        note(&self.events, Call::Sync(self.path()));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.inner.preallocate(len)?;
        note(&self.events, Call::Extend { path: self.path(), len });
        Ok(())
    }
}
