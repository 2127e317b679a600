//! One subscription.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use smallvec::SmallVec;

use super::{Service, Shadow, Subscriber};

/// A subscription's name on its connection, as the client wrote it.
pub type Sid = SmallVec<[u8; 16]>;

/// Where a subscription's messages go.
pub enum Sink {
    /// To a client.
    Client {
        /// The client's receiving end.
        subscriber: Arc<Subscriber>,
        /// What the client calls the subscription.
        sid: Sid,
    },
    /// To code in the broker.
    Service(Arc<dyn Service>),
    /// To a subscription of another account.
    Shadow(Box<Shadow>),
}

/// An interest in a subject.
pub struct Subscription {
    subject: Box<[u8]>,
    queue: Option<Box<[u8]>>,
    sink: Sink,
    /// Where the subscription stands in its index node's list; changed only under the index's write lock.
    slot: AtomicU32,
    /// Ends after this many messages; 0 for never.
    max: AtomicU64,
    delivered: AtomicU64,
    closed: AtomicBool,
}

/// What happens to a message that reaches a subscription with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is delivered.
    Deliver,
    /// It is delivered and was the last one.
    DeliverLast,
    /// It came after the last one, or after the subscription was closed.
    Refuse,
}

impl Subscription {
    /// A subscription that is in no index yet.
    pub fn new(subject: &[u8], queue: Option<&[u8]>, sink: Sink) -> Self {
        Self {
            subject: subject.into(),
            queue: queue.map(Into::into),
            sink,
            slot: AtomicU32::new(0),
            max: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// What it subscribes to, with wildcards.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Its queue group.
    pub fn queue(&self) -> Option<&[u8]> {
        self.queue.as_deref()
    }

    /// Where its messages go.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// What the client calls it; empty for a service, that of the original for a shadow.
    pub fn sid(&self) -> &[u8] {
        match &self.sink {
            Sink::Client { sid, .. } => sid,
            Sink::Service(_) => b"",
            Sink::Shadow(shadow) => shadow.original().sid(),
        }
    }

    /// How many messages it got.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// The limit set by [`limit`](Self::limit), 0 for none.
    pub fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Lets it end after `max` messages counted from its start. `false` if it got as many already.
    pub fn limit(&self, max: u64) -> bool {
        let to_come = max > self.delivered();
        self.max.store(if to_come { max } else { 0 }, Ordering::Relaxed);
        to_come
    }

    /// Counts one message.
    pub fn admit(&self) -> Admission {
        if self.is_closed() {
            return Admission::Refuse;
        }
        let delivered = self.delivered.fetch_add(1, Ordering::Relaxed) + 1;
        match self.max() {
            0 => Admission::Deliver,
            max if delivered < max => Admission::Deliver,
            max if delivered == max => Admission::DeliverLast,
            _ => Admission::Refuse,
        }
    }

    /// Stops deliveries that are still under way with an older look at the index.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// True once it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn slot(&self) -> usize {
        self.slot.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set_slot(&self, slot: usize) {
        self.slot.store(slot as u32, Ordering::Relaxed);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("subject", &String::from_utf8_lossy(&self.subject))
            .field("queue", &self.queue().map(String::from_utf8_lossy))
            .field("sid", &String::from_utf8_lossy(self.sid()))
            .finish()
    }
}
