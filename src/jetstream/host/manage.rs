//! Making, changing and deleting the stream's consumers.

use std::sync::Arc;

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::ConsumerAction;
use headwater_protocol::jetstream::timestamp::{Timestamp, ZonedTime};

use super::inputs::PushInterest;
use super::{StreamHost, StreamState};
use crate::ids;
use crate::jetstream::consumer::config::{ConsumerBounds, Decision, Situation, decide};
use crate::jetstream::consumer::{ConsumerMachine, Identity, StreamTraits};
use crate::jetstream::consumers::{ConsumerKey, Hosted, Watch};
use crate::jetstream::stream::Refusal;
use crate::jetstream::{advisories, metadata, record};
use crate::router::Dispatch;
use crate::store::{Lsn, StorageKind, StoreError};

/// The longest a generated consumer name gets.
const GENERATED_NAME_CHARS: usize = 8;

/// A consumer that was asked for; its names have been checked against the request's subject.
pub struct Wanted {
    /// How it is to be.
    pub config: ConsumerConfig,
    /// Whether it must or must not exist already.
    pub action: ConsumerAction,
    /// Values that would be replaced are refused.
    pub pedantic: bool,
    /// Limits of server and account.
    pub bounds: ConsumerBounds,
}

impl StreamHost {
    /// Makes the consumer, or changes the one of that name; `true` if it was made.
    pub fn want_consumer(self: &Arc<Self>, wanted: Wanted) -> Result<(ConsumerInfo, bool), ApiError> {
        let now = self.env.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let name = match wanted.config.name.as_str() {
            "" => ids::token(GENERATED_NAME_CHARS),
            name => name.to_owned(),
        };
        let (key, made) = match state.decide(self, &name, wanted)? {
            Decision::Create(config) => (state.make_consumer(self, &name, config, now)?, true),
            Decision::Update(config) => (state.change_consumer(self, &name, config, now)?, false),
        };
        self.watch_interest(state, key);
        drop(guard);
        self.look_at_interest(key);
        let info = self.lock().consumer_info(self, key);
        info.map(|info| (info, made)).ok_or_else(|| ErrorCode::ConsumerNotFound.error())
    }

    /// Deletes a consumer; whoever waits for it is told.
    pub fn delete_consumer(&self, name: &str) -> Result<(), ApiError> {
        self.lock().delete_consumer(self, name)
    }

    /// The inactive threshold of a consumer has passed.
    pub(super) fn delete_unused_consumer(self: &Arc<Self>, cx: &mut Dispatch, name: &str) {
        if self.delete_consumer(name).is_ok() {
            advisories::consumer_deleted(self, cx, name);
            self.wake.notify_one();
        }
    }

    /// Watches the deliver subject of a push consumer.
    pub(super) fn watch_interest(self: &Arc<Self>, state: &mut StreamState, key: ConsumerKey) {
        let Some(hosted) = state.consumers.get_mut(key) else { return };
        let subject = hosted.machine.config().deliver_subject.as_bytes();
        let watcher = Arc::new(PushInterest { host: Arc::downgrade(self), key });
        hosted.watch = (!subject.is_empty()).then(|| Watch::new(&self.account, subject, watcher));
    }
}

impl StreamState {
    fn decide(&self, host: &StreamHost, name: &str, wanted: Wanted) -> Result<Decision, ApiError> {
        let existing = self.consumers.find(name);
        let deliver_interest = existing.is_some_and(|hosted| {
            let subject = hosted.machine.config().deliver_subject.as_bytes();
            !subject.is_empty() && host.account.has_interest(subject)
        });
        let mut bounds = wanted.bounds;
        if self.machine.config().max_consumers <= 0 {
            let default_max = host.env.settings.consumers_default_max;
            bounds.account_consumers_max = lower_limit(bounds.account_consumers_max, default_max);
        }
        let situation = Situation {
            stream: self.machine.config(),
            bounds,
            existing: existing.map(|hosted| hosted.machine.config()),
            deliver_interest,
            counted: self.consumers.count_limited(),
            others: &|| self.consumers.configs_but(name),
        };
        decide(wanted.config, wanted.action, wanted.pedantic, &situation)
    }

    fn make_consumer(
        &mut self,
        host: &StreamHost,
        name: &str,
        mut config: ConsumerConfig,
        now: i64,
    ) -> Result<ConsumerKey, ApiError> {
        metadata::stamp_consumer(&mut config);
        let identity = Identity { name: name.to_owned(), created: now, seed: host.env.random.next_u64() };
        let traits = StreamTraits::of(self.machine.config(), host.env.settings.payload_bytes_max);
        let mut machine = ConsumerMachine::new(identity, config, traits, self.log.as_ref(), now)
            .map_err(|error| ErrorCode::ConsumerStoreFailed.with(error))?;
        if self.keeps(machine.config()) {
            self.store_new(host, &mut machine).map_err(Refusal::from)?;
        } else {
            machine.set_volatile();
        }
        let key = self.consumers.add(Hosted::new(&host.name, machine));
        self.consumers.begin_after(key, self.last_lsn);
        Ok(key)
    }

