//! Messages of other streams: a mirror's copies, and what comes from sources.

use headwater_protocol::headers;
use headwater_protocol::jetstream::stream_config::{Discard, StreamConfig};
use headwater_protocol::jetstream::stream_source::StreamSource;

use super::{Rig, SECOND, block, config};
use crate::clock::UnixNanos;
use crate::jetstream::stream::counter::Counter;
use crate::jetstream::stream::take_over::{Foreign, Taken};
use crate::jetstream::stream::{Ingest, Refusal};
use crate::store::MessageLog;

fn mirror() -> StreamConfig {
    StreamConfig { subjects: Vec::new(), mirror: Some(StreamSource::default()), ..config() }
}

fn take(
    rig: &mut Rig,
    copy_of: Option<(u64, UnixNanos)>,
    headers: &[(&str, &str)],
    payload: &str,
) -> Result<Taken, Refusal> {
    let block = block(headers);
    let message = Ingest { subject: b"s.a", headers: &block, payload: payload.as_bytes() };
    let foreign = Foreign { message, copy_of, counted_as: ("O", "o.a") };
    rig.turn(|machine, turn| machine.take_over(turn, &foreign))
}

fn stored(seq: u64) -> Taken {
    Taken::Stored { seq }
}

#[test]
fn a_copy_keeps_its_sequence_and_its_time() {
    let mut rig = Rig::new(mirror());
    assert_eq!(take(&mut rig, Some((7, 11)), &[], "x").unwrap(), stored(7));
    assert_eq!(take(&mut rig, Some((9, 12)), &[], "x").unwrap(), stored(9));
    let state = rig.log.state();
    assert_eq!((state.first_seq, state.first_ts, state.last_seq, state.last_ts), (7, 11, 9, 12));
    assert_eq!(rig.live(), [7, 9]);
}

#[test]
fn what_the_origin_no_longer_has_is_passed_over() {
    let mut rig = Rig::new(mirror());
    rig.turn(|machine, turn| machine.pass_over(turn, 40)).unwrap();
    assert_eq!((rig.log.state().first_seq, rig.log.state().last_seq), (41, 40));
    assert_eq!(take(&mut rig, Some((41, 1)), &[], "x").unwrap(), stored(41));
}

#[test]
fn a_mirror_has_what_its_origin_has_and_a_source_does_not_repeat_an_id() {
    let id = [("Nats-Msg-Id", "one")];
    let mut rig = Rig::new(mirror());
    take(&mut rig, Some((1, 1)), &id, "x").unwrap();
    assert_eq!(take(&mut rig, Some((2, 1)), &id, "x").unwrap(), stored(2));
    let mut rig = Rig::new(config());
    take(&mut rig, None, &id, "x").unwrap();
    assert_eq!(take(&mut rig, None, &id, "x").unwrap(), Taken::PassedOver);
}

#[test]
fn what_the_stream_does_not_allow_is_stored_and_has_no_effect() {
    let mut rig = Rig::new(config());
    let headers = [("Nats-Rollup", "all"), ("Nats-TTL", "1"), ("Nats-Incr", "5"), ("Nats-Schedule", "@at x")];
    take(&mut rig, None, &headers, "x").unwrap();
    assert_eq!(take(&mut rig, None, &headers, "x").unwrap(), stored(2));
    rig.pass(5 * SECOND);
    assert_eq!(rig.live(), [1, 2]);
    assert!(rig.headers(2).contains("Nats-Rollup: all\r\nNats-TTL: 1\r\nNats-Incr: 5\r\n"));
}

#[test]
fn a_rollup_and_a_life_of_its_own_count_where_they_are_allowed() {
    let mut rig = Rig::new(StreamConfig { allow_rollup_hdrs: true, allow_msg_ttl: true, ..mirror() });
    let now = rig.now;
    take(&mut rig, Some((1, now)), &[], "x").unwrap();
    take(&mut rig, Some((2, now)), &[("Nats-Rollup", "sub")], "x").unwrap();
    assert_eq!(rig.live(), [2]);
    // Half of its life was over when it came.
    take(&mut rig, Some((3, now - 5 * SECOND)), &[("Nats-TTL", "10")], "x").unwrap();
    rig.pass(4 * SECOND);
    assert_eq!(rig.live(), [2, 3]);
    rig.pass(2 * SECOND);
    assert_eq!(rig.live(), [2]);
}

#[test]
fn a_full_stream_that_discards_new_messages_refuses() {
    let mut rig = Rig::new(StreamConfig { max_msgs: 1, discard: Discard::New, ..config() });
    take(&mut rig, None, &[], "x").unwrap();
    assert!(matches!(take(&mut rig, None, &[], "x"), Err(Refusal::MaxMsgs)));
}

#[test]
fn a_full_stream_that_discards_old_messages_makes_room() {
    let mut rig = Rig::new(StreamConfig { max_msgs: 2, ..mirror() });
    for seq in [3, 5, 6] {
        take(&mut rig, Some((seq, 1)), &[], "x").unwrap();
    }
    assert_eq!(rig.live(), [5, 6]);
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let mut rig = Rig::new(StreamConfig { max_msg_size: 3, ..mirror() });
    assert!(matches!(take(&mut rig, Some((1, 1)), &[], "four"), Err(Refusal::MessageTooLarge)));
}

#[test]
fn a_counter_adds_what_its_source_has_come_to_since() {
    let mut rig = Rig::new(StreamConfig { allow_msg_counter: true, ..config() });
    take(&mut rig, None, &[("Nats-Incr", "5")], r#"{"val":"5"}"#).unwrap();
    // Two increments of 2 and 3, of which only the last message was left.
    take(&mut rig, None, &[("Nats-Incr", "3")], r#"{"val":"10"}"#).unwrap();
    let counter = Counter::read(&rig.log, b"s.a").unwrap();
    assert_eq!(counter.total.to_string(), "10");
    assert_eq!(counter.sources["O"]["o.a"], "10");
    let message = rig.message(2).unwrap();
    assert_eq!(headers::get(message.headers(), b"Nats-Incr"), Some(&b"5"[..]));
    assert!(matches!(take(&mut rig, None, &[], "x"), Err(Refusal::IncrementMissing)));
}

#[test]
fn what_nobody_wants_takes_a_sequence_and_no_room() {
    use headwater_protocol::jetstream::stream_config::Retention;
    let mut rig = Rig::new(StreamConfig { retention: Retention::Interest, ..config() });
    assert_eq!(take(&mut rig, None, &[], "x").unwrap(), Taken::PassedOver);
    rig.interest = vec!["s.a"];
    assert_eq!(take(&mut rig, None, &[], "x").unwrap(), stored(2));
}
