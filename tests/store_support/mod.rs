//! What the store's tests share: small stores, a model to hold them against, disks that misbehave.
#![allow(dead_code)]

pub mod cached;
pub mod disk;
pub mod slow;
pub mod small_disk;
pub mod wrapped;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use headwater::store::{
    LogState, MessageLog, NewMessage, Opened, RecoveredStream, StorageKind, Store, StoreOptions,
    StoredMessage, SubjectState,
};
use headwater_protocol::subject;

/// Subjects the tests store under.
pub const SUBJECTS: [&str; 7] = ["a", "a.b", "a.b.c", "a.x.c", "b.b", "b.c.d.e", "other"];

/// Filters the tests ask with; those of one call do not overlap.
pub const FILTERS: [&[&str]; 8] =
    [&[], &[">"], &["a.b"], &["a.*.c"], &["a.>"], &["b.*", "other"], &["none"], &["a", "b.>", "a.b.c"]];

/// Options of a store without threads and with tiny segments.
pub fn tiny() -> StoreOptions {
    StoreOptions { segment_bytes: 8192, threads: false, ..StoreOptions::default() }
}

/// A message as a test appends it.
pub fn message<'a>(seq: u64, subject: &'a str, headers: &'a [u8], payload: &'a [u8]) -> NewMessage<'a> {
    NewMessage { seq, ts: ts(seq), subject: subject.as_bytes(), headers, payload }
}

/// The timestamp of a sequence.
pub fn ts(seq: u64) -> i64 {
    1_000_000 + seq as i64 * 10
}

/// Opens a store in `dir`.
pub fn open(dir: &Path, options: StoreOptions) -> Opened {
    Store::open(dir, options).unwrap()
}

/// Opens a store that holds one stream.
pub fn open_one(dir: &Path, options: StoreOptions) -> (Arc<Store>, RecoveredStream) {
    let (store, mut streams, _) = open(dir, options);
    assert_eq!(streams.len(), 1);
    (store, streams.remove(0))
}

/// A new stream of the store.
pub fn create(store: &Store, name: &str) -> Box<dyn MessageLog> {
    store.create_stream("ACC", name, b"meta", StorageKind::File).unwrap().1
}

/// What a log should hold.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub messages: BTreeMap<u64, (String, Vec<u8>, Vec<u8>)>,
    pub last_seq: u64,
    pub last_ts: i64,
}

impl Model {
    pub fn append(&mut self, message: &NewMessage<'_>) {
        let subject = String::from_utf8(message.subject.to_vec()).unwrap();
        self.messages.insert(message.seq, (subject, message.headers.to_vec(), message.payload.to_vec()));
        self.last_seq = message.seq;
        self.last_ts = message.ts;
    }

    pub fn skip_to(&mut self, last_seq: u64, ts: i64) {
        if last_seq > self.last_seq {
            (self.last_seq, self.last_ts) = (last_seq, ts);
        }
    }

    pub fn purge_below(&mut self, seq: u64) -> u64 {
        let before = self.messages.len();
        self.messages = self.messages.split_off(&seq);
        self.last_seq = self.last_seq.max(seq.saturating_sub(1));
        (before - self.messages.len()) as u64
    }

    pub fn first_seq(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(self.last_seq + 1)
    }

    fn matching(&self, filters: &[&str]) -> BTreeSet<u64> {
        let matches =
            |held: &str| filters.iter().any(|filter| subject::matches(filter.as_bytes(), held.as_bytes()));
        let all = self.messages.iter().filter(|(_, (held, ..))| filters.is_empty() || matches(held));
        all.map(|(seq, _)| *seq).collect()
    }

    fn accounted(&self, kind: StorageKind) -> u64 {
        let one = |(subject, headers, payload): &(String, Vec<u8>, Vec<u8>)| {
            let content = (subject.len() + headers.len() + payload.len()) as u64;
            match kind {
                StorageKind::Memory => content + 16,
                StorageKind::File => content + 30 + if headers.is_empty() { 0 } else { 4 },
            }
        };
        self.messages.values().map(one).sum()
    }

    fn subjects(&self) -> BTreeMap<String, SubjectState> {
        let mut subjects: BTreeMap<String, SubjectState> = BTreeMap::new();
        for (seq, (subject, ..)) in &self.messages {
            let fresh = SubjectState { count: 0, first_seq: *seq, last_seq: 0 };
            let state = subjects.entry(subject.clone()).or_insert(fresh);
            state.count += 1;
            state.last_seq = *seq;
        }
        subjects
    }

    /// Asks the log everything and holds the answers against the model.
    pub fn check(&self, log: &dyn MessageLog) {
        self.check_state(log);
        self.check_messages(log);
        self.check_messages_together(log);
        self.check_subjects(log);
        self.check_searches(log);
    }

    pub fn check_state(&self, log: &dyn MessageLog) {
        let first = self.first_seq();
        let expected = LogState {
            messages: self.messages.len() as u64,
            bytes: self.accounted(log.kind()),
            first_seq: if self.last_seq == 0 { 0 } else { first },
            first_ts: if self.messages.is_empty() { 0 } else { ts(first) },
            last_seq: self.last_seq,
            last_ts: self.last_ts,
            subjects: self.subjects().len() as u64,
        };
        assert_eq!(log.state(), expected);
    }

