//! Durable is fast: what gathers while one commit is on its way goes out with the next, in one write and one fdatasync.

mod store_support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use headwater::store::{CommitObserver, Lsn, MessageLog, Store, StoreError, StoreOptions, SyncPolicy};
use parking_lot::Mutex;
use store_support::disk::{Controls, faulty};
use store_support::slow::Card;
use store_support::wrapped::WrappedDisk;
use store_support::{create, message, tiny};

/// Longest a test waits for a thread.
const PATIENCE: Duration = Duration::from_secs(20);

fn store_on_faulty_disk(options: StoreOptions) -> (tempfile::TempDir, Arc<Store>, Arc<Controls>) {
    let dir = tempfile::tempdir().unwrap();
    let (disk, controls) = faulty(dir.path());
    let (store, ..) = Store::open_on(disk, options).unwrap();
    (dir, store, controls)
}

/// What an observer was told.
#[derive(Debug, PartialEq)]
enum Told {
    Committed { written: Lsn, durable: Lsn },
    Failed,
    Pressure(bool),
}

struct Observer(Mutex<Sender<Told>>);

impl Observer {
    fn watch(store: &Store) -> Receiver<Told> {
        let (sender, receiver) = channel();
        store.observe(Arc::new(Observer(Mutex::new(sender))));
        receiver
    }

    fn tell(&self, told: Told) {
        self.0.lock().send(told).unwrap();
    }
}

impl CommitObserver for Observer {
    fn committed(&self, written: Lsn, durable: Lsn) {
        self.tell(Told::Committed { written, durable });
    }

    fn failed(&self, _: &StoreError) {
        self.tell(Told::Failed);
    }

    fn pressure(&self, high: bool) {
        self.tell(Told::Pressure(high));
    }
}

fn append(log: &mut dyn MessageLog, seq: u64) -> Lsn {
    log.append(&message(seq, "a", b"", &[7; 128])).unwrap()
}

#[test]
fn a_burst_costs_one_write_and_one_sync() {
    let (_dir, store, controls) =
        store_on_faulty_disk(StoreOptions { threads: false, ..StoreOptions::default() });
    let mut log = create(&store, "S");
    store.commit().unwrap();
    let (writes, syncs) = (controls.writes.load(Ordering::Relaxed), controls.syncs.load(Ordering::Relaxed));
    let last = (1..=256).map(|seq| append(&mut *log, seq)).last().unwrap();
    assert!(store.durable() < last);
    assert!(store.commit().unwrap());
    assert!(store.durable() >= last);
    assert_eq!(controls.writes.load(Ordering::Relaxed) - writes, 1);
    assert_eq!(controls.syncs.load(Ordering::Relaxed) - syncs, 1);
    assert!(!store.commit().unwrap());
}

#[test]
fn streams_share_the_commit() {
    let (_dir, store, controls) =
        store_on_faulty_disk(StoreOptions { threads: false, ..StoreOptions::default() });
    let mut logs: Vec<_> = (0..10).map(|n| create(&store, &format!("S{n}"))).collect();
    let before = controls.syncs.load(Ordering::Relaxed);
    for log in &mut logs {
        append(&mut **log, 1);
    }
    store.commit().unwrap();
    assert_eq!(controls.syncs.load(Ordering::Relaxed) - before, 1);
}

/// Syncs and bytes written by 1,024 messages of 128 bytes in four bursts, each sent when the one before is on the card.
fn four_bursts(options: StoreOptions) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let card = Arc::new(Card { sync_takes: Duration::from_millis(10) });
    let (store, ..) = Store::open_on(Arc::new(WrappedDisk::new(dir.path(), &card)), options).unwrap();
    let told = Observer::watch(&store);
    let mut log = create(&store, "S");
    store.flush().unwrap();
    let before = store.stats();
    for burst in 0..4 {
        let last = (1..=256).map(|nth| append(&mut *log, burst * 256 + nth)).last();
        wait_for(&told, last.unwrap());
    }
    let after = store.stats();
    (after.syncs - before.syncs, after.bytes_written - before.bytes_written)
}

#[test]
fn a_thousand_publishes_in_four_bursts_cost_sixteen_syncs_at_most() {
    let (syncs, bytes) = four_bursts(StoreOptions::default());
    assert!(syncs <= 16, "{syncs} syncs");
    assert!(bytes < 1024 * 128 * 14 / 10);
}

#[test]
fn with_a_commit_window_a_burst_costs_one_sync() {
    let (syncs, _) =
        four_bursts(StoreOptions { commit_window: Duration::from_millis(5), ..StoreOptions::default() });
    assert!(syncs <= 5, "{syncs} syncs");
}

#[test]
fn a_commit_window_ends_early_when_too_much_waits() {
    let window = Duration::from_secs(3600);
    let options =
        StoreOptions { commit_window: window, pending_bytes_max: 10_000, ..StoreOptions::default() };
    let (_dir, store, _) = store_on_faulty_disk(options);
    let told = Observer::watch(&store);
    let mut log = create(&store, "S");
    let last = (1..=100).map(|seq| append(&mut *log, seq)).last();
    wait_for(&told, last.unwrap());
}

fn wait_for(told: &Receiver<Told>, lsn: Lsn) {
    loop {
        if let Told::Committed { durable, .. } = told.recv_timeout(PATIENCE).unwrap() {
            if durable >= lsn {
                return;
            }
        }
    }
}

