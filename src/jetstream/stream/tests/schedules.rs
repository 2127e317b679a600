//! Messages that are published at set times.

use headwater_protocol::headers;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::stream_source::SubjectTransform;

use super::{Rig, SECOND, TICK, config};
use crate::jetstream::stream::turn::Answer;
use crate::store::MessageLog;

fn scheduling() -> StreamConfig {
    StreamConfig {
        subjects: vec!["s.>".into(), "t.>".into()],
        allow_msg_schedules: true,
        allow_msg_ttl: true,
        allow_rollup_hdrs: true,
        ..config()
    }
}

const PAST: (&str, &str) = ("Nats-Schedule", "@at 2020-01-01T00:00:00Z");
const FUTURE: (&str, &str) = ("Nats-Schedule", "@at 2100-01-01T00:00:00Z");
const EVERY_MINUTE: (&str, &str) = ("Nats-Schedule", "@every 1m");
const TARGET: (&str, &str) = ("Nats-Schedule-Target", "t.out");

fn header(rig: &Rig, seq: u64, name: &str) -> String {
    let message = rig.message(seq).unwrap();
    String::from_utf8(headers::get(message.headers(), name.as_bytes()).unwrap_or_default().to_vec()).unwrap()
}

#[test]
fn a_message_is_published_once_at_its_time_and_its_schedule_is_gone() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.1", &[("Nats-Schedule", "@at 2023-11-14T22:14:20Z"), TARGET, ("X", "y")]);
    rig.pass(59 * SECOND);
    assert_eq!(rig.live(), [1]);
    rig.pass(SECOND);
    assert_eq!(rig.live(), [2]);
    assert_eq!(rig.message(2).unwrap().subject(), b"t.out");
    assert_eq!(
        rig.headers(2),
        "NATS/1.0\r\nX: y\r\nNats-Scheduler: s.1\r\nNats-Schedule-Next: purge\r\n\r\n"
    );
    rig.pass(1_000 * SECOND);
    assert_eq!(rig.log.state().last_seq, 2);
}

#[test]
fn a_time_long_past_is_soon() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.1", &[PAST, TARGET]);
    rig.pass(TICK);
    assert_eq!(rig.live(), [1]);
    rig.pass(5 * TICK);
    assert_eq!(rig.live(), [2]);
}

#[test]
fn an_interval_goes_on_and_tells_when_the_next_time_is() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.1", &[EVERY_MINUTE, TARGET, ("Nats-Schedule-TTL", "90s")]);
    rig.pass(60 * SECOND);
    assert_eq!(rig.live(), [1, 2]);
    assert_eq!(header(&rig, 2, "Nats-Schedule-Next"), "2023-11-14T22:15:20Z");
    assert_eq!(header(&rig, 2, "Nats-TTL"), "90s");
    rig.pass(60 * SECOND);
    assert_eq!(rig.live(), [1, 2, 3]);
    rig.pass(31 * SECOND);
    assert_eq!(rig.live(), [1, 3]);
}

#[test]
fn cron_follows_its_time_zone() {
    let mut rig = Rig::new(scheduling());
    let zone = ("Nats-Schedule-Time-Zone", "America/New_York");
    rig.store("s.1", &[("Nats-Schedule", "0 0 18 * * *"), TARGET, zone]);
    rig.pass(3_600 * SECOND);
    assert_eq!(rig.live(), [1, 2]);
    assert_eq!(header(&rig, 2, "Nats-Schedule-Next"), "2023-11-15T18:00:00-05:00");
}

#[test]
fn the_content_may_be_the_last_message_of_another_subject() {
    let mut rig = Rig::new(scheduling());
    rig.publish("t.src", &[("H", "1"), ("Nats-Msg-Id", "m"), ("Nats-Expected-Stream", "S")], "payload");
    rig.store("s.1", &[PAST, TARGET, ("Nats-Schedule-Source", "t.src")]);
    rig.store("s.2", &[PAST, ("Nats-Schedule-Target", "t.2"), ("Nats-Schedule-Source", "t.none")]);
    rig.pass(SECOND);
    assert_eq!(rig.message(4).unwrap().payload(), b"payload");
    assert_eq!(
        rig.headers(4),
        "NATS/1.0\r\nH: 1\r\nNats-Scheduler: s.1\r\nNats-Schedule-Next: purge\r\n\r\n"
    );
    assert_eq!(rig.message(5).unwrap().payload(), b"x");
}

