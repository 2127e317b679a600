//! Streams with many subjects, whose index does not fit into memory, answer as ordered maps do – whatever was looked up last
//! and has left memory, changed or gone since.

mod store_support;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use headwater::store::index::subject_tag;
use headwater::store::{MessageHandle, MessageLog, Store, StoreOptions, StreamId, SubjectState};
use headwater_protocol::subject::matches;
use proptest::prelude::*;
use store_support::{message, open, tiny, ts};

/// Subjects there may be; ten and more pages of an index.
const SUBJECTS: usize = 800;

const STREAMS: usize = 2;

/// Matches that are followed at a time.
const FOLLOWED: usize = 100;

/// Subjects `a.…` and `b.…` in turn, each two of which have the same tag: the search must not take one for the other.
static TWINS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let named = |first: &str, n: usize| format!("{first}.{}.of.those.that.are.long.{n}", n % 7);
    let tag = |subject: &String| subject_tag(subject.as_bytes());
    let mut ours: HashMap<u16, String> =
        (0..20_000).map(|n| named("a", n)).map(|subject| (tag(&subject), subject)).collect();
    let others = (0..).map(|n| named("b", n));
    let pairs = others.filter_map(|other| Some([ours.remove(&tag(&other))?, other]));
    pairs.flatten().take(SUBJECTS).collect()
});

const FILTERS: [&[&str]; 8] =
    [&[], &[">"], &["a.>"], &["b.3.>"], &["*.5.>"], &["a.1.>", "b.2.>"], &["b.>"], &["none.*"]];

#[derive(Debug, Clone)]
enum Step {
    Fill {
        count: u64,
        from: usize,
        stride: usize,
        gap: u64,
    },
    Remove(u64),
    Purge(u64),
    Look(Look),
    /// Looks, has memory given back, and removes.
    LookAndRemove(Look, u64),
    LookAhead(u64),
    /// Goes from match to match, as a consumer does.
    Follow(usize, u64),
    Anew,
    Commit,
    Maintain,
    Checkpoint,
    CheckpointFails,
    Close,
    Crash,
    LoseCatalog,
    Recover,
}

#[derive(Debug, Clone)]
enum Look {
    Next(usize, u64),
    Last(usize, u64),
    Count(usize, u64, u64),
    Subject(usize),
    Subjects(usize, usize),
    Meta(u64),
    Load(u64),
    Time(u64),
    At(u64),
    State,
}

fn look() -> impl Strategy<Value = Look> {
    let (filter, at, subject) = (0..FILTERS.len(), any::<u64>(), 0..SUBJECTS);
    prop_oneof![
        6 => (filter.clone(), at).prop_map(|(filter, at)| Look::Next(filter, at)),
        3 => (filter.clone(), at).prop_map(|(filter, at)| Look::Last(filter, at)),
        2 => (filter.clone(), at, at).prop_map(|(filter, from, up_to)| Look::Count(filter, from, up_to)),
        3 => subject.clone().prop_map(Look::Subject),
        1 => (filter, subject).prop_map(|(filter, after)| Look::Subjects(filter, after)),
        3 => at.prop_map(Look::Meta),
        2 => at.prop_map(Look::Load),
        1 => at.prop_map(Look::Time),
        1 => at.prop_map(Look::At),
        1 => Just(Look::State),
    ]
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let any = any::<u64>();
    let fill = (
        1..80u64,
        0..SUBJECTS,
        prop_oneof![Just(0usize), Just(2), 1..50usize],
        prop_oneof![Just(0u64), 1..90u64],
    );
    let step = prop_oneof![
        10 => fill.prop_map(|(count, from, stride, gap)| Step::Fill { count, from, stride, gap }),
        8 => any.prop_map(Step::Remove),
        1 => any.prop_map(Step::Purge),
        30 => look().prop_map(Step::Look),
        6 => (look(), any).prop_map(|(look, at)| Step::LookAndRemove(look, at)),
        2 => any.prop_map(Step::LookAhead),
        6 => (0..FILTERS.len(), any).prop_map(|(filter, at)| Step::Follow(filter, at)),
        1 => Just(Step::Anew),
        2 => Just(Step::Commit),
        8 => Just(Step::Maintain),
        4 => Just(Step::Checkpoint),
        1 => Just(Step::CheckpointFails),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
        1 => Just(Step::LoseCatalog),
        1 => Just(Step::Recover),
    ];
    (0..STREAMS, step)
}

fn asked(filter: usize) -> Vec<Bytes> {
    FILTERS[filter].iter().map(|filter| Bytes::from_static(filter.as_bytes())).collect()
}

/// What a stream should hold: the subjects of its messages.
#[derive(Debug, Clone, Default)]
struct Model {
    messages: BTreeMap<u64, usize>,
    last_seq: u64,
    picked: Cell<u64>,
}

