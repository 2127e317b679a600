//! Streams that are written all at once, while segments are copied forward, given back and checkpointed beneath them, hold
//! what each of their owners put in.

mod store_support;

use std::thread;
use std::time::{Duration, Instant};

use headwater::store::{MessageLog, Store, StoreOptions, SyncPolicy};
use store_support::{Model, create, message, open};

const STREAMS: u64 = 4;
const STEPS: u64 = 3000;
/// How long housekeeping may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> StoreOptions {
    StoreOptions {
        segment_bytes: 32 << 10,
        tail_cache_bytes_max: 16 << 10,
        index_bytes_max: 4 << 10,
        checkpoint_bytes: 128 << 10,
        ..StoreOptions::default()
    }
}

/// A generator of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Appends, removes and reads back, keeping a few hundred messages of which older ones get sparse.
fn work(mut log: Box<dyn MessageLog>, seed: u64) -> (Box<dyn MessageLog>, Model) {
    let (mut numbers, mut model) = (Numbers(seed), Model::default());
    for _ in 0..STEPS {
        let next = model.last_seq + 1;
        match numbers.below(10) {
            0..6 => {
                let payload = vec![next as u8; numbers.below(200) as usize];
                let subject = format!("s.{}", numbers.below(20));
                let message = message(next, &subject, b"", &payload);
                log.append(&message).unwrap();
                model.append(&message);
            }
            6..9 => {
                let seq = model.first_seq() + numbers.below(next + 1 - model.first_seq());
                assert_eq!(log.remove(seq).unwrap().is_some(), model.messages.remove(&seq).is_some());
            }
            _ => {
                let seq = model.first_seq() + numbers.below(next + 1 - model.first_seq());
                let held = log.load(seq).unwrap().map(store_support::plain);
                assert_eq!(held.as_ref(), model.messages.get(&seq));
            }
        }
        if model.messages.len() > 600 {
            let seq = model.first_seq() + 50;
            assert_eq!(log.purge_below(seq).unwrap().0, model.purge_below(seq));
        }
    }
    (log, model)
}

/// Segments are copied forward and given back while the logs are in use, or soon after.
fn wait_for_housekeeping(store: &Store) {
    let start = Instant::now();
    loop {
        let stats = store.stats();
        if stats.segments_reclaimed > 0 && stats.bytes_compacted > 0 {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{stats:?}");
        thread::yield_now();
    }
}

fn run(options: &StoreOptions) {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), options.clone());
    let logs: Vec<_> = (0..STREAMS).map(|n| create(&store, &format!("S{n}"))).collect();
    let workers: Vec<_> = (1..).zip(logs).map(|(seed, log)| thread::spawn(move || work(log, seed))).collect();
    let done: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    done.iter().for_each(|(log, model)| model.check(&**log));
    store.flush().unwrap();
    wait_for_housekeeping(&store);
    let models: Vec<Model> = done.into_iter().map(|(_, model)| model).collect();
    drop(store);
    for lose_catalog in [false, true] {
        if lose_catalog {
            let _ = std::fs::remove_dir_all(dir.path().join("catalog"));
        }
        let (_store, streams, report) = open(dir.path(), options.clone());
        assert_eq!((report.damaged_regions, report.torn_bytes), (0, 0));
        streams.iter().zip(&models).for_each(|(stream, model)| model.check(&*stream.log));
    }
}

#[test]
fn streams_written_at_once_keep_apart() {
    run(&options());
}

#[test]
fn they_do_so_without_a_catalogue_too() {
    run(&StoreOptions { catalog: false, ..options() });
}

#[test]
fn they_do_so_when_syncs_are_rare_too() {
    run(&StoreOptions { sync: SyncPolicy::Interval(Duration::from_millis(20)), ..options() });
}
