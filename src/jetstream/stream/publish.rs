//! What becomes of one publish: refused, known already, or stored.

use super::StreamMachine;
use super::accept::{Accepted, check_header_size};
use super::batch::fast_reply::is_fast;
use super::counter::Counter;
use super::expectations::{check_last_seq, check_last_subject_seq};
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use super::ttl::Ttl;
use super::turn::{Answer, Effect, Turn};
use crate::clock::UnixNanos;
use crate::store::MessageLog;

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

/// What the checks made of a publish.
pub(super) enum Checked<'a> {
    Accepted(Accepted<'a>),
    Duplicate { seq: u64 },
}

impl StreamMachine {
    /// Takes one publish, whose reply subject, if any, is `reply`. What the publisher is told is among the effects.
    pub fn publish(&mut self, turn: &mut Turn<'_>, message: &Ingest<'_>, reply: &[u8]) {
        match self.take(turn, message, reply) {
            Ok(None) => {}
            Ok(Some(answer)) => self.tell(turn, reply, || answer),
            Err(refusal) => self.tell(turn, reply, || Answer::Refused(Box::new(refusal.into()))),
        }
    }

    /// `None` if all that is to be told has been.
    pub(super) fn take(
        &mut self,
        turn: &mut Turn<'_>,
        message: &Ingest<'_>,
        reply: &[u8],
    ) -> Result<Option<Answer>, Refusal> {
        match is_fast(reply) {
            true => self.publish_fast(turn, message, reply).map(|()| None),
            false => self.publish_alone_or_atomic(turn, message).map(Some),
        }
    }

    pub(super) fn tell(&self, turn: &mut Turn<'_>, reply: &[u8], answer: impl FnOnce() -> Answer) {
        if !reply.is_empty() && !self.config.no_ack {
            turn.effects.push(Effect::Answer(answer()));
        }
    }

    fn publish_alone_or_atomic(
        &mut self,
        turn: &mut Turn<'_>,
        message: &Ingest<'_>,
    ) -> Result<Answer, Refusal> {
        let asked = PublishHeaders::read(message.headers);
        if !asked.batch_id.is_empty() {
            return self.publish_atomic(turn, message, &asked);
        }
        match self.check(turn, message, &asked)? {
            Checked::Accepted(accepted) => {
                let seq = self.store(turn, &accepted)?;
                Ok(match accepted.total {
                    Some(total) => Answer::Counted { seq, total: total.into() },
                    None => Answer::Stored { seq },
                })
            }
            Checked::Duplicate { seq } => Ok(Answer::Duplicate { seq }),
        }
    }

    fn check<'a>(
        &mut self,
        turn: &Turn<'_>,
        message: &Ingest<'a>,
        asked: &PublishHeaders<'a>,
    ) -> Result<Checked<'a>, Refusal> {
        let mut accepted = match self.check_terms(turn, message, asked)? {
            Checked::Accepted(accepted) => accepted,
            duplicate => return Ok(duplicate),
        };
        if accepted.wanted {
            self.check_account_room(turn.log, &accepted.content())?;
            accepted.ttl = self.raise_ttl(Ttl::parse(asked.ttl)?, &mut accepted.headers);
            self.check_discard_new(turn.log, &accepted)?;
        }
        Ok(Checked::Accepted(accepted))
    }

    /// All but whether there is room for it. The order is nats-server's, because the first failure answers.
    pub(super) fn check_terms<'a>(
        &mut self,
        turn: &Turn<'_>,
        message: &Ingest<'a>,
        asked: &PublishHeaders<'a>,
    ) -> Result<Checked<'a>, Refusal> {
        if self.config.sealed {
            return Err(Refusal::Sealed);
        }
        self.check_message_size(message.headers.len() + message.payload.len())?;
        check_header_size(message.headers)?;
        let increment = self.check_increment(asked, message.payload)?;
        self.check_expectations(turn.log, message.subject, asked)?;
        let mut accepted = Accepted::new(message, asked);
        self.check_scheduling(turn, asked, &mut accepted, &|_| None)?;
        if !asked.stream_source.is_empty() {
            return Err(Refusal::StreamSourceHeader);
        }
        if let Some(seq) = self.duplicate_of(asked.msg_id, turn.now) {
            return Ok(Checked::Duplicate { seq });
        }
        self.check_last_msg_id(asked)?;
        accepted.rollup = self.check_rollup(asked, &accepted.scheduling)?;
        self.count(|| Counter::read(turn.log, message.subject), increment, &mut accepted)?;
        // By now the message may have grown.
        self.check_message_size(accepted.bytes())?;
        check_header_size(&accepted.headers)?;
        self.check_server_room(turn.log)?;
        accepted.wanted = self.is_wanted(turn, message.subject);
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
        check_last_seq(asked, || log.state().last_seq)
    }

    pub(super) fn duplicate_of(&mut self, msg_id: &[u8], now: UnixNanos) -> Option<u64> {
        if msg_id.is_empty() { None } else { self.dedup.find(msg_id, now) }
    }
}
