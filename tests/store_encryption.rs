//! Encryption at rest: nothing on disk tells anything without the key, and nothing is lost that would not be lost without it.

#[path = "../examples/torture/suite/mod.rs"]
mod suite;

mod store_support;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwater::assemble::store_options;
use headwater::cli::{self, Invocation};
use headwater::config::Config;
use headwater::store::disk::RealDisk;
use headwater::store::journal::files::SegmentFiles;
use headwater::store::journal::record::Header;
use headwater::store::{Cipher, Encryption, MessageLog, Store, StoreOptions, StreamId};
use store_support::{Model, create, flip_bit, message, open, segment, tiny};
use suite::damage::{base, sweep};
use suite::scratch;
use tempfile::TempDir;

const KEY: &str = "correct horse battery staple";

/// What only the key may tell. `>` and `.` keep them from being found in what is no text.
const MARKERS: [&str; 9] = [
    "secret.subject",
    "Secret-Header",
    "secret payload",
    "SECRET_STREAM",
    "SECRET_ACCOUNT",
    "secret meta",
    "SECRET_CONSUMER",
    "secret config",
    "secret state",
];

const POSITIONS: u64 = 60;

fn encryption(key: &str, cipher: Cipher) -> Option<Encryption> {
    Some(Encryption { key: key.into(), previous_key: None, cipher })
}

fn with(encryption: Option<Encryption>) -> StoreOptions {
    StoreOptions { encryption, ..tiny() }
}

fn sealed() -> StoreOptions {
    with(encryption(KEY, Cipher::ChaCha))
}

fn refusal(dir: &Path, options: StoreOptions) -> String {
    let before = scratch::image(dir);
    let error = Store::open(dir, options).err().expect("a refusal").to_string();
    assert!(scratch::image(dir) == before, "the store was changed");
    error
}

/// Every file below `dir`, with its bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push((path.clone(), fs::read(path).unwrap()))
        }
    }
    found
}

fn told(dir: &Path, markers: &[&str]) -> Vec<String> {
    let mut told = Vec::new();
    for (path, bytes) in files(dir) {
        for marker in markers {
            if bytes.windows(marker.len()).any(|window| window == marker.as_bytes()) {
                told.push(format!("{marker} in {}", path.display()));
            }
        }
    }
    told
}

/// Stores something under every marker, `count` messages of it from `first` on.
fn append(log: &mut dyn MessageLog, model: &mut Model, first: u64, count: u64) {
    for seq in first..first + count {
        let subject = format!("secret.subject.{}", seq % 7);
        let payload = format!("secret payload {seq:06}");
        let message = message(seq, &subject, b"NATS/1.0\r\nSecret-Header: yes\r\n\r\n", payload.as_bytes());
        log.append(&message).unwrap();
        model.append(&message);
    }
}

fn fill(store: &Arc<Store>) -> (StreamId, Box<dyn MessageLog>, Model) {
    let kind = headwater::store::StorageKind::File;
    let (id, mut log, _) =
        store.create_stream("SECRET_ACCOUNT", "SECRET_STREAM", b"secret meta", kind).unwrap();
    let mut model = Model::default();
    store.put_consumer(id, "SECRET_CONSUMER", b"secret config").unwrap();
    store.put_consumer_state(id, "SECRET_CONSUMER", b"secret state").unwrap();
    append(&mut *log, &mut model, 1, 300);
    store.append_consumer_delta(id, "SECRET_CONSUMER", b"secret state, changed").unwrap();
    store.put_consumer(id, "SECRET_CONSUMER_GONE", b"secret config").unwrap();
    store.delete_consumer(id, "SECRET_CONSUMER_GONE").unwrap();
    store.commit().unwrap();
    (id, log, model)
}

