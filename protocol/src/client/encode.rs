//! What the broker writes. Nothing here allocates but the growth of `out`.

use super::Info;
use crate::decimal;
use crate::headers::names;

const CRLF: &[u8] = b"\r\n";

/// The size on a `MSG` line: as the publisher wrote it, or counted.
#[derive(Debug, Clone, Copy)]
pub enum Size<'a> {
    /// As it was written, leading zeros and all.
    Text(&'a [u8]),
    /// In bytes.
    Bytes(usize),
}

impl<'a> From<&'a [u8]> for Size<'a> {
    fn from(text: &'a [u8]) -> Self {
        Size::Text(text)
    }
}

impl From<usize> for Size<'_> {
    fn from(bytes: usize) -> Self {
        Size::Bytes(bytes)
    }
}

/// `MSG <subject> <sid> [reply] <size>␍␊<payload>␍␊`
///
/// `size` is the text from the publisher (`&[u8]`) or the payload's length (`usize`).
#[inline]
pub fn encode_msg<'a>(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    size: impl Into<Size<'a>>,
    payload: &[u8],
) {
    start(out, b"MSG ", subject, sid, reply, payload.len());
    match size.into() {
        Size::Text(text) => out.extend_from_slice(text),
        Size::Bytes(bytes) => decimal::push_u64(out, bytes as u64),
    }
    out.extend_from_slice(CRLF);
    out.extend_from_slice(payload);
    out.extend_from_slice(CRLF);
}

/// `HMSG <subject> <sid> [reply] <header size> <total size>␍␊<headers><payload>␍␊` with sizes counted.
#[inline]
pub fn encode_hmsg(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    headers: &[u8],
    payload: &[u8],
) {
    let header_size = decimal::Text::new(headers.len() as u64);
    let total = decimal::Text::new((headers.len() + payload.len()) as u64);
    let sizes = (header_size.as_bytes(), total.as_bytes());
    encode_hmsg_sized(out, subject, sid, reply, sizes, headers, payload);
}

/// As [`encode_hmsg`], with the sizes (headers, total) as the publisher wrote them.
#[inline]
pub fn encode_hmsg_sized(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    (header_size, total): (&[u8], &[u8]),
    headers: &[u8],
    payload: &[u8],
) {
    start(out, b"HMSG ", subject, sid, reply, headers.len() + payload.len());
    out.extend_from_slice(header_size);
    out.push(b' ');
    out.extend_from_slice(total);
    out.extend_from_slice(CRLF);
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(CRLF);
}

/// A message with headers for a client that does not understand them: a plain `MSG` with the payload alone.
#[inline]
pub fn encode_hmsg_stripped(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    payload: &[u8],
) {
    encode_msg(out, subject, sid, reply, payload.len(), payload);
}

/// The answer to a request nobody listens to (ADR-22): status 503 to the requester's own `reply` subscription `sid`.
pub fn no_responders(out: &mut Vec<u8>, reply: &[u8], sid: &[u8], subject: &[u8]) {
    const STATUS_LINE: &[u8] = b"NATS/1.0 503\r\n";
    let header_bytes = STATUS_LINE.len() + names::SUBJECT.len() + subject.len() + 6;
    let size = decimal::Text::new(header_bytes as u64);
    start(out, b"HMSG ", reply, sid, None, header_bytes);
    out.extend_from_slice(size.as_bytes());
    out.push(b' ');
    out.extend_from_slice(size.as_bytes());
    out.extend_from_slice(CRLF);
    out.extend_from_slice(STATUS_LINE);
    out.extend_from_slice(names::SUBJECT);
    out.extend_from_slice(b": ");
    out.extend_from_slice(subject);
    out.extend_from_slice(b"\r\n\r\n\r\n");
}

/// `INFO {json} ␍␊`
pub fn encode_info(out: &mut Vec<u8>, info: &Info) {
    out.extend_from_slice(b"INFO ");
    out.extend_from_slice(&info.to_json());
    out.extend_from_slice(b" \r\n");
}

/// `+OK␍␊`
pub fn encode_ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// `PING␍␊`
pub fn encode_ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

/// `PONG␍␊`
pub fn encode_pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

/// `-ERR '<text>'␍␊`. The quotes are added here.
pub fn encode_err(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"-ERR '");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"'\r\n");
}

/// Verb, subject, sid and reply, each with a blank behind it, after making room for the whole message.
#[inline]
fn start(
    out: &mut Vec<u8>,
    verb: &[u8],
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    body_bytes: usize,
) {
    const BLANKS_SIZES_AND_LINE_ENDS: usize = 48;
    let reply_bytes = reply.map_or(0, <[u8]>::len);
    let args_bytes = subject.len() + sid.len() + reply_bytes;
    out.reserve(args_bytes + body_bytes + BLANKS_SIZES_AND_LINE_ENDS);
    out.extend_from_slice(verb);
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
}
