//! JetStream of one account: its streams, its limits, its use of the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headwater_protocol::jetstream::account_info::{AccountInfo, AccountLimits, ApiStats};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::stream_config::{Retention, Storage, StreamConfig};
use headwater_protocol::jetstream::timestamp::Timestamp;
use headwater_protocol::subject::overlaps;
use parking_lot::{Mutex, RwLock};

use super::consumer::config::ConsumerBounds;
use super::consumers::Consumers;
use super::env::{Env, Phase};
use super::host::{StreamHost, StreamState};
use super::stream::config::{Surroundings, check_update, complete};
use super::stream::room::Budget;
use super::stream::{Bounds, Refusal, StreamMachine, storage_kind};
use super::{metadata, record};
use crate::account::Account;
use crate::store::{Lsn, RecoveredStream, StorageKind, StoreError};

/// A stream that was asked for.
pub struct Created {
    /// The stream.
    pub host: Arc<StreamHost>,
    /// It was not there before.
    pub new: bool,
}

/// JetStream as one account has it.
pub struct JsAccount {
    /// The account.
    pub account: Arc<Account>,
    /// What all accounts share.
    pub env: Arc<Env>,
    limits: RwLock<AccountLimits>,
    streams: RwLock<BTreeMap<Box<str>, Arc<StreamHost>>>,
    /// Held while streams are created, changed or deleted, so that checks stay true until they are acted on.
    pub(super) changing: Mutex<()>,
    api_total: AtomicU64,
    api_errors: AtomicU64,
    /// What its streams store.
    budget: Budget,
}

impl JsAccount {
    /// JetStream for `account`, without streams yet.
    pub fn new(account: Arc<Account>, env: Arc<Env>, limits: AccountLimits) -> Self {
        Self {
            account,
            env,
            limits: RwLock::new(limits),
            streams: RwLock::default(),
            changing: Mutex::default(),
            api_total: AtomicU64::new(0),
            api_errors: AtomicU64::new(0),
            budget: Budget::new(limits.max_storage, limits.max_memory),
        }
    }

    /// What the account may use.
    pub fn limits(&self) -> AccountLimits {
        *self.limits.read()
    }

    /// Changes what the account may use from now on; what it uses already stays.
    pub fn set_limits(&self, limits: AccountLimits) {
        *self.limits.write() = limits;
        self.budget.set_max(limits.max_storage, limits.max_memory);
    }

    /// What streams of the account may use.
    pub fn bounds(&self) -> Bounds {
        Bounds { account: self.budget.clone(), ..self.env.bounds.clone() }
    }

    /// What its consumers may be configured to use.
    pub fn consumer_bounds(&self) -> ConsumerBounds {
        let settings = &self.env.settings;
        ConsumerBounds {
            server_ack_pending_max: settings.ack_pending_max,
            server_request_batch_max: settings.request_batch_max,
            account_ack_pending_max: self.limits().max_ack_pending,
            account_consumers_max: self.limits().max_consumers,
        }
    }

    /// A stream by its name, in service or not.
    pub fn stream(&self, name: &str) -> Option<Arc<StreamHost>> {
        self.streams.read().get(name).cloned()
    }

    /// A stream that can be used by its name, or the error the API answers with.
    pub fn expect_stream(&self, name: &str) -> Result<Arc<StreamHost>, ApiError> {
        let host = self.stream(name).ok_or_else(|| ErrorCode::StreamNotFound.error())?;
        if host.in_service() { Ok(host) } else { Err(ErrorCode::ClusterNotAvail.error()) }
    }

    /// A mirror that may answer direct gets for its origin, and has caught up with it.
    pub fn direct_mirror_of(&self, origin: &str) -> Option<Arc<StreamHost>> {
        let answers = |host: &&Arc<StreamHost>| {
            let state = host.lock();
            let config = state.machine.config();
            let mirrors = config.mirror.as_ref().is_some_and(|mirror| mirror.name == origin);
            config.mirror_direct && mirrors && state.inflow.has_caught_up()
        };
        self.streams.read().values().find(answers).cloned()
    }

    /// All streams, by name.
    pub fn streams(&self) -> Vec<Arc<StreamHost>> {
        self.streams.read().values().cloned().collect()
    }

    /// Counts an answered API request.
    pub fn count_request(&self, failed: bool) {
        self.api_total.fetch_add(1, Ordering::Relaxed);
        self.api_errors.fetch_add(failed.into(), Ordering::Relaxed);
    }

    /// Makes a stream, or finds it made already with the same configuration.
    pub fn create_stream(&self, config: StreamConfig, pedantic: bool) -> Result<Created, ApiError> {
        let _changing = self.changing.lock();
        let mut config = self.complete(config, pedantic)?;
        if config.num_replicas > 1 {
            return Err(ErrorCode::StreamReplicasNotSupported.error());
        }
        metadata::stamp_stream(&mut config);
        if self.stream(&config.name).is_some() {
            let existing = self.expect_stream(&config.name)?;
            let same = metadata::same_stream(existing.lock().machine.config(), &config);
            return if same {
                Ok(Created { host: existing, new: false })
            } else {
                Err(ErrorCode::StreamNameExist.error())
            };
        }
        self.check_room(&config, 0)?;
        self.check_new(&config)?;
        self.check_overlap(&config)?;
        Ok(Created { host: self.start_new(config)?, new: true })
    }

