//! How long messages live, and what they leave behind.

use headwater_protocol::jetstream::stream_config::{Discard, Retention, StreamConfig};

use super::{Rig, SECOND, TICK, config};
use crate::store::MessageLog;

fn with_ttls() -> StreamConfig {
    StreamConfig { allow_msg_ttl: true, ..config() }
}

fn with_markers(ttl: i64) -> StreamConfig {
    StreamConfig { subject_delete_marker_ttl: ttl * SECOND, allow_rollup_hdrs: true, ..with_ttls() }
}

#[test]
fn a_message_goes_when_its_ttl_is_over_and_the_others_stay() {
    let mut rig = Rig::new(with_ttls());
    rig.store("s.a", &[("Nats-TTL", "2")]);
    rig.store("s.b", &[]);
    rig.store("s.c", &[("Nats-TTL", "1m")]);
    rig.pass(2 * SECOND - 1);
    assert_eq!(rig.live(), [1, 2, 3]);
    rig.pass(TICK + 1);
    assert_eq!(rig.live(), [2, 3]);
    rig.pass(60 * SECOND);
    assert_eq!(rig.live(), [2]);
}

#[test]
fn a_ttl_needs_the_streams_leave_and_must_make_sense() {
    let mut rig = Rig::new(config());
    assert_eq!(rig.refused("s.a", &[("Nats-TTL", "5")]), 10166);
    assert_eq!(rig.refused("s.a", &[("Nats-TTL", "soon")]), 10165);
    rig.store("s.a", &[("Nats-TTL", "")]);
    let mut rig = Rig::new(with_ttls());
    assert_eq!(rig.refused("s.a", &[("Nats-TTL", "0")]), 10165);
}

#[test]
fn the_sooner_of_ttl_and_max_age_counts() {
    let mut rig = Rig::new(StreamConfig { max_age: 10 * SECOND, ..with_ttls() });
    rig.store("s.a", &[("Nats-TTL", "1h")]);
    rig.store("s.b", &[("Nats-TTL", "3s")]);
    rig.pass(4 * SECOND);
    assert_eq!(rig.live(), [1]);
    rig.pass(6 * SECOND);
    assert_eq!(rig.live(), [0u64; 0]);
}

#[test]
fn a_message_that_never_ends_outlives_max_age_wherever_it_stands() {
    let mut rig = Rig::new(StreamConfig { max_age: SECOND, ..with_ttls() });
    rig.store("s.a", &[("Nats-TTL", "never")]);
    rig.store("s.b", &[]);
    rig.pass(5 * SECOND);
    rig.store("s.c", &[("Nats-TTL", "never")]);
    rig.store("s.d", &[]);
    rig.pass(5 * SECOND);
    assert_eq!(rig.live(), [1, 3]);
    rig.restart();
    rig.store("s.e", &[]);
    rig.pass(5 * SECOND);
    assert_eq!(rig.live(), [1, 3]);
}

#[test]
fn without_ttls_max_age_removes_the_front() {
    let mut rig = Rig::new(StreamConfig { max_age: 10 * SECOND, ..config() });
    for _ in 0..5 {
        rig.store("s.a", &[]);
        rig.pass(SECOND);
    }
    rig.pass(7 * SECOND);
    assert_eq!(rig.live(), [4, 5]);
    rig.pass(3 * SECOND);
    assert_eq!(rig.live(), [0u64; 0]);
    rig.store("s.a", &[]);
    rig.pass(9 * SECOND);
    assert_eq!(rig.live(), [6]);
    rig.pass(SECOND);
    assert_eq!(rig.live(), [0u64; 0]);
}

#[test]
fn the_end_of_a_subject_leaves_a_marker_that_ends_without_one() {
    let mut rig = Rig::new(StreamConfig { max_age: 10 * SECOND, ..with_markers(60) });
    rig.store("s.a", &[]);
    rig.pass(10 * SECOND);
    assert_eq!(rig.live(), [2]);
    let marker = rig.message(2).unwrap();
    assert_eq!((marker.subject(), marker.payload().len()), (&b"s.a"[..], 0));
    assert_eq!(
        rig.headers(2),
        "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 1m0s\r\nNats-Rollup: sub\r\n\r\n"
    );
    rig.pass(10 * SECOND);
    assert_eq!((rig.live(), rig.log.state().last_seq), (vec![], 2));
}

