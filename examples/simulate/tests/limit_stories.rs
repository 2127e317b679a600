//! What seeds have found on full disks, and in limits that a crash has kept from being enforced, told shortly.

use headwater::store::disk::Disk;
use headwater::store::{StorageKind, StoreError};

use super::broker_stories::{answers, commit, create, end_of_journal, live, lose, pull, rest, world};
use super::stories::{disk, message, offset_of, open, open_new};
use super::torn_stories::fill_segment;
use crate::disk::SimDisk;
use crate::model::Model;
use crate::model::restart::Crash;
use crate::world::World;

/// The length of a short message's record.
const SHORT_BYTES: usize = 48;

/// A message had ended, and made room for another; the power went, and of that commit only the other message was left. The one
/// that had ended was there again and counted, and a message that had been acknowledged had to go in its place.
#[test]
fn what_had_ended_before_a_crash_does_not_count_after_it() {
    for limit in [r#""max_msgs":2"#, r#""max_msgs_per_subject":2"#, r#""max_bytes":140"#] {
        let mut world = world();
        create(&world, &format!(r#""allow_msg_ttl":true,{limit}"#));
        world.publish("s.a", "", b"", b"stays");
        world.publish("s.a", "", b"NATS/1.0\r\nNats-TTL: 1s\r\n\r\n", b"ends");
        commit(&world);
        let end = end_of_journal(&world);
        world.pass(2_000_000_000);
        world.run_tasks(3);
        assert_eq!(live(&world), [1], "{limit}");
        world.publish("s.a", "", b"", b"comes");
        commit(&world);
        assert_eq!(live(&world), [1, 3], "{limit}");
        world.kill();
        lose(&world, end + SHORT_BYTES, end_of_journal(&world) - end - SHORT_BYTES);
        world.start().unwrap();
        assert_eq!(live(&world), [1, 3], "{limit}");
    }
}

/// A message had to go for one that the power took. It had to go anyway, for another limit that the power left; and since its
/// consumer had acknowledged it besides, the model did not see that.
#[test]
fn the_model_sees_a_limit_for_a_message_that_was_acknowledged_as_well() {
    let mut world = world();
    let mut model = Model::default();
    model.wanted.insert("S".into());
    let config = |max| format!(r#""retention":"workqueue","max_msgs_per_subject":{max}"#);
    create(&world, &config(2));
    let consumer = br#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}"#;
    world.publish("$JS.API.CONSUMER.CREATE.S.C", "", b"", consumer);
    world.publish("s.a", "", b"", b"1");
    world.publish("s.a", "", b"", b"2");
    model.observe(&world).unwrap();
    rest(&world);
    let end = end_of_journal(&world);
    assert!(pull(&world).is_some());
    model.streams.get_mut(&1).unwrap().promise(2);
    model.streams.get_mut(&1).unwrap().promise(1);
    world.publish("s.a", "", b"", b"3");
    model.observe(&world).unwrap();
    model.consumer(1, "C").unwrap().note_ack(1);
    let lowered = format!(r#"{{"name":"S","subjects":["s.>"],{}}}"#, config(1));
    world.publish("$JS.API.STREAM.UPDATE.S", "", b"", lowered.as_bytes());
    model.observe(&world).unwrap();
    commit(&world);
    world.kill();
    lose(&world, end, SHORT_BYTES);
    world.start().unwrap();
    assert_eq!(live(&world), [2]);
    model.broker_died();
    model.check_restart(&world, Crash { reopened: false, orderly: false, flips: 0 }).unwrap();
}

/// Fills the disk with messages of subjects s.0 to s.6; returns what clients were told.
fn fill_disk(world: &World) -> Vec<String> {
    world.disk.set_capacity(64 << 10);
    let mut answered = Vec::new();
    for n in 0..2000 {
        world.publish(&format!("s.{}", n % 7), "_INBOX.change", b"", b"");
        if n % 50 == 0 {
            commit(world);
            answered.extend(answers(world));
        }
    }
    answered
}

/// The disk has room again, and all that waited for it is done.
fn make_room(world: &World) {
    world.disk.set_capacity(1 << 30);
    world.with_store(|store| store.maintain()).unwrap().unwrap();
    world.pass(2_000_000_000);
    rest(world);
}

const LOWERED: &[u8] = br#"{"name":"S","subjects":["s.>"],"max_msgs_per_subject":1}"#;

/// The disk was too full to write down which messages went when their limit was lowered. The change was answered with an error,
/// and was on disk; what it would have removed stayed.
#[test]
fn limits_lowered_on_a_full_disk_hold_as_soon_as_there_is_room() {
    let world = world();
    create(&world, r#""max_msgs_per_subject":-1"#);
    let answered = fill_disk(&world);
    assert!(answered.iter().any(|answer| answer.contains("10023")));
    world.publish("$JS.API.STREAM.UPDATE.S", "_INBOX.change", b"", LOWERED);
    let over = live(&world).len();
    make_room(&world);
    assert!(answers(&world).iter().any(|answer| answer.contains(r#""max_msgs_per_subject":1"#)));
    assert_eq!((over > 7, live(&world).len()), (true, 7));
}

/// The broker was started anew meanwhile, and nothing told that the limit was owed.
#[test]
fn limits_lowered_on_a_full_disk_hold_after_a_restart_as_soon_as_there_is_room() {
    let mut world = world();
    let mut model = Model::default();
    model.wanted.insert("S".into());
    create(&world, r#""max_msgs_per_subject":-1"#);
    fill_disk(&world);
    world.publish("$JS.API.STREAM.UPDATE.S", "", b"", LOWERED);
    model.observe(&world).unwrap();
    commit(&world);
    for full in [true, false] {
        world.stop();
        world.start().unwrap();
        model.broker_died();
        model.check_restart(&world, Crash { reopened: false, orderly: false, flips: 0 }).unwrap();
        assert_eq!(live(&world).len() > 7, full);
        world.disk.set_capacity(1 << 30);
    }
}

/// A consumer may have one message to acknowledge at a time, and that one went when there was room. Nobody told the consumer.
#[test]
fn what_goes_when_a_full_disk_has_room_again_keeps_no_consumer_waiting() {
    let world = world();
    create(&world, r#""max_msgs_per_subject":-1"#);
    let config = br#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit",
        "ack_wait":3600000000000,"max_ack_pending":1,"filter_subject":"s.6"}}"#;
    world.publish("$JS.API.CONSUMER.CREATE.S.C.s.6", "", b"", config);
    // A message that stays, so that those which go are not the stream's first.
    world.publish("s.first", "", b"", b"");
    fill_disk(&world);
    let first = pull(&world).unwrap();
    assert!(first.starts_with("$JS.ACK.S.C.1.8."), "{first}");
    world.publish("$JS.API.STREAM.UPDATE.S", "", b"", LOWERED);
    assert!(live(&world).contains(&8));
    make_room(&world);
    assert!(!live(&world).contains(&8));
    let newest = *live(&world).iter().rev().find(|seq| (*seq - 8) % 7 == 0).unwrap();
    let next = pull(&world).unwrap();
    assert!(next.starts_with(&format!("$JS.ACK.S.C.1.{newest}.")), "{next}");
}

/// That a stream had come to message 2 was known from a damaged record alone. The start wanted to write that down, found no room
/// for it, and failed.
#[test]
fn a_disk_too_full_for_what_a_start_owes_is_no_reason_not_to_start() {
    let disk = disk();
    let (store, mut log, _) = open_new(&disk);
    let (_, mut other, _) = store.create_stream("A", "T", b"", StorageKind::File).unwrap();
    let hit = offset_of(log.append(&message(1, b"stays")).unwrap());
    fill_segment(&mut *log, 2, hit, SHORT_BYTES);
    store.commit().unwrap();
    // Says that all before it is on disk.
    other.append(&message(1, b"x")).unwrap();
    store.commit().unwrap();
    drop((log, other, store));
    disk.kill();
    take_room(&disk, 4096);
    zero(&disk, hit + 100);

    for _ in 0..2 {
        let (store, mut streams, _) = open(&disk);
        let log = &mut streams[0].log;
        assert_eq!((log.state().messages, log.state().last_seq), (1, 2));
        assert!(matches!(log.append(&message(3, b"x")), Err(StoreError::DiskFull)));
        assert!(!store.commit().unwrap());
        assert_eq!(log.load(1).unwrap().unwrap().payload(), b"stays");
        drop((streams, store));
        disk.kill();
    }
    disk.set_capacity(1 << 30);
    drop(open(&disk));
    disk.kill();
    // What told so is gone, and what was written down says it.
    zero(&disk, hit);
    assert_eq!(open(&disk).1[0].log.state().last_seq, 2);
}

/// The power went before it was written which message went, and after the start there was no room for that. The stream was not
/// served until there was.
#[test]
fn a_stream_that_a_full_disk_keeps_beyond_its_limits_is_served() {
    let mut world = world();
    create(&world, r#""max_msgs_per_subject":1"#);
    world.publish("s.a", "", b"", b"goes");
    commit(&world);
    let segment_end = 8192 - 104;
    let rest = segment_end - end_of_journal(&world) - SHORT_BYTES;
    world.publish("s.b", "", b"", &vec![1; rest - 43]);
    commit(&world);
    world.publish("s.a", "", b"", b"comes");
    commit(&world);
    assert_eq!(live(&world), [2, 3]);
    world.kill();
    lose(&world, segment_end, 40);
    take_room(&world.disk, 8192);
    world.start().unwrap();
    assert_eq!((world.unserved().len(), live(&world)), (0, vec![1, 2, 3]));
    make_room(&world);
    assert_eq!(live(&world), [2, 3]);
}

/// Segments that had been made ready are gone, and somebody else has taken their room.
fn take_room(disk: &SimDisk, segment_bytes: u64) {
    for name in disk.list("journal").unwrap().iter().filter(|name| *name != "0000000001.seg") {
        disk.remove(&format!("journal/{name}")).unwrap();
    }
    disk.set_capacity(segment_bytes);
}

fn zero(disk: &SimDisk, at: usize) {
    let file = disk.open("journal/0000000001.seg").unwrap();
    file.write_at(&[0; 100], at as u64).unwrap();
}
