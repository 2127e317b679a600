//! Building and changing header blocks.

use super::{VERSION, line_end, value_of};
use crate::decimal;
use std::borrow::Cow;

const CRLF: &[u8] = b"\r\n";

/// The length of a block that says nothing: `NATS/1.0␍␊␍␊`.
const EMPTY_BLOCK_BYTES: usize = VERSION.len() + 2 * CRLF.len();

/// Builds a new block, for messages the broker itself sends.
///
/// ```
/// use headwater_protocol::headers::HeaderBuilder;
///
/// let block = HeaderBuilder::status(408, "Request Timeout").add_u64(b"Nats-Pending-Messages", 2).finish();
/// assert_eq!(block, b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 2\r\n\r\n");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct HeaderBuilder {
    /// Everything but the closing CRLF.
    block: Vec<u8>,
}

impl HeaderBuilder {
    /// A block without a status.
    pub fn new() -> Self {
        HeaderBuilder { block: [VERSION, CRLF].concat() }
    }

    /// A block with a status; an empty description is left out along with its space.
    pub fn status(code: u16, description: &str) -> Self {
        let mut block = Vec::with_capacity(VERSION.len() + description.len() + 16);
        block.extend_from_slice(VERSION);
        block.push(b' ');
        decimal::push_u64(&mut block, u64::from(code));
        if !description.is_empty() {
            block.push(b' ');
            push_value(&mut block, description.as_bytes());
        }
        block.extend_from_slice(CRLF);
        HeaderBuilder { block }
    }

    /// Adds a header at the end.
    pub fn add(mut self, name: &[u8], value: &[u8]) -> Self {
        push_line(&mut self.block, name, value);
        self
    }

    /// Adds a header with a number at the end.
    pub fn add_u64(self, name: &[u8], value: u64) -> Self {
        self.add(name, decimal::Text::new(value).as_bytes())
    }

    /// The block, whole.
    pub fn finish(mut self) -> Vec<u8> {
        self.block.extend_from_slice(CRLF);
        self.block
    }
}

impl Default for HeaderBuilder {
    fn default() -> Self {
        HeaderBuilder::new()
    }
}

/// Adds a header at the end of the block, starting the block if it is empty. CR and LF in the value become spaces.
pub fn append(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    reopen(block);
    push_line(block, name, value);
    block.extend_from_slice(CRLF);
}

/// Adds a header with a number at the end of the block, starting the block if it is empty.
pub fn append_u64(block: &mut Vec<u8>, name: &[u8], value: u64) {
    append(block, name, decimal::Text::new(value).as_bytes());
}

/// Gives the first header of that name another value, or adds the header at the end.
pub fn set(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    match super::get(block, name).map(<[u8]>::len) {
        None => append(block, name, value),
        Some(old_len) => replace(block, name, old_len, value),
    }
}

/// The block without any header of that name; empty when nothing is left.
pub fn remove(block: &[u8], name: &[u8]) -> Vec<u8> {
    remove_lines(block, |line| value_of(line, name).is_some())
}

/// The block without any header whose name starts with `prefix`; empty when nothing is left.
pub fn remove_prefix(block: &[u8], prefix: &[u8]) -> Vec<u8> {
    remove_lines(block, |line| line.starts_with(prefix))
}

/// The block without status and description; empty when nothing is left.
pub fn strip_status(block: &[u8]) -> Cow<'_, [u8]> {
    let first_end = line_end(block).unwrap_or(block.len());
    if first_end <= VERSION.len() || !block.starts_with(VERSION) {
        return Cow::Borrowed(block);
    }
    let stripped = [VERSION, &block[first_end..]].concat();
    Cow::Owned(nothing_if_empty(stripped))
}

/// Takes the closing CRLF off, so that lines can follow.
fn reopen(block: &mut Vec<u8>) {
    if block.len() <= CRLF.len() {
        block.clear();
        block.extend_from_slice(VERSION);
        block.extend_from_slice(CRLF);
    } else if block.ends_with(b"\r\n\r\n") {
        block.truncate(block.len() - CRLF.len());
    } else if !block.ends_with(CRLF) {
        block.extend_from_slice(CRLF);
    }
}

fn push_line(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.reserve(name.len() + value.len() + 6);
    block.extend_from_slice(name);
    block.extend_from_slice(b": ");
    push_value(block, value);
    block.extend_from_slice(CRLF);
}

/// A line end in a value would start a header that nobody sent.
fn push_value(block: &mut Vec<u8>, value: &[u8]) {
    block.extend(value.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
}

fn replace(block: &mut Vec<u8>, name: &[u8], old_len: usize, value: &[u8]) {
    let Some(start) = value_start(block, name) else {
        return;
    };
    let mut clean = Vec::with_capacity(value.len());
    push_value(&mut clean, value);
    block.splice(start..start + old_len, clean);
}

/// Where the value of the first header of that name starts.
fn value_start(block: &[u8], name: &[u8]) -> Option<usize> {
    let mut offset = 0;
    for (index, line) in super::lines(block).enumerate() {
        if let Some(value) = value_of(line, name).filter(|_| index > 0) {
            return Some(offset + line.len() - value.len());
        }
        offset += line.len() + CRLF.len();
    }
    None
}

/// Keeps the bytes of all other lines as they are, also in a block that does not end as it should.
fn remove_lines(block: &[u8], unwanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(block.len());
    let mut rest = block;
    let mut first = true;
    while !rest.is_empty() {
        let end = line_end(rest);
        let (line, next) = (end.unwrap_or(rest.len()), end.map_or(rest.len(), |end| end + CRLF.len()));
        if first || !unwanted(&rest[..line]) {
            kept.extend_from_slice(&rest[..next]);
        }
        first = false;
        rest = &rest[next..];
    }
    nothing_if_empty(kept)
}

fn nothing_if_empty(block: Vec<u8>) -> Vec<u8> {
    if block.len() <= EMPTY_BLOCK_BYTES { Vec::new() } else { block }
}
