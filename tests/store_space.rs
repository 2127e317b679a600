//! Space: what is deleted is given back, a full disk refuses messages and nothing else, and recovers by itself.

mod store_support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use headwater::store::{MessageLog, Store, StoreError, StoreOptions};
use store_support::disk::{Controls, faulty};
use store_support::slow::Card;
use store_support::wrapped::WrappedDisk;
use store_support::{create, journal_bytes, message, open, open_one, tiny};

const SEGMENT: u64 = 8192;

fn fill(log: &mut dyn MessageLog, count: u64) {
    let first = log.state().last_seq + 1;
    for seq in first..first + count {
        log.append(&message(seq, "a", b"", &[seq as u8; 200])).unwrap();
    }
}

#[test]
fn purging_a_stream_gives_its_space_back() {
    for catalog in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (store, ..) = open(dir.path(), StoreOptions { catalog, ..tiny() });
        let mut log = create(&store, "S");
        fill(&mut *log, 1000);
        store.maintain().unwrap();
        assert!(journal_bytes(dir.path()) > 25 * SEGMENT);
        let end = log.state().last_seq + 1;
        assert_eq!(log.purge_below(end).unwrap().0, 1000);
        store.maintain().unwrap();
        assert!(journal_bytes(dir.path()) <= 3 * SEGMENT, "{}", journal_bytes(dir.path()));
        assert!(store.stats().segments_reclaimed > 20);
    }
}

#[test]
fn deleting_a_stream_gives_its_space_back_and_its_name_free() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    fill(&mut *log, 500);
    store.maintain().unwrap();
    store.delete_stream(headwater::store::StreamId(1)).unwrap();
    assert!(log.append(&message(501, "a", b"", b"")).is_err());
    store.maintain().unwrap();
    assert!(journal_bytes(dir.path()) <= 3 * SEGMENT);
    let again = create(&store, "S");
    assert_eq!(again.state().messages, 0);
    store.flush().unwrap();
    drop((store, log, again));
    let _ = std::fs::remove_dir_all(dir.path().join("catalog"));
    let (_store, stream) = open_one(dir.path(), tiny());
    assert_eq!((stream.id.0, stream.log.state().messages), (2, 0));
}

#[test]
fn a_stream_that_keeps_its_length_takes_no_more_space_than_twice_that() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    for round in 0..60 {
        fill(&mut *log, 50);
        let keep_from = log.state().last_seq.saturating_sub(200);
        log.purge_below(keep_from).unwrap();
        store.maintain().unwrap();
        if round > 20 {
            assert!(
                journal_bytes(dir.path()) <= 2 * 200 * 250 + 4 * SEGMENT,
                "{}",
                journal_bytes(dir.path())
            );
        }
    }
}

/// Removes nine of ten messages all over, so that no segment dies by itself.
fn thin_out(log: &mut dyn MessageLog, count: u64) -> BTreeSet<u64> {
    let kept: BTreeSet<u64> = (1..=count).filter(|seq| seq % 10 == 0).collect();
    for seq in (1..=count).filter(|seq| !kept.contains(seq)) {
        log.remove(seq).unwrap().unwrap();
    }
    kept
}

#[test]
fn what_is_left_in_sparse_segments_is_copied_forward_and_survives() {
    for catalog in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { catalog, ..tiny() };
        let (store, ..) = open(dir.path(), options.clone());
        let mut log = create(&store, "S");
        store.put_consumer(headwater::store::StreamId(1), "C", b"config").unwrap();
        store.append_consumer_delta(headwater::store::StreamId(1), "C", b"delta 1").unwrap();
        fill(&mut *log, 500);
        store.append_consumer_delta(headwater::store::StreamId(1), "C", b"delta 2").unwrap();
        fill(&mut *log, 500);
        store.flush().unwrap();
        let before = journal_bytes(dir.path());
        let kept = thin_out(&mut *log, 1000);
        store.maintain().unwrap();
        assert!(store.stats().bytes_compacted > 0);
        assert!(journal_bytes(dir.path()) < before / 3, "{} of {before}", journal_bytes(dir.path()));
        let held = |log: &dyn MessageLog| -> BTreeSet<u64> {
            (1..=1000).filter(|seq| log.load(*seq).unwrap().is_some()).collect()
        };
        assert_eq!(held(&*log), kept);
        drop((store, log));
        for lose_catalog in [false, true] {
            if lose_catalog {
                let _ = std::fs::remove_dir_all(dir.path().join("catalog"));
            }
            let (_store, stream) = open_one(dir.path(), options.clone());
            assert_eq!(held(&*stream.log), kept);
            assert_eq!(stream.log.state().last_seq, 1000);
            assert_eq!(stream.meta, b"meta");
            assert_eq!(stream.consumers[0].config, b"config");
            assert_eq!(stream.consumers[0].deltas, [b"delta 1".to_vec(), b"delta 2".to_vec()]);
        }
    }
}

