//! What a stream is handed with an input, and what comes of it.

use bytes::Bytes;
use headwater_protocol::jetstream::advisory::AbandonReason;
use headwater_protocol::jetstream::error::ApiError;

use crate::clock::UnixNanos;
use crate::store::{Lsn, MessageLog};

/// Those for whom a stream keeps messages: its consumers.
pub trait Audience {
    /// Whether some of them want a subject; asked only under interest retention.
    fn wants(&self, subject: &[u8]) -> bool;

    /// A message with this subject was stored; it cannot be seen yet.
    fn stored(&mut self, subject: &[u8], seq: u64);

    /// A limit removed a message with this subject somewhere in the stream.
    fn removed(&mut self, subject: &[u8], seq: u64);
}

/// The surroundings of one input.
pub struct Turn<'a> {
    /// The stream's messages.
    pub log: &'a mut dyn MessageLog,
    /// The current moment.
    pub now: UnixNanos,
    /// Who the messages are for.
    pub audience: &'a mut dyn Audience,
    /// Takes what comes of the input, in order.
    pub effects: &'a mut Vec<Effect>,
}

/// Something an input led to outside the stream's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sequences up to `seq` are taken. The outside may see them once the store has passed `lsn`.
    Stored {
        /// The last sequence taken.
        seq: u64,
        /// Where the record of it ends.
        lsn: Lsn,
    },
    /// A stored message goes out again, once everything stored so far is settled.
    Republish(Box<Outgoing>),
    /// A message took the place of those before it, of one subject or of all.
    RolledUp(Option<Bytes>),
    /// A batch was given up; those who listen are told.
    BatchAbandoned {
        /// The batch's id.
        id: Box<[u8]>,
        /// Why.
        reason: AbandonReason,
    },
    /// What the publisher is told, once everything stored so far is settled.
    Answer(Answer),
}

/// A message the stream publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its subject.
    pub subject: Vec<u8>,
    /// The header block, or empty.
    pub headers: Vec<u8>,
    /// The body.
    pub payload: Bytes,
}

/// What a publisher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The message has this sequence; under interest retention it may have been used up without a message.
    Stored {
        /// The sequence.
        seq: u64,
    },
    /// The message has this sequence, and its subject has come to this total.
    Counted {
        /// The sequence.
        seq: u64,
        /// The total, in decimal.
        total: Box<str>,
    },
    /// The message id was seen within the duplicate window.
    Duplicate {
        /// The sequence the first of its kind got.
        seq: u64,
    },
    /// A message of a batch has come; nothing is stored yet.
    Staged,
    /// Of a fast batch, everything up to its message `seq` is stored, but for gaps it said are fine. The next
    /// acknowledgement comes after `msgs` messages.
    FlowAck {
        /// The place in the batch.
        seq: u64,
        /// Messages until the next.
        msgs: u16,
    },
    /// Of a fast batch, messages are missing before `seq`.
    FlowGap {
        /// The first that is missing.
        expected: u64,
        /// The one that came.
        seq: u64,
    },
    /// A message of a fast batch was refused.
    FlowError {
        /// Its place in the batch.
        seq: u64,
        /// Why.
        error: Box<ApiError>,
    },
    /// A batch is stored.
    Committed(Box<Committed>),
    /// Nothing was stored.
    Refused(Box<ApiError>),
}

/// A batch that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub id: Box<str>,
    /// The sequence of its last message.
    pub seq: u64,
    /// Its number of messages.
    pub count: u64,
    /// Its only message had been stored before.
    pub duplicate: bool,
}