fn check(dir: &Path, options: StoreOptions, model: &Model) {
    let (store, streams, report) = open(dir, options);
    assert_eq!((report.damaged_regions, report.torn_bytes), (0, 0));
    let stream = &streams[0];
    assert_eq!((stream.account.as_str(), stream.name.as_str()), ("SECRET_ACCOUNT", "SECRET_STREAM"));
    assert_eq!(stream.meta, b"secret meta");
    assert_eq!(stream.consumers.len(), 1);
    let consumer = &stream.consumers[0];
    assert_eq!((consumer.name.as_str(), &*consumer.config), ("SECRET_CONSUMER", &b"secret config"[..]));
    assert_eq!(consumer.state.as_deref(), Some(&b"secret state"[..]));
    assert_eq!(consumer.deltas, [b"secret state, changed"]);
    model.check(&*stream.log);
    drop(store);
}

#[test]
fn nothing_on_disk_tells_a_subject_a_header_a_payload_or_a_name() {
    for cipher in [Cipher::ChaCha, Cipher::Aes] {
        let dir = tempfile::tempdir().unwrap();
        let options = with(encryption(KEY, cipher));
        let (store, ..) = open(dir.path(), options.clone());
        let (_, mut log, mut model) = fill(&store);
        assert_eq!(told(dir.path(), &MARKERS), [""; 0], "after a commit");
        store.checkpoint().unwrap();
        assert_eq!(told(dir.path(), &MARKERS), [""; 0], "after a checkpoint");
        for seq in (1..=300).filter(|seq| seq % 3 != 0) {
            log.remove(seq).unwrap();
            model.messages.remove(&seq);
        }
        store.maintain().unwrap();
        assert!(store.stats().bytes_compacted > 0);
        store.try_close().unwrap();
        assert_eq!(told(dir.path(), &MARKERS), [""; 0], "after compaction and closing");
        assert_eq!(told(dir.path(), &[KEY]), [""; 0], "the key");
        check(dir.path(), options, &model);
    }
}

/// Without encryption they are all found: what looks for them can find them.
#[test]
fn without_a_key_everything_is_there_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    fill(&store);
    store.try_close().unwrap();
    let told = told(dir.path(), &MARKERS);
    MARKERS.iter().for_each(|marker| assert!(told.iter().any(|line| line.starts_with(marker)), "{marker}"));
    assert!(!dir.path().join("encryption").exists());
}

#[test]
fn everything_committed_is_there_after_a_crash_with_and_without_the_catalogue() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), sealed());
    let (_, mut log, mut model) = fill(&store);
    store.checkpoint().unwrap();
    append(&mut *log, &mut model, 301, 100);
    store.commit().unwrap();
    drop((log, store));
    check(dir.path(), StoreOptions { catalog: false, ..sealed() }, &model);
    check(dir.path(), sealed(), &model);
    let (store, mut streams, report) = open(dir.path(), sealed());
    assert!(!report.catalog_rebuilt);
    append(&mut *streams[0].log, &mut model, 401, 10);
    store.try_close().unwrap();
    check(dir.path(), sealed(), &model);
}

#[test]
fn a_wrong_key_is_refused_and_the_right_one_still_works() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), sealed());
    let (.., model) = fill(&store);
    store.try_close().unwrap();
    let error = refusal(dir.path(), with(encryption("wrong", Cipher::ChaCha)));
    assert!(error.contains("wrong encryption key"), "{error}");
    assert!(!error.contains("wrong\"") && !error.contains(KEY), "{error}");
    check(dir.path(), sealed(), &model);
}

#[test]
fn an_encrypted_store_is_refused_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), sealed());
    let (.., model) = fill(&store);
    store.try_close().unwrap();
    let error = refusal(dir.path(), tiny());
    assert!(error.contains("no key is configured"), "{error}");
    check(dir.path(), sealed(), &model);
}

#[test]
fn a_store_whose_own_key_is_gone_is_refused_with_any_key_or_none_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { catalog: false, ..sealed() };
    let (store, ..) = open(dir.path(), options.clone());
    let (.., model) = fill(&store);
    store.try_close().unwrap();
    let key = fs::read(dir.path().join("encryption")).unwrap();
    fs::remove_file(dir.path().join("encryption")).unwrap();
    fs::remove_file(dir.path().join("encryption.copy")).unwrap();
    for encryption in [None, encryption(KEY, Cipher::ChaCha)] {
        let error = refusal(dir.path(), StoreOptions { encryption, ..options.clone() });
        assert!(error.contains("its key is missing"), "{error}");
    }
    fs::write(dir.path().join("encryption"), key).unwrap();
    check(dir.path(), options, &model);
}

