//! A message of a batch that has not been committed.

use std::borrow::Cow;

use headwater_protocol::headers::{self, names};

use crate::jetstream::stream::Ingest;

/// Subject, header block and payload in one buffer.
#[derive(Debug)]
pub(super) struct Staged {
    buffer: Box<[u8]>,
    headers_at: usize,
    payload_at: usize,
}

impl Staged {
    /// A copy of `message`, without what only the commit needs to know.
    pub(super) fn new(message: &Ingest<'_>) -> Self {
        let mut block = Cow::Borrowed(message.headers);
        if headers::get(&block, names::REQUIRED_API_LEVEL).is_some_and(|level| !level.is_empty()) {
            block = Cow::Owned(headers::remove(&block, names::REQUIRED_API_LEVEL));
        }
        let headers_at = message.subject.len();
        let payload_at = headers_at + block.len();
        Self { buffer: [message.subject, &block, message.payload].concat().into(), headers_at, payload_at }
    }

    /// The message.
    pub(super) fn message(&self) -> Ingest<'_> {
        let (subject, rest) = self.buffer.split_at(self.headers_at.min(self.buffer.len()));
        let (headers, payload) = rest.split_at((self.payload_at - self.headers_at).min(rest.len()));
        Ingest { subject, headers, payload }
    }

    /// Its size in memory.
    pub(super) fn bytes(&self) -> u64 {
        (self.buffer.len() + size_of::<Self>()) as u64
    }
}
