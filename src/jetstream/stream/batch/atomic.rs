//! Atomic batches (ADR-50): messages that come one by one and are stored all or none.

use std::collections::HashMap;

use headwater_protocol::decimal;
use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::advisory::AbandonReason;

use super::ID_BYTES_MAX;
use super::staged::Staged;
use super::tally::Tally;
use crate::clock::UnixNanos;
use crate::jetstream::api_level;
use crate::jetstream::stream::bounds::Share;
use crate::jetstream::stream::publish_headers::PublishHeaders;
use crate::jetstream::stream::turn::{Answer, Committed, Effect, Turn};
use crate::jetstream::stream::{Ingest, Refusal, StreamMachine};

/// The batches open on one stream.
#[derive(Default)]
pub struct AtomicBatches {
    open: HashMap<Box<[u8]>, AtomicBatch>,
    /// No batch times out before this.
    deadline: Option<UnixNanos>,
}

struct AtomicBatch {
    staged: Vec<Staged>,
    last_seq: u64,
    deadline: UnixNanos,
    /// What it takes of what all batches of the server may take.
    staged_bytes: Share,
    _open: Share,
}

/// What a message says of its batch.
struct Place {
    seq: u64,
    commit: Option<Commit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Commit {
    /// This message is the last.
    Here,
    /// The message before was the last; this one is not stored.
    Before,
    /// Nobody knows.
    Invalid,
}

/// Why a batch ended, and what its publisher and those who listen are told.
struct Abandoned {
    refusal: Refusal,
    reason: Option<AbandonReason>,
}

impl AtomicBatches {
    /// Gives all batches up, without a word.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn keep(&mut self, id: Box<[u8]>, batch: AtomicBatch) {
        self.deadline = Some(self.deadline.map_or(batch.deadline, |at| at.min(batch.deadline)));
        self.open.insert(id, batch);
    }

    /// When the next batch may time out.
    pub fn deadline(&self) -> Option<UnixNanos> {
        self.deadline
    }

    /// Gives up the batches that have not heard of their publisher for too long.
    pub fn time_out(&mut self, turn: &mut Turn<'_>) {
        if self.deadline.is_none_or(|deadline| deadline > turn.now) {
            return;
        }
        let timed_out = |batch: &AtomicBatch| batch.deadline <= turn.now;
        let ids: Vec<_> =
            self.open.iter().filter(|(_, batch)| timed_out(batch)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.open.remove(&id);
            turn.effects.push(Effect::BatchAbandoned { id, reason: AbandonReason::Timeout });
        }
        self.deadline = self.open.values().map(|batch| batch.deadline).min();
    }
}

impl StreamMachine {
    /// Takes a message of an atomic batch.
    pub(in crate::jetstream::stream) fn publish_atomic(
        &mut self,
        turn: &mut Turn<'_>,
        message: &Ingest<'_>,
        asked: &PublishHeaders<'_>,
    ) -> Result<Answer, Refusal> {
        let place = self.check_place(turn, message, asked)?;
        let id = asked.batch_id;
        let (id, mut batch) = match self.atomic.open.remove_entry(id) {
            Some(open) => open,
            None => (id.into(), self.open_atomic(&place)?),
        };
        match self.stage(turn.now, &mut batch, &place, message, asked) {
            Err(Abandoned { refusal, reason }) => {
                turn.effects.extend(reason.map(|reason| Effect::BatchAbandoned { id, reason }));
                Err(refusal)
            }
            Ok(()) => match place.commit {
                Some(commit) => self.commit(turn, &id, &batch, commit),
                None => {
                    self.atomic.keep(id, batch);
                    Ok(Answer::Staged)
                }
            },
        }
    }

    /// What does not end the batch, if it is not in order.
    fn check_place(
        &mut self,
        turn: &Turn<'_>,
        message: &Ingest<'_>,
        asked: &PublishHeaders<'_>,
    ) -> Result<Place, Refusal> {
        self.check_any_batch(turn, message)?;
        if !self.config.allow_atomic {
            return Err(Refusal::AtomicDisabled);
        }
        if asked.batch_id.len() > ID_BYTES_MAX {
            return Err(Refusal::AtomicId);
        }
        let seq = decimal::parse_u64(asked.batch_seq).ok_or(Refusal::AtomicSeqMissing)?;
        let commit = asked.batch_commit.map(|commit| match commit {
            b"1" => Commit::Here,
            b"eob" => Commit::Before,
            _ => Commit::Invalid,
        });
        Ok(Place { seq, commit })
    }

