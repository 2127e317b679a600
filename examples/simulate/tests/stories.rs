//! What seeds have found, told shortly.

use std::sync::Arc;

use headwater::store::{NewMessage, Opened, RecoveredStream, StorageKind, Store, StoreOptions};

use crate::disk::{Lie, Mood, SimDisk};
use crate::rng::Rng;

fn disk() -> SimDisk {
    SimDisk::new(Rng::new(1), 1 << 30, Lie::None)
}

fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 8192, catalog: false, threads: false, ..StoreOptions::default() }
}

fn open(disk: &SimDisk) -> Opened {
    Store::open_on(Arc::new(disk.clone()), options()).unwrap()
}

/// Opens a store that holds one stream.
fn open_one(disk: &SimDisk) -> (Arc<Store>, RecoveredStream) {
    let (store, mut streams, _) = open(disk);
    assert_eq!(streams.len(), 1);
    (store, streams.remove(0))
}

fn message(seq: u64, payload: &[u8]) -> NewMessage<'_> {
    NewMessage { seq, ts: seq as i64, subject: b"s", headers: b"", payload }
}

/// The journal's directory was made and never synced: it went with the power, and everything in it.
#[test]
fn the_first_messages_on_a_new_disk_survive_a_power_cut() {
    let disk = disk();
    let (store, _, _) = open(&disk);
    let (_, mut log, _) = store.create_stream("A", "S", b"", StorageKind::File).unwrap();
    log.append(&message(1, b"x")).unwrap();
    store.commit().unwrap();
    disk.cut_power(Mood::Forgetful);
    assert_eq!(open_one(&disk).1.log.state().messages, 1);
}
