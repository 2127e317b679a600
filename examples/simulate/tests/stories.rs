//! What seeds have found, told shortly.

use std::sync::Arc;
use std::time::Duration;

use headwater::store::disk::Disk;
use headwater::store::{
    Lsn, MessageLog, NewMessage, Opened, RecoveredStream, StorageKind, Store, StoreError, StoreOptions,
    SyncPolicy,
};

use crate::disk::{Faults, Lie, Mood, SimDisk};
use crate::rng::Rng;

pub(super) fn disk() -> SimDisk {
    disk_of(1)
}

pub(super) fn disk_of(seed: u64) -> SimDisk {
    SimDisk::new(Rng::new(seed), 1 << 30, Lie::None)
}

pub(super) fn options() -> StoreOptions {
    StoreOptions {
        segment_bytes: 4096,
        compact_below_percent: 90,
        catalog: false,
        threads: false,
        ..StoreOptions::default()
    }
}

pub(super) fn open(disk: &SimDisk) -> Opened {
    Store::open_on(Arc::new(disk.clone()), options()).unwrap()
}

/// Opens a new store and makes a stream, whose creation ends there.
pub(super) fn open_new(disk: &SimDisk) -> (Arc<Store>, Box<dyn MessageLog>, Lsn) {
    let (store, _, _) = open(disk);
    let (_, log, put) = store.create_stream("A", "S", b"", StorageKind::File).unwrap();
    (store, log, put)
}

/// Opens a store that holds one stream.
pub(super) fn open_one(disk: &SimDisk) -> (Arc<Store>, RecoveredStream) {
    let (store, mut streams, _) = open(disk);
    assert_eq!(streams.len(), 1);
    (store, streams.remove(0))
}

pub(super) fn message(seq: u64, payload: &[u8]) -> NewMessage<'_> {
    NewMessage { seq, ts: seq as i64, subject: b"s", headers: b"", payload }
}

pub(super) fn offset_of(lsn: Lsn) -> usize {
    lsn.0 as u32 as usize
}

/// The journal's directory was made and never synced: it went with the power, and everything in it.
#[test]
fn the_first_messages_on_a_new_disk_survive_a_power_cut() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    log.append(&message(1, b"x")).unwrap();
    store.commit().unwrap();
    disk.cut_power(Mood::Forgetful);
    assert_eq!(open_one(&disk).1.log.state().messages, 1);
}

/// A removal did not count, because of a hole before it in its commit. The segment with the hole went, and it counted again.
#[test]
fn what_did_not_count_once_never_counts() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    log.append(&message(1, b"stays")).unwrap();
    let hole = offset_of(log.append(&message(2, &[2; 3000])).unwrap());
    log.remove(2).unwrap();
    store.commit().unwrap();
    let hole = hole + 2 * 48;
    let lsn = log.append(&message(3, &[3; 600])).unwrap();
    let room = 4096 - 40 - offset_of(lsn);
    log.append(&message(4, &vec![4; room - 48])).unwrap();
    log.remove(1).unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    let torn = disk.open("journal/0000000001.seg").unwrap();
    torn.write_at(&[0; 8], hole as u64).unwrap();

    let (store, stream) = open_one(&disk);
    assert!(stream.log.meta(1).is_some());
    store.maintain().unwrap();
    store.maintain().unwrap();
    assert!(!disk.list("journal").unwrap().contains(&"0000000001.seg".to_owned()));
    drop((store, stream));
    disk.kill();
    assert!(open_one(&disk).1.log.meta(1).is_some());
}

/// A sync fails, and the system forgets that it has anything to write. What can be read after that is not on disk, and no
/// later sync puts it there.
#[test]
fn what_is_there_after_a_failed_sync_and_a_restart_stays_there() {
    for seed in 0..100 {
        let disk = disk_of(seed);
        let (store, mut log, _) = open_new(&disk);
        store.commit().unwrap();
        log.append(&message(1, &[1; 2000])).unwrap();
        disk.set_faults(Faults { syncs: 1, ..Faults::default() });
        store.commit().unwrap_err();
        disk.set_faults(Faults::default());
        drop((log, store));
        disk.kill();
        let (store, stream) = open_one(&disk);
        let there = stream.log.state().messages;
        drop((store, stream));
        disk.cut_power(Mood::Forgetful);
        assert_eq!(open_one(&disk).1.log.state().messages, there, "disk {seed}");
    }
}

