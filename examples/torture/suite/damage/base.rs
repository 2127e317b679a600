//! A closed store with a bit of everything in it, and what it must give back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater::store::disk::RealDisk;
use headwater::store::journal::files::SegmentFiles;
use headwater::store::journal::record::{Header, Location, Record};
use headwater::store::journal::scan::{Found, Scanner};
use headwater::store::{
    Cipher, Encryption, MessageLog, NewMessage, StorageKind, Store, StoreOptions, StreamId,
};

use crate::suite::rng::Rng;
use crate::suite::scratch::{self, Image};

/// Whether all stores of this process are encrypted.
pub static ENCRYPTED: AtomicBool = AtomicBool::new(false);

/// Small segments, so that there are many.
const SEGMENT_BYTES: u32 = 64 << 10;

/// Rounds of commits.
const ROUNDS: u64 = 60;

/// Subject, headers and payload.
pub type Content = (Vec<u8>, Vec<u8>, Vec<u8>);

/// A stream as it must be found.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    pub name: String,
    pub meta: Vec<u8>,
    pub messages: BTreeMap<u64, Content>,
    pub last_seq: u64,
    pub consumers: BTreeMap<String, Consumer>,
}

/// A consumer as it must be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumer {
    pub config: Vec<u8>,
    pub state: Option<Vec<u8>>,
    pub deltas: Vec<Vec<u8>>,
}

/// A record, and the bytes it takes.
pub type Placed = (Location, u32, Record);

/// The closed store.
pub struct Base {
    pub image: Image,
    pub streams: BTreeMap<u32, Expected>,
    /// Every record, in order, with the bytes it takes.
    pub records: Vec<Placed>,
}

/// Without threads, so that a case is the same every time.
pub fn options(catalog: bool) -> StoreOptions {
    StoreOptions {
        segment_bytes: SEGMENT_BYTES,
        threads: false,
        catalog,
        encryption: encryption(),
        ..StoreOptions::default()
    }
}

fn encryption() -> Option<Encryption> {
    let encryption = Encryption { key: "no secret".into(), previous_key: None, cipher: Cipher::Aes };
    ENCRYPTED.load(Ordering::Relaxed).then_some(encryption)
}

/// When the message of a sequence was stored.
pub fn ts(seq: u64) -> i64 {
    1_700_000_000_000_000_000 + seq as i64
}

impl Base {
    /// The store of a seed.
    pub fn new(seed: u64) -> Self {
        let dir = scratch::directory();
        let mut writer = Writer::open(dir.path(), seed);
        for round in 0..ROUNDS {
            writer.round(round);
        }
        let streams = writer.close();
        Self { image: scratch::image(dir.path()), streams, records: records(dir.path()) }
    }
}

struct Writer {
    store: Arc<Store>,
    rng: Rng,
    logs: BTreeMap<u32, Box<dyn MessageLog>>,
    expected: BTreeMap<u32, Expected>,
}

impl Writer {
    fn open(dir: &Path, seed: u64) -> Self {
        let (store, ..) = Store::open(dir, options(true)).expect("a new store");
        let mut writer =
            Self { store, rng: Rng::new(seed), logs: BTreeMap::new(), expected: BTreeMap::new() };
        for name in ["ORDERS", "SENSORS", "EARLY", "EMPTY"] {
            writer.create(name);
        }
        writer
    }

    fn create(&mut self, name: &str) -> StreamId {
        let meta = format!("{{\"name\":\"{name}\"}}").into_bytes();
        let (id, log, _) = self.store.create_stream("ACC", name, &meta, StorageKind::File).expect("a stream");
        self.logs.insert(id.0, log);
        self.expected.insert(id.0, Expected { name: name.into(), meta, ..Expected::default() });
        id
    }

    fn round(&mut self, round: u64) {
        for id in [1, 2] {
            self.publish(id, 10);
            self.remove_some(id);
        }
        match round {
            1 => self.publish(3, 20),
            2 => self.empty(4),
            5 => self.consumers(),
            30 => self.store.checkpoint().expect("a checkpoint"),
            _ if round % 9 == 0 => self.come_and_go(),
            _ => {}
        }
        self.acknowledge(round);
        self.store.commit().expect("a commit");
    }

    fn publish(&mut self, id: u32, count: usize) {
        let contents: Vec<Content> = (0..count).map(|_| self.content()).collect();
        let first = self.expected[&id].last_seq + 1;
        let messages: Vec<NewMessage<'_>> =
            contents.iter().zip(first..).map(|(content, seq)| message(seq, content)).collect();
        let log = self.logs.get_mut(&id).expect("its log");
        let (one_by_one, group) = messages.split_at(count / 2);
        for message in one_by_one {
            log.append(message).expect("an append");
        }
        log.append_group(group).expect("a group");
        let expected = self.expected.get_mut(&id).expect("its model");
        expected.messages.extend((first..).zip(contents));
        expected.last_seq += count as u64;
    }

