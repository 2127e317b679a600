//! A request that nobody listens to is answered at once.

mod kit;

use headwater::server::Options;
use kit::{Broker, MODERN, QUIET};

const ANSWER: &str = "HMSG inbox 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: nowhere\r\n\r\n\r\n";

#[test]
fn a_request_to_nobody_is_answered_with_503() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(MODERN);
    peer.send("SUB inbox 1\r\nPUB nowhere inbox 0\r\n\r\n");
    peer.expect(ANSWER);
}

#[test]
fn the_subscription_to_the_reply_may_have_wildcards() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(MODERN);
    peer.send("SUB inbox.* 1\r\nPUB nowhere inbox.a 0\r\n\r\n");
    peer.expect("HMSG inbox.a 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: nowhere\r\n\r\n\r\n");
}

#[test]
fn only_a_plain_subscription_of_the_same_connection_is_told() {
    let broker = Broker::start(Options::default());
    let mut other = broker.client(MODERN);
    other.send("SUB inbox 1\r\n");
    other.fence();
    let mut peer = broker.client(MODERN);
    peer.send("PUB nowhere inbox 0\r\n\r\nSUB inbox group 1\r\nPUB nowhere inbox 0\r\n\r\n");
    peer.fence();
    other.fence();
}

#[test]
fn nobody_is_told_who_did_not_ask_for_it() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(QUIET);
    peer.send("SUB inbox 1\r\nPUB nowhere inbox 0\r\n\r\n");
    peer.fence();
}

#[test]
fn a_message_without_reply_is_not_answered() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(MODERN);
    peer.send("SUB inbox 1\r\nPUB nowhere 0\r\n\r\n");
    peer.fence();
}

#[test]
fn ones_own_subscription_is_nobody_without_echo() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(&MODERN.replace('{', r#"{"echo":false,"#));
    peer.send("SUB inbox 1\r\nSUB nowhere 2\r\nPUB nowhere inbox 0\r\n\r\n");
    peer.expect(ANSWER);
}

#[test]
fn the_answer_does_not_count_towards_an_auto_unsubscribe() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(MODERN);
    peer.send("SUB inbox 1\r\nUNSUB 1 1\r\nPUB nowhere inbox 0\r\n\r\nPUB nowhere inbox 0\r\n\r\n");
    peer.expect(ANSWER);
    peer.expect(ANSWER);
    peer.send("PUB inbox 1\r\nx\r\n");
    peer.expect("MSG inbox 1 1\r\nx\r\n");
}
