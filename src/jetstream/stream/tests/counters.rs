//! Subjects that count.

use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::{Rig, config};
use crate::jetstream::stream::counter::Counter;
use crate::jetstream::stream::turn::Answer;

fn counting() -> Rig {
    Rig::new(StreamConfig { allow_msg_counter: true, ..config() })
}

fn counted(rig: &mut Rig, subject: &str, increment: &str) -> String {
    match rig.publish(subject, &[("Nats-Incr", increment)], "") {
        Answer::Counted { total, .. } => total.into(),
        other => panic!("not counted but {other:?}"),
    }
}

fn error(rig: &mut Rig, headers: &[(&str, &str)], payload: &str) -> u16 {
    match rig.publish("s.a", headers, payload) {
        Answer::Refused(error) => error.err_code,
        other => panic!("not refused but {other:?}"),
    }
}

#[test]
fn each_subject_counts_on_its_own_and_the_last_message_tells_the_total() {
    let mut rig = counting();
    assert_eq!(counted(&mut rig, "s.a", "+5"), "5");
    assert_eq!(counted(&mut rig, "s.b", "1"), "1");
    assert_eq!(counted(&mut rig, "s.a", "-7"), "-2");
    let last = rig.message(3).unwrap();
    assert_eq!(last.payload(), br#"{"val":"-2"}"#);
    assert_eq!(rig.headers(3), "NATS/1.0\r\nNats-Incr: -7\r\n\r\n");
}

#[test]
fn totals_have_no_upper_end() {
    let mut rig = counting();
    counted(&mut rig, "s.a", "99999999999999999999999999");
    assert_eq!(counted(&mut rig, "s.a", "1"), "100000000000000000000000000");
}

#[test]
fn counting_needs_the_streams_leave_an_increment_and_nothing_else() {
    let mut rig = counting();
    assert_eq!(error(&mut rig, &[], ""), 10169);
    assert_eq!(error(&mut rig, &[("Nats-Incr", "")], ""), 10169);
    assert_eq!(error(&mut rig, &[("Nats-Incr", "1.5")], ""), 10171);
    assert_eq!(error(&mut rig, &[("Nats-Incr", "1")], "x"), 10170);
    for (name, value) in
        [("Nats-Rollup", "sub"), ("Nats-Expected-Stream", "S"), ("Nats-Expected-Last-Sequence", "0")]
    {
        assert_eq!(error(&mut rig, &[("Nats-Incr", "1"), (name, value)], ""), 10171, "{name}");
    }
    assert_eq!(error(&mut Rig::new(config()), &[("Nats-Incr", "1")], ""), 10168);
}

#[test]
fn a_counter_that_tells_no_total_is_broken() {
    let mut rig = Rig::new(config());
    rig.store("s.a", &[]);
    let now = rig.now;
    let counting = StreamConfig { allow_msg_counter: true, ..config() };
    rig.machine.reconfigure(counting, &mut rig.log, now).unwrap();
    assert_eq!(error(&mut rig, &[("Nats-Incr", "1")], ""), 10172);
}

#[test]
fn what_an_origin_has_counted_is_counted_once() {
    let mut counter = Counter::default();
    let mut take =
        |stream, subject, payload: &str| counter.take_from(stream, subject, payload.as_bytes()).unwrap();
    assert_eq!(take("A", "a.x", r#"{"val":"5"}"#).to_string(), "5");
    assert_eq!(take("B", "b.x", r#"{"val":"7"}"#).to_string(), "7");
    assert_eq!(take("A", "a.x", r#"{"val":"4"}"#).to_string(), "-1");
    assert!(counter.take_from("A", "a.x", b"5").is_err());
}

#[test]
fn what_origins_have_counted_is_passed_on_to_the_next_message() {
    let mut rig = Rig::new(config());
    let sources = r#"{"A":{"a.x":"5"}}"#;
    rig.publish("s.a", &[("Nats-Counter-Sources", sources)], r#"{"val":"5"}"#);
    let now = rig.now;
    let counting = StreamConfig { allow_msg_counter: true, ..config() };
    rig.machine.reconfigure(counting, &mut rig.log, now).unwrap();
    counted(&mut rig, "s.a", "1");
    assert_eq!(
        rig.headers(2),
        format!("NATS/1.0\r\nNats-Incr: 1\r\nNats-Counter-Sources: {sources}\r\n\r\n")
    );
}
