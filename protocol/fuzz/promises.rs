//! What holds for any bytes. Run by the fuzz targets on what they make up, and by `tests/corpus.rs` on the kept corpus.

use headwater_protocol::client::{
    ClientOp, ConnectOptions, Framed, ParseError, Parser, ServerOp, ServerParser, encode_hmsg, encode_hpub,
    encode_msg, encode_pub, encode_sub, encode_unsub,
};
use headwater_protocol::subject::transform::{Transform, validate_mapping};
use headwater_protocol::websocket::{Decoder, FrameError};
use headwater_protocol::{headers, subject, websocket};

/// However client bytes are cut, the same operations come out, and written again they read the same.
pub fn client_parser(data: &[u8]) {
    let whole = client_operations(data, data.len());
    let chunk_bytes = data.first().map_or(1, |byte| usize::from(*byte % 16) + 1);
    assert_eq!(client_operations(data, chunk_bytes), whole);
}

/// However broker bytes are cut, the same operations come out, and written again they read the same.
pub fn server_parser(data: &[u8]) {
    let whole = server_operations(data, data.len());
    let chunk_bytes = data.first().map_or(1, |byte| usize::from(*byte % 16) + 1);
    assert_eq!(server_operations(data, chunk_bytes), whole);
}

/// However WebSocket bytes are cut, and however little room there is for messages, the same messages come out.
pub fn websocket(data: &[u8]) {
    let (mask_required, compression) =
        data.first().map_or((true, true), |byte| (byte & 1 == 0, byte & 2 == 0));
    let whole = websocket_messages(data, data.len(), usize::MAX, Decoder::new(mask_required, compression));
    let step = data.get(1).map_or(1, |byte| usize::from(*byte % 16) + 1);
    for room in [1, 7, usize::MAX] {
        let again = websocket_messages(data, step, room, Decoder::new(mask_required, compression));
        assert_eq!(again, whole);
    }
    websocket_frame_reads_the_same(data);
}

/// Messages with their ends marked, control frames, and the error that came of it.
type WebSocketRead = (Vec<(u8, Vec<u8>)>, Option<FrameError>);

fn websocket_messages(data: &[u8], step: usize, room: usize, mut decoder: Decoder) -> WebSocketRead {
    let (mut seen, mut message, mut pending) = (Vec::new(), Vec::new(), Vec::new());
    for piece in data.chunks(step.max(1)) {
        pending.extend_from_slice(piece);
        loop {
            let consumed = match decoder.next(&mut pending, room) {
                Err(error) => return (seen, Some(error)),
                Ok(websocket::Framed::Incomplete) => break,
                Ok(websocket::Framed::Data { bytes, is_compressed, ends_message, consumed }) => {
                    assert!(bytes.len() <= room);
                    message.extend_from_slice(bytes);
                    if ends_message {
                        seen.push((u8::from(is_compressed), std::mem::take(&mut message)));
                    }
                    consumed
                }
                Ok(websocket::Framed::Control { opcode, payload, consumed }) => {
                    assert!(opcode.is_control() && payload.len() <= websocket::CONTROL_BYTES_MAX);
                    seen.push((opcode as u8, payload.to_vec()));
                    consumed
                }
            };
            assert!(consumed > 0 && consumed <= pending.len());
            pending.drain(..consumed);
        }
        assert!(pending.len() < websocket::HEADER_BYTES_MAX + websocket::CONTROL_BYTES_MAX);
    }
    (seen, None)
}

fn websocket_frame_reads_the_same(payload: &[u8]) {
    let mut frame = Vec::new();
    websocket::encode_frame(&mut frame, websocket::Opcode::Binary, payload);
    let all = frame.len();
    let read = Decoder::new(false, false).next(&mut frame, usize::MAX);
    let expected =
        websocket::Framed::Data { bytes: payload, is_compressed: false, ends_message: true, consumed: all };
    assert_eq!(read, Ok(expected));
}

/// Look-ups agree with the list of headers, and changes do what they say.
pub fn headers(block: &[u8]) {
    for (name, value) in headers::iter(block) {
        let first = headers::iter(block).find(|(other, _)| *other == name);
        assert_eq!(headers::get(block, name), first.map(|(_, value)| value));
        assert!(value.first() != Some(&b' '));
        assert_eq!(headers::get(&headers::remove(block, name), name), None);
        let mut changed = block.to_vec();
        headers::set(&mut changed, name, b"other");
        assert_eq!(headers::get(&changed, name), Some(b"other".as_slice()));
    }
    let mut grown = block.to_vec();
    headers::append(&mut grown, b"Nats-Fuzz", block);
    assert_eq!(headers::iter(&grown).count(), headers::iter(block).count() + 1);
    assert!(headers::remove_prefix(&grown, b"Nats-Fuzz").len() < grown.len());
    let stripped = headers::strip_status(block);
    assert_eq!(headers::strip_status(&stripped), stripped);
    assert!(headers::status(&stripped).is_none() || !block.starts_with(headers::VERSION));
}

/// The relations between subjects agree with each other. Input: up to three lines, the last two also make a transform.
pub fn subject(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (a, b) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    relations(a, b);
    relations(b, a);
    if let (Ok(src), Ok(dest)) =
        (std::str::from_utf8(b), std::str::from_utf8(lines.next().unwrap_or_default()))
    {
        transform(a, src, dest);
    }
}

