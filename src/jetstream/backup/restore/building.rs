//! A stream that is being restored: in the store already, but nobody's yet.
//!
//! The store knows it under an account that no one can have. When it is whole one record gives it its name; what is found
//! under that account at a start is the rest of a restore that was interrupted, and removed.

use std::sync::Arc;

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::error::ErrorCode;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::timestamp::Timestamp;
use headwater_protocol::subject;

use super::super::consumer_entry::Standing;
use super::super::entry::Entry;
use super::super::{RestoreError, because};
use crate::clock::UnixNanos;
use crate::jetstream::account::JsAccount;
use crate::jetstream::host::StreamHost;
use crate::jetstream::stream::room::Meter;
use crate::jetstream::stream::ttl::Ttl;
use crate::jetstream::stream::{Refusal, storage_kind};
use crate::store::{LogState, MessageLog, NewMessage, StorageKind, StoreError, StreamId};

/// The account that streams belong to which are not whole yet.
pub const UNFINISHED: &str = "\0unfinished";
/// The most consumers of one stream that are taken.
const CONSUMERS_MAX: usize = 1_000_000;

/// A stream that is not whole yet. Dropping it removes it.
pub struct Building {
    pub(super) account: Arc<JsAccount>,
    pub(super) config: StreamConfig,
    pub(super) id: StreamId,
    /// `None` once it has been handed over.
    pub(super) log: Option<Box<dyn MessageLog>>,
    pub(super) created: Timestamp,
    pub(super) consumers: Vec<RestoredConsumer>,
    /// The last sequence ever given, and when.
    end: (u64, UnixNanos),
    meter: Meter,
}

/// A consumer on its way back.
pub struct RestoredConsumer {
    pub(super) name: String,
    pub(super) config: ConsumerConfig,
    pub(super) created: Option<Timestamp>,
    /// As the consumer's machine reads it; empty if nothing is known.
    pub(super) state: Vec<u8>,
}