#[test]
fn key_files_that_cannot_be_read_are_named_with_the_reason_whether_a_key_is_configured_or_not() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path(), sealed()).0);
    fs::remove_file(dir.path().join("encryption")).unwrap();
    fs::create_dir(dir.path().join("encryption")).unwrap();
    fs::write(dir.path().join("encryption.copy"), b"no key").unwrap();
    for encryption in [None, encryption(KEY, Cipher::ChaCha)] {
        let error = refusal(dir.path(), with(encryption));
        assert!(error.contains("encryption cannot be opened: Is a directory"), "{error}");
        assert!(error.contains("encryption.copy is damaged"), "{error}");
        assert!(!error.contains("configured") && !error.contains("wrong"), "{error}");
    }
}

#[test]
fn either_copy_of_the_key_is_enough_and_the_other_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), sealed());
    let (.., model) = fill(&store);
    store.try_close().unwrap();
    for name in ["encryption", "encryption.copy"] {
        for damaged in [vec![0; 512], b"short".to_vec(), Vec::new()] {
            fs::write(dir.path().join(name), damaged).unwrap();
            check(dir.path(), sealed(), &model);
            let of = |name| fs::read(dir.path().join(name)).unwrap();
            assert_eq!(of("encryption"), of("encryption.copy"));
        }
    }
}

#[test]
fn a_new_key_takes_the_place_of_the_previous_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), sealed());
    let (.., model) = fill(&store);
    store.try_close().unwrap();
    let before = fs::read(dir.path().join("encryption")).unwrap();
    let new = Encryption { key: "new".into(), previous_key: Some(KEY.into()), cipher: Cipher::ChaCha };
    check(dir.path(), with(Some(new.clone())), &model);
    // As if the power had gone between the two files.
    fs::write(dir.path().join("encryption"), before).unwrap();
    check(dir.path(), with(encryption("new", Cipher::ChaCha)), &model);
    let error = refusal(dir.path(), sealed());
    assert!(error.contains("wrong encryption key"), "{error}");
    check(dir.path(), with(Some(new)), &model);
}

#[test]
fn with_another_cipher_everything_is_there_and_what_is_new_is_sealed_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), sealed());
    let (.., mut model) = fill(&store);
    store.try_close().unwrap();
    for cipher in [Cipher::Aes, Cipher::ChaCha] {
        let options = with(encryption(KEY, cipher));
        let (store, mut streams, _) = open(dir.path(), options.clone());
        let first = model.last_seq + 1;
        append(&mut *streams[0].log, &mut model, first, 50);
        store.try_close().unwrap();
        check(dir.path(), options, &model);
        assert_eq!(told(dir.path(), &MARKERS), [""; 0]);
    }
}

#[test]
fn a_plain_store_that_is_given_a_key_keeps_everything_and_seals_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    let mut model = Model::default();
    for seq in 1..=200 {
        let message = message(seq, "old.subject", b"", b"old payload");
        log.append(&message).unwrap();
        model.append(&message);
    }
    store.try_close().unwrap();
    drop((log, store));

    let (store, mut streams, _) = open(dir.path(), sealed());
    model.check(&*streams[0].log);
    append(&mut *streams[0].log, &mut model, 201, 200);
    store.checkpoint().unwrap();
    for seq in (1..=400).filter(|seq| seq % 4 != 0) {
        streams[0].log.remove(seq).unwrap();
        model.messages.remove(&seq);
    }
    store.maintain().unwrap();
    model.check(&*streams[0].log);
    store.try_close().unwrap();
    drop((streams, store));
    assert_eq!(told(dir.path(), &MARKERS), [""; 0]);
    let old = told(dir.path(), &["old.subject", "old payload"]);
    assert!(old.iter().all(|line| line.contains("/journal/")), "{old:?}");

    for options in [sealed(), StoreOptions { catalog: false, ..sealed() }] {
        let (store, streams, _) = open(dir.path(), options);
        model.check(&*streams[0].log);
        drop(store);
    }
    let error = refusal(dir.path(), tiny());
    assert!(error.contains("no key is configured"), "{error}");
}

