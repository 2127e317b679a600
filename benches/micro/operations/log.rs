//! The messages of a stream: appending, committing, reading, finding, opening again.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater::store::{MemoryLog, MessageLog, NewMessage, StorageKind, Store, StoreOptions, SyncPolicy};
use tempfile::TempDir;

use super::{Operation, Work, run};

const BATCH: u64 = 256;
const SUBJECTS: u64 = 1000;
/// A log that is read from: well beyond [`TAIL_CACHE_BYTES`].
const FILLED: u64 = 1 << 14;
const TAIL_CACHE_BYTES: usize = 256 << 10;
/// A log that is appended to begins anew after so many messages.
const APPENDED_MAX: u64 = 1 << 16;
/// Messages read in one run.
const READS: u64 = 64;
/// The one subject in a thousand that is sought.
const SOUGHT: [Bytes; 1] = [Bytes::from_static(b"sensors.device0007.*")];

pub fn operations() -> Vec<Operation> {
    vec![
        Operation { name: "journal append of 128 B", items: BATCH, make: || Box::new(Append::new()) },
        Operation {
            name: "memory append of 128 B",
            items: BATCH,
            make: || Box::new(MemoryAppend::default()),
        },
        Operation { name: "commit of 256 messages of 128 B", items: 1, make: || Box::new(Commit::new()) },
        Operation { name: "read of a message just stored", items: READS, make: || read(FILLED - READS) },
        Operation { name: "read of a cold message", items: READS, make: || read(1) },
        Operation {
            name: "read of messages just stored, together",
            items: READS,
            make: || read_together(FILLED - READS),
        },
        Operation { name: "read of cold messages, together", items: READS, make: || read_together(1) },
        Operation { name: "next message of one subject in 1,000", items: 1, make: next_match },
        Operation { name: "count of one subject from the middle", items: 1, make: count_matches },
        Operation { name: "open after an orderly close", items: 1, make: open_again },
    ]
}

/// Appends messages of 128 bytes, each batch to the same subjects.
fn append(log: &mut dyn MessageLog, subjects: &[String]) {
    let first = log.state().last_seq + 1;
    for (seq, subject) in (first..).zip(subjects) {
        let message =
            NewMessage { seq, ts: seq as i64, subject: subject.as_bytes(), headers: b"", payload: &[7; 128] };
        log.append(&message).unwrap();
    }
}

fn subjects(first: u64) -> Vec<String> {
    (first..first + BATCH)
        .map(|at| format!("sensors.device{:04}.temperature", at * 7919 % SUBJECTS))
        .collect()
}

/// A stream on disk, in a folder that goes with it.
struct OnDisk {
    log: Box<dyn MessageLog>,
    store: Arc<Store>,
    dir: TempDir,
}

impl OnDisk {
    fn new(sync: SyncPolicy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), sync);
        let log = store.create_stream("A", "S", b"", StorageKind::File).unwrap().1;
        Self { log, store, dir }
    }

    fn filled() -> Self {
        let mut filled = Self::new(SyncPolicy::Interval(Duration::MAX));
        for batch in 0..FILLED / BATCH {
            append(&mut *filled.log, &subjects(batch * BATCH));
            filled.store.commit().unwrap();
        }
        filled.store.checkpoint().unwrap();
        filled
    }

    fn is_long(&self) -> bool {
        self.log.state().last_seq >= APPENDED_MAX
    }
}

fn open(dir: &Path, sync: SyncPolicy) -> Arc<Store> {
    Store::open(
        dir,
        StoreOptions {
            threads: false,
            sync,
            tail_cache_bytes_max: TAIL_CACHE_BYTES,
            ..StoreOptions::default()
        },
    )
    .unwrap()
    .0
}

struct Append {
    stream: OnDisk,
    subjects: Vec<String>,
}

impl Append {
    fn new() -> Self {
        Self { stream: OnDisk::new(SyncPolicy::Interval(Duration::MAX)), subjects: subjects(0) }
    }
}

impl Work for Append {
    fn prepare(&mut self) {
        self.stream.store.commit().unwrap();
        if self.stream.is_long() {
            *self = Self::new();
        }
    }

    fn run(&mut self) {
        append(&mut *self.stream.log, &self.subjects);
    }
}

struct MemoryAppend {
    log: MemoryLog,
    subjects: Vec<String>,
}

impl Default for MemoryAppend {
    fn default() -> Self {
        Self { log: MemoryLog::new(), subjects: subjects(0) }
    }
}

impl Work for MemoryAppend {
    fn prepare(&mut self) {
        if self.log.state().last_seq >= APPENDED_MAX {
            *self = Self::default();
        }
    }

    fn run(&mut self) {
        append(&mut self.log, &self.subjects);
    }
}

struct Commit {
    stream: OnDisk,
    subjects: Vec<String>,
}

impl Commit {
    fn new() -> Self {
        Self { stream: OnDisk::new(SyncPolicy::Always), subjects: subjects(0) }
    }
}

impl Work for Commit {
    fn prepare(&mut self) {
        if self.stream.is_long() {
            *self = Self::new();
        }
        append(&mut *self.stream.log, &self.subjects);
    }

    fn run(&mut self) {
        assert!(self.stream.store.commit().unwrap());
    }
}

/// Reads messages in sequence.
fn read(first: u64) -> Box<dyn Work> {
    let stream = OnDisk::filled();
    run(move || {
        for seq in first..first + READS {
            assert!(black_box(stream.log.load(seq).unwrap()).is_some());
        }
    })
}

fn read_together(first: u64) -> Box<dyn Work> {
    let stream = OnDisk::filled();
    let seqs: Vec<u64> = (first..first + READS).collect();
    run(move || {
        stream.log.load_each(&seqs, &mut |read| assert!(black_box(read.unwrap()).is_some()));
    })
}

fn next_match() -> Box<dyn Work> {
    let stream = OnDisk::filled();
    let mut at = 0;
    run(move || at = black_box(stream.log.next_match(at + 1, &SOUGHT).unwrap()).unwrap_or(0))
}

fn count_matches() -> Box<dyn Work> {
    let stream = OnDisk::filled();
    run(move || assert!(stream.log.count_matches(FILLED / 2, FILLED, &SOUGHT).unwrap() > 0))
}

fn open_again() -> Box<dyn Work> {
    let OnDisk { log, store, dir } = OnDisk::filled();
    store.try_close().unwrap();
    drop((log, store));
    run(move || {
        black_box(open(dir.path(), SyncPolicy::Always));
    })
}