#[test]
fn a_message_with_others_on_its_subject_leaves_no_marker() {
    let mut rig = Rig::new(with_markers(1));
    rig.store("s.a", &[("Nats-TTL", "2")]);
    rig.store("s.a", &[("Nats-TTL", "1h")]);
    rig.pass(3 * SECOND);
    assert_eq!(rig.live(), [2]);
}

#[test]
fn a_clients_delete_marker_leaves_no_other() {
    let mut rig = Rig::new(with_markers(1));
    rig.store("s.a", &[("Nats-TTL", "2"), ("KV-Operation", "PURGE")]);
    rig.pass(3 * SECOND);
    assert_eq!((rig.live(), rig.log.state().last_seq), (vec![], 1));
}

#[test]
fn a_ttl_below_that_of_markers_is_raised_to_it() {
    let mut rig = Rig::new(with_markers(60));
    rig.store("s.a", &[("Nats-TTL", "1"), ("X", "y")]);
    assert_eq!(rig.headers(1), "NATS/1.0\r\nX: y\r\nNats-TTL: 60\r\n\r\n");
    let mut rig = Rig::new(StreamConfig { max_msgs_per_subject: 1, ..with_markers(60) });
    rig.store("s.a", &[("Nats-TTL", "1")]);
    assert_eq!(rig.headers(1), "NATS/1.0\r\nNats-TTL: 1\r\n\r\n");
}

#[test]
fn where_there_is_no_room_for_a_marker_the_message_goes_all_the_same() {
    let discard = Discard::New;
    let mut rig = Rig::new(StreamConfig { max_msgs: 1, discard, ..with_markers(1) });
    rig.store("s.a", &[("Nats-TTL", "2")]);
    rig.pass(3 * SECOND);
    assert_eq!(rig.live(), [0u64; 0]);
}

#[test]
fn nobodys_marker_is_not_stored_but_the_message_goes() {
    let mut rig = Rig::new(StreamConfig { retention: Retention::Interest, ..with_markers(1) });
    rig.interest = vec!["s.a"];
    rig.store("s.a", &[("Nats-TTL", "2")]);
    rig.interest.clear();
    rig.pass(3 * SECOND);
    assert_eq!((rig.live(), rig.log.state().last_seq), (vec![], 2));
}

#[test]
fn lives_are_learnt_anew_from_what_is_stored() {
    let mut rig = Rig::new(with_ttls());
    rig.store("s.a", &[("Nats-TTL", "5")]);
    rig.store("s.b", &[("Nats-TTL", "50")]);
    rig.store("s.c", &[]);
    rig.now += 10 * SECOND;
    rig.restart();
    rig.pass(0);
    assert_eq!(rig.live(), [2, 3]);
    rig.pass(41 * SECOND);
    assert_eq!(rig.live(), [3]);
}

#[test]
fn ttls_count_from_the_update_that_allows_them() {
    let mut rig = Rig::new(config());
    rig.store("s.a", &[]);
    let now = rig.now;
    rig.machine.reconfigure(with_ttls(), &mut rig.log, now).unwrap();
    rig.store("s.b", &[("Nats-TTL", "1")]);
    rig.pass(2 * SECOND);
    assert_eq!(rig.live(), [1]);
}

#[test]
fn ends_of_messages_long_gone_do_not_pile_up() {
    let mut rig = Rig::new(StreamConfig { max_msgs_per_subject: 1, ..with_ttls() });
    for _ in 0..20_000 {
        rig.store("s.a", &[("Nats-TTL", "240h")]);
        rig.pass(1_000_000);
    }
    assert!(rig.machine.lives.ends_kept() < 10_000, "{}", rig.machine.lives.ends_kept());
}