/// Sizes that are off by what sealing takes would let a segment go too early, or never.
#[test]
fn what_is_removed_gives_its_space_back_in_a_store_with_sealed_and_plain_messages() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let mut log = create(&store, "S");
    for seq in 1..=500 {
        log.append(&message(seq, "old.subject", b"", b"old payload")).unwrap();
    }
    store.try_close().unwrap();
    drop((log, store));
    let (store, mut streams, _) = open(dir.path(), sealed());
    let (log, mut model) = (&mut *streams[0].log, Model::default());
    append(log, &mut model, 501, 500);
    store.checkpoint().unwrap();
    log.purge_below(901).unwrap();
    store.maintain().unwrap();
    store.checkpoint().unwrap();
    store.maintain().unwrap();
    assert_eq!(log.state().messages, 100);
    assert_eq!(store.stats().live_bytes, live_bytes(&store, dir.path()));
    (901..=1000).for_each(|seq| assert!(log.load(seq).unwrap().is_some()));
    assert_eq!(told(dir.path(), &["old payload"]), [""; 0], "their segments are gone or used again");
}

/// What a store that reads everything anew takes for live.
fn live_bytes(store: &Arc<Store>, dir: &Path) -> u64 {
    store.flush().unwrap();
    let copy: TempDir = scratch::directory();
    scratch::restore(copy.path(), &scratch::image(dir));
    let (again, ..) = open(copy.path(), StoreOptions { catalog: false, ..sealed() });
    again.stats().live_bytes
}

/// Where each sealed record lies, and its nonce.
fn nonces(dir: &Path) -> Vec<(u32, u32, Vec<u8>)> {
    let disk = Arc::new(RealDisk::new(dir).unwrap());
    let (files, _) = SegmentFiles::open_encrypted(disk, 8192, sealed().encryption.as_ref()).unwrap();
    let mut nonces = Vec::new();
    for id in files.ids() {
        let (segment, mut offset) = (files.get(id).unwrap(), 64);
        while let Some(header) = Header::decode(&segment.read(offset, 40).unwrap(), segment.seeds) {
            if header.is_sealed() {
                nonces.push((id, offset, segment.read(offset + 40, 12).unwrap().to_vec()));
            }
            offset += header.record_len() as u32;
        }
    }
    nonces
}

#[test]
fn no_nonce_comes_twice_although_torn_commits_are_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { catalog: false, ..sealed() };
    let (store, ..) = open(dir.path(), options.clone());
    let (_, log, model) = fill(&store);
    drop((log, store));
    let mut seen: HashMap<Vec<u8>, (u32, u32)> = HashMap::new();
    let mut written_over = HashSet::new();
    let mut again = 0;
    for round in 0..6 {
        let (store, mut streams, _) = open(dir.path(), options.clone());
        let first = streams[0].log.state().last_seq + 1;
        append(&mut *streams[0].log, &mut model.clone(), first, 3);
        store.commit().unwrap();
        drop((streams, store));
        let found = nonces(dir.path());
        for (id, offset, nonce) in &found {
            let place = *seen.entry(nonce.clone()).or_insert((*id, *offset));
            assert_eq!(place, (*id, *offset), "round {round}");
            again += u64::from(written_over.contains(&(*id, *offset)));
        }
        // The power went, and nothing of the last message arrived.
        let (id, offset, _) = found.last().unwrap();
        let mut bytes = fs::read(segment(dir.path(), *id)).unwrap();
        bytes[*offset as usize..*offset as usize + 64].fill(0);
        fs::write(segment(dir.path(), *id), bytes).unwrap();
        written_over.insert((*id, *offset));
    }
    assert!(again > 0, "nothing was written over");
}