    fn check_messages(&self, log: &dyn MessageLog) {
        for seq in self.first_seq().saturating_sub(2)..=self.last_seq + 2 {
            let found = log.load(seq).unwrap().map(plain);
            assert_eq!(found.as_ref(), self.messages.get(&seq), "message {seq}");
            assert_eq!(log.meta(seq).is_some(), self.messages.contains_key(&seq));
            assert_eq!(log.timestamp(seq).unwrap(), self.messages.get(&seq).map(|_| ts(seq)));
            let later = log.handle(seq).and_then(|handle| handle.read().unwrap()).map(plain);
            assert_eq!(later.as_ref(), self.messages.get(&seq));
        }
        let mut deleted = Vec::new();
        log.for_each_deleted(&mut |seq| {
            deleted.push(seq);
            ControlFlow::Continue(())
        });
        let gaps = self.first_seq()..=self.last_seq;
        assert_eq!(deleted, gaps.filter(|seq| !self.messages.contains_key(seq)).collect::<Vec<_>>());
        assert_eq!(log.deleted_count(), deleted.len() as u64);
    }

    fn check_messages_together(&self, log: &dyn MessageLog) {
        let seqs: Vec<u64> = (self.first_seq().saturating_sub(2)..=self.last_seq + 2).collect();
        for wanted in
            [seqs.clone(), seqs.iter().copied().step_by(3).collect(), seqs.into_iter().rev().collect()]
        {
            let mut found = Vec::new();
            log.load_each(&wanted, &mut |read| found.push(read.unwrap().map(plain)));
            assert_eq!(found, wanted.iter().map(|seq| self.messages.get(seq).cloned()).collect::<Vec<_>>());
        }
    }

    fn check_subjects(&self, log: &dyn MessageLog) {
        let expected = self.subjects();
        for filters in FILTERS.iter().filter(|filters| filters.len() == 1) {
            let mut found = Vec::new();
            log.for_each_subject(filters[0].as_bytes(), &mut |subject, state| {
                found.push((String::from_utf8(subject.to_vec()).unwrap(), state));
                ControlFlow::Continue(())
            });
            let matching = |held: &String| subject::matches(filters[0].as_bytes(), held.as_bytes());
            let expected: Vec<_> = expected.iter().filter(|(subject, _)| matching(subject)).collect();
            assert_eq!(found.iter().map(|(subject, state)| (subject, state)).collect::<Vec<_>>(), expected);
        }
        for subject in SUBJECTS {
            assert_eq!(log.subject(subject.as_bytes()), expected.get(subject).copied(), "{subject}");
        }
    }

    /// All matches of a range, and the first two.
    fn check_matches(
        &self,
        log: &dyn MessageLog,
        asked: &[Bytes],
        matching: &BTreeSet<u64>,
        (from, to): (u64, u64),
    ) {
        for wanted in [usize::MAX, 2] {
            let mut found = Vec::new();
            let visited = log.for_each_match(from, to, asked, &mut |seq, meta| {
                let (subject, headers, payload) = &self.messages[&seq];
                assert_eq!(meta.content_bytes, (subject.len() + headers.len() + payload.len()) as u64);
                found.push(seq);
                if found.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            visited.unwrap();
            let expected: Vec<u64> = matching.range(from..=to).copied().take(wanted).collect();
            assert_eq!(found, expected, "{asked:?} {from}..={to}");
        }
    }

    fn check_searches(&self, log: &dyn MessageLog) {
        let (first, last) = (self.first_seq(), self.last_seq);
        let points = [0, first, first + 1, (first + last) / 2, (first + 3 * last) / 4, last, last + 1];
        for filters in FILTERS {
            let matching = self.matching(filters);
            let asked: Vec<Bytes> =
                filters.iter().map(|filter| Bytes::from_static(filter.as_bytes())).collect();
            for at in points {
                assert_eq!(
                    log.next_match(at, &asked).unwrap(),
                    matching.range(at..).next().copied(),
                    "{filters:?} {at}"
                );
                let before = matching.range(..=at).next_back().copied();
                assert_eq!(log.last_match(at, &asked).unwrap(), before, "{filters:?} {at}");
                for end in points.into_iter().filter(|end| *end >= at) {
                    let count = matching.range(at..=end).count() as u64;
                    assert_eq!(
                        log.count_matches(at, end, &asked).unwrap(),
                        count,
                        "{filters:?} {at}..={end}"
                    );
                    self.check_matches(log, &asked, &matching, (at, end));
                }
            }
        }
        for at in points {
            let expected = self.messages.range(at..).next().map_or(last + 1, |(seq, _)| *seq);
            assert_eq!(log.seq_at_or_after(ts(at)).unwrap(), expected, "at {at}");
        }
    }
}

/// A message without its sequence.
pub fn plain(message: StoredMessage) -> (String, Vec<u8>, Vec<u8>) {
    assert_eq!(message.ts, ts(message.seq));
    let subject = String::from_utf8(message.subject().to_vec()).unwrap();
    (subject, message.headers().to_vec(), message.payload().to_vec())
}

/// Flips one bit of a file.
pub fn flip_bit(path: &Path, at: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at as usize] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

/// The file of a segment.
pub fn segment(dir: &Path, id: u32) -> std::path::PathBuf {
    dir.join(format!("journal/{id:010}.seg"))
}

/// Where `needle` first lies in a segment.
pub fn position_of(dir: &Path, id: u32, needle: &[u8]) -> Option<u64> {
    let bytes = std::fs::read(segment(dir, id)).unwrap();
    bytes.windows(needle.len()).position(|window| window == needle).map(|at| at as u64)
}

/// Bytes of all segments.
pub fn journal_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir.join("journal")).unwrap();
    files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum()
}
