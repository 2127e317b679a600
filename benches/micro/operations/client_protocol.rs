//! Reading what clients send, writing what they get.

use std::hint::black_box;

use headwater_protocol::client::{Parser, Step, encode_hmsg, encode_msg};

use super::{Operation, Work, run};

const ITEMS: usize = 64;
const SUBJECT: &[u8] = b"sensors.device0007.temperature";
const HEADERS: &[u8] = b"NATS/1.0\r\nNats-Msg-Id: 4711\r\n\r\n";
const PAYLOAD: [u8; 128] = [b'7'; 128];

pub fn operations() -> Vec<Operation> {
    let operation = |name, make| Operation { name, items: ITEMS as u64, make };
    vec![
        operation("PUB of 128 B read", || parse(&publish())),
        operation("HPUB of 128 B read", || parse(&publish_with_headers())),
        operation("SUB read", || parse(b"SUB sensors.*.temperature 12\r\n")),
        operation("PING read", || parse(b"PING\r\n")),
        operation("MSG of 128 B written", || {
            write(|out| encode_msg(out, SUBJECT, b"12", None, PAYLOAD.len(), &PAYLOAD))
        }),
        operation("HMSG of 128 B written", || {
            write(|out| encode_hmsg(out, SUBJECT, b"12", Some(b"reply"), HEADERS, &PAYLOAD))
        }),
    ]
}

fn publish() -> Vec<u8> {
    [b"PUB ", SUBJECT, b" 128\r\n", &PAYLOAD, b"\r\n"].concat()
}

fn publish_with_headers() -> Vec<u8> {
    let sizes = format!(" {} {}\r\n", HEADERS.len(), HEADERS.len() + PAYLOAD.len());
    [b"HPUB ", SUBJECT, sizes.as_bytes(), HEADERS, &PAYLOAD, b"\r\n"].concat()
}

/// Reads a buffer full of one operation.
fn parse(operation: &[u8]) -> Box<dyn Work> {
    let input = operation.repeat(ITEMS);
    let mut parser = Parser::default();
    parser.headers_allowed = true;
    run(move || {
        let mut rest = black_box(&input[..]);
        while let Step::Op { op, consumed } = parser.next(rest).unwrap() {
            black_box(op);
            rest = &rest[consumed..];
        }
        assert!(rest.is_empty());
    })
}

/// Fills a buffer with one message.
fn write(message: fn(&mut Vec<u8>)) -> Box<dyn Work> {
    let mut out = Vec::new();
    run(move || {
        out.clear();
        for _ in 0..ITEMS {
            message(black_box(&mut out));
        }
    })
}
