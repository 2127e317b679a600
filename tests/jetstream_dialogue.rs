//! JetStream as a client on the wire sees it, where no client library shows it.

#[path = "interop/broker.rs"]
#[allow(dead_code)]
mod broker;
mod kit;

use broker::Broker;
use kit::{MODERN, Peer};

/// A peer of the broker that has subscribed to `inbox`.
fn peer(broker: &Broker, connect: &str) -> Peer {
    let mut peer = Peer::dial(([127, 0, 0, 1], broker.port()).into());
    peer.read_info();
    peer.send(&format!("CONNECT {connect}\r\nSUB inbox 1\r\n"));
    peer.fence();
    peer
}

/// Sends a request and returns the body of the answer.
fn ask(peer: &mut Peer, subject: &str, body: &str) -> String {
    peer.send(&format!("PUB {subject} inbox {}\r\n{body}\r\n", body.len()));
    assert!(peer.line().starts_with("MSG "));
    peer.line()
}

#[test]
fn a_put_into_a_bucket_may_come_with_the_prefix_of_the_domain() {
    let broker = Broker::under_test_with("jetstream { domain: hub }");
    let mut peer = peer(&broker, MODERN);
    ask(&mut peer, "$JS.hub.API.STREAM.CREATE.KV_b", r#"{"name":"KV_b","subjects":["$KV.b.>"]}"#);
    let ack = ask(&mut peer, "$JS.hub.API.$KV.b.key", "value");
    assert_eq!(ack, r#"{"stream":"KV_b","domain":"hub","seq":1}"#);
    let found = ask(&mut peer, "$JS.hub.API.STREAM.MSG.GET.KV_b", r#"{"last_by_subj":"$KV.b.key"}"#);
    assert!(found.contains(r#""subject":"$KV.b.key""#), "{found}");
}

const ACCOUNTS: &str = "jetstream {}
    system_account: SYS
    accounts { SYS { users: [{user: sys, password: p}] }, A { jetstream: true, users: [{user: a, password: p}] } }";

fn login(user: &str) -> String {
    format!(r#"{{"verbose":false,"headers":true,"no_responders":true,"user":"{user}","pass":"p"}}"#)
}

#[test]
fn operators_may_purge_an_account() {
    let broker = Broker::under_test_with(ACCOUNTS);
    let (mut sys, mut user) = (peer(&broker, &login("sys")), peer(&broker, &login("a")));
    ask(&mut user, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    let answer = ask(&mut sys, "$JS.API.ACCOUNT.PURGE.A", "");
    assert_eq!(answer, r#"{"type":"io.nats.jetstream.api.v1.account_purge_response","initiated":true}"#);
    let names = ask(&mut user, "$JS.API.STREAM.NAMES", "");
    assert!(names.contains(r#""streams":null"#), "{names}");
}

#[test]
fn users_may_not_purge_an_account() {
    let broker = Broker::under_test_with(ACCOUNTS);
    let mut user = peer(&broker, &login("a"));
    ask(&mut user, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    user.send("PUB $JS.API.ACCOUNT.PURGE.A inbox 0\r\n\r\n");
    user.fence();
    let names = ask(&mut user, "$JS.API.STREAM.NAMES", "");
    assert!(names.contains(r#""streams":["S"]"#), "{names}");
}
