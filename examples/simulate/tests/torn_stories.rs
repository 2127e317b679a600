//! What seeds have found in commits that were never finished, told shortly.

use std::sync::Arc;

use headwater::store::disk::Disk;
use headwater::store::journal::record::{Draft, FLAG_SYNCED, Kind, Seeds};
use headwater::store::journal::segment::SegmentHeader;
use headwater::store::{MessageLog, StorageKind, Store, StoreOptions};

use super::stories::{disk, disk_of, message, offset_of, open, open_new, open_one, options};
use crate::disk::{Faults, Mood, SimDisk};

/// Bytes a message takes besides its payload, padding included.
const AROUND_BYTES: usize = 48;

/// Bytes of what says that a message was removed.
const TOMBSTONE_BYTES: usize = 48;

/// Bytes at the end of a segment that no message takes.
const END_BYTES: usize = 40 + 64;

/// Appends a message that leaves so much room in a segment of 4096 bytes of which `used` are taken.
pub(super) fn fill_segment(log: &mut dyn MessageLog, seq: u64, used: usize, room: usize) {
    let payload = 4096 - END_BYTES - used - AROUND_BYTES - room;
    let end = offset_of(log.append(&message(seq, &vec![seq as u8; payload])).unwrap());
    assert_eq!(end, 4096 - END_BYTES - room);
}

/// Removes a message, which is all that a segment holds, and has the segment given back.
fn give_back(disk: &SimDisk, store: &Store, log: &mut dyn MessageLog, seq: u64, segment: &str) {
    log.remove(seq).unwrap();
    store.flush().unwrap();
    store.maintain().unwrap();
    assert!(!disk.list("journal").unwrap().contains(&segment.to_owned()));
}

/// The record which said that a commit was never finished lay in the next segment, and went with that. The hole the commit
/// had left was taken for damage: streams passed over as many sequences as messages might have been in it.
#[test]
fn the_hole_of_a_commit_that_was_never_finished_is_no_damage_ever_after() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    let used = offset_of(log.append(&message(1, b"stays")).unwrap());
    store.commit().unwrap();
    let hole = offset_of(log.append(&message(2, &[2; 40])).unwrap());
    fill_segment(&mut *log, 3, hole, 0);
    store.maintain().unwrap();
    drop((log, store));
    disk.kill();
    let file = disk.open("journal/0000000001.seg").unwrap();
    file.write_at(&vec![0; hole - used], used as u64).unwrap();

    let (store, mut stream) = open_one(&disk);
    assert_eq!(stream.log.state().messages, 2);
    fill_segment(&mut *stream.log, 4, 64, 0);
    stream.log.append(&message(5, b"next")).unwrap();
    store.flush().unwrap();
    give_back(&disk, &store, &mut *stream.log, 4, "0000000002.seg");
    drop((stream, store));
    disk.kill();
    let (_store, streams, report) = open(&disk);
    assert_eq!((report.damaged_regions, report.torn_bytes), (0, 0));
    assert_eq!((streams[0].log.state().messages, streams[0].log.state().last_seq), (3, 5));
}

/// The end of a group lay in a segment that was given back. Its beginning was taken for that of a group that was never
/// finished, and with it what was stored for good.
#[test]
fn the_beginning_of_a_group_stays_when_its_end_has_been_given_back() {
    let disk = disk();
    let (store, mut log, put) = open_new(&disk);
    fill_segment(&mut *log, 1, offset_of(put), 200);
    let rest = vec![3; 4096 - END_BYTES - 64 - AROUND_BYTES];
    log.append_group(&[message(2, &[2; 100]), message(3, &rest)]).unwrap();
    store.commit().unwrap();
    let hole = offset_of(log.append(&message(4, &[4; 40])).unwrap()) as u64 - 20;
    log.append(&message(5, &[5; 3500])).unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    disk.open("journal/0000000003.seg").unwrap().write_at(&[0; 20], hole).unwrap();

    let (store, mut stream) = open_one(&disk);
    assert_eq!(stream.log.state().messages, 4);
    give_back(&disk, &store, &mut *stream.log, 3, "0000000002.seg");
    drop((stream, store));
    disk.kill();
    let (_store, stream) = open_one(&disk);
    assert!(stream.log.meta(1).is_some() && stream.log.meta(2).is_some());
}