/// The record of a stream's ends was the first thing a restart read of it, and its timestamp was taken for older.
#[test]
fn an_emptied_stream_still_knows_when_its_last_message_came() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    for seq in 1..=3 {
        log.append(&message(seq, &[0; 3000])).unwrap();
    }
    log.purge_below(4).unwrap();
    store.commit().unwrap();
    store.maintain().unwrap();
    store.maintain().unwrap();
    drop((log, store));
    disk.kill();
    assert_eq!(open_one(&disk).1.log.state().last_ts, 3);
}

/// A segment was named, and its name not synced, when the process died. The next one wrote to it.
#[test]
fn what_lies_in_a_segment_that_another_process_named_stays() {
    for seed in 1..60 {
        let disk = disk_of(seed);
        let (store, mut log, _) = open_new(&disk);
        log.append(&message(1, &[1; 2500])).unwrap();
        store.commit().unwrap();
        disk.set_faults(Faults { others: 3, ..Faults::default() });
        let _ = store.maintain();
        disk.set_faults(Faults::default());
        drop((log, store));
        disk.kill();
        let (store, mut stream) = open_one(&disk);
        stream.log.append(&message(2, &[2; 2500])).unwrap();
        store.commit().unwrap();
        drop((stream, store));
        disk.cut_power(Mood::Forgetful);
        assert_eq!(open_one(&disk).1.log.state().messages, 2, "disk {seed}");
    }
}

/// The segment's header was hit, and with it everything in the segment lost.
#[test]
fn a_flipped_bit_in_a_segments_header_costs_nothing() {
    for bit in 0..64 * 8 {
        let disk = disk();
        let (store, mut log, _) = open_new(&disk);
        log.append(&message(1, b"x")).unwrap();
        store.commit().unwrap();
        drop((log, store));
        disk.kill();
        let file = disk.open("journal/0000000001.seg").unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, bit / 8).unwrap();
        file.write_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8).unwrap();
        assert_eq!(open_one(&disk).1.log.state().messages, 1, "bit {bit}");
    }
}

/// The disk read nothing of a segment's header, and all that was in the segment was given up.
#[test]
fn a_segment_that_the_disk_does_not_read_just_now_is_not_given_up() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    log.append(&message(1, b"x")).unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    disk.set_faults(Faults { reads: 1, ..Faults::default() });
    assert!(Store::open_on(Arc::new(disk.clone()), options()).is_err());
    disk.set_faults(Faults::default());
    disk.kill();
    assert_eq!(open_one(&disk).1.log.state().messages, 1);
}

/// Of a stream's creation, in a commit that was never finished, nothing was left but a damaged message. Another stream got its
/// number, and with it the sequence of that message: its own messages were taken for older.
#[test]
fn a_stream_has_its_number_for_itself() {
    let disk = disk();
    let (store, _, _) = open(&disk);
    store.create_stream("A", "FIRST", b"", StorageKind::File).unwrap();
    store.commit().unwrap();
    let (_, mut log, put) = store.create_stream("A", "NEVER", b"", StorageKind::File).unwrap();
    let put_starts = offset_of(put) - 48;
    let lsn = log.append(&message(9, &[9; 600])).unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    let file = disk.open("journal/0000000001.seg").unwrap();
    file.write_at(&[0; 40], put_starts as u64).unwrap();
    file.write_at(&[0; 100], offset_of(lsn) as u64 - 200).unwrap();

    let (store, streams, _) = open(&disk);
    assert_eq!(streams.len(), 1);
    let (_, mut log, _) = store.create_stream("A", "SECOND", b"", StorageKind::File).unwrap();
    log.append(&message(1, b"x")).unwrap();
    store.flush().unwrap();
    drop((log, store, streams));
    disk.kill();
    let second = open(&disk).1.into_iter().find(|stream| stream.name == "SECOND").unwrap();
    assert_eq!(second.log.state().messages, 1);
}

