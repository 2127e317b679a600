//! What the store costs per message: appending, finding, reading, and opening again.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use headwater::store::{MemoryLog, MessageLog, NewMessage, StorageKind, Store, StoreOptions};

const BATCH: u64 = 256;
const SUBJECTS: u64 = 1000;

fn options() -> StoreOptions {
    StoreOptions { threads: false, ..StoreOptions::default() }
}

fn open(dir: &Path) -> Arc<Store> {
    Store::open(dir, options()).unwrap().0
}

/// Appends `count` messages of 128 bytes to a log.
fn append(log: &mut dyn MessageLog, count: u64) {
    let first = log.state().last_seq + 1;
    for seq in first..first + count {
        let subject = format!("sensors.device{:04}.temperature", seq * 7919 % SUBJECTS);
        let message =
            NewMessage { seq, ts: seq as i64, subject: subject.as_bytes(), headers: b"", payload: &[7; 128] };
        log.append(&message).unwrap();
    }
}

fn filled(dir: &Path, count: u64) -> (Arc<Store>, Box<dyn MessageLog>) {
    let store = open(dir);
    let mut log = store.create_stream("A", "S", b"", StorageKind::File).unwrap().1;
    for _ in 0..count / BATCH {
        append(&mut *log, BATCH);
        store.commit().unwrap();
    }
    store.checkpoint().unwrap();
    (store, log)
}

fn appending(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(BATCH));
    let dir = tempfile::tempdir().unwrap();
    let (store, mut log) = filled(dir.path(), 1 << 14);
    group.bench_function("256 messages, one commit", |b| {
        b.iter(|| {
            append(&mut *log, BATCH);
            store.commit().unwrap();
        });
    });
    group.bench_function("256 messages, in memory", |b| {
        b.iter_batched_ref(MemoryLog::new, |log| append(log, BATCH), BatchSize::SmallInput);
    });
    group.finish();
}

fn finding(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (_store, log) = filled(dir.path(), 1 << 17);
    let last = log.state().last_seq;
    let one = [Bytes::from_static(b"sensors.device0007.*")];
    let mut at = 0;
    c.bench_function("next of one subject in a thousand", |b| {
        b.iter(|| {
            at = log.next_match(at + 1, &one).unwrap().unwrap_or(0);
            black_box(at)
        });
    });
    c.bench_function("count of one subject from the middle", |b| {
        b.iter(|| black_box(log.count_matches(last / 2, last, &one).unwrap()));
    });
    c.bench_function("read a cold message", |b| {
        let mut seq = 0;
        b.iter(|| {
            seq = seq % (last / 2) + 1;
            black_box(log.load(seq).unwrap())
        });
    });
}

fn opening(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (store, log) = filled(dir.path(), 1 << 17);
    store.try_close().unwrap();
    drop((store, log));
    c.bench_function("open after an orderly close", |b| b.iter(|| open(dir.path())));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = appending, finding, opening
}
criterion_main!(benches);
