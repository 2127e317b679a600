//! What a publisher expects of the stream, and whether it is so.

use bytes::Bytes;
use headwater_protocol::{decimal, subject};

use super::StreamMachine;
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use crate::store::MessageLog;

impl StreamMachine {
    pub(super) fn check_expected_stream(&self, headers: &PublishHeaders<'_>) -> Result<(), Refusal> {
        let expected = headers.expected_stream;
        if expected.is_empty() || expected == self.config.name.as_bytes() {
            Ok(())
        } else {
            Err(Refusal::ExpectedStream)
        }
    }

    pub(super) fn check_last_msg_id(&self, headers: &PublishHeaders<'_>) -> Result<(), Refusal> {
        let expected = headers.expected_last_msg_id;
        if expected.is_empty() || self.last_msg_id == expected {
            return Ok(());
        }
        Err(Refusal::WrongLastMsgId(String::from_utf8_lossy(&self.last_msg_id).into_owned()))
    }
}

/// `Nats-Expected-Last-Sequence`.
pub(super) fn check_last_seq(
    asked: &PublishHeaders<'_>,
    last_seq: impl FnOnce() -> u64,
) -> Result<(), Refusal> {
    let Some(expected) = expected_seq(asked.expected_last_seq) else { return Ok(()) };
    let actual = last_seq();
    if expected == actual { Ok(()) } else { Err(Refusal::WrongLastSeq(actual)) }
}

/// `Nats-Expected-Last-Subject-Sequence`.
pub(super) fn check_last_subject_seq(
    log: &dyn MessageLog,
    subject: &[u8],
    headers: &PublishHeaders<'_>,
) -> Result<(), Refusal> {
    let Some((filter, expected)) = expected_subject_seq(subject, headers)? else { return Ok(()) };
    let actual = last_seq_of(log, filter)?;
    if expected == actual { Ok(()) } else { Err(Refusal::WrongLastSubjectSeq(actual)) }
}

/// The subject, wildcards allowed, and the sequence its last message is expected to have.
pub(super) fn expected_subject_seq<'a>(
    subject: &'a [u8],
    headers: &PublishHeaders<'a>,
) -> Result<Option<(&'a [u8], u64)>, Refusal> {
    let filter = headers.expected_last_subject_seq_subject;
    match expected_seq(headers.expected_last_subject_seq) {
        Some(expected) if filter.is_empty() => Ok(Some((subject, expected))),
        Some(expected) => Ok(Some((filter, expected))),
        None if filter.is_empty() => Ok(None),
        None => Err(Refusal::MissingLastSubjectSeq),
    }
}

/// The sequence of the last message whose subject matches, 0 if there is none.
pub(super) fn last_seq_of(log: &dyn MessageLog, filter: &[u8]) -> Result<u64, Refusal> {
    if !subject::has_wildcards(filter) {
        return Ok(log.subject(filter).map_or(0, |state| state.last_seq));
    }
    let filters = [Bytes::copy_from_slice(filter)];
    Ok(log.last_match(log.state().last_seq, &filters)?.unwrap_or(0))
}

/// A sequence in a header; what is no number is a sequence no stream comes to, as with nats-server.
pub(super) fn expected_seq(text: &[u8]) -> Option<u64> {
    (!text.is_empty()).then(|| decimal::parse_u64(text).unwrap_or(u64::MAX))
}
