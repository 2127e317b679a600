use std::ops::ControlFlow;
use std::time::Duration;

use super::*;
use crate::{Cipher, Encryption, NewMessage};

/// Index pages that may be in memory, in bytes.
const INDEX_BYTES_MAX: usize = 16 << 10;

fn options() -> StoreOptions {
    StoreOptions { index_bytes_max: INDEX_BYTES_MAX, threads: false, ..StoreOptions::default() }
}

fn filled(store: &Store, name: &str, subjects: u64, messages: u64) -> (StreamId, Box<dyn MessageLog>) {
    let (id, mut log, _) = store.create_stream("ACC", name, b"", StorageKind::File).unwrap();
    for seq in 1..=messages {
        let subject = format!("a.rather.long.subject.{}", seq % subjects);
        let (subject, payload) = (subject.as_bytes(), b"payload".as_slice());
        log.append(&NewMessage { seq, ts: 1, subject, headers: b"", payload }).unwrap();
    }
    (id, log)
}

fn index_of(store: &Store, id: StreamId) -> Arc<Mutex<StreamIndex>> {
    let shared = store.shared().unwrap();
    let registry = shared.registry.lock();
    Arc::clone(&registry.streams[&id.0].access.index)
}

fn resident_bytes(store: &Store, id: StreamId) -> usize {
    index_of(store, id).lock().resident_bytes()
}

#[test]
fn reading_through_an_index_that_was_just_stored_does_not_bring_all_of_it_into_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = Store::open(dir.path(), options()).unwrap();
    let (id, log) = filled(&store, "S", 2_000, 30_000);
    assert!(resident_bytes(&store, id) > 4 * INDEX_BYTES_MAX);
    store.checkpoint().unwrap();
    store.maintain().unwrap();
    assert!(resident_bytes(&store, id) <= INDEX_BYTES_MAX);
    assert!((1..=30_000).all(|seq| log.meta(seq).is_some()));
    log.for_each_subject(b">", &mut |_, _| ControlFlow::Continue(()));
    assert!(resident_bytes(&store, id) <= INDEX_BYTES_MAX, "{}", resident_bytes(&store, id));
}

#[test]
fn a_stream_that_was_deleted_while_memory_is_given_back_damages_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let encryption = Some(Encryption { key: "key".into(), previous_key: None, cipher: Cipher::ChaCha });
    let (store, ..) = Store::open(dir.path(), StoreOptions { encryption, ..options() }).unwrap();
    let (id, log) = filled(&store, "S", 10, 1_000);
    store.checkpoint().unwrap();
    let index = index_of(&store, id);
    store.delete_stream(id).unwrap();
    index.lock().evict(usize::MAX);
    assert_eq!(log.subject(b"a.rather.long.subject.1"), None);
    store.flush().unwrap();
    assert!(!dir.path().join("catalog.distrusted").exists());
}

#[test]
fn what_is_learnt_by_reading_leaves_memory_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = Store::open(dir.path(), options()).unwrap();
    let (id, mut log) = filled(&store, "S", 1_000, 66_000);
    // Of a subject with many messages it is not known any more which is the first.
    assert!((1..=1_000).all(|seq| log.remove(seq).unwrap().is_some()));
    store.checkpoint().unwrap();
    store.maintain().unwrap();
    log.for_each_subject(b">", &mut |_, state| {
        assert_eq!(state.count, 65);
        ControlFlow::Continue(())
    });
    assert!(resident_bytes(&store, id) > INDEX_BYTES_MAX);
    store.maintain().unwrap();
    store.maintain().unwrap();
    assert!(resident_bytes(&store, id) <= INDEX_BYTES_MAX, "{}", resident_bytes(&store, id));
}

#[test]
fn housekeeping_is_called_when_readers_of_many_streams_have_brought_too_much_into_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = Store::open(dir.path(), options()).unwrap();
    let streams: Vec<_> = (0..12).map(|n| filled(&store, &format!("S{n}"), 200, 5_000)).collect();
    store.checkpoint().unwrap();
    store.maintain().unwrap();
    let shared = store.shared().unwrap();
    shared.journal.chores.wait(Some(Duration::ZERO));
    for (_, log) in &streams {
        assert!((1..=5_000).all(|seq| log.meta(seq).is_some()));
    }
    assert!(streams.iter().map(|(id, _)| resident_bytes(&store, *id)).sum::<usize>() > INDEX_BYTES_MAX);
    assert!(shared.journal.chores.wait(Some(Duration::ZERO)));
    store.maintain().unwrap();
    assert!(streams.iter().map(|(id, _)| resident_bytes(&store, *id)).sum::<usize>() <= INDEX_BYTES_MAX);
}