#[test]
fn a_removed_message_does_not_come_back_when_its_tombstone_is_copied_or_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { catalog: false, ..tiny() };
    let (store, ..) = open(dir.path(), options.clone());
    let (mut cold, mut busy) = (create(&store, "COLD"), create(&store, "BUSY"));
    fill(&mut *cold, 35);
    let mut removed = BTreeSet::new();
    for round in 0..40u64 {
        fill(&mut *busy, 100);
        let end = busy.state().last_seq - 5;
        busy.purge_below(end).unwrap();
        if round < 10 {
            cold.remove(round * 3 + 2).unwrap().unwrap();
            removed.insert(round * 3 + 2);
        }
        store.flush().unwrap();
        store.maintain().unwrap();
    }
    drop((store, cold, busy));
    let (_store, streams, _) = open(dir.path(), options);
    let held: BTreeSet<u64> = (1..=35).filter(|seq| streams[0].log.meta(*seq).is_some()).collect();
    assert_eq!(held, (1..=35).filter(|seq| !removed.contains(seq)).collect());
}

fn full_disk() -> (tempfile::TempDir, Arc<Store>, Arc<Controls>) {
    let dir = tempfile::tempdir().unwrap();
    let (disk, controls) = faulty(dir.path());
    let (store, ..) = Store::open_on(disk, tiny()).unwrap();
    (dir, store, controls)
}

#[test]
fn a_full_disk_refuses_messages_but_lets_deletes_through_and_recovers() {
    let (dir, store, controls) = full_disk();
    let mut log = create(&store, "S");
    fill(&mut *log, 200);
    store.maintain().unwrap();
    controls.full.store(true, Ordering::Relaxed);
    let mut stored = 200;
    let refused = loop {
        match log.append(&message(stored + 1, "a", b"", &[1; 200])) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        store.commit().unwrap();
    };
    assert!(matches!(refused, StoreError::DiskFull), "{refused}");
    assert!(store.stats().disk_full);
    log.remove(stored).unwrap().unwrap();
    store.put_consumer(headwater::store::StreamId(1), "C", b"config").unwrap();
    store.append_consumer_delta(headwater::store::StreamId(1), "C", b"delta").unwrap();
    assert_eq!(log.purge_below(150).unwrap().0, 149);
    store.maintain().unwrap();
    log.append(&message(stored + 1, "a", b"", b"there is room again")).unwrap();
    store.flush().unwrap();
    assert!(!store.stats().disk_full);
    drop((store, log));
    let (_store, stream) = open_one(dir.path(), tiny());
    assert_eq!(stream.log.state().first_seq, 150);
    assert_eq!(stream.log.load(stored + 1).unwrap().unwrap().payload(), b"there is room again");
    assert!(stream.log.load(stored).unwrap().is_none());
}

/// There was room for its configuration, and none for its state: it was refused, and there after the next start.
#[test]
fn a_consumer_that_a_full_disk_refuses_is_not_there_after_a_restart() {
    for state_bytes in (0..600).step_by(40) {
        let (dir, store, controls) = full_disk();
        create(&store, "S");
        controls.full.store(true, Ordering::Relaxed);
        let state = vec![2; state_bytes];
        let id = headwater::store::StreamId(1);
        let made = |made: &u32| store.create_consumer(id, &format!("C{made}"), &[1; 200], &state).is_ok();
        let made = (0..1000).take_while(made).count();
        assert!((1..1000).contains(&made));
        store.flush().unwrap();
        drop(store);
        let (_store, stream) = open_one(dir.path(), tiny());
        assert_eq!(stream.consumers.len(), made);
        assert!(stream.consumers.iter().all(|consumer| consumer.deltas == [state.clone()]));
    }
}

