//! Delivery: which message goes next, and to whom.

use bytes::Bytes;
use headwater_protocol::headers::statuses;
use headwater_protocol::jetstream::consumer_config::AckPolicy;
use headwater_store::{MessageLog, StoreError, UnixNanos};

use super::ahead::Ahead;
use super::effect::{Advisory, Delivery, Effect};
use super::found::Found;
use super::machine::ConsumerMachine;
use super::pacing::Replay;
use super::size::MessageSize;
use super::state::{Op, SequencePair};
use super::status;
use super::turn::Turn;

/// How much one step may deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Messages.
    pub messages: usize,
    /// Bytes of subjects, headers and payloads. The last message may go beyond.
    pub bytes: u64,
}

impl Budget {
    /// Bytes are not counted.
    pub fn messages(messages: usize) -> Self {
        Self { messages, bytes: u64::MAX }
    }

    fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    fn spend(&mut self, content_bytes: u64) {
        self.messages = self.messages.saturating_sub(1);
        if self.bytes != u64::MAX {
            self.bytes = self.bytes.saturating_sub(content_bytes);
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Everything that could be delivered has been.
    Done,
    /// The budget was spent first: call again.
    More,
}

/// A message whose turn it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) seq: u64,
    /// `subject + headers + payload`, in bytes.
    pub(super) content_bytes: u64,
    /// Deliveries before this one.
    pub(super) delivered: u32,
    /// It has never been delivered.
    pub(super) is_new: bool,
}

/// Why no message is next.
enum Nothing {
    /// There is none.
    End,
    /// Too many await acknowledgement.
    Stalled,
}

/// Who gets the message.
pub(super) struct Recipient {
    pub(super) to: Bytes,
    pub(super) pin_id: Option<Bytes>,
    /// The request is complete although it would have taken so many bytes more.
    pub(super) completed_with_bytes: i64,
}

impl ConsumerMachine {
    /// Delivers as much as it can. Call it after every input and when messages have become visible.
    pub fn advance(&mut self, turn: &mut Turn<'_>, budget: &mut Budget) -> Result<Progress, StoreError> {
        self.announce_pause(turn);
        if !self.wants_messages() {
            return Ok(Progress::Done);
        }
        if self.settings.is_paused(turn.now) {
            self.end_of_deliveries(turn);
            return Ok(Progress::Done);
        }
        self.drop_removed(turn);
        self.count_pending(turn.log, turn.visible_last_seq)?;
        let before = self.contiguous_from();
        let result = self.deliver_while_possible(turn, budget);
        self.settle_count(turn.log, before)?;
        result
    }

    fn deliver_while_possible(
        &mut self,
        turn: &mut Turn<'_>,
        budget: &mut Budget,
    ) -> Result<Progress, StoreError> {
        let mut ahead = Ahead::new();
        loop {
            if !self.wants_messages() || self.is_halted() {
                break;
            }
            if budget.is_spent() {
                return Ok(Progress::More);
            }
            let candidate = match self.next_candidate(turn, &mut ahead)? {
                Ok(candidate) => candidate,
                Err(Nothing::End) => {
                    self.end_of_deliveries(turn);
                    break;
                }
                Err(Nothing::Stalled) => break,
            };
            if self.is_held(turn, candidate)? {
                break;
            }
            let Some(recipient) = self.choose_recipient(turn, candidate)? else {
                self.end_of_deliveries(turn);
                break;
            };
            self.deliver(turn, candidate, recipient, budget)?;
        }
        Ok(Progress::Done)
    }

    /// Requests that do not want to wait end when there is nothing for them.
    fn end_of_deliveries(&mut self, turn: &mut Turn<'_>) {
        if self.waiting.has_no_wait() {
            self.sweep_waiting(turn, true);
        }
    }

    fn next_candidate(
        &mut self,
        turn: &mut Turn<'_>,
        ahead: &mut Ahead,
    ) -> Result<Result<Candidate, Nothing>, StoreError> {
        if let Some(candidate) = self.next_redelivery(turn) {
            return Ok(Ok(candidate));
        }
        let max = self.settings.pending_acks_max;
        if max > 0 && self.state.acks.len() >= max {
            return Ok(Err(Nothing::Stalled));
        }
        let found = match self.next_of_skip_list(turn.log) {
            Some(found) => Some(found),
            None => self.next_contiguous(turn.log, turn.visible_last_seq, ahead)?,
        };
        let visible = found.filter(|found| found.seq <= turn.visible_last_seq);
        let candidate =
            |Found { seq, content_bytes }| Candidate { seq, content_bytes, delivered: 0, is_new: true };
        Ok(visible.map(candidate).ok_or(Nothing::End))
    }

