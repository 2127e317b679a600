//! Everything a stream's lock protects.

use bytes::Bytes;
use headwater_protocol::jetstream::error::ErrorCode;
use headwater_protocol::jetstream::stream_config::{Storage, StreamConfig};
use headwater_protocol::jetstream::timestamp::Timestamp;
use headwater_protocol::subject::has_wildcards;
use headwater_protocol::subject::transform::Transform;

use super::StreamHost;
use super::inflow::Inflow;
use super::replies::{Replies, Reply, ReplyMessage};
use super::run_consumers::Parcel;
use super::service::Carried;
use super::unwritten::Unwritten;
use super::visible::Visible;
use crate::clock::UnixNanos;
use crate::jetstream::consumer::{Concern, Delivery, Effect, StreamTraits};
use crate::jetstream::consumers::{ConsumerKey, Consumers};
use crate::jetstream::env::Env;
use crate::jetstream::stream::{Answer, Effect as StreamEffect, Ingest, Purge, Refusal, StreamMachine, Turn};
use crate::store::{Lsn, MessageLog, StoreError};
use crate::trace::Storing;

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
    /// `false` while the stream is recovered: what is here is empty, whatever the stream holds.
    pub(super) in_service: bool,
    /// How often the store had failed when this came to be.
    pub(super) failures: u32,
    /// Consumers that are to come back with the stream, and that the store knows nothing of.
    pub(super) carried: Vec<Carried>,
    /// What waits for the disk.
    pub(super) replies: Replies,
    pub(super) visible: Visible,
    /// The last position this stream wrote at.
    pub(super) last_lsn: Lsn,
    transform: Option<Transform>,
    /// What consumers have handed over and the pump has not sent yet.
    pub(super) parcels: Vec<Parcel>,
    /// Deliveries whose message turned out not to be there.
    pub(super) undeliverable: Vec<(ConsumerKey, Delivery)>,
    pub(super) unwritten: Unwritten,
    /// Kept for their memory.
    pub(super) effects: Vec<Effect>,
    stream_effects: Vec<StreamEffect>,
    /// What it takes over from other streams.
    pub inflow: Inflow,
}

impl StreamState {
    /// A stream with what the store holds of it.
    pub fn new(
        machine: StreamMachine,
        log: Box<dyn MessageLog>,
        consumers: Consumers,
        created: Timestamp,
    ) -> Self {
        let visible = Visible::up_to(log.state().last_seq);
        let mut state = Self {
            machine,
            log,
            consumers,
            created,
            in_service: true,
            carried: Vec::new(),
            failures: 0,
            replies: Replies::default(),
            visible,
            last_lsn: Lsn::ZERO,
            transform: None,
            parcels: Vec::new(),
            undeliverable: Vec::new(),
            unwritten: Unwritten::default(),
            effects: Vec::new(),
            stream_effects: Vec::new(),
            inflow: Inflow::default(),
        };
        state.read_transform();
        state
    }

    /// Whether the stream can be used; while it cannot, all of this is empty.
    pub fn in_service(&self) -> bool {
        self.in_service
    }

    /// Whether the stream is kept in files.
    pub fn is_on_disk(&self) -> bool {
        self.machine.config().storage == Storage::File
    }

    /// Takes a publish and promises its acknowledgement to `reply`, if there is one.
    pub fn publish(&mut self, now: UnixNanos, message: &Ingest<'_>, reply: &[u8]) {
        if !self.in_service {
            let unavailable = Answer::Refused(Box::new(ErrorCode::ClusterNotAvail.error()));
            return self.promise(reply, Reply::Publish(unavailable));
        }
        let transformed = self.transformed(message.subject);
        let message = Ingest { subject: transformed.as_deref().unwrap_or(message.subject), ..*message };
        self.with_machine(now, reply, |machine, turn| machine.publish(turn, &message, reply));
    }

    /// As [`publish`](Self::publish), for a message that is traced; `only` if nothing is to come of it.
    pub fn publish_traced(
        &mut self,
        now: UnixNanos,
        message: &Ingest<'_>,
        reply: &[u8],
        only: bool,
    ) -> Storing {
        if !self.in_service {
            let unavailable = ErrorCode::ClusterNotAvail.error();
            let error = unavailable.to_string();
            self.promise(reply, Reply::Publish(Answer::Refused(Box::new(unavailable))));
            return Storing { error, ..Storing::default() };
        }
        let transformed = self.transformed(message.subject);
        let message = Ingest { subject: transformed.as_deref().unwrap_or(message.subject), ..*message };
        self.with_machine(now, reply, |machine, turn| match only {
            true => machine.only_trace(turn, &message, reply),
            false => machine.publish_traced(turn, &message, reply),
        })
    }

    /// What the stream's own transform makes of a subject; `None` if it stays as it is.
    pub(super) fn transformed(&self, subject: &[u8]) -> Option<Vec<u8>> {
        self.transform.as_ref().and_then(|transform| transform.apply(subject))
    }

