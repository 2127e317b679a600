//! One bad bit costs at most one message, a power cut at any point costs nothing that was committed, and no sequence is
//! ever given twice.

mod store_support;

use std::collections::BTreeMap;
use std::path::Path;

use headwater::store::{RecoveryReport, StoreError, StoreOptions};
use proptest::prelude::*;
use store_support::{
    Model, SUBJECTS, create, flip_bit, journal_bytes, message, open, open_one, position_of, segment, tiny,
};

/// Bytes before a record's subject.
const RECORD_HEADER: u64 = 40;

fn without_catalog() -> StoreOptions {
    StoreOptions { catalog: false, ..tiny() }
}

/// A closed store with `count` messages of a few dozen bytes, several commits, several segments.
fn filled(dir: &Path, count: u64) -> Model {
    let (store, ..) = open(dir, without_catalog());
    let (mut log, mut model) = (create(&store, "S"), Model::default());
    for seq in 1..=count {
        let payload = format!("payload of message {seq:06}");
        let message = message(seq, SUBJECTS[seq as usize % 7], b"", payload.as_bytes());
        log.append(&message).unwrap();
        model.append(&message);
        if seq % 10 == 0 {
            store.commit().unwrap();
        }
    }
    store.try_close().unwrap();
    model
}

fn segment_of(dir: &Path, needle: &[u8]) -> (u32, u64) {
    (1..).find_map(|id| Some((id, position_of(dir, id, needle)?))).unwrap()
}

fn reopened(dir: &Path, model: &Model) -> RecoveryReport {
    let (_store, mut streams, report) = open(dir, without_catalog());
    model.check(&*streams.remove(0).log);
    report
}

#[test]
fn a_flipped_bit_in_a_body_costs_that_message_and_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = filled(dir.path(), 500);
    let (id, at) = segment_of(dir.path(), b"payload of message 000123");
    flip_bit(&segment(dir.path(), id), at + 3);
    model.messages.remove(&123);
    let report = reopened(dir.path(), &model);
    assert_eq!(report.damaged_regions, 1);
    assert_eq!(report.lost_messages, [(1, 123)]);
    assert_eq!(report.torn_bytes, 0);
    let set_aside = std::fs::read_dir(dir.path().join("quarantine")).unwrap().next().unwrap().unwrap();
    let bytes = std::fs::read(set_aside.path()).unwrap();
    assert!(bytes.windows(12).any(|window| window == b"essage 00012"));
}

#[test]
fn what_is_damaged_and_lost_is_counted_by_stream() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 500);
    let (id, at) = segment_of(dir.path(), b"payload of message 000123");
    flip_bit(&segment(dir.path(), id), at + 3);
    let (store, streams, _) = open(dir.path(), without_catalog());
    let stats = store.stats();
    assert_eq!((stats.damage_regions, stats.messages_lost, stats.quarantine_files), (1, 1, 1));
    assert!(stats.damaged_bytes >= 24 + RECORD_HEADER);
    assert_eq!(store.messages_lost(), BTreeMap::from([(streams[0].id, 1)]));
}

#[test]
fn a_flipped_bit_in_a_header_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let model = filled(dir.path(), 500);
    let needle = b"payload of message 000123";
    let (id, at) = segment_of(dir.path(), needle);
    let subject = SUBJECTS[123 % 7].len() as u64;
    flip_bit(&segment(dir.path(), id), at - subject - RECORD_HEADER + 13);
    assert_eq!(reopened(dir.path(), &model).repaired_records, 1);
}

#[test]
fn a_flipped_bit_in_a_stream_s_configuration_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 10);
    let at = position_of(dir.path(), 1, b"SACCmeta").unwrap();
    flip_bit(&segment(dir.path(), 1), at + 5);
    let (_store, streams, report) = open(dir.path(), without_catalog());
    assert_eq!(report.repaired_records, 1);
    assert_eq!((streams[0].name.as_str(), &*streams[0].meta), ("S", &b"meta"[..]));
}

#[test]
fn a_damaged_header_costs_that_message_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = filled(dir.path(), 500);
    let needle = b"payload of message 000123";
    let (id, at) = segment_of(dir.path(), needle);
    let subject = SUBJECTS[123 % 7].len() as u64;
    for byte in [1, 9, 13] {
        flip_bit(&segment(dir.path(), id), at - subject - RECORD_HEADER + byte);
    }
    model.messages.remove(&123);
    assert_eq!(reopened(dir.path(), &model).damaged_regions, 1);
}

#[test]
fn a_flipped_bit_in_a_message_of_the_last_commit_costs_that_message_and_its_sequence_is_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = filled(dir.path(), 500);
    let (id, at) = segment_of(dir.path(), b"payload of message 000500");
    flip_bit(&segment(dir.path(), id), at + 3);
    model.messages.remove(&500);
    for _ in 0..2 {
        let (store, stream) = open_one(dir.path(), without_catalog());
        let state = stream.log.state();
        assert_eq!((state.messages, state.last_seq), (499, 500));
        assert!(stream.log.load(500).unwrap().is_none());
        store.try_close().unwrap();
    }
}