    /// The first message of the redelivery queue that is still there and may be delivered once more.
    fn next_redelivery(&mut self, turn: &mut Turn<'_>) -> Option<Candidate> {
        while let Some(seq) = self.state.acks.next_to_redeliver() {
            let delivered = self.state.acks.get(seq).map_or(0, |entry| entry.deliveries);
            if self.has_no_deliveries_left(delivered) {
                self.give_up(turn, seq);
            } else if let Some(meta) = turn.log.meta(seq) {
                let content_bytes = meta.content_bytes;
                return Some(Candidate { seq, content_bytes, delivered, is_new: false });
            } else {
                self.message_is_gone(turn, seq);
            }
        }
        None
    }

    fn next_of_skip_list(&mut self, log: &dyn MessageLog) -> Option<Found> {
        let next = self.skip_list.as_mut()?.next(log);
        if next.is_none() {
            self.skip_list = None;
            self.state.next_seq = self.contiguous_from();
        }
        next
    }

    /// The next match, remembering how far nothing matches.
    fn next_contiguous(
        &mut self,
        log: &dyn MessageLog,
        visible_last_seq: u64,
        ahead: &mut Ahead,
    ) -> Result<Option<Found>, StoreError> {
        loop {
            if self.state.next_seq > visible_last_seq {
                return Ok(None);
            }
            match ahead.next(log, self.state.next_seq, visible_last_seq, &self.settings.filters) {
                Ok(Some(found)) => {
                    self.state.next_seq = self.state.next_seq.max(found.seq);
                    return Ok(Some(found));
                }
                Ok(None) => {
                    self.state.next_seq = visible_last_seq.saturating_add(1);
                    return Ok(None);
                }
                Err(StoreError::Damaged { seq }) if seq >= self.state.next_seq => {
                    self.state.next_seq = seq.saturating_add(1);
                    self.backlog.invalidate();
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn choose_recipient(
        &mut self,
        turn: &mut Turn<'_>,
        candidate: Candidate,
    ) -> Result<Option<Recipient>, StoreError> {
        match &self.settings.deliver_subject {
            Some(subject) => {
                Ok(Some(Recipient { to: subject.clone(), pin_id: None, completed_with_bytes: 0 }))
            }
            None => self.choose_request(turn, candidate),
        }
    }

    fn deliver(
        &mut self,
        turn: &mut Turn<'_>,
        candidate: Candidate,
        recipient: Recipient,
        budget: &mut Budget,
    ) -> Result<(), StoreError> {
        let size = match self.weighs_messages() {
            true => Some(self.measure(turn.log, candidate)?),
            false => None,
        };
        let consumer_seq = self.next_consumer_seq();
        self.note_delivery(turn, candidate, consumer_seq);
        let Recipient { to, pin_id, completed_with_bytes } = recipient;
        let completed = (completed_with_bytes > 0).then(|| {
            let headers = status::with_left_over(statuses::BATCH_COMPLETED, 0, completed_with_bytes);
            (to.clone(), headers)
        });
        turn.push(Effect::Deliver(Delivery {
            seq: candidate.seq,
            to,
            deliveries: u64::from(candidate.delivered) + 1,
            consumer_seq,
            pending: self.pending_now(),
            pin_id,
            headers_only: self.settings.headers_only,
        }));
        if let Some((to, headers)) = completed {
            turn.status(&to, headers);
        }
        budget.spend(candidate.content_bytes);
        if let Some(size) = size {
            self.note_bytes(turn, size);
        }
        self.activity.last = turn.now;
        self.restart_heartbeat(turn.now);
        if self.tells_acks() && !self.settings.awaits_acks() {
            turn.push(Effect::Acked { seq: candidate.seq });
        }
        Ok(())
    }

    fn note_delivery(&mut self, turn: &Turn<'_>, candidate: Candidate, consumer_seq: u64) {
        let (seq, at) = (candidate.seq, turn.now);
        if !candidate.is_new {
            self.apply(Op::Redeliver { seq, consumer_seq, at });
            return;
        }
        self.apply(Op::Deliver { seq, consumer_seq, at });
        match &mut self.skip_list {
            Some(list) => list.advance(),
            None => self.backlog.delivered_one(),
        }
    }

    /// The pending count while the log does not change.
    pub(super) fn pending_now(&self) -> u64 {
        self.skip_list.as_ref().map_or(0, |list| list.remaining_visible()) + self.backlog.count()
    }

    /// Brings the count to where delivery has come.
    fn settle_count(&mut self, log: &dyn MessageLog, before: u64) -> Result<(), StoreError> {
        let from = self.contiguous_from();
        if from != before { self.backlog.moved_to(log, &self.settings.filters, from) } else { Ok(()) }
    }

    /// Whether somebody counts the bytes that go to the client.
    fn weighs_messages(&self) -> bool {
        self.flow_control.is_some() || self.rate_limit.is_some()
    }

    fn note_bytes(&mut self, turn: &mut Turn<'_>, size: MessageSize) {
        if let Some(limit) = &mut self.rate_limit {
            limit.spend(size.wire_bytes, turn.now);
        }
        let stalled = self.settings.ack_policy == AckPolicy::FlowControl && self.is_stalled();
        let ask = self.flow_control.as_mut().is_some_and(|window| {
            let due = window.sent(size.wire_bytes);
            window.asked().is_none() && (due || stalled)
        });
        if ask {
            self.ask_for_flow_control(turn);
        }
    }

    /// Whether no new message may be delivered before one is acknowledged.
    pub(super) fn is_stalled(&self) -> bool {
        self.settings.pending_acks_max > 0 && self.state.acks.len() >= self.settings.pending_acks_max
    }

    fn is_halted(&self) -> bool {
        self.flow_control.as_ref().is_some_and(|window| window.is_halted())
    }

    /// Whether rate limit or replay keep the message back.
    fn is_held(&mut self, turn: &Turn<'_>, candidate: Candidate) -> Result<bool, StoreError> {
        if self.rate_limit.is_none() && self.replay.is_none() {
            return Ok(false);
        }
        let mut ready_at = UnixNanos::MIN;
        let caught_up = |replay: &Replay| candidate.is_new && !replay.covers(candidate.seq);
        if self.replay.as_ref().is_some_and(caught_up) {
            self.replay = None;
        }
        if let Some(replay) = &self.replay {
            ready_at = replay.ready_at(turn.log.timestamp(candidate.seq)?.unwrap_or(turn.now));
        }
        if self.rate_limit.is_some() {
            let bytes = self.measure(turn.log, candidate)?.wire_bytes;
            let limited = self.rate_limit.as_mut().map_or(turn.now, |limit| limit.ready_at(bytes, turn.now));
            ready_at = ready_at.max(limited);
        }
        self.held_until = (ready_at > turn.now).then_some(ready_at);
        if self.held_until.is_none() {
            self.note_replayed(turn, candidate)?;
        }
        Ok(self.held_until.is_some())
    }

    fn note_replayed(&mut self, turn: &Turn<'_>, candidate: Candidate) -> Result<(), StoreError> {
        if let Some(replay) = &mut self.replay {
            if let Some(stored_at) = turn.log.timestamp(candidate.seq)? {
                replay.delivered(stored_at, turn.now);
            }
        }
        Ok(())
    }

    pub(super) fn has_no_deliveries_left(&self, delivered: u32) -> bool {
        self.settings.deliveries_max > 0 && delivered >= self.settings.deliveries_max
    }

    /// A message has been delivered as often as it may.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>, seq: u64) {
        let Some(entry) = self.state.acks.get(seq).copied() else {
            return;
        };
        self.apply(Op::GiveUp { seq });
        let first = self.state.acks.pending().first().map(|next| next.seq.saturating_sub(1));
        self.given_up_floor = self.given_up_floor.max(first.unwrap_or(self.state.delivered.stream));
        turn.push(Effect::Advisory(Advisory::MaxDeliveries {
            stream_seq: seq,
            deliveries: entry.deliveries.into(),
        }));
    }

    /// What heartbeats say: the last delivery and the last message looked at.
    pub(super) fn last_position(&self) -> SequencePair {
        SequencePair {
            consumer: self.state.delivered.consumer,
            stream: self.state.next_seq.saturating_sub(1),
        }
    }
}