impl Model {
    fn first_seq(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(self.last_seq + 1)
    }

    /// A sequence from a little before the first to a little behind the last message, mostly that of one, and often the one
    /// that was picked before.
    fn pick(&self, at: u64) -> u64 {
        let first = self.first_seq().saturating_sub(2);
        let anywhere = first + at / 8 % (self.last_seq + 3 - first);
        let picked = match at % 8 {
            0..3 => self.picked.get(),
            3 => anywhere,
            _ => self.messages.range(anywhere..).next().map_or(anywhere, |(seq, _)| *seq),
        };
        self.picked.set(picked);
        picked
    }

    fn matching(&self, filters: &[&str]) -> impl DoubleEndedIterator<Item = (u64, usize)> {
        let is_match = |subject: &usize| {
            let subject = TWINS[*subject].as_bytes();
            filters.is_empty() || filters.iter().any(|filter| matches(filter.as_bytes(), subject))
        };
        self.messages
            .iter()
            .filter(move |(_, subject)| is_match(subject))
            .map(|(seq, subject)| (*seq, *subject))
    }

    fn subjects(&self, filters: &[&str]) -> BTreeMap<&'static str, SubjectState> {
        let mut subjects: BTreeMap<&str, SubjectState> = BTreeMap::new();
        for (seq, subject) in self.matching(filters) {
            let fresh = SubjectState { count: 0, first_seq: seq, last_seq: 0 };
            let state = subjects.entry(&TWINS[subject]).or_insert(fresh);
            (state.count, state.last_seq) = (state.count + 1, seq);
        }
        subjects
    }
}

/// One stream and what it should hold.
struct Stream {
    id: StreamId,
    log: Box<dyn MessageLog>,
    model: Model,
    committed: Model,
    /// A message that is read later.
    ahead: Option<(u64, Box<dyn MessageHandle>)>,
}

impl Stream {
    fn new(id: StreamId, log: Box<dyn MessageLog>, model: Model) -> Self {
        Self { id, log, committed: model.clone(), model, ahead: None }
    }

    fn fill(&mut self, count: u64, from: usize, stride: usize, gap: u64) {
        for n in 0..count {
            let (seq, subject) = (self.model.last_seq + 1 + gap, (from + n as usize * stride) % SUBJECTS);
            self.log.append(&message(seq, &TWINS[subject], b"", b"payload")).unwrap();
            self.model.messages.insert(seq, subject);
            self.model.last_seq = seq;
        }
    }

    fn remove(&mut self, at: u64) {
        let seq = self.model.pick(at);
        let known = self.model.messages.remove(&seq);
        let removed = match known.filter(|_| at % 7 < 3) {
            Some(subject) => self.log.remove_of(seq, TWINS[subject].as_bytes()),
            None => self.log.remove(seq),
        };
        assert_eq!(removed.unwrap().is_some(), known.is_some(), "remove {seq}");
    }

    fn purge(&mut self, at: u64) {
        let seq = self.model.pick(at);
        let kept = self.model.messages.split_off(&seq);
        let gone = std::mem::replace(&mut self.model.messages, kept).len() as u64;
        self.model.last_seq = self.model.last_seq.max(seq.saturating_sub(1));
        assert_eq!(self.log.purge_below(seq).unwrap().0, gone);
    }

    fn look_ahead(&mut self, at: u64) {
        if let Some((seq, handle)) = self.ahead.take() {
            let found = handle.read().unwrap().map(|message| message.into_subject());
            let expected = self.model.messages.get(&seq).map(|subject| TWINS[*subject].as_bytes());
            assert_eq!(found.as_deref(), expected);
        }
        let seq = self.model.pick(at);
        self.ahead = self.log.handle(seq).map(|handle| (seq, handle));
    }

