//! The answer to a publish, byte by byte as nats-server writes it.

use super::error::ApiError;
use super::from_json::json_object;
use crate::decimal::push_u64;

/// A message was stored, or recognised as stored before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PubAck<'a> {
    /// The stream.
    pub stream: &'a str,
    /// Its domain, if any.
    pub domain: Option<&'a str>,
    /// The message's sequence; of a batch, that of its last message.
    pub seq: u64,
    /// It had been stored before.
    pub duplicate: bool,
    /// The new value of a counter.
    pub value: Option<&'a str>,
    /// The batch this commits.
    pub batch: Option<BatchCommit<'a>>,
}

/// A batch that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchCommit<'a> {
    /// The batch's id.
    pub id: &'a str,
    /// Its number of messages.
    pub count: u64,
}

impl PubAck<'_> {
    /// Appends the JSON. Allocates only if `out` has no room.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"stream\":");
        push_string(out, self.stream);
        if let Some(domain) = self.domain {
            out.extend_from_slice(b",\"domain\":");
            push_string(out, domain);
        }
        push_number(out, b",\"seq\":", self.seq);
        if self.duplicate {
            // The space is nats-server's.
            out.extend_from_slice(b",\"duplicate\": true");
        }
        if let Some(value) = self.value {
            out.extend_from_slice(b",\"val\":");
            push_string(out, value);
        }
        if let Some(batch) = self.batch {
            out.extend_from_slice(b",\"batch\":");
            push_string(out, batch.id);
            push_number(out, b",\"count\":", batch.count);
        }
        out.push(b'}');
    }
}

/// Appends the answer to a publish that was refused.
pub fn write_refusal(out: &mut Vec<u8>, stream: &str, domain: Option<&str>, error: &ApiError) {
    out.extend_from_slice(b"{\"error\":");
    push_error(out, error);
    out.extend_from_slice(b",\"stream\":");
    push_string(out, stream);
    if let Some(domain) = domain {
        out.extend_from_slice(b",\"domain\":");
        push_string(out, domain);
    }
    out.extend_from_slice(b",\"seq\":0}");
}

/// Appends a fast batch's `{"type":"ack"}`: everything up to `seq` arrived, the next comes after `msgs` messages.
pub fn write_flow_ack(out: &mut Vec<u8>, seq: u64, msgs: u16) {
    push_number(out, b"{\"type\":\"ack\",\"seq\":", seq);
    push_number(out, b",\"msgs\":", msgs.into());
    out.push(b'}');
}

/// Appends a fast batch's `{"type":"gap"}`: `seq` arrived where `expected` was to come.
pub fn write_flow_gap(out: &mut Vec<u8>, expected: u64, seq: u64) {
    push_number(out, b"{\"type\":\"gap\",\"last_seq\":", expected);
    push_number(out, b",\"seq\":", seq);
    out.push(b'}');
}

/// Appends a fast batch's `{"type":"err"}`: message `seq` was refused.
pub fn write_flow_error(out: &mut Vec<u8>, seq: u64, error: &ApiError) {
    push_number(out, b"{\"type\":\"err\",\"seq\":", seq);
    out.extend_from_slice(b",\"error\":");
    push_error(out, error);
    out.push(b'}');
}

/// The answer of another server to a publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceivedPubAck {
    /// Why it was refused.
    pub error: Option<ApiError>,
    /// The stream.
    pub stream: String,
    /// Its domain.
    pub domain: String,
    /// The message's sequence.
    pub seq: u64,
    /// It had been stored before.
    pub duplicate: bool,
}

json_object! { ReceivedPubAck as "PubAck" { error, stream, domain, seq, duplicate } }

fn push_number(out: &mut Vec<u8>, label: &[u8], value: u64) {
    out.extend_from_slice(label);
    push_u64(out, value);
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to a Vec does not fail.
    let _ = serde_json::to_writer(out, text);
}

fn push_error(out: &mut Vec<u8>, error: &ApiError) {
    // Writing numbers and strings to a Vec does not fail.
    let _ = serde_json::to_writer(out, error);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::error::ErrorCode;
    use crate::jetstream::from_json::decode;

    fn written(ack: PubAck<'_>) -> String {
        let mut out = Vec::new();
        ack.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn acks_are_byte_for_byte_those_of_nats_server() {
        let plain = PubAck { stream: "S", seq: 1, ..Default::default() };
        assert_eq!(written(plain), r#"{"stream":"S","seq":1}"#);
        assert_eq!(written(PubAck { domain: Some("D"), ..plain }), r#"{"stream":"S","domain":"D","seq":1}"#);
        assert_eq!(
            written(PubAck { seq: 2, duplicate: true, ..plain }),
            r#"{"stream":"S","seq":2,"duplicate": true}"#
        );
        assert_eq!(written(PubAck { value: Some("6"), ..plain }), r#"{"stream":"S","seq":1,"val":"6"}"#);
        let batch = Some(BatchCommit { id: "u1", count: 3 });
        assert_eq!(written(PubAck { batch, ..plain }), r#"{"stream":"S","seq":1,"batch":"u1","count":3}"#);
    }

    #[test]
    fn a_refusal_names_the_stream_and_sequence_zero() {
        let error = ErrorCode::StreamWrongLastSequence.with(4);
        assert_eq!(
            text(|out| write_refusal(out, "S", None, &error)),
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 4"},"stream":"S","seq":0}"#
        );
    }

    #[test]
    fn fast_batches_are_answered_as_nats_server_answers_them() {
        assert_eq!(text(|out| write_flow_ack(out, 0, 2)), r#"{"type":"ack","seq":0,"msgs":2}"#);
        assert_eq!(text(|out| write_flow_gap(out, 3, 5)), r#"{"type":"gap","last_seq":3,"seq":5}"#);
        let error = ErrorCode::BadRequest.error();
        assert_eq!(
            text(|out| write_flow_error(out, 1, &error)),
            r#"{"type":"err","seq":1,"error":{"code":400,"err_code":10003,"description":"bad request"}}"#
        );
    }

    #[test]
    fn names_are_escaped() {
        let ack = PubAck { stream: "a\"b", seq: 1, ..Default::default() };
        assert_eq!(written(ack), r#"{"stream":"a\"b","seq":1}"#);
    }

    #[test]
    fn the_ack_of_another_server_is_read_back() {
        let body = text(|out| write_refusal(out, "S", Some("hub"), &ErrorCode::StreamNotFound.error()));
        let ack: ReceivedPubAck = decode(body.as_bytes(), false).unwrap();
        assert!(ack.error.is_some_and(|error| error.is(ErrorCode::StreamNotFound)));
        assert_eq!(ack.domain, "hub");
    }
}