#[test]
fn messages_go_on_when_somebody_else_has_made_room() {
    let (_dir, store, controls) = full_disk();
    let mut log = create(&store, "S");
    controls.full.store(true, Ordering::Relaxed);
    let mut seq = 0;
    while log.append(&message(seq + 1, "a", b"", &[1; 200])).is_ok() {
        seq += 1;
    }
    store.maintain().unwrap();
    assert!(matches!(log.append(&message(seq + 1, "a", b"", &[1; 200])), Err(StoreError::DiskFull)));
    controls.full.store(false, Ordering::Relaxed);
    store.maintain().unwrap();
    fill(&mut *log, 100);
    store.flush().unwrap();
}

#[test]
fn a_group_that_does_not_fit_is_refused_as_a_whole() {
    let (_dir, store, controls) = full_disk();
    let mut log = create(&store, "S");
    fill(&mut *log, 3);
    controls.full.store(true, Ordering::Relaxed);
    let payload = [3; 200];
    let messages: Vec<_> = (4..104).map(|seq| message(seq, "a", b"", &payload)).collect();
    assert!(matches!(log.append_group(&messages), Err(StoreError::DiskFull)));
    assert_eq!(log.state().last_seq, 3);
    controls.full.store(false, Ordering::Relaxed);
    store.maintain().unwrap();
    log.append_group(&messages).unwrap();
    assert_eq!(log.state().messages, 103);
}

#[test]
fn a_message_longer_than_a_segment_is_refused() {
    let (_dir, store, _) = full_disk();
    let mut log = create(&store, "S");
    assert!(matches!(log.append(&message(1, "a", b"", &[0; 9000])), Err(StoreError::TooLarge)));
    log.append(&message(1, "a", b"", &[0; 7900])).unwrap();
    log.append(&message(2, "a", b"", &[0; 7900])).unwrap();
    store.flush().unwrap();
}

#[test]
fn with_threads_dead_segments_go_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), StoreOptions { threads: true, ..tiny() });
    let mut log = create(&store, "S");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    fill(&mut *log, 500);
    let end = log.state().last_seq + 1;
    log.purge_below(end).unwrap();
    while journal_bytes(dir.path()) > 4 * SEGMENT {
        assert!(std::time::Instant::now() < deadline, "{} bytes are left", journal_bytes(dir.path()));
        std::thread::yield_now();
    }
}

/// Disk taken by messages, without what the catalogue takes.
fn assert_little_is_wasted(dir: &std::path::Path, log: &dyn MessageLog) {
    let (taken, live) = (journal_bytes(dir), log.state().bytes);
    assert!(taken <= live * 13 / 10 + SEGMENT, "{taken} bytes for {live} live ones");
}

#[test]
fn a_stream_with_a_limit_takes_little_more_than_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    for _ in 0..20 {
        fill(&mut *log, 200);
        let keep_from = log.state().last_seq.saturating_sub(500);
        log.purge_below(keep_from).unwrap();
        store.flush().unwrap();
    }
    store.maintain().unwrap();
    assert_little_is_wasted(dir.path(), &*log);
}

#[test]
fn a_work_queue_takes_little_more_than_what_is_left_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    for round in 0..20u64 {
        fill(&mut *log, 200);
        // Acknowledged out of order, all but every twentieth, which somebody is still at.
        for seq in (round * 200 + 1..=round * 200 + 200).rev().filter(|seq| seq % 20 != 0) {
            log.remove(seq).unwrap().unwrap();
        }
        store.flush().unwrap();
    }
    store.maintain().unwrap();
    assert_eq!(log.state().messages, 200);
    assert_little_is_wasted(dir.path(), &*log);
}

#[test]
fn an_overwritten_bucket_takes_little_more_than_its_values() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    let mut held = std::collections::BTreeMap::new();
    for seq in 1..=4000u64 {
        let key = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        log.append(&message(seq, &format!("key.{key}"), b"", &[seq as u8; 200])).unwrap();
        if let Some(old) = held.insert(key, seq) {
            log.remove(old).unwrap().unwrap();
        }
        if seq % 100 == 0 {
            store.flush().unwrap();
        }
    }
    store.maintain().unwrap();
    assert_little_is_wasted(dir.path(), &*log);
    for seq in held.values() {
        assert!(log.load(*seq).unwrap().is_some());
    }
}