    fn follow(&self, filter: usize, at: u64) {
        let mut at = self.model.pick(at);
        let matching = self.model.matching(FILTERS[filter]).map(|(seq, _)| seq).filter(|seq| *seq >= at);
        let expected: Vec<u64> = matching.take(FOLLOWED).collect();
        let mut together = Vec::new();
        let visited = self.log.for_each_match(at, u64::MAX, &asked(filter), &mut |seq, _| {
            together.push(seq);
            if together.len() < FOLLOWED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        visited.unwrap();
        assert_eq!(together, expected, "{filter} from {at}");
        for seq in expected {
            assert_eq!(self.log.next_match(at, &asked(filter)).unwrap(), Some(seq), "{filter} at {at}");
            at = seq + 1;
        }
    }

    fn look(&self, look: &Look) {
        let (log, model) = (&*self.log, &self.model);
        match *look {
            Look::Next(filter, at) => {
                let at = model.pick(at);
                let expected = model.matching(FILTERS[filter]).map(|(seq, _)| seq).find(|seq| *seq >= at);
                assert_eq!(log.next_match(at, &asked(filter)).unwrap(), expected, "{look:?} at {at}");
            }
            Look::Last(filter, at) => {
                let at = model.pick(at);
                let expected = model.matching(FILTERS[filter]).map(|(seq, _)| seq).rfind(|seq| *seq <= at);
                assert_eq!(log.last_match(at, &asked(filter)).unwrap(), expected, "{look:?} at {at}");
            }
            Look::Count(filter, from, up_to) => {
                let range = model.pick(from)..=model.pick(up_to);
                let found = log.count_matches(*range.start(), *range.end(), &asked(filter)).unwrap();
                let all = model.matching(FILTERS[filter]);
                assert_eq!(found, all.filter(|(seq, _)| range.contains(seq)).count() as u64, "{look:?}");
            }
            Look::Subject(subject) => {
                let name = TWINS[subject].as_str();
                assert_eq!(log.subject(name.as_bytes()), model.subjects(&[name]).get(name).copied());
            }
            Look::Subjects(filter, after) => self.look_through(FILTERS[filter], &TWINS[after]),
            Look::Meta(at) => {
                let seq = model.pick(at);
                assert_eq!(log.meta(seq).is_some(), model.messages.contains_key(&seq), "meta of {seq}");
            }
            Look::Load(at) => {
                let seq = model.pick(at);
                let found = log.load(seq).unwrap().map(|message| message.into_subject());
                let expected = model.messages.get(&seq).map(|subject| TWINS[*subject].as_bytes());
                assert_eq!(found.as_deref(), expected, "load {seq}");
            }
            Look::Time(at) => {
                let seq = model.pick(at);
                assert_eq!(log.timestamp(seq).unwrap(), model.messages.get(&seq).map(|_| ts(seq)));
            }
            Look::At(at) => {
                let at = model.pick(at);
                let expected = model.messages.range(at..).next().map_or(model.last_seq + 1, |(seq, _)| *seq);
                assert_eq!(log.seq_at_or_after(ts(at)).unwrap(), expected);
            }
            Look::State => {
                let state = log.state();
                assert_eq!((state.messages, state.last_seq), (model.messages.len() as u64, model.last_seq));
                assert_eq!(state.subjects, model.subjects(&[]).len() as u64);
                assert!(state.messages == 0 || state.first_seq == model.first_seq());
                assert!(state.messages == 0 || state.first_ts == ts(model.first_seq()));
            }
        }
    }

    fn look_through(&self, filters: &[&str], after: &str) {
        let [filter] = filters else { return };
        let mut found = Vec::new();
        self.log.for_each_subject_after(filter.as_bytes(), after.as_bytes(), &mut |subject, state| {
            found.push((String::from_utf8(subject.to_vec()).unwrap(), state));
            ControlFlow::Continue(())
        });
        let expected = self.model.subjects(filters).into_iter().filter(|(subject, _)| *subject > after);
        assert_eq!(found, expected.map(|(subject, state)| (subject.into(), state)).collect::<Vec<_>>());
    }

    fn check(&self) {
        self.look(&Look::State);
        self.look_through(&[">"], "");
        let messages = &self.model.messages;
        for (seq, subject) in messages {
            let found = self.log.load(*seq).unwrap().unwrap();
            assert_eq!(found.subject(), TWINS[*subject].as_bytes());
        }
        for (filter, at) in (0..FILTERS.len()).flat_map(|filter| (0..4).map(move |at| (filter, at))) {
            let at = messages.len() as u64 * at / 2;
            self.look(&Look::Next(filter, at));
            self.look(&Look::Last(filter, at));
            self.look(&Look::Count(filter, at, u64::MAX - 1));
        }
    }
}

/// A store of a few streams.
struct Wide<'a> {
    dir: &'a Path,
    options: StoreOptions,
    store: Option<Arc<Store>>,
    streams: Vec<Stream>,
    /// Logs of before the store was opened anew in place.
    old: Vec<Box<dyn MessageLog>>,
}

impl<'a> Wide<'a> {
    fn new(dir: &'a Path, options: StoreOptions) -> Self {
        let (store, ..) = open(dir, options.clone());
        let mut wide = Self { dir, options, store: Some(store), streams: Vec::new(), old: Vec::new() };
        (0..STREAMS).for_each(|n| wide.create(n));
        wide
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn create(&mut self, n: usize) {
        let kind = headwater::store::StorageKind::File;
        let (id, log, _) = self.store().create_stream("ACC", &format!("S{n}"), b"", kind).unwrap();
        self.store().flush().unwrap();
        self.streams.insert(n, Stream::new(id, log, Model::default()));
        self.committed();
    }

    fn committed(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.committed = stream.model.clone());
    }

