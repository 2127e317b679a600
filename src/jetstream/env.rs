//! What every stream of the server shares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

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

    /// Up to where the journal counts as safe: synced, or written where the configuration relaxes that.
    pub fn settled(&self) -> Lsn {
        self.commits.settled()
    }
}

/// Follows the committer: how far it has come, and which streams wait for it.
pub struct Commits {
    settled: AtomicU64,
    written_is_enough: bool,
    waiting: Mutex<Vec<Arc<StreamHost>>>,
    ingest_gate: Arc<Gate>,
}

impl Commits {
    /// With `written_is_enough`, a record counts as settled once it is written, before it is synced.
    pub fn new(written_is_enough: bool, ingest_gate: Arc<Gate>) -> Self {
        Self { settled: AtomicU64::new(0), written_is_enough, waiting: Mutex::default(), ingest_gate }
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
        for host in std::mem::take(&mut *self.waiting.lock()) {
            host.wake_at_commit();
        }
    }

    fn failed(&self, error: &StoreError) {
        log::error!("JetStream store failed, nothing is acknowledged until it has been reopened: {error}");
        self.ingest_gate.open();
    }

    fn pressure(&self, high: bool) {
        if high {
            self.ingest_gate.close();
        } else {
            self.ingest_gate.open();
        }
    }
}
