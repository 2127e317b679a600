//! What a link takes over, passes over and confirms.

use headwater_protocol::headers::{HeaderBuilder, names};
use proptest::prelude::*;

use super::{MOMENT, Rig, confirmed, origin_named};
use crate::jetstream::sourcing::{Command, Receipt};

fn heartbeat(last_delivery: u64, stalled: &str) -> Vec<u8> {
    let block = HeaderBuilder::status(100, "Idle Heartbeat").add_u64(names::LAST_CONSUMER, last_delivery);
    match stalled {
        "" => block,
        subject => block.add(names::CONSUMER_STALLED, subject.as_bytes()),
    }
    .finish()
}

#[test]
fn messages_are_taken_over_in_the_order_of_their_deliveries() {
    let mut rig = Rig::source(origin_named("O"));
    rig.grant(0, "one");
    assert!(rig.takes(1, 1) && rig.takes(2, 2) && rig.takes(3, 7));
    assert_eq!((rig.link.seq(), rig.link.identity()), (7, "one"));
    assert!(rig.commands().is_empty());
}

#[test]
fn a_mirror_passes_over_what_its_origin_has_removed() {
    let mut rig = Rig::mirror(origin_named("O"));
    assert_eq!(rig.grant(41, ""), Some(41));
    assert!(rig.takes(1, 42) && rig.takes(2, 50));
    rig.log.last_seq = 50;
    assert_eq!(rig.link.seq(), 50);
}

#[test]
fn what_is_known_already_is_taken_over_only_once() {
    let mut rig = Rig::source_at(origin_named("O"), 5, "one");
    rig.grant(3, "one");
    assert_eq!(rig.deliver(1, 4, 2), Receipt::Ignore);
    assert_eq!(rig.deliver(2, 5, 1), Receipt::Ignore);
    assert!(rig.takes(3, 6));
    assert!(rig.commands().is_empty());
}

#[test]
fn a_missing_delivery_makes_the_link_ask_for_what_follows_the_last_that_came() {
    let mut rig = Rig::source(origin_named("O"));
    rig.grant(0, "");
    assert!(rig.takes(1, 1));
    assert_eq!(rig.deliver(3, 3, 0), Receipt::Ignore);
    assert_eq!(rig.commands(), [Command::StopListening]);
    assert_eq!(rig.deliver(4, 4, 0), Receipt::Ignore);
    assert_eq!(rig.wanted_consumer().opt_start_seq, 2);
}

#[test]
fn a_heartbeat_that_tells_of_more_deliveries_than_came_makes_the_link_ask_again() {
    let mut rig = Rig::source(origin_named("O"));
    rig.grant(0, "");
    assert!(rig.takes(1, 1));
    assert_eq!(rig.receive("", &heartbeat(1, ""), b""), Receipt::Ignore);
    assert!(rig.commands().is_empty());
    assert_eq!(rig.receive("", &heartbeat(2, ""), b""), Receipt::Ignore);
    assert_eq!(rig.commands(), [Command::StopListening]);
}

#[test]
fn flow_control_is_confirmed_with_the_position_taken_over() {
    let mut rig = Rig::mirror(origin_named("O"));
    rig.grant(0, "");
    assert!(rig.takes(1, 1) && rig.takes(2, 5));
    let request = HeaderBuilder::status(100, "FlowControl Request").finish();
    let receipt = rig.receive("$JS.FC.O.C.x", &request, b"");
    assert_eq!(confirmed(&receipt), ("$JS.FC.O.C.x".into(), "2".into(), "5".into()));
    let receipt = rig.receive("", &heartbeat(2, "$JS.FC.O.C.y"), b"");
    assert_eq!(confirmed(&receipt), ("$JS.FC.O.C.y".into(), "2".into(), "5".into()));
}

#[test]
fn deliveries_of_another_consumer_and_second_deliveries_mean_nothing() {
    let mut rig = Rig::source(origin_named("O"));
    rig.grant(0, "");
    for reply in ["$JS.ACK.O.D.1.1.1.77.0", "$JS.ACK.O.C.2.1.1.77.0", "inbox", ""] {
        assert_eq!(rig.receive(reply, b"", b"x"), Receipt::Ignore, "{reply}");
    }
    assert!(rig.takes(1, 1));
}

#[test]
fn the_lag_is_what_follows_the_last_delivery() {
    let mut rig = Rig::source(origin_named("O"));
    let before = rig.link.info(rig.now);
    assert_eq!((before.active, before.lag, before.seq), (-1, 0, 0));
    rig.grant(0, "");
    rig.deliver(1, 3, 100);
    rig.now += MOMENT;
    let after = rig.link.info(rig.now);
    assert_eq!((after.active, after.lag, after.seq), (MOMENT, 99, 3));
    assert!(!rig.link.has_caught_up());
    rig.deliver(2, 4, 0);
    assert_eq!(rig.link.info(rig.now).lag, 0);
    assert!(rig.link.has_caught_up());
}

proptest! {
    #[test]
    fn nothing_that_comes_makes_a_link_fall(
        replies in proptest::collection::vec("(\\$JS\\.ACK\\.O\\.C\\.1\\.[0-9]{1,20}\\.[0-9]{1,20}\\.7\\.[0-9]{1,20})|[a-z$.]{0,20}", 0..20),
        block in proptest::collection::vec(any::<u8>(), 0..60),
        answer in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut rig = Rig::mirror(origin_named("O"));
        let (number, _) = rig.request_within(MOMENT).unwrap();
        rig.answer(number, &block, &answer);
        rig.grant(1 << 60, "");
        for reply in replies {
            rig.receive(&reply, &block, b"x");
            rig.receive(&reply, &block, b"");
        }
        rig.pass(1_000_000_000_000);
    }
}