    fn step(&mut self, n: usize, step: &Step) {
        match *step {
            Step::Fill { count, from, stride, gap } => self.streams[n].fill(count, from, stride, gap),
            Step::Remove(at) => self.streams[n].remove(at),
            Step::Purge(at) => self.streams[n].purge(at),
            Step::Look(ref look) => self.streams[n].look(look),
            Step::LookAndRemove(ref look, at) => {
                self.streams[n].look(look);
                self.step(n, &Step::Maintain);
                self.streams[n].remove(at);
            }
            Step::Follow(filter, at) => self.streams[n].follow(filter, at),
            Step::LookAhead(at) => self.streams[n].look_ahead(at),
            Step::Anew => {
                self.store().delete_stream(self.streams[n].id).unwrap();
                self.old.push(self.streams.remove(n).log);
                self.create(n);
            }
            Step::Commit => {
                self.store().commit().unwrap();
                self.committed();
            }
            Step::Maintain => {
                self.store().flush().unwrap();
                self.store().maintain().unwrap();
                self.committed();
            }
            Step::Checkpoint => {
                // sled, which is opened anew after a failure, may still hold the lock of its file for a moment.
                let mut tries = 0..1000;
                while let Err(error) = self.store().checkpoint() {
                    assert!(tries.next().is_some(), "{error}");
                    std::thread::yield_now();
                }
                self.committed();
            }
            Step::CheckpointFails => {
                self.fail_checkpoint();
                self.committed();
            }
            Step::Close => {
                self.store().try_close().unwrap();
                self.committed();
                self.reopen(|_| {});
            }
            Step::Crash => self.reopen(|_| {}),
            Step::LoseCatalog => self.reopen(|dir| drop(std::fs::remove_dir_all(dir.join("catalog")))),
            Step::Recover => {
                let (recovered, report) = self.store().recover().unwrap();
                assert_eq!((report.lost_segments, report.damaged_regions), (Vec::<u32>::new(), 0));
                self.adopt(recovered);
            }
        }
        // Who still has a log that is of no use any more gets what he gets, and does no harm.
        for log in &self.old {
            let _ = (log.meta(7), log.subject(TWINS[9].as_bytes()));
        }
    }

    /// The file of the catalogue cannot be synced for once.
    fn fail_checkpoint(&self) {
        let (file, away) = (self.dir.join("catalog/db"), self.dir.join("catalog/away"));
        std::fs::rename(&file, &away).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(self.store().checkpoint().is_err());
        std::fs::remove_dir(&file).unwrap();
        std::fs::rename(&away, &file).unwrap();
    }

    fn reopen(&mut self, between: impl FnOnce(&Path)) {
        let blank = || Box::new(headwater::store::MemoryLog::new());
        self.streams.iter_mut().for_each(|stream| (stream.log, stream.ahead) = (blank(), None));
        self.old.clear();
        self.store = None;
        between(self.dir);
        let (store, recovered, report) = open(self.dir, self.options.clone());
        assert_eq!((report.lost_segments, report.damaged_regions), (Vec::<u32>::new(), 0));
        self.store = Some(store);
        self.adopt(recovered);
    }

    fn adopt(&mut self, mut recovered: Vec<headwater::store::RecoveredStream>) {
        assert_eq!(recovered.len(), STREAMS);
        recovered.sort_by(|a, b| a.name.cmp(&b.name));
        for (held, stream) in self.streams.iter_mut().zip(recovered) {
            let anew = Stream::new(stream.id, stream.log, std::mem::take(&mut held.committed));
            self.old.push(std::mem::replace(held, anew).log);
        }
    }
}

fn run(steps: &[(usize, Step)], options: StoreOptions) {
    let dir = tempfile::tempdir().unwrap();
    let mut wide = Wide::new(dir.path(), options);
    for (n, step) in steps {
        wide.step(*n, step);
    }
    wide.streams.iter().for_each(Stream::check);
    wide.step(0, &Step::Close);
    wide.streams.iter().for_each(Stream::check);
    assert!(!dir.path().join("catalog.distrusted").exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn streams_with_many_subjects_answer_as_ordered_maps_do_though_little_of_their_index_fits_into_memory(
        index_bytes_max in prop_oneof![Just(0usize), Just(8 << 10), Just(32 << 10)],
        checkpoint_bytes in prop_oneof![Just(4u64 << 10), Just(8 << 20)],
        steps in proptest::collection::vec(step(), 1..250),
    ) {
        run(&steps, StoreOptions { index_bytes_max, checkpoint_bytes, segment_bytes: 32 << 10, ..tiny() });
    }
}
