//! `headwater doctor` says what is wrong with a store and what it costs, changes nothing unless told to, and repairs.

#[path = "../examples/torture/suite/mod.rs"]
mod suite;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use headwater::cli::{self, Answer, Invocation};
use headwater::jetstream::record;
use headwater::store::journal::record::{Kind, Location};
use headwater::store::{NewMessage, StorageKind, Store};
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::timestamp::Timestamp;
use suite::damage::base::{Base, options};
use suite::damage::case;
use suite::damage::verdict::{Excuse, Judge};
use suite::scratch;
use tempfile::TempDir;

/// The exit code and what is printed. In this process: one that is being started holds its parent's locks for a moment.
fn doctor(dir: &Path, flags: &[&str]) -> (u8, String) {
    let words = ["doctor", dir.to_str().unwrap()].into_iter().chain(flags.iter().copied());
    match cli::parse(words.map(str::to_owned)) {
        Invocation::Doctor(request) => told(request.run()),
        Invocation::Answer(answer) => told(answer),
        other => panic!("{other:?}"),
    }
}

fn told(answer: Answer) -> (u8, String) {
    (answer.exit_code, answer.stdout + &answer.stderr)
}

/// What the program says while it changes nothing.
#[track_caller]
fn look(store: &TempDir, flags: &[&str]) -> (u8, String) {
    let before = scratch::image(store.path());
    let said = doctor(store.path(), flags);
    assert!(scratch::image(store.path()) == before, "the store was changed");
    said
}

fn store(base: &Base) -> TempDir {
    let dir = scratch::directory();
    scratch::restore(dir.path(), &base.image);
    dir
}

/// Flips a bit of the payload of some long message, the last copy of it; returns where it lies, its stream and its sequence.
fn damage(store: &TempDir, base: &Base) -> (Location, u32, u64) {
    let long = |len: u32| len > 4000;
    let live =
        |stream: u32, seq: u64| base.streams.get(&stream).is_some_and(|s| s.messages.contains_key(&seq));
    let (at, len, record) = base
        .records
        .iter()
        .rfind(|(_, len, record)| {
            let header = &record.header;
            header.kind == Kind::Message && long(*len) && live(header.stream, header.seq)
        })
        .unwrap();
    let path = store.path().join(format!("journal/{:010}.seg", at.segment));
    let mut bytes = fs::read(&path).unwrap();
    bytes[(at.offset + len / 2) as usize] ^= 4;
    fs::write(path, bytes).unwrap();
    (*at, record.header.stream, record.header.seq)
}

#[test]
fn a_healthy_store_is_called_healthy() {
    let base = Base::new(3);
    let store = store(&base);
    let (code, said) = look(&store, &[]);
    assert_eq!(code, 0, "{said}");
    let messages: usize = base.streams.values().map(|stream| stream.messages.len()).sum();
    assert!(said.starts_with("healthy: ") && said.contains(&format!("{messages} messages")), "{said}");
}

#[test]
fn a_damaged_message_is_named_and_after_a_repair_set_aside_and_gone() {
    let base = Base::new(3);
    let store = store(&base);
    let (at, stream, seq) = damage(&store, &base);
    let name = &base.streams[&stream].name;
    let (code, said) = look(&store, &[]);
    assert_eq!(code, 1, "{said}");
    let line = format!("journal/{:010}.seg at {}, ", at.segment, at.offset);
    let loss = format!("damaged: Message, stream ACC > {name}, sequence {seq}\n");
    assert!(said.contains(&line) && said.contains(&loss), "{said}");
    assert_eq!(doctor(store.path(), &["--repair"]).0, 0);
    let set_aside = format!("quarantine/{:010}-{:010}.bin", at.segment, at.offset);
    assert!(store.path().join(set_aside).exists());
    let (code, said) = look(&store, &[]);
    assert_eq!(code, 0, "{said}");
    let excuses = HashSet::from([Excuse::Message(stream, seq)]);
    let (_store, streams, _) = Store::open(store.path(), options(true)).unwrap();
    let judge = Judge { streams: &base.streams, excuses: &excuses };
    assert_eq!(judge.streams(&streams).unwrap().messages.len(), 1);
}

