//! The catalogue is an index and nothing more: whatever becomes of it, a start finds the same streams, messages and consumers.

mod store_support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use headwater::store::{MessageLog, RecoveredConsumer, Store, StoreError, StoreOptions, StreamId};
use store_support::{SUBJECTS, message, plain, tiny};

/// Turns of a life; after each, what is on disk is kept as it is.
const TURNS: usize = 10;

/// What is done in a turn.
const DEEDS_PER_TURN: usize = 60;

/// Everything that can be read of a store, by the streams' names.
type Contents = BTreeMap<String, StreamContents>;

#[derive(Debug, PartialEq)]
struct StreamContents {
    id: StreamId,
    state: headwater::store::LogState,
    meta: Vec<u8>,
    messages: BTreeMap<u64, (String, Vec<u8>, Vec<u8>)>,
    consumers: Vec<RecoveredConsumer>,
}

/// Steps of xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }
}

/// Streams that are made, filled, emptied and deleted at random.
struct Life {
    store: Arc<Store>,
    streams: BTreeMap<String, (StreamId, Box<dyn MessageLog>)>,
    random: Random,
}

impl Life {
    fn begin(dir: &Path, seed: u64) -> Self {
        let (store, recovered, _) = store_support::open(dir, tiny());
        let streams = recovered.into_iter().map(|stream| (stream.name, (stream.id, stream.log))).collect();
        Self { store, streams, random: Random(seed) }
    }

    fn act(&mut self) {
        let name = format!("S{}", self.random.below(3));
        let random = &mut self.random;
        let Some((id, log)) = self.streams.get_mut(&name) else {
            let kind = headwater::store::StorageKind::File;
            let (id, log, _) = self.store.create_stream("ACC", &name, b"made", kind).unwrap();
            self.streams.insert(name, (id, log));
            return;
        };
        let state = log.state();
        let consumer = format!("C{}", random.below(2));
        match random.below(100) {
            0..60 => {
                let payload = vec![random.below(256) as u8; random.below(300) as usize];
                let subject = SUBJECTS[random.below(SUBJECTS.len() as u64) as usize];
                log.append(&message(state.last_seq + 1, subject, b"", &payload)).unwrap();
            }
            60..75 => drop(log.remove(state.first_seq + random.below(20)).unwrap()),
            75..78 => drop(log.purge_below(state.first_seq + random.below(30)).unwrap()),
            78..80 => drop(self.store.update_stream(*id, &[random.below(256) as u8]).unwrap()),
            80..84 => drop(self.store.put_consumer(*id, &consumer, &[random.below(256) as u8]).unwrap()),
            // These three are about consumers that may not be there.
            84..90 => drop(self.store.append_consumer_delta(*id, &consumer, &[random.below(256) as u8])),
            90..93 => drop(self.store.put_consumer_state(*id, &consumer, &[random.below(256) as u8])),
            93..94 => drop(self.store.delete_consumer(*id, &consumer)),
            94..95 => {
                self.store.delete_stream(*id).unwrap();
                self.streams.remove(&name);
            }
            95..97 => self.store.checkpoint().unwrap(),
            _ => self.store.maintain().unwrap(),
        }
    }

    /// Ends after everything was committed; in order, or not.
    fn end(mut self) {
        self.store.flush().unwrap();
        if self.random.below(2) == 0 {
            self.store.try_close().unwrap();
        }
    }
}

fn contents(dir: &Path, options: StoreOptions) -> Contents {
    match read_all(dir, options.clone()) {
        Ok(contents) => contents,
        // The catalogue was found damaged while it was read: it is not to be believed at the next start.
        Err(StoreError::Poisoned(_)) => read_all(dir, options).unwrap(),
        Err(other) => panic!("{other}"),
    }
}

fn read_all(dir: &Path, options: StoreOptions) -> Result<Contents, StoreError> {
    let (_store, streams, report) = store_support::open(dir, options);
    assert_eq!((report.damaged_regions, report.lost_messages.len()), (0, 0));
    let contents = streams.into_iter().map(|stream| {
        let mut messages = BTreeMap::new();
        for seq in stream.log.state().first_seq..=stream.log.state().last_seq {
            messages.extend(stream.log.load(seq)?.map(|message| (seq, plain(message))));
        }
        let (id, state, meta, consumers) = (stream.id, stream.log.state(), stream.meta, stream.consumers);
        Ok((stream.name, StreamContents { id, state, meta, messages, consumers }))
    });
    contents.collect()
}

