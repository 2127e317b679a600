//! What a client is told when it does something wrong, and whether the connection survives it.

mod kit;

use headwater::server::Options;
use kit::{Broker, MODERN, QUIET};

fn broker() -> Broker {
    Broker::start(Options::default())
}

/// Sent by a client with this CONNECT, `what` is answered by `answer` and the end of the connection.
#[track_caller]
fn closes(connect: &str, what: &str, answer: &str) {
    let broker = broker();
    let mut peer = broker.client(connect);
    peer.send_anyway(what.as_bytes());
    peer.expect(answer);
    peer.expect_closed();
}

/// Sent by a client with this CONNECT, `what` is answered by `answer`, and the connection goes on.
#[track_caller]
fn survives(connect: &str, what: &str, answer: &str) {
    let broker = broker();
    let mut peer = broker.client(connect);
    peer.send(what);
    peer.expect(answer);
    peer.fence();
}

const UNKNOWN: &str = "-ERR 'Unknown Protocol Operation'\r\n";

#[test]
fn what_is_no_operation_is_told_and_closed() {
    for bytes in [
        "bogus\r\n",
        "\r\n",
        "MSG a 1 0\r\n\r\n",
        "HMSG a 1 0 0\r\n\r\n",
        "RS+ a\r\n",
        "LS+ a\r\n",
        "A+ a\r\n",
    ] {
        closes(QUIET, bytes, UNKNOWN);
    }
    closes(QUIET, "SUB\r\n", UNKNOWN);
}

#[test]
fn a_payload_must_end_with_cr_lf() {
    closes(QUIET, "PUB a 2\r\nhi\nPING\r\n", UNKNOWN);
    closes(QUIET, "PUB a 1\r\nhi\r\nPING\r\n", UNKNOWN);
}

#[test]
fn bad_arguments_are_closed_without_a_word() {
    for bytes in [
        "PUB a\r\n",
        "PUB a b c 1\r\n",
        "PUB a x\r\n",
        "PUB a -1\r\n",
        "PUB a 99999999999999999999\r\n",
        "HPUB foo 18\r\n",
        "HPUB foo 5 4\r\n",
        "SUB foo\r\n",
        "SUB foo q 1 x\r\n",
        "UNSUB 1 2 3\r\n",
    ] {
        closes(MODERN, bytes, "");
    }
}

#[test]
fn headers_must_be_agreed_upon() {
    closes(QUIET, "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", "");
}

#[test]
fn a_connect_that_is_no_json_is_closed_without_a_word() {
    closes("{}", "CONNECT {nope}\r\n", "");
    closes("{}", "CONNECT {\"verbose\":1}\r\n", "");
    closes("{}", "INFO nope\r\n", "");
}

#[test]
fn an_error_from_the_client_ends_the_connection() {
    closes(QUIET, "-ERR 'no more'\r\n", "");
}

#[test]
fn a_control_line_has_a_limit_on_its_arguments() {
    const TOO_LONG: &str = "-ERR 'maximum control line exceeded'\r\n";
    closes(QUIET, &format!("SUB {} 1\r\n", "a".repeat(4096)), TOO_LONG);
    closes(QUIET, &format!("PUB {}", "a".repeat(5000)), TOO_LONG);
    survives(QUIET, &format!("SUB {} 1\r\n", "a".repeat(4094)), "");
}

#[test]
fn a_payload_over_the_limit_is_refused_when_it_is_announced() {
    closes(QUIET, "PUB a 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n");
    closes(MODERN, "HPUB a 12 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n");
}

#[test]
fn the_error_is_read_even_if_the_client_is_still_sending() {
    let broker = broker();
    let mut peer = broker.client(QUIET);
    peer.send_anyway(format!("PUB a 2000000\r\n{}\r\n", "x".repeat(2_000_000)).as_bytes());
    peer.expect("-ERR 'Maximum Payload Violation'\r\n");
    peer.expect_closed();
}

#[test]
fn an_invalid_subscription_subject_is_told() {
    for subject in ["a..b", ".a", "a.", "a.>.b", ">.a"] {
        survives(QUIET, &format!("SUB {subject} 1\r\n"), "-ERR 'Invalid Subject'\r\n");
    }
}

#[test]
fn a_pedantic_client_is_told_of_wildcards_and_the_message_still_goes_out() {
    let pedantic = r#"{"verbose":false,"pedantic":true}"#;
    survives(
        pedantic,
        "SUB a.* 1\r\nPUB a.* 0\r\n\r\nPUB a..b 0\r\n\r\n",
        "-ERR 'Invalid Publish Subject'\r\nMSG a.* 1 0\r\n\r\n-ERR 'Invalid Publish Subject'\r\n",
    );
    survives(pedantic, "PUB a bad.*.reply 0\r\n\r\n", "");
}

#[test]
fn reserved_replies_are_refused() {
    for reply in ["_R_.a", "$JS.ACK.S.C.1.1.1.1.0", "_GR_.a"] {
        let refusal = format!("-ERR 'Permissions Violation for Publish with Reply of \"{reply}\"'\r\n");
        survives("{}", &format!("PUB a {reply} 0\r\n\r\n"), &refusal);
    }
}

#[test]
fn subjects_of_the_server_are_refused() {
    for subject in ["$NRG.a", "_GR_.a"] {
        let refusal = format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n");
        survives("{}", &format!("PUB {subject} 0\r\n\r\n"), &refusal);
    }
}

#[test]
fn the_queue_group_of_the_server_is_refused() {
    survives(
        "{}",
        "SUB a _sys_ 1\r\n",
        "-ERR 'Permissions Violation for Subscription to \"a\" using queue \"_sys_\"'\r\n",
    );
}

#[test]
fn an_unknown_protocol_version_is_refused() {
    let broker = broker();
    for protocol in [-1, 2] {
        let mut peer = broker.peer();
        peer.send(&format!("CONNECT {{\"protocol\":{protocol}}}\r\n"));
        peer.expect("-ERR 'invalid client protocol'\r\n");
        peer.expect_closed();
    }
}

#[test]
fn no_responders_need_headers() {
    let broker = broker();
    let mut peer = broker.peer();
    peer.send("CONNECT {\"no_responders\":true}\r\n");
    peer.expect("-ERR 'no responders requires headers support'\r\n");
    peer.expect_closed();
}

#[test]
fn an_account_cannot_be_asked_for() {
    let broker = broker();
    for connect in [r#"{"account":"A"}"#, r#"{"new_account":true}"#] {
        let mut peer = broker.peer();
        peer.send(&format!("CONNECT {connect}\r\n"));
        peer.expect("-ERR 'Authorization Violation'\r\n");
        peer.expect_closed();
    }
}

#[test]
fn the_reason_of_the_end_is_remembered() {
    for (what, reason) in [
        ("PUB a 1048577\r\n", "Maximum Message Payload Exceeded"),
        ("nonsense\r\n", "Protocol Violation"),
        ("-ERR 'x'\r\n", "Parse Error"),
    ] {
        let broker = broker();
        let mut peer = broker.client(QUIET);
        peer.send(what);
        broker.wait_until("the client is gone", |server| !server.clients().closed().is_empty());
        assert_eq!(broker.server().clients().closed()[0].reason.as_str(), reason);
    }
}
