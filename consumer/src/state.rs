//! What a consumer remembers: positions, pending acknowledgements, messages given up.
//!
//! Every change is an [`Op`]. The machine applies it and records it; a restart applies what was recorded. Both go through
//! [`ConsumerState::apply`], so they cannot come apart.

use std::collections::BTreeMap;

use headwater_store::UnixNanos;

use super::ack_timer::AckWait;
use super::acks::AwaitedAcks;
use super::pending::PendingAck;

/// A position, in the consumer's and the stream's counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SequencePair {
    /// The consumer sequence: counts deliveries.
    pub consumer: u64,
    /// The stream sequence.
    pub stream: u64,
}

/// One change of a consumer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A message has been delivered for the first time.
    Deliver {
        /// The message.
        seq: u64,
        /// The delivery.
        consumer_seq: u64,
        /// When.
        at: UnixNanos,
    },
    /// A pending message has been delivered again.
    Redeliver {
        /// The message.
        seq: u64,
        /// The delivery.
        consumer_seq: u64,
        /// When.
        at: UnixNanos,
    },
    /// A message has been acknowledged or terminated.
    Ack {
        /// The message.
        seq: u64,
        /// When.
        at: UnixNanos,
    },
    /// All messages up to one have been acknowledged.
    AckThrough {
        /// The message.
        seq: u64,
        /// The delivery that was acknowledged.
        consumer_seq: u64,
        /// When.
        at: UnixNanos,
    },
    /// The ack wait of a pending message counts from another moment.
    Restart {
        /// The message.
        seq: u64,
        /// The moment.
        since: UnixNanos,
    },
    /// A message has been delivered as often as it may and is no longer pending.
    GiveUp {
        /// The message.
        seq: u64,
    },
    /// A delivery has not reached anyone.
    Undeliver {
        /// The message.
        seq: u64,
    },
    /// The stream has no messages below a sequence any more.
    Purge {
        /// The first sequence it may have.
        first_seq: u64,
        /// When.
        at: UnixNanos,
    },
}

/// The durable part of a consumer.
#[derive(Debug, Default)]
pub struct ConsumerState {
    /// The last delivery, and the last message delivered for the first time.
    pub delivered: SequencePair,
    /// Everything up to here has been acknowledged.
    pub ack_floor: SequencePair,
    /// Where to look for the next message; everything before has been delivered or does not match.
    pub next_seq: u64,
    /// For `last_per_subject`: up to here only the last message of each subject is delivered.
    pub last_per_subject_through: Option<u64>,
    /// When the last delivery was.
    pub delivered_at: Option<UnixNanos>,
    /// When the last acknowledgement was.
    pub acked_at: Option<UnixNanos>,
    /// What awaits acknowledgement.
    pub acks: AwaitedAcks,
    /// Messages that were delivered as often as they may, by sequence, with the number of deliveries. They stay until
    /// they are acknowledged or leave the stream, so there are never more than messages in the stream.
    pub given_up: BTreeMap<u64, u32>,
    /// Whether deliveries await acknowledgement at all.
    awaits_acks: bool,
}

impl ConsumerState {
    /// A consumer that will begin at `next_seq`.
    pub fn starting_at(next_seq: u64, awaits_acks: bool, wait: AckWait) -> Self {
        let before = SequencePair { consumer: 0, stream: next_seq.saturating_sub(1) };
        Self {
            delivered: before,
            ack_floor: before,
            next_seq,
            acks: AwaitedAcks::new(wait),
            awaits_acks,
            ..Self::default()
        }
    }

    /// How many messages have been delivered more than once, or were given up.
    pub fn redelivered(&self) -> usize {
        self.acks.pending().redelivered() + self.given_up.len()
    }

    /// Whether a message that matches the filters is still wanted: undelivered, unacknowledged, or given up.
    pub fn needs(&self, seq: u64) -> bool {
        let open = if self.awaits_acks {
            seq >= self.next_seq || self.acks.get(seq).is_some()
        } else {
            seq > self.ack_floor.stream
        };
        open || self.given_up.contains_key(&seq)
    }

    /// Goes back, or ahead, to `seq` and forgets what was pending.
    pub fn reset_to(&mut self, seq: u64) {
        let before = SequencePair { consumer: 0, stream: seq.saturating_sub(1) };
        self.acks.clear();
        self.given_up.clear();
        self.delivered = before;
        self.ack_floor = before;
        self.next_seq = seq;
        self.delivered_at = None;
        self.acked_at = None;
    }

