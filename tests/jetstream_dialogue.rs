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
    let head = peer.line();
    assert!(head.starts_with("MSG "), "{subject}: {head}");
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
    format!(
        r#"{{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"user":"{user}","pass":"p"}}"#
    )
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

#[test]
fn a_push_consumer_is_answered_before_it_delivers() {
    let broker = Broker::under_test_with("jetstream {}");
    let mut peer = peer(&broker, MODERN);
    ask(&mut peer, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    ask(&mut peer, "s", "first");
    peer.send("SUB here 2\r\n");
    let config = r#"{"stream_name":"S","config":{"deliver_subject":"here"}}"#;
    let answer = ask(&mut peer, "$JS.API.CONSUMER.CREATE.S", config);
    assert!(answer.contains(r#""type":"io.nats.jetstream.api.v1.consumer_create_response""#), "{answer}");
    assert!(peer.line().starts_with("MSG s 2 "));
    assert_eq!(peer.line(), "first");
}

#[test]
fn a_consumer_with_a_filter_is_made_through_an_import() {
    let broker = Broker::under_test_with(
        "jetstream {}
        accounts {
            A { jetstream: true, users: [{user: a, password: p}], exports: [{service: '$JS.API.>'}] }
            B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: '$JS.API.>'}, to: 'js.>'}] }
        }",
    );
    let mut peer = peer(&broker, &login("b"));
    ask(&mut peer, "js.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
    let config = r#"{"stream_name":"S","config":{"name":"C","filter_subject":"s.*.>"}}"#;
    let answer = ask(&mut peer, "js.CONSUMER.CREATE.S.C.s.*.>", config);
    assert!(answer.contains(r#""filter_subject":"s.*.>""#), "{answer}");
}

/// An account without JetStream, which imports what it may know of another's.
const GUEST: &str = "jetstream {}
    accounts {
        A { jetstream: true, users: [{user: a, password: p}], exports: [{service: '$JS.API.INFO'}] }
        B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: '$JS.API.INFO'}}] }
        C { users: [{user: c, password: p}] }
    }";
const NO_RESPONDERS: &str = "NATS/1.0 503";

#[test]
fn an_account_that_imports_account_info_is_told_that_nobody_answers_the_rest() {
    let broker = Broker::under_test_with(GUEST);
    let mut peer = peer(&broker, &login("b"));
    peer.send("PUB $JS.API.CONSUMER.INFO.S.C inbox 0\r\n\r\n");
    assert!(peer.line().starts_with("HMSG inbox 1 "));
    assert_eq!(peer.line(), NO_RESPONDERS);
}

