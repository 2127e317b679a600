//! Pages that are stored, fetched, given back and changed in any order – during checkpoints that come to an end and such that
//! do not – hold what an ordered map does, in memory and where they are stored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::pages::{PageSet, PageSink, PageSource, PageWrites, StoredPage};
use super::seeker::Seeker;
use super::{Entry, Postings, SeqIndex, SubjectIndex};
use crate::StoreError;
use crate::journal::record::Location;

/// What may be fetched of each index, in bytes.
const FETCHED_BYTES_MAX: usize = 2_000;

/// Messages by sequence: where they lie.
type Model = BTreeMap<u64, Entry>;

type Chunks = Vec<(u64, StoredPage)>;

fn entry(n: u32) -> Entry {
    Entry {
        at: Location { segment: 1 + n % 3, offset: n * 8 },
        content_bytes: n,
        tag: n as u16,
        has_headers: n % 2 == 0,
        sealed: n % 3 == 0,
    }
}

fn subject(seq: u64) -> Vec<u8> {
    format!("{}.of.a.rather.long.name.{}", seq % 7, seq % 211).into_bytes()
}

/// Where pages are stored.
#[derive(Default)]
struct Disk {
    pages: BTreeMap<u32, Vec<u8>>,
    on_their_way: BTreeMap<u32, Vec<u8>>,
    places: u32,
}

struct Source(Arc<Mutex<Disk>>);

impl PageSource for Source {
    fn load(&self, set: PageSet, page: u64, stored: StoredPage) -> Result<Box<[u8]>, StoreError> {
        let bytes = self.0.lock().pages.get(&stored.at).filter(|bytes| stored.holds(bytes)).cloned();
        Ok(bytes.unwrap_or_else(|| panic!("page {page} of {set:?} is not stored")).into())
    }
}

struct Sink(Arc<Mutex<Disk>>);

impl PageSink for Sink {
    fn put(&mut self, bytes: &[u8], checkpoint: u32) -> StoredPage {
        let mut disk = self.0.lock();
        disk.places += 1;
        let at = disk.places;
        disk.on_their_way.insert(at, bytes.to_vec());
        StoredPage::of(bytes, checkpoint).placed(at, bytes.len() as u32)
    }
}

/// What a checkpoint stores.
#[derive(Clone)]
struct Checkpoint {
    number: u32,
    garbage: Vec<StoredPage>,
    seqs: Chunks,
    subjects: Chunks,
    subjects_len: u64,
    model: Model,
}

#[derive(Default)]
struct Kept {
    disk: Arc<Mutex<Disk>>,
    seqs: SeqIndex,
    subjects: SubjectIndex,
    model: Model,
    checkpoints: u32,
    running: Option<Checkpoint>,
    complete: Option<Checkpoint>,
    leftovers: Vec<StoredPage>,
}

#[derive(Debug, Clone)]
enum Step {
    Insert { from: u64, count: u64, stride: u64, n: u32 },
    Remove(u64),
    GetAndRemove(u64),
    DropBelow(u64),
    Get(u64),
    Subject(u64),
    Visit(u64),
    Evict(usize),
    Begin,
    Complete,
    GiveUp,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let seq = 0u64..10_000;
    prop_oneof![
        4 => (seq.clone(), 1..60u64, 1..120u64, 0u32..100_000)
            .prop_map(|(from, count, stride, n)| Step::Insert { from, count, stride, n }),
        6 => seq.clone().prop_map(Step::Remove),
        3 => seq.clone().prop_map(Step::GetAndRemove),
        1 => (0..4_000u64).prop_map(Step::DropBelow),
        6 => seq.clone().prop_map(Step::Get),
        3 => seq.clone().prop_map(Step::Subject),
        2 => seq.prop_map(Step::Visit),
        5 => (0..20_000usize).prop_map(Step::Evict),
        4 => Just(Step::Begin),
        4 => Just(Step::Complete),
        2 => Just(Step::GiveUp),
        1 => Just(Step::Restart),
    ]
}

impl Kept {
    fn new() -> Self {
        let mut kept = Self::default();
        kept.set_source();
        kept
    }

