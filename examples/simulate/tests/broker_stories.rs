//! What seeds have found in streams and consumers, told shortly.

use headwater::store::StoreOptions;
use headwater::store::disk::Disk;

use crate::broken::Checked;
use crate::disk::{Faults, Lie, Mood, SimDisk};
use crate::model::message::Attempt;
use crate::model::restart::Crash;
use crate::model::{Model, Request, Sent};
use crate::rng::Rng;
use crate::run::Run;
use crate::world::World;

pub(super) fn world() -> World {
    let options =
        StoreOptions { segment_bytes: 8192, catalog: false, threads: false, ..StoreOptions::default() };
    let disk = SimDisk::new(Rng::new(1), 1 << 30, Lie::None);
    let mut world = World::new(disk, options, Rng::new(2));
    world.start().unwrap();
    world
}

pub(super) fn create(world: &World, config: &str) {
    create_stream(world, "S", "s.>", config);
}

fn create_stream(world: &World, name: &str, subject: &str, config: &str) {
    let config = format!(r#"{{"name":"{name}","subjects":["{subject}"],{config}}}"#);
    world.publish(&format!("$JS.API.STREAM.CREATE.{name}"), "", b"", config.as_bytes());
    commit(world);
}

pub(super) fn commit(world: &World) {
    world.with_store(|store| store.commit()).unwrap().unwrap();
}

pub(super) fn live(world: &World) -> Vec<u64> {
    live_in(world, "S")
}

fn live_in(world: &World, stream: &str) -> Vec<u64> {
    let host = world.host(stream).unwrap();
    let state = host.lock();
    (1..=state.log.state().last_seq).filter(|seq| state.log.meta(*seq).is_some()).collect()
}

/// Where the journal's records end.
pub(super) fn end_of_journal(world: &World) -> usize {
    let file = world.disk.open("journal/0000000001.seg").unwrap();
    // Behind the records lies a copy of the segment's header.
    let mut held = vec![0; 8192 - 64];
    file.read_at(&mut held, 0).unwrap();
    (held.iter().rposition(|byte| *byte != 0).unwrap() + 1).next_multiple_of(8)
}

/// Zeroes bytes of the journal, as if the power had gone before they were written.
pub(super) fn lose(world: &World, from: usize, bytes: usize) {
    let file = world.disk.open("journal/0000000001.seg").unwrap();
    file.write_at(&vec![0; bytes], from as u64).unwrap();
}

/// Loses the last bytes of the journal.
fn tear_off(world: &World, bytes: usize) {
    lose(world, end_of_journal(world) - bytes, bytes);
}

/// A message of the stream that a consumer has been handed: where its acknowledgement goes.
pub(super) fn pull(world: &World) -> Option<String> {
    world.publish(
        "$JS.API.CONSUMER.MSG.NEXT.S.C",
        "_INBOX.pull",
        b"",
        br#"{"batch":1,"expires":60000000000}"#,
    );
    let delivered = world.take_received().into_iter().find(|received| received.reply.starts_with(b"$JS.ACK"));
    delivered.map(|delivered| String::from_utf8(delivered.reply).unwrap())
}

fn with_delivered_message() -> (World, String) {
    let world = world();
    create(&world, r#""retention":"limits""#);
    let config =
        br#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","ack_wait":1000000000}}"#;
    world.publish("$JS.API.CONSUMER.CREATE.S.C", "", b"", config);
    world.publish("s.a", "", b"", b"x");
    commit(&world);
    world.run_tasks(3);
    let ack_to = pull(&world).unwrap();
    (world, ack_to)
}

fn is_confirmed(world: &World) -> bool {
    world.run_tasks(3);
    world.take_received().iter().any(|received| received.subject == b"_INBOX.ack")
}

/// Everything there is to write has been, a good while ago.
pub(super) fn rest(world: &World) {
    world.pass(200_000_000);
    world.run_tasks(3);
    commit(world);
}

#[test]
fn an_acknowledgement_is_confirmed_once_it_is_on_disk_and_not_before() {
    let (mut world, ack_to) = with_delivered_message();
    rest(&world);
    world.publish(&ack_to, "_INBOX.ack", b"", b"+ACK");
    assert!(!is_confirmed(&world));
    commit(&world);
    assert!(is_confirmed(&world));
    world.kill();
    world.start().unwrap();
    world.pass(2_000_000_000);
    world.run_tasks(3);
    assert_eq!(pull(&world), None);
}

#[test]
fn an_acknowledgement_that_could_not_be_written_is_not_confirmed_and_the_message_comes_again() {
    for faults in [Faults { writes: 1, ..Faults::default() }, Faults { syncs: 1, ..Faults::default() }] {
        let (mut world, ack_to) = with_delivered_message();
        rest(&world);
        world.disk.set_faults(faults);
        world.publish(&ack_to, "_INBOX.ack", b"", b"+ACK");
        world.with_store(|store| store.commit()).unwrap().unwrap_err();
        assert!(!is_confirmed(&world));
        // The client asks again, of a store that takes nothing any more.
        world.publish(&ack_to, "_INBOX.ack", b"", b"+ACK");
        assert!(!is_confirmed(&world));
        world.pass(5_000_000_000);
        assert!(!is_confirmed(&world));
        world.disk.set_faults(Faults::default());
        world.disk.cut_power(Mood::Forgetful);
        world.end();
        world.start().unwrap();
        world.pass(2_000_000_000);
        world.run_tasks(3);
        assert!(pull(&world).is_some(), "{faults:?}");
    }
}

/// A stream `S` with a consumer `C`, both on disk.
fn with_consumer() -> World {
    let world = world();
    create(&world, r#""description":"as it was""#);
    world.publish("$JS.API.CONSUMER.CREATE.S.C", "", b"", CONSUMER.as_bytes());
    rest(&world);
    world
}

const CONSUMER: &str =
    r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","description":"as it was"}}"#;

/// Requests that change or delete what there is.
fn changes() -> [(&'static str, String); 4] {
    let changed = r#"{"name":"S","subjects":["s.>"],"description":"changed"}"#;
    [
        ("$JS.API.STREAM.UPDATE.S", changed.to_owned()),
        ("$JS.API.STREAM.DELETE.S", String::new()),
        ("$JS.API.CONSUMER.CREATE.S.C", CONSUMER.replace("as it was", "changed")),
        ("$JS.API.CONSUMER.DELETE.S.C", String::new()),
    ]
}

pub(super) fn answers(world: &World) -> Vec<String> {
    world.run_tasks(3);
    let answers = world.take_received().into_iter().filter(|received| received.subject == b"_INBOX.change");
    answers.map(|received| String::from_utf8(received.payload).unwrap()).collect()
}

/// The descriptions of the stream and of its consumer.
fn descriptions(world: &World) -> Option<(String, Option<String>)> {
    let host = world.host("S")?;
    let state = host.lock();
    let consumer = state.consumers.find("C").map(|found| found.machine.config().description.clone());
    Some((state.machine.config().description.clone(), consumer))
}

#[test]
fn a_change_that_the_disk_has_not_taken_is_refused_and_all_stands_as_it_was() {
    let before = Some(("as it was".to_owned(), Some("as it was".to_owned())));
    for (subject, request) in changes() {
        for faults in [Faults { writes: 1, ..Faults::default() }, Faults { syncs: 1, ..Faults::default() }] {
            let world = with_consumer();
            let journal = world.disk.open("journal/0000000001.seg").unwrap();
            let mut held = vec![0; 8192];
            journal.read_at(&mut held, 0).unwrap();
            world.disk.set_faults(faults);
            world.publish(subject, "_INBOX.change", b"", request.as_bytes());
            assert_eq!(answers(&world), Vec::<String>::new(), "{subject}");
            world.with_store(|store| store.commit()).unwrap().unwrap_err();
            world.suspend();
            let answers = answers(&world);
            assert_eq!(answers.len(), 1, "{subject}");
            assert!(answers[0].contains("\"code\":503"), "{subject}: {answers:?}");
            world.disk.set_faults(Faults::default());
            // Nothing of what failed has reached the disk.
            journal.write_at(&held, 0).unwrap();
            world.recover().unwrap();
            assert_eq!(descriptions(&world), before, "{subject}");
        }
    }
}

#[test]
fn a_store_that_has_failed_refuses_changes_and_nothing_changes_in_memory() {
    for (subject, request) in changes() {
        let world = with_consumer();
        world.publish("s.a", "", b"", b"x");
        world.disk.set_faults(Faults { writes: 1, ..Faults::default() });
        world.with_store(|store| store.commit()).unwrap().unwrap_err();
        let before = descriptions(&world);
        world.publish(subject, "_INBOX.change", b"", request.as_bytes());
        let answers = answers(&world);
        assert_eq!(answers.len(), 1, "{subject}");
        assert!(answers[0].contains("\"code\":503"), "{subject}: {answers:?}");
        assert_eq!(descriptions(&world), before, "{subject}");
    }
}

/// A publish survived and the removal of what it pushed out did not: nothing removed it until the next publish.
#[test]
fn a_stream_is_within_its_limits_after_a_crash() {
    for limit in [r#""max_msgs":1"#, r#""max_msgs_per_subject":1"#, r#""max_bytes":40"#] {
        let mut world = world();
        create(&world, limit);
        for _ in 0..2 {
            world.publish("s.a", "", b"", b"x");
            commit(&world);
        }
        world.kill();
        tear_off(&world, 48);
        world.start().unwrap();
        assert_eq!(live(&world), [2], "{limit}");
    }
}

/// The stream was made in the commit that tore, so that all its limits were looked at, in another order than when the messages
/// came: one had to go that had been within them.
#[test]
fn a_crash_costs_no_message_that_the_limits_had_left() {
    let mut world = world();
    let config = r#"{"name":"S","subjects":["s.>"],"max_msgs":3,"max_msgs_per_subject":1}"#;
    world.publish("$JS.API.STREAM.CREATE.S", "", b"", config.as_bytes());
    for subject in ["s.b", "s.a", "s.a", "s.a"] {
        world.publish(subject, "", b"", b"x");
    }
    assert_eq!(live(&world), [1, 4]);
    commit(&world);
    world.kill();
    tear_off(&world, RECORD_BYTES);
    world.start().unwrap();
    assert_eq!(live(&world), [1, 4]);
}

/// The length of a short message's record, and of a removal of a stream's first messages.
const RECORD_BYTES: usize = 48;

/// What a message had pushed out, itself in this case, was to be removed at the start. The commit that should have done it was
/// not finished either, and its whole part vouched for the message.
#[test]
fn a_message_that_its_stream_has_no_room_for_stays_away_however_many_commits_are_not_finished() {
    for lost in 1..=3 {
        let mut world = world();
        for (name, subject) in [("S", "s.>"), ("T", "t.>"), ("U", "u.>")] {
            create_stream(&world, name, subject, r#""max_bytes":100"#);
        }
        world.publish("s.a", "", b"", &[1; 200]);
        world.publish("t.a", "", b"", &[1; 200]);
        commit(&world);
        world.kill();
        tear_off(&world, 2 * RECORD_BYTES);
        for _ in 0..3 {
            world.start().unwrap();
            world.publish("u.a", "", b"", b"x");
            commit(&world);
            world.kill();
            tear_off(&world, lost * RECORD_BYTES);
        }
        world.start().unwrap();
        assert_eq!((live_in(&world, "S"), live_in(&world, "T")), (vec![], vec![]), "{lost} lost");
    }
}

/// Publishes after a restart, expecting that the last message has this id.
fn is_last_id(world: &World, id: &str) -> bool {
    let headers = format!("NATS/1.0\r\nNats-Expected-Last-Msg-Id: {id}\r\n\r\n");
    world.publish("s.a", "_INBOX.change", headers.as_bytes(), b"next");
    commit(world);
    answers(world).iter().all(|answer| !answer.contains("error"))
}

#[test]
fn after_a_restart_the_last_message_id_is_that_of_the_last_message_and_of_no_other() {
    let id = b"NATS/1.0\r\nNats-Msg-Id: one\r\n\r\n";
    let others: [(&[u8], bool); 3] = [(b"", false), (b"NATS/1.0\r\nA: b\r\n\r\n", false), (id, true)];
    for (last, is_one) in others {
        let mut world = world();
        create(&world, r#""retention":"limits""#);
        world.publish("s.a", "", if is_one { b"" } else { id }, b"first");
        world.publish("s.a", "", last, b"last");
        commit(&world);
        world.kill();
        world.start().unwrap();
        assert_eq!(is_last_id(&world, "one"), is_one);
    }
}

/// Makes stream `S` and changes it; `committed` is how much of that is synced. The power goes, and the model judges.
fn change_and_lose_power(committed: usize, kept: bool) -> Checked {
    let mut world = world();
    let mut model = Model::default();
    model.wanted.insert("S".into());
    for (revision, verb) in [(0, "CREATE"), (1, "UPDATE")] {
        let request = match revision {
            0 => Request::CreateStream { stream: 1, revision },
            _ => Request::UpdateStream { stream: 1, revision },
        };
        let reply = model.expect(request);
        let config = format!(r#"{{"name":"S","subjects":["s.>"],"description":"{verb}"}}"#);
        world.publish(&format!("$JS.API.STREAM.{verb}.S"), &reply, b"", config.as_bytes());
        model.observe(&world)?;
        if revision < committed as u64 {
            commit(&world);
        }
    }
    world.run_tasks(3);
    let answers = world.take_received();
    assert_eq!(answers.len(), committed);
    answers.iter().try_for_each(|answer| model.receive(answer))?;
    world.end();
    world.disk.cut_power(Mood::Forgetful);
    if !kept {
        tear_off(&world, 8);
    }
    world.start().unwrap();
    model.broker_died();
    model.check_restart(&world, Crash { reopened: false, orderly: false, flips: 0 })
}

/// The answer to the creation came after the change had been applied, and was taken for a promise of the change.
#[test]
fn the_model_takes_an_answer_for_a_promise_of_what_was_asked_and_not_of_what_was_asked_since() {
    change_and_lose_power(1, true).unwrap();
    change_and_lose_power(2, true).unwrap();
    assert!(change_and_lose_power(2, false).is_err());
}

/// One consumer, whose making was never answered, was lost with the power. The other acknowledges nothing: when the broker
/// started, it was sent what only the first had kept, and that went. The model took it for lost as well, and its delivery for
/// that of a message nobody had sent.
#[test]
fn a_message_that_only_a_lost_consumer_kept_is_delivered_at_the_start_and_goes() {
    let mut world = world();
    let mut model = Model::default();
    model.wanted.insert("S".into());
    create(&world, r#""retention":"interest""#);
    let consumer = |name: &str, config: &str| {
        let config = format!(
            r#"{{"stream_name":"S","config":{{"durable_name":"{name}","filter_subject":"s.>",{config}}}}}"#
        );
        world.publish(&format!("$JS.API.CONSUMER.CREATE.S.{name}.s.>"), "", b"", config.as_bytes());
    };
    consumer("NONE", r#""ack_policy":"none","deliver_subject":"push.n""#);
    commit(&world);
    model.observe(&world).unwrap();
    let lost_from = end_of_journal(&world);
    consumer("LOST", r#""ack_policy":"explicit""#);
    world.publish("s.a", "", b"", b"x");
    model.observe(&world).unwrap();
    commit(&world);
    world.kill();
    lose(&world, lost_from, 64);
    world.start().unwrap();
    model.broker_died();
    model.check_restart(&world, Crash { reopened: false, orderly: false, flips: 0 }).unwrap();
    assert_eq!(live(&world), [] as [u64; 0]);
    world.run_tasks(3);
    let received = world.take_received();
    assert_eq!(received.len(), 1);
    model.receive(&received[0]).unwrap();
}

/// A message went as soon as it had been delivered, before anybody had looked at it. The stream had raised its TTL to that of
/// delete markers, and the model took what was delivered for another message.
#[test]
fn the_model_knows_a_raised_ttl_of_a_message_that_it_has_not_seen() {
    let world = world();
    let mut model = Model::default();
    model.wanted.insert("S".into());
    create(&world, r#""retention":"interest","allow_msg_ttl":true,"subject_delete_marker_ttl":5000000000"#);
    let consumer = br#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"none","deliver_subject":"push.c"}}"#;
    world.publish("$JS.API.CONSUMER.CREATE.S.C", "", b"", consumer);
    commit(&world);
    model.observe(&world).unwrap();
    for (seq, ttl) in [(1, "4s"), (2, "5s"), (3, "6s")] {
        let headers = format!("NATS/1.0\r\nNats-TTL: {ttl}\r\nA: b\r\n\r\n").into_bytes();
        let (attempt, subject) = (model.number(), "s.a".to_owned());
        world.publish(&subject, "", &headers, b"");
        let sent = Attempt { subject, headers, payload: vec![], exact: true, batch: None, increment: None };
        model.attempts.insert(attempt, sent);
        model.sent = Sent { stream: 1, first_seq: seq, attempts: vec![attempt] };
        commit(&world);
        world.run_tasks(3);
        assert_eq!(live(&world), [] as [u64; 0]);
        model.observe(&world).unwrap();
        let received = world.take_received();
        assert!(received[0].subject == b"s.a" && received.len() == 1);
        model.receive(&received[0]).unwrap();
    }
}

/// A run in which a message has come to its end, and the first of a batch finds that out.
fn batch_after_an_end(seed: u64) -> Checked<Run> {
    let mut run = Run::new(seed, Lie::None, false);
    run.start(true)?;
    run.model.wanted.insert("S".into());
    let config = r#""storage":"memory","max_age":1000000000,"max_bytes":300,"allow_atomic":true,
        "allow_msg_ttl":true,"subject_delete_marker_ttl":1000000000"#;
    create(&run.world, config);
    run.world.publish("s.a", "", b"", b"x");
    run.look()?;
    run.world.pass(5_000_000_000);
    run.publish_batch();
    run.look()?;
    Ok(run)
}

/// The marker was made when the batch began, and took its sequence. What of the batch had to go at once was taken for what came
/// after it.
#[test]
fn the_model_knows_the_messages_of_a_batch_that_a_marker_came_before() {
    let mut gone = 0;
    for seed in 0..20 {
        let run = batch_after_an_end(seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let messages = &run.model.streams[&1].messages;
        let first = messages.values().find_map(|message| message.attempt);
        for (seq, message) in messages.range(3..) {
            assert_eq!(message.attempt, first.map(|first| first + seq - 3), "seed {seed}");
            gone += u32::from(!message.is_live());
        }
    }
    assert!(gone > 0);
}

/// The disk did not take a stream's deletion. Nobody looked at what had been promised until the store had been opened anew and come
/// past the place where the deletion should have been; then it was confirmed, and the stream was there.
#[test]
fn a_deletion_that_failed_is_not_confirmed_by_what_is_written_in_its_place() {
    let world = with_consumer();
    let journal = world.disk.open("journal/0000000001.seg").unwrap();
    let mut held = vec![0; 8192];
    journal.read_at(&mut held, 0).unwrap();
    world.disk.set_faults(Faults { syncs: 1, ..Faults::default() });
    world.publish("$JS.API.STREAM.DELETE.S", "_INBOX.change", b"", b"");
    world.with_store(|store| store.commit()).unwrap().unwrap_err();
    world.suspend();
    world.disk.set_faults(Faults::default());
    journal.write_at(&held, 0).unwrap();
    world.recover().unwrap();
    world.publish("s.a", "", b"", &[0; 500]);
    commit(&world);
    assert!(descriptions(&world).is_some());
    let answers = answers(&world);
    assert!(answers.len() == 1 && answers[0].contains("\"code\":503"), "{answers:?}");
}

/// A stream in memory confirmed and delivered a message while the power was going. Nobody had looked at the stream since, and the
/// model did not know the message.
#[test]
fn the_model_lets_a_stream_in_memory_go_with_the_power_and_what_was_just_heard_of_it() {
    let mut run = Run::new(1, Lie::None, false);
    run.start(true).unwrap();
    run.model.wanted.insert("S".into());
    create(&run.world, r#""storage":"memory""#);
    let consumer = br#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"none","deliver_subject":"push.c"}}"#;
    run.world.publish("$JS.API.CONSUMER.CREATE.S.C", "", b"", consumer);
    run.look().unwrap();
    run.world.disk.set_faults(Faults { power_goes_in: 1, ..Faults::default() });
    let _ = run.world.disk.list("journal");
    assert!(run.world.disk.is_down());
    run.world.publish("s.a", "", b"", b"x");
    run.world.run_tasks(3);
    run.look().unwrap();
}