#[test]
fn a_rollup_of_what_is_published_leaves_the_newest() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.1", &[EVERY_MINUTE, TARGET, ("Nats-Schedule-Rollup", "sub")]);
    rig.pass(180 * SECOND);
    assert_eq!(rig.live(), [1, 4]);
}

#[test]
fn a_schedule_replaces_the_one_before_it_on_its_subject() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.1", &[EVERY_MINUTE, TARGET]);
    rig.store("s.1", &[FUTURE, TARGET]);
    assert_eq!(
        rig.headers(2),
        format!(
            "NATS/1.0\r\n{}: {}\r\n{}: {}\r\nNats-Rollup: sub\r\n\r\n",
            FUTURE.0, FUTURE.1, TARGET.0, TARGET.1
        )
    );
    rig.pass(600 * SECOND);
    assert_eq!(rig.live(), [2]);
}

#[test]
fn a_plain_message_on_its_subject_ends_a_schedule() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.1", &[EVERY_MINUTE, TARGET]);
    rig.store("s.1", &[]);
    rig.pass(600 * SECOND);
    assert_eq!(rig.live(), [1, 2]);
}

#[test]
fn a_client_may_take_a_schedule_away_with_the_message_it_announced() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.1", &[EVERY_MINUTE, TARGET]);
    rig.store("t.out", &[("Nats-Schedule-Next", "purge"), ("Nats-Scheduler", "s.1")]);
    assert_eq!(rig.live(), [2]);
    rig.pass(600 * SECOND);
    assert_eq!(rig.live(), [2]);
}

#[test]
fn what_a_message_says_of_schedules_must_make_sense() {
    let refused: [(&[(&str, &str)], u16); 20] = [
        (&[("Nats-Schedule", "bogus"), TARGET], 10189),
        (&[("Nats-Schedule", "* * * * *"), TARGET], 10189),
        (&[FUTURE, TARGET, ("Nats-Schedule-Time-Zone", "UTC")], 10189),
        (&[("Nats-Schedule", "@daily"), TARGET, ("Nats-Schedule-Time-Zone", "Mars/Olympus")], 10223),
        (&[("Nats-Schedule", "@daily"), TARGET, ("Nats-Schedule-Time-Zone", "")], 10223),
        (&[FUTURE], 10190),
        (&[FUTURE, ("Nats-Schedule-Target", "t.*")], 10190),
        (&[FUTURE, ("Nats-Schedule-Target", "s.1")], 10190),
        (&[FUTURE, ("Nats-Schedule-Target", "elsewhere")], 10190),
        (&[FUTURE, TARGET, ("Nats-Schedule-Source", "t.*")], 10203),
        (&[FUTURE, TARGET, ("Nats-Schedule-Source", "t.out")], 10203),
        (&[FUTURE, TARGET, ("Nats-Schedule-Source", "elsewhere")], 10203),
        (&[FUTURE, TARGET, ("Nats-Schedule-TTL", "soon")], 10191),
        (&[FUTURE, TARGET, ("Nats-Rollup", "all")], 10192),
        (&[FUTURE, TARGET, ("Nats-Schedule-Rollup", "all")], 10192),
        (&[("Nats-Schedule-Next", "2100-01-01T00:00:00Z"), ("Nats-Scheduler", "s.2")], 10212),
        (&[("Nats-Schedule-Next", "purge")], 10212),
        (&[("Nats-Scheduler", "s.2")], 10212),
        (&[("Nats-Schedule-Next", "purge"), ("Nats-Scheduler", "s.1")], 10212),
        (&[("Nats-Schedule-Next", "purge"), ("Nats-Scheduler", "s.plain")], 10212),
    ];
    for (headers, code) in refused {
        let mut rig = Rig::new(scheduling());
        rig.store("s.plain", &[]);
        assert_eq!(rig.refused("s.1", headers), code, "{headers:?}");
    }
    assert_eq!(Rig::new(config()).refused("s.1", &[("Nats-Schedule", "bogus"), TARGET]), 10188);
    let without_ttls = StreamConfig { allow_msg_ttl: false, ..scheduling() };
    assert_eq!(Rig::new(without_ttls).refused("s.1", &[FUTURE, TARGET, ("Nats-Schedule-TTL", "5m")]), 10166);
}

