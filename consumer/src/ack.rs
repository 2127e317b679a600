//! Acknowledgements, in all their forms (ADR-15).

use bytes::Bytes;
use headwater_protocol::jetstream::ack_kind::AckKind;
use headwater_protocol::jetstream::ack_token::Delivery;
use headwater_protocol::jetstream::consumer_config::AckPolicy;
use headwater_protocol::subject::is_subset;
use headwater_store::{MessageLog, StoreError, UnixNanos};

use super::effect::{Advisory, Effect};
use super::machine::ConsumerMachine;
use super::state::Op;
use super::turn::Turn;

/// Why a message that was removed by a limit or by request is no longer awaited.
const REMOVED_REASON: &str = "Unacknowledged message was deleted";
/// More advisories than this are not sent when many pending messages vanish at once.
const REMOVED_ADVISORIES_MAX: usize = 1024;
/// More pending messages than this are not looked for after a purge; the rest is noticed when it is redelivered.
const PURGED_LOOKUPS_MAX: usize = 65_536;

/// How much of what a consumer wants is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// None of it.
    Nothing,
    /// Some of it.
    Part,
    /// All of it.
    Everything,
}

impl ConsumerMachine {
    /// Whether there is anything to acknowledge: if not, nobody listens on the consumer's `$JS.ACK` subjects.
    pub fn takes_acks(&self) -> bool {
        matches!(self.settings.ack_policy, AckPolicy::Explicit | AckPolicy::All)
    }

    /// Takes what was sent to a delivered message's reply subject. `delivery` is what that subject says, `body` the
    /// payload; an [`Effect::AckReply`] to `reply` must wait until the delta is durable.
    pub fn ack(
        &mut self,
        turn: &mut Turn<'_>,
        delivery: Delivery,
        body: &[u8],
        reply: Option<Bytes>,
    ) -> Result<(), StoreError> {
        if !self.takes_acks() {
            return Ok(());
        }
        let answered = match AckKind::parse(body) {
            AckKind::Ack => self.acknowledge(turn, delivery, true),
            AckKind::Next(request) => {
                self.acknowledge(turn, delivery, true);
                return self.pull(turn, request, reply.unwrap_or_default(), false);
            }
            AckKind::Nak { delay_ns } => {
                self.nak(turn, delivery, delay_ns);
                true
            }
            AckKind::Progress => {
                self.progress(turn, delivery.stream_seq);
                true
            }
            AckKind::Term { reason } => self.terminate(turn, delivery, reason),
            AckKind::Unknown => true,
        };
        if let Some(to) = reply.filter(|to| !to.is_empty() && answered && delivery.stream_seq != 0) {
            turn.push(Effect::AckReply { to });
        }
        Ok(())
    }

    /// True if the message has ever been delivered, so that the acknowledgement can be confirmed.
    pub(super) fn acknowledge(&mut self, turn: &mut Turn<'_>, delivery: Delivery, sampled: bool) -> bool {
        if delivery.stream_seq >= self.state.next_seq {
            return false;
        }
        if self.settings.acks_cover_earlier() {
            self.acknowledge_through(turn, delivery.stream_seq, delivery.consumer_seq);
        } else {
            self.acknowledge_one(turn, delivery, sampled);
        }
        true
    }

    fn acknowledge_one(&mut self, turn: &mut Turn<'_>, delivery: Delivery, sampled: bool) {
        let seq = delivery.stream_seq;
        let pending_since = self.state.acks.get(seq).map(|entry| entry.since);
        if let Some(since) = pending_since.filter(|_| sampled) {
            self.sample(turn, delivery, since);
        }
        let open = pending_since.is_some() || self.state.given_up.contains_key(&seq);
        self.apply(Op::Ack { seq, at: turn.now });
        if self.tells_acks() && (open || self.has_skipped(turn, seq)) {
            turn.push(Effect::Acked { seq });
        }
    }

    /// Whether the stream still has a message for this consumer that it has gone past: one that was delivered before a reset
    /// may be acknowledged after it.
    fn has_skipped(&self, turn: &Turn<'_>, seq: u64) -> bool {
        if self.filters().is_empty() {
            return turn.log.meta(seq).is_some();
        }
        let message = turn.log.load(seq).ok().flatten();
        message.is_some_and(|message| self.matches(message.subject()))
    }

    /// Acknowledges everything up to a message.
    pub(super) fn acknowledge_through(&mut self, turn: &mut Turn<'_>, seq: u64, consumer_seq: u64) {
        // The floor goes past what was given up, which is acknowledged all the same.
        let given_up = self.state.given_up.first_key_value().map_or(u64::MAX, |(seq, _)| *seq);
        let from = self.state.ack_floor.stream.saturating_add(1).min(given_up);
        if seq < from {
            return;
        }
        let consumer_seq = consumer_seq.min(self.state.delivered.consumer);
        self.apply(Op::AckThrough { seq, consumer_seq, at: turn.now });
        if self.tells_acks() {
            turn.push(Effect::AckedThrough { from, to: seq });
        }
    }

    fn sample(&mut self, turn: &mut Turn<'_>, delivery: Delivery, since: i64) {
        let percent = u64::from(self.settings.sample_percent);
        if percent == 0 || (percent < 100 && self.rng.below(100) >= percent) {
            return;
        }
        turn.push(Effect::Advisory(Advisory::AckSample {
            stream_seq: delivery.stream_seq,
            consumer_seq: delivery.consumer_seq,
            deliveries: delivery.delivered,
            ack_time_nanos: turn.now.saturating_sub(since),
        }));
    }