#[test]
fn a_flipped_bit_costs_that_message_and_what_is_set_aside_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { catalog: false, ..sealed() };
    let (store, ..) = open(dir.path(), options.clone());
    let (.., mut model) = fill(&store);
    store.try_close().unwrap();
    flip_bit(&segment(dir.path(), 2), 64 + 40 + 20);
    let (_store, streams, report) = open(dir.path(), options);
    assert_eq!((report.damaged_regions, report.lost_messages.len()), (1, 1));
    report.lost_messages.iter().for_each(|(_, seq)| drop(model.messages.remove(seq)));
    model.check(&*streams[0].log);
    assert_eq!(fs::read_dir(dir.path().join("quarantine")).unwrap().count(), 1);
    assert_eq!(told(dir.path(), &MARKERS), [""; 0]);
}

#[test]
fn a_flipped_bit_or_a_zeroed_sector_anywhere_costs_at_most_what_was_hit() {
    base::ENCRYPTED.store(true, Ordering::Relaxed);
    assert!(base::options(true).encryption.is_some());
    let figures = sweep(7, 0..POSITIONS);
    assert_eq!(figures.broken, [""; 0]);
    assert!(figures.lossy > POSITIONS / 10, "hardly anything was hit: {figures:?}");
}

fn config(text: &str) -> Config {
    Config::from_text(&format!("jetstream {{ store_dir: /tmp/x, {text} }}"), "test.conf").unwrap()
}

#[test]
fn the_settings_are_nats_server_s() {
    let of = |text: &str| store_options(&config(text)).encryption;
    assert_eq!(of(""), None);
    assert_eq!(of("key: \"\""), None);
    for name in ["key", "ek", "encryption_key"] {
        assert_eq!(of(&format!("{name}: abc")), encryption("abc", Cipher::ChaCha));
    }
    assert_eq!(of("key: abc, cipher: aes"), encryption("abc", Cipher::Aes));
    assert_eq!(of("key: abc, cipher: chachapoly"), encryption("abc", Cipher::ChaCha));
    let rotated = of("key: abc, prev_key: old").unwrap();
    assert_eq!(rotated.previous_key.as_deref(), Some("old"));
    assert!(!format!("{rotated:?}").contains("abc") && !format!("{rotated:?}").contains("old"));
    assert!(config("key: abc").validate().is_ok());
    let refused = config("tpm { keys_file: /tmp/k, encryption_password: x }").validate().unwrap_err();
    assert!(refused.to_string().contains("tpm"), "{refused}");
}

#[test]
fn the_doctor_takes_the_key_from_the_configuration_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), sealed());
    fill(&store);
    store.try_close().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("broker.conf");
    fs::write(&file, format!("jetstream {{ store_dir: /tmp/x, key: \"{KEY}\" }}")).unwrap();
    let doctor = |flags: &[&str]| {
        let words = ["doctor", dir.path().to_str().unwrap()].into_iter().chain(flags.iter().copied());
        let Invocation::Doctor(request) = cli::parse(words.map(str::to_owned)) else {
            panic!("not understood")
        };
        let answer = request.run();
        (answer.exit_code, answer.stdout + &answer.stderr)
    };
    let config = ["--config", file.to_str().unwrap()];
    let before = scratch::image(dir.path());
    let (code, said) = doctor(&[]);
    assert!(code == 2 && said.contains("no key is configured"), "{said}");
    let (code, said) = doctor(&config);
    assert!(code == 0 && said.contains("300 messages"), "{said}");
    assert!(scratch::image(dir.path()) == before);
    fs::write(dir.path().join("encryption.copy"), b"?").unwrap();
    let (code, said) = doctor(&config);
    assert!(code == 1 && said.contains("encryption.copy"), "{said}");
    assert_eq!(doctor(&[config[0], config[1], "--repair"]).0, 0);
    assert_eq!(doctor(&config).0, 0);
}
