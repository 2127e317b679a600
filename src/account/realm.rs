//! What all accounts of a server share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use super::SYSTEM_ACCOUNT;
use crate::clock::{Clock, SystemClock, UnixNanos};

/// What all accounts of a server share.
pub struct Realm {
    /// The server's name.
    pub server: String,
    /// The account of operators.
    pub system_account: Arc<str>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// When somebody has to look after answers that do not come.
    next_deadline: AtomicI64,
    sooner: Notify,
}

impl Realm {
    /// A realm of this name, with nothing to wait for.
    pub fn new(server: &str, system_account: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            server: server.to_owned(),
            system_account: system_account.into(),
            clock,
            next_deadline: AtomicI64::new(UnixNanos::MAX),
            sooner: Notify::new(),
        }
    }

    /// Asks to be looked after at this time.
    pub fn wake_at(&self, deadline: UnixNanos) {
        if self.next_deadline.fetch_min(deadline, Ordering::AcqRel) > deadline {
            self.sooner.notify_one();
        }
    }

    /// When somebody has to look after answers that do not come.
    pub fn deadline(&self) -> UnixNanos {
        self.next_deadline.load(Ordering::Acquire)
    }

    /// Everything is looked after now; what is left has to say again when it wants to be.
    pub fn begin_round(&self) {
        self.next_deadline.store(UnixNanos::MAX, Ordering::Release);
    }

    /// Returns when the time is sooner than it was.
    pub async fn sooner(&self) {
        self.sooner.notified().await;
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self::new("", SYSTEM_ACCOUNT, Arc::new(SystemClock))
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").field("server", &self.server).finish_non_exhaustive()
    }
}
