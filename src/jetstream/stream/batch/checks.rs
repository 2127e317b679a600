//! The checks of a message that is part of a batch. Their order is nats-server's, and not that of single messages.

use super::tally::Tally;
use crate::jetstream::stream::accept::{Accepted, Rollup, check_header_size};
use crate::jetstream::stream::counter::Counter;
use crate::jetstream::stream::expectations::{
    check_last_seq, expected_seq, expected_subject_seq, last_seq_of,
};
use crate::jetstream::stream::limits::{accounted_bytes, limit};
use crate::jetstream::stream::publish_headers::PublishHeaders;
use crate::jetstream::stream::ttl::Ttl;
use crate::jetstream::stream::turn::Turn;
use crate::jetstream::stream::{Discard, Ingest, Refusal, StreamMachine};
use crate::store::MessageLog;

impl StreamMachine {
    /// What is looked at before the batch is: nothing of it ends the batch.
    pub(super) fn check_any_batch(&mut self, turn: &Turn<'_>, message: &Ingest<'_>) -> Result<(), Refusal> {
        if self.config.sealed {
            return Err(Refusal::Sealed);
        }
        self.check_server_room(turn.log)?;
        self.check_account_room(turn.log, message)?;
        self.check_message_size(message.headers.len() + message.payload.len())
    }

    /// Checks a message against the stream and the messages of its batch before it, which `tally` knows of. Its TTL has yet
    /// to be raised.
    pub(super) fn check_in_batch<'a>(
        &mut self,
        turn: &Turn<'_>,
        tally: &mut Tally<'a>,
        message: &Ingest<'a>,
        asked: &PublishHeaders<'a>,
    ) -> Result<Accepted<'a>, Refusal> {
        check_header_size(message.headers)?;
        let increment = self.check_increment(asked, message.payload)?;
        self.check_expected_stream(asked)?;
        let ttl = self.check_ttl(asked)?;
        self.check_duplicate(turn, tally, asked)?;
        if !asked.stream_source.is_empty() {
            return Err(Refusal::StreamSourceHeader);
        }
        let mut accepted = Accepted::new(message, asked);
        let counted = tally.counters.remove(message.subject);
        let counter = || counted.map_or_else(|| Counter::read(turn.log, message.subject), Ok);
        if let Some(counter) = self.count(counter, increment, &mut accepted)? {
            tally.counters.insert(message.subject, counter);
        }
        tally.check_expectations(turn.log, message.subject, asked)?;
        self.check_scheduling(turn, asked, &mut accepted, &|subject| tally.schedules_on(subject))?;
        accepted.rollup = self.check_rollup(asked, &accepted.scheduling)?;
        tally.check_rollup(message.subject, accepted.rollup)?;
        let is_schedule = accepted.scheduling.due.is_some();
        tally.count(message.subject, is_schedule, accounted_bytes(turn.log.kind(), &accepted.content()));
        self.check_room_for(turn.log, tally, &accepted)?;
        accepted.wanted = self.is_wanted(turn, message.subject);
        accepted.ttl = ttl;
        Ok(accepted)
    }

    fn check_ttl(&self, asked: &PublishHeaders<'_>) -> Result<Option<Ttl>, Refusal> {
        match Ttl::parse(asked.ttl) {
            Ok(None) => Ok(None),
            _ if !self.config.allow_msg_ttl => Err(Refusal::TtlDisabled),
            ttl => ttl,
        }
    }

    fn check_duplicate<'a>(
        &mut self,
        turn: &Turn<'_>,
        tally: &mut Tally<'a>,
        asked: &PublishHeaders<'a>,
    ) -> Result<(), Refusal> {
        if asked.msg_id.is_empty() {
            return Ok(());
        }
        let known = self.duplicate_of(asked.msg_id, turn.now);
        if known.is_some() || !tally.msg_ids.insert(asked.msg_id) {
            return Err(Refusal::DuplicateInBatch(known));
        }
        Ok(())
    }

    /// Discard new refuses what would not fit; a batch replaces nothing.
    fn check_room_for(
        &self,
        log: &dyn MessageLog,
        tally: &Tally<'_>,
        message: &Accepted<'_>,
    ) -> Result<(), Refusal> {
        if self.config.discard != Discard::New {
            return Ok(());
        }
        let state = log.state();
        let over = |used: u64, max: i64| limit(max).is_some_and(|max| used > max);
        if over(state.messages + tally.messages, self.config.max_msgs) {
            return Err(Refusal::MaxMsgs);
        }
        if over(state.bytes + tally.bytes, self.config.max_bytes) {
            return Err(Refusal::MaxBytes);
        }
        if self.config.discard_new_per_subject && message.rollup.is_none() {
            let stored = log.subject(message.subject).map_or(0, |state| state.count);
            let of_batch = tally.messages_on(message.subject);
            if over(stored + of_batch, self.config.max_msgs_per_subject) {
                return Err(Refusal::MaxMsgsPerSubject);
            }
        }
        Ok(())
    }
}

impl<'a> Tally<'a> {
    fn check_expectations(
        &mut self,
        log: &dyn MessageLog,
        subject: &'a [u8],
        asked: &PublishHeaders<'a>,
    ) -> Result<(), Refusal> {
        check_last_seq(asked, || log.state().last_seq + self.messages)?;
        if self.messages > 0 && expected_seq(asked.expected_last_seq).is_some() {
            return Err(Refusal::WrongLastSeqInBatch);
        }
        let Some((filter, expected)) = expected_subject_seq(subject, asked)? else { return Ok(()) };
        if self.writes(filter) {
            return Err(Refusal::WrongLastSeqInBatch);
        }
        let actual = match self.last_seqs.get(filter) {
            Some(seq) => *seq,
            None => last_seq_of(log, filter)?,
        };
        if expected != actual {
            return Err(Refusal::WrongLastSubjectSeq(actual));
        }
        self.last_seqs.insert(filter, actual);
        Ok(())
    }

    fn check_rollup(&self, subject: &[u8], rollup: Option<Rollup>) -> Result<(), Refusal> {
        match rollup {
            Some(Rollup::Subject) if self.writes(subject) => Err(Refusal::RollupSubjectInBatch),
            Some(Rollup::All) if self.messages > 0 => Err(Refusal::RollupAllInBatch),
            _ => Ok(()),
        }
    }
}
