//! A directory that version 1 of the format wrote is opened forever.
//!
//! `tests/store_format/v1.hex` holds the beginning of a segment; the rest of the file were zeros. To see it made, read
//! `write_fixture`, which also checks that today's program still writes version 1.

mod store_support;

use std::path::Path;

use headwater::store::{RecoveredConsumer, StorageKind, Store, StoreOptions, StreamId};
use store_support::{message, open, tiny};

const FIXTURE: &str = include_str!("store_format/v1.hex");

const SEGMENT_BYTES: usize = 8192;

fn options() -> StoreOptions {
    StoreOptions { catalog: false, ..tiny() }
}

/// Everything a journal can hold but damage.
fn write_fixture(store: &Store) {
    let (id, mut log, _) =
        store.create_stream("ACC", "ORDERS", b"{\"name\":\"ORDERS\"}", StorageKind::File).unwrap();
    log.append(&message(1, "orders.new", b"", b"first")).unwrap();
    log.append(&message(2, "orders.new", b"NATS/1.0\r\nA: b\r\n\r\n", b"second")).unwrap();
    log.append(&message(3, "orders.old", b"", b"")).unwrap();
    let group = [message(4, "orders.new", b"", b"grouped 1"), message(5, "orders.new", b"", b"grouped 2")];
    log.append_group(&group).unwrap();
    store.flush().unwrap();
    store.put_consumer(id, "C", b"config").unwrap();
    store.put_consumer_state(id, "C", b"state").unwrap();
    store.append_consumer_delta(id, "C", b"delta").unwrap();
    store.put_consumer(id, "GONE", b"config").unwrap();
    store.delete_consumer(id, "GONE").unwrap();
    let (gone, ..) = store.create_stream("ACC", "GONE", b"", StorageKind::File).unwrap();
    store.delete_stream(gone).unwrap();
    store.update_stream(id, b"{\"name\":\"ORDERS\",\"v\":2}").unwrap();
    log.remove(3).unwrap().unwrap();
    log.purge_below(2).unwrap();
    log.skip_to(9, store_support::ts(5)).unwrap();
    store.flush().unwrap();
}

fn check(dir: &Path) {
    let (_store, streams, report) = open(dir, options());
    assert_eq!((report.damaged_regions, report.torn_bytes, report.records_discarded), (0, 0, 0));
    assert_eq!(streams.len(), 1);
    let stream = &streams[0];
    assert_eq!((stream.id, stream.account.as_str(), stream.name.as_str()), (StreamId(1), "ACC", "ORDERS"));
    assert_eq!(stream.meta, b"{\"name\":\"ORDERS\",\"v\":2}");
    let state = stream.log.state();
    assert_eq!((state.messages, state.first_seq, state.last_seq, state.subjects), (3, 2, 9, 1));
    assert_eq!((state.first_ts, state.last_ts), (store_support::ts(2), store_support::ts(5)));
    let held = stream.log.load(2).unwrap().unwrap();
    assert_eq!((held.subject(), held.headers()), (&b"orders.new"[..], &b"NATS/1.0\r\nA: b\r\n\r\n"[..]));
    assert_eq!(stream.log.load(5).unwrap().unwrap().payload(), b"grouped 2");
    let consumer = RecoveredConsumer {
        name: "C".into(),
        config: b"config".to_vec(),
        state: Some(b"state".to_vec()),
        deltas: vec![b"delta".to_vec()],
    };
    assert_eq!(stream.consumers, [consumer]);
}

#[test]
fn a_directory_of_version_1_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = decode(FIXTURE);
    bytes.resize(SEGMENT_BYTES, 0);
    std::fs::create_dir(dir.path().join("journal")).unwrap();
    std::fs::write(store_support::segment(dir.path(), 1), bytes).unwrap();
    check(dir.path());
}

#[test]
fn what_is_written_today_is_version_1_but_for_the_salt() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), options());
    write_fixture(&store);
    store.try_close().unwrap();
    drop(store);
    check(dir.path());
    let written = std::fs::read(store_support::segment(dir.path(), 1)).unwrap();
    let fixture = decode(FIXTURE);
    assert_eq!(without_checksums(&written[..fixture.len()]), without_checksums(&fixture));
    let (unused, copy) = written[fixture.len()..].split_at(SEGMENT_BYTES - 64 - fixture.len());
    assert!(unused.iter().all(|byte| *byte == 0));
    assert_eq!(copy, &written[..64], "the header once more");
}

/// Blanks what depends on the salt.
fn without_checksums(segment: &[u8]) -> Vec<u8> {
    let mut blank = segment.to_vec();
    blank[16..24].fill(0);
    blank[60..64].fill(0);
    let mut at = 64;
    while at + 40 <= blank.len() {
        let len = |at: usize, bytes: usize| -> usize {
            blank[at..at + bytes].iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte))
        };
        let content = len(at + 6, 2) + len(at + 8, 4) + len(at + 12, 4);
        blank[at..at + 4].fill(0);
        blank[at + 20..at + 24].fill(0);
        at += (40 + content).next_multiple_of(8);
    }
    blank
}

#[test]
fn a_later_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = decode(FIXTURE);
    bytes[8] = 3;
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    bytes.resize(SEGMENT_BYTES, 0);
    std::fs::create_dir(dir.path().join("journal")).unwrap();
    std::fs::write(store_support::segment(dir.path(), 1), bytes).unwrap();
    let disk = headwater::store::disk::RealDisk::new(dir.path()).unwrap();
    let refused = Store::open_on(std::sync::Arc::new(disk), options()).err().unwrap();
    assert!(refused.to_string().contains("version 3"), "{refused}");
}

fn decode(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}
