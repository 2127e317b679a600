//! What a client writes, for tests, benchmarks and the broker's own outgoing connections.

use super::ConnectOptions;
use crate::decimal;

/// `CONNECT {json}␍␊`
pub fn encode_connect(out: &mut Vec<u8>, options: &ConnectOptions) {
    out.extend_from_slice(b"CONNECT ");
    out.extend_from_slice(&options.to_json());
    out.extend_from_slice(b"\r\n");
}

/// `PUB <subject> [reply] <size>␍␊<payload>␍␊`
pub fn encode_pub(out: &mut Vec<u8>, subject: &[u8], reply: Option<&[u8]>, payload: &[u8]) {
    start(out, b"PUB ", subject, reply);
    decimal::push_u64(out, payload.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// `HPUB <subject> [reply] <header size> <total size>␍␊<headers><payload>␍␊`
pub fn encode_hpub(out: &mut Vec<u8>, subject: &[u8], reply: Option<&[u8]>, headers: &[u8], payload: &[u8]) {
    start(out, b"HPUB ", subject, reply);
    decimal::push_u64(out, headers.len() as u64);
    out.push(b' ');
    decimal::push_u64(out, (headers.len() + payload.len()) as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// `SUB <subject> [queue] <sid>␍␊`
pub fn encode_sub(out: &mut Vec<u8>, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
    start(out, b"SUB ", subject, queue);
    out.extend_from_slice(sid);
    out.extend_from_slice(b"\r\n");
}

/// `UNSUB <sid> [max]␍␊`
pub fn encode_unsub(out: &mut Vec<u8>, sid: &[u8], max: Option<u64>) {
    out.extend_from_slice(b"UNSUB ");
    out.extend_from_slice(sid);
    if let Some(max) = max {
        out.push(b' ');
        decimal::push_u64(out, max);
    }
    out.extend_from_slice(b"\r\n");
}

fn start(out: &mut Vec<u8>, verb: &[u8], subject: &[u8], second: Option<&[u8]>) {
    out.extend_from_slice(verb);
    out.extend_from_slice(subject);
    out.push(b' ');
    if let Some(second) = second {
        out.extend_from_slice(second);
        out.push(b' ');
    }
}
