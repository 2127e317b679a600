//! A stream as a state machine: what it stores, refuses and removes. No tokio, no files, no clock.
//!
//! | file | what it decides |
//! |---|---|
//! | [`config`] | which configurations and updates are valid, and their defaults |
//! | [`publish`] | what becomes of a publish |
//! | `accept`, `storing` | whether a message is in order; storing it and what follows from that |
//! | [`batch`] | batches, atomic and fast |
//! | [`bounds`], [`room`] | what streams may use of the server |
//! | [`turn`] | what an input is handed, and what comes of it |
//! | `traced` | the same for publishes that are traced, or only traced |
//! | [`expectations`] | whether the stream is as a publisher expects |
//! | [`limits`] | which messages limits remove |
//! | [`ttl`], [`expiry`] | how long a message lives, and what it leaves behind |
//! | [`counter`], [`decimal_sum`] | subjects that count |
//! | [`take_over`] | storing what another stream holds |
//! | [`schedule`] | messages that are published at set times |
//! | [`republish`] | where stored messages go again |
//! | [`purge`] | what a purge or delete removes |
//! | [`dedup`] | which message ids were seen already |

mod accept;
pub mod batch;
pub mod bounds;
pub mod config;
pub mod counter;
pub mod decimal_sum;
pub mod dedup;
pub mod expectations;
pub mod expiry;
pub mod limits;
pub mod publish;
pub mod publish_headers;
pub mod purge;
pub mod refusal;
pub mod republish;
pub mod room;
pub mod schedule;
mod storing;
pub mod take_over;
#[cfg(test)]
mod tests;
pub mod timers;
mod traced;
pub mod ttl;
pub mod turn;

use headwater_protocol::headers;
use headwater_protocol::jetstream::stream_config::{Discard, Retention, Storage, StreamConfig};

pub use bounds::Bounds;
pub use publish::Ingest;
pub use purge::Purge;
pub use refusal::Refusal;
pub use take_over::{Foreign, Taken};
pub use turn::{Answer, Audience, Effect, Turn};

use crate::clock::UnixNanos;
use crate::store::{MessageLog, StorageKind, StoreError};
use batch::atomic::AtomicBatches;
use batch::fast::FastBatches;
use dedup::Dedup;
use expiry::{Lives, load};
use republish::Republisher;
use room::Meter;
use schedule::Schedules;

/// The most messages read back at recovery to learn which message ids are still within the duplicate window.
const RECOVERED_IDS_MAX: u64 = 1_000_000;

/// What a stream decides by; its messages are in a [`MessageLog`] that every call is handed.
pub struct StreamMachine {
    config: StreamConfig,
    bounds: Bounds,
    dedup: Dedup,
    /// Id of the last message stored, empty when it had none.
    last_msg_id: Vec<u8>,
    lives: Lives,
    schedules: Schedules,
    atomic: AtomicBatches,
    fast: FastBatches,
    /// `None` once the stream has been deleted.
    meter: Option<Meter>,
    republisher: Option<Republisher>,
    /// It was purged, or lost its last consumer, before it held a message.
    begun: bool,
    /// When limits that a full disk has kept from being enforced are tried again.
    limits_due: Option<UnixNanos>,
}

impl StreamMachine {
    /// A stream that holds nothing yet. `config` has been completed by [`config::complete`].
    pub fn new(config: StreamConfig, bounds: Bounds) -> Self {
        let dedup = Dedup::new(config.duplicate_window);
        let republisher = Republisher::new(&config);
        let meter = Meter::new(bounds.account.clone(), bounds.server.clone(), storage_kind(&config));
        Self {
            config,
            bounds,
            dedup,
            last_msg_id: Vec::new(),
            lives: Lives::default(),
            schedules: Schedules::default(),
            atomic: AtomicBatches::default(),
            fast: FastBatches::default(),
            meter: Some(meter),
            republisher,
            begun: false,
            limits_due: None,
        }
    }

    /// A stream whose messages were found in the store. Message ids still within the window and the ends of messages'
    /// lives are learnt from their headers.
    pub fn recover(
        config: StreamConfig,
        bounds: Bounds,
        log: &dyn MessageLog,
        now: UnixNanos,
    ) -> Result<Self, StoreError> {
        let mut machine = Self::new(config, bounds);
        machine.learn_ids(log, now)?;
        machine.learn_headers(log, now)?;
        machine.count_bytes(log);
        machine.find_limits_due(log, now);
        Ok(machine)
    }

