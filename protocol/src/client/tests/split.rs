//! However bytes are cut into reads, the same operations come out; and what one end writes the other reads.

use super::*;

/// Feeds the parser chunk by chunk, moving the bytes to a new place each time. Operations are compared as text.
fn operations(chunks: &[&[u8]]) -> (Vec<String>, Option<ParseError>) {
    let mut parser = Parser::new(48, 64);
    parser.headers_allowed = true;
    let (mut ops, mut buffer) = (Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            let moved = buffer.clone();
            match parser.next(&moved) {
                Ok(Step::Op { op, consumed }) => {
                    ops.push(format!("{op:?}"));
                    buffer.drain(..consumed);
                }
                Ok(Step::Incomplete { needed }) => {
                    assert!(needed.is_none_or(|needed| needed > moved.len()));
                    break;
                }
                Err(error) => return (ops, Some(error)),
            }
        }
    }
    (ops, None)
}

fn cut<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    at.sort_unstable();
    let starts = std::iter::once(0).chain(at.iter().copied());
    let ends = at.iter().copied().chain(std::iter::once(input.len()));
    starts.zip(ends).map(|(start, end)| &input[start..end]).collect()
}

/// Pieces of operations, right and wrong.
fn any_session() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "(PING|pong|\\+OK)[ a]{0,3}\r?\n",
        "(SUB|Unsub) [a-c.*> \t]{1,8} [0-9]{1,2}\r?\n",
        "CONNECT ?\\{\\}\r\n",
        "PUB [a-c.]{1,5}( r)? 0{0,2}3\r?\nabc\r\n",
        "HPUB a 12 14\r\nNATS/1\\.0\r\n\r\nhi\r\n",
        "PUB a [0-9]{1,3}\r\n[a-c\r\n]{0,4}",
        "SUB [a-z]{40,60}",
        "[A-Za-z \r\n]{0,6}",
        "-ERR [a-z]{0,3}\r\n",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().into_bytes())
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![0x21..=0x7e_u8, 0x80..=0xff_u8], 1..12)
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_operations(input in any_session(), cuts: [prop::sample::Index; 4]) {
        prop_assert_eq!(operations(&cut(&input, &cuts)), operations(&[&input]));
    }

    #[test]
    fn byte_by_byte_gives_the_same_operations(input in any_session()) {
        let bytes: Vec<_> = input.chunks(1).collect();
        prop_assert_eq!(operations(&bytes), operations(&[&input]));
    }

    #[test]
    fn no_bytes_make_it_panic(input: Vec<u8>, cuts: [prop::sample::Index; 2]) {
        prop_assert_eq!(operations(&cut(&input, &cuts)), operations(&[&input]));
    }

    #[test]
    fn what_a_client_writes_is_what_the_broker_reads(
        subject in token(), second in proptest::option::of(token()), sid in token(),
        headers: Vec<u8>, payload: Vec<u8>, max in proptest::option::of(1..999_999_999_u64),
    ) {
        let mut out = Vec::new();
        encode_sub(&mut out, &subject, second.as_deref(), &sid);
        encode_unsub(&mut out, &sid, max);
        encode_pub(&mut out, &subject, second.as_deref(), &payload);
        encode_hpub(&mut out, &subject, second.as_deref(), &headers, &payload);
        let (size, header_size) = (payload.len().to_string(), headers.len().to_string());
        let total = (headers.len() + payload.len()).to_string();
        let expected = [
            ClientOp::Sub { subject: &subject, queue: second.as_deref(), sid: &sid },
            ClientOp::Unsub { sid: &sid, max },
            ClientOp::Pub { subject: &subject, reply: second.as_deref(), size_text: size.as_bytes(), payload: &payload },
            ClientOp::HPub {
                subject: &subject, reply: second.as_deref(), header_size_text: header_size.as_bytes(),
                total_text: total.as_bytes(), headers: &headers, payload: &payload,
            },
        ];
        let mut parser = Parser::default();
        parser.headers_allowed = true;
        let mut rest = &out[..];
        for op in expected {
            let step = parser.next(rest);
            let Ok(Step::Op { op: read, consumed }) = step else { panic!("{step:?}") };
            prop_assert_eq!(read, op);
            rest = &rest[consumed..];
        }
        prop_assert_eq!(rest, b"");
    }

    #[test]
    fn what_the_broker_writes_is_what_a_client_reads(
        subject in token(), sid in token(), reply in proptest::option::of(token()), headers: Vec<u8>, payload: Vec<u8>,
    ) {
        let mut out = Vec::new();
        encode_msg(&mut out, &subject, &sid, reply.as_deref(), payload.len(), &payload);
        encode_hmsg(&mut out, &subject, &sid, reply.as_deref(), &headers, &payload);
        let reply = reply.as_deref();
        let expected = [
            ServerOp::Msg { subject: &subject, sid: &sid, reply, payload: &payload },
            ServerOp::HMsg { subject: &subject, sid: &sid, reply, headers: &headers, payload: &payload },
        ];
        let mut parser = ServerParser::new(CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX);
        let mut rest = &out[..];
        for op in expected {
            // Byte by byte up to the end, so that resuming is tried too.
            let whole = (0..=rest.len()).find_map(|end| match parser.next(&rest[..end]) {
                Ok(ServerStep::Op { op, consumed }) => Some((op, consumed)),
                _ => None,
            });
            let Some((read, consumed)) = whole else { panic!("never whole") };
            prop_assert_eq!(read, op);
            rest = &rest[consumed..];
        }
    }

    #[test]
    fn a_503_is_a_message_with_a_status(reply in token(), sid in token(), subject in token()) {
        let mut out = Vec::new();
        no_responders(&mut out, &reply, &sid, &subject);
        let mut parser = ServerParser::new(CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX);
        let step = parser.next(&out);
        let Ok(ServerStep::Op { op: ServerOp::HMsg { subject: to, sid: to_sid, headers, payload, .. }, consumed }) = step else {
            panic!("{step:?}")
        };
        prop_assert_eq!((to, to_sid, consumed), (&reply[..], &sid[..], out.len()));
        prop_assert_eq!(crate::headers::status(headers), Some((503, b"".as_slice())));
        prop_assert_eq!(crate::headers::get(headers, b"Nats-Subject"), Some(&subject[..]));
        prop_assert_eq!(payload, b"");
    }
}