    fn set_source(&mut self) {
        self.seqs.source = Arc::new(Source(Arc::clone(&self.disk)));
        self.subjects.source = Arc::new(Source(Arc::clone(&self.disk)));
        self.seqs.fetched.set_bytes_max(FETCHED_BYTES_MAX);
        self.subjects.fetched.set_bytes_max(FETCHED_BYTES_MAX);
    }

    /// A live sequence at or behind `seq`, if there is one.
    fn near(&self, seq: u64) -> u64 {
        self.model.range(seq..).next().map_or(seq, |(seq, _)| *seq)
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert { from, count, stride, n } => {
                (0..count).for_each(|at| self.insert(from + at * stride, entry(n + at as u32)));
            }
            Step::Remove(seq) => self.remove(self.near(seq)),
            Step::GetAndRemove(seq) => {
                self.step(&Step::Get(seq));
                self.step(&Step::Evict(usize::MAX));
                self.remove(self.near(seq));
            }
            Step::DropBelow(seq) => self.drop_below(seq),
            Step::Get(seq) => {
                let seq = self.near(seq);
                assert_eq!(self.seqs.get(seq).unwrap(), self.model.get(&seq).copied());
            }
            Step::Subject(seq) => self.look_at_subject(&subject(self.near(seq))),
            Step::Visit(from) => self.visit(from),
            // Only housekeeping does, which makes the checkpoints as well.
            Step::Evict(bytes) if self.running.is_none() => {
                self.seqs.forget_views();
                self.seqs.evict(bytes);
                self.subjects.evict(bytes);
            }
            Step::Begin if self.running.is_none() => self.begin(),
            Step::Complete => self.complete(),
            Step::GiveUp => self.give_up(),
            Step::Restart => self.restart(),
            _ => {}
        }
        self.check_memory();
    }

    fn insert(&mut self, seq: u64, entry: Entry) {
        let moved = self.model.insert(seq, entry);
        assert_eq!(self.seqs.insert(seq, entry).unwrap(), moved);
        if moved.is_none() {
            self.subjects.add(&subject(seq), seq).unwrap();
        }
    }

    fn remove(&mut self, seq: u64) {
        let removed = self.model.remove(&seq);
        assert_eq!(self.seqs.remove(seq).unwrap(), removed, "{seq}");
        if removed.is_some() {
            self.subjects.remove(&subject(seq), seq).unwrap();
        }
    }

    fn drop_below(&mut self, seq: u64) {
        let kept = self.model.split_off(&seq);
        let gone = std::mem::replace(&mut self.model, kept);
        let mut dropped = Model::new();
        let mut note = |seq, entry: &Entry| assert_eq!(dropped.insert(seq, *entry), None);
        self.seqs.drop_below(seq, &mut note).unwrap();
        assert_eq!(dropped, gone);
        for seq in gone.into_keys() {
            self.subjects.remove(&subject(seq), seq).unwrap();
        }
    }

    fn look_at_subject(&mut self, name: &[u8]) {
        let expected: Vec<u64> = self.model.keys().copied().filter(|seq| subject(*seq) == name).collect();
        let found = match self.subjects.get(name).unwrap() {
            Some(Postings::Listed(seqs)) => seqs.to_vec(),
            Some(bounded) => panic!("{bounded:?}"),
            None => Vec::new(),
        };
        assert_eq!(found, expected);
    }

    fn visit(&mut self, from: u64) {
        let mut found = Vec::new();
        let mut note = |seq, entry: &Entry| {
            found.push((seq, *entry));
            if found.len() < 600 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.seqs.visit(from, u64::MAX, &mut note).unwrap();
        let expected = self.model.range(from..).take(600).map(|(seq, entry)| (*seq, *entry));
        assert_eq!(found, expected.collect::<Vec<_>>());
        let live = self.model.keys().filter(|seq| (from..=9_000).contains(*seq)).count();
        assert_eq!(self.seqs.count(from, 9_000).unwrap(), live as u64);
    }

    fn begin(&mut self) {
        self.checkpoints += 1;
        let mut sink = Sink(Arc::clone(&self.disk));
        let mut writes = PageWrites::new(self.checkpoints, &mut sink);
        self.seqs.write_pages(&mut writes);
        self.subjects.write_pages(&mut writes);
        let mut garbage = writes.garbage;
        garbage.append(&mut self.leftovers);
        self.running = Some(Checkpoint {
            number: self.checkpoints,
            garbage,
            seqs: self.seqs.chunks().collect(),
            subjects: self.subjects.chunks().collect(),
            subjects_len: self.subjects.len(),
            model: self.model.clone(),
        });
    }

    fn complete(&mut self) {
        let Some(running) = self.running.take() else { return };
        let mut disk = self.disk.lock();
        let written = std::mem::take(&mut disk.on_their_way);
        disk.pages.extend(written);
        for stored in &running.garbage {
            assert!(disk.pages.remove(&stored.at).is_some(), "{stored:?} is given back twice");
        }
        drop(disk);
        (self.seqs.written_by, self.subjects.written_by) = (0, 0);
        self.complete = Some(running);
        self.check_stored();
    }

    fn give_up(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.disk.lock().on_their_way.clear();
        let is_stored = |stored: &StoredPage| stored.checkpoint != running.number;
        self.leftovers = running.garbage.into_iter().filter(is_stored).collect();
        self.seqs.unwrite_pages(running.number);
        self.subjects.unwrite_pages(running.number);
    }

    /// What the last complete checkpoint stored is there, and can be read.
    fn check_stored(&self) {
        let mut restored = self.restored();
        restored.visit(0);
        let mut subjects = BTreeSet::new();
        let mut note = |subject: &[u8], _: &[u8]| {
            subjects.insert(subject.to_vec());
            ControlFlow::Continue(())
        };
        restored.subjects.visit(Seeker::everything(), &mut note).unwrap();
        assert_eq!(subjects, restored.model.keys().map(|seq| subject(*seq)).collect());
        let stored = restored.seqs.stored().chain(restored.subjects.stored());
        let stored: BTreeSet<u32> = stored.map(|stored| stored.at).collect();
        assert_eq!(stored, self.disk.lock().pages.keys().copied().collect());
    }

    fn restored(&self) -> Self {
        let mut anew =
            Self { disk: Arc::clone(&self.disk), checkpoints: self.checkpoints, ..Self::default() };
        if let Some(complete) = self.complete.clone() {
            let disk = self.disk.lock();
            let bytes = |(chunk, stored): &(u64, StoredPage)| {
                (*chunk, *stored, disk.pages[&stored.at].clone().into_boxed_slice())
            };
            let source = || Arc::new(Source(Arc::clone(&self.disk)));
            let chunks: Vec<_> = complete.seqs.iter().map(bytes).collect();
            anew.seqs = SeqIndex::restored(source(), &chunks).unwrap();
            let chunks: Vec<_> = complete.subjects.iter().map(bytes).collect();
            anew.subjects = SubjectIndex::restored(source(), complete.subjects_len, &chunks).unwrap();
            anew.model = complete.model.clone();
            anew.complete = Some(complete);
        }
        anew.set_source();
        anew
    }

    fn restart(&mut self) {
        self.disk.lock().on_their_way.clear();
        *self = self.restored();
    }

    fn check_memory(&self) {
        assert_eq!(self.seqs.resident_bytes(), self.seqs.packed_bytes());
        assert_eq!(self.subjects.resident_bytes(), self.subjects.page_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_hold_what_an_ordered_map_does_whatever_becomes_of_checkpoints(
        steps in proptest::collection::vec(step(), 1..150)
    ) {
        let mut kept = Kept::new();
        steps.iter().for_each(|step| kept.step(step));
        kept.visit(0);
        (0..400).for_each(|seq| kept.look_at_subject(&subject(seq)));
        let subjects: BTreeSet<_> = kept.model.keys().map(|seq| subject(*seq)).collect();
        assert_eq!(kept.subjects.len(), subjects.len() as u64);
        kept.complete();
        kept.begin();
        kept.complete();
    }
}