    /// Makes one change. A change that does not fit the state changes nothing.
    pub fn apply(&mut self, op: Op) {
        match op {
            Op::Deliver { seq, consumer_seq, at } => self.deliver(seq, consumer_seq, at),
            Op::Redeliver { seq, consumer_seq, at } => self.redeliver(seq, consumer_seq, at),
            Op::Ack { seq, at } => self.ack(seq, at),
            Op::AckThrough { seq, consumer_seq, at } => self.ack_through(seq, consumer_seq, at),
            Op::Restart { seq, since } => self.acks.restart(seq, since),
            Op::GiveUp { seq } => self.give_up(seq),
            Op::Undeliver { seq } => self.acks.undelivered(seq),
            Op::Purge { first_seq, at } => self.purge(first_seq, at),
        }
    }

    fn deliver(&mut self, seq: u64, consumer_seq: u64, at: UnixNanos) {
        self.delivered = SequencePair { consumer: consumer_seq, stream: self.delivered.stream.max(seq) };
        self.next_seq = self.next_seq.max(seq.saturating_add(1));
        self.delivered_at = Some(at);
        if self.awaits_acks {
            self.acks.track(PendingAck::new(seq, consumer_seq, at));
        } else {
            self.ack_floor = self.delivered;
        }
    }

    fn redeliver(&mut self, seq: u64, consumer_seq: u64, at: UnixNanos) {
        self.delivered.consumer = self.delivered.consumer.max(consumer_seq);
        self.delivered_at = Some(at);
        self.acks.redelivered(seq, at);
    }

    fn ack(&mut self, seq: u64, at: UnixNanos) {
        self.pass(seq);
        self.acked_at = Some(at);
        self.given_up.remove(&seq);
        if let Some(settled) = self.acks.settle(seq) {
            self.move_floor_past(&settled);
        }
    }

    fn ack_through(&mut self, seq: u64, consumer_seq: u64, at: UnixNanos) {
        self.pass(seq);
        self.acked_at = Some(at);
        let mut last = None;
        while let Some(settled) = self.acks.settle_first_through(seq) {
            last = Some(settled);
        }
        self.given_up = self.given_up.split_off(&seq.saturating_add(1));
        // A redelivery has a higher consumer sequence than messages after it, which the floor must not pass.
        let own =
            last.filter(|settled| settled.seq == seq).map_or(consumer_seq, |settled| settled.consumer_seq);
        let below_next =
            self.acks.pending().first().map_or(u64::MAX, |next| next.consumer_seq.saturating_sub(1));
        self.ack_floor.consumer = self.ack_floor.consumer.max(own.min(below_next));
        self.ack_floor.stream = self.ack_floor.stream.max(seq);
    }

    /// Only what the consumer has gone past is acknowledged, be it because its filters do not match; how far it has looked ahead
    /// is not kept, and it must not go back before that.
    fn pass(&mut self, seq: u64) {
        self.next_seq = self.next_seq.max(seq.saturating_add(1));
    }

    fn give_up(&mut self, seq: u64) {
        if let Some(settled) = self.acks.settle(seq) {
            self.given_up.insert(seq, settled.deliveries);
        }
    }

    fn purge(&mut self, first_seq: u64, at: UnixNanos) {
        let last_gone = first_seq.saturating_sub(1);
        while let Some(settled) = self.acks.settle_first_through(last_gone) {
            self.ack_floor.consumer = self.ack_floor.consumer.max(settled.consumer_seq);
            self.ack_floor.stream = self.ack_floor.stream.max(settled.seq);
            self.acked_at = Some(at);
        }
        self.given_up = self.given_up.split_off(&first_seq);
        // Must not depend on how far the consumer has looked ahead, which is not kept.
        self.next_seq = self.next_seq.max(first_seq);
        self.delivered.stream = self.delivered.stream.max(last_gone);
        if self.acks.is_empty() {
            self.ack_floor = self.delivered;
        } else {
            self.ack_floor.stream = self.ack_floor.stream.max(last_gone.min(self.delivered.stream));
        }
    }

    /// The floor follows the deliveries when nothing is pending, else it moves only when the message next to it settles.
    fn move_floor_past(&mut self, settled: &PendingAck) {
        match self.acks.pending().first() {
            None => self.ack_floor = self.delivered,
            Some(next) if settled.consumer_seq == self.ack_floor.consumer.saturating_add(1) => {
                let (consumer, stream) = (next.consumer_seq.saturating_sub(1), next.seq.saturating_sub(1));
                self.ack_floor = SequencePair {
                    consumer: consumer.max(settled.consumer_seq),
                    stream: stream.max(settled.seq),
                };
            }
            Some(_) => {}
        }
    }
}
