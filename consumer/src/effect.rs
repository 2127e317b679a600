//! What a consumer wants done, in the order in which it is to be done.

use bytes::Bytes;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Deliver a message.
    Deliver(Delivery),
    /// Send a message without a body.
    Status {
        /// The subject.
        to: Bytes,
        /// The complete header block.
        headers: Bytes,
        /// The reply subject, of a flow control request only.
        reply: Option<Bytes>,
    },
    /// Send an empty message to confirm an acknowledgement, once the state it caused is durable.
    AckReply {
        /// The subject.
        to: Bytes,
    },
    /// A message is done with. Only told on interest and work queue streams.
    Acked {
        /// Its stream sequence.
        seq: u64,
    },
    /// All messages of a range that match the filters are done with, unless [`super::ConsumerMachine::needs`] says
    /// otherwise. Only told on interest and work queue streams.
    AckedThrough {
        /// The first stream sequence.
        from: u64,
        /// The last stream sequence.
        to: u64,
    },
    /// Tell whoever listens.
    Advisory(Advisory),
    /// The consumer has been inactive for too long: delete it.
    Gone,
}

impl Effect {
    /// The message that it delivers.
    pub fn delivered_seq(&self) -> Option<u64> {
        match self {
            Effect::Deliver(delivery) => Some(delivery.seq),
            _ => None,
        }
    }
}

/// How a message is delivered. Subject, headers, payload and time come from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its stream sequence.
    pub seq: u64,
    /// Where to.
    pub to: Bytes,
    /// How often it has been delivered, this time included.
    pub deliveries: u64,
    /// The consumer sequence of this delivery.
    pub consumer_seq: u64,
    /// How many matching messages follow that have never been delivered.
    pub pending: u64,
    /// For the `Nats-Pin-Id` header.
    pub pin_id: Option<Bytes>,
    /// Leave the payload out and say its size in `Nats-Msg-Size`.
    pub headers_only: bool,
}

/// What advisories and metrics tell. Stream and consumer name, time and id are added by the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advisory {
    /// `CONSUMER.MAX_DELIVERIES`
    MaxDeliveries {
        /// The message.
        stream_seq: u64,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// `CONSUMER.MSG_NAKED`
    Naked {
        /// The message.
        stream_seq: u64,
        /// The delivery that was refused.
        consumer_seq: u64,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// `CONSUMER.MSG_TERMINATED`
    Terminated {
        /// The message.
        stream_seq: u64,
        /// The delivery that was terminated.
        consumer_seq: u64,
        /// How often it was delivered.
        deliveries: u64,
        /// Why, empty if unknown.
        reason: String,
    },
    /// `METRIC.CONSUMER.ACK`
    AckSample {
        /// The message.
        stream_seq: u64,
        /// The delivery that was acknowledged.
        consumer_seq: u64,
        /// How often it was delivered.
        deliveries: u64,
        /// How long the acknowledgement took.
        ack_time_nanos: i64,
    },
    /// `CONSUMER.PAUSE`
    Pause {
        /// Whether the consumer is paused now.
        paused: bool,
        /// Until when, `None` when it never was.
        until: Option<i64>,
    },
    /// `CONSUMER.PINNED`
    Pinned {
        /// The group.
        group: String,
        /// The client's new id.
        pin_id: Bytes,
    },
    /// `CONSUMER.UNPINNED`
    Unpinned {
        /// The group.
        group: String,
        /// `admin` or `timeout`.
        reason: &'static str,
    },
}