impl Building {
    /// Begins a stream of this configuration, which has been checked.
    pub fn new(account: &Arc<JsAccount>, config: StreamConfig) -> Result<Self, RestoreError> {
        let kind = storage_kind(&config);
        let env = &account.env;
        let (id, log, _) = env.store.create_stream(UNFINISHED, &config.name, b"", kind).map_err(of_store)?;
        let bounds = account.bounds();
        Ok(Self {
            account: account.clone(),
            created: Timestamp(env.now()),
            config,
            id,
            log: Some(log),
            consumers: Vec::new(),
            end: (0, 0),
            meter: Meter::new(bounds.account, bounds.server, kind),
        })
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The stream was made at another time than now.
    pub fn set_created(&mut self, created: Timestamp) {
        self.created = created;
    }

    /// The longest message that is taken, header block and payload.
    pub fn message_bytes_max(&self) -> u64 {
        let server = self.account.env.settings.payload_bytes_max;
        u64::try_from(self.config.max_msg_size).map_or(server, |stream| stream.min(server))
    }

    /// The last sequence that is known so far.
    pub fn last_seq(&self) -> u64 {
        self.stored().last_seq.max(self.end.0)
    }

    fn stored(&self) -> LogState {
        self.log.as_ref().map_or_else(LogState::default, |log| log.state())
    }

    /// There is nothing below this sequence, which came after `ts`.
    pub fn begin_at(&mut self, first_seq: u64, ts: UnixNanos) -> Result<(), RestoreError> {
        self.with_log(|log| {
            log.skip_to(first_seq.saturating_sub(1), ts)?;
            log.purge_below(first_seq)
        })
        .map(|_| ())
    }

    /// Stores a message, unless its life is over already: then only its sequence is used up.
    pub fn message(&mut self, entry: &Entry<'_>) -> Result<(), RestoreError> {
        let Entry { name, ts, seq, headers, payload } = *entry;
        self.check(entry)?;
        if has_ended(headers, ts, self.account.env.now()) {
            return self.with_log(|log| log.skip_to(seq, ts)).map(|_| ());
        }
        let message = NewMessage { seq, ts, subject: name, headers, payload };
        self.with_log(|log| log.append(&message))?;
        self.count()
    }

    /// A message turns out to have been deleted.
    pub fn remove(&mut self, seq: u64) -> Result<(), RestoreError> {
        self.with_log(|log| log.remove(seq)).map(|_| ())
    }

    /// The last sequence ever given is at least this one; `ts` is when, 0 if that is not known.
    pub fn end_at(&mut self, last_seq: u64, ts: UnixNanos) {
        if last_seq > self.end.0 || (last_seq == self.end.0 && ts != 0) {
            self.end = (last_seq, ts);
        }
    }

    /// Adds a consumer, of a stream that goes up to `last_seq`.
    pub fn consumer(
        &mut self,
        name: &str,
        config: ConsumerConfig,
        created: Option<Timestamp>,
        standing: Option<&Standing>,
        last_seq: u64,
    ) -> Result<(), RestoreError> {
        if self.consumers.len() >= CONSUMERS_MAX {
            return Err(because("too many consumers"));
        }
        let config = self
            .checked(name, config)
            .map_err(|error| because(format!("failed to add consumer {name:?}: {}", error.description)))?;
        let state = standing.map_or_else(Vec::new, |standing| standing.encode(&config, last_seq));
        self.consumers.push(RestoredConsumer { name: name.to_owned(), config, created, state });
        Ok(())
    }

    /// Puts the stream into service.
    pub fn finish(mut self) -> Result<Arc<StreamHost>, RestoreError> {
        let (last_seq, ts) = self.end;
        let ts = if ts == 0 { self.stored().last_ts } else { ts };
        self.with_log(|log| log.skip_to(last_seq, ts))?;
        let account = self.account.clone();
        account.adopt_restored(self)
    }

    fn check(&self, entry: &Entry<'_>) -> Result<(), RestoreError> {
        let seq = entry.seq;
        if seq <= self.stored().last_seq {
            return Err(because(format!("message sequence {seq} out of order")));
        }
        if (entry.headers.len() + entry.payload.len()) as u64 > self.message_bytes_max() {
            return Err(because(format!("message sequence {seq} exceeds maximum message size")));
        }
        if !subject::is_literal(entry.name) {
            return Err(because(format!("message sequence {seq} is malformed")));
        }
        Ok(())
    }

    /// Whether server and account have room for what there is.
    fn count(&mut self) -> Result<(), RestoreError> {
        self.meter.count(self.stored().bytes);
        let within = self.meter.check_server().and_then(|()| self.meter.check_account(0));
        let full = match storage_kind(&self.config) {
            StorageKind::File => ErrorCode::StorageResourcesExceeded,
            StorageKind::Memory => ErrorCode::MemoryResourcesExceeded,
        };
        within.map_err(|_| RestoreError::Api(full.error()))
    }

    fn with_log<T>(
        &mut self,
        change: impl FnOnce(&mut dyn MessageLog) -> Result<T, StoreError>,
    ) -> Result<T, RestoreError> {
        let log = self.log.as_mut().ok_or_else(|| because("the stream is complete"))?;
        change(log.as_mut()).map_err(of_store)
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        let Some(log) = self.log.take() else { return };
        if log.kind() == StorageKind::File {
            if let Err(error) = self.account.env.store.delete_stream(self.id) {
                log::error!("stream {}: what was restored of it was not removed: {error}", self.config.name);
            }
        }
    }
}

/// Whether the life of a message, if it has one of its own, is over.
fn has_ended(block: &[u8], ts: UnixNanos, now: UnixNanos) -> bool {
    let ttl = headers::get(block, names::TTL).and_then(|value| Ttl::parse(value).ok().flatten());
    ttl.and_then(|ttl| ttl.end(ts)).is_some_and(|end| end <= now)
}

/// As the API tells of it.
pub(super) fn of_store(error: StoreError) -> RestoreError {
    RestoreError::Api(Refusal::from(error).into())
}
