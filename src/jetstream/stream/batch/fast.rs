//! Fast batches: messages that are stored as they come, with an acknowledgement now and then instead of one each.

use std::collections::HashMap;

use headwater_protocol::headers::{self, names};

use super::ID_BYTES_MAX;
use super::fast_reply::{FastReply, Operation};
use super::tally::Tally;
use crate::clock::UnixNanos;
use crate::jetstream::api_level;
use crate::jetstream::stream::bounds::Share;
use crate::jetstream::stream::publish_headers::PublishHeaders;
use crate::jetstream::stream::turn::{Answer, Committed, Effect, Turn};
use crate::jetstream::stream::{Ingest, Refusal, StreamMachine};

/// The most messages between two acknowledgements, of all batches of a stream together.
const FLOW_MAX: usize = 500;

/// The batches open on one stream.
#[derive(Default)]
pub struct FastBatches {
    open: HashMap<Box<[u8]>, FastBatch>,
    /// No batch times out before this.
    deadline: Option<UnixNanos>,
}

struct FastBatch {
    /// The place in the batch of the last message that came.
    last_seq: u64,
    /// The sequence in the stream of the last message that was stored.
    stream_seq: u64,
    /// The last place that was acknowledged.
    acked_seq: u64,
    /// Messages between two acknowledgements, and the most the publisher wants.
    flow: u16,
    flow_max: u16,
    gap_ok: bool,
    deadline: UnixNanos,
    _open: Share,
}

/// Whether a batch goes on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

impl FastBatches {
    /// Gives all batches up, without a word.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next batch may time out.
    pub fn deadline(&self) -> Option<UnixNanos> {
        self.deadline
    }

    /// Forgets the batches that have not heard of their publisher for too long.
    pub fn time_out(&mut self, now: UnixNanos) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.open.retain(|_, batch| batch.deadline > now);
            self.deadline = self.open.values().map(|batch| batch.deadline).min();
        }
    }

    fn keep(&mut self, id: Box<[u8]>, batch: FastBatch) {
        self.deadline = Some(self.deadline.map_or(batch.deadline, |at| at.min(batch.deadline)));
        self.open.insert(id, batch);
    }
}

impl StreamMachine {
    /// Takes a message of a fast batch; `reply` is its reply subject.
    pub(in crate::jetstream::stream) fn publish_fast(
        &mut self,
        turn: &mut Turn<'_>,
        message: &Ingest<'_>,
        reply: &[u8],
    ) -> Result<(), Refusal> {
        let place = self.check_fast(turn, message, reply)?;
        let (id, mut batch) = match self.fast.open.remove_entry(place.id) {
            Some((id, batch)) if batch.deadline > turn.now => (id, batch),
            _ => (place.id.into(), self.open_fast(&place)?),
        };
        let mut asked = PublishHeaders::read(message.headers);
        if !api_level::is_served(asked.required_api_level) {
            return Err(Refusal::ApiLevel);
        }
        let without_level;
        let mut message = *message;
        if !asked.required_api_level.is_empty() {
            without_level = headers::remove(message.headers, names::REQUIRED_API_LEVEL);
            message.headers = &without_level;
            asked = PublishHeaders::read(message.headers);
        }
        batch.deadline = turn.now.saturating_add(self.bounds.batches.timeout);
        let then = match place.operation {
            Operation::Ping => batch.ping(turn, &place, self.fast.open.len()),
            _ => self.append_fast(turn, &mut batch, &place, &message, &asked),
        };
        if then == Then::GoOn {
            self.fast.keep(id, batch);
        }
        Ok(())
    }

    /// What does not touch the batch, if it is not in order.
    fn check_fast<'a>(
        &mut self,
        turn: &Turn<'_>,
        message: &Ingest<'_>,
        reply: &'a [u8],
    ) -> Result<FastReply<'a>, Refusal> {
        self.check_any_batch(turn, message)?;
        if !self.config.allow_batched {
            return Err(Refusal::FastDisabled);
        }
        let place = FastReply::parse(reply).ok_or(Refusal::FastPattern)?;
        if place.id.len() > ID_BYTES_MAX { Err(Refusal::FastId) } else { Ok(place) }
    }

    fn open_fast(&self, place: &FastReply<'_>) -> Result<FastBatch, Refusal> {
        let bounds = &self.bounds.batches;
        let open = self.fast.open.len();
        if place.seq != 1 || place.operation == Operation::Ping {
            return Err(Refusal::FastUnknown);
        }
        if open >= bounds.fast_per_stream_max {
            return Err(Refusal::FastTooMany);
        }
        Ok(FastBatch {
            last_seq: 0,
            stream_seq: 0,
            acked_seq: 0,
            // Beside others, a publisher starts slowly.
            flow: if open == 0 { place.flow.min(FLOW_MAX as u16) } else { 1 },
            flow_max: place.flow,
            gap_ok: place.gap_ok,
            deadline: 0,
            _open: self.bounds.open_batches.fast(bounds.fast_max).ok_or(Refusal::FastTooMany)?,
        })
    }

    fn append_fast(
        &mut self,
        turn: &mut Turn<'_>,
        batch: &mut FastBatch,
        place: &FastReply<'_>,
        message: &Ingest<'_>,
        asked: &PublishHeaders<'_>,
    ) -> Then {
        if !batch.advance(turn, place) {
            return batch.end(turn, place.id);
        }
        if place.operation == Operation::End {
            batch.last_seq -= 1;
            return batch.end(turn, place.id);
        }
        let last = place.operation == Operation::Commit;
        if place.seq == 1 && !last && !self.config.no_ack {
            turn.tell(Answer::FlowAck { seq: 0, msgs: batch.flow });
        }
        match self.store_one(turn, message, asked) {
            Ok(seq) => {
                batch.stream_seq = seq;
                if last {
                    return batch.end(turn, place.id);
                }
                batch.acknowledge(turn, self.fast.open.len());
                Then::GoOn
            }
            Err(refusal) => batch.refuse(turn, place, refusal, self.fast.open.len()),
        }
    }

    fn store_one(
        &mut self,
        turn: &mut Turn<'_>,
        message: &Ingest<'_>,
        asked: &PublishHeaders<'_>,
    ) -> Result<u64, Refusal> {
        let mut accepted = self.check_in_batch(turn, &mut Tally::default(), message, asked)?;
        self.check_last_msg_id(asked)?;
        accepted.ttl = self.raise_ttl(accepted.ttl, &mut accepted.headers);
        self.store(turn, &accepted)
    }
}

