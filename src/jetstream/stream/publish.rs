//! What becomes of one publish: refused, known already, or stored.

use bytes::Bytes;
use headwater_protocol::subject;

use super::limits::accounted_bytes;
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use super::{Discard, Retention, StreamMachine};
use crate::clock::UnixNanos;
use crate::store::{Lsn, MessageLog, NewMessage};

/// The largest header block a stream takes, in bytes.
const HEADER_BYTES_MAX: usize = 65_535;

/// A message as it reaches the stream; `headers` is a whole block or empty.
#[derive(Debug, Clone, Copy)]
pub struct Ingest<'a> {
    /// The subject it will be stored under, after any transform.
    pub subject: &'a [u8],
    /// The header block, or empty.
    pub headers: &'a [u8],
    /// The body.
    pub payload: &'a [u8],
}

/// What the stream did with a publish it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Stored; durable once the store has passed `lsn`.
    Stored {
        /// The sequence it got.
        seq: u64,
        /// Where its record ends.
        lsn: Lsn,
    },
    /// Its message id was seen within the duplicate window.
    Duplicate {
        /// The sequence the first of its kind got.
        seq: u64,
    },
    /// Nobody is interested: the sequence is used up, nothing is stored.
    Unwanted {
        /// The sequence that was used up.
        seq: u64,
        /// Where the record of that ends.
        lsn: Lsn,
    },
}

/// Which older messages a publish replaces (`Nats-Rollup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rollup {
    Subject,
    All,
}

impl StreamMachine {
    /// Takes one publish. `wanted` tells whether some consumer's filter matches a subject; it is asked only under
    /// interest retention.
    pub fn publish(
        &mut self,
        log: &mut dyn MessageLog,
        now: UnixNanos,
        message: &Ingest<'_>,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Published, Refusal> {
        let headers = PublishHeaders::read(message.headers);
        self.check_expectations(log, message, &headers)?;
        if headers.stream_source.is_some() {
            return Err(Refusal::StreamSourceHeader);
        }
        if let Some(seq) = self.duplicate_of(&headers, now) {
            return Ok(Published::Duplicate { seq });
        }
        self.check_last_msg_id(&headers)?;
        let rollup = self.check_rollup(&headers)?;
        self.check_sizes(message)?;
        self.check_discard_new(log, message, rollup)?;
        let published = self.store(log, now, message, wanted)?;
        self.after_store(log, now, message, &headers, rollup, published)?;
        Ok(published)
    }

    fn check_expectations(
        &self,
        log: &dyn MessageLog,
        message: &Ingest<'_>,
        headers: &PublishHeaders<'_>,
    ) -> Result<(), Refusal> {
        if self.config.sealed {
            return Err(Refusal::Sealed);
        }
        if headers.incr.is_some() {
            return Err(Refusal::CountersDisabled);
        }
        if headers.expected_stream.is_some_and(|expected| expected != self.config.name.as_bytes()) {
            return Err(Refusal::ExpectedStream);
        }
        if headers.ttl.is_some_and(|ttl| !ttl.is_empty()) && !self.config.allow_msg_ttl {
            return Err(Refusal::TtlDisabled);
        }
        self.check_last_subject_seq(log, message, headers)?;
        let last_seq = log.state().last_seq;
        match headers.expected_last_seq {
            Some(expected) if parse_seq(expected) != last_seq => Err(Refusal::WrongLastSeq(last_seq)),
            _ => Ok(()),
        }
    }

    fn check_last_subject_seq(
        &self,
        log: &dyn MessageLog,
        message: &Ingest<'_>,
        headers: &PublishHeaders<'_>,
    ) -> Result<(), Refusal> {
        let filter = headers.expected_last_subject_seq_subject;
        let Some(expected) = headers.expected_last_subject_seq else {
            return if filter.is_some() { Err(Refusal::MissingLastSubjectSeq) } else { Ok(()) };
        };
        let actual = last_seq_of(log, filter.unwrap_or(message.subject))?;
        if parse_seq(expected) == actual { Ok(()) } else { Err(Refusal::WrongLastSeq(actual)) }
    }

    fn duplicate_of(&mut self, headers: &PublishHeaders<'_>, now: UnixNanos) -> Option<u64> {
        let id = headers.msg_id.filter(|id| !id.is_empty())?;
        self.dedup.find(id, now)
    }

    fn check_last_msg_id(&self, headers: &PublishHeaders<'_>) -> Result<(), Refusal> {
        let Some(expected) = headers.expected_last_msg_id.filter(|id| !id.is_empty()) else {
            return Ok(());
        };
        if self.last_msg_id == expected {
            return Ok(());
        }
        Err(Refusal::WrongLastMsgId(String::from_utf8_lossy(&self.last_msg_id).into_owned()))
    }

