//! What every stream of the server shares.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use super::host::StreamHost;
use super::settings::Settings;
use super::stream::Bounds;
use crate::account::Account;
use crate::clock::{Clock, UnixNanos};
use crate::ids::Random;
use crate::router::Gate;
use crate::store::{CommitObserver, Lsn, Store, StoreError};

/// The surroundings of all streams: disk, time, settings.
pub struct Env {
    /// The disk.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where consumers' seeds come from.
    pub random: Arc<dyn Random>,
    /// What the configuration says of JetStream.
    pub settings: Settings,
    /// The account of operators, once it has come into being.
    pub system: OnceLock<Arc<Account>>,
    /// What streams may use, apart from limits of accounts.
    pub bounds: Bounds,
    /// Where streams' timers and pumps run when nobody else runs them.
    pub runtime: tokio::runtime::Handle,
    /// Closed while more waits for the disk than memory should hold.
    pub ingest_gate: Arc<Gate>,
    /// A place for each backup or restore that may be under way.
    pub transfers: Arc<Semaphore>,
    /// Who waits for the disk.
    pub commits: Arc<Commits>,
}

impl Env {
    /// The current moment.
    pub fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    /// Whether JetStream is in working order.
    pub fn phase(&self) -> Phase {
        self.commits.phase()
    }

    /// Grows by one whenever the store fails: what was promised before and has not settled never will.
    pub fn failures(&self) -> u32 {
        self.commits.failures.load(Ordering::SeqCst)
    }

    /// Up to where the journal counts as safe: synced, or written where the configuration relaxes that.
    pub fn settled(&self) -> Lsn {
        self.commits.settled()
    }

    /// Up to where that holds which was promised when the store had failed `failures` times. Positions behind it may have been
    /// taken by something else since.
    pub fn settled_of(&self, failures: u32) -> Lsn {
        match self.failures().wrapping_sub(failures) {
            0 => self.settled(),
            1 => self.settled().min(Lsn(self.commits.failed_at.load(Ordering::SeqCst))),
            _ => Lsn::ZERO,
        }
    }
}

/// Whether JetStream is in working order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// What the store holds is not known yet.
    Recovering,
    /// It works. Single streams may still be on their way.
    Ready,
    /// The store has failed and has to be opened anew. Streams in memory work.
    Failed,
}

/// Follows the committer: how far it has come, and which streams wait for it.
pub struct Commits {
    settled: AtomicU64,
    phase: AtomicU8,
    failures: AtomicU32,
    /// What had settled when the store failed last.
    failed_at: AtomicU64,
    /// Told when the store fails, and when the broker goes away.
    failed: Notify,
    written_is_enough: bool,
    waiting: Mutex<Vec<Arc<StreamHost>>>,
    ingest_gate: Arc<Gate>,
}

impl Commits {
    /// With `written_is_enough`, a record counts as settled once it is written, before it is synced.
    pub fn new(written_is_enough: bool, ingest_gate: Arc<Gate>) -> Self {
        Self {
            settled: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Recovering as u8),
            failures: AtomicU32::new(0),
            failed_at: AtomicU64::new(0),
            failed: Notify::new(),
            written_is_enough,
            waiting: Mutex::default(),
            ingest_gate,
        }
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Recovering,
            1 => Phase::Ready,
            _ => Phase::Failed,
        }
    }

    /// What the store holds is known, unless it has failed more often than `failures` times by now.
    pub fn set_ready(&self, failures: u32) {
        self.phase.store(Phase::Ready as u8, Ordering::SeqCst);
        if self.failures.load(Ordering::SeqCst) != failures {
            self.phase.store(Phase::Failed as u8, Ordering::SeqCst);
        }
    }

    /// Returns when the store has failed, or [`Self::wake_watcher`] was called.
    pub async fn wait_for_failure(&self) {
        self.failed.notified().await;
    }

    /// Has [`Self::wait_for_failure`] return.
    pub fn wake_watcher(&self) {
        self.failed.notify_one();
    }

    fn wake_waiting(&self) {
        for host in std::mem::take(&mut *self.waiting.lock()) {
            host.wake_at_commit();
        }
    }

    fn settled(&self) -> Lsn {
        Lsn(self.settled.load(Ordering::SeqCst))
    }

    /// Has `host` woken at the next commit. A stream enlists once, see [`StreamHost::wait_for_commit`].
    pub fn enlist(&self, host: Arc<StreamHost>) {
        self.waiting.lock().push(host);
    }
}

impl CommitObserver for Commits {
    fn committed(&self, written: Lsn, durable: Lsn) {
        let settled = if self.written_is_enough { written } else { durable };
        self.settled.fetch_max(settled.0, Ordering::SeqCst);
        self.wake_waiting();
    }

    fn failed(&self, error: &StoreError) {
        log::error!("JetStream store failed, nothing is acknowledged until it has been opened anew: {error}");
        self.phase.store(Phase::Failed as u8, Ordering::SeqCst);
        self.failed_at.store(self.settled().0, Ordering::SeqCst);
        self.failures.fetch_add(1, Ordering::SeqCst);
        self.ingest_gate.open();
        self.wake_waiting();
        self.wake_watcher();
    }

    fn reopened(&self, durable: Lsn) {
        self.settled.store(durable.0, Ordering::SeqCst);
    }

    fn pressure(&self, high: bool) {
        if high {
            self.ingest_gate.close();
        } else {
            self.ingest_gate.open();
        }
    }
}