#[test]
fn removals_of_one_commit_share_a_record() {
    let (_dir, store, _) = store_on_faulty_disk(StoreOptions { threads: false, ..StoreOptions::default() });
    let mut log = create(&store, "S");
    (1..=1000).for_each(|seq| _ = append(&mut *log, seq));
    store.commit().unwrap();
    let before = store.stats().bytes_written;
    for seq in (2..1000).step_by(2) {
        log.remove(seq).unwrap();
    }
    store.commit().unwrap();
    let per_removal = (store.stats().bytes_written - before) / 499;
    assert!(per_removal <= 2, "{per_removal} bytes per removal");
}

#[test]
fn with_an_interval_writing_does_not_wait_for_syncing() {
    let options =
        StoreOptions { sync: SyncPolicy::Interval(Duration::from_secs(120)), threads: false, ..tiny() };
    let (_dir, store, controls) = store_on_faulty_disk(options);
    let mut log = create(&store, "S");
    store.flush().unwrap();
    let syncs = controls.syncs.load(Ordering::Relaxed);
    let lsn = append(&mut *log, 1);
    store.commit().unwrap();
    assert!(store.written() >= lsn && store.durable() < lsn);
    assert_eq!(controls.syncs.load(Ordering::Relaxed), syncs);
    store.flush().unwrap();
    assert!(store.durable() >= lsn);
}

#[test]
fn nothing_is_acknowledged_after_a_failed_sync_until_the_store_was_reopened() {
    let (dir, store, controls) =
        store_on_faulty_disk(StoreOptions { threads: false, ..StoreOptions::default() });
    let told = Observer::watch(&store);
    let mut log = create(&store, "S");
    append(&mut *log, 1);
    store.commit().unwrap();
    let durable = store.durable();
    append(&mut *log, 2);
    controls.sync_fails.store(true, Ordering::Relaxed);
    assert!(matches!(store.commit(), Err(StoreError::Poisoned(_))));
    controls.sync_fails.store(false, Ordering::Relaxed);
    assert!(matches!(log.append(&message(3, "a", b"", b"")), Err(StoreError::Poisoned(_))));
    assert!(matches!(log.remove(1), Err(StoreError::Poisoned(_))));
    assert!(matches!(store.commit(), Err(StoreError::Poisoned(_))));
    assert_eq!(store.durable(), durable);
    assert!(matches!(told.try_iter().last(), Some(Told::Failed)));
    drop((store, log));
    let (store, mut streams, _) = Store::open(dir.path(), tiny()).unwrap();
    let log = &mut streams[0].log;
    assert!(log.load(1).unwrap().is_some());
    let next = log.state().last_seq + 1;
    append(&mut **log, next);
    store.commit().unwrap();
}

#[test]
fn a_failed_write_poisons_the_committer_too() {
    let (_dir, store, controls) = store_on_faulty_disk(StoreOptions::default());
    let told = Observer::watch(&store);
    controls.write_fails.store(true, Ordering::Relaxed);
    let mut log = create(&store, "S");
    let _ = log.append(&message(1, "a", b"", b""));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Told::Failed);
    assert!(matches!(log.append(&message(2, "a", b"", b"")), Err(StoreError::Poisoned(_))));
}

#[test]
fn appenders_are_asked_to_pause_and_told_when_to_go_on() {
    let options = StoreOptions { threads: false, pending_bytes_max: 10_000, ..StoreOptions::default() };
    let (_dir, store, _) = store_on_faulty_disk(options);
    let told = Observer::watch(&store);
    let mut log = create(&store, "S");
    let mut seq = 0;
    while !store.pressure() {
        seq += 1;
        append(&mut *log, seq);
    }
    assert!(store.stats().pending_bytes > 10_000 && store.stats().pending_bytes < 11_000);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Told::Pressure(true)]);
    store.commit().unwrap();
    assert!(!store.pressure());
    assert!(matches!(told.try_iter().last(), Some(Told::Pressure(false))));
}

#[test]
fn readers_near_the_tail_need_no_read() {
    let (_dir, store, controls) =
        store_on_faulty_disk(StoreOptions { threads: false, ..StoreOptions::default() });
    let mut log = create(&store, "S");
    (1..=100).for_each(|seq| _ = append(&mut *log, seq));
    let reads = controls.reads.load(Ordering::Relaxed);
    (1..=100).for_each(|seq| assert!(log.load(seq).unwrap().is_some()));
    store.commit().unwrap();
    (1..=100).for_each(|seq| assert!(log.load(seq).unwrap().is_some()));
    assert_eq!(controls.reads.load(Ordering::Relaxed), reads);
}

#[test]
fn a_cold_message_costs_one_read() {
    let options = StoreOptions { tail_cache_bytes_max: 0, threads: false, ..StoreOptions::default() };
    let (_dir, store, controls) = store_on_faulty_disk(options);
    let mut log = create(&store, "S");
    (1..=100).for_each(|seq| _ = append(&mut *log, seq));
    store.commit().unwrap();
    let reads = controls.reads.load(Ordering::Relaxed);
    assert!(log.load(50).unwrap().is_some());
    assert_eq!(controls.reads.load(Ordering::Relaxed), reads + 1);
}