    fn check_rollup(&self, headers: &PublishHeaders<'_>) -> Result<Option<Rollup>, Refusal> {
        let Some(value) = headers.rollup.filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        if !self.config.allow_rollup_hdrs || self.config.deny_purge {
            return Err(Refusal::RollupNotPermitted);
        }
        if value.eq_ignore_ascii_case(b"sub") {
            Ok(Some(Rollup::Subject))
        } else if value.eq_ignore_ascii_case(b"all") {
            Ok(Some(Rollup::All))
        } else {
            Err(Refusal::RollupInvalid(String::from_utf8_lossy(value).into_owned()))
        }
    }

    fn check_sizes(&self, message: &Ingest<'_>) -> Result<(), Refusal> {
        let size = message.headers.len() + message.payload.len();
        if self.config.max_msg_size >= 0 && size as u64 > self.config.max_msg_size as u64 {
            return Err(Refusal::MessageTooLarge);
        }
        if message.headers.len() > HEADER_BYTES_MAX {
            return Err(Refusal::HeadersTooLarge);
        }
        Ok(())
    }

    /// Discard new refuses what would not fit, except where the message takes the place of another of its subject.
    fn check_discard_new(
        &self,
        log: &dyn MessageLog,
        message: &Ingest<'_>,
        rollup: Option<Rollup>,
    ) -> Result<(), Refusal> {
        if self.config.discard != Discard::New {
            return Ok(());
        }
        let subject = self.subject_at_limit(log, message.subject);
        if subject.is_some() && self.config.discard_new_per_subject && rollup.is_none() {
            return Err(Refusal::MaxMsgsPerSubject);
        }
        let state = log.state();
        if let Some(max) = limit(self.config.max_msgs) {
            if state.messages >= max && subject.is_none() {
                return Err(Refusal::MaxMsgs);
            }
        }
        if let Some(max) = limit(self.config.max_bytes) {
            let size = accounted_bytes(log.kind(), message);
            let replaced = subject.and_then(|oldest| log.meta(oldest)).map_or(0, |meta| meta.accounted_bytes);
            if state.bytes + size > max && replaced < size {
                return Err(Refusal::MaxBytes);
            }
        }
        Ok(())
    }

    /// The oldest message of `subject`, when the subject holds as many messages as it may.
    fn subject_at_limit(&self, log: &dyn MessageLog, subject: &[u8]) -> Option<u64> {
        let max = limit(self.config.max_msgs_per_subject)?;
        log.subject(subject).filter(|state| state.count >= max).map(|state| state.first_seq)
    }

    fn store(
        &mut self,
        log: &mut dyn MessageLog,
        now: UnixNanos,
        message: &Ingest<'_>,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Published, Refusal> {
        let seq = self.next_seq(log);
        if self.config.retention == Retention::Interest && !wanted(message.subject) {
            let lsn = log.skip_to(seq)?;
            return Ok(Published::Unwanted { seq, lsn });
        }
        let Ingest { subject, headers, payload } = *message;
        let lsn = log.append(&NewMessage { seq, ts: now, subject, headers, payload })?;
        Ok(Published::Stored { seq, lsn })
    }

    fn after_store(
        &mut self,
        log: &mut dyn MessageLog,
        now: UnixNanos,
        message: &Ingest<'_>,
        headers: &PublishHeaders<'_>,
        rollup: Option<Rollup>,
        published: Published,
    ) -> Result<(), Refusal> {
        let (Published::Stored { seq, .. } | Published::Unwanted { seq, .. }) = published else {
            return Ok(());
        };
        self.remember_id(headers, now, seq);
        if !matches!(published, Published::Stored { .. }) {
            return Ok(());
        }
        match rollup {
            Some(Rollup::Subject) => self.roll_up_subject(log, message.subject)?,
            Some(Rollup::All) => drop(log.purge_below(seq)?),
            None => {}
        }
        self.enforce_subject_limit(log, message.subject)?;
        self.enforce_limits(log)?;
        Ok(())
    }

    fn remember_id(&mut self, headers: &PublishHeaders<'_>, now: UnixNanos, seq: u64) {
        self.last_msg_id.clear();
        if let Some(id) = headers.msg_id.filter(|id| !id.is_empty()) {
            self.dedup.remember(id, now, seq);
            self.last_msg_id.extend_from_slice(id);
        }
    }

    fn next_seq(&self, log: &dyn MessageLog) -> u64 {
        (log.state().last_seq + 1).max(self.config.first_seq)
    }
}

/// A limit as configured: `-1` (and 0, which configs never keep) means none.
pub(super) fn limit(configured: i64) -> Option<u64> {
    u64::try_from(configured).ok().filter(|limit| *limit > 0)
}

fn last_seq_of(log: &dyn MessageLog, filter: &[u8]) -> Result<u64, Refusal> {
    if !subject::has_wildcards(filter) {
        return Ok(log.subject(filter).map_or(0, |state| state.last_seq));
    }
    let filters = [Bytes::copy_from_slice(filter)];
    Ok(log.last_match(log.state().last_seq, &filters)?.unwrap_or(0))
}

/// A sequence in a header; anything that is not a number counts as 0, as with nats-server.
fn parse_seq(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
