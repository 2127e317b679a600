//! After a disk error the store is opened anew in the same process: what was durable is there, what comes next is safe.

mod store_support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use headwater::store::{MessageLog, Store, StoreError, StoreOptions};
use parking_lot::{Condvar, Mutex};
use store_support::cached::cached;
use store_support::disk::{Controls, faulty};
use store_support::wrapped::{Device, WrappedDisk};
use store_support::{Model, create, message, tiny};

fn append(log: &mut dyn MessageLog, model: &mut Model, seq: u64) {
    let message = message(seq, "a.b", b"", b"some payload");
    log.append(&message).unwrap();
    model.append(&message);
}

fn faulty_store(dir: &std::path::Path) -> (Arc<Store>, Arc<Controls>) {
    let (disk, controls) = faulty(dir);
    (Store::open_on(disk, tiny()).unwrap().0, controls)
}

/// The only stream, opened anew.
fn recovered(store: &Store) -> Box<dyn MessageLog> {
    let (mut streams, _) = store.recover().unwrap();
    assert_eq!(streams.len(), 1);
    streams.remove(0).log
}

#[test]
fn a_failed_write_is_got_over_and_nothing_durable_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (store, controls) = faulty_store(dir.path());
    let (mut log, mut model) = (create(&store, "S"), Model::default());
    (1..=20).for_each(|seq| append(&mut *log, &mut model, seq));
    store.flush().unwrap();
    log.append(&message(21, "a.b", b"", b"never written")).unwrap();
    controls.write_fails.store(true, Ordering::Relaxed);
    assert!(matches!(store.commit(), Err(StoreError::Poisoned(_))));
    assert!(matches!(log.append(&message(22, "a", b"", b"")), Err(StoreError::Poisoned(_))));
    assert!(store.recover().is_err(), "the disk is still broken");
    assert!(store.create_stream("A", "T", b"", headwater::store::StorageKind::File).is_err());
    controls.write_fails.store(false, Ordering::Relaxed);
    let mut anew = recovered(&store);
    model.check(&*anew);
    append(&mut *anew, &mut model, 21);
    store.flush().unwrap();
    model.check(&*anew);
    assert!(matches!(log.append(&message(23, "a", b"", b"")), Err(StoreError::Poisoned(_))));
    assert_eq!(store.stats().reopened, 1);
    assert_eq!(store.stats().messages_lost, 0);
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_on_disk_before_it_is_relied_upon() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, cache) = cached(dir.path());
    let options = StoreOptions { catalog: false, ..tiny() };
    let (store, ..) = Store::open_on(disk.clone(), options.clone()).unwrap();
    let (mut log, mut model) = (create(&store, "S"), Model::default());
    (1..=5).for_each(|seq| append(&mut *log, &mut model, seq));
    store.flush().unwrap();
    (6..=9).for_each(|seq| append(&mut *log, &mut model, seq));
    cache.sync_fails.store(true, Ordering::Relaxed);
    assert!(store.flush().is_err());
    cache.sync_fails.store(false, Ordering::Relaxed);
    let mut anew = recovered(&store);
    let last = anew.state().last_seq;
    model.messages.retain(|seq, _| *seq <= last);
    (last + 1..=last + 3).for_each(|seq| append(&mut *anew, &mut model, seq));
    store.flush().unwrap();
    model.check(&*anew);
    drop((anew, log, store));
    cache.power_cut();
    let (_store, mut streams, report) = Store::open_on(disk, options).unwrap();
    assert_eq!(report.damaged_regions, 0);
    model.check(&*streams.remove(0).log);
}

#[test]
fn counters_go_on_and_no_damage_is_counted_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = faulty_store(dir.path());
    let (mut log, mut model) = (create(&store, "S"), Model::default());
    (1..=29).for_each(|seq| append(&mut *log, &mut model, seq));
    store.flush().unwrap();
    append(&mut *log, &mut model, 30);
    store.flush().unwrap();
    let before = store.stats();
    assert_eq!(before.payload_bytes, 30 * 12);
    drop(log);
    let path = store_support::segment(dir.path(), 1);
    let at = store_support::position_of(dir.path(), 1, b"some payload").unwrap();
    store_support::flip_bit(&path, at);
    for _ in 0..2 {
        let log = recovered(&store);
        assert_eq!(log.state().messages, 29);
        let stats = store.stats();
        assert_eq!((stats.damage_regions, stats.messages_lost), (1, 1));
        assert!(stats.bytes_written >= before.bytes_written);
    }
}

#[test]
fn a_log_of_before_takes_nothing_for_damaged_that_the_store_has_written_since() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { index_bytes_max: 0, ..tiny() };
    let (store, ..) = store_support::open(dir.path(), options);
    let (mut before, mut model) = (create(&store, "S"), Model::default());
    (1..=5000).for_each(|seq| append(&mut *before, &mut model, seq));
    store.checkpoint().unwrap();
    store.maintain().unwrap();
    let mut log = recovered(&store);
    for seq in (10..2500).step_by(90) {
        log.remove(seq).unwrap();
        store.checkpoint().unwrap();
    }
    (1..=5000).for_each(|seq| drop(before.load(seq)));
    (1..=5000).for_each(|seq| drop(log.load(seq).unwrap()));
    assert!(!dir.path().join("catalog.distrusted").exists());
}

/// A device that takes its time for one write, or as long as nobody reads meanwhile.
#[derive(Default)]
struct Slow {
    state: Mutex<SlowState>,
    changed: Condvar,
}

#[derive(Default)]
struct SlowState {
    is_next: bool,
    is_writing: bool,
    was_read: bool,
}

impl Device for Slow {
    fn read(&self, _: usize) -> std::io::Result<()> {
        let mut state = self.state.lock();
        state.was_read |= state.is_writing;
        self.changed.notify_all();
        Ok(())
    }

    fn write(&self) -> std::io::Result<()> {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.is_next) {
            state.is_writing = true;
            self.changed.notify_all();
            self.changed.wait_while_for(&mut state, |state| !state.was_read, Duration::from_millis(200));
            state.is_writing = false;
        }
        Ok(())
    }
}

#[test]
fn the_disk_is_not_read_anew_while_something_is_still_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let slow = Arc::new(Slow::default());
    let (store, ..) = Store::open_on(Arc::new(WrappedDisk::new(dir.path(), &slow)), tiny()).unwrap();
    let (mut log, mut model) = (create(&store, "S"), Model::default());
    append(&mut *log, &mut model, 1);
    store.flush().unwrap();
    append(&mut *log, &mut model, 2);
    slow.state.lock().is_next = true;
    std::thread::scope(|scope| {
        scope.spawn(|| store.commit());
        let mut state = slow.state.lock();
        slow.changed.wait_while(&mut state, |state| !state.is_writing);
        drop(state);
        let anew = recovered(&store);
        assert!(!slow.state.lock().was_read);
        model.check(&*anew);
    });
}
