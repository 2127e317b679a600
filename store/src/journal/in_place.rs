//! Commits in place: where a written record need not be on disk yet and writing is quick, whoever appended also writes.
//!
//! That saves the committer's thread from being woken for every batch, and the batch from waiting for it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::Journal;
use super::commit::CommitState;
use crate::StoreError;
use crate::options::SyncPolicy;

/// Commits that take longer are left to the committer's thread: a disk that makes writers wait must not hold up whoever appends.
const QUICK_COMMIT_MAX: Duration = Duration::from_micros(500);

impl Journal {
    /// Sees to it that what was appended is committed: at once and by the caller where that takes next to no time, else by the
    /// committer. To be called by whoever stored messages, at the end of the batch and without holding a lock.
    pub fn commit_soon(&self) {
        if !self.waits.load(Ordering::Relaxed) {
            return;
        }
        match self.commit.try_lock() {
            Some(state) if self.commits_in_place() => drop(self.commit_timed_with(state)),
            _ => drop(self.wake.notify_one()),
        }
    }

    /// Whether those who append also commit.
    pub(super) fn commits_in_place(&self) -> bool {
        self.in_place.load(Ordering::Relaxed)
    }

    /// From now on those who append leave it to the committer to commit.
    pub(super) fn leave_to_committer(&self) {
        self.in_place.store(false, Ordering::Relaxed);
    }

    /// Like [`Journal::commit`]; how long it takes decides who does the next.
    pub(super) fn commit_timed(&self) -> Result<Option<Duration>, StoreError> {
        self.commit_timed_with(self.commit.lock())
    }

    fn commit_timed_with(&self, state: MutexGuard<'_, CommitState>) -> Result<Option<Duration>, StoreError> {
        let start = Instant::now();
        if !self.commit_with(state, true)? {
            return Ok(None);
        }
        let took = start.elapsed();
        let waits_for_disk = self.options.sync == SyncPolicy::Always || !self.options.commit_window.is_zero();
        self.in_place.store(!waits_for_disk && took < QUICK_COMMIT_MAX, Ordering::Relaxed);
        Ok(Some(took))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::core::Class;
    use crate::journal::deferred::Removal;
    use crate::journal::record::{Draft, Kind};
    use crate::options::StoreOptions;
    use crate::{Lsn, Store};

    const TRIES_MAX: usize = 10_000;

    /// A journal that nobody commits but the test.
    fn journal(sync: SyncPolicy, commit_window: Duration) -> (tempfile::TempDir, Arc<Store>, Arc<Journal>) {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { sync, commit_window, threads: false, ..StoreOptions::default() };
        let (store, ..) = Store::open(dir.path(), options).unwrap();
        let journal = store.journal().unwrap();
        (dir, store, journal)
    }

    fn append(journal: &Journal) -> Lsn {
        journal.append(&Draft::new(Kind::Message, 1), Class::Message).unwrap().lsn
    }

    fn relaxed() -> SyncPolicy {
        SyncPolicy::Interval(Duration::from_secs(3600))
    }

    #[test]
    fn where_written_is_enough_and_writing_is_quick_whoever_appends_commits() {
        let (_dir, _store, journal) = journal(relaxed(), Duration::ZERO);
        let is_quick = |_: &usize| {
            append(&journal);
            journal.commit_timed().unwrap();
            journal.commits_in_place()
        };
        assert!((0..TRIES_MAX).any(|n| is_quick(&n)), "not one quick commit");
        let lsn = append(&journal);
        assert!(journal.written() < lsn);
        journal.commit_soon();
        assert_eq!(journal.written(), lsn);
        assert!(journal.durable() < lsn);
        let removal = Removal { stream: 1, floor: None, tombstone: Some((1, 1)), released: &[] };
        let lsn = journal.remove(&removal).unwrap();
        journal.commit_soon();
        assert!(journal.written() >= lsn);
    }

    #[test]
    fn nobody_but_the_committer_waits_for_a_sync_or_a_window() {
        let window = Duration::from_millis(1);
        for (sync, window) in [(SyncPolicy::Always, Duration::ZERO), (relaxed(), window)] {
            let (_dir, _store, journal) = journal(sync, window);
            for _ in 0..20 {
                append(&journal);
                journal.commit_timed().unwrap();
                let lsn = append(&journal);
                journal.commit_soon();
                assert!(journal.written() < lsn);
            }
        }
    }
}
