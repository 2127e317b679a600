//! A message read back.

use bytes::Bytes;

use crate::UnixNanos;

/// A message read back, in one buffer: passing it on counts one reference, not one for each of its parts.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Its stream sequence.
    pub seq: u64,
    /// When the server received it.
    pub ts: UnixNanos,
    /// Subject, header block and payload, back to back.
    content: Bytes,
    subject_end: u32,
    headers_end: u32,
}

impl StoredMessage {
    /// A message of the buffer that holds its subject, header block and payload. Lengths beyond the buffer count as its end.
    #[inline]
    pub fn new(seq: u64, ts: UnixNanos, content: Bytes, subject_bytes: u16, headers_bytes: u32) -> Self {
        let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let subject_end = u32::from(subject_bytes).min(len);
        let headers_end = subject_end.saturating_add(headers_bytes).min(len);
        Self { seq, ts, content, subject_end, headers_end }
    }

    /// The subject it is stored under.
    #[inline]
    pub fn subject(&self) -> &[u8] {
        self.content.get(..self.subject_end as usize).unwrap_or_default()
    }

    /// The header block, or empty.
    #[inline]
    pub fn headers(&self) -> &[u8] {
        self.content.get(self.subject_end as usize..self.headers_end as usize).unwrap_or_default()
    }

    /// The body.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.content.get(self.headers_end as usize..).unwrap_or_default()
    }

    /// The subject alone, to be kept.
    pub fn into_subject(self) -> Bytes {
        self.content.slice(..self.subject_end as usize)
    }

    /// The body alone, to be kept.
    pub fn into_payload(self) -> Bytes {
        self.content.slice(self.headers_end as usize..)
    }

    /// `subject + headers + payload`, in bytes.
    pub fn content_bytes(&self) -> u64 {
        self.content.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart_where_its_lengths_say() {
        let stored = StoredMessage::new(7, 9, Bytes::from_static(b"a.bNATS/1.0\r\n\r\nhello"), 3, 12);
        assert_eq!((stored.seq, stored.ts), (7, 9));
        assert_eq!(stored.subject(), b"a.b");
        assert_eq!(stored.headers(), b"NATS/1.0\r\n\r\n");
        assert_eq!(stored.payload(), b"hello");
        assert_eq!(stored.content_bytes(), 20);
        assert_eq!(&stored.clone().into_subject()[..], b"a.b");
        assert_eq!(&stored.into_payload()[..], b"hello");
    }

    #[test]
    fn lengths_beyond_the_content_end_with_it() {
        let content = Bytes::from_static(b"abc");
        let stored = StoredMessage::new(1, 1, content.clone(), 2, u32::MAX);
        assert_eq!((stored.subject(), stored.headers(), stored.payload()), (&b"ab"[..], &b"c"[..], &b""[..]));
        let stored = StoredMessage::new(1, 1, content, u16::MAX, 1);
        assert_eq!((stored.subject(), stored.headers(), stored.payload()), (&b"abc"[..], &b""[..], &b""[..]));
    }
}
