//! Damage to a closed store costs at most what was hit: start is never refused, the loss is told, no sequence is reused.
//!
//! `cargo run --release --example torture -- damage` strikes at thousands of positions; here are some hundred of them, and
//! whole files that are lost, cut off or strange.

#[path = "../examples/torture/suite/mod.rs"]
mod suite;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use headwater::store::Store;
use headwater::store::disk::{Disk, DiskFile, DiskLock, RealDisk};
use headwater::store::journal::record::Kind;
use suite::damage::base::{Base, options};
use suite::damage::verdict::{Excuse, excuses_of_segments};
use suite::damage::{Case, case, sweep};
use suite::{log_lines, scratch};
use tempfile::TempDir;

const POSITIONS: u64 = 300;

#[test]
fn a_flipped_bit_or_a_zeroed_sector_anywhere_costs_at_most_what_was_hit() {
    let figures = sweep(1, 0..POSITIONS);
    assert_eq!(figures.broken, [""; 0]);
    assert_eq!(figures.positions, POSITIONS);
    assert!(figures.lossy > POSITIONS / 10, "hardly anything was hit: {figures:?}");
}

/// It did: what could not be read was wanted again and again.
#[test]
fn a_damaged_change_of_a_consumer_s_state_does_not_stop_compaction() {
    let deltas = base().records.iter().filter(|(.., record)| record.header.kind == Kind::ConsumerDelta);
    for (at, len, record) in deltas.rev().take(40) {
        let store = store();
        let path = segment(&store, at.segment);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at.offset as usize + 40..(at.offset + len) as usize].fill(0xff);
        fs::write(path, bytes).unwrap();
        let consumer = String::from_utf8(record.subject().to_vec()).unwrap();
        judge(&store, &HashSet::from([Excuse::Consumer(record.header.stream, consumer)]), true);
    }
}

#[test]
fn a_lost_catalogue_costs_nothing() {
    let store = store();
    fs::remove_dir_all(store.path().join("catalog")).unwrap();
    assert!(judge(&store, &HashSet::new(), true).losses.messages.is_empty());
}

#[test]
fn a_lost_last_segment_costs_what_was_in_it_and_no_sequence_is_reused() {
    for catalog in [true, false] {
        let store = store();
        let last = base().records.last().unwrap().0.segment;
        for id in last..last + 10 {
            let _ = fs::remove_file(segment(&store, id));
        }
        without_catalog_unless(&store, catalog);
        let lost = judge(&store, &excuses_of_segments(base(), |id| id == last), catalog);
        assert!(!lost.losses.messages.is_empty());
    }
}

#[test]
fn a_lost_middle_segment_costs_what_was_in_it() {
    for id in segments() {
        let store = store();
        fs::remove_file(segment(&store, id)).unwrap();
        judge(&store, &excuses_of_segments(base(), |lost| lost == id), true);
    }
}

#[test]
fn streams_and_their_ends_are_known_even_when_all_segments_are_lost() {
    let store = store();
    fs::remove_dir_all(store.path().join("journal")).unwrap();
    let lost = judge(&store, &excuses_of_segments(base(), |_| true), true);
    let all: usize = base().streams.values().map(|stream| stream.messages.len()).sum();
    assert_eq!(lost.losses.messages.len(), all);
}

#[test]
fn foreign_files_are_left_alone_and_do_no_harm() {
    let store = store();
    let third = fs::read(segment(&store, segments()[2])).unwrap();
    let foreign: [(&str, &[u8]); 6] = [
        ("journal/notes.txt", b"buy milk"),
        ("journal/notes.tmp", b"buy more milk"),
        ("journal/0000000090.seg", b"short"),
        ("journal/0000000091.seg", &third),
        ("quarantine/readme", b"hands off"),
        ("stranger", b"?"),
    ];
    fs::create_dir(store.path().join("journal/0000000092.seg")).unwrap();
    fs::create_dir(store.path().join("quarantine")).unwrap();
    for (path, bytes) in foreign {
        fs::write(store.path().join(path), bytes).unwrap();
    }
    assert!(judge(&store, &HashSet::new(), true).losses.messages.is_empty());
    for (path, bytes) in foreign {
        assert!(fs::read(store.path().join(path)).unwrap() == bytes, "{path}");
    }
    assert!(store.path().join("journal/0000000092.seg").is_dir());
}

#[test]
fn a_file_where_the_catalogue_should_be_is_set_aside() {
    let store = store();
    fs::remove_dir_all(store.path().join("catalog")).unwrap();
    fs::write(store.path().join("catalog"), b"no directory").unwrap();
    assert!(judge(&store, &HashSet::new(), true).losses.messages.is_empty());
}