/// Of a commit that was never finished, the deletion of a stream did not count, and the creation of another of its name did:
/// the one nobody had been told of was there twice, and not served.
#[test]
fn a_stream_that_was_to_replace_another_is_not_there_beside_it() {
    let disk = disk();
    let (store, _, _) = open(&disk);
    let (id, mut log, _) = store.create_stream("A", "S", b"old", StorageKind::File).unwrap();
    let used = offset_of(log.append(&message(1, b"x")).unwrap());
    store.commit().unwrap();
    log.append(&message(2, &[2; 600])).unwrap();
    store.delete_stream(id).unwrap();
    let (_, mut new, _) = store.create_stream("A", "S", b"new", StorageKind::File).unwrap();
    new.append(&message(1, b"y")).unwrap();
    store.commit().unwrap();
    drop((log, new, store));
    disk.kill();
    disk.open("journal/0000000001.seg").unwrap().write_at(&[0; 600], used as u64).unwrap();

    let (_store, stream) = open_one(&disk);
    assert_eq!((stream.id, stream.meta.as_slice()), (id, &b"old"[..]));
}

/// Of a commit that was never finished, the deletion of a consumer did not count, and the configuration of another of its name
/// did, which went on where the first had been.
#[test]
fn a_consumer_that_was_to_replace_another_does_not_go_on_where_that_was() {
    let disk = disk();
    let (store, _, _) = open(&disk);
    let (id, mut log, _) = store.create_stream("A", "S", b"", StorageKind::File).unwrap();
    store.put_consumer(id, "C", b"old").unwrap();
    let acked = offset_of(store.append_consumer_delta(id, "C", b"+1").unwrap());
    store.commit().unwrap();
    log.append(&message(1, &[1; 600])).unwrap();
    store.delete_consumer(id, "C").unwrap();
    store.put_consumer(id, "C", b"new").unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    disk.open("journal/0000000001.seg").unwrap().write_at(&[0; 600], acked as u64).unwrap();

    let (_store, stream) = open_one(&disk);
    let consumer = &stream.consumers[0];
    assert_eq!((&consumer.config[..], consumer.deltas.len()), (&b"old"[..], 1));
}

/// A consumer was made behind the end of its stream. Of a commit that was never finished it counted, and the end did not: the
/// next message was none of its.
#[test]
fn a_consumer_does_not_begin_behind_an_end_that_was_lost() {
    let disk = disk();
    let (store, _, _) = open(&disk);
    let (id, mut log, _) = store.create_stream("A", "S", b"", StorageKind::File).unwrap();
    log.append(&message(1, b"x")).unwrap();
    store.commit().unwrap();
    log.skip_to(2, 7).unwrap();
    let put = offset_of(store.create_consumer(id, "C", b"from 3", b"+0").unwrap());
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    disk.open("journal/0000000001.seg").unwrap().write_at(&[0; 200], put as u64).unwrap();

    let (_store, stream) = open_one(&disk);
    assert_eq!((stream.consumers.len(), stream.log.state().last_seq), (1, 2));
}

/// A sequence that was given in a commit that was never finished may have been told: with `sync_interval`, before the sync.
#[test]
fn a_sequence_that_a_torn_commit_gave_is_not_given_again_however_often_the_broker_dies() {
    let disk = disk();
    let (store, mut log, put) = open_new(&disk);
    store.commit().unwrap();
    log.append(&message(1, &[1; 600])).unwrap();
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    let body = offset_of(put) as u64 + 100;
    disk.open("journal/0000000001.seg").unwrap().write_at(&[0; 100], body).unwrap();

    for _ in 0..3 {
        let (store, stream) = open_one(&disk);
        assert_eq!((stream.log.state().messages, stream.log.state().last_seq), (0, 1));
        drop((stream, store));
        disk.kill();
    }
}

