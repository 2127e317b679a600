//! A stream out of service: while it is recovered, and while the store has to be opened anew.
//!
//! Its subjects stay captured, and whoever publishes is told that the stream is not available for now. Its place among the
//! account's streams is kept.

use std::sync::Arc;

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::timestamp::Timestamp;

use super::{StreamHost, StreamState};
use crate::account::Account;
use crate::jetstream::consumer::{ConsumerMachine, Identity, StateError, StreamTraits};
use crate::jetstream::consumers::{Consumers, Hosted};
use crate::jetstream::env::Env;
use crate::jetstream::stream::{Bounds, StreamMachine};
use crate::router::Dispatch;
use crate::store::{MemoryLog, MessageLog, StreamId};

/// A consumer that the store knows nothing of, as it was when its stream went out of service.
pub struct Carried {
    identity: Identity,
    config: ConsumerConfig,
    snapshot: Vec<u8>,
}

impl StreamHost {
    /// A stream that is still to be recovered. Its subjects are captured.
    pub fn announce(
        id: StreamId,
        account: Arc<Account>,
        env: Arc<Env>,
        config: StreamConfig,
        created: Timestamp,
    ) -> Arc<Self> {
        let host = Self::start(id, account, env, StreamState::absent(config, created));
        host.capture();
        host
    }

    /// Whether the stream can be used.
    pub fn in_service(&self) -> bool {
        self.lock().in_service()
    }

    /// Takes the stream out of service: the store has failed. What has settled is still sent, what has not is refused, and
    /// whoever waits for a message is told to ask again.
    pub fn suspend(self: &Arc<Self>) {
        self.ports.close();
        let mut guard = self.lock();
        let state = &mut *guard;
        if !state.in_service {
            return;
        }
        state.replies.refuse_unsettled(self.env.settled_of(state.failures));
        let now = self.env.now();
        for key in state.consumers.keys() {
            state.with_consumer(self, key, now, |machine, turn| machine.leadership_changed(turn));
        }
        let carried = state.volatile_consumers();
        let absent = StreamState::absent(state.machine.config().clone(), state.created);
        let former = state.replace(absent);
        state.carried = carried;
        state.failures = self.env.failures();
        drop(guard);
        drop(former);
        self.pump(&mut Dispatch::internal());
    }

    /// Puts the stream into service with what the store holds of it.
    pub fn resume(self: &Arc<Self>, state: StreamState) {
        let mut guard = self.lock();
        let mut carried = std::mem::take(&mut guard.carried);
        guard.replace(state);
        guard.failures = self.env.failures();
        for consumer in carried.drain(..) {
            guard.take_back(self, consumer);
        }
        drop(guard);
        self.capture();
        self.after_recovery();
    }

    /// Finds out what changed while the stream was away: interest, expired messages, limits.
    pub(in crate::jetstream) fn after_recovery(self: &Arc<Self>) {
        let keys = self.lock().consumers.keys();
        for key in keys {
            self.watch_consumer(key);
        }
        let mut cx = Dispatch::internal();
        self.apply(&mut cx, |state| state.consumers.wake_all());
    }
}

impl StreamState {
    /// A stream of which nothing but the configuration is known.
    fn absent(config: StreamConfig, created: Timestamp) -> Self {
        let machine = StreamMachine::new(config, Bounds::default());
        let mut state = Self::new(machine, Box::new(MemoryLog::new()), Consumers::default(), created);
        state.in_service = false;
        state
    }

    /// Goes on as another state; what is about to be sent is still sent.
    fn replace(&mut self, other: Self) -> Self {
        let mut former = std::mem::replace(self, other);
        self.replies = std::mem::take(&mut former.replies);
        self.parcels = std::mem::take(&mut former.parcels);
        self.consumers.number_after(&former.consumers);
        former
    }

    fn volatile_consumers(&self) -> Vec<Carried> {
        let volatile = self.consumers.iter().filter(|hosted| !self.keeps(hosted.machine.config()));
        let carried = |machine: &ConsumerMachine| Carried {
            identity: machine.identity().clone(),
            config: machine.config().clone(),
            snapshot: machine.snapshot(),
        };
        volatile.map(|hosted| carried(&hosted.machine)).collect()
    }

    fn take_back(&mut self, host: &StreamHost, consumer: Carried) {
        let name = consumer.identity.name.clone();
        match consumer.restore(self.machine.config(), self.log.as_ref(), &host.env) {
            Ok(machine) => drop(self.consumers.add(Hosted::new(&host.name, machine))),
            Err(error) => log::error!("consumer {} > {name} is lost: {error}", host.name),
        }
    }
}

impl Carried {
    fn restore(
        self,
        stream: &StreamConfig,
        log: &dyn MessageLog,
        env: &Env,
    ) -> Result<ConsumerMachine, StateError> {
        let traits = StreamTraits::of(stream, env.settings.payload_bytes_max);
        let Self { identity, config, snapshot } = self;
        let mut machine = ConsumerMachine::restore(identity, config, traits, &snapshot, [], log, env.now())?;
        machine.set_volatile();
        Ok(machine)
    }
}