    /// The client does not want the message now. Backoff does not apply.
    fn nak(&mut self, turn: &mut Turn<'_>, delivery: Delivery, delay: Option<i64>) {
        let seq = delivery.stream_seq;
        let known = delivery.consumer_seq > self.state.ack_floor.consumer
            && delivery.consumer_seq <= self.state.delivered.consumer;
        let Some(entry) = self.state.acks.get(seq).filter(|_| known) else {
            return;
        };
        let deliveries = entry.deliveries;
        turn.push(Effect::Advisory(Advisory::Naked {
            stream_seq: seq,
            consumer_seq: delivery.consumer_seq,
            deliveries: delivery.delivered,
        }));
        match (delay, self.state.acks.wait_after(deliveries)) {
            (Some(delay), Some(wait)) => {
                self.state.acks.unqueue(seq);
                let since = turn.now.saturating_add(delay).saturating_sub(wait);
                self.apply(Op::Restart { seq, since });
            }
            _ => self.redeliver_now(seq, turn.now),
        }
    }

    /// Queues a pending message, and lets its wait be over so that it is queued again after a restart.
    pub(super) fn redeliver_now(&mut self, seq: u64, now: UnixNanos) {
        let Some(deliveries) = self.state.acks.get(seq).map(|entry| entry.deliveries) else {
            return;
        };
        if let Some(wait) = self.state.acks.wait_after(deliveries) {
            self.apply(Op::Restart { seq, since: now.saturating_sub(wait) });
        }
        self.state.acks.queue(seq);
    }

    /// The client needs more time.
    fn progress(&mut self, turn: &Turn<'_>, seq: u64) {
        if self.state.acks.get(seq).is_some() {
            self.apply(Op::Restart { seq, since: turn.now });
        }
    }

    /// The client never wants the message again.
    fn terminate(&mut self, turn: &mut Turn<'_>, delivery: Delivery, reason: &[u8]) -> bool {
        let pending = self.state.acks.get(delivery.stream_seq).is_some();
        let answered = self.acknowledge(turn, delivery, false);
        if pending {
            turn.push(Effect::Advisory(Advisory::Terminated {
                stream_seq: delivery.stream_seq,
                consumer_seq: delivery.consumer_seq,
                deliveries: delivery.delivered,
                reason: String::from_utf8_lossy(reason).into_owned(),
            }));
        }
        answered
    }

    /// Whether a message has been delivered and not acknowledged.
    pub fn awaits(&self, seq: u64) -> bool {
        self.state.acks.get(seq).is_some()
    }

    /// A message the consumer may be waiting for has been removed; `true` if it was. Calling this is a courtesy: it is
    /// noticed at the next redelivery anyway.
    pub fn on_removed(&mut self, turn: &mut Turn<'_>, seq: u64) -> bool {
        let awaited = self.state.acks.get(seq).is_some();
        if awaited {
            self.message_is_gone(turn, seq);
        } else if self.state.given_up.contains_key(&seq) {
            self.apply(Op::Ack { seq, at: turn.now });
        }
        awaited
    }

    /// What a purge of the subjects that match `purged`, or of all, means to the consumer.
    pub fn concern_of(&self, purged: Option<&Bytes>) -> Concern {
        let Some(purged) = purged else { return Concern::Everything };
        let filters = self.filters();
        let is_gone = |filter: &Bytes| is_subset(filter, purged);
        if !filters.is_empty() && filters.iter().all(is_gone) {
            Concern::Everything
        } else if filters.is_empty()
            || filters.iter().any(|filter| is_gone(filter) || is_subset(purged, filter))
        {
            Concern::Part
        } else {
            Concern::Nothing
        }
    }

    /// The stream was purged: there is nothing below `first_seq` any more.
    pub fn on_purged(&mut self, first_seq: u64, now: UnixNanos) {
        self.apply(Op::Purge { first_seq, at: now });
        if let Some(list) = &mut self.skip_list {
            list.purge(first_seq);
        }
        self.backlog.invalidate();
    }

    /// Some of what the consumer wants was purged: it does not wait for those messages any longer.
    pub fn forget_purged(&mut self, log: &dyn MessageLog, now: UnixNanos) -> Result<(), StoreError> {
        let seqs: Vec<u64> = self.state.acks.pending().iter().map(|entry| entry.seq).collect();
        for seq in seqs.into_iter().take(PURGED_LOOKUPS_MAX) {
            if log.next_match(seq, &[])? != Some(seq) {
                self.apply(Op::Ack { seq, at: now });
            }
        }
        Ok(())
    }

    /// A pending message does not exist any more.
    pub(super) fn message_is_gone(&mut self, turn: &mut Turn<'_>, seq: u64) {
        self.forget_removed(turn, seq, true);
    }

    /// Forgets pending messages that fell off the front of the stream.
    pub(super) fn drop_removed(&mut self, turn: &mut Turn<'_>) {
        let first_seq = turn.log.state().first_seq;
        let mut advisories = REMOVED_ADVISORIES_MAX;
        while let Some(seq) =
            self.state.acks.pending().first().map(|entry| entry.seq).filter(|seq| *seq < first_seq)
        {
            self.forget_removed(turn, seq, advisories > 0);
            advisories = advisories.saturating_sub(1);
        }
        if self.state.given_up.first_key_value().is_some_and(|(seq, _)| *seq < first_seq) {
            self.state.given_up = self.state.given_up.split_off(&first_seq);
        }
    }

    fn forget_removed(&mut self, turn: &mut Turn<'_>, seq: u64, told: bool) {
        let Some(entry) = self.state.acks.get(seq).copied() else {
            return;
        };
        self.apply(Op::Ack { seq, at: turn.now });
        if told {
            turn.push(Effect::Advisory(Advisory::Terminated {
                stream_seq: seq,
                consumer_seq: entry.consumer_seq,
                deliveries: entry.deliveries.into(),
                reason: REMOVED_REASON.to_owned(),
            }));
        }
    }
}