    fn change_consumer(
        &mut self,
        host: &StreamHost,
        name: &str,
        mut config: ConsumerConfig,
        now: i64,
    ) -> Result<ConsumerKey, ApiError> {
        metadata::stamp_consumer(&mut config);
        let key = self.consumers.key(name).ok_or_else(|| ErrorCode::ConsumerNotFound.error())?;
        self.write_config(host, key, &config)?;
        let group = config.deliver_group.clone();
        let filters = self.consumers.get(key).map(|hosted| hosted.machine.filters().to_vec());
        self.with_consumer(host, key, now, |machine, turn| machine.update_config(turn, config));
        self.consumers.refilter(key);
        if let Some(hosted) = self.consumers.get_mut(key) {
            hosted.deliver_group = (!group.is_empty()).then(|| group.as_bytes().into());
        }
        let changed = self
            .consumers
            .get(key)
            .map(|hosted| &hosted.machine)
            .filter(|machine| filters.is_some_and(|before| *before != *machine.filters()));
        if let Some(floor) = changed.map(|machine| machine.ack_floor()) {
            self.release_unneeded(host, floor);
        }
        Ok(key)
    }

    /// Pauses deliveries until a moment, or lets them go on.
    pub fn pause_consumer(
        &mut self,
        host: &StreamHost,
        key: ConsumerKey,
        until: ZonedTime,
    ) -> Result<(), ApiError> {
        let hosted = self.consumers.get(key).ok_or_else(|| ErrorCode::ConsumerNotFound.error())?;
        let config = hosted.machine.config_paused(Some(until));
        self.write_config(host, key, &config)?;
        let now = host.env.now();
        self.with_consumer(host, key, now, |machine, turn| machine.pause(turn, Some(until)));
        // As with nats-server, nothing tells a consumer to go on before the next message, request or heartbeat.
        if until.timestamp().0 > now {
            self.consumers.wake(key);
        }
        Ok(())
    }

    /// Writes the configuration a consumer is about to get: memory follows what the disk has agreed to.
    fn write_config(
        &mut self,
        host: &StreamHost,
        key: ConsumerKey,
        config: &ConsumerConfig,
    ) -> Result<(), ApiError> {
        let lsn = match self.consumers.get(key) {
            Some(hosted) if self.keeps(config) => put_config(host, &hosted.machine, config),
            _ => return Ok(()),
        };
        self.wrote(lsn.map_err(Refusal::from)?);
        Ok(())
    }

    fn delete_consumer(&mut self, host: &StreamHost, name: &str) -> Result<(), ApiError> {
        let key = self.consumers.key(name).ok_or_else(|| ErrorCode::ConsumerNotFound.error())?;
        if self.consumers.get(key).is_some_and(|hosted| self.keeps(hosted.machine.config())) {
            let lsn = host.env.store.delete_consumer(host.id, name).map_err(Refusal::from)?;
            self.wrote(lsn);
        }
        self.with_consumer(host, key, host.env.now(), |machine, turn| machine.delete(turn));
        let floor = self.consumers.remove(name).map_or(0, |hosted| hosted.machine.ack_floor());
        self.release_unneeded(host, floor);
        Ok(())
    }

    /// The stream is being deleted: whoever waits for a consumer is told.
    pub fn delete_all_consumers(&mut self, host: &StreamHost) {
        let now = host.env.now();
        for name in self.consumers.names() {
            if let Some(key) = self.consumers.key(&name) {
                self.with_consumer(host, key, now, |machine, turn| machine.delete(turn));
            }
            self.consumers.remove(&name);
        }
    }

    /// What answers tell of a consumer.
    pub fn consumer_info(&mut self, host: &StreamHost, key: ConsumerKey) -> Option<ConsumerInfo> {
        let info = self.with_consumer(host, key, host.env.now(), |machine, turn| machine.info(turn))?;
        info.map_err(|error| log::warn!("stream {}: consumer info: {error}", host.name)).ok()
    }

    /// Consumers of memory streams, of mirroring servers, and those that want to, live in memory only.
    pub(super) fn keeps(&self, config: &ConsumerConfig) -> bool {
        keeps(self.log.kind(), config)
    }

    /// Stores a consumer that is about to be: all of it or nothing, however full the disk is.
    fn store_new(&mut self, host: &StreamHost, machine: &mut ConsumerMachine) -> Result<(), StoreError> {
        let lsn = match machine.take_delta() {
            Some(delta) => {
                let record = record::encode(Timestamp(machine.created()), machine.config());
                host.env.store.create_consumer(host.id, machine.name(), &record, &delta)?
            }
            None => put_config(host, machine, machine.config())?,
        };
        self.wrote(lsn);
        Ok(())
    }
}

/// Whether a consumer of this configuration is kept on disk, on a stream of this kind.
pub fn keeps(kind: StorageKind, config: &ConsumerConfig) -> bool {
    kind == StorageKind::File && !config.direct && !config.mem_storage
}

fn put_config(
    host: &StreamHost,
    machine: &ConsumerMachine,
    config: &ConsumerConfig,
) -> Result<Lsn, StoreError> {
    let record = record::encode(Timestamp(machine.created()), config);
    host.env.store.put_consumer(host.id, machine.name(), &record)
}

/// The lower of two limits; 0 or less is none.
fn lower_limit(a: i64, b: i64) -> i64 {
    match (a, b) {
        (a, b) if a <= 0 => b,
        (a, b) if b <= 0 => a,
        (a, b) => a.min(b),
    }
}
