//! Whatever is done to it, in whatever order, a log holds what an ordered map would – in memory and in the journal,
//! before and after closing, with and without a crash.

mod store_support;

use std::path::Path;
use std::sync::Arc;

use headwater::store::{MemoryLog, MessageLog, Store, StoreOptions};
use proptest::prelude::*;
use store_support::{Model, SUBJECTS, create, message, open_one, tiny};

#[derive(Debug, Clone)]
enum Step {
    Append { subject: usize, headers: usize, payload: usize, gap: u64 },
    Group(Vec<usize>),
    Remove(u64),
    RemoveFirst,
    RemoveLast,
    PurgeBelow(u64),
    PurgeAll,
    SkipTo(u64),
    Commit,
    Check,
    Close,
    Crash,
    LoseCatalog,
    Maintain,
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    let subject = 0..SUBJECTS.len();
    prop_oneof![
        30 => (subject.clone(), prop_oneof![3 => Just(0usize), 1 => 12..60usize], 0..300usize, prop_oneof![9 => Just(0u64), 1 => 0..5u64])
            .prop_map(|(subject, headers, payload, gap)| Step::Append { subject, headers, payload, gap }),
        3 => proptest::collection::vec(subject, 1..8).prop_map(Step::Group),
        8 => any::<u64>().prop_map(Step::Remove),
        4 => Just(Step::RemoveFirst),
        2 => Just(Step::RemoveLast),
        2 => (0..40u64).prop_map(Step::PurgeBelow),
        1 => Just(Step::PurgeAll),
        1 => (0..10u64).prop_map(Step::SkipTo),
        4 => Just(Step::Commit),
        1 => Just(Step::Check),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
        1 => Just(Step::LoseCatalog),
        2 => Just(Step::Maintain),
        2 => Just(Step::Checkpoint),
    ]
}

/// Does one step to a log and to the model.
fn apply(log: &mut dyn MessageLog, model: &mut Model, step: &Step) {
    let next = model.last_seq + 1;
    match step {
        Step::Append { subject, headers, payload, gap } => {
            let (headers, payload) = (vec![b'h'; *headers], vec![next as u8; *payload]);
            let message = message(next + gap, SUBJECTS[*subject], &headers, &payload);
            log.append(&message).unwrap();
            model.append(&message);
        }
        Step::Group(subjects) => {
            let messages: Vec<_> = (next..)
                .zip(subjects)
                .map(|(seq, subject)| message(seq, SUBJECTS[*subject], b"", b"grouped"))
                .collect();
            log.append_group(&messages).unwrap();
            messages.iter().for_each(|message| model.append(message));
        }
        Step::Remove(pick) => {
            let seq = model.first_seq() + pick % (model.last_seq + 3 - model.first_seq());
            // Who knows the subject says so.
            let removed = match model.messages.get(&seq).filter(|_| pick % 2 == 1) {
                Some(held) => log.remove_of(seq, held.0.as_bytes()),
                None => log.remove(seq),
            };
            assert_eq!(removed.unwrap().is_some(), model.messages.remove(&seq).is_some());
        }
        Step::RemoveFirst => {
            let seq = model.first_seq();
            assert_eq!(log.remove(seq).unwrap().is_some(), model.messages.remove(&seq).is_some());
        }
        Step::RemoveLast => {
            let seq = model.last_seq;
            assert_eq!(log.remove(seq).unwrap().is_some(), model.messages.remove(&seq).is_some());
        }
        Step::PurgeBelow(beyond) => {
            let seq = model.first_seq() + beyond;
            assert_eq!(log.purge_below(seq).unwrap().0, model.purge_below(seq));
        }
        Step::PurgeAll => {
            let seq = model.last_seq + 1;
            assert_eq!(log.purge_below(seq).unwrap().0, model.purge_below(seq));
        }
        Step::SkipTo(beyond) => {
            let seq = model.last_seq + beyond;
            log.skip_to(seq, store_support::ts(seq)).unwrap();
            model.skip_to(seq, store_support::ts(seq));
        }
        _ => {}
    }
}

/// A store with one stream, what it should hold, and what it held at the last commit.
struct Journaled {
    store: Option<Arc<Store>>,
    options: StoreOptions,
    log: Box<dyn MessageLog>,
    model: Model,
    committed: Model,
}

impl Journaled {
    fn new(dir: &Path, options: StoreOptions) -> Self {
        let (store, ..) = store_support::open(dir, options.clone());
        let log = create(&store, "S");
        store.flush().unwrap();
        Self { store: Some(store), options, log, model: Model::default(), committed: Model::default() }
    }

    fn step(&mut self, dir: &Path, step: &Step) {
        apply(&mut *self.log, &mut self.model, step);
        match step {
            Step::Commit => {
                self.store().commit().unwrap();
                self.committed = self.model.clone();
            }
            Step::Check => self.model.check(&*self.log),
            Step::Close => {
                self.store().try_close().unwrap();
                self.reopen(dir);
            }
            Step::Crash => {
                self.model = self.committed.clone();
                self.reopen(dir);
            }
            Step::LoseCatalog => {
                self.model = self.committed.clone();
                self.drop_store();
                let _ = std::fs::remove_dir_all(dir.join("catalog"));
                self.reopen(dir);
            }
            Step::Maintain => {
                self.store().flush().unwrap();
                self.store().maintain().unwrap();
                self.committed = self.model.clone();
            }
            Step::Checkpoint => {
                self.store().checkpoint().unwrap();
                self.committed = self.model.clone();
            }
            _ => {}
        }
    }

    fn reopen(&mut self, dir: &Path) {
        self.drop_store();
        let (store, stream) = open_one(dir, self.options.clone());
        (self.store, self.log) = (Some(store), stream.log);
        self.committed = self.model.clone();
        self.model.check(&*self.log);
    }

    fn drop_store(&mut self) {
        self.log = Box::new(MemoryLog::new());
        self.store = None;
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }
}

fn run(steps: &[Step], options: StoreOptions) {
    let dir = tempfile::tempdir().unwrap();
    let mut journaled = Journaled::new(dir.path(), options);
    for step in steps {
        journaled.step(dir.path(), step);
    }
    journaled.model.check(&*journaled.log);
    journaled.step(dir.path(), &Step::Close);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_file_stream_answers_as_an_ordered_map_does(steps in proptest::collection::vec(step(), 1..200)) {
        run(&steps, tiny());
    }

    #[test]
    fn a_file_stream_whose_index_does_not_fit_into_memory_does_so_too(
        steps in proptest::collection::vec(step(), 1..200)
    ) {
        run(&steps, StoreOptions { index_bytes_max: 0, ..tiny() });
    }

    #[test]
    fn a_file_stream_without_a_catalogue_does_so_too(steps in proptest::collection::vec(step(), 1..200)) {
        run(&steps, StoreOptions { catalog: false, ..tiny() });
    }

    #[test]
    fn a_memory_stream_answers_as_an_ordered_map_does(steps in proptest::collection::vec(step(), 1..200)) {
        let (mut log, mut model) = (MemoryLog::new(), Model::default());
        for step in &steps {
            apply(&mut log, &mut model, step);
        }
        model.check(&log);
    }
}