impl FastBatch {
    /// Answers how far the batch has come. That messages are missing is found out here as well.
    fn ping(&mut self, turn: &mut Turn<'_>, place: &FastReply<'_>, others: usize) -> Then {
        if place.seq > self.last_seq {
            turn.tell(Answer::FlowGap { expected: self.last_seq + 1, seq: place.seq + 1 });
            if !self.gap_ok {
                return self.end(turn, place.id);
            }
            self.last_seq = place.seq;
            if self.acknowledge(turn, others) {
                return Then::GoOn;
            }
        }
        turn.tell(Answer::FlowAck { seq: self.acked_seq, msgs: self.flow });
        Then::GoOn
    }

    /// Counts the message that came; `false` if it is not the next one, but for gaps the batch does not mind.
    fn advance(&mut self, turn: &mut Turn<'_>, place: &FastReply<'_>) -> bool {
        let expected = self.last_seq + 1;
        if place.seq != expected {
            turn.tell(Answer::FlowGap { expected, seq: place.seq });
        }
        let goes_on = place.seq == expected || place.seq > expected && self.gap_ok;
        if goes_on {
            self.last_seq = place.seq;
        }
        goes_on
    }

    /// The message was not stored. A first message that was refused is no batch, unless gaps are fine.
    fn refuse(
        &mut self,
        turn: &mut Turn<'_>,
        place: &FastReply<'_>,
        refusal: Refusal,
        others: usize,
    ) -> Then {
        let last = place.operation == Operation::Commit;
        let starts = self.last_seq == 1 && !self.gap_ok;
        match refusal {
            Refusal::DuplicateInBatch(known) => {
                self.acknowledge(turn, others);
                match known {
                    _ if !last => Then::GoOn,
                    Some(seq) if starts => self.end_with(turn, place.id, seq, true),
                    _ => self.end(turn, place.id),
                }
            }
            // Alone of all expectations, this one does not end a batch.
            Refusal::WrongLastMsgId(_) => {
                turn.tell(Answer::Refused(Box::new(refusal.into())));
                if last { self.end(turn, place.id) } else { Then::GoOn }
            }
            refusal if starts => {
                turn.tell(Answer::Refused(Box::new(refusal.into())));
                Then::End
            }
            refusal => {
                turn.tell(Answer::FlowError { seq: place.seq, error: Box::new(refusal.into()) });
                if self.gap_ok && !last {
                    return Then::GoOn;
                }
                self.last_seq -= 1;
                self.end(turn, place.id)
            }
        }
    }

    /// Acknowledges what has come, if it is time to; then the publisher hears the less often the more room it has.
    fn acknowledge(&mut self, turn: &mut Turn<'_>, others: usize) -> bool {
        let flow = u64::from(self.flow);
        let due = self.last_seq.saturating_sub(self.acked_seq) / flow * flow;
        if due == 0 {
            return false;
        }
        self.acked_seq += due;
        let fair = u16::try_from((FLOW_MAX / (others + 1)).max(1)).unwrap_or(u16::MAX).min(self.flow_max);
        self.flow = match self.flow {
            flow if flow < fair => flow.saturating_mul(2).min(fair),
            flow => (flow / 2).max(fair).min(flow),
        };
        turn.tell(Answer::FlowAck { seq: self.acked_seq, msgs: self.flow });
        true
    }

    fn end(&self, turn: &mut Turn<'_>, id: &[u8]) -> Then {
        self.end_with(turn, id, self.stream_seq, false)
    }

    fn end_with(&self, turn: &mut Turn<'_>, id: &[u8], seq: u64, duplicate: bool) -> Then {
        let id = String::from_utf8_lossy(id).into();
        let committed = Committed { id, seq, count: self.last_seq, duplicate };
        turn.tell(Answer::Committed(Box::new(committed)));
        Then::End
    }
}

impl Turn<'_> {
    fn tell(&mut self, answer: Answer) {
        self.effects.push(Effect::Answer(answer));
    }
}
