//! Everything a stream's lock protects.

use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::timestamp::Timestamp;
use headwater_protocol::subject::transform::Transform;

use super::replies::{Replies, Reply};
use super::run_consumers::Parcel;
use super::unwritten::Unwritten;
use super::visible::Visible;
use crate::clock::UnixNanos;
use crate::jetstream::consumer::{Delivery, Effect, StreamTraits};
use crate::jetstream::consumers::{ConsumerKey, Consumers};
use crate::jetstream::stream::{Ingest, Published, Purge, Refusal, StreamMachine};
use crate::store::{Lsn, MessageLog, StoreError};

/// Messages removed for their age in one go, so that a publish never waits for a long expiry.
const EXPIRED_PER_ROUND_MAX: u64 = 10_000;

/// What the lock of a [`StreamHost`](super::StreamHost) protects.
pub struct StreamState {
    /// Decides.
    pub machine: StreamMachine,
    /// Holds the messages.
    pub log: Box<dyn MessageLog>,
    /// The stream's consumers.
    pub consumers: Consumers,
    /// When the stream was created.
    pub created: Timestamp,
    /// What waits for the disk.
    pub(super) replies: Replies,
    pub(super) visible: Visible,
    /// The last position this stream wrote at.
    last_lsn: Lsn,
    transform: Option<Transform>,
    /// What consumers have handed over and the pump has not sent yet.
    pub(super) parcels: Vec<Parcel>,
    /// Deliveries whose message turned out not to be there.
    pub(super) undeliverable: Vec<(ConsumerKey, Delivery)>,
    pub(super) unwritten: Unwritten,
    /// Kept for its memory.
    pub(super) effects: Vec<Effect>,
}

impl StreamState {
    /// A stream with what the store holds of it.
    pub fn new(machine: StreamMachine, log: Box<dyn MessageLog>, consumers: Consumers, created: Timestamp) -> Self {
        let visible = Visible::up_to(log.state().last_seq);
        let mut state = Self {
            machine,
            log,
            consumers,
            created,
            replies: Replies::default(),
            visible,
            last_lsn: Lsn::ZERO,
            transform: None,
            parcels: Vec::new(),
            undeliverable: Vec::new(),
            unwritten: Unwritten::default(),
            effects: Vec::new(),
        };
        state.read_transform();
        state
    }

    /// Takes a publish and promises its acknowledgement to `reply`, if there is one.
    pub fn publish(&mut self, now: UnixNanos, message: &Ingest<'_>, reply: &[u8]) {
        let transformed = self.transform.as_ref().and_then(|transform| transform.apply(message.subject));
        let message = Ingest { subject: transformed.as_deref().unwrap_or(message.subject), ..*message };
        let consumers = &self.consumers;
        let wanted = |subject: &[u8]| consumers.want(subject);
        let published = self.machine.publish(self.log.as_mut(), now, &message, &wanted);
        self.note_published(&published);
        if !reply.is_empty() && !self.machine.config().no_ack {
            self.promise_pub_ack(reply, published);
        }
    }

    /// Promises an answer that may leave once everything the stream has written so far is settled.
    pub fn promise(&mut self, to: &[u8], reply: Reply) {
        self.replies.promise(self.last_lsn, to, reply);
    }

    /// Notes that the stream has written up to `lsn`.
    pub fn wrote(&mut self, lsn: Lsn) {
        self.last_lsn = self.last_lsn.max(lsn);
    }

    /// Removes what has grown too old; returns when to look again.
    pub(super) fn expire(&mut self, now: UnixNanos) -> Result<Option<UnixNanos>, StoreError> {
        let more = self.machine.expire(self.log.as_mut(), now, EXPIRED_PER_ROUND_MAX)?;
        Ok(if more { Some(now) } else { self.machine.next_expiry(self.log.as_ref()) })
    }

    /// The first message of a new stream gets `first_seq`.
    pub fn begin_at(&mut self, first_seq: u64) -> Result<(), StoreError> {
        if first_seq > 1 {
            let (_, lsn) = self.log.purge_below(first_seq)?;
            self.wrote(lsn);
            self.visible = Visible::up_to(first_seq - 1);
        }
        Ok(())
    }

    /// Purges; returns how many messages went.
    pub fn purge(&mut self, purge: &Purge) -> Result<u64, Refusal> {
        let (purged, lsn) = self.machine.purge(self.log.as_mut(), purge)?;
        self.wrote(lsn);
        let first_seq = self.log.state().first_seq;
        for key in self.consumers.keys() {
            if let Some(hosted) = self.consumers.get_mut(key) {
                hosted.machine.on_purged(first_seq);
            }
            self.consumers.wake(key);
        }
        Ok(purged)
    }

    /// Goes on with another configuration.
    pub fn reconfigure(&mut self, config: StreamConfig, payload_bytes_max: u64) -> Result<(), StoreError> {
        self.machine.reconfigure(config, self.log.as_mut())?;
        self.read_transform();
        for key in self.consumers.keys() {
            if let Some(hosted) = self.consumers.get_mut(key) {
                hosted.machine.update_stream(StreamTraits::of(self.machine.config(), payload_bytes_max));
            }
        }
        self.consumers.wake_all();
        Ok(())
    }

    fn read_transform(&mut self) {
        let configured = self.machine.config().subject_transform.as_ref();
        self.transform =
            configured.and_then(|transform| Transform::new(&transform.src, &transform.dest).ok());
    }

    fn note_published(&mut self, published: &Result<Published, Refusal>) {
        if let Ok(Published::Stored { seq, lsn } | Published::Unwanted { seq, lsn }) = *published {
            self.visible.stored(seq, lsn);
            self.wrote(lsn);
        }
    }

    fn promise_pub_ack(&mut self, reply: &[u8], published: Result<Published, Refusal>) {
        let answer = match published {
            Ok(Published::Stored { seq, .. } | Published::Unwanted { seq, .. }) => {
                Reply::PubAck { seq, duplicate: false }
            }
            Ok(Published::Duplicate { seq }) => Reply::PubAck { seq, duplicate: true },
            Err(refusal) => Reply::Refused(Box::new(refusal.into())),
        };
        self.promise(reply, answer);
    }
}