/// What a commit had left whole was in the system's cache only when it was judged. The power went; and the record that filled
/// the hole, which was on disk by then, told the next start that nothing before it was in doubt.
#[test]
fn a_hole_is_filled_when_all_before_it_is_on_disk() {
    for seed in 0..200 {
        let disk = disk_of(seed);
        let (store, mut log, _) = open_new(&disk);
        store.commit().unwrap();
        let group =
            [message(1, &[1; 1500]), message(2, &[2; 1500]), message(3, &[3; 1500]), message(4, &[4; 1500])];
        log.append_group(&group).unwrap();
        log.append(&message(5, &[5; 3000])).unwrap();
        disk.set_faults(Faults { writes: 3, ..Faults::default() });
        let _ = store.commit();
        drop((log, store));
        disk.kill();
        let _ = Store::open_on(Arc::new(disk.clone()), options());
        disk.set_faults(Faults::default());
        disk.cut_power(Mood::Random);
        let (_store, stream) = open_one(&disk);
        let held = (1..=4).filter(|seq| stream.log.meta(*seq).is_some()).count();
        assert!(held == 0 || held == 4, "disk {seed}: {held} of a group are there");
    }
}

/// A disk on which the commit that copied segment 1 forward was never finished: of the copies, only that of message 2 is left, and
/// nothing of what announced them.
fn half_copied() -> SimDisk {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    log.append(&message(1, b"stays")).unwrap();
    log.append(&message(2, &[2; 100])).unwrap();
    log.append(&message(3, &[3; 3400])).unwrap();
    let copies = offset_of(log.append(&message(4, &[4; 200])).unwrap()) + TOMBSTONE_BYTES;
    log.remove(3).unwrap();
    store.commit().unwrap();
    let mut original = vec![0; 4096];
    disk.open("journal/0000000001.seg").unwrap().read_at(&mut original, 0).unwrap();
    store.maintain().unwrap();
    drop((log, store));
    disk.kill();
    disk.create("journal/0000000001.seg").unwrap().write_at(&original, 0).unwrap();
    // What says that copies follow, the stream's configuration, and message 1.
    disk.open("journal/0000000002.seg").unwrap().write_at(&[0; 40 + 48 + 48], copies as u64).unwrap();
    disk
}

/// That a segment was being copied forward was lost with the commit, and not all that had been copied. A copied message was
/// removed, the segment of the copy went, with it the need to say that the message was removed – and the original was there.
#[test]
fn the_original_of_a_message_does_not_come_back_when_it_is_not_known_that_it_was_copied() {
    let disk = half_copied();
    let never_compacts = StoreOptions { compact_below_percent: 0, ..options() };
    let (store, mut streams, _) = Store::open_on(Arc::new(disk.clone()), never_compacts).unwrap();
    let log = &mut *streams[0].log;
    assert!([1, 2, 4].iter().all(|seq| log.meta(*seq).is_some()) && log.meta(3).is_none());
    log.remove(2).unwrap();
    for seq in 4..7 {
        log.append(&message(seq + 1, &[4; 3800])).unwrap();
        log.remove(seq).unwrap();
        store.flush().unwrap();
        store.maintain().unwrap();
    }
    assert!(disk.open("journal/0000000002.seg").is_err());
    drop((store, streams));
    disk.kill();
    let (_store, stream) = open_one(&disk);
    let held: Vec<u64> = (1..=7).filter(|seq| stream.log.meta(*seq).is_some()).collect();
    assert_eq!(held, [1, 7]);
}

/// The last message was removed, and what should have said which sequence it had was not written. Its record said so, until
/// the segment went.
#[test]
fn the_last_sequence_is_remembered_when_only_a_removed_message_tells_it() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    let (_, other, _) = store.create_stream("A", "T", b"", StorageKind::File).unwrap();
    log.append(&message(1, b"stays")).unwrap();
    let end = offset_of(log.append(&message(2, &[2; 100])).unwrap());
    store.commit().unwrap();
    log.remove(2).unwrap();
    store.commit().unwrap();
    drop((log, other, store));
    disk.kill();
    let state = (end + TOMBSTONE_BYTES) as u64;
    disk.open("journal/0000000001.seg").unwrap().write_at(&[0; 100], state).unwrap();

    let (store, mut streams, _) = open(&disk);
    assert_eq!((streams[0].log.state().messages, streams[0].log.state().last_seq), (1, 2));
    fill_segment(&mut *streams[1].log, 1, 64, 0);
    store.flush().unwrap();
    store.maintain().unwrap();
    assert!(disk.open("journal/0000000001.seg").is_err());
    drop((store, streams));
    disk.kill();
    assert_eq!(open(&disk).1[0].log.state().last_seq, 2);
}