/// What the journal alone says.
fn truth(dir: &Path) -> Contents {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(&dir.join("journal"), &copy.path().join("journal"));
    contents(copy.path(), StoreOptions { catalog: false, ..tiny() })
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// The journal of one moment beside the catalogue of another.
fn mixed(journal_of: &Path, catalog_of: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&journal_of.join("journal"), &dir.path().join("journal"));
    if catalog_of.join("catalog").exists() {
        copy_dir(&catalog_of.join("catalog"), &dir.path().join("catalog"));
    }
    dir
}

/// The same directory after every turn of a life.
fn moments(seed: u64) -> Vec<tempfile::TempDir> {
    let dir = tempfile::tempdir().unwrap();
    let mut moments = Vec::new();
    for turn in 0..TURNS {
        let mut life = Life::begin(dir.path(), seed * 100 + turn as u64 + 1);
        for _ in 0..DEEDS_PER_TURN {
            life.act();
        }
        life.end();
        moments.push(mixed(dir.path(), dir.path()));
    }
    moments
}

#[test]
fn a_start_with_the_catalogue_finds_what_one_without_finds() {
    for seed in 1..=6 {
        for moment in moments(seed) {
            assert_eq!(contents(moment.path(), tiny()), truth(moment.path()), "seed {seed}");
        }
    }
}

#[test]
fn the_catalogue_of_an_earlier_moment_is_no_worse_than_none() {
    for seed in 1..=3 {
        let moments = moments(seed);
        for (journal, journal_of) in moments.iter().enumerate() {
            let truth = truth(journal_of.path());
            for (catalog, catalog_of) in moments[..journal].iter().enumerate() {
                let dir = mixed(journal_of.path(), catalog_of.path());
                let story = format!("seed {seed}: journal of turn {journal}, catalogue of turn {catalog}");
                assert_eq!(contents(dir.path(), tiny()), truth, "{story}");
            }
        }
    }
}

/// The end of the journal may be what was lost, so the catalogue is believed: no sequence that it knows is given again.
#[test]
fn beside_the_catalogue_of_a_later_moment_no_sequence_is_given_again() {
    for seed in 1..=3 {
        let moments = moments(seed);
        for (journal, journal_of) in moments.iter().enumerate() {
            for (catalog, catalog_of) in moments.iter().enumerate().skip(journal + 1) {
                let dir = mixed(journal_of.path(), catalog_of.path());
                let story = format!("seed {seed}: journal of turn {journal}, catalogue of turn {catalog}");
                assert_goes_on(&dir, journal_of.path(), &story);
            }
        }
    }
}

fn assert_goes_on(dir: &tempfile::TempDir, journal_of: &Path, story: &str) {
    let known = truth(journal_of);
    let (store, streams, _) = store_support::open(dir.path(), tiny());
    for mut stream in streams {
        let before = known.get(&stream.name).filter(|known| known.id == stream.id);
        let last_seq = stream.log.state().last_seq;
        assert!(before.is_none_or(|before| before.state.last_seq <= last_seq), "{story}: {}", stream.name);
        stream.log.append(&message(last_seq + 1, SUBJECTS[0], b"", b"next")).unwrap();
    }
    store.flush().unwrap();
}

#[test]
fn a_damaged_catalogue_is_no_worse_than_none() {
    let mut random = Random(7);
    for moment in moments(9) {
        let truth = truth(moment.path());
        for _ in 0..6 {
            let dir = mixed(moment.path(), moment.path());
            damage(&dir.path().join("catalog"), &mut random);
            assert_eq!(contents(dir.path(), tiny()), truth);
        }
    }
}

#[test]
fn a_lost_catalogue_is_rebuilt_and_used_again() {
    for moment in moments(4) {
        let truth = truth(moment.path());
        let _ = fs::remove_dir_all(moment.path().join("catalog"));
        assert_eq!(contents(moment.path(), tiny()), truth);
        let (store, streams, _) = store_support::open(moment.path(), tiny());
        store.checkpoint().unwrap();
        drop((streams, store));
        assert_eq!(contents(moment.path(), tiny()), truth);
    }
}

/// Changes a few bytes of one of the files, or cuts it short, or removes it.
fn damage(dir: &Path, random: &mut Random) {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    let path = &files[random.below(files.len() as u64) as usize];
    let mut bytes = fs::read(path).unwrap();
    match random.below(4) {
        0 => return fs::remove_file(path).unwrap(),
        1 => bytes.truncate(random.below(bytes.len() as u64 + 1) as usize),
        _ => {
            for _ in 0..random.below(8) + 1 {
                let len = bytes.len() as u64;
                if let Some(byte) = bytes.get_mut(random.below(len.max(1)) as usize) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    fs::write(path, bytes).unwrap();
}