fn relations(a: &[u8], b: &[u8]) {
    assert_eq!(subject::overlaps(a, b), subject::overlaps(b, a));
    assert_eq!(subject::tokens(a).count().max(1), subject::token_count(a).max(1));
    if !subject::is_valid(a) || !subject::is_valid(b) {
        return;
    }
    assert!(subject::is_subset(a, a) && subject::overlaps(a, a) && subject::is_subset(a, b">"));
    assert_eq!(subject::is_literal(a), !subject::has_wildcards(a));
    if subject::is_literal(a) {
        let matched = subject::matches(b, a);
        assert_eq!((matched, matched), (subject::is_subset(a, b), subject::overlaps(a, b)));
    }
    if subject::is_subset(a, b) {
        assert!(subject::overlaps(a, b));
        assert!(a == b || !subject::is_subset(b, a));
    }
}

fn transform(literal: &[u8], src: &str, dest: &str) {
    let built = Transform::new(src, dest);
    if validate_mapping(src, dest).is_ok() {
        assert!(built.is_ok());
    }
    let Ok(transform) = built else { return };
    let result = transform.apply_with(literal, || 7);
    if src != ">" && !src.is_empty() {
        let matched = subject::is_literal(literal) && subject::matches(src.as_bytes(), literal);
        assert_eq!(result.is_some(), matched);
    }
    if let (Some(there), Some(reverse)) = (result, transform.reverse()) {
        if subject::is_literal(&there) {
            assert_eq!(reverse.apply(&there).as_deref(), Some(literal));
        }
    }
}

type Read = (Vec<String>, Option<ParseError>);

fn client_operations(data: &[u8], chunk_bytes: usize) -> Read {
    let mut parser = Parser::new(64, 128);
    parser.headers_allowed = true;
    read(data, chunk_bytes, |input, seen| {
        Ok(match parser.next(input)? {
            Framed::Op { op, consumed } => {
                client_operation_reads_the_same(&op);
                seen.push(format!("{op:?}"));
                Some(consumed)
            }
            Framed::Incomplete { needed } => {
                assert!(needed.is_none_or(|needed| needed > input.len()));
                None
            }
        })
    })
}

fn server_operations(data: &[u8], chunk_bytes: usize) -> Read {
    let mut parser = ServerParser::new(64, 128);
    read(data, chunk_bytes, |input, seen| {
        Ok(match parser.next(input)? {
            Framed::Op { op, consumed } => {
                server_operation_reads_the_same(&op);
                seen.push(format!("{op:?}"));
                Some(consumed)
            }
            Framed::Incomplete { needed } => {
                assert!(needed.is_none_or(|needed| needed > input.len()));
                None
            }
        })
    })
}

/// Feeds `next` chunk by chunk, each time from a new place in memory.
fn read(
    data: &[u8],
    chunk_bytes: usize,
    mut next: impl FnMut(&[u8], &mut Vec<String>) -> Result<Option<usize>, ParseError>,
) -> Read {
    let (mut seen, mut pending) = (Vec::new(), Vec::new());
    for chunk in data.chunks(chunk_bytes.max(1)) {
        pending.extend_from_slice(chunk);
        loop {
            match next(&pending.clone(), &mut seen) {
                Ok(Some(consumed)) => drop(pending.drain(..consumed)),
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
    }
    (seen, None)
}

fn client_operation_reads_the_same(op: &ClientOp<'_>) {
    let mut out = Vec::new();
    match *op {
        ClientOp::Pub { subject, reply, payload, .. } => {
            encode_pub(&mut out, subject, reply, payload);
        }
        ClientOp::HPub { subject, reply, headers, payload, .. } => {
            encode_hpub(&mut out, subject, reply, headers, payload);
        }
        ClientOp::Sub { subject, queue, sid } => encode_sub(&mut out, subject, queue, sid),
        ClientOp::Unsub { sid, max } => encode_unsub(&mut out, sid, max),
        ClientOp::Connect(json) => {
            return ConnectOptions::parse(json).map_or((), |options| {
                assert_eq!(ConnectOptions::parse(&options.to_json()).unwrap(), options);
            });
        }
        _ => return,
    }
    let mut parser = Parser::default();
    parser.headers_allowed = true;
    let Ok(Framed::Op { op: again, consumed }) = parser.next(&out) else {
        panic!("cannot be read again: {op:?}")
    };
    assert_eq!(consumed, out.len());
    assert_eq!(format!("{:?}", without_size_texts(again)), format!("{:?}", without_size_texts(*op)));
}

/// Sizes are written anew, without leading zeros.
fn without_size_texts(op: ClientOp<'_>) -> ClientOp<'_> {
    match op {
        ClientOp::Pub { subject, reply, payload, .. } => {
            ClientOp::Pub { subject, reply, size_text: b"", payload }
        }
        ClientOp::HPub { subject, reply, headers, payload, .. } => {
            ClientOp::HPub { subject, reply, header_size_text: b"", total_text: b"", headers, payload }
        }
        other => other,
    }
}

fn server_operation_reads_the_same(op: &ServerOp<'_>) {
    let mut out = Vec::new();
    match *op {
        ServerOp::Msg { subject, sid, reply, payload } => {
            encode_msg(&mut out, subject, sid, reply, payload.len(), payload);
        }
        ServerOp::HMsg { subject, sid, reply, headers, payload } => {
            encode_hmsg(&mut out, subject, sid, reply, headers, payload);
        }
        _ => return,
    }
    let mut parser = ServerParser::new(4096, 4096);
    let again = parser.next(&out);
    assert_eq!(again, Ok(Framed::Op { op: *op, consumed: out.len() }));
}
