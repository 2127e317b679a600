//! Replies that wait for the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use headwater_protocol::headers::HeaderBuilder;
use headwater_protocol::jetstream::error::ErrorCode;
use headwater_protocol::jetstream::response::encode_refusal_like;

use crate::jetstream::stream::Answer;
use crate::store::Lsn;
use tokio::sync::Notify;

/// What is sent once the store has passed the position the reply waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What becomes of a publish.
    Publish(Answer),
    /// An answer of the API, ready to send.
    Body(Box<[u8]>),
    /// An answer of the API that has headers as well.
    Headed(Box<ReplyMessage>),
    /// What a direct get is answered: a message, or a status.
    Got(Box<ReplyMessage>),
    /// A message that nobody has asked for, or that confirms something.
    Message(Box<ReplyMessage>),
    /// The empty message that confirms a consumer's acknowledgement.
    AckConfirmed,
    /// Nothing is sent: somebody in the broker waits for what was promised before to have left.
    Signal(Signal),
    /// Nothing: what was promised cannot be told any more, and silence says so.
    Withdrawn,
}

/// Wakes whoever waits for it.
#[derive(Debug, Clone, Default)]
pub struct Signal(pub Arc<Notify>);

impl PartialEq for Signal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Signal {}

/// An answer that carries more than a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyMessage {
    /// The header block, or empty.
    pub headers: Vec<u8>,
    /// The body.
    pub payload: bytes::Bytes,
}

impl ReplyMessage {
    /// What a direct get is told while the stream is out of service.
    fn unavailable() -> Self {
        let headers = HeaderBuilder::status(503, "").finish();
        Self { headers, payload: bytes::Bytes::new() }
    }
}

impl Reply {
    /// What is said in its place when the store has failed.
    pub fn refused(self) -> Self {
        let unavailable = ErrorCode::ClusterNotAvail.error();
        match self {
            Reply::Publish(Answer::FlowAck { seq, .. }) => {
                Reply::Publish(Answer::FlowError { seq, error: Box::new(unavailable) })
            }
            Reply::Publish(refused @ (Answer::Refused(_) | Answer::FlowError { .. })) => {
                Reply::Publish(refused)
            }
            Reply::Publish(_) => Reply::Publish(Answer::Refused(Box::new(unavailable))),
            Reply::Body(body) => Reply::Body(encode_refusal_like(&body, &unavailable).into()),
            Reply::Headed(message) => Reply::Body(encode_refusal_like(&message.payload, &unavailable).into()),
            Reply::Got(_) => Reply::Got(Box::new(ReplyMessage::unavailable())),
            Reply::Message(_) | Reply::AckConfirmed | Reply::Withdrawn => Reply::Withdrawn,
            Reply::Signal(signal) => Reply::Signal(signal),
        }
    }
}

/// Replies of one stream in the order they were promised.
///
/// The subjects lie back to back in one buffer, so that a reply in wait costs no allocation of its own.
#[derive(Debug, Default)]
pub struct Replies {
    waiting: VecDeque<Waiting>,
    subjects: VecDeque<u8>,
}

#[derive(Debug)]
struct Waiting {
    lsn: Lsn,
    subject_bytes: u16,
    reply: Reply,
}

impl Replies {
    /// Promises `reply` to `to` once the store has passed `lsn`. A later reply never overtakes an earlier one.
    ///
    /// A subject longer than a control line can carry is nobody's; the reply is dropped.
    pub fn promise(&mut self, lsn: Lsn, to: &[u8], reply: Reply) {
        let Ok(subject_bytes) = u16::try_from(to.len()) else { return };
        self.subjects.extend(to);
        self.waiting.push_back(Waiting { lsn, subject_bytes, reply });
    }

    /// The next reply whose position `settled` has reached; its subject is written to `to`.
    pub fn next_settled(&mut self, settled: Lsn, to: &mut Vec<u8>) -> Option<Reply> {
        if self.waiting.front()?.lsn > settled {
            return None;
        }
        let waiting = self.waiting.pop_front()?;
        to.clear();
        to.extend(self.subjects.drain(..usize::from(waiting.subject_bytes).min(self.subjects.len())));
        self.shrink_when_idle();
        Some(waiting.reply)
    }