    /// Promises an answer that may leave once everything the stream has written so far is settled.
    pub fn promise(&mut self, to: &[u8], reply: Reply) {
        self.replies.promise(self.last_lsn, to, reply);
    }

    /// Notes that the stream has written up to `lsn`.
    pub fn wrote(&mut self, lsn: Lsn) {
        self.last_lsn = self.last_lsn.max(lsn);
    }

    /// Does what time has made due; returns when to look again.
    pub(super) fn tick(&mut self, now: UnixNanos) -> Result<Option<UnixNanos>, StoreError> {
        self.with_machine(now, b"", |machine, turn| machine.tick(turn))
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
    pub fn purge(&mut self, purge: &Purge, now: UnixNanos) -> Result<u64, Refusal> {
        let (purged, lsn) = self.machine.purge(self.log.as_mut(), purge)?;
        self.wrote(lsn);
        self.tell_purged(purge.filter.as_ref(), now);
        Ok(purged)
    }

    /// Consumers that wait for messages which a limit has removed need not wait any longer.
    pub(super) fn tell_removed(&mut self, host: &StreamHost, now: UnixNanos) {
        self.consumers.wake_stalled_before(self.log.state().first_seq);
        for (key, seq) in self.consumers.take_bereft() {
            self.with_consumer(host, key, now, |machine, turn| machine.on_removed(turn, seq));
            self.consumers.wake(key);
        }
    }

    /// A consumer goes on after what was purged of the subjects it wants; one that wants more than was purged goes on with
    /// what the stream still has.
    fn tell_purged(&mut self, filter: Option<&Bytes>, now: UnixNanos) {
        if self.consumers.is_empty() {
            return;
        }
        let state = self.log.state();
        let first = match filter {
            Some(filter) => self.log.next_match(0, std::slice::from_ref(filter)).ok().flatten(),
            None => Some(state.first_seq),
        };
        let first = first.unwrap_or(state.last_seq.saturating_add(1));
        let concerned = match filter {
            Some(subject) if !has_wildcards(subject) => self.consumers.wanting(subject),
            _ => self.consumers.keys(),
        };
        for key in concerned {
            let Some(hosted) = self.consumers.get_mut(key) else { continue };
            match hosted.machine.concern_of(filter) {
                Concern::Nothing => continue,
                Concern::Everything => hosted.machine.on_purged(first, now),
                Concern::Part => {
                    hosted.machine.on_purged(state.first_seq, now);
                    // What cannot be looked up now is noticed at the next redelivery.
                    let _ = hosted.machine.forget_purged(self.log.as_ref(), now);
                }
            }
            self.consumers.wake(key);
        }
    }

    /// Goes on with another configuration.
    pub fn reconfigure(&mut self, config: StreamConfig, env: &Env) -> Result<(), StoreError> {
        let now = env.now();
        let was_per_subject = self.machine.config().max_msgs_per_subject;
        self.machine.reconfigure(config, self.log.as_mut(), now)?;
        self.read_transform();
        let per_subject_changed = self.machine.config().max_msgs_per_subject != was_per_subject;
        for key in self.consumers.keys() {
            if let Some(hosted) = self.consumers.get_mut(key) {
                if per_subject_changed {
                    // What cannot be looked up now is noticed at the next redelivery.
                    let _ = hosted.machine.forget_purged(self.log.as_ref(), now);
                }
                let traits = StreamTraits::of(self.machine.config(), env.settings.payload_bytes_max);
                hosted.machine.update_stream(traits);
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

    /// Gives one input to the machine and promises what comes of it; answers go to `reply`.
    pub(super) fn with_machine<T>(
        &mut self,
        now: UnixNanos,
        reply: &[u8],
        input: impl FnOnce(&mut StreamMachine, &mut Turn<'_>) -> T,
    ) -> T {
        let mut effects = std::mem::take(&mut self.stream_effects);
        let audience = &mut self.consumers;
        let mut turn = Turn { log: self.log.as_mut(), now, audience, effects: &mut effects };
        let result = input(&mut self.machine, &mut turn);
        for effect in effects.drain(..) {
            self.keep_stream_effect(effect, reply, now);
        }
        self.stream_effects = effects;
        result
    }

    fn keep_stream_effect(&mut self, effect: StreamEffect, reply: &[u8], now: UnixNanos) {
        match effect {
            StreamEffect::Stored { seq, lsn } => {
                self.visible.stored(seq, lsn);
                self.wrote(lsn);
            }
            StreamEffect::Republish(outgoing) => {
                let message = ReplyMessage { headers: outgoing.headers, payload: outgoing.payload };
                self.promise(&outgoing.subject, Reply::Message(Box::new(message)));
            }
            StreamEffect::RolledUp(subject) => self.tell_purged(subject.as_ref(), now),
            StreamEffect::BatchAbandoned { id, reason } => {
                self.parcels.push(Parcel::BatchAbandoned { id, reason });
            }
            StreamEffect::Answer(answer) => self.promise(reply, Reply::Publish(answer)),
        }
    }
}