#[test]
fn damage_found_while_reading_is_told_counted_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = tiny();
    let (store, ..) = open(dir.path(), options.clone());
    let mut log = create(&store, "S");
    for seq in 1..=50 {
        log.append(&message(seq, "a", b"", format!("payload of message {seq:06}").as_bytes())).unwrap();
    }
    store.try_close().unwrap();
    drop((store, log));
    options.tail_cache_bytes_max = 0;
    let (store, mut stream) = open_one(dir.path(), options);
    let (id, at) = segment_of(dir.path(), b"payload of message 000017");
    flip_bit(&segment(dir.path(), id), at);
    assert!(matches!(stream.log.load(17), Err(StoreError::Damaged { seq: 17 })));
    assert!(matches!(stream.log.load(17), Err(StoreError::Damaged { seq: 17 })));
    let mut together = Vec::new();
    stream.log.load_each(&[16, 17, 18], &mut |read| together.push(read));
    assert!(matches!(&together[..], [Ok(Some(_)), Err(StoreError::Damaged { seq: 17 }), Ok(Some(_))]));
    let stats = store.stats();
    assert_eq!((stats.damaged_reads, stats.damage_regions, stats.messages_lost), (1, 1, 1));
    assert_eq!(std::fs::read_dir(dir.path().join("quarantine")).unwrap().count(), 1);
    assert!(stream.log.load(18).unwrap().is_some());
    stream.log.remove(17).unwrap().unwrap();
    assert_eq!(stream.log.subject(b"a").unwrap().count, 49);
}

#[test]
fn a_message_whose_subject_was_damaged_is_removed_from_the_subject_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { tail_cache_bytes_max: 0, ..tiny() };
    let (store, ..) = open(dir.path(), options.clone());
    let mut log = create(&store, "S");
    for seq in 1..=50 {
        log.append(&message(seq, "a.b", b"", format!("payload of message {seq:06}").as_bytes())).unwrap();
    }
    store.try_close().unwrap();
    drop((store, log));
    let (_store, mut stream) = open_one(dir.path(), options);
    let (id, at) = segment_of(dir.path(), b"a.bpayload of message 000017");
    flip_bit(&segment(dir.path(), id), at);
    stream.log.remove(17).unwrap().unwrap();
    assert_eq!(stream.log.subject(b"a.b").unwrap().count, 49);
    assert_eq!(stream.log.state().subjects, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_costs_at_most_one_message(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let dir = tempfile::tempdir().unwrap();
        let model = filled(dir.path(), 120);
        let path = segment(dir.path(), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = 64 + at.index(bytes.len() - 64);
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, bytes).unwrap();
        let (_store, streams, _) = open(dir.path(), without_catalog());
        let held = streams.iter().map(|stream| stream.log.state()).next();
        let state = held.unwrap();
        prop_assert!(state.messages + 1 >= model.messages.len() as u64, "{} of {}", state.messages, model.messages.len());
        prop_assert_eq!(state.last_seq, 120);
        prop_assert_eq!((streams.len(), streams[0].name.as_str()), (1, "S"));
        for (seq, (subject, ..)) in &model.messages {
            if let Some(found) = streams[0].log.load(*seq).unwrap() {
                prop_assert_eq!(found.subject(), subject.as_bytes());
            }
        }
    }

    /// The bytes of the last, unfinished commit reach the disk in any order, or not at all.
    #[test]
    fn a_torn_commit_costs_nothing_that_was_committed_before(
        kept in proptest::collection::vec(any::<bool>(), 64),
        group in 0usize..12,
        removals in proptest::collection::vec(1u64..40, 0..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (store, ..) = open(dir.path(), without_catalog());
        let mut log = create(&store, "S");
        for seq in 1..=40 {
            log.append(&message(seq, "a", b"", &[b'x'; 60])).unwrap();
        }
        store.commit().unwrap();
        let before = std::fs::read(segment(dir.path(), 1)).unwrap();
        log.append(&message(41, "a", b"", &[b'y'; 100])).unwrap();
        if group > 0 {
            let seqs: Vec<u64> = (42..42 + group as u64).collect();
            let messages: Vec<_> = seqs.iter().map(|seq| message(*seq, "a", b"", &[b'z'; 80])).collect();
            log.append_group(&messages).unwrap();
        }
        log.append(&message(60, "a", b"", &[b'y'; 100])).unwrap();
        for seq in &removals {
            log.remove(*seq).unwrap();
        }
        store.commit().unwrap();
        drop((store, log));
        tear(dir.path(), &before, &kept);
        check_torn(dir.path(), group as u64);
        check_torn(dir.path(), group as u64);
    }
}

/// Keeps some of the 64-byte pieces that the last commit wrote.
fn tear(dir: &Path, before: &[u8], kept: &[bool]) {
    let path = segment(dir, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    let first = before.iter().zip(&bytes).position(|(a, b)| a != b).unwrap_or(0);
    for (piece, kept) in (first..bytes.len()).step_by(64).zip(kept) {
        let end = (piece + 64).min(bytes.len());
        if !kept {
            bytes[piece..end].copy_from_slice(&before[piece..end]);
        }
    }
    std::fs::write(path, bytes).unwrap();
}

fn check_torn(dir: &Path, group: u64) {
    let (store, mut stream) = open_one(dir, without_catalog());
    let is_grouped =
        |seq: &u64| stream.log.load(*seq).unwrap().is_some_and(|held| held.payload().first() == Some(&b'z'));
    let grouped = (42..42 + group).filter(is_grouped).count() as u64;
    assert!(grouped == 0 || grouped == group, "{grouped} of a group of {group}");
    for seq in 1..=stream.log.state().last_seq {
        if let Some(held) = stream.log.load(seq).unwrap() {
            assert_eq!(held.subject(), b"a");
        }
    }
    let next = stream.log.state().last_seq + 1;
    stream.log.append(&message(next, "a", b"", b"after the power came back")).unwrap();
    store.try_close().unwrap();
}

#[test]
fn what_was_not_committed_is_lost_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), tiny());
    let (mut log, mut model) = (create(&store, "S"), Model::default());
    for seq in 1..=20 {
        log.append(&message(seq, "a", b"", b"kept")).unwrap();
        model.append(&message(seq, "a", b"", b"kept"));
    }
    store.commit().unwrap();
    log.append(&message(21, "a", b"", b"lost")).unwrap();
    log.remove(3).unwrap();
    drop((store, log));
    let (_store, stream) = open_one(dir.path(), tiny());
    model.check(&*stream.log);
}