/// A sync failed when a commit had gone over to the next segment. What was in doubt was written once more, but for the record
/// that names the next segment; when the power went, it went, and the removal that followed counted no more.
#[test]
fn where_a_segment_ends_is_certain_when_a_sync_has_failed() {
    for seed in 0..100 {
        let disk = disk_of(seed);
        let (store, mut log, put) = open_new(&disk);
        fill_segment(&mut *log, 1, offset_of(put), 0);
        store.commit().unwrap();
        log.remove(1).unwrap();
        disk.set_faults(Faults { syncs: 1, ..Faults::default() });
        store.commit().unwrap_err();
        disk.set_faults(Faults::default());
        drop((log, store));
        disk.kill();
        let there = open_one(&disk).1.log.state().messages;
        disk.cut_power(Mood::Forgetful);
        assert_eq!(open_one(&disk).1.log.state().messages, there, "disk {seed}");
    }
}

/// A segment held nothing but what was left of a torn commit, and was given back before there was a record behind it. The
/// segment before named one that was not there, and streams passed over as many sequences as it might have held.
#[test]
fn a_segment_goes_only_when_a_record_behind_it_shows_that_it_was_given_back() {
    for seed in 0..100 {
        let disk = disk_of(seed);
        let (store, mut log, put) = open_new(&disk);
        fill_segment(&mut *log, 1, offset_of(put), 0);
        store.commit().unwrap();
        log.append_group(&[message(2, &[2; 1500]), message(3, &[3; 1500])]).unwrap();
        disk.set_faults(Faults { syncs: 1, ..Faults::default() });
        store.commit().unwrap_err();
        disk.set_faults(Faults::default());
        drop((log, store));
        disk.cut_power(Mood::Random);
        let (store, stream) = open_one(&disk);
        let last_seq = stream.log.state().last_seq;
        for _ in 0..3 {
            store.maintain().unwrap();
        }
        drop((store, stream));
        disk.cut_power(Mood::Random);
        assert_eq!(open_one(&disk).1.log.state().last_seq, last_seq, "disk {seed}");
    }
}

/// The end of a segment had been written, and nothing behind it, when the power went; so what came next was written over it. Of
/// that commit what lay in the next segment reached the disk, and what lay in this one did not: with the old end before it, the
/// removals in the next segment looked like a whole commit.
#[test]
fn no_old_end_of_a_segment_hides_that_a_commit_was_never_finished() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    let used = offset_of(log.append(&message(1, b"stays")).unwrap());
    store.commit().unwrap();
    drop((log, store));
    disk.kill();
    end_segment(&disk, used);

    let (store, mut stream) = open_one(&disk);
    let file = disk.open("journal/0000000001.seg").unwrap();
    let mut before = [0; 40];
    file.read_at(&mut before, used as u64).unwrap();
    fill_segment(&mut *stream.log, 2, used, 0);
    stream.log.remove(1).unwrap();
    store.commit().unwrap();
    file.write_at(&before, used as u64).unwrap();
    drop((stream, store));
    disk.kill();
    let (_store, stream) = open_one(&disk);
    assert_eq!((stream.log.meta(1).is_some(), stream.log.meta(2).is_some()), (true, false));
}

/// Writes that the first segment ends at `at`, and that the second follows.
fn end_segment(disk: &SimDisk, at: usize) {
    let file = disk.open("journal/0000000001.seg").unwrap();
    let mut header = [0; 64];
    file.read_at(&mut header, 0).unwrap();
    let seeds = Seeds::from_salt(SegmentHeader::decode(&header).unwrap().salt);
    let mut record = Vec::new();
    Draft { flags: FLAG_SYNCED, seq: 2, ..Draft::new(Kind::SegmentEnd, 0) }.encode(seeds, None, &mut record);
    file.write_at(&record, at as u64).unwrap();
}