    fn open_atomic(&self, place: &Place) -> Result<AtomicBatch, Refusal> {
        let bounds = &self.bounds.batches;
        if place.seq != 1 {
            self.check_atomic_size(place)?;
            return Err(Refusal::AtomicIncomplete);
        }
        if self.atomic.open.len() >= bounds.atomic_per_stream_max {
            return Err(Refusal::AtomicTooMany);
        }
        let all = &self.bounds.open_batches;
        let open = all.atomic(bounds.atomic_max).ok_or(Refusal::AtomicTooMany)?;
        let staged_bytes = all.staged_bytes();
        Ok(AtomicBatch { staged: Vec::new(), last_seq: 0, deadline: 0, staged_bytes, _open: open })
    }

    /// The message that only says that the batch has ended does not count. Should it say that it comes before the first,
    /// the batch is too large rather than incomplete, as with nats-server.
    fn check_atomic_size(&self, place: &Place) -> Result<(), Refusal> {
        let max = self.bounds.batches.atomic_messages_max;
        let size = if place.commit == Some(Commit::Before) { place.seq.wrapping_sub(1) } else { place.seq };
        if size > max { Err(Refusal::AtomicTooLarge(max)) } else { Ok(()) }
    }

    fn stage(
        &self,
        now: UnixNanos,
        batch: &mut AtomicBatch,
        place: &Place,
        message: &Ingest<'_>,
        asked: &PublishHeaders<'_>,
    ) -> Result<(), Abandoned> {
        if place.commit == Some(Commit::Invalid) {
            return Err(Abandoned { refusal: Refusal::AtomicCommit, reason: None });
        }
        if !api_level::is_served(asked.required_api_level) {
            return Err(Abandoned::because(Refusal::ApiLevel, AbandonReason::Unsupported));
        }
        let in_time = batch.last_seq == 0 || now < batch.deadline;
        batch.deadline = now.saturating_add(self.bounds.batches.timeout);
        batch.last_seq += 1;
        let ends_before_it_begins = place.seq == 1 && place.commit == Some(Commit::Before);
        if batch.last_seq != place.seq || !in_time || ends_before_it_begins {
            return Err(Abandoned::because(Refusal::AtomicIncomplete, AbandonReason::Incomplete));
        }
        self.check_atomic_size(place).map_err(|refusal| Abandoned::because(refusal, AbandonReason::Large))?;
        if place.commit == Some(Commit::Before) {
            return Ok(());
        }
        let staged = Staged::new(message);
        if !batch.staged_bytes.grow(staged.bytes(), self.bounds.batches.staged_bytes_max) {
            return Err(Abandoned::because(Refusal::NoResources, AbandonReason::Large));
        }
        batch.staged.push(staged);
        Ok(())
    }

    fn commit(
        &mut self,
        turn: &mut Turn<'_>,
        id: &[u8],
        batch: &AtomicBatch,
        commit: Commit,
    ) -> Result<Answer, Refusal> {
        let mut tally = Tally::default();
        let mut accepted = Vec::with_capacity(batch.staged.len());
        for staged in &batch.staged {
            let message = staged.message();
            let asked = PublishHeaders::read(message.headers);
            if !asked.expected_last_msg_id.is_empty() {
                return Err(Refusal::AtomicHeader("Nats-Expected-Last-Msg-Id"));
            }
            accepted.push(self.check_in_batch(turn, &mut tally, &message, &asked)?);
        }
        if let Some(last) = accepted.last_mut().filter(|_| commit == Commit::Before) {
            // As if it had come with the commit.
            headers::append(last.headers.to_mut(), names::BATCH_COMMIT, b"1");
        }
        for message in &mut accepted {
            message.ttl = self.raise_ttl(message.ttl, &mut message.headers);
        }
        let seq = self.store_group(turn, &accepted)?;
        let id = String::from_utf8_lossy(id).into();
        let count = accepted.len() as u64;
        Ok(Answer::Committed(Box::new(Committed { id, seq, count, duplicate: false })))
    }
}

impl Abandoned {
    fn because(refusal: Refusal, reason: AbandonReason) -> Self {
        Self { refusal, reason: Some(reason) }
    }
}
