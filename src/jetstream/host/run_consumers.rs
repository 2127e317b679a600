//! Running consumers: under the stream's lock, each decides what to deliver; the parcels are sent when the lock is free.

use std::sync::Arc;

use bytes::Bytes;
use headwater_protocol::jetstream::ack_token::AckReplies;
use headwater_protocol::jetstream::advisory::AbandonReason;
use smallvec::SmallVec;

use super::inflow::LinkCommand;
use super::{StreamHost, StreamState};
use crate::clock::UnixNanos;
use crate::jetstream::consumer::{Advisory, Budget, ConsumerMachine, Delivery, Effect, Progress, Turn};
use crate::jetstream::consumers::ConsumerKey;
use crate::store::{StoreError, StoredMessage};

/// Messages taken out of the lock in one round.
const MESSAGES_PER_ROUND_MAX: usize = 256;
/// Bytes of messages taken out of the lock in one round; the last message may go beyond.
const BYTES_PER_ROUND_MAX: u64 = 1 << 20;
/// Consumers run in one round.
const CONSUMERS_PER_ROUND_MAX: usize = 128;

/// A message as the log has it.
type Loaded = Result<Option<StoredMessage>, StoreError>;

/// Something a consumer, or the stream itself, sends; ready to leave.
pub(super) enum Parcel {
    /// A message of the stream.
    Message {
        /// Whose delivery it is, if it fails.
        consumer: ConsumerKey,
        /// Where it goes, and which delivery it is.
        delivery: Delivery,
        /// The message.
        message: StoredMessage,
        /// Writes the reply subject.
        ack_replies: Arc<AckReplies>,
        /// The queue group it is for.
        group: Option<Arc<[u8]>>,
    },
    /// A message without body: status, heartbeat, flow control.
    Status {
        /// The subject.
        to: Bytes,
        /// The header block.
        headers: Bytes,
        /// Where an answer goes, empty for none.
        reply: Bytes,
        /// The queue group it is for.
        group: Option<Arc<[u8]>>,
    },
    /// Something for whoever listens.
    Event {
        /// The consumer's name.
        consumer: Box<str>,
        /// What happened.
        advisory: Advisory,
    },
    /// A batch was given up.
    BatchAbandoned {
        /// Its id.
        id: Box<[u8]>,
        /// Why.
        reason: AbandonReason,
    },
    /// A link to an origin wants something done.
    Link(Box<LinkCommand>),
    /// The consumer has been unused for too long.
    Gone {
        /// Its name.
        consumer: Box<str>,
    },
}

impl StreamState {
    /// Runs the consumers that have something to do. `true` if there is more than one round's worth.
    pub(super) fn run_consumers(&mut self, host: &StreamHost, now: UnixNanos) -> bool {
        self.consumers.wake_overdue(now);
        let settled = host.env.settled();
        self.consumers.begin_settled(settled);
        let mut budget = Budget { messages: MESSAGES_PER_ROUND_MAX, bytes: BYTES_PER_ROUND_MAX };
        for _ in 0..CONSUMERS_PER_ROUND_MAX {
            let Some(key) = self.consumers.next_to_run(settled) else { return false };
            if self.run_consumer(host, key, now, &mut budget) == Progress::More {
                self.consumers.wake(key);
                return true;
            }
        }
        self.consumers.has_work()
    }

    fn run_consumer(
        &mut self,
        host: &StreamHost,
        key: ConsumerKey,
        now: UnixNanos,
        budget: &mut Budget,
    ) -> Progress {
        let ran = self.with_consumer(host, key, now, |machine, turn| {
            machine.tick(turn);
            machine.advance(turn, budget)
        });
        self.consumers.rest(key, self.visible.last_seq());
        match ran {
            Some(Ok(progress)) => progress,
            Some(Err(error)) => {
                log::warn!("stream {}: consumer cannot read on: {error}", host.name);
                Progress::Done
            }
            None => Progress::Done,
        }
    }