#[test]
fn a_message_behind_a_hole_in_the_last_commit_is_kept_but_removals_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), without_catalog());
    let mut log = create(&store, "S");
    for seq in 1..=3 {
        log.append(&message(seq, "a", b"", b"committed")).unwrap();
    }
    store.commit().unwrap();
    log.append(&message(4, "a", b"", b"this one is torn")).unwrap();
    log.append(&message(5, "a", b"", b"this one is whole")).unwrap();
    log.purge_below(4).unwrap();
    store.commit().unwrap();
    drop((store, log));
    let at = position_of(dir.path(), 1, b"this one is torn").unwrap();
    flip_bit(&segment(dir.path(), 1), at);
    for _ in 0..2 {
        let (store, stream) = open_one(dir.path(), without_catalog());
        let held: Vec<u64> = (1..=5).filter(|seq| stream.log.meta(*seq).is_some()).collect();
        assert_eq!(held, [1, 2, 3, 5]);
        store.try_close().unwrap();
    }
}

/// The record that ends a segment reached the disk, nothing of the next segment did.
#[test]
fn what_follows_a_commit_torn_between_two_segments_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = open(dir.path(), without_catalog());
    let mut log = create(&store, "S");
    log.append(&message(1, "a", b"", &[b'x'; 4000])).unwrap();
    store.commit().unwrap();
    log.append(&message(2, "a", b"", &[b'y'; 5000])).unwrap();
    store.commit().unwrap();
    drop((store, log));
    zero(&segment(dir.path(), 2), 64, 8192 - 128);
    for seq in 2..5 {
        let (store, mut stream) = open_one(dir.path(), without_catalog());
        assert_eq!(stream.log.state().last_seq, seq - 1);
        stream.log.append(&message(seq, "a", b"", b"acknowledged")).unwrap();
        store.commit().unwrap();
    }
}

#[test]
fn a_zeroed_segment_header_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let model = filled(dir.path(), 500);
    assert!(journal_bytes(dir.path()) > 4 * 8192);
    zero(&segment(dir.path(), 3), 0, 64);
    assert_eq!(reopened(dir.path(), &model).repaired_records, 1);
    assert_eq!(reopened(dir.path(), &model).repaired_records, 0);
}

#[test]
fn a_flipped_bit_in_a_segment_header_without_a_copy_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let model = filled(dir.path(), 500);
    for bit in [0, 100, 200, 509] {
        zero(&segment(dir.path(), 3), 8192 - 64, 64);
        flip_bit(&segment(dir.path(), 3), bit / 8);
        assert_eq!(reopened(dir.path(), &model).repaired_records, 1);
    }
}

#[test]
fn a_segment_whose_header_is_lost_twice_does_not_stop_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 500);
    zero(&segment(dir.path(), 3), 0, 64);
    zero(&segment(dir.path(), 3), 8192 - 64, 64);
    let (_store, streams, report) = open(dir.path(), without_catalog());
    assert_eq!(report.unreadable_files, ["0000000003.seg"]);
    let state = streams[0].log.state();
    assert!(state.messages > 350, "{state:?}");
    assert_eq!(state.last_seq, 500);
}

fn zero(path: &Path, at: usize, len: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at..at + len].fill(0);
    std::fs::write(path, bytes).unwrap();
}
