//! Queue groups: each group gets one copy.

mod kit;

use headwater::server::Options;
use kit::{Broker, QUIET};

#[test]
fn each_group_and_each_plain_subscription_gets_one_copy() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(QUIET);
    peer.send("SUB a one 1\r\nSUB a one 2\r\nSUB a two 3\r\nSUB a 4\r\n");
    peer.send("PUB a 0\r\n\r\nPING\r\n");
    let mut sids: Vec<String> = Vec::new();
    loop {
        let line = peer.line();
        if line == "PONG" {
            break;
        }
        sids.extend(line.split(' ').nth(2).map(str::to_owned));
    }
    sids.sort();
    assert!(sids == ["1", "3", "4"] || sids == ["2", "3", "4"], "{sids:?}");
}

#[test]
fn the_members_share_the_work() {
    let broker = Broker::start(Options::default());
    let mut members: Vec<_> = (0..4).map(|_| broker.client(QUIET)).collect();
    for member in &mut members {
        member.send("SUB work crew 1\r\n");
        member.fence();
    }
    let mut sender = broker.client(QUIET);
    sender.send(&"PUB work 1\r\nx\r\n".repeat(1000));
    sender.fence();
    let counts: Vec<u64> =
        broker.server().clients().all().iter().map(|client| client.traffic().out_msgs).take(4).collect();
    assert_eq!(counts.iter().sum::<u64>(), 1000);
    assert!(counts.iter().all(|count| *count > 150), "{counts:?}");
}

#[test]
fn a_group_spans_different_subjects() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(QUIET);
    peer.send("SUB a.* crew 1\r\nSUB a.b crew 1b\r\nSUB a.> crew 1c\r\nPUB a.b 0\r\n\r\nPING\r\n");
    assert!(peer.line().starts_with("MSG a.b 1"));
    peer.expect("\r\nPONG\r\n");
}

#[test]
fn the_last_member_that_leaves_takes_the_group_along() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(QUIET);
    peer.send("SUB a crew 1\r\nSUB a crew 2\r\nUNSUB 1\r\nPUB a 0\r\n\r\n");
    peer.expect("MSG a 2 0\r\n\r\n");
    peer.send("UNSUB 2\r\nPUB a 0\r\n\r\n");
    peer.fence();
}

#[test]
fn a_member_with_auto_unsubscribe_leaves_after_its_share() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(QUIET);
    peer.send("SUB a crew 1\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n");
    peer.expect("MSG a 1 0\r\n\r\n");
    peer.fence();
}