#[test]
fn a_truncated_segment_costs_what_was_cut_off() {
    for (turn, id) in segments().into_iter().enumerate() {
        let store = store();
        let len = [0, 10, 64, 5_000, 30_001][turn % 5];
        fs::File::options().write(true).open(segment(&store, id)).unwrap().set_len(len).unwrap();
        let cut = |record: &&(_, u32, _)| is_cut(record, id, len);
        let excuses = excuses_of_segments(base(), |lost| lost == id);
        let whole = base().records.iter().filter(|record| record.0.segment == id && !cut(record)).count();
        let lost = judge(&store, &excuses, turn % 2 == 0);
        let kept_some = whole < 10 || lost.losses.messages.len() < excuses.len();
        assert!(kept_some, "segment {id} cut to {len} bytes");
    }
}

fn is_cut(
    record: &(headwater::store::journal::record::Location, u32, headwater::store::journal::record::Record),
    id: u32,
    len: u64,
) -> bool {
    record.0.segment == id && u64::from(record.0.offset + record.1) > len
}

#[test]
fn a_truncated_catalogue_costs_nothing() {
    for len in [0, 100, 100_000, 400_000] {
        let store = store();
        let db = store.path().join("catalog/db");
        fs::File::options().write(true).open(db).unwrap().set_len(len).unwrap();
        assert!(judge(&store, &HashSet::new(), true).losses.messages.is_empty());
    }
}

#[test]
fn a_second_opening_is_refused() {
    let store = store();
    let opened = Store::open(store.path(), options(true)).unwrap();
    let refused = Store::open(store.path(), options(true)).err().unwrap();
    assert!(refused.to_string().contains("another process has the store open"), "{refused}");
    opened.0.try_close().unwrap();
    Store::open(store.path(), options(true)).unwrap();
}

#[test]
fn a_read_only_directory_is_refused_with_the_reason_and_not_changed() {
    let store = store();
    let before = scratch::image(store.path());
    let disk = ReadOnly(RealDisk::new(store.path()).unwrap());
    let refused = Store::open_on(Arc::new(disk), options(true)).err().unwrap();
    assert!(refused.to_string().contains("Read-only file system"), "{refused}");
    assert!(scratch::image(store.path()) == before);
}

#[test]
fn a_file_instead_of_the_directory_is_refused_with_the_reason() {
    let dir = scratch::directory();
    fs::write(dir.path().join("store"), b"").unwrap();
    let refused = Store::open(&dir.path().join("store"), options(true)).err().unwrap();
    assert!(refused.to_string().contains("create "), "{refused}");
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| Base::new(7))
}

/// A copy of the base on disk.
fn store() -> TempDir {
    log_lines::watch();
    let dir = scratch::directory();
    scratch::restore(dir.path(), &base().image);
    dir
}

/// The segments that hold records, but for the last.
fn segments() -> Vec<u32> {
    let mut ids: Vec<u32> = base().records.iter().map(|(at, ..)| at.segment).collect();
    ids.dedup();
    ids.pop();
    ids
}

fn segment(store: &TempDir, id: u32) -> PathBuf {
    store.path().join(format!("journal/{id:010}.seg"))
}

fn without_catalog_unless(store: &TempDir, kept: bool) {
    if !kept {
        fs::remove_dir_all(store.path().join("catalog")).unwrap();
    }
}

#[track_caller]
fn judge(store: &TempDir, excuses: &HashSet<Excuse>, catalog: bool) -> Case {
    case(store.path(), &base().streams, excuses, catalog, true).unwrap()
}

/// A disk that can only be read.
struct ReadOnly(RealDisk);

fn refused<T>() -> io::Result<T> {
    Err(io::Error::from_raw_os_error(30))
}

impl Disk for ReadOnly {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        if Path::new(self.0.root()).join(dir).is_dir() { Ok(()) } else { refused() }
    }

    fn create(&self, _path: &str) -> io::Result<Arc<dyn DiskFile>> {
        refused()
    }

    fn open(&self, _path: &str) -> io::Result<Arc<dyn DiskFile>> {
        refused()
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _path: &str) -> io::Result<()> {
        refused()
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        refused()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }

    fn random(&self) -> io::Result<u64> {
        self.0.random()
    }

    fn lock(&self, _path: &str) -> io::Result<Box<dyn DiskLock>> {
        refused()
    }
}
