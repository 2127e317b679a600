//! Whether a message is in order, and what it will be when it is stored: the checks that a single message and one of a
//! batch have in common.

use std::borrow::Cow;

use super::counter::Counter;
use super::decimal_sum::Decimal;
use super::limits::{accounted_bytes, limit};
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use super::room::Meter;
use super::schedule::Scheduling;
use super::ttl::Ttl;
use super::turn::Turn;
use super::{Discard, Ingest, Retention, StreamMachine};
use crate::store::MessageLog;

/// The largest header block a stream takes, in bytes.
const HEADER_BYTES_MAX: usize = 65_535;

/// A message that was found in order, as it will be stored.
#[derive(Debug)]
pub(super) struct Accepted<'a> {
    pub(super) subject: &'a [u8],
    pub(super) headers: Cow<'a, [u8]>,
    pub(super) payload: Cow<'a, [u8]>,
    pub(super) msg_id: &'a [u8],
    pub(super) rollup: Option<Rollup>,
    pub(super) ttl: Option<Ttl>,
    /// What its subject has counted to.
    pub(super) total: Option<String>,
    pub(super) scheduling: Scheduling<'a>,
    /// Whether it is stored; under interest retention, what nobody is interested in is not.
    pub(super) wanted: bool,
}

/// Which older messages a publish replaces (`Nats-Rollup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rollup {
    Subject,
    All,
}

impl<'a> Accepted<'a> {
    /// A message as it came, of which nothing is known but its id.
    pub(super) fn new(message: &Ingest<'a>, asked: &PublishHeaders<'a>) -> Self {
        Self {
            subject: message.subject,
            headers: Cow::Borrowed(message.headers),
            payload: Cow::Borrowed(message.payload),
            msg_id: asked.msg_id,
            rollup: None,
            ttl: None,
            total: None,
            scheduling: Scheduling::default(),
            wanted: true,
        }
    }

    /// As it will be stored.
    pub(super) fn content(&self) -> Ingest<'_> {
        Ingest { subject: self.subject, headers: &self.headers, payload: &self.payload }
    }

    /// Header block and payload.
    pub(super) fn bytes(&self) -> usize {
        self.headers.len() + self.payload.len()
    }
}

/// The largest header block a stream takes.
pub(super) fn check_header_size(block: &[u8]) -> Result<(), Refusal> {
    if block.len() > HEADER_BYTES_MAX { Err(Refusal::HeadersTooLarge) } else { Ok(()) }
}

impl StreamMachine {
    pub(super) fn is_wanted(&self, turn: &Turn<'_>, subject: &[u8]) -> bool {
        self.config.retention != Retention::Interest || turn.audience.wants(subject)
    }

    /// Counts on, where the stream counts; the message becomes the one that tells the total.
    pub(super) fn count(
        &self,
        counter: impl FnOnce() -> Result<Counter, Refusal>,
        increment: Option<Decimal>,
        message: &mut Accepted<'_>,
    ) -> Result<Option<Counter>, Refusal> {
        if !self.config.allow_msg_counter {
            return Ok(None);
        }
        let increment = increment.ok_or(Refusal::IncrementMissing)?;
        let mut counter = counter()?;
        message.total = Some(counter.add(&increment, &mut message.headers, &mut message.payload));
        if message.bytes() as u64 > self.bounds.payload_bytes_max {
            return Err(Refusal::MessageTooLarge);
        }
        self.check_message_size(message.bytes())?;
        Ok(Some(counter))
    }

    /// Which older messages the publish replaces. A schedule replaces the one before it.
    pub(super) fn check_rollup(
        &self,
        asked: &PublishHeaders<'_>,
        scheduling: &Scheduling<'_>,
    ) -> Result<Option<Rollup>, Refusal> {
        let value = if scheduling.due.is_some() { b"sub" } else { asked.rollup };
        if value.is_empty() {
            return Ok(None);
        }
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

    /// Whether the server has not come to the limit of what it stores.
    pub(super) fn check_server_room(&mut self, log: &dyn MessageLog) -> Result<(), Refusal> {
        self.count_bytes(log);
        self.meter.as_ref().map_or(Ok(()), Meter::check_server)
    }

    /// Whether the account may store `message` as well.
    pub(super) fn check_account_room(
        &self,
        log: &dyn MessageLog,
        message: &Ingest<'_>,
    ) -> Result<(), Refusal> {
        let bytes = accounted_bytes(log.kind(), message);
        self.meter.as_ref().map_or(Ok(()), |meter| meter.check_account(bytes))
    }

    /// `max_msg_size`, header block and payload.
    pub(super) fn check_message_size(&self, bytes: usize) -> Result<(), Refusal> {
        match u64::try_from(self.config.max_msg_size) {
            Ok(max) if bytes as u64 > max => Err(Refusal::MessageTooLarge),
            _ => Ok(()),
        }
    }

    /// Discard new refuses what would not fit, except where the message takes the place of another of its subject.
    pub(super) fn check_discard_new(
        &self,
        log: &dyn MessageLog,
        message: &Accepted<'_>,
    ) -> Result<(), Refusal> {
        if self.config.discard != Discard::New {
            return Ok(());
        }
        let subject = self.subject_at_limit(log, message.subject);
        if subject.is_some() && self.config.discard_new_per_subject && message.rollup.is_none() {
            return Err(Refusal::MaxMsgsPerSubject);
        }
        let state = log.state();
        if let Some(max) = limit(self.config.max_msgs) {
            if state.messages >= max && subject.is_none() {
                return Err(Refusal::MaxMsgs);
            }
        }
        if let Some(max) = limit(self.config.max_bytes) {
            let size = accounted_bytes(log.kind(), &message.content());
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
}
