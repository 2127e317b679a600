//! Streams and consumers come back as they were last acknowledged, whichever way the store was left.

mod store_support;

use std::path::Path;

use headwater::store::{RecoveredConsumer, RecoveredStream, StorageKind, Store, StoreOptions, StreamId};
use store_support::{create, message, open, open_one, tiny};

/// Ways to come back to a store.
#[derive(Debug, Clone, Copy)]
enum Return {
    Closed,
    Crashed,
    CrashedAfterCheckpoint,
    CatalogLost,
}

const RETURNS: [Return; 4] =
    [Return::Closed, Return::Crashed, Return::CrashedAfterCheckpoint, Return::CatalogLost];

/// Does something to a new store, leaves it in every way, and returns what is found.
fn after(act: impl Fn(&Store), check: impl Fn(Vec<RecoveredStream>)) {
    for way in RETURNS {
        let dir = tempfile::tempdir().unwrap();
        let (store, ..) = open(dir.path(), tiny());
        act(&store);
        store.flush().unwrap();
        leave(&store, way);
        drop(store);
        if matches!(way, Return::CatalogLost) {
            std::fs::remove_dir_all(dir.path().join("catalog")).unwrap();
        }
        check(found(dir.path()));
    }
}

fn leave(store: &Store, way: Return) {
    match way {
        Return::Closed => store.try_close().unwrap(),
        Return::CrashedAfterCheckpoint => store.checkpoint().unwrap(),
        Return::Crashed | Return::CatalogLost => {}
    }
}

fn found(dir: &Path) -> Vec<RecoveredStream> {
    let (_store, streams, report) = open(dir, tiny());
    assert_eq!((report.damaged_regions, report.torn_bytes), (0, 0));
    streams
}

fn consumer(name: &str, config: &[u8], state: Option<&[u8]>, deltas: &[&[u8]]) -> RecoveredConsumer {
    RecoveredConsumer {
        name: name.into(),
        config: config.to_vec(),
        state: state.map(<[u8]>::to_vec),
        deltas: deltas.iter().map(|delta| delta.to_vec()).collect(),
    }
}

#[test]
fn a_stream_keeps_its_account_name_and_latest_configuration() {
    after(
        |store| {
            let (id, ..) = store.create_stream("ACC", "ORDERS", b"first", StorageKind::File).unwrap();
            store.create_stream("OTHER", "ORDERS", b"another", StorageKind::File).unwrap();
            store.update_stream(id, b"second").unwrap();
        },
        |streams| {
            let held: Vec<_> = streams
                .iter()
                .map(|stream| (stream.account.as_str(), stream.name.as_str(), &*stream.meta))
                .collect();
            assert_eq!(held, [("ACC", "ORDERS", &b"second"[..]), ("OTHER", "ORDERS", &b"another"[..])]);
        },
    );
}

#[test]
fn a_stream_made_again_never_sees_what_its_former_self_stored() {
    after(
        |store| {
            let mut old = create(store, "S");
            old.append(&message(1, "a", b"", b"old")).unwrap();
            store.delete_stream(StreamId(1)).unwrap();
            let mut new = create(store, "S");
            new.append(&message(1, "a", b"", b"new")).unwrap();
        },
        |streams| {
            assert_eq!(streams.len(), 1);
            assert_eq!(streams[0].log.load(1).unwrap().unwrap().payload(), b"new");
            assert_eq!(streams[0].id, StreamId(2));
        },
    );
}

#[test]
fn a_consumer_comes_back_with_its_state_and_what_changed_since() {
    after(
        |store| {
            create(store, "S");
            store.put_consumer(StreamId(1), "C", b"config").unwrap();
            store.append_consumer_delta(StreamId(1), "C", b"void").unwrap();
            store.put_consumer_state(StreamId(1), "C", b"state").unwrap();
            store.append_consumer_delta(StreamId(1), "C", b"one").unwrap();
            store.put_consumer(StreamId(1), "C", b"changed").unwrap();
            store.append_consumer_delta(StreamId(1), "C", b"two").unwrap();
            store.put_consumer(StreamId(1), "D", b"other").unwrap();
        },
        |streams| {
            let expected = [
                consumer("C", b"changed", Some(b"state"), &[b"one", b"two"]),
                consumer("D", b"other", None, &[]),
            ];
            assert_eq!(streams[0].consumers, expected);
        },
    );
}

#[test]
fn a_consumer_made_again_starts_afresh() {
    after(
        |store| {
            create(store, "S");
            store.put_consumer(StreamId(1), "C", b"config").unwrap();
            store.put_consumer_state(StreamId(1), "C", b"state").unwrap();
            store.append_consumer_delta(StreamId(1), "C", b"delta").unwrap();
            store.delete_consumer(StreamId(1), "C").unwrap();
            store.put_consumer(StreamId(1), "C", b"new").unwrap();
        },
        |streams| assert_eq!(streams[0].consumers, [consumer("C", b"new", None, &[])]),
    );
}

#[test]
fn a_deleted_stream_takes_its_consumers_along() {
    after(
        |store| {
            create(store, "S");
            create(store, "T");
            store.put_consumer(StreamId(1), "C", b"config").unwrap();
            store.delete_stream(StreamId(1)).unwrap();
        },
        |streams| {
            assert_eq!(streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), ["T"]);
            assert!(streams[0].consumers.is_empty());
        },
    );
}