    /// What the stream is configured to do.
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// Goes on with another configuration, which [`config::check_update`] has allowed, and removes what it no longer
    /// has room for.
    pub fn reconfigure(
        &mut self,
        config: StreamConfig,
        log: &mut dyn MessageLog,
        now: UnixNanos,
    ) -> Result<(), StoreError> {
        self.dedup.set_window(config.duplicate_window);
        self.republisher = Republisher::new(&config);
        let ttls_matter_now = config.allow_msg_ttl && !self.config.allow_msg_ttl;
        let schedules_matter_now = config.allow_msg_schedules && !self.config.allow_msg_schedules;
        self.config = config;
        self.lives.forget_deadline();
        if !self.config.allow_atomic {
            self.atomic.clear();
        }
        if !self.config.allow_batched {
            self.fast.clear();
        }
        if ttls_matter_now || schedules_matter_now {
            self.learn_headers(log, now)?;
        }
        self.enforce_all_limits(log, now, &mut |_, _| {})
    }

    /// The stream was deleted: what it still holds is no longer counted.
    pub fn leave(&mut self) {
        self.meter = None;
    }

    fn count_bytes(&mut self, log: &dyn MessageLog) {
        if let Some(meter) = &mut self.meter {
            meter.count(log.state().bytes);
        }
    }

    /// Does what time has made due; returns when to look again.
    pub fn tick(&mut self, turn: &mut Turn<'_>) -> Result<Option<UnixNanos>, StoreError> {
        self.atomic.time_out(turn);
        self.fast.time_out(turn.now);
        let expiry = self.expire(turn)?;
        self.fire_schedules(turn)?;
        let limits = self.enforce_due_limits(turn, expiry)?;
        self.count_bytes(turn.log);
        let deadlines = [expiry, self.atomic.deadline(), self.fast.deadline(), self.schedules.next(), limits];
        Ok(deadlines.into_iter().flatten().min())
    }

    /// Learns from stored headers when messages end, and which are schedules.
    fn learn_headers(&mut self, log: &dyn MessageLog, now: UnixNanos) -> Result<(), StoreError> {
        let (ttls, schedules) = (self.config.allow_msg_ttl, self.config.allow_msg_schedules);
        self.forget_lives();
        self.schedules = Schedules::default();
        let mut next = if ttls || schedules { log.next_with_headers(0)? } else { None };
        while let Some(seq) = next {
            if let Some(message) = load(log, seq)? {
                if ttls {
                    self.learn_life(now, &message);
                }
                if schedules {
                    self.learn_schedule(log, &message);
                }
            }
            next = log.next_with_headers(seq + 1)?;
        }
        Ok(())
    }

    fn learn_ids(&mut self, log: &dyn MessageLog, now: UnixNanos) -> Result<(), StoreError> {
        let last_seq = log.state().last_seq;
        let window_start = log.seq_at_or_after(now.saturating_sub(self.dedup.window()))?;
        let from = window_start.max(last_seq.saturating_sub(RECOVERED_IDS_MAX)).min(last_seq);
        let mut next = log.next_with_headers(from)?;
        let mut learnt = None;
        while let Some(seq) = next {
            self.learn_id(log, seq)?;
            learnt = next;
            next = log.next_with_headers(seq + 1)?;
        }
        if learnt != log.last_match(last_seq, &[])? {
            self.last_msg_id.clear();
        }
        Ok(())
    }

    /// A message that turns out damaged is one whose id is no longer known; the rest counts on.
    fn learn_id(&mut self, log: &dyn MessageLog, seq: u64) -> Result<(), StoreError> {
        let message = match log.load(seq) {
            Ok(Some(message)) => message,
            Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        self.last_msg_id.clear();
        if let Some(id) = headers::get(message.headers(), b"Nats-Msg-Id") {
            self.dedup.remember(id, message.ts, seq);
            self.last_msg_id.extend_from_slice(id);
        }
        Ok(())
    }
}

/// Where the store keeps a stream of this configuration.
pub fn storage_kind(config: &StreamConfig) -> StorageKind {
    match config.storage {
        Storage::File => StorageKind::File,
        Storage::Memory => StorageKind::Memory,
    }
}
