//! The one place that knows the time.
//!
//! Everything below the rim is handed `now`; a test or the simulator hands in its own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use headwater_store::UnixNanos;

/// Where the broker gets the time from.
pub trait Clock: Send + Sync {
    /// The current moment.
    fn now(&self) -> UnixNanos;
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixNanos {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixNanos::try_from(since_epoch.as_nanos()).unwrap_or(UnixNanos::MAX)
    }
}

/// A clock that moves only when it is told to, for tests and the simulator.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: UnixNanos) -> Self {
        Self(AtomicI64::new(now))
    }

    /// Moves the clock forward by `nanos`.
    pub fn advance(&self, nanos: UnixNanos) {
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixNanos {
        self.0.load(Ordering::Relaxed)
    }
}
