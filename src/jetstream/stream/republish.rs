//! Stored messages that go out again under another subject (behaviour §31).

use bytes::Bytes;
use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::stream_config::{Republish, StreamConfig};
use headwater_protocol::jetstream::timestamp::Timestamp;
use headwater_protocol::subject::{self, transform::Transform};

use super::turn::Outgoing;
use crate::store::NewMessage;

/// Where stored messages go again.
pub(super) struct Republisher {
    transform: Transform,
    headers_only: bool,
}

impl Republisher {
    /// As configured; `None` if nothing is.
    pub(super) fn new(config: &StreamConfig) -> Option<Self> {
        let Republish { src, dest, headers_only } = config.republish.as_ref()?;
        let src = if src.is_empty() { ">" } else { src };
        Some(Self { transform: Transform::new(src, dest).ok()?, headers_only: *headers_only })
    }

    /// The subject a message goes to. What the transform makes no literal subject of goes nowhere.
    pub(super) fn subject(&self, stored_under: &[u8]) -> Option<Vec<u8>> {
        self.transform.apply(stored_under).filter(|to| subject::is_valid(to) && subject::is_literal(to))
    }

    /// What goes out: the message with its headers, and where it comes from. `previous_seq` is the sequence of the message
    /// before it on the same subject, 0 if there was none; it lets light clients see gaps.
    pub(super) fn outgoing(
        &self,
        to: Vec<u8>,
        stream: &str,
        stored: &NewMessage<'_>,
        previous_seq: u64,
    ) -> Outgoing {
        let mut block = Vec::with_capacity(stored.headers.len() + stream.len() + stored.subject.len() + 200);
        block.extend_from_slice(stored.headers);
        headers::append(&mut block, names::STREAM, stream.as_bytes());
        headers::append(&mut block, names::SUBJECT, stored.subject);
        headers::append_u64(&mut block, names::SEQUENCE, stored.seq);
        headers::append(&mut block, names::TIME_STAMP, Timestamp(stored.ts).text().as_bytes());
        headers::append_u64(&mut block, names::LAST_SEQUENCE, previous_seq);
        let mut payload = stored.payload;
        if self.headers_only {
            headers::append_u64(&mut block, names::MSG_SIZE, payload.len() as u64);
            payload = b"";
        }
        Outgoing { subject: to, headers: block, payload: Bytes::copy_from_slice(payload) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn republisher(dest: &str, headers_only: bool) -> Republisher {
        let republish = Some(Republish { src: "s.>".into(), dest: dest.into(), headers_only });
        Republisher::new(&StreamConfig { republish, ..StreamConfig::default() }).unwrap()
    }

    const STORED: NewMessage<'_> = NewMessage {
        seq: 3,
        ts: 1_700_000_000_500_000_000,
        subject: b"s.a",
        headers: b"NATS/1.0\r\nX: y\r\n\r\n",
        payload: b"hello",
    };

    #[test]
    fn a_republished_message_tells_where_it_comes_from_after_its_own_headers() {
        let out = republisher("r.>", false).outgoing(b"r.a".to_vec(), "S", &STORED, 1);
        assert_eq!(
            String::from_utf8(out.headers).unwrap(),
            "NATS/1.0\r\nX: y\r\nNats-Stream: S\r\nNats-Subject: s.a\r\nNats-Sequence: 3\r\n\
             Nats-Time-Stamp: 2023-11-14T22:13:20.5Z\r\nNats-Last-Sequence: 1\r\n\r\n"
        );
        assert_eq!(out.payload, "hello");
    }

    #[test]
    fn headers_only_tells_the_size_instead_of_the_payload() {
        let out = republisher("r.>", true).outgoing(b"r.a".to_vec(), "S", &STORED, 0);
        assert_eq!(headers::get(&out.headers, b"Nats-Msg-Size"), Some(&b"5"[..]));
        assert!(out.payload.is_empty());
    }

    #[test]
    fn other_subjects_stay_where_they_are() {
        assert_eq!(republisher("r.>", false).subject(b"s.a.b"), Some(b"r.a.b".to_vec()));
        assert_eq!(republisher("r.>", false).subject(b"t.a"), None);
    }
}