    fn content(&mut self) -> Content {
        let subject = format!("subject.{}", self.rng.below(9)).into_bytes();
        let headers: &[u8] = if self.rng.percent(20) { b"NATS/1.0\r\nNats-Msg-Id: one\r\n\r\n" } else { b"" };
        let len = match self.rng.below(40) {
            0 => 20_000,
            1..=3 => 5_000,
            4..=9 => 0,
            _ => self.rng.below(700),
        };
        (subject, headers.to_vec(), self.rng.bytes(len as usize))
    }

    fn remove_some(&mut self, id: u32) {
        let (log, expected) =
            (self.logs.get_mut(&id).expect("its log"), self.expected.get_mut(&id).expect("its model"));
        let held: Vec<u64> = expected.messages.keys().copied().collect();
        for seq in held.into_iter().filter(|_| self.rng.percent(2)) {
            log.remove(seq).expect("a removal").expect("a message");
            expected.messages.remove(&seq);
        }
        if id == 2 && self.rng.percent(10) {
            let first = expected.last_seq.saturating_sub(80).max(1);
            log.purge_below(first).expect("a purge");
            expected.messages = expected.messages.split_off(&first);
        }
    }

    fn empty(&mut self, id: u32) {
        self.publish(id, 10);
        let expected = self.expected.get_mut(&id).expect("its model");
        self.logs.get_mut(&id).expect("its log").purge_below(expected.last_seq + 1).expect("a purge");
        expected.messages.clear();
    }

    /// A stream and a consumer that are deleted before long.
    fn come_and_go(&mut self) {
        let gone = self.create("GONE");
        self.publish(gone.0, 4);
        self.store.put_consumer(gone, "C", b"{}").expect("a consumer");
        self.store.delete_stream(gone).expect("a deletion");
        self.logs.remove(&gone.0);
        self.expected.remove(&gone.0);
        self.store.put_consumer(StreamId(2), "GONE", b"{}").expect("a consumer");
        self.store.delete_consumer(StreamId(2), "GONE").expect("a deletion");
    }

    fn consumers(&mut self) {
        for (id, name) in [(1, "WORKER"), (1, "AUDIT"), (2, "WORKER")] {
            let config = format!("{{\"durable_name\":\"{name}\"}}").into_bytes();
            self.store.put_consumer(StreamId(id), name, &config).expect("a consumer");
            let consumer = Consumer { config, ..Consumer::default() };
            self.expected.get_mut(&id).expect("its model").consumers.insert(name.into(), consumer);
        }
    }

    fn acknowledge(&mut self, round: u64) {
        let bytes = self.rng.bytes(90);
        for (id, expected) in &mut self.expected {
            for (name, consumer) in &mut expected.consumers {
                if round % 20 == 0 {
                    self.store.put_consumer_state(StreamId(*id), name, &bytes).expect("a state");
                    (consumer.state, consumer.deltas) = (Some(bytes.clone()), Vec::new());
                } else {
                    self.store.append_consumer_delta(StreamId(*id), name, &bytes[..20]).expect("a change");
                    consumer.deltas.push(bytes[..20].to_vec());
                }
            }
        }
    }

    fn close(self) -> BTreeMap<u32, Expected> {
        self.store.try_close().expect("an orderly end");
        self.expected
    }
}

/// A message as it is appended.
pub fn message(seq: u64, (subject, headers, payload): &Content) -> NewMessage<'_> {
    NewMessage { seq, ts: ts(seq), subject, headers, payload }
}

/// All records of the journal.
fn records(dir: &Path) -> Vec<Placed> {
    let disk = Arc::new(RealDisk::new(dir).expect("the directory"));
    let (files, oddities) =
        SegmentFiles::open_encrypted(disk, SEGMENT_BYTES, encryption().as_ref()).expect("the journal");
    assert!(oddities.unreadable.is_empty());
    let mut records = Vec::new();
    for id in files.ids() {
        let mut scanner = Scanner::new(files.get(id).expect("a segment"), 0);
        while let Some(found) = scanner.step().expect("a readable segment") {
            match found {
                Found::Record(at, record) => records.push((at, len(&record.header), record)),
                Found::End(_) => {}
                other => panic!("a healthy journal has no {other:?}"),
            }
        }
    }
    records
}

fn len(header: &Header) -> u32 {
    header.record_len() as u32
}
