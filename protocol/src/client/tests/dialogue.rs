//! What a client says, and what the broker understands.

use super::super::*;

/// All operations of a client that understands headers, and how it ended.
fn heard(input: &[u8]) -> (Vec<ClientOp<'_>>, Option<ParseError>) {
    let mut parser = Parser::default();
    parser.headers_allowed = true;
    read_all(&mut parser, input)
}

fn read_all<'a>(parser: &mut Parser, input: &'a [u8]) -> (Vec<ClientOp<'a>>, Option<ParseError>) {
    let (mut ops, mut rest) = (Vec::new(), input);
    loop {
        match parser.next(rest) {
            Ok(Step::Op { op, consumed }) => {
                ops.push(op);
                rest = &rest[consumed..];
            }
            Ok(Step::Incomplete { .. }) => return (ops, None),
            Err(error) => return (ops, Some(error)),
        }
    }
}

#[track_caller]
fn understands(input: &str, expected: &[ClientOp<'_>]) {
    assert_eq!(heard(input.as_bytes()), (expected.to_vec(), None), "{input:?}");
}

#[track_caller]
fn refuses(input: &str, error: ParseError) {
    assert_eq!(heard(input.as_bytes()), (vec![], Some(error)), "{input:?}");
}

#[track_caller]
fn waits(input: &str) {
    assert_eq!(heard(input.as_bytes()), (vec![], None), "{input:?}");
}

fn publish<'a>(subject: &'a str, size_text: &'a str, payload: &'a str) -> ClientOp<'a> {
    ClientOp::Pub {
        subject: subject.as_bytes(),
        reply: None,
        size_text: size_text.as_bytes(),
        payload: payload.as_bytes(),
    }
}

fn subscribe<'a>(subject: &'a str, queue: Option<&'a str>, sid: &'a str) -> ClientOp<'a> {
    ClientOp::Sub { subject: subject.as_bytes(), queue: queue.map(str::as_bytes), sid: sid.as_bytes() }
}

#[test]
fn a_session_is_read_operation_by_operation() {
    understands(
        "CONNECT {\"verbose\":false}\r\nPING\r\nSUB a.* q 1\r\nSUB b 2\r\nPUB a.b 5\r\nhello\r\nPUB a r 0\r\n\r\nUNSUB 1 5\r\nUNSUB 2\r\nPONG\r\n",
        &[
            ClientOp::Connect(b"{\"verbose\":false}"),
            ClientOp::Ping,
            subscribe("a.*", Some("q"), "1"),
            subscribe("b", None, "2"),
            publish("a.b", "5", "hello"),
            ClientOp::Pub { subject: b"a", reply: Some(b"r"), size_text: b"0", payload: b"" },
            ClientOp::Unsub { sid: b"1", max: Some(5) },
            ClientOp::Unsub { sid: b"2", max: None },
            ClientOp::Pong,
        ],
    );
}

#[test]
fn headers_and_payload_are_told_apart() {
    let input = b"HPUB a r 12 014\r\nNATS/1.0\r\n\r\nhi\r\n";
    let expected = ClientOp::HPub {
        subject: b"a",
        reply: Some(b"r"),
        header_size_text: b"12",
        total_text: b"014",
        headers: b"NATS/1.0\r\n\r\n",
        payload: b"hi",
    };
    assert_eq!(heard(input), (vec![expected], None));
}

#[test]
fn an_hpub_may_have_no_headers() {
    let (ops, error) = heard(b"HPUB foo 0 2\r\nhi\r\n");
    assert!(matches!(ops[..], [ClientOp::HPub { headers: b"", payload: b"hi", .. }]), "{ops:?}");
    assert_eq!(error, None);
}

#[test]
fn verbs_are_known_in_any_case_and_blanks_come_in_runs() {
    understands("pInG\r\n", &[ClientOp::Ping]);
    understands("sub \t a\t\tq  1 \r\n", &[subscribe("a", Some("q"), "1")]);
    understands("Pub\ta  2\r\nhi\r\n", &[publish("a", "2", "hi")]);
    understands("unsub   x \t\r\n", &[ClientOp::Unsub { sid: b"x", max: None }]);
    understands("connect{}\r\n", &[ClientOp::Connect(b"{}")]);
}

#[test]
fn a_control_line_may_end_in_a_line_feed_alone_but_a_payload_may_not() {
    understands("PING\n", &[ClientOp::Ping]);
    understands("SUB a 1\n", &[subscribe("a", None, "1")]);
    understands("PUB a 2\nhi\r\n", &[publish("a", "2", "hi")]);
    refuses("PUB a 2\r\nhi\n", ParseError::UnknownOperation);
    refuses("PUB a 2\r\nhi\r\r", ParseError::UnknownOperation);
    refuses("PUB a 2\r\nhix", ParseError::UnknownOperation);
}