/// A commit went over the end of a segment, and of it only what lies before that end was written. What came next was written
/// behind the end, where nobody reads.
#[test]
fn nothing_is_written_behind_the_end_of_a_segment() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    log.append(&message(1, &[1; 2500])).unwrap();
    store.commit().unwrap();
    log.append(&message(2, &[2; 100])).unwrap();
    log.append(&message(3, &[3; 1400])).unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    let torn = disk.open("journal/0000000002.seg").unwrap();
    torn.write_at(&[0; 1500], 64).unwrap();

    let (store, mut stream) = open_one(&disk);
    assert_eq!(stream.log.state().last_seq, 2);
    stream.log.append(&message(3, b"again")).unwrap();
    store.flush().unwrap();
    drop((stream, store));
    disk.kill();
    assert_eq!(open_one(&disk).1.log.state().last_seq, 3);
}

/// The search by time met a message that could not be read, and took all before it for older: by `max_age` they were removed.
#[test]
fn a_damaged_message_does_not_make_those_before_it_old() {
    for damaged in 1..=9 {
        let disk = disk();
        let (store, mut log, _) = open_new(&disk);
        let mut ends = vec![0];
        for seq in 1..=9 {
            ends.push(offset_of(log.append(&message(seq, b"")).unwrap()));
        }
        store.flush().unwrap();
        drop((log, store));
        disk.kill();
        let (_store, stream) = open_one(&disk);
        let file = disk.open("journal/0000000001.seg").unwrap();
        file.write_at(&[0; 48], ends[damaged] as u64 - 48).unwrap();
        for seq in (1..=9).filter(|seq| *seq != damaged as u64) {
            let found = stream.log.seq_at_or_after(seq as i64).unwrap();
            assert!(found == seq || found == seq - 1, "{damaged} is damaged: {seq} is found at {found}");
        }
    }
}

/// A stream's configuration was kept behind a hole, because the stream was there before. When what had told so was gone, it did
/// not count any more.
#[test]
fn what_was_kept_behind_a_hole_is_kept_for_good() {
    let disk = disk();
    let (store, _, _) = open(&disk);
    let (id, mut log, _) = store.create_stream("A", "S", b"one", StorageKind::File).unwrap();
    log.append(&message(1, &[1; 3000])).unwrap();
    store.commit().unwrap();
    log.append(&message(2, &[2; 1500])).unwrap();
    store.update_stream(id, b"two").unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    disk.open("journal/0000000002.seg").unwrap().write_at(&[0; 1500], 64).unwrap();

    let (store, mut stream) = open_one(&disk);
    assert_eq!(stream.meta, b"two");
    stream.log.remove(1).unwrap();
    stream.log.append(&message(3, b"next")).unwrap();
    store.flush().unwrap();
    store.maintain().unwrap();
    assert!(disk.open("journal/0000000001.seg").is_err());
    drop((stream, store));
    disk.kill();
    assert_eq!(open_one(&disk).1.meta, b"two");
}

#[test]
fn messages_with_headers_are_found_without_looking_at_the_others() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    for seq in 1..=20 {
        let headers: &[u8] = if seq % 7 == 0 { b"NATS/1.0\r\nA: b\r\n\r\n" } else { b"" };
        log.append(&NewMessage { headers, ..message(seq, b"x") }).unwrap();
    }
    log.remove(7).unwrap();
    store.flush().unwrap();
    drop((log, store));
    disk.kill();
    let (_store, stream) = open_one(&disk);
    let next = |from| stream.log.next_with_headers(from).unwrap();
    assert_eq!([next(0), next(14), next(15)], [Some(14), Some(14), None]);
}

/// Compaction copied the deletion of a consumer, which came to lie behind one of the same name that had been made since.
#[test]
fn a_consumer_outlives_the_deletion_of_its_predecessor() {
    let disk = disk();
    let (store, _, _) = open(&disk);
    let (id, mut log, _) = store.create_stream("A", "S", b"", StorageKind::File).unwrap();
    store.put_consumer(id, "C", b"old").unwrap();
    log.append(&message(1, &[1; 3700])).unwrap();
    store.commit().unwrap();
    log.append(&message(2, &[2; 2000])).unwrap();
    store.delete_consumer(id, "C").unwrap();
    store.put_consumer(id, "C", b"new").unwrap();
    store.append_consumer_delta(id, "C", b"+1").unwrap();
    store.commit().unwrap();
    log.append(&message(3, &[3; 3000])).unwrap();
    store.commit().unwrap();
    // The segment with the deletion is compacted; the one with the consumer that was deleted stays.
    log.remove(2).unwrap();
    store.flush().unwrap();
    store.maintain().unwrap();
    assert!(disk.open("journal/0000000002.seg").is_err());
    assert!(disk.open("journal/0000000001.seg").is_ok());
    drop((log, store));
    disk.kill();
    let (_store, stream) = open_one(&disk);
    let consumer = &stream.consumers[0];
    assert_eq!((&consumer.config[..], &consumer.deltas[..]), (&b"new"[..], &[b"+1".to_vec()][..]));
}