    /// Changes a stream's configuration.
    pub fn update_stream(&self, config: StreamConfig, pedantic: bool) -> Result<Arc<StreamHost>, ApiError> {
        let _changing = self.changing.lock();
        // Twice, as nats-server does it: what the first round fills in may be refused by the second.
        let config = self.complete(config, pedantic)?;
        let host = self.expect_stream(&config.name)?;
        let config = self.complete(config, pedantic)?;
        let old = host.lock().machine.config().clone();
        let mut config = check_update(&old, config)?;
        check_consumer_limits(&host, &config)?;
        self.check_room(&config, old.max_bytes.max(0))?;
        self.check_overlap(&config)?;
        metadata::stamp_stream(&mut config);
        let recapture = old.subjects != config.subjects;
        self.reconfigure(&host, config)?;
        if recapture {
            host.capture();
        }
        Ok(host)
    }

    /// Deletes a stream with its messages and consumers. What it had promised is still sent.
    pub fn delete_stream(&self, name: &str) -> Result<Arc<StreamHost>, ApiError> {
        let _changing = self.changing.lock();
        let host = self.expect_stream(name)?;
        let lsn =
            self.env.store.delete_stream(host.id).map_err(|error| ApiError::from(Refusal::from(error)))?;
        host.stop_capturing();
        let mut state = host.lock();
        state.wrote(lsn);
        state.delete_all_consumers(&host);
        state.end_inflow();
        state.machine.leave();
        drop(state);
        self.streams.write().remove(name);
        host.close();
        Ok(host)
    }

    /// Gives a stream its place among the others.
    pub fn put(&self, host: Arc<StreamHost>) {
        self.streams.write().insert(host.name.clone(), host);
    }

    /// Takes all streams out of service that are kept in files: the store has failed.
    pub fn suspend(&self) {
        let _changing = self.changing.lock();
        self.streams().iter().filter(|host| host.is_on_disk()).for_each(StreamHost::suspend);
    }

    /// Forgets the streams out of service that are not among `streams`: their creation never came to be on disk.
    pub fn forget_missing(&self, streams: &[RecoveredStream]) {
        let missing =
            |host: &Arc<StreamHost>| !host.in_service() && !streams.iter().any(|stream| stream.id == host.id);
        for host in self.streams().into_iter().filter(missing) {
            self.streams.write().remove(&host.name);
            host.close();
        }
    }

    /// What `$JS.API.INFO` tells.
    pub fn info(&self) -> AccountInfo {
        let mut info = AccountInfo {
            limits: self.limits(),
            domain: self.env.settings.domain.clone(),
            ..Default::default()
        };
        info.api.total = self.api_total.load(Ordering::Relaxed);
        info.api.errors = self.api_errors.load(Ordering::Relaxed);
        for host in self.streams() {
            let state = host.lock();
            let config = state.machine.config();
            let (used, reserved) = match config.storage {
                Storage::File => (&mut info.storage, &mut info.reserved_storage),
                Storage::Memory => (&mut info.memory, &mut info.reserved_memory),
            };
            *used += state.log.state().bytes;
            *reserved += u64::try_from(config.max_bytes).unwrap_or(0);
            info.streams += 1;
            info.consumers += state.consumers.count() as u64;
        }
        info
    }

    /// How the API was used.
    pub fn api_stats(&self) -> ApiStats {
        ApiStats {
            total: self.api_total.load(Ordering::Relaxed),
            errors: self.api_errors.load(Ordering::Relaxed),
            ..ApiStats::default()
        }
    }

    /// Fills in what a configuration leaves open and checks it.
    pub fn complete(&self, config: StreamConfig, pedantic: bool) -> Result<StreamConfig, ApiError> {
        let limits = &self.limits();
        let around = Surroundings {
            stream: &|name| self.stream(name).map(|host| host.lock().machine.config().clone()),
            duplicate_window_max: self.env.settings.duplicate_window_max,
            max_bytes_required: limits.max_bytes_required,
            stream_bytes_max: &|config| match config.storage {
                Storage::Memory => limits.memory_max_stream_bytes,
                Storage::File => limits.storage_max_stream_bytes,
            },
        };
        complete(config, &around, pedantic)
    }

    /// Whether account and server have room for what `config` reserves; `had` bytes of it are reserved already.
    pub(super) fn check_room(&self, config: &StreamConfig, had: i64) -> Result<(), ApiError> {
        let limits = &self.limits();
        if config.max_consumers > 0 && limits.max_consumers > 0 && config.max_consumers > limits.max_consumers
        {
            return Err(ErrorCode::MaximumConsumersLimit.error());
        }
        let (account_max, server_max, refusal) = match config.storage {
            Storage::Memory => {
                (limits.max_memory, self.env.settings.memory_bytes_max, ErrorCode::MemoryResourcesExceeded)
            }
            Storage::File => {
                (limits.max_storage, self.env.settings.file_bytes_max, ErrorCode::StorageResourcesExceeded)
            }
        };
        let wanted = if config.max_bytes < 0 { 1 } else { (config.max_bytes - had).max(0) };
        let reserved = self.reserved(config.storage);
        let full = |max: i64| max >= 0 && (reserved > max || wanted > max - reserved);
        if full(account_max) || full(server_max) { Err(refusal.error()) } else { Ok(()) }
    }

