//! Who is told how far the journal has come, that it failed, and that too much waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Journal;
use crate::{Lsn, StoreError};

/// Who wants to know how far the journal has come. Called by whoever committed, without any lock held.
pub trait CommitObserver: Send + Sync {
    /// Everything up to `written` has been written, everything up to `durable` is on disk.
    fn committed(&self, written: Lsn, durable: Lsn);

    /// A write or sync failed: what waited may not be on disk, and nothing will be until the store was opened anew. May be
    /// called with locks held: it must not touch a log.
    fn failed(&self, error: &StoreError);

    /// The store was opened anew: what is on disk ends at `durable`, wherever it was before.
    fn reopened(&self, durable: Lsn) {
        let _ = durable;
    }

    /// `high`: more waits for the disk than `pending_bytes_max`, appenders should pause; then, less than half of it does.
    fn pressure(&self, high: bool) {
        let _ = high;
    }
}

impl Journal {
    /// Has `observer` told of every commit from now on.
    pub fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.observers.write().push(observer);
    }

    /// Whether appenders should pause.
    pub fn pressure(&self) -> bool {
        self.waiting_bytes() > self.options.pending_bytes_max || self.indexes.is_over()
    }

    /// Bytes appended and not yet written.
    pub fn waiting_bytes(&self) -> u64 {
        self.pending_bytes.load(Ordering::Relaxed) + self.in_flight_bytes.load(Ordering::Relaxed)
    }

    /// Poisons the journal because what it relies on is broken.
    pub fn poison(&self, error: StoreError) -> StoreError {
        self.fail(error)
    }

    pub(super) fn tell_committed(&self) {
        let (written, durable) = (self.written(), self.durable());
        for observer in self.observers.read().clone() {
            observer.committed(written, durable);
        }
    }

    /// Poisons the journal; returns what callers are told from now on.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        let poisoned = match error {
            StoreError::Poisoned(_) => error,
            other => StoreError::Poisoned(other.to_string()),
        };
        let mut core = self.core.lock();
        let first = core.failure().is_none();
        core.fail(poisoned.clone());
        drop(core);
        if first {
            log::error!("journal: {poisoned}");
            for observer in self.observers.read().clone() {
                observer.failed(&poisoned);
            }
        }
        poisoned
    }

    pub(super) fn update_pressure(&self) {
        let mut pressed = self.pressed.lock();
        let waiting = self.waiting_bytes();
        let most = if *pressed { self.options.pending_bytes_max / 2 } else { self.options.pending_bytes_max };
        let high = waiting > most || self.indexes.is_over();
        if high != *pressed {
            *pressed = high;
            for observer in self.observers.read().clone() {
                observer.pressure(high);
            }
        }
    }
}