#[test]
fn purged_space_comes_back_while_nothing_else_happens_for_next_to_no_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), StoreOptions { threads: true, ..tiny() });
    let mut log = create(&store, "S");
    fill(&mut *log, 1000);
    store.flush().unwrap();
    let before = store.stats();
    let end = log.state().last_seq + 1;
    log.purge_below(end).unwrap();
    let start = std::time::Instant::now();
    while journal_bytes(dir.path()) > SEGMENT {
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{}", journal_bytes(dir.path()));
        std::thread::yield_now();
    }
    let after = store.stats();
    assert!(after.bytes_written - before.bytes_written <= 1024, "{after:?}");
    assert!(after.syncs - before.syncs <= 20, "{after:?}");
    assert!(after.checkpoints - before.checkpoints <= 4, "{after:?}");
}

/// Takes messages through a queue, all but the last `left`.
fn work_off(store: &Store, log: &mut dyn MessageLog, count: u64, left: u64) {
    fill(log, count);
    store.maintain().unwrap();
    for seq in 1..=count - left {
        log.remove(seq).unwrap().unwrap();
    }
    store.flush().unwrap();
}

#[test]
fn an_emptied_queue_takes_one_segment_whatever_went_through_it() {
    for count in (6..80).step_by(3) {
        for left in [0, 1, 6] {
            let dir = tempfile::tempdir().unwrap();
            let (store, ..) = open(dir.path(), StoreOptions { catalog: false, ..tiny() });
            work_off(&store, &mut *create(&store, "S"), count, left);
            store.maintain().unwrap();
            assert_eq!(journal_bytes(dir.path()), SEGMENT, "{left} of {count} are left");
        }
    }
}

#[test]
fn a_queue_that_was_emptied_before_a_restart_takes_one_segment() {
    for count in (6..80).step_by(7) {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { catalog: false, ..tiny() };
        let (store, ..) = open(dir.path(), options.clone());
        work_off(&store, &mut *create(&store, "S"), count, 0);
        store.close();
        let (store, _) = open_one(dir.path(), options);
        store.maintain().unwrap();
        assert_eq!(journal_bytes(dir.path()), SEGMENT, "of {count}");
    }
}

/// A message now and then, with a rest after each, makes no segment ready that is given back at once.
#[test]
fn a_segment_given_back_at_rest_is_not_made_ready_for_the_next_message() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, controls) = faulty(dir.path());
    let options = StoreOptions { catalog: false, segment_bytes: 65536, ..tiny() };
    let (store, ..) = Store::open_on(disk, options).unwrap();
    let mut log = create(&store, "S");
    for _ in 0..200 {
        fill(&mut *log, 1);
        store.maintain().unwrap();
    }
    let made = controls.made.load(Ordering::Relaxed);
    assert!((2..=4).contains(&made), "{made}");
    assert_eq!(log.state().messages, 200);
}

/// A commit that carries megabytes of what is copied forward keeps publishers waiting, on a slow card for a long time.
#[test]
fn what_is_copied_forward_makes_no_commit_long() {
    let dir = tempfile::tempdir().unwrap();
    let card = Arc::new(Card { sync_takes: Duration::from_millis(100) });
    let disk = Arc::new(WrappedDisk::new(dir.path(), &card));
    let (store, ..) = Store::open_on(disk, StoreOptions { segment_bytes: 4 << 20, ..tiny() }).unwrap();
    let mut log = create(&store, "S");
    for seq in 1..=1500 {
        log.append(&message(seq, "a", b"", &[seq as u8; 16 << 10])).unwrap();
    }
    store.flush().unwrap();
    for seq in (1..=1500).filter(|seq| seq % 5 < 3) {
        log.remove(seq).unwrap();
    }
    store.flush().unwrap();
    drop((log, store));

    let disk = Arc::new(WrappedDisk::new(dir.path(), &card));
    let options = StoreOptions { threads: true, segment_bytes: 4 << 20, ..tiny() };
    let (store, ..) = Store::open_on(disk, options).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut longest = 0;
    while store.stats().bytes_compacted < 3 << 20 {
        assert!(Instant::now() < deadline, "{} bytes were copied", store.stats().bytes_compacted);
        longest = longest.max(store.stats().pending_bytes);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(longest < 512 << 10, "a commit of {longest} bytes");
}
