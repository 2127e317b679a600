//! The client protocol as a client sees it: operations, `+OK`, order.

mod kit;

use headwater::server::Options;
use kit::{Broker, MODERN, QUIET};

fn broker() -> Broker {
    Broker::start(Options::default())
}

#[test]
fn before_connect_a_client_is_verbose_and_may_do_everything() {
    let broker = broker();
    let mut peer = broker.peer();
    peer.send("SUB foo 1\r\n");
    peer.expect("+OK\r\n");
    peer.send("PUB foo 5\r\nhello\r\n");
    peer.expect("+OK\r\nMSG foo 1 5\r\nhello\r\n");
}

#[test]
fn connect_is_answered_unless_the_client_is_not_verbose() {
    let broker = broker();
    let mut peer = broker.peer();
    peer.send("CONNECT {}\r\nPING\r\n");
    peer.expect("+OK\r\nPONG\r\n");
    peer.send("CONNECT {\"verbose\":false}\r\nPING\r\n");
    peer.expect("PONG\r\n");
    peer.send("SUB a 1\r\nPUB a 0\r\n\r\nUNSUB 1\r\nPING\r\n");
    peer.expect("MSG a 1 0\r\n\r\nPONG\r\n");
}

#[test]
fn connect_takes_null_and_names_in_any_case() {
    let broker = broker();
    let mut peer = broker.peer();
    peer.send("CONNECT null\r\n");
    peer.expect("+OK\r\n");
    peer.send("CONNECT {\"VERBOSE\":false}\r\nPING\r\n");
    peer.expect("PONG\r\n");
}

#[test]
fn verbs_come_in_any_case_and_blanks_in_any_number() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("sub \t foo  \t 1\r\nPub foo   2\r\nhi\r\nPiNg\r\n");
    peer.expect("MSG foo 1 2\r\nhi\r\nPONG\r\n");
}

#[test]
fn a_line_may_end_with_lf_alone() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("SUB foo 1\nPUB foo 2\nhi\r\nPING\n");
    peer.expect("MSG foo 1 2\r\nhi\r\nPONG\r\n");
}

#[test]
fn a_ping_is_answered_whatever_follows_it() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("PINGPING\r\nPING hello\r\nPING\n");
    peer.send(&format!("PING {}\r\n", "a".repeat(6000)));
    peer.expect("PONG\r\nPONG\r\nPONG\r\nPONG\r\n");
    peer.send("PONG\r\nPONG x\r\nINFO {}\r\n+OK\r\nPING\r\n");
    peer.expect("PONG\r\n");
}

#[test]
fn the_size_is_told_as_it_was_written() {
    let broker = broker();
    let mut peer = broker.client(MODERN);
    peer.send("SUB a 1\r\nPUB a 002\r\nhi\r\nHPUB a 012 0014\r\nNATS/1.0\r\n\r\nhi\r\nPUB a 0\r\n\r\n");
    peer.expect("MSG a 1 002\r\nhi\r\nHMSG a 1 012 0014\r\nNATS/1.0\r\n\r\nhi\r\nMSG a 1 0\r\n\r\n");
}

#[test]
fn the_reply_subject_is_passed_on() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("SUB a 1\r\nPUB a answer.here 1\r\nx\r\n");
    peer.expect("MSG a 1 answer.here 1\r\nx\r\n");
}

#[test]
fn a_sid_is_any_token() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("SUB a my-sub\r\nPUB a 1\r\nx\r\nUNSUB my-sub\r\nPUB a 1\r\nx\r\nPING\r\n");
    peer.expect("MSG a my-sub 1\r\nx\r\nPONG\r\n");
}

#[test]
fn a_sid_in_use_keeps_its_subscription() {
    let broker = broker();
    let mut peer = broker.client("{}");
    peer.send("SUB first 1\r\nSUB second 1\r\n");
    peer.expect("+OK\r\n+OK\r\n");
    peer.send("PUB first 1\r\nx\r\nPUB second 1\r\nx\r\n");
    peer.expect("+OK\r\nMSG first 1 1\r\nx\r\n+OK\r\n");
    peer.fence();
}

#[test]
fn every_operation_is_acknowledged_before_what_it_causes() {
    let broker = broker();
    let mut peer = broker.client("{}");
    peer.send("SUB a 1\r\nPUB a 1\r\nx\r\nUNSUB 1 5\r\nUNSUB 1\r\nUNSUB unknown\r\nPING\r\n");
    peer.expect("+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n+OK\r\n+OK\r\n+OK\r\nPONG\r\n");
}

#[test]
fn wildcards_reach_what_they_should() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("SUB a.* one\r\nSUB a.> rest\r\nSUB *.b mid\r\nSUB a.b exact\r\nSUB a*.b literal\r\n");
    peer.send("PUB a.b 0\r\n\r\n");
    peer.expect_all(&[
        "MSG a.b one 0\r\n\r\n",
        "MSG a.b rest 0\r\n\r\n",
        "MSG a.b mid 0\r\n\r\n",
        "MSG a.b exact 0\r\n\r\n",
    ]);
    peer.send("PUB a.b.c 0\r\n\r\n");
    peer.expect("MSG a.b.c rest 0\r\n\r\n");
    peer.send("PUB a 0\r\n\r\nPUB a*.b 0\r\n\r\n");
    peer.expect_all(&["MSG a*.b mid 0\r\n\r\n", "MSG a*.b literal 0\r\n\r\n"]);
    peer.fence();
}

#[test]
fn a_published_wildcard_is_an_ordinary_token() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("SUB foo.* wide\r\nSUB foo.bar narrow\r\nPUB foo.* 0\r\n\r\n");
    peer.expect("MSG foo.* wide 0\r\n\r\n");
    peer.fence();
}