#[test]
fn an_empty_stream_keeps_its_last_sequence() {
    after(
        |store| {
            let mut log = create(store, "S");
            log.skip_to(41, store_support::ts(41)).unwrap();
            log.append(&message(42, "a", b"", b"")).unwrap();
            log.remove(42).unwrap().unwrap();
        },
        |streams| {
            let state = streams[0].log.state();
            assert_eq!(
                (state.messages, state.first_seq, state.last_seq, state.last_ts),
                (0, 43, 42, store_support::ts(42))
            );
        },
    );
}

#[test]
fn a_memory_stream_leaves_no_trace() {
    after(
        |store| {
            let (id, mut log, _) = store.create_stream("A", "M", b"", StorageKind::Memory).unwrap();
            log.append(&message(1, "a", b"", b"x")).unwrap();
            store.put_consumer(id, "C", b"config").unwrap();
            create(store, "S");
        },
        |streams| assert_eq!(streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), ["S"]),
    );
}

#[test]
fn a_second_broker_on_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let refused = Store::open(dir.path(), tiny()).err().unwrap();
    assert!(refused.to_string().contains("another process"), "{refused}");
    store.try_close().unwrap();
    assert!(Store::open(dir.path(), tiny()).is_ok());
}

#[test]
fn many_streams_with_an_index_on_disk_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { index_bytes_max: 0, ..tiny() };
    let (store, ..) = open(dir.path(), options.clone());
    let mut logs: Vec<_> = (0..50).map(|n| create(&store, &format!("S{n:02}"))).collect();
    for seq in 1..=40 {
        for log in &mut logs {
            log.append(&message(seq, "a.b", b"", b"payload")).unwrap();
        }
        store.commit().unwrap();
        if seq % 10 == 0 {
            store.maintain().unwrap();
            store.checkpoint().unwrap();
        }
    }
    drop((store, logs));
    let (_store, streams, report) = open(dir.path(), options);
    assert!(!report.catalog_rebuilt);
    assert!(report.records < 100, "{}", report.records);
    assert!(streams.iter().all(|stream| stream.log.state().messages == 40));
}

#[test]
fn a_message_is_removed_though_its_index_page_left_memory_since_it_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), StoreOptions { index_bytes_max: 0, ..tiny() });
    let mut log = create(&store, "S");
    log.append(&message(1, "a.b", b"", b"payload")).unwrap();
    log.append(&message(2, "a.b", b"", b"payload")).unwrap();
    store.try_close().unwrap();
    drop((store, log));
    let (store, mut stream) = open_one(dir.path(), StoreOptions { index_bytes_max: 0, ..tiny() });
    assert!(stream.log.meta(1).is_some());
    store.maintain().unwrap();
    assert!(stream.log.remove(1).unwrap().is_some());
    assert_eq!(stream.log.state().first_seq, 2);
}

#[test]
fn a_damaged_catalogue_is_rebuilt_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    for seq in 1..=2000 {
        log.append(&message(seq, "a.b", b"", b"payload")).unwrap();
    }
    store.try_close().unwrap();
    drop((store, log));
    let db = dir.path().join("catalog/db");
    let mut bytes = std::fs::read(&db).unwrap();
    bytes.iter_mut().step_by(101).for_each(|byte| *byte ^= 0x3c);
    std::fs::write(db, bytes).unwrap();
    let (store, streams, report) = open(dir.path(), tiny());
    assert!(report.catalog_rebuilt);
    assert_eq!(streams[0].log.state().messages, 2000);
    assert_eq!(streams[0].log.load(1234).unwrap().unwrap().payload(), b"payload");
    store.try_close().unwrap();
    drop((store, streams));
    assert!(!open(dir.path(), tiny()).2.catalog_rebuilt);
}

#[test]
fn a_catalogue_that_is_not_the_last_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    log.append(&message(1, "a", b"", b"one")).unwrap();
    store.try_close().unwrap();
    drop((store, log));
    let kept = tempfile::tempdir().unwrap();
    copy(&dir.path().join("catalog"), kept.path());
    let (store, mut streams, _) = open(dir.path(), tiny());
    for seq in 2..=500 {
        streams[0].log.append(&message(seq, "a", b"", b"more")).unwrap();
    }
    streams[0].log.purge_below(400).unwrap();
    store.maintain().unwrap();
    store.try_close().unwrap();
    drop((store, streams));
    std::fs::remove_dir_all(dir.path().join("catalog")).unwrap();
    copy(kept.path(), &dir.path().join("catalog"));
    let (_store, streams, report) = open(dir.path(), tiny());
    assert!(report.catalog_rebuilt);
    let state = streams[0].log.state();
    assert_eq!((state.messages, state.first_seq, state.last_seq), (101, 400, 500));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[test]
fn a_segment_that_a_replay_finds_empty_is_not_missed_by_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = || StoreOptions { compact_below_percent: 0, ..tiny() };
    let (store, ..) = open(dir.path(), options());
    let mut log = create(&store, "S");
    for seq in 1..=2000 {
        log.append(&message(seq, "a.b", b"", b"payload")).unwrap();
        if seq == 150 {
            store.checkpoint().unwrap();
        }
    }
    log.purge_below(350).unwrap();
    store.flush().unwrap();
    drop((store, log));
    for _ in 0..2 {
        let (store, streams, report) = open(dir.path(), options());
        assert_eq!(report.lost_segments, Vec::<u32>::new());
        assert_eq!(streams[0].log.state().last_seq, 2000);
        store.maintain().unwrap();
    }
}