    fn reserved(&self, storage: Storage) -> i64 {
        let bytes = |host: &Arc<StreamHost>| {
            let state = host.lock();
            let config = state.machine.config();
            if config.storage == storage { config.max_bytes.max(0) } else { 0 }
        };
        self.streams.read().values().map(bytes).sum()
    }

    /// Whether the account may have one more stream.
    pub(super) fn check_stream_count(&self) -> Result<(), ApiError> {
        let streams = self.streams.read().len() as i64;
        let max = self.limits().max_streams;
        if max > 0 && streams >= max {
            return Err(ErrorCode::MaximumStreamsLimit.error());
        }
        Ok(())
    }

    fn check_new(&self, config: &StreamConfig) -> Result<(), ApiError> {
        self.check_stream_count()?;
        if config.mirror_direct && config.mirror.is_none() {
            return Err(
                ErrorCode::StreamInvalidConfig.saying("stream has no mirror but does have mirror direct")
            );
        }
        Ok(())
    }

    pub(super) fn check_overlap(&self, config: &StreamConfig) -> Result<(), ApiError> {
        let overlap = |host: &Arc<StreamHost>| {
            *host.name != *config.name && {
                let state = host.lock();
                let theirs = &state.machine.config().subjects;
                theirs.iter().any(|a| config.subjects.iter().any(|b| overlaps(a.as_bytes(), b.as_bytes())))
            }
        };
        if self.streams.read().values().any(overlap) {
            return Err(ErrorCode::StreamSubjectOverlap.error());
        }
        Ok(())
    }

    fn start_new(&self, config: StreamConfig) -> Result<Arc<StreamHost>, ApiError> {
        let created = Timestamp(self.env.now());
        let kind = storage_kind(&config);
        if kind == StorageKind::File && self.env.phase() != Phase::Ready {
            return Err(ErrorCode::ClusterNotAvail.error());
        }
        let meta = record::encode(created, &config);
        let store = &self.env.store;
        let (id, log, lsn) =
            store.create_stream(self.account.name(), &config.name, &meta, kind).map_err(not_created)?;
        let first_seq = config.first_seq;
        let mut state =
            StreamState::new(StreamMachine::new(config, self.bounds()), log, Consumers::default(), created);
        state.wrote(lsn);
        if let Err(error) = state.begin_at(first_seq) {
            // If this fails too, the store begins anew, and the stream was never acknowledged.
            let _ = store.delete_stream(id);
            return Err(not_created(error));
        }
        let host = StreamHost::start(id, self.account.clone(), self.env.clone(), state);
        let configured = host.lock().configure_inflow(&host, None);
        if let Err(error) = configured {
            let _ = store.delete_stream(id);
            host.close();
            return Err(ErrorCode::StreamCreate.with(error));
        }
        host.capture();
        self.put(host.clone());
        host.start_inflow();
        Ok(host)
    }

    fn reconfigure(&self, host: &Arc<StreamHost>, config: StreamConfig) -> Result<(), ApiError> {
        let mut guard = host.lock();
        let state = &mut *guard;
        let store_failed = |error| ApiError::from(Refusal::from(error));
        let lsn: Lsn = self
            .env
            .store
            .update_stream(host.id, &record::encode(state.created, &config))
            .map_err(store_failed)?;
        state.wrote(lsn);
        let begins = |config: &StreamConfig| config.retention == Retention::Interest;
        let begins_now = begins(&config) && !begins(state.machine.config());
        state.reconfigure(config, &self.env).map_err(store_failed)?;
        state.configure_inflow(host, None).map_err(store_failed)?;
        if begins_now {
            state.release_acknowledged(host);
        }
        Ok(())
    }
}

fn not_created(error: StoreError) -> ApiError {
    match error {
        StoreError::Poisoned(_) | StoreError::DiskFull => Refusal::from(error).into(),
        error => ErrorCode::StreamCreate.with(error),
    }
}

/// Limits for consumers must not be tightened below what existing ones have.
fn check_consumer_limits(host: &StreamHost, config: &StreamConfig) -> Result<(), ApiError> {
    let limits = &config.consumer_limits;
    let over = |value: i64, max: i64| max > 0 && value > max;
    let state = host.lock();
    let configs = state.consumers.iter().map(|hosted| hosted.machine.config());
    let violating = configs.filter(|consumer| {
        over(consumer.inactive_threshold, limits.inactive_threshold)
            || over(consumer.max_ack_pending, limits.max_ack_pending)
    });
    let names: Vec<&str> = violating.map(|consumer| consumer.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(ErrorCode::StreamUpdate
        .with(format_args!("change to limits violates consumers: {}", names.join(", "))))
}
