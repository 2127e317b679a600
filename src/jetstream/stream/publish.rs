//! What becomes of one publish: refused, known already, or stored.

use std::borrow::Cow;

use super::counter::Counter;
use super::decimal_sum::Decimal;
use super::expectations::{check_last_seq, check_last_subject_seq};
use super::limits::{accounted_bytes, limit};
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use super::ttl::Ttl;
use super::turn::{Answer, Effect, Turn};
use super::{Discard, Retention, StreamMachine};
use crate::clock::UnixNanos;
use crate::store::{MessageLog, NewMessage};

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
    /// Whether it is stored; under interest retention, what nobody is interested in is not.
    pub(super) wanted: bool,
}

/// Which older messages a publish replaces (`Nats-Rollup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rollup {
    Subject,
    All,
}

/// What the checks made of a publish.
enum Checked<'a> {
    Accepted(Accepted<'a>),
    Duplicate { seq: u64 },
}

impl StreamMachine {
    /// Takes one publish. What the publisher is told is the last of the effects.
    pub fn publish(&mut self, turn: &mut Turn<'_>, message: &Ingest<'_>) {
        let answer = self
            .try_publish(turn, message)
            .unwrap_or_else(|refusal| Answer::Refused(Box::new(refusal.into())));
        turn.effects.push(Effect::Answer(answer));
    }

    fn try_publish(&mut self, turn: &mut Turn<'_>, message: &Ingest<'_>) -> Result<Answer, Refusal> {
        match self.check(turn, message)? {
            Checked::Accepted(accepted) => {
                let seq = self.store(turn, &accepted)?;
                Ok(match accepted.total {
                    Some(total) if accepted.wanted => Answer::Counted { seq, total: total.into() },
                    _ => Answer::Stored { seq },
                })
            }
            Checked::Duplicate { seq } => Ok(Answer::Duplicate { seq }),
        }
    }

    /// The order is nats-server's, because the first failure answers.
    fn check<'a>(&mut self, turn: &Turn<'_>, message: &Ingest<'a>) -> Result<Checked<'a>, Refusal> {
        let asked = PublishHeaders::read(message.headers);
        if self.config.sealed {
            return Err(Refusal::Sealed);
        }
        let increment = self.check_increment(&asked, message.payload)?;
        self.check_expectations(turn.log, message.subject, &asked)?;
        if !asked.stream_source.is_empty() {
            return Err(Refusal::StreamSourceHeader);
        }
        if let Some(seq) = self.duplicate_of(asked.msg_id, turn.now) {
            return Ok(Checked::Duplicate { seq });
        }
        self.check_last_msg_id(&asked)?;
        let mut accepted = Accepted {
            subject: message.subject,
            headers: Cow::Borrowed(message.headers),
            payload: Cow::Borrowed(message.payload),
            msg_id: asked.msg_id,
            rollup: self.check_rollup(&asked)?,
            ttl: None,
            total: None,
            wanted: self.is_wanted(turn, message.subject),
        };
        self.count(turn.log, increment, &mut accepted)?;
        self.check_sizes(&accepted)?;
        if accepted.wanted {
            accepted.ttl = self.raise_ttl(Ttl::parse(asked.ttl)?, &mut accepted.headers);
            self.check_discard_new(turn.log, &accepted)?;
        }
        Ok(Checked::Accepted(accepted))
    }

    fn check_expectations(
        &self,
        log: &dyn MessageLog,
        subject: &[u8],
        asked: &PublishHeaders<'_>,
    ) -> Result<(), Refusal> {
        self.check_expected_stream(asked)?;
        // What is no TTL at all is refused later, after everything else.
        if !self.config.allow_msg_ttl && Ttl::parse(asked.ttl).is_ok_and(|ttl| ttl.is_some()) {
            return Err(Refusal::TtlDisabled);
        }
        check_last_subject_seq(log, subject, asked)?;
        check_last_seq(asked, log.state().last_seq)
    }

    fn count(
        &self,
        log: &dyn MessageLog,
        increment: Option<Decimal>,
        message: &mut Accepted<'_>,
    ) -> Result<(), Refusal> {
        if !self.config.allow_msg_counter {
            return Ok(());
        }
        let increment = increment.ok_or(Refusal::IncrementMissing)?;
        let mut counter = Counter::read(log, message.subject)?;
        message.total = Some(counter.add(&increment, &mut message.headers, &mut message.payload));
        let size = message.headers.len() + message.payload.len();
        if size as u64 > self.bounds.payload_bytes_max { Err(Refusal::MessageTooLarge) } else { Ok(()) }
    }

    pub(super) fn is_wanted(&self, turn: &Turn<'_>, subject: &[u8]) -> bool {
        self.config.retention != Retention::Interest || (turn.wanted)(subject)
    }

    fn duplicate_of(&mut self, msg_id: &[u8], now: UnixNanos) -> Option<u64> {
        if msg_id.is_empty() { None } else { self.dedup.find(msg_id, now) }
    }

    fn check_rollup(&self, headers: &PublishHeaders<'_>) -> Result<Option<Rollup>, Refusal> {
        let value = headers.rollup;
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

    fn check_sizes(&self, message: &Accepted<'_>) -> Result<(), Refusal> {
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

    /// Stores a message; returns its sequence. What nobody wants is not stored, but its sequence is used up.
    pub(super) fn store(&mut self, turn: &mut Turn<'_>, message: &Accepted<'_>) -> Result<u64, Refusal> {
        let Accepted { subject, headers, payload, .. } = message;
        let seq = self.next_seq(turn.log);
        let (lsn, republish) = if message.wanted {
            let new = NewMessage { seq, ts: turn.now, subject, headers, payload };
            let republish = self.republished(turn.log, &new);
            (turn.log.append(&new)?, republish)
        } else {
            (turn.log.skip_to(seq)?, None)
        };
        turn.effects.push(Effect::Stored { seq, lsn });
        turn.effects.extend(republish);
        self.after_store(turn, message, seq)?;
        Ok(seq)
    }

    /// What goes out again when `message` is stored.
    fn republished(&self, log: &dyn MessageLog, message: &NewMessage<'_>) -> Option<Effect> {
        let republisher = self.republisher.as_ref()?;
        let to = republisher.subject(message.subject)?;
        let previous_seq = log.subject(message.subject).map_or(0, |state| state.last_seq);
        let outgoing = republisher.outgoing(to, &self.config.name, message, previous_seq);
        Some(Effect::Republish(Box::new(outgoing)))
    }

    fn after_store(&mut self, turn: &mut Turn<'_>, message: &Accepted<'_>, seq: u64) -> Result<(), Refusal> {
        self.remember_id(message.msg_id, turn.now, seq);
        let keep = u64::from(message.wanted);
        match message.rollup {
            Some(Rollup::Subject) => self.roll_up_subject(turn.log, message.subject, keep)?,
            Some(Rollup::All) => drop(turn.log.purge_below(seq + 1 - keep)?),
            None => {}
        }
        if message.wanted {
            self.note_life(turn.now, turn.now, seq, message.ttl);
            self.enforce_subject_limit(turn.log, message.subject)?;
            self.enforce_limits(turn.log)?;
        }
        Ok(())
    }

    fn remember_id(&mut self, msg_id: &[u8], now: UnixNanos, seq: u64) {
        self.last_msg_id.clear();
        if !msg_id.is_empty() {
            self.dedup.remember(msg_id, now, seq);
            self.last_msg_id.extend_from_slice(msg_id);
        }
    }

    fn next_seq(&self, log: &dyn MessageLog) -> u64 {
        (log.state().last_seq + 1).max(self.config.first_seq)
    }
}