#[test]
fn ping_pong_and_ok_ignore_what_follows_up_to_the_line_feed() {
    understands("PINGPING\r\n", &[ClientOp::Ping]);
    understands("PING hello\r\nPONG x\n+OK then\r\n", &[ClientOp::Ping, ClientOp::Pong, ClientOp::Ok]);
    let long = format!("PING {}\r\n", "a".repeat(6000));
    understands(&long, &[ClientOp::Ping]);
}

#[test]
fn what_is_ignored_has_a_bound() {
    refuses(&format!("PING {}", "a".repeat(IGNORED_BYTES_MAX)), ParseError::ControlLineTooLong);
    refuses(&format!("SUB {}", " ".repeat(IGNORED_BYTES_MAX + 1)), ParseError::ControlLineTooLong);
}

#[test]
fn sizes_are_echoed_as_written() {
    understands("PUB a 002\r\nhi\r\n", &[publish("a", "002", "hi")]);
}

#[test]
fn unknown_verbs_are_refused_at_the_first_wrong_byte() {
    for input in [
        "X",
        "\r\n",
        "\n",
        " PING\r\n",
        "PX",
        "PUBa",
        "SUB\r\n",
        "MSG a 1 0\r\n",
        "HMSG ",
        "RS+ ",
        "LS+ ",
        "A+ ",
        "-ERR\r\n",
        "UNSUBS",
        "+KO",
    ] {
        refuses(input, ParseError::UnknownOperation);
    }
}

#[test]
fn beginnings_of_verbs_are_waited_on() {
    for input in [
        "", "P", "pU", "PUB", "PUB ", "H", "HPU", "S", "UNSU", "+", "+O", "-", "-ERR", "-ERR ", "CONNECT",
        "I",
    ] {
        waits(input);
    }
}

#[test]
fn wrong_arguments_end_the_connection_without_a_word() {
    for input in [
        "SUB foo\r\n",
        "SUB \r\n",
        "SUB a b c d\r\n",
        "HPUB foo 18\r\n",
        "UNSUB 1 2 3\r\n",
        "UNSUB \r\n",
        "PUB \r\n",
        "PUB a\r\n",
        "PUB a b c 1\r\n",
        "PUB a -1\r\n",
        "PUB a 1x\r\n",
        "PUB a 1234567890\r\n",
        "HPUB a 3 2\r\n",
        "HPUB a x 2\r\n",
        "HPUB a b c 1 2\r\n",
        "SUB a b c d e f g h\r\n",
    ] {
        refuses(input, ParseError::BadArguments);
        assert_eq!(ParseError::BadArguments.reply(), None);
    }
}

#[test]
fn an_unsub_with_an_odd_maximum_ends_at_once() {
    for input in
        ["UNSUB 1 x\r\n", "UNSUB 1 -1\r\n", "UNSUB 1 +1\r\n", "UNSUB 1 99999999999999\r\n", "UNSUB 1 0\r\n"]
    {
        understands(input, &[ClientOp::Unsub { sid: b"1", max: None }]);
    }
}

#[test]
fn a_stray_line_end_separates_in_sub_only() {
    understands("SUB \na 1\r\n", &[subscribe("a", None, "1")]);
    understands("PUB \na 0\r\n\r\n", &[publish("\na", "0", "")]);
}