    /// Gives one input to a consumer and keeps what comes of it for the pump. `None` if the consumer is gone.
    pub fn with_consumer<T>(
        &mut self,
        host: &StreamHost,
        key: ConsumerKey,
        now: UnixNanos,
        input: impl FnOnce(&mut ConsumerMachine, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let mut effects = std::mem::take(&mut self.effects);
        let hosted = self.consumers.get_mut(key)?;
        let mut turn = Turn {
            log: self.log.as_ref(),
            visible_last_seq: self.visible.last_seq(),
            now,
            interest: &|subject| host.account.has_interest(subject),
            effects: &mut effects,
        };
        let result = input(&mut hosted.machine, &mut turn);
        if hosted.machine.has_delta() {
            self.unwritten.note(key, now);
        }
        let mut messages = self.load_delivered(&effects).into_iter();
        for effect in effects.drain(..) {
            self.keep(host, key, effect, &mut messages);
        }
        self.effects = effects;
        Some(result)
    }

    /// The messages that are to be delivered, in order: before anything is removed that one of the effects is done with.
    fn load_delivered(&self, effects: &[Effect]) -> SmallVec<[Loaded; 1]> {
        let seqs: SmallVec<[u64; 1]> = effects.iter().filter_map(Effect::delivered_seq).collect();
        let mut messages = SmallVec::with_capacity(seqs.len());
        self.log.load_each(&seqs, &mut |message| messages.push(message));
        messages
    }

    /// Deliveries that turned out impossible go back to their consumers.
    pub(super) fn return_undeliverable(&mut self, host: &StreamHost, now: UnixNanos) {
        for (key, delivery) in std::mem::take(&mut self.undeliverable) {
            let (seq, to) = (delivery.seq, delivery.to);
            self.with_consumer(host, key, now, |machine, turn| machine.delivery_failed(turn, seq, &to));
            self.consumers.wake(key);
        }
    }

    fn keep(
        &mut self,
        host: &StreamHost,
        key: ConsumerKey,
        effect: Effect,
        messages: &mut impl Iterator<Item = Loaded>,
    ) {
        match effect {
            Effect::Deliver(delivery) => {
                self.keep_delivery(key, delivery, messages.next().unwrap_or(Ok(None)));
            }
            Effect::Status { to, headers, reply } => {
                let group = self.group_of(key, &to);
                let reply = reply.unwrap_or_default();
                self.parcels.push(Parcel::Status { to, headers, reply, group });
            }
            Effect::AckReply { to } => self.unwritten.confirm(key, to),
            Effect::Acked { seq } => self.release(host, seq, seq),
            Effect::AckedThrough { from, to } => self.release(host, from, to),
            Effect::Advisory(advisory) => {
                let Some(consumer) = self.name_of(key) else { return };
                self.parcels.push(Parcel::Event { consumer, advisory });
            }
            Effect::Gone => {
                let Some(consumer) = self.name_of(key) else { return };
                self.parcels.push(Parcel::Gone { consumer });
            }
        }
    }

    fn keep_delivery(&mut self, key: ConsumerKey, delivery: Delivery, message: Loaded) {
        let Some(hosted) = self.consumers.get(key) else { return };
        let message = match message {
            Ok(Some(message)) => message,
            // Removed or damaged since the consumer chose it.
            Ok(None) | Err(StoreError::Damaged { .. }) => return self.undeliverable.push((key, delivery)),
            Err(error) => {
                log::warn!("message {} cannot be read: {error}", delivery.seq);
                return self.undeliverable.push((key, delivery));
            }
        };
        let ack_replies = hosted.ack_replies.clone();
        let group = hosted.deliver_group.clone();
        self.parcels.push(Parcel::Message { consumer: key, delivery, message, ack_replies, group });
    }

    /// What goes to the deliver subject goes to the deliver group only.
    fn group_of(&self, key: ConsumerKey, to: &[u8]) -> Option<Arc<[u8]>> {
        let hosted = self.consumers.get(key)?;
        let deliver_subject = hosted.machine.config().deliver_subject.as_bytes();
        hosted.deliver_group.clone().filter(|_| deliver_subject == to)
    }

    fn name_of(&self, key: ConsumerKey) -> Option<Box<str>> {
        Some(self.consumers.get(key)?.machine.name().into())
    }
}
