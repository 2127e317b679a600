//! How much the streams of an account and of the server store, and how much they may.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::refusal::Refusal;
use crate::store::StorageKind;

/// Bytes in use and the most that may be; clones share what is in use.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<Used>,
}

#[derive(Debug, Default)]
struct Used {
    file_bytes: AtomicI64,
    memory_bytes: AtomicI64,
    /// The most in files; below 0 without limit.
    file_bytes_max: AtomicI64,
    /// The most in memory; below 0 without limit.
    memory_bytes_max: AtomicI64,
}

/// What one stream counts against the budgets of its account and the server. It is taken off when this is dropped.
#[derive(Debug)]
pub struct Meter {
    account: Budget,
    server: Budget,
    kind: StorageKind,
    counted: i64,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(file_bytes_max: i64, memory_bytes_max: i64) -> Self {
        let budget = Self { used: Arc::default() };
        budget.set_max(file_bytes_max, memory_bytes_max);
        budget
    }

    /// Changes what may be used, for all who share the budget.
    pub fn set_max(&self, file_bytes_max: i64, memory_bytes_max: i64) {
        self.used.file_bytes_max.store(file_bytes_max, Ordering::Relaxed);
        self.used.memory_bytes_max.store(memory_bytes_max, Ordering::Relaxed);
    }

    /// Whether `more` bytes would be too many.
    fn is_exceeded_by(&self, kind: StorageKind, more: u64) -> bool {
        let max = match kind {
            StorageKind::File => self.used.file_bytes_max.load(Ordering::Relaxed),
            StorageKind::Memory => self.used.memory_bytes_max.load(Ordering::Relaxed),
        };
        let used = self.used(kind).load(Ordering::Relaxed);
        max >= 0 && used.saturating_add(i64::try_from(more).unwrap_or(i64::MAX)) > max
    }

    fn used(&self, kind: StorageKind) -> &AtomicI64 {
        match kind {
            StorageKind::File => &self.used.file_bytes,
            StorageKind::Memory => &self.used.memory_bytes,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(-1, -1)
    }
}

impl Meter {
    /// Counts a stream of this kind that holds nothing yet.
    pub fn new(account: Budget, server: Budget, kind: StorageKind) -> Self {
        Self { account, server, kind, counted: 0 }
    }

    /// The stream holds this many bytes now.
    pub fn count(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let more = bytes - self.counted;
        if more != 0 {
            self.account.used(self.kind).fetch_add(more, Ordering::Relaxed);
            self.server.used(self.kind).fetch_add(more, Ordering::Relaxed);
            self.counted = bytes;
        }
    }

    /// Whether the server has come to its limit.
    pub fn check_server(&self) -> Result<(), Refusal> {
        if self.server.is_exceeded_by(self.kind, 0) { Err(Refusal::NoResources) } else { Ok(()) }
    }

    /// Whether a message of this many bytes is within the account's limit.
    pub fn check_account(&self, bytes: u64) -> Result<(), Refusal> {
        if self.account.is_exceeded_by(self.kind, bytes) { Err(Refusal::AccountResources) } else { Ok(()) }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.count(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_full_when_all_its_streams_of_a_kind_are() {
        let (account, server) = (Budget::new(100, -1), Budget::default());
        let file = || Meter::new(account.clone(), server.clone(), StorageKind::File);
        let (mut a, mut b) = (file(), file());
        let mut memory = Meter::new(account.clone(), server.clone(), StorageKind::Memory);
        a.count(60);
        memory.count(1_000);
        assert!(b.check_account(40).is_ok() && b.check_account(41).is_err());
        b.count(40);
        assert!(a.check_account(1).is_err() && memory.check_account(1).is_ok());
        a.count(10);
        assert!(b.check_account(50).is_ok());
        drop(b);
        assert!(a.check_account(90).is_ok() && a.check_account(91).is_err());
    }

    #[test]
    fn the_server_refuses_beyond_its_limit_not_at_it() {
        let server = Budget::new(100, -1);
        let mut meter = Meter::new(Budget::default(), server, StorageKind::File);
        meter.count(100);
        assert!(meter.check_server().is_ok());
        meter.count(101);
        assert!(meter.check_server().is_err());
    }
}