#[test]
fn nobody_answers_pulls_and_direct_gets_in_an_account_without_jetstream() {
    let broker = Broker::under_test_with(GUEST);
    let refused = ask(&mut peer(&broker, &login("c")), "$JS.API.CONSUMER.INFO.S.C", "");
    assert!(refused.contains(r#""err_code":10039"#), "{refused}");
    for subject in ["$JS.API.CONSUMER.MSG.NEXT.S.C", "$JS.API.DIRECT.GET.S"] {
        let mut peer = peer(&broker, &login("c"));
        peer.send(&format!("PUB {subject} inbox 0\r\n\r\n"));
        assert!(peer.line().starts_with("HMSG inbox 1 "));
        assert_eq!(peer.line(), NO_RESPONDERS, "{subject}");
    }
}

#[test]
fn a_consumer_goes_on_when_a_limit_removes_what_it_waited_for() {
    let broker = Broker::under_test_with("jetstream {}");
    let mut peer = peer(&broker, MODERN);
    ask(&mut peer, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"],"max_msgs":2}"#);
    let config = r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","max_ack_pending":1,"filter_subject":"s.a"}}"#;
    ask(&mut peer, "$JS.API.CONSUMER.CREATE.S.C", config);
    ask(&mut peer, "s.a", "first");
    ask(&mut peer, "s.a", "second");
    peer.send("SUB pulled 2\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.C pulled 11\r\n{\"batch\":2}\r\n");
    assert!(peer.line().starts_with("MSG s.a 2 "));
    assert_eq!(peer.line(), "first");
    // Not for the consumer, but the first message has to make room for it.
    peer.send("PUB s.b 5\r\nother\r\n");
    assert!(peer.line().starts_with("MSG s.a 2 "));
    assert_eq!(peer.line(), "second");
}

/// The sequence that a stream's answer begins its state with.
fn first_seq(info: &str) -> &str {
    let (_, rest) = info.split_once(r#""first_seq":"#).expect("a state");
    rest.split(',').next().unwrap_or_default()
}

#[test]
fn an_empty_stream_begins_at_one_once_it_was_purged_or_lost_its_last_consumer() {
    let broker = Broker::under_test_with("jetstream {}");
    let mut peer = peer(&broker, MODERN);
    let stream = r#"{"name":"S","subjects":["s"],"retention":"interest"}"#;
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}"#;
    let changes = [
        ("STREAM.PURGE.S", r#"{"seq":1}"#, "0"),
        ("STREAM.PURGE.S", "", "1"),
        ("CONSUMER.DELETE.S.C", "", "1"),
    ];
    for (subject, body, begins_at) in changes {
        ask(&mut peer, "$JS.API.STREAM.CREATE.S", stream);
        ask(&mut peer, "$JS.API.CONSUMER.CREATE.S.C", consumer);
        ask(&mut peer, &format!("$JS.API.{subject}"), body);
        let info = ask(&mut peer, "$JS.API.STREAM.INFO.S", "");
        assert_eq!(first_seq(&info), begins_at, "{subject} {body}");
        ask(&mut peer, "$JS.API.STREAM.DELETE.S", "");
    }
}

#[test]
fn an_empty_stream_begins_at_one_once_it_lost_a_consumer_that_was_ahead_of_it() {
    let broker = Broker::under_test_with("jetstream {}");
    let mut peer = peer(&broker, MODERN);
    ask(&mut peer, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"],"retention":"interest"}"#);
    for name in ["AHEAD", "BEHIND", "LEFT"] {
        let consumer =
            format!(r#"{{"stream_name":"S","config":{{"durable_name":"{name}","ack_policy":"explicit"}}}}"#);
        ask(&mut peer, &format!("$JS.API.CONSUMER.CREATE.S.{name}"), &consumer);
    }
    ask(&mut peer, "$JS.API.CONSUMER.RESET.S.AHEAD", r#"{"seq":5}"#);
    for (name, begins_at) in [("BEHIND", "0"), ("AHEAD", "1")] {
        ask(&mut peer, &format!("$JS.API.CONSUMER.DELETE.S.{name}"), "");
        let info = ask(&mut peer, "$JS.API.STREAM.INFO.S", "");
        assert_eq!(first_seq(&info), begins_at, "without {name}");
    }
}

#[test]
fn a_consumer_that_is_sent_beyond_the_end_has_acknowledged_nothing() {
    let broker = Broker::under_test_with("jetstream {}");
    let mut peer = peer(&broker, MODERN);
    ask(&mut peer, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"],"retention":"interest"}"#);
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}"#;
    ask(&mut peer, "$JS.API.CONSUMER.CREATE.S.C", consumer);
    ask(&mut peer, "s", "first");
    ask(&mut peer, "$JS.API.CONSUMER.RESET.S.C", r#"{"seq":3}"#);
    let info = ask(&mut peer, "$JS.API.STREAM.INFO.S", "");
    assert!(info.contains(r#""messages":1"#), "{info}");
    ask(&mut peer, "$JS.API.CONSUMER.RESET.S.C", r#"{"seq":2}"#);
    let info = ask(&mut peer, "$JS.API.STREAM.INFO.S", "");
    assert!(info.contains(r#""messages":0"#), "{info}");
}

#[test]
fn a_change_of_a_consumer_releases_nothing_unless_its_filter_changes() {
    let broker = Broker::under_test_with("jetstream {}");
    let mut peer = peer(&broker, MODERN);
    ask(&mut peer, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"],"retention":"interest"}"#);
    let consumer = |filter: &str, wait: u32| {
        format!(
            r#"{{"stream_name":"S","config":{{"durable_name":"C","ack_policy":"explicit","filter_subject":"{filter}","ack_wait":{wait}}}}}"#
        )
    };
    // It begins behind the message, which is stored for it nevertheless.
    let ahead = r#"{"stream_name":"S","config":{"durable_name":"A","ack_policy":"explicit","deliver_policy":"by_start_sequence","opt_start_seq":2}}"#;
    ask(&mut peer, "$JS.API.CONSUMER.CREATE.S.A", ahead);
    ask(&mut peer, "s.a", "first");
    for (body, messages) in
        [(consumer("s.b", 1000), 1), (consumer("s.b", 2000), 1), (consumer("s.c", 2000), 0)]
    {
        ask(&mut peer, "$JS.API.CONSUMER.CREATE.S.C", &body);
        let info = ask(&mut peer, "$JS.API.STREAM.INFO.S", "");
        assert!(info.contains(&format!(r#""messages":{messages},"#)), "{body}: {info}");
    }
}

#[test]
fn a_rollup_takes_consumers_along_even_if_it_removes_nothing() {
    let broker = Broker::under_test_with("jetstream {}");
    let mut peer = peer(&broker, MODERN);
    let stream = r#"{"name":"S","subjects":["s.>"],"retention":"interest","allow_rollup_hdrs":true}"#;
    ask(&mut peer, "$JS.API.STREAM.CREATE.S", stream);
    let consumer =
        r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","filter_subject":"s.a"}}"#;
    ask(&mut peer, "$JS.API.CONSUMER.CREATE.S.C", consumer);
    peer.send("HPUB s.b inbox 30 31\r\nNATS/1.0\r\nNats-Rollup: all\r\n\r\nx\r\n");
    assert!(peer.line().starts_with("MSG inbox 1 "));
    peer.line();
    let info = ask(&mut peer, "$JS.API.CONSUMER.INFO.S.C", "");
    assert!(info.contains(r#""delivered":{"consumer_seq":0,"stream_seq":1}"#), "{info}");
}