#[test]
fn findings_are_told_as_json() {
    let base = Base::new(3);
    let store = store(&base);
    let (at, _, seq) = damage(&store, &base);
    let (code, said) = look(&store, &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &told["healthy"]), (1, &false.into()));
    let finding = &told["findings"][0];
    assert_eq!((&finding["offset"], &finding["sequence"]), (&at.offset.into(), &seq.into()));
}

#[test]
fn a_damaged_catalogue_is_told_and_rebuilt() {
    let base = Base::new(3);
    let store = store(&base);
    let db = store.path().join("catalog/db");
    let mut bytes = fs::read(&db).unwrap();
    bytes.iter_mut().step_by(501).for_each(|byte| *byte ^= 0x41);
    fs::write(db, bytes).unwrap();
    let (code, said) = look(&store, &[]);
    assert!(code == 1 && said.contains("catalog: "), "{said}");
    assert_eq!(doctor(store.path(), &["--repair"]).0, 0);
    assert_eq!(look(&store, &[]).0, 0);
    assert!(
        case(store.path(), &base.streams, &HashSet::new(), true, true).unwrap().losses.messages.is_empty()
    );
}

#[test]
fn a_missing_segment_and_a_strange_file_are_told_and_settled() {
    let base = Base::new(3);
    let store = store(&base);
    let missing = base.records[base.records.len() / 2].0.segment;
    fs::remove_file(store.path().join(format!("journal/{missing:010}.seg"))).unwrap();
    fs::write(store.path().join("journal/0000000900.seg"), b"no segment").unwrap();
    let (code, said) = look(&store, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("journal/{missing:010}.seg: the segment is missing")), "{said}");
    assert!(said.contains("journal/0000000900.seg: not readable as a segment"), "{said}");
    let (code, said) = doctor(store.path(), &["--repair"]);
    assert_eq!(code, 0, "{said}");
    assert!(store.path().join("quarantine/0000000900.seg").exists());
    assert_eq!(look(&store, &[]).0, 0);
}

/// A store whose last commit was never finished: of it, there is the second message of a subject that may have one, and not the
/// removal of the first.
fn torn_store() -> TempDir {
    let dir = scratch::directory();
    let (store, ..) = Store::open(dir.path(), options(true)).unwrap();
    let config = StreamConfig { name: "S".into(), max_msgs_per_subject: 1, ..StreamConfig::default() };
    let meta = record::encode(Timestamp(1), &config);
    let (_, mut log, _) = store.create_stream("$G", "S", &meta, StorageKind::File).unwrap();
    let message = |seq| NewMessage { seq, ts: 1, subject: b"s", headers: b"", payload: b"x" };
    log.append(&message(1)).unwrap();
    store.commit().unwrap();
    let end = log.append(&message(2)).unwrap().0 as u32 as usize;
    log.remove(1).unwrap();
    store.commit().unwrap();
    drop((log, store));
    let path = dir.path().join("journal/0000000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    bytes[end..end + 48].fill(0);
    fs::write(path, bytes).unwrap();
    dir
}

#[test]
fn what_a_torn_commit_brought_back_beyond_the_limits_is_gone_after_a_repair() {
    let store = torn_store();
    let live = || {
        let (_store, streams, _) = Store::open(store.path(), options(true)).unwrap();
        (1..=2).filter(|seq| streams[0].log.meta(*seq).is_some()).collect::<Vec<u64>>()
    };
    assert_eq!(doctor(store.path(), &["--repair"]).0, 0);
    assert_eq!(live(), [2]);
}

#[test]
fn a_store_that_a_broker_has_open_is_not_looked_at() {
    let base = Base::new(3);
    let store = store(&base);
    let broker = Store::open(store.path(), options(true)).unwrap();
    let (code, said) = doctor(store.path(), &["--repair"]);
    assert!(code == 2 && said.contains("another process has the store open"), "{said}");
    drop(broker);
}

#[test]
fn the_broker_s_store_dir_will_do_as_well_and_anything_else_is_refused() {
    let base = Base::new(3);
    let dir = scratch::directory();
    scratch::restore(&dir.path().join("jetstream"), &base.image);
    assert_eq!(doctor(dir.path(), &[]).0, 0);
    assert_eq!(doctor(&dir.path().join("elsewhere"), &[]).0, 2);
    assert_eq!(doctor(dir.path(), &["--frob"]).0, 2);
}