#[test]
fn headers_need_to_be_negotiated() {
    let mut parser = Parser::default();
    let (_, error) = read_all(&mut parser, b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    assert_eq!(error, Some(ParseError::HeadersNotNegotiated));
    assert_eq!(ParseError::HeadersNotNegotiated.reply(), None);
}

#[test]
fn a_control_line_is_measured_without_its_verb() {
    let fits = format!("SUB {} 1\r\n", "a".repeat(4094));
    assert!(matches!(heard(fits.as_bytes()), (ops, None) if ops.len() == 1));
    refuses(&format!("SUB {} 1\r\n", "a".repeat(4095)), ParseError::ControlLineTooLong);
    assert_eq!(ParseError::ControlLineTooLong.reply(), Some("maximum control line exceeded"));
}

#[test]
fn an_endless_control_line_is_refused_before_its_end() {
    waits(&format!("SUB {}", "a".repeat(4096)));
    waits(&format!("SUB {}\r", "a".repeat(4096)));
    refuses(&format!("SUB {}", "a".repeat(4097)), ParseError::ControlLineTooLong);
}

#[test]
fn a_payload_over_the_limit_is_refused_once_its_control_line_is_read() {
    refuses("PUB a 1048577\r\n", ParseError::PayloadTooLarge);
    refuses("HPUB a 10 1048577\r\n", ParseError::PayloadTooLarge);
    waits("PUB a 1048576\r\n");
    assert_eq!(ParseError::PayloadTooLarge.reply(), Some("Maximum Payload Violation"));
}

#[test]
fn limits_may_change_while_a_client_is_connected() {
    let mut parser = Parser::default();
    assert_eq!(parser.next(b"PUB a 3\r\n"), Ok(Step::Incomplete { needed: Some(14) }));
    parser.payload_bytes_max = 2;
    assert!(matches!(parser.next(b"PUB a 3\r\nabc\r\n"), Ok(Step::Op { consumed: 14, .. })));
    assert_eq!(parser.next(b"PUB a 3\r\nabc\r\n"), Err(ParseError::PayloadTooLarge));
}

#[test]
fn the_length_of_a_message_is_known_from_its_control_line() {
    let mut parser = Parser::default();
    assert_eq!(parser.next(b"PUB a 500"), Ok(Step::Incomplete { needed: None }));
    assert_eq!(parser.next(b"PUB a 500\r\n"), Ok(Step::Incomplete { needed: Some(513) }));
    assert_eq!(parser.next(b"PUB a 500\r\nxyz"), Ok(Step::Incomplete { needed: Some(513) }));
}

#[test]
fn info_and_ok_mean_nothing_and_err_is_passed_on() {
    understands(
        "INFO {\"a\":1}\r\nINFO{}\r\n+OK\r\n-ERR 'x'\r\n",
        &[ClientOp::Info, ClientOp::Info, ClientOp::Ok, ClientOp::Err],
    );
    understands("INFO null\r\n", &[ClientOp::Info]);
    refuses("INFO {\r\n", ParseError::BadInfo);
    refuses("INFO []\r\n", ParseError::BadInfo);
    assert_eq!(ParseError::BadInfo.reply(), None);
}

#[test]
fn bytes_that_were_taken_away_are_waited_for_again() {
    let mut parser = Parser::default();
    let waiting = Ok(Step::Incomplete { needed: Some(29) });
    assert_eq!(parser.next(b"PUB a.long.subject 5\r\n"), waiting);
    assert_eq!(parser.next(b"PUB"), waiting);
    assert!(matches!(parser.next(b"PUB a.long.subject 5\r\nhello\r\n"), Ok(Step::Op { .. })));
}

#[test]
fn the_broker_answers_to_the_byte() {
    let mut out = Vec::new();
    encode_ok(&mut out);
    encode_msg(&mut out, b"a.b", b"1", None, b"002".as_slice(), b"hi");
    encode_msg(&mut out, b"a.b", b"1", Some(b"r"), 2, b"hi");
    encode_hmsg(&mut out, b"a", b"2", None, b"NATS/1.0\r\n\r\n", b"hi");
    encode_hmsg_sized(&mut out, b"a", b"2", Some(b"r"), (b"012", b"014"), b"NATS/1.0\r\n\r\n", b"hi");
    encode_hmsg_stripped(&mut out, b"a", b"3", None, b"hi");
    no_responders(&mut out, b"_INBOX.1", b"9", b"nobody.home");
    encode_err(&mut out, "Invalid Subject");
    encode_ping(&mut out);
    encode_pong(&mut out);
    let expected = "+OK\r\nMSG a.b 1 002\r\nhi\r\nMSG a.b 1 r 2\r\nhi\r\nHMSG a 2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n\
        HMSG a 2 r 012 014\r\nNATS/1.0\r\n\r\nhi\r\nMSG a 3 2\r\nhi\r\n\
        HMSG _INBOX.1 9 43 43\r\nNATS/1.0 503\r\nNats-Subject: nobody.home\r\n\r\n\r\n\
        -ERR 'Invalid Subject'\r\nPING\r\nPONG\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_client_understands_the_broker() {
    let input = b"INFO {\"a\":1} \r\n+OK\r\n-ERR 'Stale Connection'\r\nPING\r\nPONG\r\nMSG a 1 r 2\r\nhi\r\n";
    let mut parser = ServerParser::new(CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX);
    let (mut ops, mut rest) = (Vec::new(), &input[..]);
    while let Ok(ServerStep::Op { op, consumed }) = parser.next(rest) {
        ops.push(op);
        rest = &rest[consumed..];
    }
    let message = ServerOp::Msg { subject: b"a", sid: b"1", reply: Some(b"r"), payload: b"hi" };
    let expected = [
        ServerOp::Info(b"{\"a\":1} "),
        ServerOp::Ok,
        ServerOp::Err(b"Stale Connection"),
        ServerOp::Ping,
        ServerOp::Pong,
        message,
    ];
    assert_eq!(ops, expected);
    assert_eq!(parser.next(b"PUB a 1\r\n"), Err(ParseError::UnknownOperation));
    assert_eq!(parser.next(b"MSG a 1\r\n"), Err(ParseError::BadArguments));
}