#[test]
fn within_a_batch_a_schedule_may_be_set_and_taken_away() {
    let mut rig = Rig::new(StreamConfig { allow_atomic: true, ..scheduling() });
    let end = [("Nats-Schedule-Next", "purge"), ("Nats-Scheduler", "s.1")];
    rig.publish("s.1", &[("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "1"), FUTURE, TARGET], "");
    let commit =
        [("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "2"), ("Nats-Batch-Commit", "1"), end[0], end[1]];
    assert!(matches!(rig.publish("t.1", &commit, ""), Answer::Committed(_)));
    assert_eq!(rig.live(), [2]);
    rig.publish("s.1", &[("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "1")], "");
    assert_eq!(rig.refused("t.1", &commit), 10212);
}

#[test]
fn schedules_are_found_again_after_a_restart() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.once", &[("Nats-Schedule", "@at 2023-11-14T22:15:00Z"), TARGET]);
    rig.store("s.every", &[EVERY_MINUTE, TARGET]);
    rig.pass(60 * SECOND);
    assert_eq!(rig.live(), [1, 2, 3]);
    rig.pass(10 * SECOND);
    rig.restart();
    rig.pass(29 * SECOND);
    assert_eq!(rig.live(), [1, 2, 3]);
    rig.pass(SECOND);
    assert_eq!(rig.live(), [2, 3, 4]);
    rig.pass(20 * SECOND);
    assert_eq!(rig.live(), [2, 3, 4, 5]);
}

#[test]
fn what_was_missed_while_the_broker_was_down_is_published_once() {
    let mut rig = Rig::new(scheduling());
    rig.store("s.every", &[EVERY_MINUTE, TARGET]);
    rig.now += 1_000 * SECOND;
    rig.restart();
    rig.pass(0);
    assert_eq!(rig.live(), [1, 2]);
    assert_eq!(header(&rig, 2, "Nats-Schedule-Next"), "2023-11-14T22:31:00Z");
}

#[test]
fn what_is_published_goes_through_the_streams_transform() {
    let transform = SubjectTransform { src: "t.*".into(), dest: "u.{{wildcard(1)}}".into() };
    let mut rig = Rig::new(StreamConfig { subject_transform: Some(transform), ..scheduling() });
    rig.store("s.1", &[PAST, TARGET]);
    rig.pass(SECOND);
    assert_eq!(rig.message(2).unwrap().subject(), b"u.out");
}

#[test]
fn schedules_long_gone_do_not_pile_up() {
    let mut rig = Rig::new(scheduling());
    for _ in 0..5_000 {
        rig.store("s.1", &[FUTURE, TARGET]);
    }
    assert!(rig.machine.schedules.kept() < 2_000);
}

#[test]
fn a_schedule_that_grows_too_large_is_refused() {
    let schedule = [FUTURE, TARGET];
    let size = super::block(&schedule).len() as i32 + 1;
    let mut rig = Rig::new(StreamConfig { max_msg_size: size, ..scheduling() });
    assert_eq!(rig.refused("s.1", &schedule), 10054);
    let grown = size + "Nats-Rollup: sub\r\n".len() as i32;
    Rig::new(StreamConfig { max_msg_size: grown, ..scheduling() }).store("s.1", &schedule);
}