/// With `sync_interval`, nothing that follows an orderly close says for long that what came before was durable. The record that
/// said so was written over, and an old damage taken for a commit that was never finished: the removals behind it did not count.
#[test]
fn what_was_durable_when_the_store_was_closed_is_so_after_it_was_opened() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    log.append(&message(1, b"stays")).unwrap();
    let end = offset_of(log.append(&message(2, &[2; 100])).unwrap());
    log.append(&message(3, b"goes")).unwrap();
    store.close();
    drop((log, store));
    disk.kill();
    disk.open("journal/0000000001.seg").unwrap().write_at(&[0; 40], end as u64 - 48).unwrap();

    let options = StoreOptions { sync: SyncPolicy::Interval(Duration::from_secs(3600)), ..options() };
    let (store, mut streams, _) = Store::open_on(Arc::new(disk.clone()), options).unwrap();
    streams[0].log.remove(3).unwrap();
    store.commit().unwrap();
    drop((store, streams));
    disk.kill();
    let (_store, stream) = open_one(&disk);
    let held: Vec<u64> = (1..=3).filter(|seq| stream.log.meta(*seq).is_some()).collect();
    assert_eq!((held, stream.log.state().last_seq), (vec![1], 3));
}

/// Flips a bit of the payload that ends before `end`, or flips it back.
fn flip(disk: &SimDisk, end: usize) {
    let file = disk.open("journal/0000000001.seg").unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, end as u64 - 20).unwrap();
    file.write_at(&[byte[0] ^ 4], end as u64 - 20).unwrap();
}

/// Messages are read in sequence, the first two of which bring the others into memory, one of them damaged.
#[test]
fn a_message_damaged_in_what_was_read_ahead_is_read_from_the_disk_and_costs_no_other() {
    for still_damaged in [false, true] {
        let disk = disk();
        let (store, mut log, _) = open_new(&disk);
        let ends: Vec<usize> =
            (1..=9).map(|seq| offset_of(log.append(&message(seq, &[seq as u8; 40])).unwrap())).collect();
        store.flush().unwrap();
        drop((log, store));
        disk.kill();
        let (_store, stream) = open_one(&disk);
        let read = |seq| stream.log.load(seq).map(|found| found.map(|message| message.payload().to_vec()));
        flip(&disk, ends[4]);
        assert!((1..=2).all(|seq| read(seq).is_ok()));
        if !still_damaged {
            flip(&disk, ends[4]);
        }
        // Nothing but what is in memory, or that one message, can be read.
        let elsewhere = disk.open("journal/0000000001.seg").unwrap();
        elsewhere.write_at(&vec![0; ends[8] - ends[4]], ends[4] as u64).unwrap();
        for seq in 3..=9 {
            match read(seq) {
                Err(StoreError::Damaged { seq }) => assert_eq!((seq, still_damaged), (5, true)),
                found => assert_eq!(found.unwrap(), Some(vec![seq as u8; 40])),
            }
        }
        let set_aside = disk.list("quarantine").unwrap_or_default().len();
        assert_eq!(set_aside, usize::from(still_damaged));
    }
}

/// Two bits flipped in a stream's configuration, one before a start and one after it. The start read over the first and left it.
#[test]
fn bits_that_flip_one_by_one_in_the_same_record_cost_nothing() {
    for (one, two) in [(80, 90), (64, 90), (70, 110), (110, 66)] {
        let disk = disk();
        let (store, _, put) = open_new(&disk);
        store.flush().unwrap();
        drop(store);
        assert!(offset_of(put) <= 112, "{put:?}");
        for bit in [one, two] {
            disk.kill();
            flip(&disk, bit + 20);
            let (store, stream) = open_one(&disk);
            assert_eq!((&stream.account[..], &stream.name[..]), ("A", "S"), "bytes {one} and {two}");
            drop((store, stream));
        }
    }
}