#[test]
fn a_subject_with_an_empty_token_reaches_nobody() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("SUB > 1\r\nPUB a..b 0\r\n\r\nPUB .a 0\r\n\r\nPUB a. 0\r\n\r\n");
    peer.fence();
}

#[test]
fn an_auto_unsubscribe_counts_from_the_subscription_on() {
    let broker = broker();
    let own = broker.server().accounts().global().subscription_count();
    let mut peer = broker.client(QUIET);
    peer.send("SUB a 1\r\nPUB a 0\r\n\r\nUNSUB 1 2\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\nPING\r\n");
    peer.expect("MSG a 1 0\r\n\r\nMSG a 1 0\r\n\r\nPONG\r\n");
    peer.send("SUB a 2\r\nPUB a 0\r\n\r\nUNSUB 2 1\r\nPUB a 0\r\n\r\nPING\r\n");
    peer.expect("MSG a 2 0\r\n\r\nPONG\r\n");
    assert_eq!(broker.server().accounts().global().subscription_count(), own);
}

#[test]
fn an_unsub_count_that_is_no_number_ends_the_subscription_at_once() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    for count in ["x", "-1", "+1", "99999999999999", "0"] {
        peer.send(&format!("SUB a 1\r\nUNSUB 1 {count}\r\nPUB a 0\r\n\r\n"));
        peer.fence();
    }
}

#[test]
fn without_echo_a_client_does_not_get_its_own_messages() {
    let broker = broker();
    let mut other = broker.client(QUIET);
    other.send("SUB a 9\r\n");
    other.fence();
    let mut peer = broker.client(r#"{"verbose":false,"echo":false}"#);
    peer.send("SUB a 1\r\nSUB a q 2\r\nPUB a 0\r\n\r\n");
    peer.fence();
    other.expect("MSG a 9 0\r\n\r\n");
    other.send("PUB a 0\r\n\r\n");
    other.expect("MSG a 9 0\r\n\r\n");
    peer.expect_all(&["MSG a 1 0\r\n\r\n", "MSG a 2 0\r\n\r\n"]);
}

#[test]
fn headers_are_passed_on_untouched() {
    let broker = broker();
    let mut peer = broker.client(MODERN);
    peer.send("SUB a 1\r\nHPUB a r 19 21\r\nNATS/1.0\r\nA: B \r\n\r\nhi\r\n");
    peer.expect("HMSG a 1 r 19 21\r\nNATS/1.0\r\nA: B \r\n\r\nhi\r\n");
    peer.send("HPUB a 4 6\r\njunkhi\r\n");
    peer.expect("HMSG a 1 4 6\r\njunkhi\r\n");
}

#[test]
fn an_empty_header_block_makes_a_plain_message() {
    let broker = broker();
    let mut peer = broker.client(MODERN);
    peer.send("SUB foo 1\r\nHPUB foo 0 2\r\nhi\r\n");
    peer.expect("MSG foo 1 2\r\nhi\r\n");
}

#[test]
fn a_client_without_headers_gets_the_payload_alone() {
    let broker = broker();
    let mut old = broker.client(QUIET);
    old.send("SUB a 1\r\n");
    old.fence();
    let mut modern = broker.client(MODERN);
    modern.send("HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    old.expect("MSG a 1 r 2\r\nhi\r\n");
}

#[test]
fn operations_may_come_byte_by_byte() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    for byte in b"SUB a 1\r\nPUB a 11\r\nhello\r\nthe\n\r\nPING\r\n" {
        peer.send_bytes(&[*byte]);
    }
    peer.expect("MSG a 1 11\r\nhello\r\nthe\n\r\nPONG\r\n");
}

#[test]
fn a_large_message_in_pieces_arrives_whole() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    let payload = "0123456789abcdef".repeat(60_000);
    peer.send("SUB big 1\r\n");
    peer.send(&format!("PUB big {}\r\n{payload}\r\nPING\r\n", payload.len()));
    peer.expect(&format!("MSG big 1 {}\r\n{payload}\r\nPONG\r\n", payload.len()));
}

#[test]
fn many_messages_arrive_in_order() {
    let broker = broker();
    let mut receiver = broker.client(QUIET);
    receiver.send("SUB n.> 1\r\n");
    receiver.fence();
    let mut sender = broker.client(QUIET);
    let sent: String =
        (0..20_000).map(|n| format!("PUB n.{} {}\r\n{n}\r\n", n % 300, n.to_string().len())).collect();
    let expected: String =
        (0..20_000).map(|n| format!("MSG n.{} 1 {}\r\n{n}\r\n", n % 300, n.to_string().len())).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send(&sent));
        receiver.expect(&expected);
    });
    sender.fence();
}

#[test]
fn a_second_connect_drops_the_subscriptions() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send("SUB a 1\r\nCONNECT {\"verbose\":false}\r\nPUB a 0\r\n\r\n");
    peer.fence();
    peer.send("SUB a 1\r\nPUB a 0\r\n\r\n");
    peer.expect("MSG a 1 0\r\n\r\n");
}

#[test]
fn a_client_that_leaves_takes_its_subscriptions_along() {
    let broker = broker();
    let own = broker.server().accounts().global().subscription_count();
    let mut peer = broker.client(QUIET);
    peer.send("SUB a 1\r\nSUB b q 2\r\n");
    peer.fence();
    assert_eq!(broker.server().accounts().global().subscription_count(), own + 2);
    peer.close();
    broker.wait_until("the client is gone", |server| server.clients().is_empty());
    assert_eq!(broker.server().accounts().global().subscription_count(), own);
    assert_eq!(broker.server().clients().closed().len(), 1);
}
