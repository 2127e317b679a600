//! Storing what another stream holds: a mirror's copies and a source's messages.
//!
//! They were in order where they come from, so fewer checks are made than of a publish; what the stream does not allow (a
//! life of its own, a rollup) is stored and has no effect.

use std::borrow::Cow;

use headwater_protocol::headers::{self, names};

use super::accept::{Accepted, check_header_size};
use super::counter::Counter;
use super::decimal_sum::Decimal;
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use super::storing::Slot;
use super::ttl::Ttl;
use super::turn::Turn;
use super::{Ingest, StreamMachine};
use crate::clock::UnixNanos;
use crate::store::MessageLog;

/// A message of another stream. Its headers are as they are to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Foreign<'a> {
    /// The message, with its subject transformed.
    pub message: Ingest<'a>,
    /// Its sequence and time, where they are kept: in a mirror.
    pub copy_of: Option<(u64, UnixNanos)>,
    /// How counters name where it comes from: the origin and the subject there.
    pub counted_as: (&'a str, &'a str),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has this sequence.
    Stored {
        /// The sequence.
        seq: u64,
    },
    /// Nothing was stored: nobody is interested, or its id was seen within the duplicate window.
    PassedOver,
}

impl StreamMachine {
    /// Takes over a message of another stream.
    pub fn take_over(&mut self, turn: &mut Turn<'_>, foreign: &Foreign<'_>) -> Result<Taken, Refusal> {
        if self.config.sealed {
            return Err(Refusal::Sealed);
        }
        let message = &foreign.message;
        let asked = PublishHeaders::read(message.headers);
        // A mirror has what its origin has, whatever it saw before.
        if foreign.copy_of.is_none() && self.duplicate_of(asked.msg_id, turn.now).is_some() {
            return Ok(Taken::PassedOver);
        }
        let mut accepted = Accepted::new(message, &asked);
        if self.config.allow_rollup_hdrs && !self.config.deny_purge {
            accepted.rollup = self.check_rollup(&asked, &accepted.scheduling)?;
        }
        self.count_foreign(turn.log, foreign, &asked, &mut accepted)?;
        self.check_message_size(accepted.bytes())?;
        check_header_size(&accepted.headers)?;
        self.check_server_room(turn.log)?;
        accepted.wanted = self.is_wanted(turn, message.subject);
        if accepted.wanted {
            self.check_account_room(turn.log, &accepted.content())?;
            accepted.ttl = self.foreign_ttl(&asked, &mut accepted.headers);
            self.check_discard_new(turn.log, &accepted)?;
        }
        let slot = match foreign.copy_of {
            Some((seq, ts)) => Slot { seq, ts },
            None => self.next_slot(turn),
        };
        let seq = self.store_at(turn, &accepted, slot)?;
        Ok(if accepted.wanted { Taken::Stored { seq } } else { Taken::PassedOver })
    }

    /// A sequence that the origin does not have any more is one that the mirror does not have.
    pub fn pass_over(&mut self, turn: &mut Turn<'_>, last_seq: u64) -> Result<(), Refusal> {
        let lsn = turn.log.skip_to(last_seq, turn.now)?;
        turn.effects.push(super::Effect::Stored { seq: last_seq, lsn });
        Ok(())
    }

    /// Where the stream counts, what the origin has come to since its last message is added.
    fn count_foreign(
        &self,
        log: &dyn MessageLog,
        foreign: &Foreign<'_>,
        asked: &PublishHeaders<'_>,
        accepted: &mut Accepted<'_>,
    ) -> Result<(), Refusal> {
        if !self.config.allow_msg_counter {
            return Ok(());
        }
        if Decimal::parse(asked.incr).is_none() {
            return Err(Refusal::IncrementMissing);
        }
        let mut counter = Counter::read(log, foreign.message.subject)?;
        let (stream, subject) = foreign.counted_as;
        let increment = counter.take_from(stream, subject, foreign.message.payload)?;
        headers::set(accepted.headers.to_mut(), names::INCR, increment.to_string().as_bytes());
        self.count(|| Ok(counter), Some(increment), accepted).map(drop)
    }

    fn foreign_ttl(&self, asked: &PublishHeaders<'_>, block: &mut Cow<'_, [u8]>) -> Option<Ttl> {
        let ttl = Ttl::parse(asked.ttl).ok().filter(|_| self.config.allow_msg_ttl)?;
        self.raise_ttl(ttl, block)
    }
}