    /// The store has failed at `settled`: what waits for more is answered that it did not happen, as far as that can be
    /// said. A client that hears nothing asks again.
    pub fn refuse_unsettled(&mut self, settled: Lsn) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.lsn > settled) {
            waiting.lsn = settled;
            let reply = std::mem::replace(&mut waiting.reply, Reply::Withdrawn);
            waiting.reply = reply.refused();
        }
    }

    /// Whether nothing is promised.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn shrink_when_idle(&mut self) {
        const IDLE_CAPACITY_MAX: usize = 4096;
        if self.waiting.is_empty() && self.waiting.capacity() > IDLE_CAPACITY_MAX {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_not_settled_when_the_store_failed_is_answered_as_not_done() {
        let mut replies = Replies::default();
        let body = br#"{"type":"io.nats.jetstream.api.v1.stream_purge_response","success":true,"purged":1}"#;
        replies.promise(Lsn(10), b"a", Reply::Publish(Answer::Stored { seq: 1 }));
        replies.promise(Lsn(20), b"b", Reply::Publish(Answer::Stored { seq: 2 }));
        replies.promise(Lsn(20), b"c", Reply::Body((*body).into()));
        let message = || {
            let headers = b"NATS/1.0\r\n\r\n".to_vec();
            Box::new(ReplyMessage { headers, payload: bytes::Bytes::from_static(body) })
        };
        replies.promise(Lsn(20), b"d", Reply::Headed(message()));
        replies.promise(Lsn(20), b"e", Reply::Got(message()));
        replies.promise(Lsn(20), b"f", Reply::Message(message()));
        replies.promise(Lsn(20), b"g", Reply::AckConfirmed);
        replies.refuse_unsettled(Lsn(10));
        let mut to = Vec::new();
        let mut next = || replies.next_settled(Lsn(10), &mut to);
        assert_eq!(next(), Some(Reply::Publish(Answer::Stored { seq: 1 })));
        let unavailable = ErrorCode::ClusterNotAvail.error();
        assert_eq!(next(), Some(Reply::Publish(Answer::Refused(Box::new(unavailable)))));
        let refusal = br#"{"type":"io.nats.jetstream.api.v1.stream_purge_response","error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}"#;
        assert_eq!(next(), Some(Reply::Body((*refusal).into())));
        assert_eq!(next(), Some(Reply::Body((*refusal).into())));
        let status = ReplyMessage { headers: b"NATS/1.0 503\r\n\r\n".to_vec(), payload: bytes::Bytes::new() };
        assert_eq!(next(), Some(Reply::Got(Box::new(status))));
        assert_eq!(next(), Some(Reply::Withdrawn));
        assert_eq!(next(), Some(Reply::Withdrawn));
        assert_eq!(next(), None);
    }

    #[test]
    fn a_reply_waits_for_its_position_and_keeps_its_turn() {
        let mut replies = Replies::default();
        let ack = |seq| Reply::Publish(Answer::Stored { seq });
        replies.promise(Lsn(10), b"inbox.1", ack(1));
        replies.promise(Lsn(20), b"inbox.22", ack(2));
        replies.promise(Lsn(20), b"x", Reply::AckConfirmed);
        let mut to = Vec::new();
        assert_eq!(replies.next_settled(Lsn(9), &mut to), None);
        assert_eq!(replies.next_settled(Lsn(10), &mut to), Some(ack(1)));
        assert_eq!(to, b"inbox.1");
        assert_eq!(replies.next_settled(Lsn(10), &mut to), None);
        assert_eq!(replies.next_settled(Lsn(20), &mut to), Some(ack(2)));
        assert_eq!(to, b"inbox.22");
        assert_eq!(replies.next_settled(Lsn(20), &mut to), Some(Reply::AckConfirmed));
        assert_eq!(to, b"x");
        assert!(replies.is_empty());
    }
}
